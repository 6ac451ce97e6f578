/* A growing piece of text. Errors stick; look at the result of bl_buffer_take. */
#ifndef BL_BASE_BUFFER_H
#define BL_BASE_BUFFER_H
#include <bilens/base.h>

/* Zero-initialise. */
typedef struct bl_buffer {
    char *data;
    size_t n, capacity;
    bool failed;
} bl_buffer;

void bl_buffer_add(bl_buffer *buffer, const char *data, size_t n);
void bl_buffer_text(bl_buffer *buffer, const char *text);
void bl_buffer_print(bl_buffer *buffer, const char *format, ...) BL_PRINTF(2, 3);
/* A number with that many significant digits and a decimal point, whatever the locale; "inf", "-inf", "nan".
 * */
void bl_buffer_real(bl_buffer *buffer, double value, int digits);
/* The text, NUL-terminated, to be freed with bl_free; empties the buffer. NULL with BL_ERR_MEMORY if anything
 * failed. */
char *bl_buffer_take(bl_buffer *buffer, bl_error *err);
void bl_buffer_free(bl_buffer *buffer);
#endif
