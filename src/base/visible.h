/* Tokens made fit to be seen. A vocabulary is hostile input: a token may hold escape sequences, direction
 * marks or broken UTF-8. */
#ifndef BL_BASE_VISIBLE_H
#define BL_BASE_VISIBLE_H
#include "base/buffer.h"

/* Appends `text` with every character that has no picture replaced by one: control characters by their
 * symbols (ESC by U+241B), invisible, private and unassigned ones by their number in brackets, bytes that are
 * no UTF-8 by U+FFFD; a combining mark at the beginning gets a dotted circle to stand on. At most `width`
 * columns (0: any number), the last being an ellipsis if something was cut. Returns the columns used on a
 * terminal. */
size_t bl_visible_add(bl_buffer *out, const char *text, size_t width);
/* The same into out [size], NUL-terminated, without allocating; what does not fit is left out. */
void bl_visible_copy(char *out, size_t size, const char *text, size_t width);
/* The columns that bl_visible_add(…, text, 0) would use. */
size_t bl_visible_width(const char *text);
/* Appends a whole text for a terminal: control characters (but line ends, tabs and colours, ESC [ digits m),
 * invisible and bidirectional ones and bytes that are not UTF-8 become pictures. */
void bl_visible_terminal(bl_buffer *out, const char *text);
/* The same for HTML, with & < > " ' written as entities: safe in text and inside quoted attributes. */
void bl_visible_html(bl_buffer *out, const char *text);
#endif
