/* GPT-2: learned positions, LayerNorm and biases everywhere, a plain MLP, matrices stored [in, out]
 * (docs/specification.md, 18). */
#include "base/error.h"
#include "model/architecture/hugging_face.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "gpt2");
}

static bool read(const bl_arch_reading *r) {
    bl_config *c = r->config;
    double epsilon = 1e-5;
    const bl_weight *wte = bl_weights_find(r->weights, "wte.weight");
    if (!wte) wte = bl_weights_find(r->weights, "transformer.wte.weight");
    c->tied = true;
    if (!bl_read_size(r, "n_embd", true, &c->d_model) || !bl_read_size(r, "n_layer", true, &c->n_layer) ||
        !bl_read_size(r, "n_head", true, &c->n_head) || !bl_read_size(r, "n_positions", true, &c->n_ctx) ||
        !bl_read_size(r, "vocab_size", false, &c->n_vocab) ||
        !bl_read_size(r, "n_inner", false, &c->d_hidden) ||
        !bl_read_number(r, "layer_norm_epsilon", &epsilon) || !bl_hf_activation(r, "activation_function") ||
        !bl_read_flag(r, "tie_word_embeddings", &c->tied) || !bl_hf_refuse(r, "scale_attn_weights", false) ||
        !bl_hf_refuse(r, "scale_attn_by_inverse_layer_idx", true) ||
        !bl_hf_refuse(r, "add_cross_attention", true))
        return false;
    if (c->d_model % c->n_head)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"n_head\" %zu does not divide \"n_embd\" %zu", r->path,
                       c->n_head, c->d_model);
    if (wte && wte->n_dims == 2 && c->n_vocab && wte->shape[0] != c->n_vocab)
        return bl_fail(r->err, BL_ERR_INPUT, "%s: \"vocab_size\" is %zu, but wte.weight has %zu rows",
                       r->path, c->n_vocab, wte->shape[0]);
    if (wte && wte->n_dims == 2) c->n_vocab = wte->shape[0];
    if (!c->d_hidden) c->d_hidden = 4 * c->d_model;
    c->plain = c->normalization = c->norm_weights = true;
    c->bias_w = c->bias_p = c->bias_qkv = c->bias_o = true;
    bl_config_settle(c);
    bl_plan_defaults(r->plan, c);
    r->plan->rope.rotated = 0;
    r->plan->layer_norm = r->plan->norm_bias = r->plan->positions = true;
    r->plan->epsilon = (float)epsilon;
    return true;
}

/* A matrix [rows, cols] that is stored [cols, rows]. */
static void add_turned(bl_params *params, bl_param_kind kind, size_t layer, size_t rows, size_t cols,
                       const char *name, const char *other) {
    bl_params_add(params, kind, layer, rows, cols, name, other)->layout = BL_LAYOUT_COLUMNS;
}

static void list(bl_params *params, const bl_config *c) {
    size_t d = c->d_model, h = c->d_hidden;
#define BOTH(name) name, "transformer." name
    bl_params_add(params, BL_PARAM_WTE, 0, c->n_vocab, d, BOTH("wte.weight"));
    bl_params_add(params, BL_PARAM_WPE, 0, c->n_ctx, d, BOTH("wpe.weight"));
    for (size_t i = 0; i < c->n_layer; i++) {
        bl_params_add(params, BL_PARAM_N1, i, d, 0, BOTH("h.%zu.ln_1.weight"));
        bl_params_add(params, BL_PARAM_N1_BIAS, i, d, 0, BOTH("h.%zu.ln_1.bias"));
        add_turned(params, BL_PARAM_QKV, i, 3 * d, d, BOTH("h.%zu.attn.c_attn.weight"));
        bl_params_add(params, BL_PARAM_QKV_BIAS, i, 3 * d, 0, BOTH("h.%zu.attn.c_attn.bias"));
        add_turned(params, BL_PARAM_O, i, d, d, BOTH("h.%zu.attn.c_proj.weight"));
        bl_params_add(params, BL_PARAM_O_BIAS, i, d, 0, BOTH("h.%zu.attn.c_proj.bias"));
        bl_params_add(params, BL_PARAM_N2, i, d, 0, BOTH("h.%zu.ln_2.weight"));
        bl_params_add(params, BL_PARAM_N2_BIAS, i, d, 0, BOTH("h.%zu.ln_2.bias"));
        add_turned(params, BL_PARAM_W, i, h, d, BOTH("h.%zu.mlp.c_fc.weight"));
        bl_params_add(params, BL_PARAM_W_BIAS, i, h, 0, BOTH("h.%zu.mlp.c_fc.bias"));
        add_turned(params, BL_PARAM_P, i, d, h, BOTH("h.%zu.mlp.c_proj.weight"));
        bl_params_add(params, BL_PARAM_P_BIAS, i, d, 0, BOTH("h.%zu.mlp.c_proj.bias"));
    }
    bl_params_add(params, BL_PARAM_NF, 0, d, 0, BOTH("ln_f.weight"));
    bl_params_add(params, BL_PARAM_NF_BIAS, 0, d, 0, BOTH("ln_f.bias"));
#undef BOTH
    if (!c->tied) bl_params_add(params, BL_PARAM_HEAD, 0, c->n_vocab, d, "lm_head.weight", NULL);
}

/* h.N.attn.bias and masked_bias are masks, no parameters. */
static bool harmless(const bl_config *c, const char *name) {
    if (bl_hf_harmless(c, name)) return true;
    if (strncmp(name, "transformer.", 12) == 0) name += 12;
    char *end;
    if (strncmp(name, "h.", 2) != 0 || strtoul(name + 2, &end, 10) >= c->n_layer) return false;
    return strcmp(end, ".attn.bias") == 0 || strcmp(end, ".attn.masked_bias") == 0;
}

const bl_architecture bl_gpt2 = {
    .name = "gpt2", .recognise = recognise, .read = read, .list = list, .harmless = harmless};
