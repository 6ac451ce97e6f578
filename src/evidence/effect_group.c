/* Positions of evidence/effect.c. A token's rows lie side by side in log_p, as its eigenpairs meet them, and
 * V floats apart in the logits. */
#include "evidence/effect_group.h"
#include "base/memory.h"
#include "evidence/outcome.h"
#include "linear/softmax.h"
#include <stdlib.h>
#include <string.h>

#define LINE ((size_t)16) /* floats of a cache line */

static void *room_for(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc_zero(count, size, err);
}

bool bl_effect_group_init(bl_effect_group *g, size_t longest, size_t n, size_t d, size_t V,
                          size_t n_directions, bl_error *err) {
    size_t rows = 512 + longest;
    g->capacity = rows;
    g->x = room_for(rows, n, sizeof *g->x, err);
    g->y = room_for(rows, d, sizeof *g->y, err);
    g->scale = room_for(rows, 1, sizeof *g->scale, err);
    g->weight = room_for(rows, 1, sizeof *g->weight, err);
    g->target = room_for(rows, 1, sizeof *g->target, err);
    g->log_p = room_for(n_directions, rows, sizeof *g->log_p, err);
    g->f = room_for(n_directions, rows, sizeof *g->f, err);
    g->likely = room_for(rows, 1, sizeof *g->likely, err);
    g->log_rest = room_for(rows, 1, sizeof *g->log_rest, err);
    g->first_of = room_for(V + 2, 1, sizeof *g->first_of, err);
    g->by_target = room_for(rows, 1, sizeof *g->by_target, err);
    g->story_of = room_for(rows, 1, sizeof *g->story_of, err);
    g->begin = room_for(rows + 1, 1, sizeof *g->begin, err);
    g->of_x = (bl_factor){.w = g->x, .K = n, .transposed = true};
    g->of_y = (bl_factor){.w = g->y, .K = d, .transposed = true};
    g->of_x.panels = room_for(bl_factor_size(n, rows), 1, sizeof *g->of_x.panels, err);
    g->of_y.panels = room_for(bl_factor_size(d, rows), 1, sizeof *g->of_y.panels, err);
    return g->of_x.panels && g->of_y.panels && g->x && g->y && g->scale && g->weight && g->target &&
           g->log_p && g->f && g->likely && g->first_of && g->by_target && g->story_of && g->log_rest &&
           g->begin;
}

void bl_effect_group_free(bl_effect_group *g) {
    void *parts[] = {g->x,         g->y,        g->scale,  g->weight,      g->target,
                     g->log_p,     g->f,        g->likely, g->log_rest,    g->first_of,
                     g->by_target, g->story_of, g->begin,  g->of_x.panels, g->of_y.panels};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

void bl_effect_group_take(bl_effect_group *g, const size_t *lengths, size_t count, size_t without,
                          size_t *next) {
    g->rows = g->stories = 0;
    g->first = *next;
    g->begin[0] = 0;
    while (*next < count && g->stories < g->capacity) {
        size_t rows = lengths[*next] > without ? lengths[*next] - without : 0;
        if (g->stories && g->rows + rows > g->capacity) return;
        g->rows += rows;
        g->begin[++g->stories] = g->rows;
        ++*next;
    }
}

/* What the row `at` needs of its logits but for the probabilities; log sum exp. */
static double keep_row(bl_effect_group *g, const float *row, size_t V, size_t at) {
    double lse = bl_log_sum_exp(row, V);
    float half = (float)(lse - 0.69);
    g->likely[at] = -1;
    if (!(bl_row_max(row, V) > half)) return lse;
    for (size_t t = 0; t < V; t++)
        if (row[t] > half) g->likely[at] = (int32_t)t;
    g->log_rest[at] = bl_log_other(row, V, lse, (size_t)g->likely[at]);
    return lse;
}

/* log p of at most LINE tokens in at most LINE rows of a story's logits; out [tokens] `capacity` apart. */
static void transpose_probabilities(bl_view logits, size_t p, const double *lse, const int32_t *token,
                                    size_t tokens, float *out, size_t capacity) {
    size_t rows = logits.rows - p < LINE ? logits.rows - p : LINE;
    float block[LINE][LINE];
    for (size_t r = 0; r < rows; r++) {
        const float *row = logits.data + (p + r) * logits.stride;
        for (size_t k = 0; k < tokens; k++) block[k][r] = (float)((double)row[token[k]] - lse[p + r]);
    }
    for (size_t k = 0; k < tokens; k++, out += capacity)
        if (rows == LINE) memcpy(out, block[k], sizeof block[k]); /* of known length: one instruction */
        else memcpy(out, block[k], rows * sizeof *out);
}

/* log p of the directions' tokens in a story's rows from `at` on; lse [rows]. A token's rows lie side by side
 * in the group and V floats apart in the logits, so both are touched a cache line at a time. */
static void keep_probabilities(bl_effect_group *g, bl_view logits, const int32_t *tokens, size_t count,
                               const double *lse, size_t at) {
    for (size_t t = 0; t < count; t += LINE)
        for (size_t p = 0; p < logits.rows; p += LINE)
            transpose_probabilities(logits, p, lse, tokens + t, count - t < LINE ? count - t : LINE,
                                    g->log_p + t * g->capacity + at + p, g->capacity);
}

void bl_effect_group_keep(bl_effect_group *g, bl_view logits, const int32_t *tokens, size_t n_directions,
                          size_t at, double *lse) {
    for (size_t p = 0; p < logits.rows; p++)
        lse[p] = keep_row(g, logits.data + p * logits.stride, logits.cols, at + p);
    keep_probabilities(g, logits, tokens, n_directions, lse, at);
}

/* Every token's own rows side by side: first_of[t + 1] counts, then ends, then begins the rows of t. */
static void sort_by_target(bl_effect_group *g, size_t V) {
    memset(g->first_of, 0, (V + 2) * sizeof *g->first_of);
    for (size_t i = 0; i < g->stories; i++)
        for (size_t r = g->begin[i]; r < g->begin[i + 1]; r++) {
            g->story_of[r] = (uint32_t)i;
            if (g->target[r] >= 0) g->first_of[g->target[r] + 2]++;
        }
    for (size_t t = 0; t < V; t++) g->first_of[t + 2] += g->first_of[t + 1];
    for (size_t r = 0; r < g->rows; r++)
        if (g->target[r] >= 0) g->by_target[g->first_of[g->target[r] + 1]++] = (uint32_t)r;
}

/* The group's inputs and outputs as factors of add_tile's products. */
static void pack_group(bl_effect_group *g) {
    g->of_x.N = g->of_y.N = g->rows;
#pragma omp parallel
    {
        bl_factor_pack(&g->of_x);
        bl_factor_pack(&g->of_y);
    }
}

void bl_effect_group_ready(bl_effect_group *g, size_t V) {
    sort_by_target(g, V);
    pack_group(g);
}

size_t bl_effect_group_own(const bl_effect_group *g, int32_t token, const uint32_t **rows) {
    if (token < 0) return 0;
    *rows = g->by_target + g->first_of[token];
    return g->first_of[token + 1] - g->first_of[token];
}
