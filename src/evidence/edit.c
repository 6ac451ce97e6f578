/* Ablations as arithmetic on similarities a_n = v_n . x' (docs/specification.md, 11):
 *
 *   taken = sum_{n in S} lambda~_n (a_n^2 - m_n)           from u . y, or from the own logit
 *   x''   = x' - sum_{n in S} (a_n - c_n) v_n              mode "input"
 *
 * and with keep, of everything outside S,
 *
 *   taken = (u . y - u . b_p - shift |x'|^2 - sum_{n in S} lambda~_n a_n^2) - its mean
 *   x''   = mean + sum_{n in S} (a_n - c_n) v_n            (zero: the mean is 0, c_n is 0) */
#include "evidence/edit.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <stdlib.h>
#include <string.h>

bool bl_edits_init(bl_edits *e, size_t count, size_t J, bl_error *err) {
    size_t cells;
    if (!bl_mul_size(J, e->n, &cells)) cells = SIZE_MAX;
    e->count = count;
    e->J = J;
    e->v = bl_alloc_zero(cells, sizeof *e->v, err);
    e->lambda = bl_alloc_zero(J, sizeof *e->lambda, err);
    e->square = bl_alloc_zero(J, sizeof *e->square, err);
    e->linear = bl_alloc_zero(J, sizeof *e->linear, err);
    e->mean = bl_alloc_zero(e->n, sizeof *e->mean, err);
    e->items = bl_alloc_zero(count, sizeof *e->items, err);
    return e->v && e->lambda && e->square && e->linear && e->mean && e->items;
}

void bl_edits_free(bl_edits *e) {
    free(e->v);
    free(e->lambda);
    free(e->square);
    free(e->linear);
    free(e->form);
    free(e->mean);
    free(e->items);
}

void bl_edits_similarity(const bl_edits *e, const float *x, size_t rows, float *similarity) {
    bl_gemm_nt(rows, e->J, e->n, 1.0F, x, e->n, e->v, e->n, 0.0F, similarity, e->J);
}

double bl_edits_outside(const bl_edits *e, const float *x, const float *y) {
    double sum = -e->constant, square = 0;
    if (e->form) {
        for (size_t i = 0; i < e->n; i++)
            square += (double)x[i] * (double)bl_dot(e->form + i * e->n, x, e->n);
        return square;
    }
    for (size_t i = 0; i < bl_bilinear_out(e->map); i++) sum += (double)e->u[i] * (double)y[i];
    for (size_t i = 0; e->shift != 0 && i < e->n; i++) square += (double)x[i] * (double)x[i];
    return sum - e->shift * square;
}

double bl_edit_taken(const bl_edits *e, size_t i, const float *a, double outside) {
    const bl_edit *edit = &e->items[i];
    double sum = 0;
    for (size_t n = 0; n < edit->k; n++) {
        double value = (double)a[edit->first + n];
        sum += edit->lambda[n] * (value * value - (edit->keep ? 0 : e->square[edit->first + n]));
    }
    return edit->keep ? outside - sum - edit->total : sum;
}

void bl_edit_input(const bl_edits *e, size_t i, const float *x, size_t rows, const float *similarity,
                   float *out) {
    const bl_edit *edit = &e->items[i];
    for (size_t p = 0; p < rows; p++) {
        float *row = out + p * e->n;
        if (edit->keep)
            for (size_t c = 0; c < e->n; c++) row[c] = (float)e->mean[c];
        else memcpy(row, x + p * e->n, e->n * sizeof *row);
        for (size_t n = 0; n < edit->k; n++) {
            double by = (double)similarity[p * e->J + edit->first + n] - e->linear[edit->first + n];
            bl_axpy(e->n, (float)(edit->keep ? by : -by), e->v + (edit->first + n) * e->n, row);
        }
    }
}

/* ---- means ---- */

typedef struct measuring {
    bl_edits *e;
    bl_layer_run *sites;
    const bl_story_ids *stories;
    bool outside;       /* totals are wanted, too */
    float *similarity;  /* [threads, longest, J] */
    float *work;        /* [threads, 2 longest, h], with `outside` */
    size_t width;       /* of a story's sums: 2 J + n + 1 */
    double *sums;       /* [stories, width]: squares, similarities, x', outside */
    size_t first_story; /* of `sums` */
} measuring;

static bool measure_story(void *context, size_t i, size_t thread, bl_error *err) {
    measuring *m = context;
    const bl_edits *e = m->e;
    bl_layer_run *site = &m->sites[thread];
    size_t n, J = e->J, h = bl_bilinear_hidden(e->map);
    const int32_t *ids = bl_story_ids_of(m->stories, m->first_story + i, &n);
    double *sum = m->sums + i * m->width;
    float *similarity = m->similarity + thread * m->stories->longest * J;
    memset(sum, 0, m->width * sizeof *sum);
    if (n < 2) return true;
    if (!bl_layer_run_inputs(site, ids, n, err)) return false;
    bl_edits_similarity(e, site->x, n - 1, similarity);
    if (m->outside)
        bl_layer_run_apply(e->map, site->x, n - 1, m->work + thread * 2 * m->stories->longest * h, site->y);
    for (size_t p = 0; p + 1 < n; p++) {
        const float *a = similarity + p * J, *x = site->x + p * e->n;
        for (size_t j = 0; j < J; j++) {
            sum[j] += (double)a[j] * (double)a[j];
            sum[J + j] += (double)a[j];
        }
        for (size_t c = 0; c < e->n; c++) sum[2 * J + c] += (double)x[c];
        if (m->outside) sum[2 * J + e->n] += bl_edits_outside(e, x, site->y + p * site->d);
    }
    return true;
}

/* Adds the sums of a run of stories, in their order. */
static void collect(measuring *m, size_t stories, double *total) {
    for (size_t i = 0; i < stories; i++)
        for (size_t c = 0; c < m->width; c++) total[c] += m->sums[i * m->width + c];
}

static void finish(bl_edits *e, const double *total, double predictions) {
    for (size_t j = 0; j < e->J; j++) {
        e->square[j] = total[j] / predictions;
        e->linear[j] = total[e->J + j] / predictions;
    }
    for (size_t c = 0; c < e->n; c++) e->mean[c] = total[2 * e->J + c] / predictions;
    for (size_t i = 0; i < e->count; i++) {
        bl_edit *edit = &e->items[i];
        edit->total = total[2 * e->J + e->n] / predictions;
        for (size_t n = 0; n < edit->k; n++) edit->total -= edit->lambda[n] * e->square[edit->first + n];
    }
}

bool bl_edits_measure(bl_edits *e, bl_layer_run *sites, const bl_story_ids *stories, bl_error *err) {
    enum { STEP = 64 };
    size_t threads = (size_t)bl_threads(), count;
    measuring m = {.e = e, .sites = sites, .stories = stories, .width = 2 * e->J + e->n + 1};
    for (size_t i = 0; i < e->count; i++) m.outside = m.outside || e->items[i].keep;
    if (!bl_mul_size(threads * stories->longest, e->J, &count)) count = SIZE_MAX;
    m.similarity = bl_alloc(count, sizeof *m.similarity, err);
    if (!bl_mul_size(threads * 2 * stories->longest, bl_bilinear_hidden(e->map), &count)) count = SIZE_MAX;
    m.work = bl_alloc(m.outside ? count : 0, sizeof *m.work, err);
    m.sums = bl_alloc(STEP * m.width, sizeof *m.sums, err);
    double *total = bl_alloc_zero(m.width, sizeof *total, err);
    bool ok = m.similarity && m.work && m.sums && total;
    for (size_t i = 0; ok && i < stories->n; i += STEP) {
        size_t some = stories->n - i < STEP ? stories->n - i : STEP;
        m.first_story = i;
        ok = bl_progress_step(&e->options->progress, "measuring", i, stories->n, err) &&
             bl_parallel(some, measure_story, &m, err);
        if (ok) collect(&m, some, total);
    }
    if (ok) finish(e, total, (double)stories->first[stories->n]);
    free(m.similarity);
    free(m.work);
    free(m.sums);
    free(total);
    return ok;
}
