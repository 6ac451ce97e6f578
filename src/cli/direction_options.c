#include "cli/direction_options.h"
#include "base/error.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* FOLDER:12, a row of a dictionary. */
static bool names_row(const char *text) {
    const char *colon = strrchr(text, ':');
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (!digits || colon[1 + digits]) return false;
    char *folder = strndup(text, (size_t)(colon - text));
    bool is = folder && bl_is_directory(folder);
    free(folder);
    return is;
}

/* A file that exists or a name that only a file can have. "@FILE" is the grammar's. */
static bool names_file(const char *text) {
    static const char *const suffixes[] = {".npy", ".csv", ".safetensors"};
    if (*text == '@') return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const char *at = strstr(text, suffixes[i]);
        char next = at ? at[strlen(suffixes[i])] : ' ';
        if (next == '\0' || next == ':') return true;
    }
    return access(text, F_OK) == 0 || names_row(text);
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

bool choose_eigs(size_t size, direction_options *options, bl_error *err) {
    static const long eight[] = {-1, -2, -3, -4, 0, 1, 2, 3};
    long n = (long)size;
    if (!options->eigs.n) {
        options->eigs.items = calloc(8, sizeof *options->eigs.items);
        if (!options->eigs.items) {
            return bl_fail(err, BL_ERR_MEMORY, "out of memory");
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
        return bl_fail(
            err, BL_ERR_USAGE,
            "--eigs: eigenvector %ld does not exist; there are %ld: 0 to %ld, or -1 to %ld from the end",
            index, n, n - 1, -n);
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
    if (!u) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    else if (bl_direction_vector(&direction, &basis, u, err))
        eigen = bl_eigen_new(model, options->layer, u, all || k > n / 8 ? 0 : (size_t)k, err);
    free(u);
    return eigen;
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
