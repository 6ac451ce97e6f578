#include "base/error.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fail_with(const verb *self, const bl_error *err) {
    bool speaks = ranks_first(); /* ranks agree on failures, and rank 0 tells of them */
    if (err->code == BL_ERR_CANCELLED || interrupt_requested()) { /* what fails then fails because of that */
        if (speaks) fprintf(stderr, "bilens: %s: interrupted; no file was left half-written\n", self->name);
        ranks_agree(true, NULL); /* mpirun ends the others as soon as one dies: not before this is said */
        interrupt_die();
    }
    char message[sizeof err->message];
    const char *reason = err->message[0] ? err->message : "out of memory"; /* nothing else fails unsaid */
    bl_escape(reason, message, sizeof message);
    if (speaks) fprintf(stderr, "bilens: %s: %s\n", self->name, message);
    return err->code == BL_ERR_USAGE || err->code == BL_ERR_INPUT || err->code == BL_ERR_UNSUPPORTED ? 2 : 1;
}

int fail_output(const verb *self) {
    if (errno == EPIPE) return 141;
    fprintf(stderr, "bilens: %s: writing to standard output failed: %s\n", self->name, strerror(errno));
    return 1;
}

int fail_usage(const verb *self, const char *format, ...) {
    char raw[2048], message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(arguments);
    bl_escape(raw, message, sizeof message);
    fprintf(stderr, "bilens: %s: %s; see 'bilens %s --help'\n", self->name, message, self->name);
    return 2;
}

void note(const common *c, const char *format, ...) {
    if (c->quiet) return;
    va_list arguments;
    char raw[2048], message[2048];
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments); /* NOLINT(clang-analyzer-valist.Uninitialized) */
    va_end(arguments);
    bl_escape(raw, message, sizeof message);
    fprintf(stderr, "%s\n", message);
}

void text_list_free(text_list *list) {
    free(list->items);
    free(list->storage);
    *list = (text_list){0};
}

void index_list_free(index_list *list) {
    free(list->items);
    *list = (index_list){0};
}

void common_free(common *c) {
    bl_surrogate_free(c->stands_in);
    free(c->default_model);
    free(c->folder);
}

static bool parse_count(const char *text, size_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value > SIZE_MAX / 4) return false;
    *out = (size_t)value;
    return true;
}

/* Splits at commas. A comma itself is written as its id, #14. */
static bool parse_tokens(const char *text, text_list *list) {
    size_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    text_list_free(list);
    list->storage = strdup(text);
    list->items = calloc(n, sizeof *list->items);
    if (!list->storage || !list->items) return false;
    char *rest = list->storage, *part;
    while ((part = strsep(&rest, ",")) != NULL) {
        if (!*part) return false;
        list->items[list->n++] = part;
    }
    return true;
}

static bool parse_indices(const char *text, index_list *list) {
    text_list parts = {0};
    bool ok = parse_tokens(text, &parts);
    index_list_free(list);
    list->items = ok ? calloc(parts.n, sizeof *list->items) : NULL;
    ok = list->items != NULL;
    for (size_t i = 0; ok && i < parts.n; i++) {
        char *end;
        errno = 0;
        list->items[list->n++] = strtol(parts.items[i], &end, 10);
        ok = end != parts.items[i] && !*end && !errno;
    }
    text_list_free(&parts);
    return ok;
}

static bool is_option(const char *argument) { return argument[0] == '-' && argument[1] != '\0'; }

/* The arguments from argv[i] up to the next option; advances *i to the last one taken. */
static bool parse_files(int argc, char **argv, int *i, text_list *list) {
    for (bool first = true; *i < argc && (first || !is_option(argv[*i])); first = false, ++*i) {
        const char **grown = realloc(list->items, (list->n + 1) * sizeof *grown);
        if (!grown) return false;
        list->items = grown;
        list->items[list->n++] = argv[*i];
    }
    --*i;
    return true;
}

static bool set_option(const option *o, const char *value) {
    char *end;
    switch (o->kind) {
    case OPTION_TEXT:
    case OPTION_OUTPUT: *(const char **)o->target = value; return true;
    case OPTION_COUNT: return parse_count(value, o->target);
    case OPTION_REAL:
        errno = 0;
        *(double *)o->target = strtod(value, &end);
        return end != value && !*end && !errno;
    case OPTION_TOKENS: return parse_tokens(value, o->target);
    case OPTION_INDICES: return parse_indices(value, o->target);
    default: return false;
    }
}

static const char *expected(option_kind kind) {
    static const char *const names[] = {"",
                                        "a text",
                                        "a whole number from 0",
                                        "a number",
                                        "tokens separated by commas",
                                        "whole numbers separated by commas",
                                        "a file's name",
                                        "files"};
    return names[kind];
}

static const option *find(const option *table, const char *name, size_t length) {
    for (; table->name; table++)
        if (strlen(table->name) == length && strncmp(table->name, name, length) == 0) return table;
    return NULL;
}

/* --format and, of drawings, --theme, which a verb that draws figures has by itself. */
static int set_format(const verb *self, common *c, const option *table, int formats) {
    static const char *const names[] = {"table", "json", "csv", "latex", "svg"};
    const option *own = find(table, "theme", 5);
    const char *theme = own ? *(const char **)own->target : c->theme;
    char known[64] = "table";
    c->dark = theme && strcmp(theme, "dark") == 0;
    if (theme && !c->dark && strcmp(theme, "light") != 0)
        return fail_usage(self, "--theme: '%s' is not one of light, dark", theme);
    for (int f = 0; f < 5; f++) {
        if (!(formats & (1 << f))) continue;
        if (f) snprintf(known + strlen(known), sizeof known - strlen(known), ", %s", names[f]);
        if (c->format_text && strcmp(c->format_text, names[f]) == 0) c->format = (output_format)f;
    }
    if (c->format_text && strcmp(c->format_text, names[c->format]) != 0)
        return fail_usage(self, "--format: '%s' is not one of %s", c->format_text, known);
    if (c->theme && c->format != FORMAT_SVG)
        return fail_usage(self, "--theme is of a drawing: ask for one with --format svg");
    return -1;
}

static int parse_all(int argc, char **argv, const verb *self, common *c, const option *table,
                     const option *shared, bool has_model) {
    bool ended = false; /* by --: what follows are no options */
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
            continue;
        }
        if (ended || !is_option(argument)) {
            int here = 0;
            if (c->words && !c->model) c->model = argument; /* what is read, and never written over */
            if (c->words && parse_files(1, argv + i, &here, c->words)) continue;
            if (c->words) return fail_usage(self, "out of memory");
            const char **place = c->model && c->two_models ? &c->other : &c->model;
            if (!has_model || *place) return fail_usage(self, "unexpected argument '%s'", argument);
            *place = argument;
            continue;
        }
        const char *name = argument[1] == '-' ? argument + 2 : argument + 1, *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        if ((argument[1] == '-') != (length > 1)) length = 0; /* -token and --o are no options */
        const option *o = find(table, name, length);
        if (!o) o = find(shared, name, length);
        if (!o && strcmp(argument, "-h") == 0) o = find(shared, "help", 4);
        if (!o) return fail_usage(self, "unknown option '%s'", argument);
        if (o->target == &c->help && equals && help_form_find(equals + 1, &c->help_form)) {
            c->help = true;
            continue;
        }
        if (o->kind == OPTION_FLAG) {
            if (equals) return fail_usage(self, "%.*s takes no value", (int)(equals - argument), argument);
            *(bool *)o->target = true;
            continue;
        }
        if (!equals && i + 1 >= argc) return fail_usage(self, "%s needs %s", argument, expected(o->kind));
        if (o->kind == OPTION_FILES && !equals) {
            i++;
            if (!parse_files(argc, argv, &i, o->target)) return fail_usage(self, "out of memory");
            continue;
        }
        const char *value = equals ? equals + 1 : argv[++i];
        int one = 0;
        char *single = (char *)(uintptr_t)value;
        if (o->kind == OPTION_FILES ? !parse_files(1, &single, &one, o->target) : !set_option(o, value))
            return fail_usage(self, "%s: '%s' is not %s", argument, value, expected(o->kind));
    }
    return -1;
}

/* OMP_NUM_THREADS ("4" or "4,2"), 0 when it is not set or no number. */
static size_t threads_of_environment(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n <= 4096 ? (size_t)n : 0;
}

static int parse(int argc, char **argv, const verb *self, common *c, const option *table, int formats,
                 const char *output_help, bool has_model) {
    option shared[10];
    size_t n = 0;
    if (output_help) shared[n++] = (option){"o", OPTION_TEXT, &c->output, "PATH", output_help};
    if (formats)
        shared[n++] =
            (option){"format", OPTION_TEXT, &c->format_text, "F",
                     formats & FORMATS_LATEX ? "table (default), json, csv, latex or svg, on standard output"
                     : formats & FORMATS_CSV ? "table (default), json or csv, on standard output"
                                             : "table (default) or json, on standard output"};
    if (formats & FORMATS_SVG && !find(table, "theme", 5))
        shared[n++] =
            (option){"theme", OPTION_TEXT, &c->theme, "T", "with --format svg: light (default) or dark"};
    if (formats & FORMATS_CSV)
        shared[n++] = (option){"csv-safe", OPTION_FLAG, &c->csv_safe, NULL,
                               "in CSV, an apostrophe before texts that a spreadsheet would run (= + - @)"};
    shared[n++] = (option){"color", OPTION_TEXT, &c->colour_text, "WHEN",
                           "auto (default), always, 256 or never; NO_COLOR is honoured"};
    shared[n++] = (option){"threads", OPTION_COUNT, &c->threads, "N",
                           "threads to compute with (default: OMP_NUM_THREADS, or all cores)"};
    shared[n++] = (option){"quiet", OPTION_FLAG, &c->quiet, NULL, "no progress bar, no notes"};
    shared[n++] = (option){"help", OPTION_FLAG, &c->help, NULL, "this text"};
    shared[n] = (option){0};
    int status = parse_all(argc, argv, self, c, table, shared, has_model);
    if (c->help) {
        help_verb(c->help_form, self, table, shared, has_model);
        return 0;
    }
    if (status >= 0) return status;
    if (!terminal_colour(c->colour_text, &c->colour))
        return fail_usage(self, "--color: '%s' is not one of auto, always, 256, never", c->colour_text);
    if (c->threads > 4096) return fail_usage(self, "--threads: at most 4096");
    c->width = terminal_width();
    if (!c->threads) c->threads = threads_of_environment();
    bl_set_threads((int)c->threads);
    status = set_format(self, c, table, formats);
    return status >= 0 ? status : outputs_check(self, c, table, formats);
}

/* The lists that were read before something was found wrong. */
static void release(const option *table) {
    for (const option *o = table; o->name; o++) {
        if (o->kind == OPTION_TOKENS || o->kind == OPTION_FILES) text_list_free(o->target);
        if (o->kind == OPTION_INDICES) index_list_free(o->target);
    }
}

int options_parse(int argc, char **argv, const verb *self, common *c, const option *table, int formats,
                  const char *output_help, bool has_model) {
    int status = parse(argc, argv, self, c, table, formats, output_help, has_model);
    if (status >= 0) release(table);
    return status;
}
