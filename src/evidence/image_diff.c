/* How alike two image models are, class by class, in pixels (docs/specification.md, 20).
 *
 *   frobenius  sum_ab l_a l_b (p_a.p_b)^2 / (|l_A| |l_B|)
 *   gaussian   [tr A tr B + 2 tr(A B)] / sqrt of the same of A with A and B with B
 *
 * Eigenvectors are matched one to one so that the summed |cos| is largest (the Hungarian method); pairs whose
 * eigenvalues have unlike signs count 0. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "linear/lq.h"
#include "subject/image_private.h"
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One row of the Hungarian method: finds the cheapest augmenting path for row i (1-based) and takes it. */
static void augment(const double *cost, size_t n, size_t i, double *u, double *v, size_t *match, size_t *way,
                    double *lowest, bool *used) {
    size_t j0 = 0;
    match[0] = i;
    for (size_t j = 0; j <= n; j++) {
        lowest[j] = INFINITY;
        used[j] = false;
    }
    do {
        size_t i0 = match[j0], next = 0;
        double delta = INFINITY;
        used[j0] = true;
        for (size_t j = 1; j <= n; j++) {
            if (used[j]) continue;
            double here = cost[(i0 - 1) * n + j - 1] - u[i0] - v[j];
            if (here < lowest[j]) {
                lowest[j] = here;
                way[j] = j0;
            }
            if (lowest[j] < delta) {
                delta = lowest[j];
                next = j;
            }
        }
        for (size_t j = 0; j <= n; j++) {
            if (used[j]) {
                u[match[j]] += delta;
                v[j] -= delta;
            } else {
                lowest[j] -= delta;
            }
        }
        j0 = next;
    } while (match[j0] != 0);
    while (j0) {
        match[j0] = match[way[j0]];
        j0 = way[j0];
    }
}

/* pick [n]: the column of each row, one to one, of least summed cost [n, n]. */
static bool assign(const double *cost, size_t n, size_t *pick, bl_error *err) {
    double *numbers = bl_alloc_zero(3 * (n + 1), sizeof *numbers, err);
    size_t *places = bl_alloc_zero(2 * (n + 1), sizeof *places, err);
    bool *used = bl_alloc_zero(n + 1, sizeof *used, err);
    bool ok = numbers && places && used;
    for (size_t i = 1; ok && i <= n; i++)
        augment(cost, n, i, numbers, numbers + n + 1, places, places + n + 1, numbers + 2 * (n + 1), used);
    for (size_t j = 1; ok && j <= n; j++) pick[places[j] - 1] = j - 1;
    free(numbers);
    free(places);
    free(used);
    return ok;
}

static double square_sum(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sum;
}

static double plain_sum(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    return sum;
}

static void whole_forms(const bl_image_eigen *a, const bl_image_eigen *b, const float *overlap,
                        bl_likeness *out) {
    double product = 0, aa = square_sum(a->values, a->size), bb = square_sum(b->values, b->size);
    double ta = plain_sum(a->values, a->size), tb = plain_sum(b->values, b->size);
    for (size_t i = 0; i < a->size; i++)
        for (size_t j = 0; j < b->size; j++)
            product += (double)a->values[i] * (double)b->values[j] * pow((double)overlap[i * b->size + j], 2);
    out->frobenius = product / sqrt(aa * bb);
    out->gaussian = (ta * tb + 2 * product) / sqrt((ta * ta + 2 * aa) * (tb * tb + 2 * bb));
}

/* The matching and the subspaces of the `top` largest of each; work [2 top^2]. */
static bool match_top(const bl_image_eigen *a, const bl_image_eigen *b, const float *overlap,
                      const size_t *ia, const size_t *ib, size_t top, double *work, size_t *pick,
                      bl_likeness *out, bl_error *err) {
    double *cost = work, *block = work + top * top;
    for (size_t r = 0; r < top; r++)
        for (size_t s = 0; s < top; s++) {
            double cosine = (double)overlap[ia[r] * b->size + ib[s]];
            bool alike = (a->values[ia[r]] > 0) == (b->values[ib[s]] > 0);
            block[r * top + s] = cosine;
            cost[r * top + s] = alike ? -fabs(cosine) : 0;
        }
    for (size_t r = 0; r < top; r++) out->by_rank[r] = fabs(block[r * top + r]);
    if (!assign(cost, top, pick, err) || !bl_singular_values(block, top, out->principal, err)) return false;
    for (size_t r = 0; r < top; r++) {
        out->a[r] = ia[r];
        out->b[r] = ib[pick[r]];
        out->matched[r] = 0.0 - cost[r * top + pick[r]];
    }
    return true;
}

static bool compare(const bl_image_eigen *a, const bl_image_eigen *b, size_t top, bl_likeness *out,
                    bl_error *err) {
    size_t most = a->size > b->size ? a->size : b->size;
    float *overlap = bl_alloc(a->size * b->size, sizeof *overlap, err);
    size_t *places = bl_alloc(2 * most + top, sizeof *places, err);
    double *work = bl_alloc(2 * top * top, sizeof *work, err);
    out->principal = bl_alloc(top, sizeof *out->principal, err);
    out->matched = bl_alloc(top, sizeof *out->matched, err);
    out->by_rank = bl_alloc(top, sizeof *out->by_rank, err);
    out->a = bl_alloc(top, sizeof *out->a, err);
    out->b = bl_alloc(top, sizeof *out->b, err);
    bool ok = overlap && places && work && out->principal && out->matched && out->by_rank && out->a && out->b;
    if (ok) {
        bl_gemm_nt_pieces(a->size, b->size, a->width, a->vectors, a->width, b->vectors, b->width, overlap,
                          b->size);
        whole_forms(a, b, overlap, out);
        bl_image_eigen_order(a, places);
        bl_image_eigen_order(b, places + most);
        ok = match_top(a, b, overlap, places, places + most, top, work, places + 2 * most, out, err);
    }
    free(overlap);
    free(places);
    free(work);
    return ok;
}

bl_image_diff *bl_image_diff_make(const bl_image_model *a, const bl_image_model *b, size_t top,
                                  bl_error *err) {
    const bl_image_config *ca = bl_image_config_of(a), *cb = bl_image_config_of(b);
    size_t C = ca->d_output;
    bl_error_clear(err);
    if (ca->d_input != cb->d_input || C != cb->d_output || ca->bias != cb->bias)
        return bl_fail_null(
            err, BL_ERR_USAGE,
            "%s has %zu pixels, %zu classes and %s biases, %s %zu, %zu and %s: they cannot be compared",
            bl_image_name(a), ca->d_input, C, ca->bias ? "has" : "no", bl_image_name(b), cb->d_input,
            cb->d_output, cb->bias ? "has" : "no");
    bl_image_diff *diff = bl_alloc_zero(1, sizeof *diff, err);
    if (!diff) return NULL;
    diff->C = C;
    diff->top = top;
    diff->same = bl_alloc_zero(C, sizeof *diff->same, err);
    diff->other = bl_alloc_zero(C, sizeof *diff->other, err);
    bl_image_eigen **forms = bl_alloc_zero(2 * C, sizeof *forms, err);
    bool ok = diff->same && diff->other && forms;
    for (size_t i = 0; ok && i < 2 * C; i++) {
        forms[i] = bl_image_eigen_of_class(i < C ? a : b, i % C, false, 0, BL_SPACE_PIXEL, err);
        ok = forms[i] != NULL;
        if (ok && i % C == 0 && top > forms[i]->size)
            ok =
                bl_fail(err, BL_ERR_USAGE, "--top %zu: there are only %zu eigenvectors", top, forms[i]->size);
    }
    for (size_t c = 0; ok && c < C; c++)
        ok = compare(forms[c], forms[C + c], top, &diff->same[c], err) &&
             compare(forms[c], forms[C + (c + 1) % C], top, &diff->other[c], err);
    for (size_t i = 0; forms && i < 2 * C; i++) bl_image_eigen_free(forms[i]);
    free(forms);
    if (ok) return diff;
    bl_image_diff_free(diff);
    return NULL;
}

static void likeness_free(bl_likeness *list, size_t n) {
    for (size_t i = 0; list && i < n; i++) {
        free(list[i].principal);
        free(list[i].matched);
        free(list[i].by_rank);
        free(list[i].a);
        free(list[i].b);
    }
    free(list);
}

void bl_image_diff_free(bl_image_diff *diff) {
    if (!diff) return;
    likeness_free(diff->same, diff->C);
    likeness_free(diff->other, diff->C);
    free(diff);
}
