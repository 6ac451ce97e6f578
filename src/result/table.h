/* What is in a table. */
#ifndef BL_RESULT_TABLE_H
#define BL_RESULT_TABLE_H
#include "base/buffer.h"
#include <bilens/tree.h>

typedef enum bl_cell_kind { BL_CELL_EMPTY, BL_CELL_TEXT, BL_CELL_REAL, BL_CELL_INTEGER } bl_cell_kind;

typedef struct bl_cell {
    bl_cell_kind kind;
    union {
        size_t text; /* where it begins in `texts` */
        double real;
        int64_t integer;
    };
} bl_cell;

struct bl_table {
    char *columns; /* names, one behind the other, each with its NUL */
    size_t n_columns;
    bl_cell *cells; /* [n_cells], row by row */
    size_t n_cells, capacity;
    bl_buffer texts; /* one behind the other, each with its NUL */
    bool failed;
};
#endif
