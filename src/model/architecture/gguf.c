#include "format/json.h"
#include "model/architecture/gguf.h"
#include "base/error.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SIZE (1 << 20)
#define ROPE_FREQS "rope_freqs.weight"

/* A key, "ARCH." before it in the file, and what it is called in config.json. */
typedef struct setting {
    const char *key, *name;
    bool required, number; /* a number instead of a size */
} setting;

/* A tensor "blk.N.OLD.weight" or, of no layer, "OLD.weight". */
typedef struct tensor_name {
    const char *old, *new;
} tensor_name;

typedef struct kind {
    const char *architecture, *model_type;
    const char *constants; /* JSON: what all models of the kind share */
    const setting *keys;
    const tensor_name *whole, *layer; /* of the model, of each layer */
    const char *prefix;               /* of a layer's tensors, before the layer's number */
    bool rotary_pairs, stored_offset, scalar_is_key_length;
} kind;

static const setting llama_keys[] = {{"embedding_length", "hidden_size", true, false},
                                     {"block_count", "num_hidden_layers", true, false},
                                     {"feed_forward_length", "intermediate_size", true, false},
                                     {"context_length", "max_position_embeddings", true, false},
                                     {"attention.head_count", "num_attention_heads", true, false},
                                     {"attention.head_count_kv", "num_key_value_heads", false, false},
                                     {"attention.key_length", "head_dim", false, false},
                                     {"attention.layer_norm_rms_epsilon", "rms_norm_eps", true, true},
                                     {"rope.freq_base", "rope_theta", false, true},
                                     {0}};
static const setting window_keys[] = {{"attention.sliding_window", "sliding_window", false, false}, {0}};
static const setting gemma2_keys[] = {{"attention.sliding_window", "sliding_window", false, false},
                                      {"attn_logit_softcapping", "attn_logit_softcapping", false, true},
                                      {"final_logit_softcapping", "final_logit_softcapping", false, true},
                                      {0}};
static const setting gpt2_keys[] = {{"embedding_length", "n_embd", true, false},
                                    {"block_count", "n_layer", true, false},
                                    {"feed_forward_length", "n_inner", true, false},
                                    {"context_length", "n_positions", true, false},
                                    {"attention.head_count", "n_head", true, false},
                                    {"attention.layer_norm_epsilon", "layer_norm_epsilon", true, true},
                                    {0}};

static const tensor_name llama_whole[] = {{"token_embd", "model.embed_tokens"},
                                          {"output", "lm_head"},
                                          {"output_norm", "model.norm"},
                                          {0}};
static const tensor_name llama_layer[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},       {0}};
static const tensor_name gemma2_layer[] = {{"attn_norm", "input_layernorm"},
                                           {"attn_q", "self_attn.q_proj"},
                                           {"attn_k", "self_attn.k_proj"},
                                           {"attn_v", "self_attn.v_proj"},
                                           {"attn_output", "self_attn.o_proj"},
                                           {"attn_q_norm", "self_attn.q_norm"},
                                           {"attn_k_norm", "self_attn.k_norm"},
                                           {"post_attention_norm", "post_attention_layernorm"},
                                           {"ffn_norm", "pre_feedforward_layernorm"},
                                           {"ffn_gate", "mlp.gate_proj"},
                                           {"ffn_up", "mlp.up_proj"},
                                           {"ffn_down", "mlp.down_proj"},
                                           {"post_ffw_norm", "post_feedforward_layernorm"},
                                           {0}};
static const tensor_name phi3_layer[] = {{"attn_norm", "input_layernorm"},
                                         {"attn_qkv", "self_attn.qkv_proj"},
                                         {"attn_output", "self_attn.o_proj"},
                                         {"ffn_norm", "post_attention_layernorm"},
                                         {"ffn_up", "mlp.gate_up_proj"},
                                         {"ffn_down", "mlp.down_proj"},
                                         {0}};
static const tensor_name gpt2_whole[] = {
    {"token_embd", "wte"}, {"position_embd", "wpe"}, {"output", "lm_head"}, {"output_norm", "ln_f"}, {0}};
static const tensor_name gpt2_layer[] = {{"attn_norm", "ln_1"},
                                         {"attn_qkv", "attn.c_attn"},
                                         {"attn_output", "attn.c_proj"},
                                         {"ffn_norm", "ln_2"},
                                         {"ffn_up", "mlp.c_fc"},
                                         {"ffn_down", "mlp.c_proj"},
                                         {0}};

#define SILU "{\"hidden_act\":\"silu\"}"
#define TANH "{\"hidden_act\":\"gelu_pytorch_tanh\",\"hidden_activation\":\"gelu_pytorch_tanh\""
#define LAYERS "model.layers."

static const kind kinds[] = {
    {"llama", "llama", SILU, NULL, llama_whole, llama_layer, .prefix = LAYERS, .rotary_pairs = true},
    {"qwen2", "qwen2", SILU, NULL, llama_whole, llama_layer, .prefix = LAYERS},
    {"qwen3", "qwen3", SILU, NULL, llama_whole, llama_layer, .prefix = LAYERS},
    {"gemma", "gemma", TANH "}", NULL, llama_whole, llama_layer, .prefix = LAYERS, .stored_offset = true},
    {"gemma2", "gemma2", TANH ",\"attn_logit_softcapping\":null,\"final_logit_softcapping\":null}",
     gemma2_keys, llama_whole, gemma2_layer, .prefix = LAYERS, .stored_offset = true,
     .scalar_is_key_length = true},
    {"gemma3", "gemma3_text", TANH ",\"rope_local_base_freq\":10000.0,\"sliding_window_pattern\":6}",
     gemma2_keys, llama_whole, gemma2_layer, .prefix = LAYERS, .stored_offset = true,
     .scalar_is_key_length = true},
    {"phi3", "phi3", SILU, window_keys, llama_whole, phi3_layer, .prefix = LAYERS},
    {"gpt2", "gpt2", "{\"activation_function\":\"gelu_new\"}", NULL, gpt2_whole, gpt2_layer, .prefix = "h."},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const kind *kind_of(const bl_gguf *file, bl_error *err) {
    const char *name;
    char known[200] = "";
    if (!bl_gguf_string(file, "general.architecture", &name, err)) return NULL;
    for (size_t i = 0, used = 0; i < N_KINDS; i++) {
        if (strcmp(name, kinds[i].architecture) == 0) return &kinds[i];
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", kinds[i].architecture);
    }
    return bl_fail_null(err, BL_ERR_UNSUPPORTED,
                        "%s: general.architecture: \"%.60s\" is not supported; supported: %s", file->path,
                        name, known);
}

static bool is_gpt2(const kind *k) { return strcmp(k->architecture, "gpt2") == 0; }

/* "ARCH.KEY" into out [128]. */
static const char *full_key(const kind *k, const char *key, char *out) {
    snprintf(out, 128, "%s.%s", k->architecture, key);
    return out;
}

static bool add_keys(const bl_gguf *file, const kind *k, const setting *keys, json_t *to, bl_error *err) {
    char name[128];
    for (; keys && keys->key; keys++) {
        int64_t size;
        double number;
        bool is_number = keys->number;
        full_key(k, keys->key, name);
        if (!keys->required && !bl_gguf_has(file, name)) continue;
        if (is_number ? !bl_gguf_number(file, name, &number, err)
                      : !bl_gguf_integer(file, name, 1, MOST_SIZE, &size, err))
            return false;
        if (!bl_json_put(to, keys->name, is_number ? json_real(number) : json_integer(size), err))
            return false;
    }
    return true;
}

/* An optional size of the file; `missing` where the key is not there. */
static bool optional_size(const bl_gguf *file, const kind *k, const char *key, int64_t missing, int64_t *out,
                          bl_error *err) {
    char name[128];
    *out = missing;
    return !bl_gguf_has(file, full_key(k, key, name)) || bl_gguf_integer(file, name, 0, MOST_SIZE, out, err);
}

static bool unsupported(const bl_gguf *file, const kind *k, const char *key, const char *what, double found,
                        bl_error *err) {
    char name[128];
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: %s %g is not supported", file->path,
                   full_key(k, key, name), what, found);
}

/* Keys that say more than bilens runs, and the rotary part of a head. */
static bool add_heads(const bl_gguf *file, const kind *k, json_t *to, bl_error *err) {
    int64_t d, heads, experts, key, value, rotated;
    if (!optional_size(file, k, "embedding_length", 0, &d, err) ||
        !optional_size(file, k, "attention.head_count", 1, &heads, err) ||
        !optional_size(file, k, "expert_count", 0, &experts, err) ||
        !optional_size(file, k, "attention.key_length", heads ? d / heads : 0, &key, err) ||
        !optional_size(file, k, "attention.value_length", key, &value, err) ||
        !optional_size(file, k, "rope.dimension_count", key, &rotated, err))
        return false;
    if (experts > 0)
        return unsupported(file, k, "expert_count", "a mixture of experts, here", (double)experts, err);
    if (value != key)
        return unsupported(file, k, "attention.value_length", "another width than key_length's, here",
                           (double)value, err);
    if (rotated > key)
        return unsupported(file, k, "rope.dimension_count", "more than a head's width, here", (double)rotated,
                           err);
    /* Half a step more, so that the product is rounded down to the same number. */
    double share = ((double)rotated + 0.5) / (double)key;
    if (rotated < key && !bl_json_put(to, "partial_rotary_factor", json_real(share), err)) return false;
    return !k->scalar_is_key_length || bl_json_put(to, "query_pre_attn_scalar", json_integer(key), err);
}

static bool add_scaling(const bl_gguf *file, const kind *k, json_t *to, bl_error *err) {
    char type_key[128], factor_key[128];
    const char *type = "none";
    double factor = 1;
    full_key(k, "rope.scaling.type", type_key);
    full_key(k, "rope.scaling.factor", factor_key);
    if (bl_gguf_has(file, type_key) && !bl_gguf_string(file, type_key, &type, err)) return false;
    if (strcmp(type, "none") == 0) return true;
    if (strcmp(type, "linear") != 0)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: %s: the rope scaling \"%.40s\" is not supported; supported: none, "
                       "linear",
                       file->path, type_key, type);
    if (!bl_gguf_number(file, factor_key, &factor, err)) return false;
    return bl_json_put(to, "rope_scaling", json_pack("{s:s, s:f}", "rope_type", "linear", "factor", factor),
                       err);
}

/* What `info` shows and no architecture reads. */
static bool add_origin(const bl_gguf *file, json_t *to, bl_error *err) {
    const char *model = NULL, *pre = NULL;
    char tokenizer[80];
    if (!bl_json_put(to, "gguf_version", json_integer(file->version), err)) return false;
    if (!bl_gguf_string(file, "tokenizer.ggml.model", &model, NULL)) return true;
    bool cut = bl_gguf_string(file, "tokenizer.ggml.pre", &pre, NULL) && strcmp(model, "gpt2") == 0;
    snprintf(tokenizer, sizeof tokenizer, "%.30s%s%.30s", model, cut ? ", " : "", cut ? pre : "");
    return bl_json_put(to, "tokenizer", json_string(tokenizer), err);
}

json_t *bl_gguf_config(const bl_gguf *file, bl_error *err) {
    const kind *k = kind_of(file, err);
    json_t *config = k ? json_loads(k->constants, 0, NULL) : NULL;
    if (!k) return NULL;
    if (!config) return bl_fail_null(err, BL_ERR_MEMORY, "%s: out of memory", file->path);
    bool tied = !bl_gguf_tensor_find(file, "output.weight"),
         bias = bl_gguf_tensor_find(file, "blk.0.attn_q.bias"),
         mlp_bias = bl_gguf_tensor_find(file, "blk.0.ffn_up.bias");
    if (bl_json_put(config, "model_type", json_string(k->model_type), err) &&
        bl_json_put(config, "tie_word_embeddings", json_boolean(tied), err) &&
        bl_json_put(config, "attention_bias", json_boolean(bias), err) &&
        bl_json_put(config, "mlp_bias", json_boolean(mlp_bias), err) && add_origin(file, config, err) &&
        add_keys(file, k, is_gpt2(k) ? gpt2_keys : llama_keys, config, err) &&
        add_keys(file, k, k->keys, config, err) &&
        (is_gpt2(k) || (add_heads(file, k, config, err) && add_scaling(file, k, config, err))))
        return config;
    json_decref(config);
    return NULL;
}

/* ---- Names ---- */

static const char *find_name(const tensor_name *names, const char *old, size_t n) {
    for (; names->old; names++)
        if (strlen(names->old) == n && memcmp(names->old, old, n) == 0) return names->new;
    return NULL;
}

void bl_gguf_rename(const bl_gguf *file, const char *name, char *out, size_t room) {
    const kind *k = kind_of(file, NULL);
    const char *old = name, *dot = strrchr(name, '.'), *new = NULL;
    unsigned long layer = 0;
    bool in_layer = strncmp(name, "blk.", 4) == 0;
    if (in_layer) {
        char *end;
        layer = strtoul(name + 4, &end, 10);
        old = *end == '.' ? end + 1 : name;
    }
    if (k && dot && dot > old) new = find_name(in_layer ? k->layer : k->whole, old, (size_t)(dot - old));
    if (!new) snprintf(out, room, "%s", name);
    else if (in_layer) snprintf(out, room, "%s%lu.%s%s", k->prefix, layer, new, dot);
    else snprintf(out, room, "%s%s", new, dot);
}

/* ---- What config.json cannot say ---- */

static bool read_divisors(const bl_gguf *file, const bl_gguf_tensor *tensor, bl_rope_plan *rope,
                          bl_error *err) {
    size_t half = rope->rotated / 2;
    double factor = rope->scaling == BL_ROPE_LINEAR ? rope->factor : 1;
    if (tensor->n_dims != 1 || tensor->count != half || half > BL_ROPE_MOST)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: %s: expected %zu numbers, half the rotated part of a head, found %zu", file->path,
                       tensor->name, half, tensor->count);
    bl_gguf_rows(tensor, 0, 1, rope->short_divisor);
    for (size_t j = 0; j < half; j++) {
        if (!(rope->short_divisor[j] > 0) || !isfinite(rope->short_divisor[j]))
            return bl_fail(err, BL_ERR_INPUT, "%s: %s: entry %zu is not a positive number", file->path,
                           tensor->name, j);
        rope->short_divisor[j] = rope->long_divisor[j] = (float)((double)rope->short_divisor[j] * factor);
    }
    rope->scaling = BL_ROPE_LONGROPE;
    rope->original = INFINITY;
    return true;
}

bool bl_gguf_plan(const bl_gguf *file, bl_plan *plan, bl_error *err) {
    const kind *k = kind_of(file, err);
    const bl_gguf_tensor *divisors = bl_gguf_tensor_find(file, ROPE_FREQS);
    if (!k) return false;
    plan->rotary_pairs = k->rotary_pairs;
    plan->stored_offset = k->stored_offset;
    return !divisors || read_divisors(file, divisors, &plan->rope, err);
}

void bl_gguf_layouts(bl_params *params, const bl_plan *plan) {
    for (size_t i = 0; i < params->n; i++) {
        bl_param *param = &params->list[i];
        bool rotary = param->kind == BL_PARAM_Q || param->kind == BL_PARAM_K ||
                      param->kind == BL_PARAM_Q_BIAS || param->kind == BL_PARAM_K_BIAS;
        if (param->layout == BL_LAYOUT_COLUMNS) param->layout = BL_LAYOUT_ROWS;
        if (plan->rotary_pairs && rotary) param->layout = BL_LAYOUT_PAIRS;
    }
}
