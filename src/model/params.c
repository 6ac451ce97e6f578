#include "model/params.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>

static void add(bl_params *params, bl_param_kind kind, size_t layer, size_t n_dims, size_t rows, size_t cols,
                const char *name) {
    bl_param *param = &params->list[params->n++];
    *param = (bl_param){.kind = kind,
                        .layer = layer,
                        .n_dims = n_dims,
                        .rows = rows,
                        .cols = cols,
                        .count = rows * cols,
                        .offset = params->total};
    snprintf(param->name, sizeof param->name, "%s", name);
    params->total += (param->count + 15) / 16 * 16;
}

static void add_layer_param(bl_params *params, bl_param_kind kind, size_t layer, size_t n_dims, size_t rows,
                            size_t cols, const char *name) {
    char full[64];
    snprintf(full, sizeof full, "transformer.h.%zu.%s", layer, name);
    add(params, kind, layer, n_dims, rows, cols, full);
}

static void add_norm(bl_params *params, const bl_config *config, bl_param_kind kind, size_t layer,
                     const char *name) {
    if (!config->norm_weights) return;
    char full[48];
    bl_param *param = &params->list[params->n];
    if (kind == BL_PARAM_NF) snprintf(full, sizeof full, "transformer.%s", name);
    else snprintf(full, sizeof full, "transformer.h.%zu.%s", layer, name);
    char weight[64];
    snprintf(weight, sizeof weight, "%s.norm.weight", full);
    add(params, kind, layer, 1, config->d_model, 1, weight);
    if (config->generation == BL_GENERATION_2024_06)
        snprintf(param->other_name, sizeof param->other_name, "%s.weight", full);
}

bool bl_params_init(bl_params *params, const bl_config *config, bl_error *err) {
    size_t V = config->n_vocab, d = config->d_model, h = config->d_hidden, w = config->plain ? h : 2 * h;
    bool later = config->generation == BL_GENERATION_LATER;
    *params = (bl_params){0};
    size_t n;
    if (!bl_mul_size(config->n_layer, 8, &n) || !bl_add_size(n, 3, &n))
        return bl_fail(err, BL_ERR_INPUT, "n_layer %zu is too large", config->n_layer);
    params->list = bl_alloc_zero(n, sizeof *params->list, err);
    if (!params->list) return false;
    add(params, BL_PARAM_WTE, 0, 2, V, d, "transformer.wte.weight");
    for (size_t i = 0; i < config->n_layer; i++) {
        add_norm(params, config, BL_PARAM_N1, i, "n1");
        add_layer_param(params, BL_PARAM_QKV, i, 2, 3 * d, d, "attn.qkv.weight");
        add_layer_param(params, BL_PARAM_O, i, 2, d, d, "attn.o.weight");
        add_norm(params, config, BL_PARAM_N2, i, "n2");
        add_layer_param(params, BL_PARAM_W, i, 2, w, d, "mlp.w.weight");
        if (config->bias_w) add_layer_param(params, BL_PARAM_W_BIAS, i, 1, w, 1, "mlp.w.bias");
        add_layer_param(params, BL_PARAM_P, i, 2, d, h, later ? "mlp.p.weight" : "mlp.o.weight");
        if (config->bias_p)
            add_layer_param(params, BL_PARAM_P_BIAS, i, 1, d, 1, later ? "mlp.p.bias" : "mlp.o.bias");
    }
    add_norm(params, config, BL_PARAM_NF, 0, "n_f");
    if (!config->tied) add(params, BL_PARAM_HEAD, 0, 2, V, d, "lm_head.weight");
    return true;
}

void bl_params_free(bl_params *params) {
    free(params->list);
    *params = (bl_params){0};
}

size_t bl_params_find(const bl_params *params, bl_param_kind kind, size_t layer) {
    for (size_t i = 0; i < params->n; i++)
        if (params->list[i].kind == kind && params->list[i].layer == layer) return i;
    return params->n;
}
