/* The public face: is it in the cache, and when may the hub be asked. */
#include "hub/hub_private.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bl_hub_entry *bl_hub_add(bl_hub_snapshot *snapshot, const char *name, uint64_t size, const char *hash,
                         bl_error *err) {
    if (!bl_grow(&snapshot->files, &snapshot->capacity, snapshot->n + 1, sizeof *snapshot->files, err))
        return NULL;
    bl_hub_entry *file = &snapshot->files[snapshot->n];
    *file = (bl_hub_entry){.size = size};
    memcpy(file->hash, hash, strlen(hash) < sizeof file->hash ? strlen(hash) : 0);
    file->name = bl_strdup(name, err);
    if (!file->name) return NULL;
    snapshot->n++;
    return file;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const bl_hub_entry *)a)->name, ((const bl_hub_entry *)b)->name);
}

void bl_hub_sort(bl_hub_snapshot *snapshot) {
    if (snapshot->n) qsort(snapshot->files, snapshot->n, sizeof *snapshot->files, by_name);
}

void bl_hub_snapshot_free(bl_hub_snapshot *snapshot) {
    if (!snapshot) return;
    for (size_t i = 0; i < snapshot->n; i++) {
        free(snapshot->files[i].name);
        free(snapshot->files[i].path);
    }
    free(snapshot->files);
    free(snapshot->directory);
    free(snapshot);
}

const char *bl_hub_snapshot_directory(const bl_hub_snapshot *snapshot) { return snapshot->directory; }
const char *bl_hub_snapshot_commit(const bl_hub_snapshot *snapshot) { return snapshot->commit; }
size_t bl_hub_snapshot_n_files(const bl_hub_snapshot *snapshot) { return snapshot->n; }

bl_hub_file bl_hub_snapshot_file(const bl_hub_snapshot *snapshot, size_t i) {
    const bl_hub_entry *file = &snapshot->files[i];
    return (bl_hub_file){file->name, file->path, file->size, file->fetched};
}

void bl_hub_keep_wanted(const bl_hub_job *job, bl_hub_snapshot *snapshot) {
    size_t kept = 0;
    for (size_t i = 0; i < snapshot->n; i++) {
        if (bl_hub_wanted(job->request, snapshot->files[i].name)) {
            snapshot->files[kept++] = snapshot->files[i];
        } else {
            free(snapshot->files[i].name);
            free(snapshot->files[i].path);
        }
    }
    snapshot->n = kept;
}

const char *bl_hub_unanswered(const bl_hub_job *job, const bl_hub_snapshot *snapshot) {
    for (size_t p = 0; p < job->request->n_patterns; p++) {
        bool any = false;
        for (size_t i = 0; i < snapshot->n && !any; i++)
            any = bl_hub_matches(job->request->patterns[p], snapshot->files[i].name);
        if (!any) return job->request->patterns[p];
    }
    return NULL;
}

/* `thing` of the kind `of` ("revision ", "") is missing; NULL: everything is. */
static void not_cached(const bl_hub_job *job, const char *of, const char *thing, bl_error *err) {
    const char *advice = job->options->prefer_cache ? "without HF_HUB_OFFLINE it would be fetched"
                                                    : "fetch it where there is a network";
    if (thing)
        bl_fail(err, BL_ERR_INPUT,
                "%s'%s' of %s is not in the cache %s, and the hub may not be asked (offline): %s", of, thing,
                job->name, job->options->cache, advice);
    else
        bl_fail(err, BL_ERR_INPUT, "%s is not in the cache %s, and the hub may not be asked (offline): %s",
                job->name, job->options->cache, advice);
}

/* What the cache has. `*whole` says whether nothing that was asked for is missing; if not, `err` names it.
 * Wildcards can be answered by what is there only: the cache does not know what else the repository has.
 * False when memory ran out. */
static bool look(const bl_hub_job *job, bl_hub_snapshot *snapshot, bool *whole, bl_error *err) {
    bl_error found = {0};
    *whole = false;
    if (!bl_hub_cached_commit(job, snapshot->commit, err)) return false;
    if (!snapshot->commit[0]) {
        not_cached(job, "revision ", strcmp(job->revision, "main") == 0 ? NULL : job->revision, err);
        return true;
    }
    snapshot->directory = bl_hub_snapshot_path(job, snapshot->commit, NULL, err);
    if (!snapshot->directory || !bl_hub_scan(job, snapshot->commit, snapshot, err)) return false;
    bl_hub_keep_wanted(job, snapshot);
    bl_hub_sort(snapshot);
    const char *pattern = bl_hub_unanswered(job, snapshot);
    char *lacks = NULL;
    if (job->request->n_patterns == 0) lacks = bl_hub_model_lacks(snapshot->directory, &found);
    if (found.code == BL_ERR_MEMORY) {
        if (err) *err = found;
        free(lacks);
        return false;
    }
    *whole = !pattern && !lacks && found.code == BL_OK;
    if (found.code != BL_OK && err) *err = found;
    else if (!*whole) not_cached(job, "", pattern ? pattern : lacks, err);
    free(lacks);
    return true;
}

static bool check(const bl_hub_request *request, const bl_hub_options *options, bl_error *err) {
    if (!options->cache || !*options->cache) return bl_fail(err, BL_ERR_USAGE, "no cache folder was given");
    if (!request->name) return bl_fail(err, BL_ERR_USAGE, "no name on the hub was given");
    if (request->data && request->n_patterns == 0 && !options->list_only)
        return bl_fail(err, BL_ERR_USAGE,
                       "%s: which files of the data set? Name them, or patterns of their names; '*' is all",
                       request->name);
    if (options->list_only && options->offline)
        return bl_fail(err, BL_ERR_USAGE, "%s: the hub's list cannot be had offline", request->name);
    return bl_hub_check_repository(request->name, err) &&
           (!request->revision || !*request->revision || bl_hub_check_revision(request->revision, err));
}

static bool begin(bl_hub_job *job, const bl_hub_request *request, const bl_hub_options *options,
                  bl_error *err) {
    const char *endpoint = options->endpoint && *options->endpoint ? options->endpoint : HUB_ENDPOINT;
    size_t length = strlen(endpoint);
    while (length > 0 && endpoint[length - 1] == '/') length--;
    *job = (bl_hub_job){.request = request,
                        .options = options,
                        .name = request->name,
                        .kind = request->data ? "data set" : "model"};
    job->revision = request->revision && *request->revision ? request->revision : "main";
    job->endpoint = job->endpoint_storage = bl_strndup(endpoint, length, err);
    return job->endpoint && bl_hub_store(job, err);
}

static void end(bl_hub_job *job) {
    free(job->endpoint_storage);
    free(job->store);
    free(job->locks);
}

bl_hub_snapshot *bl_hub_fetch(const bl_hub_request *request, const bl_hub_options *options, bl_error *err) {
    bl_error_clear(err);
    bl_hub_job job = {0};
    bl_hub_snapshot *snapshot = NULL;
    bool ok = check(request, options, err) && begin(&job, request, options, err), whole = false;
    if (ok) snapshot = bl_alloc_zero(1, sizeof *snapshot, err);
    ok = snapshot != NULL;
    if (ok && (options->offline || options->prefer_cache)) {
        ok = look(&job, snapshot, &whole, err);
        if (ok && !whole && options->offline) ok = false;
        if (ok && !whole) { /* begin anew */
            bl_hub_snapshot_free(snapshot);
            bl_error_clear(err);
            snapshot = bl_alloc_zero(1, sizeof *snapshot, err);
            ok = snapshot != NULL;
        }
    }
    if (ok && !whole) ok = bl_hub_online(&job, snapshot, err);
    if (!ok) {
        bl_hub_snapshot_free(snapshot);
        snapshot = NULL;
    }
    end(&job);
    return snapshot;
}
