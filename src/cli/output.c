#include "cli/output.h"
#include "base/error.h"
#include "base/visible.h"
#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAWN_COLUMNS 120 /* of a drawing, whatever the terminal has */

bl_terminal terminal_of(const common *c) {
    bl_terminal terminal = {.colour = c->colour,
                            .width = c->width,
                            .dark = terminal_dark(),
                            .fold = !c->all_sources,
                            .plain = c->plain};
    if (c->format != FORMAT_SVG) return terminal;
    terminal.colour = BL_COLOUR_24BIT;
    terminal.width = DRAWN_COLUMNS;
    terminal.dark = c->dark;
    return terminal;
}

/* A text for the terminal (taken), drawn where a drawing is asked for. */
static char *drawn(const common *c, char *text, bl_error *err) {
    if (c->format != FORMAT_SVG) return text;
    char *svg = bl_terminal_svg(text, c->dark, err);
    bl_free(text);
    return svg;
}

char *show_rows(const common *c, bl_table *rows, bl_error *err) {
    bl_terminal terminal = terminal_of(c);
    char *text = c->format == FORMAT_CSV   ? bl_table_csv(rows, c->csv_safe ? BL_CSV_SAFE : 0, err)
               : c->format == FORMAT_LATEX ? bl_table_latex(rows, err)
                                           : drawn(c, bl_table_shown(rows, &terminal, err), err);
    bl_table_free(rows);
    return text;
}

/* The table (taken) with a line on the surrogate before it, where the result has one. */
static char *with_quality(const bl_tree *tree, char *table, const bl_terminal *terminal, bl_error *err) {
    char *line = table ? bl_quality_line(tree, terminal, err) : NULL, *text = NULL;
    if (line && asprintf(&text, "%s%s", line, table) < 0) {
        text = NULL;
        bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    bl_free(line);
    bl_free(table);
    return text;
}

char *show_tree(const common *c, bl_tree *tree, const view *how, bl_error *err) {
    bl_terminal terminal = terminal_of(c);
    char *text = NULL;
    bool shown = c->format == FORMAT_TABLE || c->format == FORMAT_SVG;
    if (!tree) return NULL;
    if (c->format == FORMAT_JSON) text = bl_tree_text(tree, err);
    else if (shown && how->table) text = drawn(c, how->table(tree, &terminal, err), err);
    else if (c->format == FORMAT_LATEX && how->latex) text = how->latex(tree, &terminal, err);
    else if (!shown) text = show_rows(c, how->rows(tree, err), err);
    else {
        bl_table *rows = how->rows(tree, err);
        text = drawn(c, with_quality(tree, bl_table_shown(rows, &terminal, err), &terminal, err), err);
        bl_table_free(rows);
    }
    bl_tree_free(tree);
    return text;
}

bool print_bytes(FILE *out, const char *text, size_t n) {
    if (!isatty(fileno(out)) || ranks_started()) return fwrite(text, 1, n, out) == n;
    bl_buffer seen = {0};
    for (const char *end = text + n; text < end;
         text += strlen(text) + 1) { /* a NUL behind each but the last */
        bl_visible_terminal(&seen, text);
        if (text + strlen(text) < end) bl_visible_terminal(&seen, "\xE2\x90\x80");
    }
    bool ok = !seen.failed && fwrite(seen.data ? seen.data : "", 1, seen.n, out) == seen.n;
    bl_buffer_free(&seen);
    return ok;
}

bool print_text(FILE *out, const char *text) { return print_bytes(out, text, strlen(text)); }

int write_stdout(const verb *self, const char *text) {
    errno = 0;
    if (print_text(stdout, text) && fflush(stdout) == 0) return 0;
    return fail_output(self);
}

int write_result(const verb *self, const common *c, char *text, const bl_error *made) {
    if (!text) return fail_with(self, made);
    bl_error err = {0};
    int status = 0;
    if (!ranks_first()) status = 0;
    else if (!c->output) status = write_stdout(self, text);
    else if (!bl_text_write(c->output, text, &err)) status = fail_with(self, &err);
    bl_free(text);
    return status;
}

/* A surrogate that is worth little is warned of, whatever the format. */
static void note_quality(const common *c, const bl_tree *tree) {
    const bl_tree *quality = tree ? json_object_get(tree, "surrogate") : NULL;
    if (quality && (bl_tree_real(quality, "r2") < 0.8 || bl_tree_real(quality, "recovered") < 0.9))
        note(c, "bilens: warning: the surrogate is a weak one: do not read single eigenvectors as what the "
                "model does");
}

int write_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err) {
    note_quality(c, tree);
    return write_result(self, c, show_tree(c, tree, how, err), err);
}

int verb_run(int argc, char **argv, const verb *self, common *c, const option *table, void *asked,
             const verb_work *work) {
    bl_error err = {0};
    int status = options_parse(argc, argv, self, c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    if (work->check) status = work->check(self, asked);
    if (status < 0) status = write_tree(self, c, work->make(asked, &err), &work->how, &err);
    work->release(asked);
    return status;
}

int tell_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err) {
    char *text = show_tree(c, tree, how, err);
    if (!text) return fail_with(self, err);
    int status = ranks_first() ? write_stdout(self, text) : 0;
    bl_free(text);
    return status;
}

static bool same_file(const struct stat *a, const char *path) {
    struct stat b;
    return stat(path, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* Whether `path` is this file, or a folder that holds it. */
static bool reads(const struct stat *target, const char *path) {
    bool found = same_file(target, path);
    DIR *folder = found ? NULL : opendir(path);
    for (struct dirent *entry; folder && !found && (entry = readdir(folder)) != NULL;) {
        struct stat file;
        found = fstatat(dirfd(folder), entry->d_name, &file, 0) == 0 && target->st_dev == file.st_dev &&
                target->st_ino == file.st_ino;
    }
    if (folder) closedir(folder);
    return found;
}

/* Whether an option's value reads the file: a name, perhaps with "@" before and ":TENSOR" or ":3" behind
 * it. */
static bool value_reads(const option *o, const char *value, const struct stat *target) {
    char path[PATH_MAX];
    bool direction = strcmp(o->name, "direction") == 0;
    bool folder = strstr(o->argument, "DIR") != NULL || strstr(o->argument, "DICT") != NULL;
    if (!direction && !folder && !strstr(o->argument, "FILE")) return false;
    if (direction && *value == '@') value++;
    if (strlen(value) >= sizeof path) return false;
    snprintf(path, sizeof path, "%s", value);
    for (char *colon; !(folder ? reads(target, path) : same_file(target, path)); *colon = '\0')
        if ((colon = strrchr(path, ':')) == NULL) return false;
    return true;
}

/* The model that lies in the folder `target`; NULL: none that is read. */
static const char *model_of(const common *c, const struct stat *target) {
    if (c->model && same_file(target, c->model)) return c->model;
    return c->other && same_file(target, c->other) ? c->other : NULL;
}

/* The first of the verb's inputs that is the file `target`; NULL: none. */
static const char *input_of(const common *c, const option *table, const struct stat *target) {
    static const char *const embedded[] = {"stories-1-256", "stories.txt"};
    if (c->model && reads(target, c->model)) return c->model;
    if (c->other && reads(target, c->other)) return c->other;
    for (size_t i = 0; i < 2; i++) {
        bl_error err = {0};
        char *path = default_data(embedded[i], &err);
        bool found = path && reads(target, path);
        free(path);
        if (found) return embedded[i];
    }
    for (const option *o = table; o->name; o++) {
        const text_list *files = o->kind == OPTION_FILES ? o->target : NULL;
        const char *path = o->kind == OPTION_TEXT ? *(const char **)o->target : NULL;
        if (path && value_reads(o, path, target)) return path;
        for (size_t i = 0; files && i < files->n; i++)
            if (same_file(target, files->items[i])) return files->items[i];
    }
    return NULL;
}

/* The folder that a file is to be made in can be written. */
static int check_folder(const verb *self, const char *name, const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int status = -1;
    if (folder && access(folder, W_OK | X_OK) != 0 && errno != ENOENT)
        status = fail_usage(self, "%s %s: cannot be written: %s", name, path, strerror(errno));
    free(folder);
    return status;
}

/* One path that the verb will write. */
static int check_output(const verb *self, const common *c, const option *table, const char *name,
                        const char *path) {
    struct stat target;
    if (!*path) return fail_usage(self, "%s: the name is empty (a variable that is not set?)", name);
    if (stat(path, &target) != 0)
        return errno == ENOENT
                 ? check_folder(self, name, path)
                 : fail_usage(self, "%s %s: cannot be written: %s", name, path, strerror(errno));
    const char *input = S_ISREG(target.st_mode) ? input_of(c, table, &target) : model_of(c, &target);
    if (input)
        return fail_usage(self, "%s %s: this is what is read (%s); it is not written over", name, path,
                          input);
    if (S_ISREG(target.st_mode)) return check_folder(self, name, path);
    if (S_ISDIR(target.st_mode) && access(path, W_OK | X_OK) != 0)
        return fail_usage(self, "%s %s: cannot be written: %s", name, path, strerror(errno));
    return -1;
}

int outputs_check(const verb *self, common *c, const option *table, int formats) {
    int status = -1;
    if (c->output && strcmp(c->output, "-") == 0) {
        if (!(formats & FORMATS_STREAM))
            return fail_usage(self, "-o -: what it writes is not one text, which standard output could take");
        c->output = NULL;
    }
    if (c->output) status = check_output(self, c, table, "-o", c->output);
    for (const option *o = table; status < 0 && o->name; o++) {
        const char *path = o->kind == OPTION_OUTPUT ? *(const char **)o->target : NULL;
        char name[64];
        snprintf(name, sizeof name, "--%.60s", o->name);
        if (path) status = check_output(self, c, table, name, path);
    }
    return status;
}
