/* How vocabularies spell their tokens, made readable. */
#ifndef BL_BASE_SPELLING_H
#define BL_BASE_SPELLING_H
#include <stddef.h>

enum { BL_SPELLED = 256 }; /* bytes; longer tokens stay as they are */

/* A token of a byte-level vocabulary (GPT-2, Llama 3, Qwen: "\xC4\xA0the") as the text that it stands for,
 * its blanks as middle dots, ends of lines as arrows; SentencePiece's sign of a blank as one, too. `text`
 * itself where it is none of these: it must have a character that stands for a byte without a picture of
 * its own, be made of such characters only, and be whole UTF-8 without control characters. Else a text in
 * `room`. */
const char *bl_spelled(const char *text, char room[BL_SPELLED]);
#endif
