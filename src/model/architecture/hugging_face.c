#include "model/architecture/hugging_face.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

bool bl_hf_is(const json_t *json, const char *type) {
    const char *name = json_string_value(json_object_get(json, "model_type"));
    return name && strcmp(name, type) == 0;
}

bool bl_hf_activation(const bl_arch_reading *r, const char *key) {
    static const struct {
        const char *name;
        bl_gate gate;
    } known[] = {{"silu", BL_GATE_SILU},          {"swish", BL_GATE_SILU},
                 {"gelu", BL_GATE_GELU},          {"relu", BL_GATE_RELU},
                 {"gelu_new", BL_GATE_GELU_TANH}, {"gelu_pytorch_tanh", BL_GATE_GELU_TANH},
                 {"gelu_fast", BL_GATE_GELU_TANH}};
    const char *name = json_string_value(json_object_get(r->json, key));
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) {
            r->config->gate = known[i].gate;
            return true;
        }
    return bl_fail(
        r->err, BL_ERR_UNSUPPORTED,
        "%s: \"%s\" is %s%.40s; bilens runs silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast and relu",
        r->path, key, name ? "" : bl_json_kind(json_object_get(r->json, key)), name ? name : "");
}

bool bl_hf_refuse(const bl_arch_reading *r, const char *key, bool refused) {
    bool value = !refused;
    if (!bl_read_flag(r, key, &value)) return false;
    return value != refused || bl_fail(r->err, BL_ERR_UNSUPPORTED, "%s: \"%s\": %s is not supported", r->path,
                                       key, refused ? "true" : "false");
}

bool bl_hf_flag(const bl_arch_reading *r, size_t layer, unsigned flags) {
    if (layer >= BL_PLAN_LAYERS)
        return bl_fail(r->err, BL_ERR_UNSUPPORTED, "%s: more than %d layers that differ are not supported",
                       r->path, BL_PLAN_LAYERS);
    r->plan->layers[layer] = (unsigned char)(r->plan->layers[layer] | flags);
    return true;
}

bool bl_hf_window(const bl_arch_reading *r) {
    return bl_read_size(r, "sliding_window", false, &r->plan->window);
}

bool bl_hf_layer_types(const bl_arch_reading *r, bool *found) {
    const json_t *types = json_object_get(r->json, "layer_types");
    *found = types && !json_is_null(types);
    if (!*found) return true;
    if (json_array_size(types) != r->config->n_layer)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"layer_types\" must be a list of %zu names, one per layer",
                       r->path, r->config->n_layer);
    for (size_t i = 0; i < r->config->n_layer; i++) {
        const char *name = json_string_value(json_array_get(types, i));
        bool window = name && strcmp(name, "sliding_attention") == 0;
        if (!window && (!name || strcmp(name, "full_attention") != 0))
            return bl_fail(
                r->err, BL_ERR_UNSUPPORTED,
                "%s: \"layer_types\": layer %zu is '%.40s'; bilens runs full_attention and sliding_attention",
                r->path, i, name ? name : "no name");
        if (window && !bl_hf_flag(r, i, BL_LAYER_WINDOW)) return false;
    }
    return true;
}

static bool read_divisors(const bl_arch_reading *r, const json_t *json, const char *key,
                          const bl_rope_plan *rope, float *out) {
    const json_t *list = json_object_get(json, key);
    size_t half = rope->rotated / 2;
    if (json_array_size(list) != half || half > BL_ROPE_MOST)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" must be a list of %zu numbers", r->path, key, half);
    for (size_t j = 0; j < half; j++) {
        double value = json_number_value(json_array_get(list, j));
        if (!(value > 0))
            return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\": entry %zu is no positive number", r->path, key,
                           j);
        out[j] = (float)value;
    }
    return true;
}

/* Keys of one kind of scaling, read from `json` in place of r->json. */
static bool read_scaling(const bl_arch_reading *r, const json_t *json, const char *type, bl_rope_plan *rope) {
    bl_arch_reading inner = *r;
    inner.json = json;
    double magnitude = 0;
    bool truncate = true;
    rope->factor = 1, rope->low = 1, rope->high = 4, rope->beta_fast = 32, rope->beta_slow = 1;
    rope->original = (double)r->config->n_ctx;
    if (!bl_read_number(&inner, "factor", &rope->factor) ||
        !bl_read_number(&inner, "low_freq_factor", &rope->low) ||
        !bl_read_number(&inner, "high_freq_factor", &rope->high) ||
        !bl_read_number(&inner, "beta_fast", &rope->beta_fast) ||
        !bl_read_number(&inner, "beta_slow", &rope->beta_slow) ||
        !bl_read_number(&inner, "attention_factor", &magnitude) ||
        !bl_read_flag(&inner, "truncate", &truncate) ||
        !bl_read_number(r, "original_max_position_embeddings", &rope->original) ||
        !bl_read_number(&inner, "original_max_position_embeddings", &rope->original))
        return false;
    if (!(rope->factor > 0) || !(rope->original > 0) ||
        (rope->scaling == BL_ROPE_LLAMA3 && !(rope->high > rope->low)))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: the numbers of the rope scaling '%s' make no sense",
                       r->path, type);
    rope->whole_bounds = truncate;
    if (rope->scaling == BL_ROPE_YARN) {
        if (json_object_get(json, "mscale") || json_object_get(json, "mscale_all_dim"))
            return bl_fail(r->err, BL_ERR_UNSUPPORTED, "%s: yarn with \"mscale\" is not supported", r->path);
        rope->magnitude = rope->factor > 1 ? 0.1 * log(rope->factor) + 1 : 1;
    }
    if (rope->scaling == BL_ROPE_LONGROPE) {
        double f = (double)r->config->n_ctx / rope->original;
        rope->magnitude = f > 1 ? sqrt(1 + log(f) / log(rope->original)) : 1;
        if (!read_divisors(r, json, "short_factor", rope, rope->short_divisor) ||
            !read_divisors(r, json, "long_factor", rope, rope->long_divisor))
            return false;
    }
    if (magnitude > 0 && rope->scaling >= BL_ROPE_YARN) rope->magnitude = magnitude;
    return true;
}

bool bl_hf_rope_of(const bl_arch_reading *r, const json_t *json, bl_rope_plan *rope) {
    static const struct {
        const char *name;
        bl_rope_scaling scaling;
    } known[] = {{"default", BL_ROPE_PLAIN}, {"linear", BL_ROPE_LINEAR},     {"llama3", BL_ROPE_LLAMA3},
                 {"yarn", BL_ROPE_YARN},     {"longrope", BL_ROPE_LONGROPE}, {"su", BL_ROPE_LONGROPE}};
    if (!json || json_is_null(json)) return true;
    if (!json_is_object(json))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: the rope parameters must be an object or null, found %s",
                       r->path, bl_json_kind(json));
    bl_arch_reading inner = *r;
    inner.json = json;
    if (!bl_read_number(&inner, "rope_theta", &rope->base)) return false;
    const json_t *type = json_object_get(json, "rope_type");
    if (!type) type = json_object_get(json, "type");
    const char *name = type ? json_string_value(type) : "default";
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) {
            rope->scaling = known[i].scaling;
            return rope->scaling == BL_ROPE_PLAIN || read_scaling(r, json, name, rope);
        }
    return bl_fail(
        r->err, BL_ERR_UNSUPPORTED,
        "%s: the rope scaling '%.40s' is not supported; bilens runs default, linear, llama3, yarn and "
        "longrope",
        r->path, name ? name : "no name");
}

bool bl_hf_rope(const bl_arch_reading *r) {
    bl_rope_plan *rope = &r->plan->rope;
    const json_t *parameters = json_object_get(r->json, "rope_parameters");
    double share = 1;
    bl_arch_reading inner = *r;
    if (!bl_read_number(r, "rope_theta", &rope->base) || !bl_read_number(r, "rotary_emb_base", &rope->base) ||
        !bl_read_number(r, "partial_rotary_factor", &share) || !bl_read_number(r, "rotary_pct", &share))
        return false;
    if (json_is_object(parameters)) {
        inner.json = parameters;
        if (!bl_read_number(&inner, "partial_rotary_factor", &share)) return false;
    }
    if (!(share > 0 && share <= 1) || !(rope->base > 1))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: a rope base of %g on %g of each head makes no sense",
                       r->path, rope->base, share);
    rope->rotated = (size_t)((double)r->config->head_dim * share);
    if (rope->rotated % 2 || rope->rotated / 2 > BL_ROPE_MOST)
        return bl_fail(r->err, BL_ERR_UNSUPPORTED,
                       "%s: %zu elements of a head turn; an even number up to %d is needed", r->path,
                       rope->rotated, 2 * BL_ROPE_MOST);
    return bl_hf_rope_of(r, json_object_get(r->json, "rope_scaling"), rope) &&
           bl_hf_rope_of(r, parameters, rope);
}

static bool read_vocabulary(const bl_arch_reading *r, const char *embedding) {
    bl_config *c = r->config;
    const bl_weight *wte = bl_weights_find(r->weights, embedding);
    size_t rows = wte && wte->n_dims == 2 ? wte->shape[0] : 0;
    if (!bl_read_size(r, "vocab_size", false, &c->n_vocab)) return false;
    if (rows && c->n_vocab && rows != c->n_vocab)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"vocab_size\" is %zu, but %s has %zu rows", r->path,
                       c->n_vocab, embedding, rows);
    if (rows) c->n_vocab = rows;
    return true;
}

bool bl_hf_read(const bl_arch_reading *r, bool tied, const char *embedding) {
    bl_config *c = r->config;
    double epsilon = 1e-6;
    c->tied = tied;
    c->normalization = c->norm_weights = true;
    if (!bl_read_size(r, "hidden_size", true, &c->d_model) ||
        !bl_read_size(r, "intermediate_size", true, &c->d_hidden) ||
        !bl_read_size(r, "num_hidden_layers", true, &c->n_layer) ||
        !bl_read_size(r, "num_attention_heads", true, &c->n_head) ||
        !bl_read_size(r, "num_key_value_heads", false, &c->n_kv_head) ||
        !bl_read_size(r, "head_dim", false, &c->head_dim) ||
        !bl_read_size(r, "max_position_embeddings", true, &c->n_ctx) ||
        !bl_read_number(r, "rms_norm_eps", &epsilon) || !bl_read_number(r, "layer_norm_eps", &epsilon) ||
        !bl_read_flag(r, "tie_word_embeddings", &c->tied) || !read_vocabulary(r, embedding))
        return false;
    if (!c->head_dim && c->d_model % c->n_head)
        return bl_fail(r->err, BL_ERR_INPUT,
                       "%s: \"num_attention_heads\" %zu does not divide \"hidden_size\" %zu", r->path,
                       c->n_head, c->d_model);
    bl_config_settle(c);
    if (c->n_head % c->n_kv_head)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"num_key_value_heads\" %zu does not divide the %zu heads",
                       r->path, c->n_kv_head, c->n_head);
    if (!(epsilon >= 0 && epsilon < 1))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: a norm's epsilon of %g makes no sense", r->path, epsilon);
    bl_plan_defaults(r->plan, c);
    r->plan->epsilon = (float)epsilon;
    return bl_hf_rope(r);
}

static void add_vector(bl_params *params, bool present, bl_param_kind kind, size_t layer, size_t rows,
                       const char *name) {
    if (present) bl_params_add(params, kind, layer, rows, 0, name, NULL);
}

void bl_hf_list(bl_params *params, const bl_config *c) {
    const bl_plan *plan = c->plan;
    size_t V = c->n_vocab, d = c->d_model, h = c->d_hidden, q = c->n_head * c->head_dim,
           kv = c->n_kv_head * c->head_dim;
#define LAYER "model.layers.%zu."
    bl_params_add(params, BL_PARAM_WTE, 0, V, d, "model.embed_tokens.weight", NULL);
    for (size_t i = 0; i < c->n_layer; i++) {
        add_vector(params, true, BL_PARAM_N1, i, d, LAYER "input_layernorm.weight");
        bl_params_add(params, BL_PARAM_Q, i, q, d, LAYER "self_attn.q_proj.weight", NULL);
        add_vector(params, c->bias_qkv, BL_PARAM_Q_BIAS, i, q, LAYER "self_attn.q_proj.bias");
        bl_params_add(params, BL_PARAM_K, i, kv, d, LAYER "self_attn.k_proj.weight", NULL);
        add_vector(params, c->bias_qkv, BL_PARAM_K_BIAS, i, kv, LAYER "self_attn.k_proj.bias");
        bl_params_add(params, BL_PARAM_V, i, kv, d, LAYER "self_attn.v_proj.weight", NULL);
        add_vector(params, c->bias_qkv, BL_PARAM_V_BIAS, i, kv, LAYER "self_attn.v_proj.bias");
        add_vector(params, plan->head_norms, BL_PARAM_Q_NORM, i, c->head_dim,
                   LAYER "self_attn.q_norm.weight");
        add_vector(params, plan->head_norms, BL_PARAM_K_NORM, i, c->head_dim,
                   LAYER "self_attn.k_norm.weight");
        bl_params_add(params, BL_PARAM_O, i, d, q, LAYER "self_attn.o_proj.weight", NULL);
        add_vector(params, c->bias_o, BL_PARAM_O_BIAS, i, d, LAYER "self_attn.o_proj.bias");
        add_vector(params, plan->post_norms, BL_PARAM_N1_POST, i, d, LAYER "post_attention_layernorm.weight");
        add_vector(params, true, BL_PARAM_N2, i, d,
                   plan->post_norms ? LAYER "pre_feedforward_layernorm.weight"
                                    : LAYER "post_attention_layernorm.weight");
        bl_params_add(params, BL_PARAM_L, i, h, d, LAYER "mlp.gate_proj.weight", NULL);
        add_vector(params, c->bias_w, BL_PARAM_L_BIAS, i, h, LAYER "mlp.gate_proj.bias");
        bl_params_add(params, BL_PARAM_R, i, h, d, LAYER "mlp.up_proj.weight", NULL);
        add_vector(params, c->bias_w, BL_PARAM_R_BIAS, i, h, LAYER "mlp.up_proj.bias");
        bl_params_add(params, BL_PARAM_P, i, d, h, LAYER "mlp.down_proj.weight", NULL);
        add_vector(params, c->bias_p, BL_PARAM_P_BIAS, i, d, LAYER "mlp.down_proj.bias");
        add_vector(params, plan->post_norms, BL_PARAM_N2_POST, i, d,
                   LAYER "post_feedforward_layernorm.weight");
    }
#undef LAYER
    add_vector(params, true, BL_PARAM_NF, 0, d, "model.norm.weight");
    if (!c->tied) bl_params_add(params, BL_PARAM_HEAD, 0, V, d, "lm_head.weight", NULL);
}

static bool ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

bool bl_hf_harmless(const bl_config *config, const char *name) {
    return (config->tied && strcmp(name, "lm_head.weight") == 0) || strcmp(name, "rope_freqs.weight") == 0 ||
           ends_with(name, "rotary_emb.inv_freq");
}
