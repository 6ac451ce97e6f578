/* How good a dictionary is (docs/specification.md, 17): what it leaves unexplained of the point's vectors,
 * and what the loss becomes when its reconstruction, or the mean, stands in their place.
 *
 *   unexplained = sum |x - xhat|^2 / sum |x - mean|^2       recovered = (mean - spliced) / (mean - model)
 *
 * Sums are made in float64, of each sample by itself, and added in the samples' order. */
#include "evidence/dictionary_score.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one sample adds. */
typedef struct part {
    double error, spread, active;
    bl_point_outcome model, spliced, mean;
} part;

typedef struct scoring {
    bl_point_source *source;
    const bl_dictionary *dictionary;
    const float *mean;
    size_t first;      /* sample of the rank's first item */
    float *rows, *hat; /* [threads, longest, d] */
    bool *active;      /* [threads, longest, F] */
    bool *alive;       /* [threads, F] */
    part *parts;       /* [items] */
    double *sums;      /* [items, d] of the samples' rows, for the mean */
} scoring;

static bool sum_sample(void *context, size_t i, size_t thread, bl_error *err) {
    scoring *s = context;
    size_t d = s->source->d, n = bl_point_rows(s->source, s->first + i);
    float *rows = s->rows + thread * s->source->longest * d;
    if (!s->source->kind->fill(s->source->own, s->first + i, thread, rows, err)) return false;
    for (size_t p = 0; p < n; p++)
        for (size_t c = 0; c < d; c++) s->sums[i * d + c] += (double)rows[p * d + c];
    return true;
}

/* What is between n vectors and their reconstructions, and which features are active. */
static bool reconstruct(scoring *s, size_t n, size_t thread, const float *rows, float *hat, part *out,
                        bl_error *err) {
    size_t d = s->source->d, F = s->dictionary->F;
    bool *active = s->active + thread * s->source->longest * F, *alive = s->alive + thread * F;
    if (!bl_dictionary_reconstruct(s->dictionary, rows, n, hat, active, err)) return false;
    for (size_t p = 0; p < n; p++) {
        for (size_t c = 0; c < d; c++) {
            double x = (double)rows[p * d + c], error = x - (double)hat[p * d + c],
                   spread = x - (double)s->mean[c];
            out->error += error * error;
            out->spread += spread * spread;
        }
        size_t count = 0;
        for (size_t f = 0; f < F; f++) {
            count += active[p * F + f];
            alive[f] |= active[p * F + f];
        }
        out->active += (double)count;
    }
    return true;
}

static bool score_sample(void *context, size_t i, size_t thread, bl_error *err) {
    scoring *s = context;
    const bl_point_kind *kind = s->source->kind;
    void *own = s->source->own;
    size_t at = s->first + i, n = bl_point_rows(s->source, at), each = s->source->longest * s->source->d;
    float *rows = s->rows + thread * each, *hat = s->hat + thread * each;
    part *out = &s->parts[i];
    *out = (part){0};
    return n == 0 ||
           (kind->fill(own, at, thread, rows, err) && reconstruct(s, n, thread, rows, hat, out, err) &&
            kind->outcome(own, at, thread, NULL, NULL, &out->model, err) &&
            kind->outcome(own, at, thread, hat, NULL, &out->spliced, err) &&
            kind->outcome(own, at, thread, NULL, s->mean, &out->mean, err));
}

static void *room(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc_zero(count, size, err);
}

static bool scoring_init(scoring *s, size_t items, bl_error *err) {
    size_t threads = (size_t)bl_threads(), d = s->source->d, F = s->dictionary->F,
           longest = s->source->longest;
    s->rows = room(threads * longest, d, sizeof *s->rows, err);
    s->hat = room(threads * longest, d, sizeof *s->hat, err);
    s->active = room(threads * longest, F, sizeof *s->active, err);
    s->alive = room(threads, F, sizeof *s->alive, err);
    s->parts = room(items, 1, sizeof *s->parts, err);
    s->sums = s->mean ? NULL : room(items, d, sizeof *s->sums, err);
    return s->rows && s->hat && s->active && s->alive && s->parts && (s->mean || s->sums);
}

static void scoring_free(scoring *s) {
    free(s->rows);
    free(s->hat);
    free(s->active);
    free(s->alive);
    free(s->parts);
    free(s->sums);
}

#define SAMPLES ((size_t)64) /* between two steps of the progress */

/* All of the rank's samples, with progress between groups of them. */
static bool each_sample(scoring *s, bl_range mine, bl_item_fn work, const char *phase,
                        const bl_progress *progress, bl_error *err) {
    part *parts = s->parts;
    double *sums = s->sums;
    bool ok = true;
    for (size_t begin = mine.begin; ok && begin < mine.end; begin += SAMPLES) {
        size_t n = mine.end - begin < SAMPLES ? mine.end - begin : SAMPLES;
        s->first = begin;
        s->parts = parts + (begin - mine.begin);
        s->sums = sums ? sums + (begin - mine.begin) * s->source->d : NULL;
        ok = bl_progress_step(progress, phase, begin - mine.begin, mine.end - mine.begin, err) &&
             bl_parallel(n, work, s, err);
    }
    s->parts = parts;
    s->sums = sums;
    return ok;
}

static uint64_t count_positions(const bl_point_source *source) {
    uint64_t positions = 0;
    for (size_t i = 0; i < source->n; i++) positions += bl_point_rows(source, i);
    return positions;
}

/* The mean of the positions; NULL with the error. */
static float *find_mean(scoring *s, bl_range mine, double positions, const bl_progress *progress,
                        bl_error *err) {
    size_t d = s->source->d;
    float *mean = bl_alloc(d, sizeof *mean, err);
    if (!mean || !each_sample(s, mine, sum_sample, "averaging", progress, err)) {
        free(mean);
        return NULL;
    }
    for (size_t c = 0; c < d; c++) {
        double sum = 0;
        for (size_t i = 0; i < mine.end - mine.begin; i++) sum += s->sums[i * d + c];
        mean[c] = (float)(sum / positions);
    }
    return mean;
}

/* The ranks' sums together. */
static bool add_up(const scoring *s, size_t items, const bl_ranks *ranks, bl_dictionary_score *score,
                   bl_error *err) {
    size_t F = s->dictionary->F, threads = (size_t)bl_threads();
    double sums[9] = {0};
    double *alive = bl_alloc_zero(F, sizeof *alive, err);
    bool ok = alive && s->parts && s->alive;
    for (size_t i = 0; ok && i < items; i++) {
        const part *p = &s->parts[i];
        const double each[9] = {p->error,       p->spread,        p->active,
                                p->model.loss,  p->spliced.loss,  p->mean.loss,
                                p->model.right, p->spliced.right, p->mean.right};
        for (size_t k = 0; k < 9; k++) sums[k] += each[k];
    }
    for (size_t t = 0; ok && t < threads; t++)
        for (size_t f = 0; f < F; f++) alive[f] += s->alive[t * F + f];
    ok = bl_ranks_agree(ranks, ok, err) && bl_ranks_sum_double(ranks, sums, 9, err) &&
         bl_ranks_sum_double(ranks, alive, F, err);
    for (size_t f = 0; ok && alive && f < F; f++) score->dead += alive[f] == 0;
    free(alive);
    double N = (double)score->predictions;
    score->unexplained = sums[0] / sums[1];
    score->active = sums[2] / N;
    score->model = sums[3] / N;
    score->spliced = sums[4] / N;
    score->mean = sums[5] / N;
    score->recovered = (score->mean - score->spliced) / (score->mean - score->model);
    score->images = s->source->kind->images;
    score->right_model = sums[6] / N;
    score->right_spliced = sums[7] / N;
    score->right_mean = sums[8] / N;
    return ok;
}

bool bl_dictionary_score_of(bl_point_source *source, const bl_dictionary *dictionary, const float *mean,
                            const bl_ranks *ranks, const bl_progress *progress, bl_dictionary_score *score,
                            bl_error *err) {
    bl_range mine = bl_part(source->n, (size_t)ranks->rank, (size_t)ranks->size);
    scoring s = {.source = source, .dictionary = dictionary, .mean = mean};
    float *own = NULL;
    *score = (bl_dictionary_score){.stories = source->units, .positions = count_positions(source)};
    score->predictions = score->positions;
    bool ok = score->positions > 0 ||
              bl_fail(err, BL_ERR_INPUT, "no story has two tokens, so that there is nothing to predict");
    ok = ok && scoring_init(&s, mine.end - mine.begin, err);
    if (ok && !mean) {
        own = find_mean(&s, mine, (double)score->positions, progress, err);
        s.mean = own;
        ok = own != NULL;
    }
    ok = ok && each_sample(&s, mine, score_sample, "splicing", progress, err);
    ok = bl_ranks_agree(ranks, ok, err) && add_up(&s, mine.end - mine.begin, ranks, score, err);
    scoring_free(&s);
    free(own);
    return ok;
}

/* The score on the source, which is freed. */
static bool eval(bl_point_source *source, const bl_dictionary *dictionary,
                 const bl_dictionary_eval_options *o, bl_dictionary_score *score, bl_error *err) {
    static const bl_ranks alone = {0, 1};
    bool ok = dictionary->d == source->d ||
              bl_fail(err, BL_ERR_INPUT, "%s: its features have %zu numbers, this model's rows have %zu",
                      dictionary->name, dictionary->d, source->d);
    ok = ok && bl_dictionary_score_of(source, dictionary, o->mean, &alone, &o->progress, score, err);
    bl_point_source_free(source);
    return ok;
}

bool bl_dictionary_eval(const bl_model *model, const bl_dictionary *dictionary,
                        const bl_dictionary_eval_options *o, bl_dictionary_score *score, bl_error *err) {
    bl_site_point site;
    bl_samples stories = {0};
    bl_point_source source = {0};
    bl_error_clear(err);
    if (!bl_site_point_find(model, o->point, o->layer, &site, err)) return false;
    bool ok = bl_samples_read(&stories, o->corpus, bl_model_tokenizer(model), bl_model_config(model)->n_ctx,
                              o->stories, &o->progress, err) &&
              bl_point_source_stories(&source, &site, &stories, err) &&
              eval(&source, dictionary, o, score, err);
    bl_samples_free(&stories);
    bl_point_source_free(&source);
    return ok;
}

bool bl_dictionary_eval_images(const bl_image_model *model, const bl_dictionary *dictionary,
                               const bl_images *images, const bl_dictionary_eval_options *o,
                               bl_dictionary_score *score, bl_error *err) {
    bl_point_source source = {0};
    bl_error_clear(err);
    bool ok = bl_point_source_images(&source, model, o->point, o->layer, images, BL_IMAGES_ALL, err) &&
              eval(&source, dictionary, o, score, err);
    bl_point_source_free(&source);
    return ok;
}
