/* Text from standard input and from files of lines. */
#ifndef BL_CLI_LINES_H
#define BL_CLI_LINES_H
#include "cli/options.h"

/* The whole of standard input as text (freed with free), NUL-terminated after *size bytes; without `size` a
 * NUL in it is BL_ERR_INPUT. */
char *read_stdin(size_t *size, bl_error *err);
/* The lines of a text file, "-" being standard input, without those of nothing; a byte order mark and \r at
 * their ends are left out. `name` ("--tokens") names the file in messages. BL_ERR_INPUT when there is none,
 * or NUL. */
bool read_lines(const char *name, const char *path, text_list *list, bl_error *err);
#endif
