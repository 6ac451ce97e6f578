/* Inputs, outputs and active features of every position. Memory: N (n + d + 2 k) numbers, whatever the number
 * of features: their pre-activations are made again for those that are asked for. */
#include "evidence/feature_inputs.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/correlation.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)64)  /* positions whose pre-activations are in memory at a time, per thread */
#define GROUP ((size_t)256) /* chunks between two steps of the progress */

void bl_feature_inputs_free(bl_feature_inputs *s) {
    free(s->x);
    free(s->size);
    free(s->later);
    free(s->y);
    free(s->chosen);
    free(s->active);
    *s = (bl_feature_inputs){0};
}

typedef struct gathering {
    bl_layer_run *runs;
    const bl_story_ids *stories;
    bl_feature_inputs *to;
} gathering;

static bool gather_story(void *context, size_t i, size_t thread, bl_error *err) {
    const gathering *g = context;
    size_t length, at = g->stories->begin[i], n = g->to->n;
    const int32_t *ids = bl_story_ids_of(g->stories, i, &length);
    if (length == 0) return true;
    if (!bl_layer_run_inputs(&g->runs[thread], ids, length, err)) return false;
    memcpy(g->to->x + at * n, g->runs[thread].x, length * n * sizeof(float));
    for (size_t p = 0; p < length; p++) {
        double sum = 0;
        for (size_t c = 0; c < n; c++)
            sum += (double)g->runs[thread].x[p * n + c] * (double)g->runs[thread].x[p * n + c];
        g->to->size[at + p] = sum;
        g->to->later[at + p] = p > 0;
    }
    return true;
}

typedef struct choosing {
    bl_feature_inputs *to;
    const bl_bilinear *map;
    const bl_dictionary *out;
    size_t first;     /* chunk of item 0 */
    float *work;      /* [threads, CHUNK, 2 h + F] */
    bl_scored *lists; /* [threads, k] */
} choosing;

/* y of a chunk of positions, and who is active. */
static bool choose(void *context, size_t i, size_t thread, bl_error *err) {
    const choosing *c = context;
    bl_feature_inputs *s = c->to;
    size_t at = (c->first + i) * CHUNK, m = s->N - at < CHUNK ? s->N - at : CHUNK, F = c->out->F,
           h = bl_bilinear_hidden(c->map);
    float *work = c->work + thread * CHUNK * (2 * h + F), *pre = work + CHUNK * 2 * h;
    (void)err;
    bl_layer_run_apply(c->map, s->x + at * s->n, m, work, s->y + at * s->d);
    if (!s->chosen) return true;
    bl_dictionary_pre(c->out, s->y + at * s->d, m, pre);
    for (size_t p = 0; p < m; p++) {
        bl_scored *list = c->lists + thread * s->k;
        bl_best best = bl_best_begin(list, s->k);
        bl_best_offer_row(&best, 1.0F, pre + p * F, F, 0);
        s->active[at + p] = 0;
        for (size_t k = 0; k < best.n; k++)
            if (list[k].value > 0) s->chosen[(at + p) * s->k + s->active[at + p]++] = (uint32_t)list[k].id;
    }
    return true;
}

static void *room(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc(count, size, err);
}

static bool outputs(const bl_bilinear *map, const bl_dictionary *out, const bl_progress *progress,
                    bl_feature_inputs *s, bl_error *err) {
    size_t threads = (size_t)bl_threads(), chunks = (s->N + CHUNK - 1) / CHUNK;
    choosing c = {.to = s,
                  .map = map,
                  .out = out,
                  .work = room(threads * CHUNK, 2 * bl_bilinear_hidden(map) + out->F, sizeof(float), err),
                  .lists = room(threads, s->k ? s->k : 1, sizeof(bl_scored), err)};
    bool ok = c.work && c.lists;
    for (; ok && c.first < chunks; c.first += GROUP) {
        size_t n = chunks - c.first < GROUP ? chunks - c.first : GROUP;
        ok = bl_progress_step(progress, "running", c.first, chunks, err) && bl_parallel(n, choose, &c, err);
    }
    free(c.work);
    free(c.lists);
    return ok;
}

bool bl_feature_inputs_gather(const bl_model *model, const bl_bilinear *map, const bl_dictionary *out,
                              const bl_feature_options *o, bl_feature_inputs *s, size_t *n_stories,
                              bl_error *err) {
    bl_story_ids stories = {0};
    gathering g = {.stories = &stories, .to = s};
    *s = (bl_feature_inputs){.n = bl_bilinear_size(map), .d = bl_bilinear_out(map)};
    if (!bl_story_ids_read(model, o->corpus, o->stories, &o->progress, &stories, err)) return false;
    s->N = stories.begin[stories.n];
    s->k = out->activation == BL_ACTIVATION_TOPK ? out->k : 0;
    *n_stories = stories.n;
    s->x = room(s->N, s->n, sizeof *s->x, err);
    s->size = room(s->N, 1, sizeof *s->size, err);
    s->later = room(s->N, 1, sizeof *s->later, err);
    s->y = room(s->N, s->d, sizeof *s->y, err);
    s->chosen = s->k ? room(s->N, s->k, sizeof *s->chosen, err) : NULL;
    s->active = room(s->N, 1, sizeof *s->active, err);
    bool ok = s->x && s->size && s->later && s->y && s->active && (s->chosen || !s->k);
    if (ok) g.runs = bl_layer_runs_new(model, o->layer, stories.longest, err);
    ok = g.runs && bl_parallel(stories.n, gather_story, &g, err) && outputs(map, out, &o->progress, s, err);
    bl_layer_runs_free(g.runs);
    bl_story_ids_free(&stories);
    return ok;
}

bool bl_feature_inputs_pre(const bl_feature_inputs *s, const bl_dictionary *out, const size_t *features,
                           size_t count, float *pre, bool *active, bl_error *err) {
    size_t *place = s->chosen ? room(out->F, 1, sizeof *place, err) : NULL;
    float *rows = room(count, s->d, sizeof *rows, err);
    bool ok = rows && (place || !s->chosen);
    for (size_t f = 0; ok && f < count; f++)
        memcpy(rows + f * s->d, out->encoder + features[f] * s->d, s->d * sizeof *rows);
    if (ok) bl_gemm_nt(count, s->N, s->d, 1.0F, rows, s->d, s->y, s->d, 0.0F, pre, s->N);
    for (size_t f = 0; ok && f < count; f++) {
        size_t a = features[f];
        for (size_t p = 0; p < s->N; p++) {
            float value = pre[f * s->N + p] += out->offset[a];
            active[f * s->N + p] = !s->chosen && value > 0 && (!out->threshold || value > out->threshold[a]);
        }
    }
    if (ok && s->chosen) {
        memset(place, 0, out->F * sizeof *place);
        for (size_t f = 0; f < count; f++) place[features[f]] = f + 1; /* a feature twice: the last */
        for (size_t p = 0; p < s->N; p++)
            for (size_t i = 0; i < s->active[p]; i++) {
                size_t f = place[s->chosen[p * s->k + i]];
                if (f) active[(f - 1) * s->N + p] = true;
            }
        for (size_t f = 0; f < count; f++) /* the others of such a feature */
            if (place[features[f]] != f + 1)
                memcpy(active + f * s->N, active + (place[features[f]] - 1) * s->N, s->N * sizeof *active);
    }
    free(place);
    free(rows);
    return ok;
}

void bl_feature_correlate(const bl_feature_inputs *s, const float *pre, const bool *active_at,
                          const double *zhat, size_t active, double *work, bool *on, bl_feature_rank *out) {
    double *a = work;
    for (size_t i = 0; i < s->N; i++) {
        a[i] = active_at[i] ? (double)pre[i] : 0;
        on[i] = active_at[i] && s->later[i];
    }
    out->active = active < 10 ? (double)NAN : bl_pearson(a, zhat, on, s->N);
    out->act = bl_pearson(a, zhat, s->later, s->N);
    out->auc = bl_auc(zhat, active_at, s->later, s->N, work + s->N);
    for (size_t i = 0; i < s->N; i++) a[i] = (double)pre[i];
    out->pre = bl_pearson(a, zhat, s->later, s->N);
    out->pre_all = bl_pearson(a, zhat, NULL, s->N);
}
