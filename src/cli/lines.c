#include "cli/lines.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <bilens/format.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STDIN_LIMIT ((size_t)1 << 30)

char *read_stdin(size_t *size, bl_error *err) {
    char *text = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        if (capacity - n < 2) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = capacity <= STDIN_LIMIT ? realloc(text, capacity) : NULL;
            if (!grown) {
                bl_fail(err, BL_ERR_INPUT, "standard input is too long");
                free(text);
                return NULL;
            }
            text = grown;
        }
        size_t got = fread(text + n, 1, capacity - n - 1, stdin);
        n += got;
        if (got > 0) continue;
        if (!ferror(stdin)) break;
        if (errno == EINTR && !interrupt_requested()) {
            clearerr(stdin);
            continue;
        }
        if (interrupt_requested()) {
            bl_fail(err, BL_ERR_CANCELLED, "interrupted");
            free(text);
            return NULL;
        }
        bl_fail(err, BL_ERR_INPUT, "standard input cannot be read: %s", strerror(errno));
        free(text);
        return NULL;
    }
    text[n] = '\0';
    if (size) *size = n;
    if (size || bl_text_check(text, n, "standard input", err)) return text;
    free(text);
    return NULL;
}

/* Cuts list->storage at its line ends; lines of nothing are left out. */
static bool cut_lines(const char *name, const char *path, text_list *list, size_t n, bl_error *err) {
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, as editors on Windows write it */
    char *text = list->storage, *line;
    size_t lines = 1;
    if (!bl_text_check(text, n, path, err)) {
        bl_error_prefix(err, name);
        return false;
    }
    if (strncmp(text, mark, 3) == 0) text += 3;
    for (const char *c = text; *c; c++) lines += *c == '\n';
    list->items = calloc(lines, sizeof *list->items);
    if (!list->items) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    while ((line = strsep(&text, "\n")) != NULL) {
        for (size_t end = strlen(line); end > 0 && line[end - 1] == '\r';) line[--end] = '\0';
        if (*line) list->items[list->n++] = line;
    }
    return list->n > 0 || bl_fail(err, BL_ERR_INPUT, "%s %s: holds no line", name, path);
}

bool read_lines(const char *name, const char *path, text_list *list, bl_error *err) {
    bool input = strcmp(path, "-") == 0;
    size_t n = 0;
    text_list_free(list);
    if (input && ranks_started())
        return bl_fail(err, BL_ERR_USAGE, "%s -: mpirun gives standard input to one rank only: name a file",
                       name);
    list->storage = input ? read_stdin(&n, err) : bl_file_read(path, STDIN_LIMIT, &n, err);
    if (!list->storage && err->code == BL_ERR_INPUT) bl_error_prefix(err, name);
    return list->storage && cut_lines(name, path, list, n, err);
}
