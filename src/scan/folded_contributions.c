/* One match's similarity split by source token, from the folded scan's tables: one row of each head's pattern
 * is all it takes.
 *
 *   c_j = sum_h A_h[p, j] tau_h[t_j]  (+ v . x_p at j = p),  all divided by the norm at p */
#include "linear/norm.h"
#include "linear/softmax.h"
#include "scan/folded_private.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <string.h>

/* row [p + 1] = the scores of position p in head h, pattern m. */
static void score_row(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t h,
                      size_t m, size_t p, float *row) {
    size_t begin = 2 * m * f->d + h * f->k;
    bl_folded_rotated(f, rows, p, p + 1, begin, w->panel);
    bl_folded_rotated(f, rows, 0, p + 1, f->d + begin, w->keys);
    for (size_t j = 0; j <= p; j++) row[j] = bl_dot(w->panel, w->keys + j * f->k, f->k);
}

/* row [p + 1] = the pattern of position p in head h: softmax of the scores, or the product of two; behind it
 * [p + 1] of scratch for that. */
static void pattern_row(const bl_folded *f, bl_folded_workspace *w, const bl_folded_rows *rows, size_t h,
                        size_t p, float *row) {
    float *second = row + p + 1;
    score_row(f, w, rows, h, 0, p, row);
    if (f->patterns == 1) {
        bl_softmax(row, p + 1);
        return;
    }
    score_row(f, w, rows, h, 1, p, second);
    for (size_t j = 0; j <= p; j++) row[j] *= second[j];
}

bool bl_folded_contributions(const bl_folded *f, bl_folded_workspace *w, size_t j, const int32_t *ids,
                             size_t n, size_t p, float *c, float *heads, bl_error *err) {
    bl_folded_rows rows = bl_folded_begin(f, w, ids, n, err);
    if (!rows.qk) return false;
    float *row = w->scores;
    memset(c, 0, (p + 1) * sizeof *c);
    if (heads) memset(heads, 0, (p + 1) * sizeof *heads);
    if (f->by_values) memset(w->z, 0, f->d * sizeof *w->z);
    for (size_t h = 0; h < f->H; h++) {
        pattern_row(f, w, &rows, h, p, row);
        for (size_t i = 0; i <= p; i++) {
            const float *attended = rows.attended + bl_folded_row(&rows, i) * f->attended;
            float tau = f->by_values ? bl_dot(f->out + j * f->d + h * f->k, attended + h * f->k, f->k)
                                     : attended[h * f->J + j];
            if (f->by_values) bl_axpy(f->k, row[i], attended + h * f->k, w->z + h * f->k);
            c[i] += row[i] * tau;
            if (heads) heads[(1 + h) * (p + 1) + i] = row[i] * tau;
        }
    }
    float direct = rows.direct[bl_folded_row(&rows, p) * f->J + j];
    c[p] += direct;
    if (heads) heads[p] = direct;
    if (!f->normed) return true;
    const float *x_p =
        rows.x ? rows.x + p * f->d : bl_model_w_e(f->probes->model).data + (size_t)ids[p] * f->d;
    float scale = (float)bl_rms_factor(bl_folded_square(f, x_p, w->z), f->d, f->probes->model->plan.epsilon);
    for (size_t i = 0; i <= p; i++) c[i] *= scale;
    for (size_t i = 0; heads && i < (1 + f->H) * (p + 1); i++) heads[i] *= scale;
    return true;
}
