/* Tables: cells added one by one, or taken from a list of JSON objects. csv.c writes them. */
#include "result/table.h"
#include "base/memory.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bl_table *bl_table_new(const char *columns, bl_error *err) {
    bl_table *table = bl_alloc_zero(1, sizeof *table, err);
    if (!table) return NULL;
    table->columns = bl_strdup(columns, err);
    if (!table->columns) {
        free(table);
        return NULL;
    }
    table->n_columns = 1;
    for (char *at = table->columns; (at = strchr(at, ',')) != NULL; at++) {
        *at = '\0';
        table->n_columns++;
    }
    return table;
}

void bl_table_free(bl_table *table) {
    if (!table) return;
    free(table->columns);
    free(table->cells);
    bl_buffer_free(&table->texts);
    free(table);
}

static void add(bl_table *table, bl_cell cell) {
    if (!table || table->failed) return;
    if (!bl_grow(&table->cells, &table->capacity, table->n_cells + 1, sizeof cell, NULL))
        table->failed = true;
    else table->cells[table->n_cells++] = cell;
}

void bl_table_text(bl_table *table, const char *text) {
    if (!table) return;
    bl_cell cell = {.kind = text ? BL_CELL_TEXT : BL_CELL_EMPTY, .text = table->texts.n};
    if (text) bl_buffer_add(&table->texts, text, strlen(text) + 1);
    add(table, cell);
}

void bl_table_real(bl_table *table, double value) {
    add(table, (bl_cell){.kind = BL_CELL_REAL, .real = value});
}

void bl_table_integer(bl_table *table, int64_t value) {
    add(table, (bl_cell){.kind = BL_CELL_INTEGER, .integer = value});
}

void bl_table_empty(bl_table *table) { add(table, (bl_cell){.kind = BL_CELL_EMPTY}); }

void bl_table_fail(bl_table *table) {
    if (table) table->failed = true;
}

void bl_table_json(bl_table *table, const bl_tree *value) {
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    if (value && !text) bl_table_fail(table);
    bl_table_text(table, text);
    bl_free(text);
}

static void add_value(bl_table *table, const json_t *value) {
    if (!value || json_is_null(value)) bl_table_empty(table);
    else if (json_is_integer(value)) bl_table_integer(table, json_integer_value(value));
    else if (json_is_boolean(value)) bl_table_integer(table, json_is_true(value));
    else if (bl_tree_is_number(value)) bl_table_real(table, bl_tree_number(value));
    else bl_table_text(table, json_string_value(value));
}

/* "a,b,c": the keys of single values. */
static char *keys_of(const json_t *object, bl_error *err) {
    bl_buffer names = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (json_is_object(value) || json_is_array(value)) continue;
        if (names.n) bl_buffer_text(&names, ",");
        bl_buffer_text(&names, key);
    }
    return bl_buffer_take(&names, err);
}

bl_table *bl_table_of(const bl_tree *list, bl_error *err) {
    char *columns = keys_of(json_array_get(list, 0), err);
    bl_table *table = columns ? bl_table_new(columns, err) : NULL;
    const json_t *row;
    size_t i;
    bl_free(columns);
    if (!table) return NULL;
    json_array_foreach(list, i, row) {
        const char *name = table->columns;
        for (size_t c = 0; c < table->n_columns; c++, name += strlen(name) + 1)
            add_value(table, json_object_get(row, name));
    }
    return table;
}
