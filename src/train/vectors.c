/* Vectors of a trace point: parts, their order, and how they come into memory. */
#include "train/vectors.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include "linear/noise.h"
#include <stdlib.h>
#include <string.h>

#define MEMORY ((size_t)2 << 30)
#define GROUP ((size_t)64) /* stories between two steps of the progress */

static size_t story_rows(const bl_vectors *v, size_t story) { return bl_point_rows(v->source, story); }

/* The stories' order in `epoch`; in file order where all are in memory, or for the survey. */
static void sort_stories(bl_vectors *v, uint64_t epoch, bool by_file) {
    uint64_t key = by_file || v->whole ? 0 : epoch + 1;
    if (v->sorted == key) return;
    if (key) bl_random_order(bl_noise_key(v->seed, key, 2), v->story, v->source->n);
    for (size_t i = 0; !key && i < v->source->n; i++) v->story[i] = (uint32_t)i;
    v->sorted = key;
    v->at = SIZE_MAX;
}

/* The part that begins at place `first` of the epoch's order: as many stories as fit. */
static bl_vector_part next_part(const bl_vectors *v, size_t first) {
    bl_vector_part part = {.first = first};
    while (first + part.n < v->source->n) {
        size_t rows = story_rows(v, v->story[first + part.n]);
        if (part.rows + rows > v->capacity) break;
        part.rows += rows;
        part.n++;
    }
    return part;
}

/* Every part of every epoch, and the number of steps. */
static bool plan(bl_vectors *v, bl_error *err) {
    for (size_t epoch = 0; epoch < v->epochs; epoch++) {
        sort_stories(v, epoch, false);
        for (size_t first = 0; first < v->source->n;) {
            bl_vector_part part = next_part(v, first);
            part.epoch = epoch;
            part.step = v->steps;
            first += part.n;
            if (!bl_grow(&v->parts, &v->parts_capacity, v->n_parts + 1, sizeof *v->parts, err)) return false;
            v->parts[v->n_parts++] = part;
            v->steps += part.rows / v->batch;
        }
    }
    return v->steps > 0 || bl_fail(err, BL_ERR_USAGE, "a batch of %zu: there are %llu vectors to learn from",
                                   v->batch, (unsigned long long)v->total);
}

bool bl_vectors_init(bl_vectors *v, bl_point_source *source, const bl_ranks *ranks, size_t batch,
                     size_t epochs, size_t buffer, uint64_t seed, bl_error *err) {
    size_t count;
    *v = (bl_vectors){.source = source,
                      .ranks = ranks,
                      .seed = seed,
                      .batch = batch,
                      .epochs = epochs,
                      .at = SIZE_MAX,
                      .sorted = UINT64_MAX};
    for (size_t i = 0; i < source->n; i++) v->total += story_rows(v, i);
    size_t most = buffer ? buffer : MEMORY / (source->d * sizeof(float));
    if (most > UINT32_MAX) most = UINT32_MAX;
    if (most < batch || most < source->longest)
        return bl_fail(err, BL_ERR_USAGE, "a buffer of %zu vectors is smaller than a batch or a story (%zu)",
                       most, batch > source->longest ? batch : source->longest);
    v->whole = v->total <= most;
    v->capacity = v->whole ? (size_t)v->total : most;
    if (!bl_mul_size(v->capacity, source->d, &count)) count = SIZE_MAX;
    v->rows = bl_alloc(count, sizeof *v->rows, err);
    v->order = bl_alloc(v->capacity, sizeof *v->order, err);
    v->story = bl_alloc(source->n, sizeof *v->story, err);
    v->begin = bl_alloc(source->n + 1, sizeof *v->begin, err);
    return v->rows && v->order && v->story && v->begin && plan(v, err);
}

void bl_vectors_free(bl_vectors *v) {
    free(v->parts);
    free(v->rows);
    free(v->order);
    free(v->story);
    free(v->begin);
    *v = (bl_vectors){0};
}

typedef struct filling {
    bl_vectors *v;
    size_t place; /* in the epoch's order, of item 0 */
    size_t begin; /* in v->begin, of item 0 */
} filling;

static bool fill_story(void *context, size_t i, size_t thread, bl_error *err) {
    const filling *f = context;
    bl_vectors *v = f->v;
    float *rows = v->rows + v->begin[f->begin + i] * v->source->d;
    return v->source->kind->fill(v->source->own, v->story[f->place + i], thread, rows, err);
}

/* The part's vectors into v->rows: each rank computes its share of the stories and gives it to the others. */
static bool fill(bl_vectors *v, const bl_vector_part *part, const bl_progress *progress, bl_error *err) {
    size_t size = (size_t)v->ranks->size;
    bl_range mine = bl_part(part->n, (size_t)v->ranks->rank, size);
    bool ok = true;
    v->begin[0] = 0;
    for (size_t i = 0; i < part->n; i++)
        v->begin[i + 1] = v->begin[i] + story_rows(v, v->story[part->first + i]);
    for (size_t i = mine.begin; ok && i < mine.end; i += GROUP) {
        filling f = {v, part->first + i, i};
        size_t n = mine.end - i < GROUP ? mine.end - i : GROUP;
        ok = bl_progress_step(progress, "running", i - mine.begin, mine.end - mine.begin, err) &&
             bl_parallel(n, fill_story, &f, err);
    }
    ok = bl_ranks_agree(v->ranks, ok, err);
    for (size_t r = 0; ok && r < size; r++) {
        bl_range theirs = bl_part(part->n, r, size);
        size_t from = v->begin[theirs.begin], rows = v->begin[theirs.end] - from;
        ok = bl_ranks_share_from(v->ranks, (int)r, v->rows + from * v->source->d,
                                 rows * v->source->d * sizeof(float), err);
    }
    return ok;
}

const uint32_t *bl_vectors_batch(bl_vectors *v, uint64_t step, const bl_progress *progress, bl_error *err) {
    size_t i = v->at == SIZE_MAX ? 0 : v->at;
    while (i + 1 < v->n_parts && v->parts[i + 1].step <= step) i++;
    const bl_vector_part *part = &v->parts[i];
    if (i != v->at) {
        bool there = v->whole && v->at != SIZE_MAX;
        sort_stories(v, part->epoch, false);
        if (!there && !fill(v, part, progress, err)) return NULL;
        bl_random_order(bl_noise_key(v->seed, part->epoch, 3 + part->first), v->order, (size_t)part->rows);
        v->at = i;
    }
    return v->order + (step - part->step) * v->batch;
}

/* What the rows in memory add to sum [d] and square [d], this thread's coordinates. */
static void add_rows(const bl_vectors *v, size_t rows, double *sum, double *square) {
    size_t d = v->source->d;
    bl_threads_ready();
#pragma omp parallel
    {
        bl_range mine = bl_my_part(d);
        for (size_t p = 0; p < rows; p++)
            for (size_t c = mine.begin; c < mine.end; c++) {
                double x = (double)v->rows[p * d + c];
                sum[c] += x;
                square[c] += x * x;
            }
    }
}

bool bl_vectors_survey(bl_vectors *v, const uint64_t *picks, size_t n, float *out, float *mean,
                       double *spread, const bl_progress *progress, bl_error *err) {
    size_t d = v->source->d, picked = 0;
    uint64_t before = 0;
    double *sum = bl_alloc_zero(2 * d, sizeof *sum, err), *square = sum ? sum + d : NULL;
    bool ok = sum != NULL;
    sort_stories(v, 0, true);
    for (size_t first = 0; ok && first < v->source->n;) {
        bl_vector_part part = next_part(v, first);
        ok = fill(v, &part, progress, err);
        if (!ok) break;
        add_rows(v, (size_t)part.rows, sum, square);
        for (; picked < n && picks[picked] < before + part.rows; picked++)
            memcpy(out + picked * d, v->rows + (picks[picked] - before) * d, d * sizeof *out);
        before += part.rows;
        first += part.n;
    }
    *spread = 0;
    for (size_t c = 0; ok && c < d; c++) {
        double m = sum[c] / (double)v->total;
        mean[c] = (float)m;
        *spread += square[c] - m * sum[c];
    }
    if (v->whole && ok) { /* the rows stay: the first step finds them */
        bl_random_order(bl_noise_key(v->seed, 0, 3), v->order, (size_t)v->total);
        v->at = 0;
    }
    free(sum);
    return ok;
}
