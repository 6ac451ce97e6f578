/* A config.json from anyone, read with the tensors of one generation or another, or with none: it fails with
 * a message, or gives a configuration that keeps what the rest of the library relies on: sizes in range,
 * heads that divide, and a parameter table whose offsets do not overflow. */
#include "format/json.h"
#include "model/architecture.h"
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

static void check(const json_t *json, const bl_weights *weights) {
    bl_config config = {0};
    bl_plan plan = {0};
    bl_error err = {0};
    bl_arch_reading reading = {json, "fuzz", weights, &config, &plan, &err};
    config.architecture = bl_architecture_of(json, "fuzz", weights, &err);
    if (!config.architecture || !config.architecture->read(&reading)) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return;
    }
    bl_config_settle(&config);
    if (config.architecture->generation) bl_plan_defaults(&plan, &config);
    config.plan = &plan;
    if (config.n_layer < 1 || config.n_head < 1 || config.n_ctx < 1 || config.d_hidden < 1) abort();
    if (config.n_head % config.n_kv_head || config.head_dim < 1 || plan.rope.rotated % 2) abort();
    if (!bl_config_architecture(&config)[0] || !bl_gate_name(config.gate)[0] || !(config.noise >= 0)) abort();
    if (bl_config_is_bilinear(&config) && config.plain) abort();
    double frequency[BL_ROPE_MOST], magnitude;
    if (plan.rope.rotated / 2 <= BL_ROPE_MOST)
        bl_rope_frequencies(&plan.rope, config.n_ctx, frequency, &magnitude);
    config.n_vocab = config.n_vocab ? config.n_vocab : 100;
    check_params(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_weight later[] = {{.name = "transformer.h.0.mlp.p.weight"}};
    json_t *json = bl_json_parse((const char *)data, size, "fuzz", &err);
    if (!json) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return 0;
    }
    check(json, &(bl_weights){0});
    check(json, &(bl_weights){.list = later, .n = 1});
    json_decref(json);
    return 0;
}
