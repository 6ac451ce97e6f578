#include "model/params.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/architecture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `name` with its "%zu" replaced by the layer. */
static void number(char *out, size_t size, const char *name, size_t layer) {
    const char *place = strstr(name, "%zu");
    if (place) snprintf(out, size, "%.*s%zu%s", (int)(place - name), name, layer, place + 3);
    else snprintf(out, size, "%s", name);
}

bl_param *bl_params_add(bl_params *params, bl_param_kind kind, size_t layer, size_t rows, size_t cols,
                        const char *name, const char *other) {
    static bl_param nowhere;
    if (!params->failed)
        params->failed =
            !bl_grow(&params->list, &params->capacity, params->n + 1, sizeof *params->list, params->err);
    if (params->failed) return &nowhere;
    bl_param *param = &params->list[params->n++];
    *param = (bl_param){.kind = kind,
                        .layer = layer,
                        .n_dims = cols ? 2 : 1,
                        .rows = rows,
                        .cols = cols ? cols : 1,
                        .count = rows * (cols ? cols : 1),
                        .offset = params->total};
    number(param->name, sizeof param->name, name, layer);
    if (other) number(param->other_name, sizeof param->other_name, other, layer);
    params->total += (param->count + 15) / 16 * 16;
    return param;
}

bool bl_params_init(bl_params *params, const bl_config *config, bl_error *err) {
    bl_config settled = *config;
    bl_config_settle(&settled);
    *params = (bl_params){.err = err};
    settled.architecture->list(params, &settled);
    params->err = NULL;
    return !params->failed;
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
