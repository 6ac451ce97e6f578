#include "model/matrix.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/dots.h"
#include "linear/product.h"
#include <stdlib.h>
#include <string.h>

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

bool bl_pack_room_make(bl_pack_room *scratch, size_t cols, bl_error *err) {
    size_t threads = omp_in_parallel() ? 1 : (size_t)bl_threads(), n;
    if (!bl_mul_size(threads, bl_multiply_of_scratch(1), &n) || !bl_mul_size(n, cols, &n))
        n = SIZE_MAX; /* bl_alloc refuses it */
    scratch->data = bl_alloc(n, sizeof *scratch->data, err);
    scratch->threads = threads;
    return scratch->data != NULL;
}

void bl_pack_room_free(bl_pack_room *scratch) {
    free(scratch->data);
    *scratch = (bl_pack_room){0};
}

static void convert_rows(void *context, size_t begin, size_t n, float *out) {
    bl_matrix_read(context, begin, n, out);
}

void bl_matrix_times(const bl_matrix *m, const float *in, size_t n, bool steady, float *out, size_t ld,
                     const bl_pack_room *scratch) {
    void *self = (void *)(uintptr_t)m;
    if (steady && m->data) bl_dots(out, ld, in, n, (bl_view){m->data, m->rows, m->cols, m->stride}, NULL);
    else if (steady)
        bl_dots_of(out, ld, in, n, m->rows, m->cols, convert_rows, self, scratch->threads, scratch->data);
    else
        bl_multiply_of(out, ld, in, n, m->rows, m->cols, m->stride == m->cols ? m->data : NULL, convert_rows,
                       self, scratch->threads, scratch->data);
}
