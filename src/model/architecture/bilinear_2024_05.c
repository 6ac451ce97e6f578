/* The first generation: the key "mlp" names the kind of MLP. The model of the paper is one. */
#include "base/error.h"
#include "model/architecture/bilinear.h"
#include <string.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    return bl_bilinear_recognise(json, weights) && json_object_get(json, "mlp");
}

static bool read_mlp(const bl_arch_reading *r) {
    const json_t *mlp = json_object_get(r->json, "mlp");
    const char *name = json_is_string(mlp) ? json_string_value(mlp) : "";
    r->config->plain = strcmp(name, "mlp") == 0;
    r->config->gate = strcmp(name, "blp") == 0 ? BL_GATE_NONE : BL_GATE_GELU;
    if (strcmp(name, "blp") == 0 || strcmp(name, "glp") == 0 || r->config->plain) return true;
    return bl_fail(r->err, BL_ERR_INPUT, "%s: \"mlp\" must be \"blp\", \"glp\" or \"mlp\", found %s%.40s",
                   r->path, json_is_string(mlp) ? "" : bl_json_kind(mlp), name);
}

static bool read_norm(const bl_arch_reading *r) {
    const json_t *norm = json_object_get(r->json, "normalization");
    const char *name = json_is_string(norm) ? json_string_value(norm) : "";
    if (strcmp(name, "ln") == 0)
        return bl_fail(
            r->err, BL_ERR_UNSUPPORTED,
            "%s: \"normalization\": \"ln\" (layer norm with a mean) cannot be folded; bilens runs null and "
            "\"rms\"",
            r->path);
    r->config->normalization = strcmp(name, "rms") == 0;
    if (norm && !json_is_null(norm) && !r->config->normalization)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"normalization\" must be null or \"rms\", found %s%.40s",
                       r->path, bl_json_kind(norm), name);
    bool bias = false;
    if (!bl_read_flag(r, "norm_bias", &bias)) return false;
    if (bias)
        return bl_fail(
            r->err, BL_ERR_UNSUPPORTED,
            "%s: \"norm_bias\": true is not supported: a norm's bias cannot be folded into a bilinear layer",
            r->path);
    return true;
}

static bool read(const bl_arch_reading *r) {
    static const char *const keys[] = {"mlp", "mlp_bias", "normalization", "norm_bias", NULL};
    bl_config *c = r->config;
    int bias;
    if (bl_weights_any(r->weights, ".mlp.p."))
        return bl_fail(
            r->err, BL_ERR_INPUT,
            "%s: the key \"mlp\" belongs to the generation 2024-05, but the tensors are named mlp.p as in "
            "the "
            "later one",
            r->path);
    if (!bl_bilinear_read(r, keys) || !read_mlp(r) || !read_norm(r) ||
        !bl_bilinear_flag(r, "mlp_bias", &bias))
        return false;
    c->norm_weights = c->normalization && bl_weights_any(r->weights, "transformer.n_f.");
    c->bias_p = bl_weights_any(r->weights, ".mlp.o.bias");
    return bl_bilinear_claim(r, c->plain ? 1 : bias, c->plain ? "mlp" : "mlp_bias", c->bias_w,
                             "mlp.w.bias") &&
           bl_bilinear_claim(r, 0, c->plain ? "mlp" : "mlp_bias", c->bias_p, "mlp.o.bias");
}

static void list(bl_params *params, const bl_config *config) {
    bl_bilinear_list(params, config, "mlp.o", false);
}

static bool check(const bl_config *c, bl_error *err) {
    if (c->attention2 || c->unscaled_attention)
        return bl_fail(err, BL_ERR_USAGE, "only the later generation has bilinear attention, not 2024-05");
    if (c->bias_p)
        return bl_fail(err, BL_ERR_USAGE,
                       "only the later generation has a bias on the MLP's output, not 2024-05");
    if (c->plain && (c->gate != BL_GATE_GELU || !c->bias_w))
        return bl_fail(
            err, BL_ERR_USAGE,
            "a plain MLP of generation 2024-05 has the gate gelu and a bias; choose another generation for "
            "others");
    if (!c->plain && c->gate != BL_GATE_NONE && c->gate != BL_GATE_GELU)
        return bl_fail(
            err, BL_ERR_USAGE,
            "generation 2024-05 knows the gates none and gelu only: choose generation 2024-06 (relu) or "
            "later");
    return true;
}

static json_t *write(const bl_config *c) {
    const char *mlp = c->gate == BL_GATE_GELU ? "glp" : "blp";
    return json_pack("{s:s, s:b, s:s?, s:b, s:n, s:f, s:f, s:f, s:f}", "mlp", c->plain ? "mlp" : mlp,
                     "mlp_bias", c->bias_w, "normalization", c->normalization ? "rms" : NULL, "norm_bias", 0,
                     "modifier", "attn_dropout", 0.0, "resid_dropout", 0.0, "embed_dropout", 0.0,
                     "mlp_dropout", 0.0);
}

const bl_architecture bl_bilinear_2024_05 = {.name = "bilinear",
                                             .generation = "2024-05",
                                             .recognise = recognise,
                                             .read = read,
                                             .list = list,
                                             .harmless = bl_bilinear_harmless,
                                             .check = check,
                                             .write = write};
