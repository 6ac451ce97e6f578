/* What each layer's MLP and heads add to a direction, over many positions (docs/specification.md, 9). One
 * forward pass per story with a tap; sums in float64, story by story, so that threads change nothing. */
#include <bilens/layers.h>
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "evidence/layer_run.h"
#include "linear/dots.h"
#include "text/corpus/batch.h"
#include <math.h>
#include <stdlib.h>

enum { SKIP = 1, CORPUS = 20000 };

/* Sums over positions of a part's value a. */
typedef struct sums {
    double a, square, own;
} sums;

/* Parts of a layer: its heads one by one, all of them, the MLP. */
typedef struct run {
    const bl_model *model;
    const bl_token_stories *stories;
    const bl_progress *progress;
    int32_t token;
    size_t n_layer, H, k, d, width, longest; /* width: parts of all layers */
    size_t *chosen, n;                       /* [n] the stories that are run */
    const float *u;                          /* [d] as the final norm lets it read */
    float *read;                             /* [n_layer, H k] */
    sums *sums;                              /* [n, width] */
    struct thread_work {
        bl_workspace *workspace;
        double *parts; /* [width, longest] before s */
        double *scale; /* [longest] s */
    } * work;          /* [threads] */
} run;

/* One story of one thread. */
typedef struct listening {
    const run *r;
    struct thread_work *work;
} listening;

static double *part_of(const listening *l, size_t layer, size_t part) {
    return l->work->parts + (layer * (l->r->H + 2) + part) * l->r->longest;
}

static void take_heads(const listening *l, size_t layer, bl_view z) {
    const run *r = l->r;
    double *all = part_of(l, layer, r->H);
    for (size_t p = 0; p < z.rows; p++) all[p] = 0;
    for (size_t h = 0; h < r->H; h++) {
        const float *read = r->read + (layer * r->H + h) * r->k;
        double *part = part_of(l, layer, h);
        for (size_t p = 0; p < z.rows; p++) {
            part[p] = (double)bl_dot(z.data + p * z.stride + h * r->k, read, r->k);
            all[p] += part[p];
        }
    }
}

/* The norm behind attention multiplies the heads' parts of a position by one number. */
static void take_attention(const listening *l, size_t layer, bl_view out) {
    for (size_t p = 0; l->r->model->plan.post_norms && p < out.rows; p++) {
        double post = bl_post_scale(l->r->model, out.data + p * out.stride);
        for (size_t h = 0; h <= l->r->H; h++) part_of(l, layer, h)[p] *= post;
    }
}

static void take_mlp(const listening *l, size_t layer, bl_view out) {
    const run *r = l->r;
    const float *weight = r->model->blocks[layer].n2_post.weight;
    double *part = part_of(l, layer, r->H + 1);
    for (size_t p = 0; p < out.rows; p++) {
        const float *row = out.data + p * out.stride;
        double sum = 0;
        for (size_t i = 0; i < r->d; i++)
            sum += (double)row[i] * (double)r->u[i] * (weight ? (double)weight[i] : 1);
        part[p] = bl_post_scale(r->model, row) * sum;
    }
}

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    const listening *l = context;
    (void)head;
    switch (point) {
    case BL_POINT_Z: take_heads(l, layer, value); break;
    case BL_POINT_ATTN_OUT: take_attention(l, layer, value); break;
    case BL_POINT_MLP_OUT: take_mlp(l, layer, value); break;
    case BL_POINT_RESID_POST:
        for (size_t p = 0; layer + 1 == l->r->n_layer && p < value.rows; p++)
            l->work->scale[p] = bl_final_scale(l->r->model, value.data + p * value.stride);
        break;
    default: break;
    }
}

static bool run_story(void *context, size_t i, size_t thread, bl_error *err) {
    run *r = context;
    const size_t *begin = r->stories->begin + r->chosen[i];
    const int32_t *ids = r->stories->ids + begin[0];
    size_t n = begin[1] - begin[0];
    listening l = {r, &r->work[thread]};
    bl_tap tap = {.take = take, .context = &l};
    if (!bl_go_on(err) || !bl_forward_layers(r->model, l.work->workspace, ids, n, &tap, err)) return false;
    for (size_t j = 0; j < r->width; j++) {
        const double *part = l.work->parts + j * r->longest;
        sums *s = &r->sums[i * r->width + j];
        for (size_t p = SKIP; p + 1 < n; p++) {
            double a = l.work->scale[p] * part[p];
            s->a += a;
            s->square += a * a;
            if (ids[p + 1] == r->token) s->own += a;
        }
    }
    return true;
}

/* ---- which stories ---- */

static uint64_t own_positions(const run *r, size_t story) {
    uint64_t n = 0;
    for (size_t p = r->stories->begin[story] + SKIP + 1; p < r->stories->begin[story + 1]; p++)
        n += r->stories->ids[p] == r->token;
    return n;
}

/* Those with the token first, then the first others; stories without a position are left out. */
static bool choose(run *r, size_t most, bl_layer_shares *out, bl_error *err) {
    const size_t *begin = r->stories->begin;
    r->chosen = bl_alloc(r->stories->n, sizeof *r->chosen, err);
    for (int pass = 0; r->chosen && pass < 2; pass++)
        for (size_t i = 0; i < r->stories->n && (!most || r->n < most); i++) {
            size_t length = begin[i + 1] - begin[i];
            uint64_t own = own_positions(r, i);
            if (length < SKIP + 2 || (own > 0) != (pass == 0)) continue;
            r->chosen[r->n++] = i;
            r->longest = length > r->longest ? length : r->longest;
            out->positions += length - SKIP - 1;
            out->own += own;
        }
    out->stories = r->n;
    return r->chosen && (r->n || bl_fail(err, BL_ERR_INPUT,
                                         "no story has three tokens, so that there is nothing to look at"));
}

/* ---- results ---- */

static bl_layer_part part(const run *r, const bl_layer_shares *out, size_t j) {
    double N = (double)out->positions;
    sums all = {0};
    for (size_t i = 0; i < r->n; i++) {
        const sums *s = &r->sums[i * r->width + j];
        all.a += s->a;
        all.square += s->square;
        all.own += s->own;
    }
    double mean = all.a / N;
    return (bl_layer_part){.own = out->own ? all.own / (double)out->own - mean : NAN,
                           .spread = sqrt(fmax(0, all.square / N - mean * mean))};
}

static double size_of(bl_layer_part p) { return isnan(p.own) ? p.spread : fabs(p.own); }

static bool finish(const run *r, bl_layer_shares *out, bl_error *err) {
    out->layers = bl_alloc_zero(r->n_layer, sizeof *out->layers, err);
    if (!out->layers) return false;
    out->n = r->n_layer;
    for (size_t i = 0; i < r->n_layer; i++) {
        bl_layer_share *share = &out->layers[i];
        size_t first = i * (r->H + 2);
        for (size_t h = 0; h < r->H; h++) {
            bl_layer_part one = part(r, out, first + h);
            if (h > 0 && size_of(one) <= size_of(share->head)) continue;
            share->head = one;
            share->best = h;
        }
        share->heads = part(r, out, first + r->H);
        share->mlp = part(r, out, first + r->H + 1);
    }
    return true;
}

static bool prepare(run *r, bl_error *err) {
    size_t threads = (size_t)bl_threads(), cells;
    r->read = bl_alloc(r->n_layer * r->H * r->k, sizeof *r->read, err);
    r->work = bl_alloc_zero(threads, sizeof *r->work, err);
    if (!bl_mul_size(r->n, r->width, &cells)) cells = SIZE_MAX;
    r->sums = bl_alloc_zero(cells, sizeof *r->sums, err);
    if (!r->read || !r->work || !r->sums) return false;
    for (size_t i = 0; i < r->n_layer; i++)
        if (!bl_heads_read(r->model, i, r->u, r->read + i * r->H * r->k, err)) return false;
    if (!bl_mul_size(r->longest, r->width, &cells)) cells = SIZE_MAX;
    for (size_t t = 0; t < threads; t++) {
        r->work[t].workspace = bl_workspace_new(r->model, err);
        r->work[t].parts = bl_alloc(cells, sizeof *r->work[t].parts, err);
        r->work[t].scale = bl_alloc(r->longest, sizeof *r->work[t].scale, err);
        if (!r->work[t].workspace || !r->work[t].parts || !r->work[t].scale) return false;
    }
    return true;
}

static void run_free(run *r) {
    for (size_t t = 0; r->work && t < (size_t)bl_threads(); t++) {
        bl_workspace_free(r->work[t].workspace);
        free(r->work[t].parts);
        free(r->work[t].scale);
    }
    free(r->work);
    free(r->read);
    free(r->sums);
    free(r->chosen);
}

/* Some stories at a time, so that there is progress. */
static bool run_all(run *r, bl_error *err) {
    return bl_progress_step(r->progress, "running", 0, r->n, err) && bl_parallel(r->n, run_story, r, err) &&
           bl_progress_step(r->progress, "running", r->n, r->n, err);
}

bool bl_layer_shares_of(const bl_model *model, const float *u, int32_t token, const bl_token_stories *stories,
                        size_t most, bl_progress progress, bl_layer_shares *out, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    bl_error_clear(err);
    *out = (bl_layer_shares){0};
    if (token >= 0 && (size_t)token >= c->n_vocab)
        return bl_fail(err, BL_ERR_USAGE, "token %d does not exist", (int)token);
    run r = {.model = model,
             .stories = stories,
             .progress = &progress,
             .token = token,
             .n_layer = c->n_layer,
             .H = c->n_head,
             .k = c->head_dim,
             .d = c->d_model,
             .width = c->n_layer * (c->n_head + 2)};
    float *met = bl_direction_met(model, u, err);
    r.u = met;
    bool ok =
        met && choose(&r, most, out, err) && prepare(&r, err) && run_all(&r, err) && finish(&r, out, err);
    run_free(&r);
    free(met);
    if (!ok) bl_layer_shares_free(out);
    return ok;
}

bool bl_layer_shares_of_corpus(const bl_model *model, const float *u, int32_t token, bl_corpus *corpus,
                               size_t most, bl_progress progress, bl_layer_shares *out, bl_error *err) {
    bl_samples all = {0};
    bl_error_clear(err);
    *out = (bl_layer_shares){0};
    bool ok = bl_samples_read(&all, corpus, bl_model_tokenizer(model), bl_model_config(model)->n_ctx, CORPUS,
                              &progress, err);
    bl_token_stories stories = {all.ids, all.begin, all.n};
    ok = ok && bl_layer_shares_of(model, u, token, &stories, most, progress, out, err);
    bl_samples_free(&all);
    return ok;
}

void bl_layer_shares_free(bl_layer_shares *shares) {
    if (!shares) return;
    free(shares->layers);
    *shares = (bl_layer_shares){0};
}
