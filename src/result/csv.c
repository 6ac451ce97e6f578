/* CSV (RFC 4180): the one writer. Texts are quoted, numbers have 9 significant digits; a number that is not
 * finite is an empty cell. */
#include "base/error.h"
#include "result/table.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void write_text(bl_buffer *out, const char *text, bool safe) {
    bl_buffer_text(out, "\"");
    if (safe && *text && strchr("=+-@\t\r", *text)) bl_buffer_text(out, "'");
    for (const char *end; (end = strchr(text, '"')) != NULL; text = end + 1) {
        bl_buffer_add(out, text, (size_t)(end - text) + 1);
        bl_buffer_text(out, "\"");
    }
    bl_buffer_text(out, text);
    bl_buffer_text(out, "\"");
}

static void write_cell(bl_buffer *out, const bl_table *table, const bl_cell *cell, bool safe) {
    switch (cell->kind) {
    case BL_CELL_TEXT: write_text(out, table->texts.data + cell->text, safe); break;
    case BL_CELL_INTEGER: bl_buffer_print(out, "%" PRId64, cell->integer); break;
    case BL_CELL_REAL:
        if (isfinite(cell->real)) bl_buffer_real(out, cell->real, 9);
        break;
    default: break;
    }
}

static void write_header(bl_buffer *out, const bl_table *table) {
    const char *name = table->columns;
    for (size_t c = 0; c < table->n_columns; c++, name += strlen(name) + 1) {
        if (c) bl_buffer_text(out, ",");
        bl_buffer_text(out, name);
    }
    bl_buffer_text(out, "\r\n");
}

char *bl_table_csv(const bl_table *table, unsigned flags, bl_error *err) {
    bl_buffer out = {0};
    if (!table) return NULL;
    if (table->failed || table->texts.failed)
        return bl_fail_null(err, BL_ERR_MEMORY, "out of memory while a table was made");
    if (!(flags & BL_CSV_HEADLESS)) write_header(&out, table);
    for (size_t i = 0; i < table->n_cells; i++) {
        write_cell(&out, table, &table->cells[i], flags & BL_CSV_SAFE);
        bl_buffer_text(&out, (i + 1) % table->n_columns ? "," : "\r\n");
    }
    return bl_buffer_take(&out, err);
}
