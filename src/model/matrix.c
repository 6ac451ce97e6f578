#include "model/matrix.h"
#include "base/threads.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <string.h>

#define PANEL ((size_t)64) /* rows that are converted at a time */

bl_matrix bl_matrix_rows(const bl_matrix *m, size_t begin, size_t n) {
    bl_matrix part = *m;
    part.rows = n;
    if (part.data) part.data += begin * part.stride;
    else part.first += begin;
    return part;
}

static const unsigned char *stored_row(const bl_matrix *m, size_t r) {
    r += m->first;
    if (m->pair) {
        size_t j = r % m->pair, half = m->pair / 2;
        r += (j < half ? 2 * j : 2 * (j - half) + 1) - j;
    }
    if (m->group) r = r / m->group * m->group_stride + r % m->group;
    return m->stored + r * m->row_bytes;
}

void bl_matrix_read(const bl_matrix *m, size_t begin, size_t n, float *out) {
    for (size_t i = 0; i < n; i++) {
        if (m->data) memcpy(out + i * m->cols, m->data + (begin + i) * m->stride, m->cols * sizeof *out);
        else m->type->read(stored_row(m, begin + i), m->cols, out + i * m->cols);
    }
}

bool bl_matrix_follows(const bl_matrix *a, const bl_matrix *b) {
    return a->data && b->data == a->data + a->rows * a->stride && a->stride == b->stride &&
           a->cols == b->cols;
}

size_t bl_matrix_scratch(size_t cols) {
    size_t rows = (size_t)bl_threads() * BL_DOTS_ROWS;
    return (rows > PANEL ? rows : PANEL) * cols;
}

static void convert_rows(void *context, size_t begin, size_t n, float *out) {
    bl_matrix_read(context, begin, n, out);
}

void bl_matrix_times(const bl_matrix *m, const float *in, size_t n, bool steady, float *out, size_t ld,
                     float *scratch) {
    if (steady && m->data) {
        bl_dots(out, ld, in, n, (bl_view){m->data, m->rows, m->cols, m->stride}, NULL);
    } else if (steady) {
        bl_dots_of(out, ld, in, n, m->rows, m->cols, convert_rows, (void *)(uintptr_t)m, scratch);
    } else if (m->data) {
        bl_gemm_nt(n, m->rows, m->cols, 1.0F, in, m->cols, m->data, m->stride, 0.0F, out, ld);
    } else {
        for (size_t begin = 0; begin < m->rows; begin += PANEL) {
            size_t rows = m->rows - begin < PANEL ? m->rows - begin : PANEL;
            bl_matrix_read(m, begin, rows, scratch);
            bl_gemm_nt(n, rows, m->cols, 1.0F, in, m->cols, scratch, m->cols, 0.0F, out + begin, ld);
        }
    }
}
