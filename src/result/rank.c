/* Many directions of one layer in a table: how far each one's spectrum stands out from a null model's. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "result/results.h"
#include <bilens/result.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 64 };

typedef struct figures {
    size_t row;
    double largest, highest, lowest, effective_rank, null_largest;
} figures;

typedef struct ranking {
    const bl_rank_question *q;
    bl_bilinear map, draw;
    bl_decomposer *decomposers[2]; /* of the model, of the null draw */
    figures *rows;                 /* [F] */
} ranking;

static double excess(const figures *f) {
    return f->null_largest > 0 ? f->largest / f->null_largest : (double)NAN;
}

/* Rows that are all 0 have no form, and come last. */
static int by_excess(const void *a, const void *b) {
    double x = excess(a), y = excess(b);
    if (isnan(x) != isnan(y)) return isnan(x) ? 1 : -1;
    if (!isnan(x) && x != y) return x < y ? 1 : -1;
    return ((const figures *)a)->row < ((const figures *)b)->row ? -1 : 1;
}

static bool chunk(ranking *r, size_t first, size_t n, bl_error *err) {
    const float *u = r->q->u + first * bl_model_config(r->q->model)->d_model;
    bl_eigen *eigens[CHUNK];
    for (int null_model = 0; null_model < 2; null_model++) {
        if (!bl_decomposer_run(r->decomposers[null_model], u, n, 1, eigens, err)) return false;
        for (size_t i = 0; i < n; i++) {
            const float *values = bl_eigen_values(eigens[i]);
            double low = (double)values[0], high = (double)values[bl_eigen_size(eigens[i]) - 1];
            figures *f = &r->rows[first + i];
            f->row = first + i;
            if (null_model) f->null_largest = fmax(fabs(low), fabs(high));
            else {
                f->lowest = low;
                f->highest = high;
                f->largest = fmax(fabs(low), fabs(high));
                f->effective_rank = bl_eigen_effective_rank(eigens[i]);
            }
            bl_eigen_free(eigens[i]);
        }
    }
    return true;
}

static bool compute(ranking *r, bl_error *err) {
    bl_decomposer_options options = {.directions = r->q->F, .progress = r->q->progress};
    r->rows = bl_alloc_zero(r->q->F, sizeof *r->rows, err);
    if (!r->rows || !bl_model_bilinear(r->q->model, r->q->layer, &r->map, err) ||
        !bl_bilinear_null(&r->map, r->q->seed, &r->draw, NULL, err))
        return false;
    r->decomposers[0] = bl_decomposer_new(&r->map, &options, err);
    r->decomposers[1] = r->decomposers[0] ? bl_decomposer_new(&r->draw, &options, err) : NULL;
    if (!r->decomposers[1]) return false;
    for (size_t first = 0; first < r->q->F; first += CHUNK) {
        size_t n = r->q->F - first < CHUNK ? r->q->F - first : CHUNK;
        if (!bl_progress_step(&r->q->progress, "decomposing", first, r->q->F, err) ||
            !chunk(r, first, n, err))
            return false;
    }
    qsort(r->rows, r->q->F, sizeof *r->rows, by_excess);
    return true;
}

static bl_tree *tree_of(const ranking *r, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(r->q->model));
    bl_put_count(&b, root, "layer", r->q->layer);
    bl_put_text(&b, root, "source", r->q->source);
    bl_put_count(&b, root, "total", r->q->F);
    bl_tree *list = bl_put_array(&b, root, "directions");
    for (size_t i = 0; i < r->q->F && (!r->q->limit || i < r->q->limit); i++) {
        const figures *f = &r->rows[i];
        bl_tree *row = bl_put_object(&b, list, NULL);
        bl_put_count(&b, row, "row", f->row);
        if (r->q->names) bl_put_text(&b, row, "name", r->q->names[f->row]);
        bl_put_real(&b, row, "excess", excess(f));
        bl_put_real(&b, row, "largest", f->largest);
        bl_put_real(&b, row, "highest", f->highest);
        bl_put_real(&b, row, "lowest", f->lowest);
        bl_put_real(&b, row, "effective_rank", f->effective_rank);
        bl_put_real(&b, row, "null_largest", f->null_largest);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_rank_tree(const bl_rank_question *question, bl_error *err) {
    ranking r = {.q = question};
    bl_error_clear(err);
    bl_tree *tree = compute(&r, err) ? tree_of(&r, err) : NULL;
    bl_decomposer_free(r.decomposers[0]);
    bl_decomposer_free(r.decomposers[1]);
    bl_bilinear_null_free(&r.draw);
    free(r.rows);
    return tree;
}

bl_table *bl_rank_rows(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "directions"), err);
}
