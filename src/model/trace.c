/* Named activations of one text. */
#include "base/error.h"
#include "base/memory.h"
#include "model/forward.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct kept {
    bl_named_array array;
    char name[48];
    bl_point point;
    size_t layer;
    float *data;
} kept;

struct bl_trace {
    kept *list;
    size_t n;
};

static void set_shape(kept *k, const bl_config *c, size_t T) {
    size_t shape[BL_MAX_DIMS] = {T, c->d_model}, n_dims = 2;
    switch (k->point) {
    case BL_POINT_Q:
    case BL_POINT_K:
    case BL_POINT_Q2:
    case BL_POINT_K2:
    case BL_POINT_V: shape[0] = c->n_head, shape[1] = T, shape[2] = c->head_dim, n_dims = 3; break;
    case BL_POINT_SCORES:
    case BL_POINT_SCORES2:
    case BL_POINT_PATTERN: shape[0] = c->n_head, shape[1] = shape[2] = T, n_dims = 3; break;
    case BL_POINT_MLP_HIDDEN: shape[1] = c->d_hidden; break;
    case BL_POINT_LOGITS: shape[1] = c->n_vocab; break;
    default: break;
    }
    k->array.n_dims = n_dims;
    memcpy(k->array.shape, shape, sizeof shape);
}

static bool keep(bl_trace *trace, const bl_model *model, bl_point point, size_t layer, size_t T,
                 bl_error *err) {
    for (size_t i = 0; i < trace->n; i++)
        if (trace->list[i].point == point && trace->list[i].layer == layer) return true; /* asked for twice */
    kept *k = &trace->list[trace->n];
    k->point = point;
    k->layer = layer;
    const char *name = bl_point_name(&model->config, point);
    if (point == BL_POINT_LOGITS) snprintf(k->name, sizeof k->name, "%s", name);
    else snprintf(k->name, sizeof k->name, "%s.%zu", name, layer);
    set_shape(k, &model->config, T);
    size_t count = 1;
    for (size_t i = 0; i < k->array.n_dims; i++)
        if (!bl_mul_size(count, k->array.shape[i], &count))
            return bl_fail(err, BL_ERR_MEMORY, "trace: '%s' is too large", k->name);
    k->data = bl_alloc(count, sizeof *k->data, err);
    if (!k->data) return false;
    k->array.data = k->data;
    k->array.name = k->name;
    trace->n++;
    return true;
}

static bool unknown_point(const bl_config *config, const char *name, bl_error *err) {
    char list[256] = "";
    for (bl_point point = BL_POINT_RESID_PRE; point < BL_POINT_LOGITS; point++) {
        const char *known = bl_point_name(config, point);
        size_t n = strlen(list);
        if (known) snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", known);
    }
    return bl_fail(
        err, BL_ERR_USAGE,
        "unknown trace point '%.60s'; there are %s (each also with a layer, as in mlp_in.0) and logits", name,
        list);
}

bool bl_point_find(const bl_config *config, const char *name, size_t length, bl_point *out, bl_error *err) {
    for (bl_point point = BL_POINT_RESID_PRE; point < BL_N_POINTS; point++) {
        const char *known = bl_point_name(config, point);
        *out = point;
        if (known && strlen(known) == length && strncmp(known, name, length) == 0) return true;
    }
    return unknown_point(config, name, err);
}

static bool keep_named(bl_trace *trace, const bl_model *model, const char *name, size_t T, bl_error *err) {
    const char *dot = strchr(name, '.');
    size_t length = dot ? (size_t)(dot - name) : strlen(name), first = 0, last = model->config.n_layer - 1;
    bl_point point;
    if (!bl_point_find(&model->config, name, length, &point, err)) return false;
    if (dot && point == BL_POINT_LOGITS) return unknown_point(&model->config, name, err);
    if (dot) {
        char *end;
        unsigned long layer = strtoul(dot + 1, &end, 10);
        if (dot[1] < '0' || dot[1] > '9' || *end) return unknown_point(&model->config, name, err);
        if (layer > last)
            return bl_fail(err, BL_ERR_USAGE, "trace point '%.60s': the model's layers are 0 … %zu", name,
                           last);
        first = last = layer;
    }
    if (point == BL_POINT_LOGITS) return keep(trace, model, point, 0, T, err);
    for (size_t layer = first; layer <= last; layer++)
        if (!keep(trace, model, point, layer, T, err)) return false;
    return true;
}

/* A tap: copies a head's or the whole value to its place. */
static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    bl_trace *trace = context;
    for (size_t i = 0; i < trace->n; i++) {
        kept *k = &trace->list[i];
        if (k->point != point || k->layer != layer) continue;
        float *out = k->data + head * value.rows * value.cols;
        for (size_t r = 0; r < value.rows; r++)
            memcpy(out + r * value.cols, value.data + r * value.stride, value.cols * sizeof *out);
    }
}

bl_trace *bl_trace_run(const bl_model *model, const int32_t *ids, size_t n, const char *const *names,
                       size_t n_names, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = &model->config;
    if (n == 0 || n > c->n_ctx)
        return bl_fail_null(err, BL_ERR_USAGE, "a trace needs 1 to n_ctx = %zu tokens, found %zu", c->n_ctx,
                            n);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->n_vocab)
            return bl_fail_null(err, BL_ERR_USAGE, "token %zu has id %d, beyond the vocabulary of %zu", i,
                                (int)ids[i], c->n_vocab);
    bl_trace *trace = bl_alloc_zero(1, sizeof *trace, err);
    if (!trace) return NULL;
    bl_workspace *workspace = NULL;
    bool ok = false;
    trace->list = bl_alloc_zero((size_t)BL_N_POINTS * c->n_layer, sizeof *trace->list, err);
    if (!trace->list) goto done;
    if (names) {
        for (size_t i = 0; i < n_names; i++)
            if (!keep_named(trace, model, names[i], n, err)) goto done;
    } else {
        for (bl_point point = BL_POINT_RESID_PRE; point < BL_N_POINTS; point++) {
            const char *name = bl_point_name(c, point);
            if (name && !keep_named(trace, model, name, n, err)) goto done;
        }
    }
    workspace = bl_workspace_new(model, err);
    if (!workspace) goto done;
    bl_tap tap = {.take = take, .context = trace};
    ok = bl_forward_logits(model, workspace, ids, n, &tap, err).data != NULL;
done:
    bl_workspace_free(workspace);
    if (ok) return trace;
    bl_trace_free(trace);
    return NULL;
}

void bl_trace_free(bl_trace *trace) {
    if (!trace) return;
    for (size_t i = 0; trace->list && i < trace->n; i++) free(trace->list[i].data);
    free(trace->list);
    free(trace);
}

size_t bl_trace_n(const bl_trace *trace) { return trace->n; }
bl_named_array bl_trace_array(const bl_trace *trace, size_t i) { return trace->list[i].array; }
