/* Different strings, numbered in the order in which they came. */
#ifndef BL_TEXT_STRING_TABLE_H
#define BL_TEXT_STRING_TABLE_H
#include <bilens/base.h>

/* Zero-initialise; free with bl_string_table_free. */
typedef struct bl_string_table {
    size_t n;
    size_t *begin; /* [n + 1] into text */
    size_t begin_capacity;
    char *text; /* the strings one behind the other */
    size_t text_capacity;
    uint32_t *slots; /* open-addressed table of index + 1; 0 = free */
    size_t n_slots;
} bl_string_table;

/* The string's number, entering it if it is new. There may be 2^32 - 2 of them. */
bool bl_string_table_put(bl_string_table *table, const char *text, size_t length, uint32_t *index,
                         bl_error *err);
/* The string's number; false if it is not there. */
bool bl_string_table_find(const bl_string_table *table, const char *text, size_t length, uint32_t *index);
void bl_string_table_free(bl_string_table *table);

static inline const char *bl_string_table_text(const bl_string_table *table, size_t i, size_t *length) {
    *length = table->begin[i + 1] - table->begin[i];
    return table->text + table->begin[i];
}
#endif
