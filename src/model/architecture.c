#include "model/architecture.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

/* Every architecture, one line per architecture, which is all that a new one adds outside of its own file.
 * The order counts: the first that recognises a model reads it. */
/* clang-format off */
#define ARCHITECTURES(X) \
    X(llama) \
    X(smollm3) \
    X(mistral) \
    X(qwen2) \
    X(qwen3) \
    X(gemma) \
    X(gemma2) \
    X(gemma3) \
    X(phi3) \
    X(gpt2) \
    X(gpt_neox) \
    X(bilinear_2024_05) \
    X(bilinear_2024_06) \
    X(bilinear_later)
/* clang-format on */

#define DECLARE(name) extern const bl_architecture bl_##name;
#define ROW(name) &bl_##name,
ARCHITECTURES(DECLARE)
static const bl_architecture *const rows[] = {ARCHITECTURES(ROW)};
enum { N_ROWS = sizeof rows / sizeof *rows };

#define MAX_SIZE \
    (1 << 20) /* of any dimension: far beyond real models, and products of three fit in 64 bits */

const bl_architecture *bl_architecture_find(const char *name) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(name, rows[i]->generation ? rows[i]->generation : rows[i]->name) == 0) return rows[i];
    return NULL;
}

/* Says which architectures there are. */
static void *fail_unknown(const json_t *type, const char *path, bl_error *err) {
    char known[256] = "";
    for (size_t i = 0; i < N_ROWS; i++)
        if (!rows[i]->generation)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "",
                     rows[i]->name);
    return bl_fail_null(err, BL_ERR_UNSUPPORTED,
                        "%s: \"model_type\" is %s%.60s, which bilens does not run; it runs %s and bilinear "
                        "checkpoints",
                        path, json_is_string(type) ? "" : bl_json_kind(type),
                        json_is_string(type) ? json_string_value(type) : "", known);
}

/* Whether a key's value is that of a model without what the key is about: absent, null, false, 1 for a factor
 * or a number of experts, 0, a list of "full_attention" only. */
static bool is_neutral(const json_t *value) {
    size_t n = json_array_size(value), full = 0;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(value, i));
        full += name && strcmp(name, "full_attention") == 0;
    }
    double number = json_number_value(value);
    return !value || json_is_null(value) || json_is_false(value) || (json_is_array(value) && full == n) ||
           (json_is_number(value) && number >= 0 && (number <= 0 || (number >= 1 && number <= 1)));
}

/* Keys by which one family says what it computes, in the config of another that does not read them: the
 * checkpoint is then of a kind that its model_type does not say. */
static bool check_foreign_keys(const json_t *json, const bl_architecture *row, const char *path,
                               bl_error *err) {
    static const struct {
        const char *key;
        const bl_architecture *honoured_by[5];
    } keys[] = {{"attn_logit_softcapping", {&bl_gemma2, &bl_gemma3}},
                {"final_logit_softcapping", {&bl_gemma2, &bl_gemma3}},
                {"query_pre_attn_scalar", {&bl_gemma2, &bl_gemma3}},
                {"layer_types", {&bl_gemma2, &bl_gemma3, &bl_qwen2, &bl_qwen3, &bl_smollm3}},
                {"no_rope_layers", {&bl_smollm3}},
                {"use_bidirectional_attention", {NULL}},
                {"num_experts", {NULL}},
                {"num_local_experts", {NULL}},
                {"n_routed_experts", {NULL}},
                {"embedding_multiplier", {NULL}},
                {"residual_multiplier", {NULL}},
                {"attention_multiplier", {NULL}},
                {"logits_scaling", {NULL}},
                {"logit_scale", {NULL}},
                {"clip_qkv", {NULL}},
                {"qk_layernorm", {NULL}},
                {"use_qk_norm", {NULL}},
                {"attention_chunk_size", {NULL}},
                {"use_mrope", {NULL}},
                {"alibi", {NULL}}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        bool honoured = false;
        for (size_t k = 0; k < 5; k++) honoured |= keys[i].honoured_by[k] == row;
        if (honoured || is_neutral(json_object_get(json, keys[i].key))) continue;
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: the key \"%s\" says that the model computes something that bilens does not run "
                       "for \"model_type\" %s (remove the key if it means nothing here)",
                       path, keys[i].key, row->name);
    }
    return true;
}

const bl_architecture *bl_architecture_of(const json_t *json, const char *path, const bl_weights *weights,
                                          bl_error *err) {
    if (!json_is_object(json))
        return bl_fail_null(err, BL_ERR_INPUT, "%s: a JSON object was expected, found %s", path,
                            bl_json_kind(json));
    const json_t *quantised = json_object_get(json, "quantization_config");
    if (quantised && !json_is_null(quantised))
        return bl_fail_null(err, BL_ERR_UNSUPPORTED,
                            "%s: \"quantization_config\": quantised safetensors are not supported; use the "
                            "unquantised model or a GGUF file",
                            path);
    for (size_t i = 0; i < N_ROWS; i++)
        if (rows[i]->recognise(json, weights))
            return rows[i]->generation || check_foreign_keys(json, rows[i], path, err) ? rows[i] : NULL;
    return fail_unknown(json_object_get(json, "model_type"), path, err);
}

void bl_config_settle(bl_config *config) {
    if (!config->architecture) config->architecture = &bl_bilinear_2024_05;
    if (!config->n_kv_head) config->n_kv_head = config->n_head;
    if (!config->head_dim) config->head_dim = config->n_head ? config->d_model / config->n_head : 0;
}

const char *bl_config_generation(const bl_config *config) {
    return config->architecture ? config->architecture->generation : bl_bilinear_2024_05.generation;
}

const char *bl_config_architecture(const bl_config *config) {
    return config->architecture ? config->architecture->name : bl_bilinear_2024_05.name;
}

const char *bl_config_norm(const bl_config *config) {
    if (!config->normalization) return "none";
    return config->plan && config->plan->layer_norm ? "layer" : "rms";
}

float bl_config_attention_scale(const bl_config *config) {
    bool scaled =
        config->architecture && config->architecture->attention_scale && !config->unscaled_attention;
    return scaled ? config->architecture->attention_scale(config) : 1.0F;
}

const char *bl_json_kind(const json_t *value) {
    static const char *const names[] = {"an object",     "a list", "a string", "an integer",
                                        "a real number", "true",   "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

bool bl_read_size(const bl_arch_reading *r, const char *key, bool required, size_t *out) {
    const json_t *value = json_object_get(r->json, key);
    if ((!value || json_is_null(value)) && !required) return true;
    if (!value) return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" is missing", r->path, key);
    json_int_t size = json_integer_value(value);
    if (!json_is_integer(value) || size < 1 || size > MAX_SIZE)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" must be an integer from 1 to %d, found %s", r->path,
                       key, MAX_SIZE, json_is_integer(value) ? "one out of range" : bl_json_kind(value));
    *out = (size_t)size;
    return true;
}

bool bl_read_number(const bl_arch_reading *r, const char *key, double *out) {
    const json_t *value = json_object_get(r->json, key);
    if (!value || json_is_null(value)) return true;
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= -1e30 && number <= 1e30))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" must be a number, found %s", r->path, key,
                       bl_json_kind(value));
    *out = number;
    return true;
}

bool bl_read_flag(const bl_arch_reading *r, const char *key, bool *out) {
    const json_t *value = json_object_get(r->json, key);
    if (!value || json_is_null(value)) return true;
    if (!json_is_boolean(value))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" must be true or false, found %s", r->path, key,
                       bl_json_kind(value));
    *out = json_is_true(value);
    return true;
}
