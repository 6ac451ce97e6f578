/* Checked sizes and allocation. Every size that comes from a file goes through here before it is multiplied.
 */
#ifndef BL_BASE_MEMORY_H
#define BL_BASE_MEMORY_H
#include <bilens/base.h>

/* *out = a * b, or false on overflow. */
static inline bool bl_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool bl_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/* n * size bytes, aligned to 64, uninitialised; NULL with BL_ERR_MEMORY when it overflows or fails. n = 0
 * gives a valid pointer. */
void *bl_alloc(size_t n, size_t size, bl_error *err);
/* The same, zeroed. */
void *bl_alloc_zero(size_t n, size_t size, bl_error *err);
/* Makes room for `need` elements in the array at *array (a pointer to a pointer), doubling; *capacity in
 * elements. */
bool bl_grow(void *array, size_t *capacity, size_t need, size_t size, bl_error *err);
char *bl_strdup(const char *text, bl_error *err);
char *bl_strndup(const char *text, size_t length, bl_error *err);
/* The part of a block that begins `at` elements on; NULL where the block could not be had. */
#define BL_PART(block, at) ((block) ? (block) + (at) : NULL)
#endif
