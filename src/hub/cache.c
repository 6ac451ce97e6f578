/* The cache on disk, as the Python library lays it out:
 *
 *   CACHE/models--OWNER--NAME/blobs/HASH                     a content; HASH is its ETag: git's SHA-1, or
 * SHA-256 of a large file /blobs/HASH.incomplete          one that is being fetched, or was when something
 * stopped /refs/REVISION                  the commit that a branch or tag meant when it was asked for last
 *                            /snapshots/COMMIT/FILE          -> ../../blobs/HASH
 *   CACHE/.locks/models--OWNER--NAME/HASH.lock               flock'd while HASH is being fetched
 *   CACHE/CACHEDIR.TAG
 *
 * (datasets--… for data sets). Contents never change; only refs do. */
#include "hub/hub_private.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX_LIMIT ((size_t)64 << 20)

/* The parts, one after the other. */
static char *join(const char *const *parts, size_t n, bl_error *err) {
    bl_buffer text = {0};
    for (size_t i = 0; i < n; i++) bl_buffer_text(&text, parts[i]);
    return bl_buffer_take(&text, err);
}

#define JOIN(err, ...) \
    join((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), err)

bool bl_hub_store(bl_hub_job *job, bl_error *err) {
    const char *slash = strchr(job->name, '/'), *kind = job->request->data ? "datasets" : "models";
    char *owner = bl_strndup(job->name, (size_t)(slash - job->name), err);
    if (owner) job->store = JOIN(err, job->options->cache, "/", kind, "--", owner, "--", slash + 1);
    if (job->store)
        job->locks = JOIN(err, job->options->cache, "/.locks/", kind, "--", owner, "--", slash + 1);
    free(owner);
    return job->locks != NULL;
}

char *bl_hub_snapshot_path(const bl_hub_job *job, const char *commit, const char *name, bl_error *err) {
    return JOIN(err, job->store, "/snapshots/", commit, name ? "/" : "", name ? name : "");
}

char *bl_hub_blob_path(const bl_hub_job *job, const char *hash, const char *suffix, bl_error *err) {
    return JOIN(err, job->store, "/blobs/", hash, suffix);
}

bool bl_hub_cached_commit(const bl_hub_job *job, char commit[41], bl_error *err) {
    bl_error found = {0};
    size_t size = 0;
    commit[0] = '\0';
    if (bl_hub_is_hex(job->revision, 40)) {
        memcpy(commit, job->revision, 41);
        return true;
    }
    char *path = JOIN(&found, job->store, "/refs/", job->revision);
    char *text = path ? bl_file_read(path, 4096, &size, &found) : NULL;
    free(path);
    if (text) text[strcspn(text, " \r\n")] = '\0';
    if (text && bl_hub_is_hex(text, 40)) memcpy(commit, text, 41);
    free(text);
    if (found.code != BL_ERR_MEMORY) return true;
    return bl_fail(err, found.code, "%s", found.message);
}

/* The folder that `path` lies in. */
static bool make_parent(char *path, bl_error *err) {
    char *slash = strrchr(path, '/');
    *slash = '\0';
    bool ok = bl_make_directories(path, err);
    *slash = '/';
    return ok;
}

bool bl_hub_link(const bl_hub_job *job, const char *commit, const bl_hub_entry *file, bl_error *err) {
    const char *name = file->name;
    char process[32];
    bl_buffer target = {0};
    struct stat status;
    char *path = bl_hub_snapshot_path(job, commit, name, err), *to = NULL, *beside = NULL;
    bool ok = path != NULL;
    if (ok && stat(path, &status) == 0 && (uint64_t)status.st_size == file->size)
        goto done; /* linked, or a copy where links cannot be made */
    snprintf(process, sizeof process, ".%ld", (long)getpid());
    for (const char *c = name; *c; c++)
        if (*c == '/') bl_buffer_text(&target, "../");
    bl_buffer_print(&target, "../../blobs/%s", file->hash);
    to = bl_buffer_take(&target, err);
    beside = ok && to ? JOIN(err, path, process, ".tmp") : NULL;
    ok = beside && make_parent(path, err);
    if (ok) {
        unlink(beside);
        ok = (symlink(to, beside) == 0 && rename(beside, path) == 0) ||
             bl_fail(err, BL_ERR_IO, "%s: cannot be linked: %s", path, strerror(errno));
        if (!ok) unlink(beside);
    }
done:
    free(to);
    free(beside);
    free(path);
    return ok;
}

bool bl_hub_write_ref(const bl_hub_job *job, const char *commit, bl_error *err) {
    char now[41];
    if (!bl_hub_cached_commit(job, now, err)) return false;
    if (strcmp(now, commit) == 0) return true;
    char *path = JOIN(err, job->store, "/refs/", job->revision);
    bool ok = path && make_parent(path, err) && bl_file_write(path, commit, 40, err);
    free(path);
    return ok;
}

bool bl_hub_prepare_cache(const bl_hub_job *job, bl_error *err) {
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n# Downloads from the Hugging "
                              "Face hub: not worth a backup.\n";
    char *blobs = JOIN(err, job->store, "/blobs"), *path = JOIN(err, job->options->cache, "/CACHEDIR.TAG");
    bool ok = blobs && path && bl_make_directories(blobs, err) && bl_make_directories(job->locks, err);
    if (ok && !bl_file_exists(path))
        (void)bl_file_write(path, tag, sizeof tag - 1,
                            NULL); /* a convenience; whether it works decides nothing */
    free(blobs);
    free(path);
    return ok;
}

/* Below `directory`, whose name within the snapshot is `prefix` ("" or "data/"). */
static bool scan(const char *directory, const char *prefix, int depth, bl_hub_snapshot *snapshot,
                 bl_error *err) {
    DIR *folder = opendir(directory);
    bool ok = true;
    if (!folder) return true; /* nothing is there */
    for (struct dirent *entry; ok && (entry = readdir(folder));) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = JOIN(err, directory, "/", entry->d_name),
             *name = path ? JOIN(err, prefix, entry->d_name) : NULL;
        ok = name != NULL;
        if (ok && stat(path, &status) == 0 && bl_hub_safe_path(name)) {
            if (S_ISDIR(status.st_mode) && depth > 0) {
                char *inner = JOIN(err, name, "/");
                ok = inner && scan(path, inner, depth - 1, snapshot, err);
                free(inner);
            } else if (S_ISREG(status.st_mode)) {
                bl_hub_entry *file = bl_hub_add(snapshot, name, (uint64_t)status.st_size, "", err);
                ok = file != NULL;
                if (ok) file->path = path, path = NULL;
            }
        }
        free(path);
        free(name);
    }
    closedir(folder);
    return ok;
}

bool bl_hub_scan(const bl_hub_job *job, const char *commit, bl_hub_snapshot *snapshot, bl_error *err) {
    char *directory = bl_hub_snapshot_path(job, commit, NULL, err);
    bool ok = directory && scan(directory, "", 32, snapshot, err);
    free(directory);
    return ok;
}

uint64_t bl_hub_begun(const bl_hub_job *job, const bl_hub_snapshot *snapshot) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < snapshot->n; i++) {
        struct stat status;
        char *path = snapshot->files[i].hash[0]
                       ? bl_hub_blob_path(job, snapshot->files[i].hash, ".incomplete", NULL)
                       : NULL;
        if (path && stat(path, &status) == 0) bytes += (uint64_t)status.st_size;
        free(path);
    }
    return bytes;
}

static bool is_there(const char *directory, const char *name, bl_error *err) {
    char *path = bl_path_join(directory, name, err);
    bool there = path && bl_file_exists(path);
    free(path);
    return there;
}

/* The first shard that the index names and that is not there. */
static char *missing_shard(const char *directory, bl_error *err) {
    char *path = bl_path_join(directory, "model.safetensors.index.json", err), *missing = NULL;
    json_t *index = path ? bl_json_read(path, INDEX_LIMIT, err) : NULL, *value;
    const char *key;
    json_object_foreach(json_object_get(index, "weight_map"), key, value) {
        const char *shard = json_string_value(value);
        if (missing || !shard || is_there(directory, shard, err)) continue;
        missing = bl_strdup(shard, err);
    }
    json_decref(index);
    free(path);
    return missing;
}

char *bl_hub_model_lacks(const char *directory, bl_error *err) {
    static const char *const needed[] = {"config.json", "tokenizer.json"};
    for (size_t i = 0; i < 2; i++)
        if (!is_there(directory, needed[i], err)) return bl_strdup(needed[i], err);
    if (is_there(directory, "model.safetensors.index.json", err)) return missing_shard(directory, err);
    if (is_there(directory, "model.safetensors", err)) return NULL;
    return bl_strdup("model.safetensors", err);
}
