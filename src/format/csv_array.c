/* A matrix from text. The separator is the first of comma, semicolon, tab and blank that the first line
 * holds; blanks around numbers do not matter, a decimal point is a point whatever the locale. */
#include "format/csv_array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT ((size_t)16 << 30)

typedef struct table {
    const char *path;
    locale_t point;
    char separator;
    size_t line, rows, columns; /* line: of the file, from 1 */
    float *data;
    size_t n, capacity;
    bl_error *err;
} table;

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\r' || *at == '\t') at++;
    return at;
}

/* One number up to the separator or the line's end; false where it is none. *next: behind the separator, or
 * at the end. */
static bool read_cell(const table *t, const char *at, double *value, const char **next) {
    char *end;
    at = skip_blanks(at);
    bool quoted = *at == '"';
    *value = strtod_l(at + quoted, &end, t->point);
    bool number = end != at + quoted && (!quoted || *end++ == '"');
    if (!number) end = (char *)(uintptr_t)(at + strcspn(at, (const char[]){t->separator, '\0'}));
    if (number && t->separator != '\t') end = (char *)(uintptr_t)skip_blanks(end);
    if (*end == '\r' && !end[1]) end++;
    number = number && (*end == '\0' || *end == t->separator || (t->separator == ' ' && end[-1] == ' '));
    *next = *end == t->separator ? end + 1 : end;
    return number;
}

static bool add_number(table *t, size_t column, double value) {
    if (isfinite(value) && (fabs(value) > (double)FLT_MAX || (value != 0 && (float)value == 0)))
        return bl_fail(t->err, BL_ERR_INPUT, "%s: line %zu, column %zu: %g is what a float32 cannot hold",
                       t->path, t->line, column + 1, value);
    if (!bl_grow(&t->data, &t->capacity, t->n + 1, sizeof *t->data, t->err)) return false;
    t->data[t->n++] = (float)value;
    return true;
}

/* Names, or 0, 1, 2, …: what stands above the columns. */
static bool is_header(const table *t, const char *line) {
    size_t column = 0, numbers = 0;
    bool counts = true;
    for (const char *next = line; *skip_blanks(next); column++) {
        double value;
        bool number = read_cell(t, next, &value, &next);
        numbers += number;
        counts = counts && number && value == (double)column;
        if (!number && next == line) break;
        line = next;
    }
    return numbers == 0 || (counts && column > 2);
}

static bool read_line(table *t, const char *line) {
    size_t columns = 0;
    for (const char *at = line; *skip_blanks(at); columns++) {
        double value;
        const char *cell = skip_blanks(at);
        if (!read_cell(t, at, &value, &at))
            return bl_fail(t->err, BL_ERR_INPUT, "%s: line %zu, column %zu: '%.30s' is not a number%s",
                           t->path, t->line, columns + 1, cell,
                           columns == 0 ? " (names belong in a file of their own, one per line)" : "");
        if (!add_number(t, columns, value)) return false;
    }
    if (t->rows++ == 0) t->columns = columns;
    return columns == t->columns ||
           bl_fail(t->err, BL_ERR_INPUT, "%s: line %zu has %zu numbers, the first row has %zu", t->path,
                   t->line, columns, t->columns);
}

static char separator_of(const char *line) {
    static const char known[] = ",;\t ";
    for (const char *s = known; *s; s++)
        if (strchr(line, *s)) return *s;
    return ',';
}

static bool read_text(table *t, char *text) {
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0) text += 3; /* of editors on Windows */
    for (char *line; (line = strsep(&text, "\n")) != NULL;) {
        t->line++;
        if (!*skip_blanks(line)) continue;
        if (!t->separator) {
            t->separator = separator_of(skip_blanks(line));
            if (is_header(t, line)) continue;
        }
        if (!read_line(t, line)) return false;
    }
    return t->n > 0 || bl_fail(t->err, BL_ERR_INPUT, "%s: holds no number", t->path);
}

bool bl_csv_array_read(const char *path, bl_named_array *array, float **data, bl_error *err) {
    table t = {.path = path, .err = err};
    size_t size = 0;
    *data = NULL;
    char *text = bl_file_read(path, LIMIT, &size, err);
    if (!text) return false;
    t.point = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!t.point) {
        bl_free(text);
        return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    bool ok = bl_text_check(text, size, path, err) && read_text(&t, text);
    freelocale(t.point);
    bl_free(text);
    if (!ok) {
        free(t.data);
        return false;
    }
    *data = t.data;
    *array = (bl_named_array){.data = t.data, .n_dims = 2, .shape = {t.rows, t.columns}};
    return true;
}
