/* Stories through one layer (docs/specification.md, 1): the forward pass of model/forward.c with a tap. */
#include "evidence/layer_run.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/exp.h"
#include "linear/gemm.h"
#include "linear/norm.h"
#include "text/corpus/batch.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- stories ---- */

bool bl_story_ids_read(const bl_model *model, bl_corpus *corpus, size_t most, const bl_progress *progress,
                       bl_story_ids *out, bl_error *err) {
    bl_samples all = {0};
    bool ok = bl_samples_read(&all, corpus, bl_model_tokenizer(model), bl_model_config(model)->n_ctx, most,
                              progress, err);
    *out = (bl_story_ids){.ids = all.ids, .begin = all.begin, .n = all.n, .longest = all.longest};
    if (ok) ok = (out->first = bl_alloc_zero(all.n + 1, sizeof *out->first, err)) != NULL;
    for (size_t i = 0; ok && i < all.n; i++) {
        size_t n = all.begin[i + 1] - all.begin[i];
        out->first[i + 1] = out->first[i] + (n ? n - 1 : 0);
    }
    if (ok && out->first[all.n] == 0)
        ok = bl_fail(err, BL_ERR_INPUT, "no story has two tokens, so that there is nothing to predict");
    if (!ok) bl_story_ids_free(out);
    return ok;
}

void bl_story_ids_free(bl_story_ids *stories) {
    free(stories->ids);
    free(stories->begin);
    free(stories->first);
    *stories = (bl_story_ids){0};
}

const int32_t *bl_story_ids_of(const bl_story_ids *stories, size_t i, size_t *n) {
    *n = stories->begin[i + 1] - stories->begin[i];
    return stories->ids + stories->begin[i];
}

/* ---- sites ---- */

static bool site_init(bl_layer_run *s, const bl_model *model, size_t layer, size_t T, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, count;
    *s = (bl_layer_run){.model = model, .layer = layer, .d = d};
    if (!bl_model_bilinear(model, layer, &s->map, err)) return false;
    s->n = bl_bilinear_size(&s->map);
    if (!bl_mul_size(T, s->n, &count)) count = SIZE_MAX;
    s->workspace = bl_workspace_new(model, err);
    s->x = bl_alloc(count, sizeof *s->x, err);
    s->mid = bl_alloc(count, sizeof *s->mid, err);
    s->y = bl_alloc(count, sizeof *s->y, err);
    if (model->plan.post_norms && !(s->end = bl_alloc(count, sizeof *s->end, err))) return false;
    return s->workspace && s->x && s->mid && s->y;
}

bl_layer_run *bl_layer_runs_new(const bl_model *model, size_t layer, size_t T, bl_error *err) {
    size_t threads = (size_t)bl_threads();
    bl_layer_run *sites =
        bl_alloc_zero(threads + 1, sizeof *sites, err); /* one more: the end, without a model */
    bool ok = sites != NULL;
    for (size_t t = 0; ok && t < threads; t++) ok = site_init(&sites[t], model, layer, T ? T : 1, err);
    if (ok) return sites;
    bl_layer_runs_free(sites);
    return NULL;
}

void bl_layer_runs_free(bl_layer_run *sites) {
    for (bl_layer_run *s = sites; s && s->model; s++) {
        bl_workspace_free(s->workspace);
        free(s->x);
        free(s->mid);
        free(s->y);
        free(s->end);
    }
    free(sites);
}

typedef struct listening {
    bl_layer_run *site;
    bl_layer_run_edit edit;
    void *context;
} listening;

/* Rows [n, d] into out with rows `width` apart. */
static void keep_rows(float *out, size_t width, bl_view value) {
    for (size_t p = 0; p < value.rows; p++)
        memcpy(out + p * width, value.data + p * value.stride, value.cols * sizeof *out);
}

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    const listening *l = context;
    bl_layer_run *s = l->site;
    (void)head;
    if (s->end && point == BL_POINT_RESID_POST && layer + 1 == bl_model_config(s->model)->n_layer)
        keep_rows(s->end, s->d, value);
    if (layer != s->layer || point == BL_POINT_LOGITS) return;
    if (point == BL_POINT_RESID_MID) keep_rows(s->mid, s->d, value);
    if (point == BL_POINT_MLP_OUT) keep_rows(s->y, s->d, value);
    if (point != BL_POINT_MLP_IN) return;
    keep_rows(s->x, s->n, value);
    for (size_t p = 0; s->map.origin && p < value.rows; p++)
        for (size_t i = 0; i < s->d; i++) s->x[p * s->n + i] -= s->map.origin[i];
    for (size_t p = 0; s->n > s->d && p < value.rows; p++) s->x[p * s->n + s->d] = 1;
}

static void edit(void *context, bl_point point, size_t layer, size_t head, bl_rows value) {
    const listening *l = context;
    (void)head;
    if (layer == l->site->layer && point == BL_POINT_MLP_OUT) l->edit(l->context, l->site, value);
}

bool bl_layer_run_inputs(bl_layer_run *site, const int32_t *ids, size_t n, bl_error *err) {
    listening l = {site, NULL, NULL};
    bl_tap tap = {.take = take, .context = &l};
    return bl_forward_mlp_in(site->model, site->workspace, ids, n, site->layer, &tap, err).data != NULL;
}

bl_view bl_layer_run_logits(bl_layer_run *site, const int32_t *ids, size_t n, bl_layer_run_edit change,
                            void *context, bl_error *err) {
    listening l = {site, change, context};
    bl_tap tap = {.take = take, .context = &l, .edit = change ? edit : NULL};
    return bl_forward_logits(site->model, site->workspace, ids, n, &tap, err);
}

void bl_layer_run_apply(const bl_bilinear *map, const float *x, size_t rows, float *work, float *y) {
    size_t h = bl_bilinear_hidden(map), in = bl_bilinear_in(map), n = bl_bilinear_size(map),
           d = bl_bilinear_out(map);
    float *left = work, *right = work + rows * h;
    bl_gemm_nt(rows, h, in, 1.0F, x, n, map->l.data, map->l.stride, 0.0F, left, h);
    bl_gemm_nt(rows, h, in, 1.0F, x, n, map->r.data, map->r.stride, 0.0F, right, h);
    for (size_t p = 0; p < rows; p++) {
        float one = map->l_bias ? x[p * n + in] : 0, *l = left + p * h, *r = right + p * h;
        for (size_t g = 0; map->l_bias && g < h; g++) {
            l[g] += one * map->l_bias[g];
            r[g] += one * map->r_bias[g];
        }
        for (size_t g = 0; g < h; g++) l[g] *= r[g];
    }
    bl_gemm_nt(rows, d, h, 1.0F, left, h, map->p.data, map->p.stride, 0.0F, y, d);
    if (map->linear.data)
        bl_gemm_nt(rows, d, in, 1.0F, x, n, map->linear.data, map->linear.stride, 1.0F, y, d);
    for (size_t p = 0; map->constant && p < rows; p++)
        for (size_t i = 0; i < d; i++) y[p * d + i] += map->constant[i];
}

/* ---- the head ---- */

double bl_final_scale_of_sum(const bl_model *model, const float *a, const float *b) {
    return bl_forward_norm_scale(model, a, b);
}

double bl_final_scale(const bl_model *model, const float *row) {
    return bl_final_scale_of_sum(model, row, NULL);
}

bool bl_heads_read(const bl_model *model, size_t layer, const float *u, float *out, bl_error *err) {
    const bl_block_weights *b = &model->blocks[layer];
    size_t width = b->o.cols;
    float s = bl_model_attention_scale(model), *row = bl_alloc(width, sizeof *row, err);
    if (!row) return false;
    memset(out, 0, width * sizeof *out);
    for (size_t i = 0; i < b->o.rows; i++) {
        bl_matrix_read(&b->o, i, 1, row);
        bl_axpy(width, s * u[i] * (b->n1_post.weight ? b->n1_post.weight[i] : 1.0F), row, out);
    }
    free(row);
    return true;
}

double bl_post_scale(const bl_model *model, const float *row) {
    if (!model->plan.post_norms) return 1;
    return (double)bl_inverse_rms(row, bl_model_config(model)->d_model, model->plan.epsilon);
}

double bl_layer_run_reach(const bl_layer_run *site, size_t p) {
    const float *y = site->y + p * site->d;
    if (!site->end) return bl_final_scale_of_sum(site->model, site->mid + p * site->d, y);
    return bl_final_scale(site->model, site->end + p * site->d) * bl_post_scale(site->model, y);
}

double bl_layer_run_fall(const bl_layer_run *site, size_t p, size_t token, double fall) {
    double cap = (double)site->model->plan.logit_cap, by = bl_layer_run_reach(site, p) * fall, logit = 0;
    if (!(cap > 0) || !site->end) return by;
    const float *row = bl_model_w_u(site->model).data + token * bl_model_w_u(site->model).stride;
    for (size_t i = 0; i < site->d; i++) logit += (double)row[i] * (double)site->end[p * site->d + i];
    logit *= bl_final_scale(site->model, site->end + p * site->d);
    return cap * (tanh(logit / cap) - tanh((logit - by) / cap));
}

float *bl_direction_written(const bl_model *model, size_t layer, const float *met, bl_error *err) {
    size_t d = bl_model_config(model)->d_model;
    const float *weight = model->plan.post_norms ? model->blocks[layer].n2_post.weight : NULL;
    float *out = bl_alloc(d, sizeof *out, err);
    for (size_t i = 0; out && i < d; i++) out[i] = met[i] * (weight ? weight[i] : 1.0F);
    return out;
}

float *bl_direction_met(const bl_model *model, const float *u, bl_error *err) {
    size_t d = bl_model_config(model)->d_model;
    float *out = bl_alloc(d, sizeof *out, err);
    double mean = 0;
    for (size_t i = 0; model->plan.layer_norm && i < d; i++) mean += (double)u[i] / (double)d;
    for (size_t i = 0; out && i < d; i++) out[i] = (float)((double)u[i] - mean);
    return out;
}

bool bl_check_no_post_norm(const bl_model *model, const char *what, bl_error *err) {
    return !model->plan.post_norms ||
           bl_fail(err, BL_ERR_UNSUPPORTED,
                   "%s: %s is not possible: behind the MLP stands a norm, so that what is taken from its "
                   "output changes all of it, by a scale that depends on the position. Ablation in mode "
                   "component, input and logit, truncation and explain are possible",
                   bl_model_name(model), what);
}

bool bl_check_last_layer(const bl_model *model, size_t layer, const char *what, bl_error *err) {
    size_t last = bl_model_config(model)->n_layer - 1;
    return layer == last || bl_fail(err, BL_ERR_USAGE,
                                    "%s reads the logits behind the last layer: --layer must be %zu, not %zu",
                                    what, last, layer);
}
