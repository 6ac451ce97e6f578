#include "model/architecture/bilinear.h"
#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys that say nothing about what the model computes: names, defaults of the transformers library,
 * training. */
static const char *const harmless_keys[] = {"_commit_hash",
                                            "_name_or_path",
                                            "add_cross_attention",
                                            "architectures",
                                            "attn_dropout",
                                            "auto_map",
                                            "bad_words_ids",
                                            "begin_suppress_tokens",
                                            "bos_token_id",
                                            "chunk_size_feed_forward",
                                            "cross_attention_hidden_size",
                                            "decoder_start_token_id",
                                            "diversity_penalty",
                                            "do_sample",
                                            "dtype",
                                            "early_stopping",
                                            "embed_dropout",
                                            "encoder_no_repeat_ngram_size",
                                            "eos_token_id",
                                            "exponential_decay_length_penalty",
                                            "finetuning_task",
                                            "forced_bos_token_id",
                                            "forced_eos_token_id",
                                            "id2label",
                                            "initializer_range",
                                            "is_decoder",
                                            "is_encoder_decoder",
                                            "label2id",
                                            "length_penalty",
                                            "max_length",
                                            "min_length",
                                            "mlp_dropout",
                                            "model_type",
                                            "modifier",
                                            "no_repeat_ngram_size",
                                            "num_beam_groups",
                                            "num_beams",
                                            "num_return_sequences",
                                            "output_attentions",
                                            "output_hidden_states",
                                            "output_scores",
                                            "pad_token_id",
                                            "prefix",
                                            "problem_type",
                                            "pruned_heads",
                                            "remove_invalid_values",
                                            "repetition_penalty",
                                            "repo",
                                            "resid_dropout",
                                            "return_dict",
                                            "return_dict_in_generate",
                                            "sep_token_id",
                                            "suppress_tokens",
                                            "task_specific_params",
                                            "temperature",
                                            "tf_legacy_loss",
                                            "tie_encoder_decoder",
                                            "tokenizer",
                                            "tokenizer_class",
                                            "top_k",
                                            "top_p",
                                            "torch_dtype",
                                            "torchscript",
                                            "transformers_version",
                                            "typical_p",
                                            "use_bfloat16",
                                            "use_cache",
                                            NULL};
static const char *const size_keys[] = {"n_vocab", "n_head",   "n_layer", "n_ctx",
                                        "d_model", "d_hidden", "noise",   NULL};

static bool listed(const char *const *keys, const char *key) {
    for (; *keys; keys++)
        if (strcmp(*keys, key) == 0) return true;
    return false;
}

bool bl_bilinear_recognise(const json_t *json, const bl_weights *weights) {
    return !json_object_get(json, "model_type") || json_object_get(json, "d_hidden") ||
           bl_weights_any(weights, "transformer.h.0.mlp.w.");
}

bool bl_key_is_harmless(const char *key) { return listed(harmless_keys, key); }

static bool read_noise(const bl_arch_reading *r) {
    double noise = 0;
    if (!bl_read_number(r, "noise", &noise)) return false;
    if (!(noise >= 0 && noise < 1e6))
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"noise\" must be null or a number from 0, found %g",
                       r->path, noise);
    r->config->noise = (float)noise;
    return true;
}

/* Whether the norms have weights, the output is tied, and how many tokens there are: the tensors decide. */
static bool read_tensors(const bl_arch_reading *r) {
    bl_config *c = r->config;
    const bl_weight *wte = bl_weights_find(r->weights, "transformer.wte.weight");
    size_t rows = wte && wte->n_dims == 2 ? wte->shape[0] : 0;
    if (rows && c->n_vocab && rows != c->n_vocab)
        return bl_fail(r->err, BL_ERR_INPUT,
                       "%s: \"n_vocab\" is %zu, but transformer.wte.weight has %zu rows", r->path, c->n_vocab,
                       rows);
    if (rows) c->n_vocab = rows; /* a missing wte is found by the parameter table */
    const bl_weight *head = bl_weights_find(r->weights, "lm_head.weight");
    c->tied = !head || head == wte;
    c->bias_w = bl_weights_any(r->weights, ".mlp.w.bias");
    return true;
}

bool bl_bilinear_read(const bl_arch_reading *r, const char *const *keys) {
    bl_config *c = r->config;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)r->json, key, value) {
        if (listed(size_keys, key) || bl_key_is_harmless(key) || listed(keys, key)) continue;
        return bl_fail(
            r->err, BL_ERR_UNSUPPORTED,
            "%s: the key \"%.60s\" is not one that bilens knows for a model of generation %s; it may change "
            "what the model computes (remove it if it does not)",
            r->path, key, r->config->architecture->generation);
    }
    if (!bl_read_size(r, "n_layer", true, &c->n_layer) || !bl_read_size(r, "n_head", true, &c->n_head) ||
        !bl_read_size(r, "n_ctx", true, &c->n_ctx) || !bl_read_size(r, "d_model", true, &c->d_model) ||
        !bl_read_size(r, "d_hidden", true, &c->d_hidden) || !bl_read_size(r, "n_vocab", false, &c->n_vocab) ||
        !read_noise(r))
        return false;
    if (c->d_model % c->n_head)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"n_head\" %zu does not divide \"d_model\" %zu", r->path,
                       c->n_head, c->d_model);
    if (c->d_model / c->n_head % 2)
        return bl_fail(
            r->err, BL_ERR_INPUT,
            "%s: d_model / n_head = %zu is odd, rotary position embedding needs an even head width", r->path,
            c->d_model / c->n_head);
    return read_tensors(r);
}

bool bl_bilinear_flag(const bl_arch_reading *r, const char *key, int *out) {
    bool value = false;
    const json_t *found = json_object_get(r->json, key);
    if (!bl_read_flag(r, key, &value)) return false;
    *out = !found || json_is_null(found) ? -1 : value;
    return true;
}

bool bl_bilinear_claim(const bl_arch_reading *r, int claim, const char *key, bool present,
                       const char *tensor) {
    if (claim < 0 || (claim == 1) == present) return true;
    return bl_fail(r->err, BL_ERR_INPUT, "%s: \"%s\" says that there %s biases, but the tensors %s are %s",
                   r->path, key, claim ? "are" : "are no", tensor, present ? "present" : "missing");
}

static void add_norm(bl_params *params, const bl_config *c, bl_param_kind kind, size_t layer,
                     const char *name, const char *short_name) {
    if (c->norm_weights) bl_params_add(params, kind, layer, c->d_model, 0, name, short_name);
}

void bl_bilinear_list(bl_params *params, const bl_config *c, const char *output, bool short_norms) {
    size_t V = c->n_vocab, d = c->d_model, h = c->d_hidden, w = c->plain ? h : 2 * h,
           qkv = c->attention2 ? 5 * d : 3 * d;
    bool later = strcmp(output, "mlp.p") == 0;
    bl_params_add(params, BL_PARAM_WTE, 0, V, d, "transformer.wte.weight", NULL);
    for (size_t i = 0; i < c->n_layer; i++) {
        add_norm(params, c, BL_PARAM_N1, i, "transformer.h.%zu.n1.norm.weight",
                 short_norms ? "transformer.h.%zu.n1.weight" : NULL);
        bl_params_add(params, BL_PARAM_QKV, i, qkv, d, "transformer.h.%zu.attn.qkv.weight", NULL);
        if (c->bias_qkv)
            bl_params_add(params, BL_PARAM_QKV_BIAS, i, qkv, 0, "transformer.h.%zu.attn.qkv.bias", NULL);
        bl_params_add(params, BL_PARAM_O, i, d, d, "transformer.h.%zu.attn.o.weight", NULL);
        add_norm(params, c, BL_PARAM_N2, i, "transformer.h.%zu.n2.norm.weight",
                 short_norms ? "transformer.h.%zu.n2.weight" : NULL);
        bl_params_add(params, BL_PARAM_W, i, w, d, "transformer.h.%zu.mlp.w.weight", NULL);
        if (c->bias_w) bl_params_add(params, BL_PARAM_W_BIAS, i, w, 0, "transformer.h.%zu.mlp.w.bias", NULL);
        bl_params_add(params, BL_PARAM_P, i, d, h,
                      later ? "transformer.h.%zu.mlp.p.weight" : "transformer.h.%zu.mlp.o.weight", NULL);
        if (c->bias_p)
            bl_params_add(params, BL_PARAM_P_BIAS, i, d, 0,
                          later ? "transformer.h.%zu.mlp.p.bias" : "transformer.h.%zu.mlp.o.bias", NULL);
    }
    add_norm(params, c, BL_PARAM_NF, 0, "transformer.n_f.norm.weight",
             short_norms ? "transformer.n_f.weight" : NULL);
    if (!c->tied) bl_params_add(params, BL_PARAM_HEAD, 0, V, d, "lm_head.weight", NULL);
}

bool bl_bilinear_harmless(const bl_config *config, const char *name) {
    static const char prefix[] = "transformer.h.";
    if (strncmp(name, prefix, sizeof prefix - 1) != 0) return false;
    char *end;
    const char *digits = name + sizeof prefix - 1;
    unsigned long layer = strtoul(digits, &end, 10);
    return *digits >= '0' && *digits <= '9' && layer < config->n_layer &&
           strcmp(end, ".attn.rotary.inv_freq") == 0;
}
