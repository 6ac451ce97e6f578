/* Strings by number, and the strings and ids of a tokenizer, both ways. Strings may hold NULs; each is
 * followed by one. */
#ifndef BL_TEXT_VOCABULARY_H
#define BL_TEXT_VOCABULARY_H
#include <bilens/base.h>

/* Different strings, numbered in the order in which they came. Zero-initialise; free with
 * bl_string_table_free. */
typedef struct bl_string_table {
    size_t n;
    size_t *begin; /* [n + 1] into text */
    size_t begin_capacity;
    char *text; /* the strings one behind the other, a NUL behind each */
    size_t text_capacity;
    uint32_t *slots; /* [n_slots] open-addressed table of number + 1; 0 = free */
    size_t n_slots;
} bl_string_table;

/* The string's number, entering it if it is new. There may be 2^32 - 2 of them. */
bool bl_string_table_put(bl_string_table *table, const char *text, size_t length, uint32_t *number,
                         bl_error *err);
/* The string's number; false if it is not there. */
bool bl_string_table_find(const bl_string_table *table, const char *text, size_t length, uint32_t *number);
void bl_string_table_free(bl_string_table *table);

static inline const char *bl_string_table_text(const bl_string_table *table, size_t i, size_t *length) {
    *length = table->begin[i + 1] - table->begin[i] - 1;
    return table->text + table->begin[i];
}

/* Ids must be below this, so that a table by id stays small whatever a file says. */
#define BL_MAX_VOCABULARY ((size_t)1 << 22)

/* First the model's strings are entered, then n_model is set, then the added tokens come. Zero-initialise. */
typedef struct bl_vocabulary {
    bl_string_table strings;
    int32_t *ids; /* [strings.n] by number */
    size_t ids_capacity;
    size_t size;      /* one more than the largest id */
    uint32_t *number; /* [size] by id: number + 1; 0 where no string has the id */
    size_t number_capacity;
    size_t n_model; /* strings with a lower number are the model's */
} bl_vocabulary;

/* Enters a string that is not there yet under an id below BL_MAX_VOCABULARY. Where another string has the id
 * already, this one becomes the id's string, and the other keeps the id. */
bool bl_vocabulary_add(bl_vocabulary *vocabulary, const char *token, size_t length, int32_t id,
                       bl_error *err);
void bl_vocabulary_free(bl_vocabulary *vocabulary);
/* The id of a string, or -1: among all, and among the model's strings only. */
int32_t bl_vocabulary_id(const bl_vocabulary *vocabulary, const char *token, size_t length);
int32_t bl_vocabulary_model_id(const bl_vocabulary *vocabulary, const char *token, size_t length);
/* The string of an id and its length, or NULL. */
const char *bl_vocabulary_token(const bl_vocabulary *vocabulary, int32_t id, size_t *length);
#endif
