/* The second generation: "bilinear" and a relu gate; tensors mlp.o as in the first. */
#include "base/error.h"
#include "model/architecture/bilinear.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    return bl_bilinear_recognise(json, weights) && !bl_weights_any(weights, ".mlp.p.");
}

static bool read(const bl_arch_reading *r) {
    static const char *const keys[] = {"bilinear", "gate", "normalization", NULL};
    bl_config *c = r->config;
    const json_t *gate = json_object_get(r->json, "gate");
    bool bilinear = true;
    if (!bl_bilinear_read(r, keys) || !bl_read_flag(r, "bilinear", &bilinear) ||
        !bl_read_flag(r, "normalization", &c->normalization))
        return false;
    if (gate && !json_is_null(gate) && !json_is_boolean(gate))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"gate\" must be true or false, found %s %.40s", r->path,
                       bl_json_kind(gate), json_is_string(gate) ? json_string_value(gate) : "");
    c->gate = json_is_true(gate) ? BL_GATE_RELU : BL_GATE_NONE;
    c->plain = !bilinear;
    c->norm_weights = c->normalization && bl_weights_any(r->weights, "transformer.n_f.");
    c->bias_p = bl_weights_any(r->weights, ".mlp.o.bias");
    return bl_bilinear_claim(r, 0, "generation 2024-06", c->bias_w, "mlp.w.bias") &&
           bl_bilinear_claim(r, 0, "generation 2024-06", c->bias_p, "mlp.o.bias");
}

static void list(bl_params *params, const bl_config *config) {
    bl_bilinear_list(params, config, "mlp.o", true);
}

static bool check(const bl_config *c, bl_error *err) {
    if (c->attention2 || c->unscaled_attention)
        return bl_fail(err, BL_ERR_USAGE, "only the later generation has bilinear attention, not 2024-06");
    if (c->bias_w || c->bias_p) return bl_fail(err, BL_ERR_USAGE, "generation 2024-06 has no biases");
    if (c->gate != BL_GATE_NONE && c->gate != BL_GATE_RELU)
        return bl_fail(err, BL_ERR_USAGE, "generation 2024-06 knows the gates none and relu only");
    return true;
}

static json_t *write(const bl_config *c) {
    return json_pack("{s:b, s:b, s:b, s:n}", "bilinear", !c->plain, "gate", c->gate == BL_GATE_RELU,
                     "normalization", c->normalization, "modifier");
}

const bl_architecture bl_bilinear_2024_06 = {.name = "bilinear",
                                             .generation = "2024-06",
                                             .recognise = recognise,
                                             .read = read,
                                             .list = list,
                                             .harmless = bl_bilinear_harmless,
                                             .check = check,
                                             .write = write};
