/* The later generation: tensors mlp.p, any gate, s_i = 1/sqrt(2 n_layer) unless "scale_attn" is false, and
 * bilinear attention ("attention2", docs/specification.md, 22). */
#include "base/error.h"
#include "model/architecture/bilinear.h"
#include <math.h>
#include <string.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    return bl_bilinear_recognise(json, weights) && bl_weights_any(weights, ".mlp.p.");
}

static bool read_gate(const bl_arch_reading *r) {
    const json_t *gate = json_object_get(r->json, "gate");
    r->config->gate = BL_GATE_NONE;
    if (!gate || json_is_null(gate) || json_is_false(gate)) return true;
    const char *name = json_is_string(gate) ? json_string_value(gate) : "";
    for (bl_gate g = BL_GATE_RELU; g <= BL_GATE_GELU; g++)
        if (strcmp(name, bl_gate_name(g)) == 0) {
            r->config->gate = g;
            return true;
        }
    return bl_fail(r->err, BL_ERR_INPUT,
                   "%s: \"gate\" must be null, \"relu\", \"silu\" or \"gelu\", found %s%s%.40s", r->path,
                   bl_json_kind(gate), *name ? " " : "", name);
}

static bool read(const bl_arch_reading *r) {
    static const char *const keys[] = {"bilinear",   "gate",       "bias", "normalization",
                                       "attention2", "scale_attn", NULL};
    bl_config *c = r->config;
    bool bilinear = true, scaled = true;
    int bias;
    if (!bl_bilinear_read(r, keys) || !read_gate(r) || !bl_read_flag(r, "bilinear", &bilinear) ||
        !bl_read_flag(r, "normalization", &c->normalization) ||
        !bl_read_flag(r, "attention2", &c->attention2) || !bl_read_flag(r, "scale_attn", &scaled) ||
        !bl_bilinear_flag(r, "bias", &bias))
        return false;
    c->plain = !bilinear;
    c->unscaled_attention = !scaled;
    c->bias_p = bl_weights_any(r->weights, ".mlp.p.bias");
    c->bias_qkv = bl_weights_any(r->weights, ".attn.qkv.bias");
    return bl_bilinear_claim(r, bias, "bias", c->bias_w, "mlp.w.bias") &&
           bl_bilinear_claim(r, bias, "bias", c->bias_p, "mlp.p.bias");
}

static void list(bl_params *params, const bl_config *config) {
    bl_bilinear_list(params, config, "mlp.p", false);
}

static float attention_scale(const bl_config *c) { return 1.0F / sqrtf(2.0F * (float)c->n_layer); }

static bool check(const bl_config *c, bl_error *err) {
    if (c->norm_weights)
        return bl_fail(err, BL_ERR_USAGE,
                       "norm weights need a generation before \"later\", whose norms have none");
    if (c->bias_w != c->bias_p)
        return bl_fail(err, BL_ERR_USAGE, "the later generation has both biases of the MLP or none");
    return true;
}

static json_t *write(const bl_config *c) {
    json_t *json = json_pack("{s:b, s:s?, s:b, s:b, s:n, s:n}", "bilinear", !c->plain, "gate",
                             c->gate == BL_GATE_NONE ? NULL : bl_gate_name(c->gate), "bias", c->bias_w,
                             "normalization", c->normalization, "tokenizer", "repo");
    if (c->attention2) json_object_set_new(json, "attention2", json_true());
    if (c->unscaled_attention) json_object_set_new(json, "scale_attn", json_false());
    return json;
}

const bl_architecture bl_bilinear_later = {.name = "bilinear",
                                           .generation = "later",
                                           .recognise = recognise,
                                           .read = read,
                                           .list = list,
                                           .harmless = bl_bilinear_harmless,
                                           .attention_scale = attention_scale,
                                           .check = check,
                                           .write = write};
