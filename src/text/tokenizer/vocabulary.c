/* FNV-1a, linear probing, at most half full. */
#include "text/tokenizer/vocabulary.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text, size_t n) {
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3);
    return (size_t)(h ^ h >> 29);
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find_slot(const bl_string_table *table, const char *text, size_t length) {
    size_t mask = table->n_slots - 1, slot = hash(text, length) & mask;
    for (; table->slots[slot]; slot = (slot + 1) & mask) {
        size_t there_n;
        const char *there = bl_string_table_text(table, table->slots[slot] - 1, &there_n);
        if (there_n == length && memcmp(there, text, length) == 0) break;
    }
    return slot;
}

static bool rehash(bl_string_table *table, bl_error *err) {
    size_t n_slots = table->n_slots ? 2 * table->n_slots : 1024;
    uint32_t *slots = bl_alloc_zero(n_slots, sizeof *slots, err);
    if (!slots) return false;
    free(table->slots);
    table->slots = slots;
    table->n_slots = n_slots;
    for (size_t i = 0; i < table->n; i++) {
        size_t length;
        const char *text = bl_string_table_text(table, i, &length);
        slots[find_slot(table, text, length)] = (uint32_t)i + 1;
    }
    return true;
}

bool bl_string_table_put(bl_string_table *table, const char *text, size_t length, uint32_t *number,
                         bl_error *err) {
    if (2 * (table->n + 1) > table->n_slots && !rehash(table, err)) return false;
    size_t slot = find_slot(table, text, length);
    if (!table->slots[slot]) {
        if (table->n >= UINT32_MAX - 1)
            return bl_fail(err, BL_ERR_INPUT, "more than %u different words", UINT32_MAX - 1);
        if (!bl_grow(&table->begin, &table->begin_capacity, table->n + 2, sizeof *table->begin, err))
            return false;
        if (table->n == 0) table->begin[0] = 0;
        size_t at = table->begin[table->n];
        if (!bl_grow(&table->text, &table->text_capacity, at + length + 1, 1, err)) return false;
        memcpy(table->text + at, text, length);
        table->text[at + length] = '\0';
        table->begin[++table->n] = at + length + 1;
        table->slots[slot] = (uint32_t)table->n;
    }
    *number = table->slots[slot] - 1;
    return true;
}

bool bl_string_table_find(const bl_string_table *table, const char *text, size_t length, uint32_t *number) {
    if (!table->n_slots) return false;
    size_t slot = find_slot(table, text, length);
    if (table->slots[slot]) *number = table->slots[slot] - 1;
    return table->slots[slot] != 0;
}

void bl_string_table_free(bl_string_table *table) {
    free(table->begin);
    free(table->text);
    free(table->slots);
    *table = (bl_string_table){0};
}

bool bl_vocabulary_add(bl_vocabulary *v, const char *token, size_t length, int32_t id, bl_error *err) {
    uint32_t number = 0;
    size_t size = (size_t)id + 1;
    if (!bl_grow(&v->ids, &v->ids_capacity, v->strings.n + 1, sizeof *v->ids, err)) return false;
    if (!bl_grow(&v->number, &v->number_capacity, size, sizeof *v->number, err)) return false;
    if (!bl_string_table_put(&v->strings, token, length, &number, err)) return false;
    for (; v->size < size; v->size++) v->number[v->size] = 0;
    v->ids[number] = id;
    v->number[id] = number + 1;
    return true;
}

void bl_vocabulary_free(bl_vocabulary *vocabulary) {
    bl_string_table_free(&vocabulary->strings);
    free(vocabulary->ids);
    free(vocabulary->number);
    *vocabulary = (bl_vocabulary){0};
}

int32_t bl_vocabulary_id(const bl_vocabulary *vocabulary, const char *token, size_t length) {
    uint32_t number;
    return bl_string_table_find(&vocabulary->strings, token, length, &number) ? vocabulary->ids[number] : -1;
}

int32_t bl_vocabulary_model_id(const bl_vocabulary *vocabulary, const char *token, size_t length) {
    uint32_t number;
    bool there = bl_string_table_find(&vocabulary->strings, token, length, &number);
    return there && number < vocabulary->n_model ? vocabulary->ids[number] : -1;
}

const char *bl_vocabulary_token(const bl_vocabulary *vocabulary, int32_t id, size_t *length) {
    if (id < 0 || (size_t)id >= vocabulary->size || vocabulary->number[id] == 0) return NULL;
    return bl_string_table_text(&vocabulary->strings, vocabulary->number[id] - 1, length);
}
