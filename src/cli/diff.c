#include "base/error.h"
#include "base/file.h"
#include "cli/evidence.h"
#include "cli/figure_options.h"
#include "cli/verbs.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

typedef struct asked {
    evidence e;
    const char *other;
    const char *timeline, *plot;
    figure_options figure;
    text_list tokens;
    size_t changed;
} asked;

static bl_tree *diff_of(asked *a, bl_error *err) {
    evidence *e = &a->e;
    bl_tree *tree = NULL;
    common c = {.model = e->c.other, .quiet = e->c.quiet};
    bl_model *other = evidence_model(e, false, err) ? load_model(&c, err) : NULL;
    if (other && e->d.layer >= bl_model_config(other)->n_layer)
        bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist in %s, whose layers are 0 to %zu", e->d.layer,
                e->c.other, bl_model_config(other)->n_layer - 1);
    else if (other && (!e->d.token || (choose_eigs(bl_interaction_size(e->model), &e->d, err) &&
                                       evidence_direction(e, err)))) {
        bl_diff_question q = {.a = e->model,
                              .b = other,
                              .layer = e->d.layer,
                              .tokens = a->tokens.items,
                              .n_tokens = a->tokens.n,
                              .changed = a->changed,
                              .direction = e->d.token ? &e->direction : NULL,
                              .indices = e->d.eigs.items,
                              .n_indices = e->d.token ? e->d.eigs.n : 0};
        tree = bl_diff_tree(&q, err);
    }
    bl_model_free(other);
    return tree;
}

/* ---- --timeline ---- */

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* The folders of `directory` that hold a model, by name; *n of them. */
static char **find_snapshots(const char *directory, size_t *n, bl_error *err) {
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_visible, alphasort), failure = errno;
    char **paths = count > 0 ? calloc((size_t)count, sizeof *paths) : NULL;
    bool memory = count < 1 ? failure != ENOMEM : paths != NULL;
    *n = 0;
    for (int i = 0; i < count; i++) {
        char *path = memory ? bl_path_join(directory, entries[i]->d_name, err) : NULL,
             *config = path ? bl_path_join(path, "config.json", err) : NULL;
        memory = memory && config;
        if (memory && access(config, R_OK) == 0) paths[(*n)++] = path;
        else free(path);
        free(config);
        free(entries[i]);
    }
    free(entries);
    while (!memory && *n > 0) free(paths[--*n]);
    if (!memory) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    else if (count < 0)
        bl_fail(err, BL_ERR_USAGE, "--timeline: %s cannot be read as a folder: %s", directory,
                strerror(failure));
    else if (*n < 2)
        bl_fail(err, BL_ERR_USAGE,
                "--timeline: %s holds %zu folders with a config.json: at least two snapshots are needed",
                directory, *n);
    return paths;
}

/* One row: a snapshot beside the last one. */
static bool put_snapshot(bl_builder *b, bl_tree *list, const asked *a, const char *path,
                         const bl_model *last) {
    bl_model *model = bl_model_load(path, b->err);
    note_warnings(&a->e.c, model);
    bl_diff_question q = {
        .a = model, .b = last, .layer = a->e.d.layer, .tokens = a->tokens.items, .n_tokens = a->tokens.n};
    bl_tree *diff = model ? bl_diff_tree(&q, b->err) : NULL;
    const char *name = strrchr(path, '/') + 1;
    bl_tree *row = bl_put_object(b, list, NULL);
    bl_put_text(b, row, "snapshot", name);
    if (diff) {
        bl_put_real(b, row, "frobenius", bl_tree_real(diff, "frobenius"));
        bl_put_real(b, row, "similarity", bl_tree_real(diff, "similarity"));
        bl_put_tree(b, row, "tokens", json_incref(json_object_get(diff, "tokens")));
    } else {
        b->failed = true;
    }
    bl_tree_free(diff);
    bl_model_free(model);
    return !b->failed;
}

static bl_tree *timeline_of(asked *a, bl_error *err) {
    size_t n = 0;
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    char **paths = find_snapshots(a->timeline, &n, err);
    bl_model *last = n >= 2 ? bl_model_load(paths[n - 1], err) : NULL;
    if (a->e.d.layer == NO_LAYER) a->e.d.layer = 0;
    if (last && a->e.d.layer >= bl_model_config(last)->n_layer) {
        bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 to %zu", a->e.d.layer,
                bl_model_config(last)->n_layer - 1);
    } else if (last) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_text(&b, root, "timeline", a->timeline);
        bl_put_count(&b, root, "layer", a->e.d.layer);
        bl_tree *list = bl_put_array(&b, root, "snapshots");
        for (size_t i = 0; i < n && put_snapshot(&b, list, a, paths[i], last); i++) continue;
        root = bl_tree_built(&b, root);
    }
    bl_model_free(last);
    for (size_t i = 0; paths && i < n; i++) free(paths[i]);
    free(paths);
    return root;
}

static bl_table *timeline_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("snapshot,what,cosine", err);
    size_t i, t;
    const json_t *snapshot, *token;
    json_array_foreach(json_object_get(tree, "snapshots"), i, snapshot) {
        static const char *const keys[] = {"frobenius", "similarity"};
        for (size_t k = 0; k < 2; k++) {
            bl_table_text(rows, bl_tree_string(snapshot, "snapshot"));
            bl_table_text(rows, keys[k]);
            bl_table_real(rows, bl_tree_real(snapshot, keys[k]));
        }
        json_array_foreach(json_object_get(snapshot, "tokens"), t, token) {
            bl_table_text(rows, bl_tree_string(snapshot, "snapshot"));
            bl_table_text(rows, bl_tree_string(token, "token"));
            bl_table_real(rows, bl_tree_real(token, "cosine"));
        }
    }
    return rows;
}

static bl_tree *make(void *context, bl_error *err) {
    asked *a = context;
    bl_tree *tree = a->timeline ? timeline_of(a, err) : diff_of(a, err);
    if (tree && a->plot && !bl_timeline_figure(tree, &a->figure.how, a->plot, err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    return tree;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    return json_object_get(tree, "timeline") ? timeline_rows(tree, err) : bl_diff_rows(tree, err);
}

static char *table_of(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    if (!json_object_get(tree, "timeline")) return bl_diff_table(tree, terminal, err);
    bl_table *rows = timeline_rows(tree, err);
    char *text = bl_table_shown(rows, terminal, err);
    bl_table_free(rows);
    return text;
}

static int check(const verb *self, void *context) {
    asked *a = context;
    const evidence *e = &a->e;
    int status = check_figure(self, &a->figure, "--plot", a->plot != NULL || a->e.c.format == FORMAT_SVG);
    if (status >= 0) return status;
    if (a->plot && !a->timeline) return fail_usage(self, "--plot goes with --timeline");
    if (a->timeline && (e->c.model || e->d.token))
        return fail_usage(self, "--timeline takes the models of a folder, and --tokens instead of --token");
    if (!a->timeline && !e->c.other) return fail_usage(self, "two models are needed: bilens diff A B");
    if (!e->d.token && (e->d.minus.n || e->d.eigs.n))
        return fail_usage(self, "--minus and --eigs go with --token");
    return -1;
}

static void release(void *context) {
    asked *a = context;
    text_list_free(&a->tokens);
    evidence_free(&a->e);
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.changed = 10, .e.c.two_models = true};
    const option table[] = {
        EVIDENCE_LAYER(a.e, "layer that is compared (default 0)"),
        {"timeline", OPTION_TEXT, &a.timeline, "DIR",
         "instead of two models: every snapshot of a training run in this folder, beside the last one"},
        {"plot", OPTION_OUTPUT, &a.plot, "FILE", "with --timeline: also draw the curves: .svg, .png or .pdf"},
        FIGURE_OPTIONS(a.figure),
        {"tokens", OPTION_TOKENS, &a.tokens, "T,T…", "also the cosine of these tokens' forms"},
        {"changed", OPTION_COUNT, &a.changed, "N", "list the N tokens whose forms changed most (default 10)"},
        {"token", OPTION_TEXT, &a.e.d.token, "T",
         "show the eigenvectors of the difference of this token's forms"},
        {"minus", OPTION_TOKENS, &a.e.d.minus, "T,T…",
         "contrast tokens of --token: their mean is subtracted"},
        {"eigs", OPTION_INDICES, &a.e.d.eigs, "I,I…", "which eigenvectors (default -1,-2,-3,-4,0,1,2,3)"},
        {0}};
    static const verb_work work = {check, make, release, {.table = table_of, .rows = rows_of}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_diff = {
    "diff", "how alike two models' layers are", run,
    "Compares one layer of two models or checkpoints of the same width: frobenius, the cosine of their "
    "third-order\n"
    "tensors; similarity, the cosine of what they compute from Gaussian inputs; and token by token the "
    "cosine of the two\n"
    "interaction matrices, of which the lowest are listed: the directions that changed most. Their "
    "coordinates must mean\n"
    "the same: two checkpoints of one run, not two seeds.",
    "  bilens diff runs/first runs/last --tokens swim,she\n"
    "  bilens diff --timeline runs/stories/snapshots --tokens swim,she --plot timeline.svg\n"
    "  bilens diff models/ts-1-256 runs/fine-tuned --token swim --format json\n"};
