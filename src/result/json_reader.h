/* Reading checked values out of parsed JSON. A reader knows where it is: a failure names the path of the key
 * ("eigen.vectors[3].index"), what was expected and what was found. The first failure counts; its error is
 * BL_ERR_INPUT. */
#ifndef BL_RESULT_JSON_READER_H
#define BL_RESULT_JSON_READER_H
#include <bilens/base.h>
#include <jansson.h>

typedef struct bl_reader {
    bl_error *err;
    char path[480];
    size_t n;     /* length of path */
    void *blocks; /* what bl_reader_alloc gave, as a list */
} bl_reader;

/* Zeroed memory that lives until bl_reader_release. */
void *bl_reader_alloc(bl_reader *reader, size_t n, size_t size);
void bl_reader_release(void *blocks);

/* Goes down to a key (made visible: it may be hostile) or an element; give the result to bl_reader_leave. */
size_t bl_reader_enter(bl_reader *reader, const char *key);
size_t bl_reader_enter_element(bl_reader *reader, size_t i);
void bl_reader_leave(bl_reader *reader, size_t n);

/* "PATH: message", BL_ERR_INPUT; returns false. */
bool bl_reader_fail(bl_reader *reader, const char *format, ...) BL_PRINTF(2, 3);

/* Values of an object's key. A missing key or another type fails. */
const json_t *bl_reader_object(bl_reader *reader, const json_t *object, const char *key);
/* An array of at most `limit` elements; *n its length. */
const json_t *bl_reader_array(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                              size_t *n);
bool bl_reader_text(bl_reader *reader, const json_t *object, const char *key, const char **out);
bool bl_reader_number(bl_reader *reader, const json_t *object, const char *key, double *out);
/* A whole number from low to high. */
bool bl_reader_integer(bl_reader *reader, const json_t *object, const char *key, json_int_t low,
                       json_int_t high, json_int_t *out);
/* An array of at most `limit` strings or numbers. */
bool bl_reader_texts(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                     const char *const **out, size_t *n);
bool bl_reader_numbers(bl_reader *reader, const json_t *object, const char *key, size_t limit,
                       const double **out, size_t *n);
#endif
