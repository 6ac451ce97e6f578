#include "model/config.h"
#include "base/error.h"
#include <string.h>

#define MAX_SIZE \
    (1 << 20) /* of any dimension: far beyond real models, small enough that products of three fit in 64 \
                 bits */

const char *bl_generation_name(bl_generation generation) {
    static const char *const names[] = {"2024-05", "2024-06", "later"};
    return names[generation];
}

const char *bl_gate_name(bl_gate gate) {
    static const char *const names[] = {"none", "relu", "silu", "gelu"};
    return names[gate];
}

bool bl_config_is_bilinear(const bl_config *config) { return !config->plain && config->gate == BL_GATE_NONE; }

static const char *kind(const json_t *value) {
    static const char *const names[] = {"an object",     "a list", "a string", "an integer",
                                        "a real number", "true",   "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

static bool read_size(const json_t *json, const char *path, const char *key, bool required, size_t *out,
                      bl_error *err) {
    const json_t *value = json_object_get(json, key);
    if (!value && !required) return true;
    if (!value) return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" is missing", path, key);
    json_int_t size = json_integer_value(value);
    if (!json_is_integer(value) || size < 1 || size > MAX_SIZE)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" must be an integer from 1 to %d, found %s%s", path, key,
                       MAX_SIZE, json_is_integer(value) ? "one out of range" : kind(value), "");
    *out = (size_t)size;
    return true;
}

/* true, false or absent/null; anything else is an error. */
static bool read_bool(const json_t *json, const char *path, const char *key, bl_claim *out, bl_error *err) {
    const json_t *value = json_object_get(json, key);
    *out = json_is_true(value) ? BL_CLAIM_YES : json_is_false(value) ? BL_CLAIM_NO : BL_CLAIM_NOTHING;
    if (!value || json_is_null(value) || json_is_boolean(value)) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" must be true or false, found %s", path, key, kind(value));
}

static bool read_noise(const json_t *json, const char *path, float *noise, bl_error *err) {
    const json_t *value = json_object_get(json, "noise");
    *noise = 0;
    if (!value || json_is_null(value)) return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0 && number < 1e6))
        return bl_fail(err, BL_ERR_INPUT, "%s: \"noise\" must be null or a number from 0, found %s", path,
                       kind(value));
    *noise = (float)number;
    return true;
}

static bool read_2024_05(const json_t *json, const char *path, bl_config *config, bl_config_claims *claims,
                         bl_error *err) {
    const json_t *mlp = json_object_get(json, "mlp"), *norm = json_object_get(json, "normalization");
    const char *name = json_is_string(mlp) ? json_string_value(mlp) : "";
    config->generation = BL_GENERATION_2024_05;
    config->plain = strcmp(name, "mlp") == 0;
    config->gate = strcmp(name, "blp") == 0 ? BL_GATE_NONE : BL_GATE_GELU;
    if (strcmp(name, "blp") != 0 && strcmp(name, "glp") != 0 && strcmp(name, "mlp") != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"mlp\" must be \"blp\", \"glp\" or \"mlp\", found %s%.40s",
                       path, json_is_string(mlp) ? "" : kind(mlp), name);

    if (json_is_string(norm) && strcmp(json_string_value(norm), "ln") == 0)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: \"normalization\": \"ln\" (layer norm with a mean) cannot be folded; bilens runs "
                       "null and \"rms\"",
                       path);
    config->normalization = json_is_string(norm) && strcmp(json_string_value(norm), "rms") == 0;
    if (norm && !json_is_null(norm) && !config->normalization)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"normalization\" must be null or \"rms\", found %s%.40s",
                       path, kind(norm), json_is_string(norm) ? json_string_value(norm) : "");

    bl_claim norm_bias, mlp_bias;
    if (!read_bool(json, path, "norm_bias", &norm_bias, err) ||
        !read_bool(json, path, "mlp_bias", &mlp_bias, err))
        return false;
    if (norm_bias == BL_CLAIM_YES)
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: \"norm_bias\": true is not supported: a norm's bias cannot be folded into a bilinear layer",
            path);
    claims->bias_key = config->plain ? "mlp" : "mlp_bias";
    claims->bias_w = config->plain ? BL_CLAIM_YES : mlp_bias;
    claims->bias_p = BL_CLAIM_NO;
    return true;
}

static bool read_gate(const json_t *json, const char *path, bool later, bl_gate *gate, bl_error *err) {
    const json_t *value = json_object_get(json, "gate");
    *gate = BL_GATE_NONE;
    if (!value || json_is_null(value) || json_is_false(value)) return true;
    if (!later && json_is_true(value)) {
        *gate = BL_GATE_RELU;
        return true;
    }
    const char *name = json_is_string(value) ? json_string_value(value) : "";
    for (bl_gate g = BL_GATE_RELU; g <= BL_GATE_GELU; g++)
        if (later && strcmp(name, bl_gate_name(g)) == 0) {
            *gate = g;
            return true;
        }
    return bl_fail(err, BL_ERR_INPUT, "%s: \"gate\" must be %s, found %s%s%.40s", path,
                   later ? "null, \"relu\", \"silu\" or \"gelu\"" : "true or false", kind(value),
                   *name ? " " : "", name);
}

static bool read_later(const json_t *json, const char *path, bool later, bl_config *config,
                       bl_config_claims *claims, bl_error *err) {
    bl_claim bilinear, normalization, bias = BL_CLAIM_NO;
    config->generation = later ? BL_GENERATION_LATER : BL_GENERATION_2024_06;
    if (!read_gate(json, path, later, &config->gate, err) ||
        !read_bool(json, path, "bilinear", &bilinear, err) ||
        !read_bool(json, path, "normalization", &normalization, err) ||
        (later && !read_bool(json, path, "bias", &bias, err)))
        return false;
    config->plain = bilinear == BL_CLAIM_NO;
    config->normalization = normalization == BL_CLAIM_YES;
    claims->bias_key = later ? "bias" : "generation 2024-06";
    claims->bias_w = claims->bias_p = bias;
    return true;
}

bool bl_config_read(const json_t *json, const char *path, bool later, bl_config *config,
                    bl_config_claims *claims, bl_error *err) {
    *config = (bl_config){0};
    *claims = (bl_config_claims){0};
    if (!json_is_object(json))
        return bl_fail(err, BL_ERR_INPUT, "%s: a JSON object was expected, found %s", path, kind(json));
    bool is_2024_05 = json_object_get(json, "mlp") != NULL;
    if (is_2024_05 && later)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: the key \"mlp\" belongs to the generation 2024-05, but the tensors are named "
                       "mlp.p as in the later one",
                       path);
    if (!read_size(json, path, "n_layer", true, &config->n_layer, err) ||
        !read_size(json, path, "n_head", true, &config->n_head, err) ||
        !read_size(json, path, "n_ctx", true, &config->n_ctx, err) ||
        !read_size(json, path, "d_model", true, &config->d_model, err) ||
        !read_size(json, path, "d_hidden", true, &config->d_hidden, err) ||
        !read_size(json, path, "n_vocab", false, &config->n_vocab, err) ||
        !read_noise(json, path, &config->noise, err))
        return false;
    if (config->d_model % config->n_head)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"n_head\" %zu does not divide \"d_model\" %zu", path,
                       config->n_head, config->d_model);
    if (config->d_model / config->n_head % 2)
        return bl_fail(
            err, BL_ERR_INPUT,
            "%s: d_model / n_head = %zu is odd, rotary position embedding needs an even head width", path,
            config->d_model / config->n_head);
    return is_2024_05 ? read_2024_05(json, path, config, claims, err)
                      : read_later(json, path, later, config, claims, err);
}
