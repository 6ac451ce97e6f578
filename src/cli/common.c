#include "base/error.h"
#include "base/file.h"
#include "cli/common.h"
#include "cli/hub.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STDIN_LIMIT ((size_t)1 << 30)

static void set_error(bl_error *err, bl_code code, const char *text, const char *name) {
    err->code = code;
    snprintf(err->message, sizeof err->message, text, name);
}

/* "folder/name" if it exists. */
static char *existing(const char *folder, const char *between, const char *name) {
    char *path = NULL;
    if (asprintf(&path, "%s%s/%s", folder, between, name) < 0) return NULL;
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

char *default_data(const char *name, bl_error *err) {
    const char *folder = getenv("BILENS_DATA");
    char self[PATH_MAX], *path = NULL;
    if (folder && *folder) {
        path = existing(folder, "", name);
    } else {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = '\0';
        char *slash = strrchr(self, '/');
        if (slash) *slash = '\0';
        path = existing(self, "/../data", name);
        if (!path) path = existing(self, "/../share/bilens", name);
    }
    if (!path)
        set_error(err, BL_ERR_INPUT,
                  "the embedded default '%s' is not here (it is looked for in $BILENS_DATA, beside the build "
                  "folder and where bilens was installed): name a MODEL and a --corpus",
                  name);
    return path;
}

void note_warnings(const common *c, const bl_model *model) {
    for (size_t i = 0; model && ranks_first() && i < bl_model_n_warnings(model); i++)
        note(c, "bilens: warning: %s", bl_model_warning(model, i));
}

bl_model *load_model(common *c, bl_error *err) {
    if (!c->model) {
        c->default_model = default_data("stories-1-256", err);
        if (!c->default_model) return NULL;
        c->model = c->default_model;
    }
    bl_model *model = is_hub_model(c->model) ? load_hub_model(c, err) : bl_model_load(c->model, err);
    if (model && c->surrogate) {
        bl_surrogate_free(c->stands_in);
        c->stands_in = bl_surrogate_read(c->surrogate, model, err);
        if (!c->stands_in) {
            bl_model_free(model);
            return NULL;
        }
        bl_model_adopt(model, c->stands_in);
    }
    note_warnings(c, model);
    return model;
}

void corpus_options_free(corpus_options *options) { text_list_free(&options->files); }

void note_corpus(const common *c, bl_corpus *corpus, const bl_model *model) {
    const char *text = bl_corpus_note(corpus, bl_model_config(model)->n_ctx);
    if (text && ranks_first()) note(c, "bilens: note: %s", text);
}

bl_corpus *open_corpus(const corpus_options *options, bl_error *err) {
    const text_list *paths = &options->files;
    for (size_t i = 0; i < paths->n && ranks_started(); i++)
        if (strcmp(paths->items[i], "-") == 0) {
            set_error(err, BL_ERR_USAGE, "--corpus -: mpirun gives standard input to one rank only%s",
                      ": name a file");
            return NULL;
        }
    char *path = paths->n ? NULL : default_data("stories.txt", err);
    if (!paths->n && !path) return NULL;
    const char *one = path;
    bl_corpus *corpus = bl_corpus_open(path ? &one : paths->items, path ? 1 : paths->n, err);
    free(path);
    if (!corpus || bl_corpus_text_key(corpus, options->text_key, err)) return corpus;
    bl_corpus_free(corpus);
    return NULL;
}

void direction_options_free(direction_options *options) {
    text_list_free(&options->minus);
    index_list_free(&options->eigs);
    bl_direction_free(options->parsed);
}

int check_direction(const verb *self, const direction_options *options, const char *question) {
    if (!options->token && !options->file)
        return fail_usage(self, "--token is missing: %s (Or --direction TEXT)", question);
    if (!options->file) return -1;
    if (options->token) return fail_usage(self, "--token and --direction: a direction is one or the other");
    if (options->minus.n)
        return fail_usage(self, "--minus goes with --token; a --direction is taken as it is");
    if (options->centre)
        return fail_usage(self, "--centre-unembedding goes with --token; a --direction is taken as it is");
    return -1;
}

/* A file that exists or a name that only a file can have. "@FILE" is the grammar's. */
static bool names_file(const char *text) {
    static const char *const suffixes[] = {".npy", ".safetensors"};
    if (*text == '@') return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const char *at = strstr(text, suffixes[i]);
        char next = at ? at[strlen(suffixes[i])] : ' ';
        if (next == '\0' || next == ':') return true;
    }
    return access(text, F_OK) == 0;
}

bool read_direction(direction_options *options, bl_error *err) {
    if (!options->file || options->parsed || names_file(options->file)) return true;
    options->parsed = bl_direction_parse(options->file, err);
    return options->parsed != NULL;
}

bl_direction as_direction(const direction_options *options) {
    if (options->parsed) return *options->parsed;
    bool all = options->minus_all || (options->minus.n == 1 && strcmp(options->minus.items[0], "*") == 0);
    return (bl_direction){.token = options->token,
                          .minus = options->minus.items,
                          .n_minus = all ? 0 : options->minus.n,
                          .minus_all = all,
                          .centre_unembedding = options->centre,
                          .source = options->file};
}

bool choose_eigs(const bl_model *model, direction_options *options, bl_error *err) {
    static const long eight[] = {-1, -2, -3, -4, 0, 1, 2, 3};
    long n = (long)bl_interaction_size(model);
    if (!options->eigs.n) {
        options->eigs.items = calloc(8, sizeof *options->eigs.items);
        if (!options->eigs.items) {
            set_error(err, BL_ERR_MEMORY, "out of memory%s", "");
            return false;
        }
        for (size_t i = 0; i < 8; i++) { /* a spectrum of fewer than eight: none twice */
            bool fits = eight[i] < 0 ? -eight[i] <= (n + 1) / 2 : eight[i] < n / 2;
            if (fits) options->eigs.items[options->eigs.n++] = eight[i];
        }
        return true;
    }
    for (size_t i = 0; i < options->eigs.n; i++) {
        long index = options->eigs.items[i];
        if (index >= -n && index < n) continue;
        err->code = BL_ERR_USAGE;
        snprintf(err->message, sizeof err->message,
                 "--eigs: eigenvector %ld does not exist; there are %ld: 0 to %ld, or -1 to %ld from the end",
                 index, n, n - 1, -n);
        return false;
    }
    return true;
}

bl_eigen *decompose(const bl_model *model, direction_options *options, bool all, bl_error *err) {
    long n = (long)bl_interaction_size(model), k = 1;
    for (size_t i = 0; i < options->eigs.n; i++) {
        long at = options->eigs.items[i] < 0 ? options->eigs.items[i] + n : options->eigs.items[i];
        long from_end = n - at < at + 1 ? n - at : at + 1;
        if (from_end > k) k = from_end;
    }
    bl_bilinear map; /* refused before the direction is looked for */
    if (!bl_model_bilinear(model, options->layer, &map, err) || !read_direction(options, err)) return NULL;
    bl_direction direction = as_direction(options);
    bl_basis basis = bl_model_basis_out(model);
    float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
    bl_eigen *eigen = NULL;
    if (!u) set_error(err, BL_ERR_MEMORY, "out of memory%s", "");
    else if (bl_direction_vector(&direction, &basis, u, err))
        eigen = bl_eigen_new(model, options->layer, u, all || k > n / 8 ? 0 : (size_t)k, err);
    free(u);
    return eigen;
}

char *read_stdin(size_t *size, bl_error *err) {
    char *text = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        if (capacity - n < 2) {
            capacity = capacity ? 2 * capacity : 65536;
            char *grown = capacity <= STDIN_LIMIT ? realloc(text, capacity) : NULL;
            if (!grown) {
                set_error(err, BL_ERR_INPUT, "standard input is too long%s", "");
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
            set_error(err, BL_ERR_CANCELLED, "interrupted%s", "");
            free(text);
            return NULL;
        }
        set_error(err, BL_ERR_INPUT, "standard input cannot be read: %s", strerror(errno));
        free(text);
        return NULL;
    }
    text[n] = '\0';
    if (size) *size = n;
    if (size || !memchr(text, '\0', n)) return text;
    set_error(err, BL_ERR_INPUT, "standard input holds NUL: it is no text in UTF-8%s", " (is it UTF-16?)");
    free(text);
    return NULL;
}

/* Cuts list->storage at its line ends; lines of nothing are left out. */
static bool cut_lines(const char *name, const char *path, text_list *list, size_t n, bl_error *err) {
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, as editors on Windows write it */
    char *text = list->storage, *line;
    size_t lines = 1;
    if (memchr(text, '\0', n))
        return bl_fail(err, BL_ERR_INPUT, "%s %s: holds NUL: it is no text in UTF-8 (is it UTF-16?)", name,
                       path);
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

bl_tree *add_basis(bl_tree *tree, const bl_model *model, const bl_eigen *eigen, const char *path,
                   bl_error *err) {
    if (!tree || !path) return tree;
    bl_dictionary *a = bl_dictionary_read(path, bl_model_config(model)->d_model, err);
    bool ok = a && bl_eigen_tree_read_in(tree, eigen, a, err);
    bl_dictionary_free(a);
    if (ok) return tree;
    bl_tree_free(tree);
    return NULL;
}

bool parse_precision(const char *text, bl_precision *out, bl_error *err) {
    static const char *const names[] = {"f32", "bf16", "auto"};
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (bl_precision)i;
            return true;
        }
    return !text || bl_fail(err, BL_ERR_USAGE, "--precision: '%.60s' is not one of f32, bf16, auto", text);
}
