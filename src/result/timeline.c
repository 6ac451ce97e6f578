/* The snapshots of a training run, each beside the last one (docs/specification.md, 16): when does a
 * direction's form take its shape? */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include <bilens/evidence.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Folders of a directory that hold a model. */
typedef struct folders {
    char **paths; /* [n] by name */
    size_t n;
    int failure; /* errno where the directory could not be read, or 0 */
} folders;

static void folders_free(folders *f) {
    for (size_t i = 0; f->paths && i < f->n; i++) free(f->paths[i]);
    free(f->paths);
    *f = (folders){0};
}

/* Adds the folder if it holds a model. False without memory. */
static bool add_folder(folders *out, const char *directory, const char *name, bl_error *err) {
    char *path = bl_path_join(directory, name, err),
         *config = path ? bl_path_join(path, "config.json", err) : NULL;
    bool ok = config != NULL;
    if (ok && access(config, R_OK) == 0) out->paths[out->n++] = path;
    else free(path);
    free(config);
    return ok;
}

/* False without memory. */
static bool find_folders(const char *directory, folders *out, bl_error *err) {
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_visible, alphasort);
    *out = (folders){.failure = count < 0 ? errno : 0};
    if (out->failure == ENOMEM) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    bool ok = count <= 0 || (out->paths = bl_alloc_zero((size_t)count, sizeof *out->paths, err)) != NULL;
    for (int i = 0; i < count; i++) {
        ok = ok && add_folder(out, directory, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    if (!ok) folders_free(out);
    return ok;
}

/* The snapshots in `directory`, or in its folder "snapshots", where a training run puts them. */
static bool find_snapshots(const char *directory, folders *out, bl_error *err) {
    if (!find_folders(directory, out, err)) return false;
    if (out->failure)
        return bl_fail(err, BL_ERR_USAGE, "--timeline: %s cannot be read as a folder: %s", directory,
                       strerror(out->failure));
    if (out->n >= 2) return true;
    folders inner = {0};
    char *path = bl_path_join(directory, "snapshots", err);
    bool ok = path && find_folders(path, &inner, err);
    free(path);
    if (!ok) return false;
    if (inner.n >= 2) {
        folders_free(out);
        *out = inner;
        return true;
    }
    folders_free(&inner);
    return bl_fail(err, BL_ERR_USAGE,
                   "--timeline: %s holds %zu folders with a config.json, and so many are not in its folder "
                   "snapshots: at least two snapshots are needed (bilens train --snapshots N writes them)",
                   directory, out->n);
}

/* One row: a snapshot beside the last one. */
static bool put_snapshot(bl_builder *b, bl_tree *list, const char *path, const bl_diff_question *q) {
    bl_model *model = bl_model_load(path, b->err);
    bl_diff_question own = *q;
    own.a = model;
    bl_tree *diff = model ? bl_diff_tree(&own, b->err) : NULL;
    bl_tree *row = bl_put_object(b, list, NULL);
    bl_put_text(b, row, "snapshot", strrchr(path, '/') + 1);
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

static bl_tree *tree_of(const char *directory, const folders *found, const bl_diff_question *q,
                        const bl_progress *progress, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "timeline", directory);
    bl_put_count(&b, root, "layer", q->layer);
    bl_tree *list = bl_put_array(&b, root, "snapshots");
    for (size_t i = 0; i < found->n && !b.failed; i++)
        b.failed = !bl_progress_step(progress, "comparing", i, found->n, err) ||
                   !put_snapshot(&b, list, found->paths[i], q);
    return bl_tree_built(&b, root);
}

bl_tree *bl_timeline_tree(const char *directory, size_t layer, const char *const *tokens, size_t n_tokens,
                          bl_progress progress, bl_error *err) {
    folders found = {0};
    bl_tree *root = NULL;
    bl_error_clear(err);
    bl_model *last =
        find_snapshots(directory, &found, err) ? bl_model_load(found.paths[found.n - 1], err) : NULL;
    if (last && layer >= bl_model_config(last)->n_layer)
        bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 to %zu", layer,
                bl_model_config(last)->n_layer - 1);
    else if (last) {
        const bl_diff_question q = {.b = last, .layer = layer, .tokens = tokens, .n_tokens = n_tokens};
        root = tree_of(directory, &found, &q, &progress, err);
    }
    bl_model_free(last);
    folders_free(&found);
    return root;
}

bl_table *bl_timeline_rows(const bl_tree *tree, bl_error *err) {
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
