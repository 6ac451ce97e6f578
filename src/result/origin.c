/* Where a report comes from: the command, and the files that were read with their SHA-256, so that it can be
 * made again and checked by sha256sum alone.
 *
 *     "origin": {"command", "files": [{"of": "model", "name", "sha256"}, …]}
 *
 * What changes no byte of the report (threads, ranks, where it is written) is no part of it. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <bilens/hub.h>
#include <bilens/result.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool put_file(bl_builder *b, bl_tree *files, const char *of, const char *path) {
    char hash[65] = "";
    const char *slash = strrchr(path, '/');
    if (!bl_file_sha256(path, hash, b->err)) {
        b->failed = true;
        return false;
    }
    bl_tree *file = bl_put_object(b, files, NULL);
    bl_put_text(b, file, "of", of);
    bl_put_text(b, file, "name", slash ? slash + 1 : path);
    bl_put_text(b, file, "sha256", hash);
    return !b->failed;
}

/* What a model's or a dictionary's folder is read from. */
static int is_read(const struct dirent *entry) {
    const char *suffix = strrchr(entry->d_name, '.');
    if (entry->d_name[0] == '.' || !suffix) return 0;
    return strcmp(suffix, ".json") == 0 || strcmp(suffix, ".safetensors") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void put_folder(bl_builder *b, bl_tree *files, const char *of, const char *path) {
    struct dirent **entries = NULL;
    int n = scandir(path, &entries, is_read, by_bytes);
    if (n < 0) {
        bl_builder_fail(b, BL_ERR_INPUT, "%s: cannot be read: %s", path, strerror(errno));
        return;
    }
    for (int i = 0; i < n; i++) {
        char *inside = b->failed ? NULL : bl_path_join(path, entries[i]->d_name, b->err);
        if (!inside) b->failed = true;
        else if (!bl_is_directory(inside)) put_file(b, files, of, inside);
        free(inside);
        free(entries[i]);
    }
    free(entries);
}

bool bl_report_add_origin(bl_tree *report, const char *command, const bl_origin_file *read, size_t n,
                          bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, report, "origin");
    if (command) bl_put_text(&b, root, "command", command);
    bl_tree *files = bl_put_array(&b, root, "files");
    for (size_t i = 0; i < n && !b.failed; i++) {
        if (bl_is_directory(read[i].path)) put_folder(&b, files, read[i].of, read[i].path);
        else put_file(&b, files, read[i].of, read[i].path);
    }
    return !b.failed;
}
