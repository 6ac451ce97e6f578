/* The hub is asked: which commit is the revision, which files does it have, and then all that are wanted and
 * missing, several at a time. The revision's name is written down last, so that it never leads to a snapshot
 * that is less than the one before. */
#include "hub/network.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

enum { PAGES = 1000, LINES = 16 };

static bool ask_commit(bl_hub_line *line, char commit[41], bl_error *err) {
    if (bl_hub_is_hex(line->job->revision, 40)) {
        memcpy(commit, line->job->revision, 41);
        return true;
    }
    char *url = bl_hub_revision_url(line->job, err);
    bl_hub_question question = {.url = url};
    bl_hub_answer answer;
    bool ok = url && bl_hub_ask(line, &question, &answer, err);
    if (ok) {
        ok = bl_hub_read_revision(answer.body ? answer.body : "", answer.size, url, commit, err);
        bl_hub_answer_free(&answer);
    }
    free(url);
    return ok;
}

static bool ask_files(bl_hub_line *line, bl_hub_snapshot *snapshot, bl_error *err) {
    char *url = bl_hub_tree_url(line->job, snapshot->commit, err);
    bool ok = url != NULL;
    for (int page = 0; ok && url; page++) {
        bl_error said = {0};
        bl_hub_question question = {.url = url};
        bl_hub_answer answer;
        ok = bl_hub_ask(line, &question, &answer, err);
        if (!ok) break;
        ok = bl_hub_read_tree(answer.body ? answer.body : "", answer.size, url, snapshot, err);
        bl_hub_answer_free(&answer);
        char *next = ok ? bl_hub_next_page(answer.link, &said) : NULL;
        if (said.code) {
            if (err) *err = said;
            ok = false;
        }
        if (next && !bl_hub_same_origin(next, line->job->endpoint))
            ok = bl_fail(err, BL_ERR_IO, "%s: the list goes on at another host, '%.200s'", url, next);
        else if (next && page >= PAGES)
            ok = bl_fail(err, BL_ERR_IO, "%s: the list of files does not end", url);
        free(url);
        url = next;
    }
    free(url);
    bl_hub_sort(snapshot);
    return ok;
}

/* The first names of the list, for messages. */
static void some_names(const bl_hub_snapshot *snapshot, char *out, size_t room) {
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < snapshot->n && i < 8 && n + 1 < room; i++) {
        int more = snprintf(out + n, room - n, "%s%.60s", i ? ", " : "", snapshot->files[i].name);
        n += more > 0 ? (size_t)more : 0;
    }
    if (snapshot->n > 8 && n + 1 < room) snprintf(out + n, room - n, ", … (%zu files)", snapshot->n);
}

static const bl_hub_entry *find(const bl_hub_snapshot *snapshot, const char *name) {
    for (size_t i = 0; i < snapshot->n; i++)
        if (strcmp(snapshot->files[i].name, name) == 0) return &snapshot->files[i];
    return NULL;
}

/* Is there what was asked for? Before anything is downloaded. */
static bool check_request(const bl_hub_job *job, const bl_hub_snapshot *all, bl_error *err) {
    const bl_hub_request *request = job->request;
    char names[600];
    some_names(all, names, sizeof names);
    const char *pattern = bl_hub_unanswered(job, all);
    if (pattern)
        return bl_fail(err, BL_ERR_INPUT, "%s '%s' has no file '%s'; it has: %s", job->kind, job->name,
                       pattern, names);
    if (request->n_patterns) return true;
    if (!find(all, "config.json") ||
        (!find(all, "model.safetensors") && !find(all, "model.safetensors.index.json")))
        return bl_fail(err, BL_ERR_INPUT, "'%s' is no model that bilens reads: it has no %s; it has: %s",
                       job->name, find(all, "config.json") ? "model.safetensors" : "config.json", names);
    return true;
}

/* Names and sizes of what is wanted. */
static bool check_files(const bl_hub_job *job, const bl_hub_snapshot *wanted, bl_error *err) {
    for (size_t i = 0; i < wanted->n; i++) {
        const char *name = wanted->files[i].name;
        if (!bl_hub_safe_path(name))
            return bl_fail(err, BL_ERR_INPUT, "%s '%s': refused, as it has a file with the name '%.200s'",
                           job->kind, job->name, name);
        if (i > 0 && strcmp(name, wanted->files[i - 1].name) == 0)
            return bl_fail(err, BL_ERR_IO, "%s '%s': the hub lists '%.200s' twice", job->kind, job->name,
                           name);
    }
    return true;
}

/* What has to come, and whether there is room for it. */
static bool plan(bl_hub_workers *workers, bl_error *err) {
    const bl_hub_job *job = workers->job;
    uint64_t limit = job->options->max_bytes ? job->options->max_bytes : (uint64_t)1 << 40;
    struct statvfs disk;
    for (size_t i = 0; i < workers->snapshot->n; i++) {
        bl_hub_entry *file = &workers->snapshot->files[i];
        if (bl_hub_have(job, workers->snapshot->commit, file, err)) continue;
        if (!file->path) return false;
        if (file->size > limit || workers->total > limit - file->size)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s '%s': what is missing is more than %.1f GB ('%s' alone has %.1f GB)",
                           job->kind, job->name, (double)limit / 1e9, file->name, (double)file->size / 1e9);
        workers->total += file->size;
    }
    if (workers->total && statvfs(job->store, &disk) == 0) {
        double room = (double)disk.f_bavail * (double)disk.f_frsize;
        if (room < (double)workers->total &&
            room < (double)workers->total - (double)bl_hub_begun(job, workers->snapshot))
            return bl_fail(err, BL_ERR_IO, "%s: no space left: %.1f MB are missing, %.1f MB are free",
                           job->store, (double)workers->total / 1e6, room / 1e6);
    }
    return true;
}

static void *work(void *context) {
    bl_hub_line *line = context;
    bl_hub_workers *workers = line->workers;
    bool ok = bl_hub_line_open(line, workers, false, &line->err);
    for (size_t i; ok && (i = atomic_fetch_add(&workers->next, 1)) < workers->snapshot->n;) {
        bl_hub_entry *file = &workers->snapshot->files[i];
        if (bl_hub_have(workers->job, workers->snapshot->commit, file, &line->err)) continue;
        ok = bl_hub_goes_on(line, &line->err) && bl_hub_download(line, file, &line->err);
    }
    if (ok) bl_error_clear(&line->err); /* what passed has left its words there */
    else atomic_store(&workers->stop, true);
    bl_hub_line_close(line);
    atomic_fetch_add(&workers->ended, 1);
    return NULL;
}

/* All files, on several lines. The calling thread reports; what failed first decides. */
static bool fetch_all(bl_hub_workers *workers, bl_error *err) {
    const bl_hub_options *options = workers->job->options;
    size_t wanted = options->parallel ? options->parallel : 4, started = 0;
    bl_hub_line lines[LINES] = {0};
    pthread_t threads[LINES];
    bl_error own = {0};
    if (wanted > LINES) wanted = LINES;
    if (wanted > workers->snapshot->n) wanted = workers->snapshot->n;
    while (started < wanted) {
        lines[started].workers = workers;
        if (pthread_create(&threads[started], NULL, work, &lines[started]) != 0) break;
        started++;
    }
    if (wanted > 0 && started == 0) return bl_fail(err, BL_ERR_MEMORY, "no thread could be started");
    while (atomic_load(&workers->ended) < started) {
        const struct timespec moment = {0, 20000000};
        if (own.code == BL_OK && !bl_progress_step(&options->progress, "fetching",
                                                   atomic_load(&workers->done), workers->total, &own))
            atomic_store(&workers->stop, true);
        nanosleep(&moment, NULL);
    }
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    for (size_t i = 0; i < started; i++) /* those that were only told to stop do not count */
        if (lines[i].err.code != BL_OK &&
            (own.code == BL_OK || (own.code == BL_ERR_CANCELLED && lines[i].err.code != BL_ERR_CANCELLED)))
            own = lines[i].err;
    if (own.code != BL_OK && err) *err = own;
    return own.code == BL_OK;
}

bool bl_hub_online(const bl_hub_job *job, bl_hub_snapshot *snapshot, bl_error *err) {
    bl_hub_workers workers = {.job = job, .snapshot = snapshot};
    bl_hub_line line;
    bool ok = bl_hub_line_open(&line, &workers, true, err) && ask_commit(&line, snapshot->commit, err) &&
              ask_files(&line, snapshot, err);
    bl_hub_line_close(&line);
    if (!ok) return false;
    if (job->options->list_only) {
        if (job->request->n_patterns) bl_hub_keep_wanted(job, snapshot);
        return true;
    }
    if (!check_request(job, snapshot, err)) return false;
    bl_hub_keep_wanted(job, snapshot);
    ok = check_files(job, snapshot, err) && bl_hub_prepare_cache(job, err) && plan(&workers, err) &&
         fetch_all(&workers, err) && bl_hub_write_ref(job, snapshot->commit, err);
    if (ok) snapshot->directory = bl_hub_snapshot_path(job, snapshot->commit, NULL, err);
    return ok && snapshot->directory;
}
