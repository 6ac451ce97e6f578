/* A config.json from anyone, read as each generation: it fails with a message, or gives a configuration that
 * keeps what the rest of the library relies on: sizes in range, heads that divide, an even head width, and a
 * parameter table whose offsets do not overflow. */
#include "format/json.h"
#include "model/config.h"
#include "model/params.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_params(bl_config config) {
    bl_error err = {0};
    bl_params params;
    if (config.n_layer > 64) return; /* the loader limits it by the number of tensors that are stored */
    if (!bl_params_init(&params, &config, &err)) abort();
    size_t at = 0;
    for (size_t i = 0; i < params.n; i++) {
        const bl_param *param = &params.list[i];
        if (param->offset < at || param->offset % 16 || param->count != param->rows * param->cols) abort();
        if (bl_params_find(&params, param->kind, param->layer) != i) abort();
        at = param->offset + param->count;
    }
    if (params.total < at) abort();
    bl_params_free(&params);
}

static void check(const json_t *json, bool later) {
    bl_config config;
    bl_config_claims claims;
    bl_error err = {0};
    if (!bl_config_read(json, "fuzz", later, &config, &claims, &err)) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return;
    }
    if (config.n_layer < 1 || config.n_head < 1 || config.n_ctx < 1 || config.d_hidden < 1) abort();
    if (config.d_model % config.n_head || config.d_model / config.n_head % 2) abort();
    if (!bl_generation_name(config.generation)[0] || !bl_gate_name(config.gate)[0] || !(config.noise >= 0))
        abort();
    if (bl_config_is_bilinear(&config) && config.plain) abort();
    config.n_vocab = config.n_vocab ? config.n_vocab : 100;
    config.norm_weights = config.normalization && !later;
    check_params(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    json_t *json = bl_json_parse((const char *)data, size, "fuzz", &err);
    if (!json) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return 0;
    }
    check(json, false);
    check(json, true);
    json_decref(json);
    return 0;
}
