/* A weight matrix as it was stored, in float32 or in any other type, and its product with a few rows. What
 * is not float32 is converted by panels on its way into the product, so that no second copy of a model in
 * memory is needed. */
#ifndef BL_MODEL_MATRIX_H
#define BL_MODEL_MATRIX_H
#include "format/numbers.h"
#include <bilens/base.h>

typedef struct bl_matrix {
    size_t rows, cols;
    const float *data; /* [rows, cols], rows `stride` apart; NULL: */
    size_t stride;
    const unsigned char *stored; /* ... the stored rows, `row_bytes` each, in another order: */
    const bl_number_type *type;
    size_t row_bytes;
    size_t first;               /* row r of the matrix is row first + r of what follows */
    size_t group, group_stride; /* row r stands at r / group * group_stride + r % group; group 0: at r */
    size_t pair;                /* rotary pairs stand side by side in heads of this width; 0: as halves */
} bl_matrix;

static inline bool bl_matrix_is(const bl_matrix *m) { return m->data || m->stored; }
/* Rows begin … begin + n - 1. */
bl_matrix bl_matrix_rows(const bl_matrix *m, size_t begin, size_t n);
/* The same in float32, out [n, cols]. */
void bl_matrix_read(const bl_matrix *m, size_t begin, size_t n, float *out);
/* True if b's rows stand in memory behind a's, so that both can be multiplied at once. */
bool bl_matrix_follows(const bl_matrix *a, const bl_matrix *b);

/* What products convert and pack their weights in. Zero-initialise; free with bl_pack_room_free. */
typedef struct bl_pack_room {
    float *data;
    size_t threads; /* that may share a product: those there were when it was made, 1 in a parallel region */
} bl_pack_room;

/* Room for matrices of up to `cols` columns. */
bool bl_pack_room_make(bl_pack_room *scratch, size_t cols, bl_error *err);
void bl_pack_room_free(bl_pack_room *scratch);
/* out [n, rows], rows `ld` apart, = in [n, cols] m^T. Each number of the result is added up in the same order
 * whatever n is. `steady`: for few rows (bl_dots), in an order of its own. */
void bl_matrix_times(const bl_matrix *m, const float *in, size_t n, bool steady, float *out, size_t ld,
                     const bl_pack_room *scratch);
#endif
