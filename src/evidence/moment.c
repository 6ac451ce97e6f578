/* The mean of (v . x)^2 from the second moment M of x:
 *
 *   v^T M v = v^T T v,   T_ij = 2 M_ij above the diagonal, M_ii on it, 0 below
 *
 * BLOCK columns of the triangle, which end at its row K, are one factor [K, BLOCK]: half of M's products are
 * left. */
#include "evidence/moment.h"
#include "base/memory.h"
#include "linear/product.h"
#include <stdint.h>
#include <stdlib.h>

#define BLOCK ((size_t)256)

struct bl_moment {
    size_t n, n_blocks;
    bl_factor *blocks; /* [n_blocks] */
};

/* Columns `begin` … of T as a factor; `columns` [n, BLOCK] is what it stands for. */
static void make_block(const double *sum, size_t n, double count, size_t begin, float *columns,
                       bl_factor *f) {
    size_t width = n - begin < BLOCK ? n - begin : BLOCK;
    f->K = begin + width;
    f->N = width;
    for (size_t i = 0; i < f->K; i++)
        for (size_t c = 0; c < width; c++) {
            double m = count > 0 ? sum[i * n + begin + c] / count : 0;
            columns[i * width + c] = (float)(i < begin + c ? 2 * m : i == begin + c ? m : 0);
        }
#pragma omp parallel
    bl_factor_pack(f);
}

bl_moment *bl_moment_new(const double *sum, size_t n, double count, bl_error *err) {
    bl_moment *m = bl_alloc_zero(1, sizeof *m, err);
    if (!m) return NULL;
    m->n = n;
    m->n_blocks = (n + BLOCK - 1) / BLOCK;
    m->blocks = bl_alloc_zero(m->n_blocks, sizeof *m->blocks, err);
    for (size_t b = 0; m->blocks && b < m->n_blocks; b++) {
        bl_factor *f = &m->blocks[b];
        float *columns = bl_alloc(n * BLOCK, sizeof *columns, err);
        f->w = columns; /* read where there are no panels */
        f->panels = bl_alloc(bl_factor_size(n, BLOCK), sizeof *f->panels, err);
        if (!columns || !f->panels) {
            bl_moment_free(m);
            return NULL;
        }
        make_block(sum, n, count, b * BLOCK, columns, f);
    }
    if (m->blocks) return m;
    bl_moment_free(m);
    return NULL;
}

void bl_moment_free(bl_moment *m) {
    if (!m) return;
    for (size_t b = 0; m->blocks && b < m->n_blocks; b++) {
        free((void *)(uintptr_t)m->blocks[b].w);
        free(m->blocks[b].panels);
    }
    free(m->blocks);
    free(m);
}

void bl_moment_means(const bl_moment *m, const float *v, size_t count, float *scratch, float *mean) {
    size_t n = m->n;
    for (size_t b = 0; b < m->n_blocks; b++)
        bl_multiply(&m->blocks[b], count, 1.0F, v, n, false, scratch + b * BLOCK, n);
    for (size_t j = 0; j < count; j++, v += n, scratch += n) {
        double sum = 0;
        for (size_t c = 0; c < n; c++) sum += (double)scratch[c] * (double)v[c];
        mean[j] = (float)sum;
    }
}
