/* Filling in errors. Nothing below cli/ prints. */
#ifndef BL_BASE_ERROR_H
#define BL_BASE_ERROR_H
#include <bilens/base.h>

/* Fills `err` (NULL allowed) and returns false, so that a caller can write `return bl_fail(…)`. */
bool bl_fail(bl_error *err, bl_code code, const char *format, ...) BL_PRINTF(3, 4);
/* The same, returning NULL. */
void *bl_fail_null(bl_error *err, bl_code code, const char *format, ...) BL_PRINTF(3, 4);
/* Sets the code to BL_OK and empties the message. */
void bl_error_clear(bl_error *err);
/* Puts "prefix: " before the message of an error that a lower function filled in; returns false. */
bool bl_error_prefix(bl_error *err, const char *prefix);

/* Writes `text` into out [size] with everything that a terminal would obey instead of showing (controls,
 * marks of direction, bytes that are no UTF-8) as \x1b, \u202e; cut where there is no room. Messages quote
 * foreign text: bl_fail does this with every message. Doing it twice changes nothing. */
void bl_escape(const char *text, char *out, size_t size);
#endif
