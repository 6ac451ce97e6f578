/* The directory of a run: what lies there before it begins, its lock, its log, and what it replaces.
 *
 *   holds                                             is         nothing     --resume    --overwrite
 *   nothing of a model or a run                       free       starts      starts      starts
 *   a checkpoint, or a log that does not end          begun      refused     continues   starts afresh
 *   a model, and a log that says that it is finished  finished   refused     is left     starts afresh
 *   a model that no log here tells of                 foreign    refused     refused     starts afresh
 *
 * Rank 0 decides, and its word holds for all. Two processes never train into one directory: each holds a lock
 * on log.jsonl, and nothing is removed before that. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "train/trainer.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define TAIL ((off_t)256 << 10) /* bytes at the end of a log, which hold its last hundred steps */

/* Whether DIRECTORY/NAME exists. */
static bool holds(const char *directory, const char *name) {
    char *path = bl_path_join(directory, name, NULL);
    bool there = path && bl_file_exists(path);
    free(path);
    return there;
}

/* Takes one line of a log into `summary`; `losses` is a ring of the last hundred. */
static void add_line(const json_t *line, bl_log_summary *summary, double losses[100], uint64_t *n) {
    const json_t *step = json_object_get(line, "step"), *loss = json_object_get(line, "loss"),
                 *valid = json_object_get(line, "valid_loss");
    if (!json_is_integer(step)) return;
    summary->finished = json_is_true(json_object_get(line, "final"));
    if (json_is_number(valid)) summary->valid_loss = json_number_value(valid);
    if (!json_is_number(loss) || !json_object_get(line, "gradient_norm")) return;
    summary->ours = true;
    summary->step = (uint64_t)json_integer_value(step);
    summary->tokens = (uint64_t)json_integer_value(json_object_get(line, "tokens"));
    summary->seconds = json_number_value(json_object_get(line, "seconds"));
    const char *precision = json_string_value(json_object_get(line, "precision"));
    summary->precision = precision && strcmp(precision, "bf16") == 0 ? BL_PRECISION_BF16 : BL_PRECISION_F32;
    losses[(*n)++ % 100] = json_number_value(loss);
}

bl_log_summary bl_log_read(int fd) {
    bl_log_summary summary = {.loss = (double)NAN, .valid_loss = (double)NAN};
    double losses[100], sum = 0;
    uint64_t n = 0;
    off_t size = lseek(fd, 0, SEEK_END), begin = size > TAIL ? size - TAIL : 0;
    if (size <= 0) return summary;
    char *text = bl_alloc((size_t)(size - begin) + 1, 1, NULL);
    ssize_t got = text ? pread(fd, text, (size_t)(size - begin), begin) : -1;
    if (got < 0) got = 0;
    if (text) text[got] = '\0';
    char *at = text;
    if (begin && at) at = strchr(at, '\n'); /* the first line may be cut */
    for (char *end; at && *at; at = end) {
        end = strchr(at, '\n');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        json_t *line = json_loadb(at, length, 0, NULL);
        if (line) add_line(line, &summary, losses, &n);
        json_decref(line);
        if (end) end++;
    }
    free(text);
    uint64_t kept = n < 100 ? n : 100;
    for (uint64_t i = 0; i < kept; i++) sum += losses[(n - 1 - i) % 100];
    if (kept) summary.loss = sum / (double)kept;
    return summary;
}

/* Whether DIRECTORY holds one of `names` (NULL-terminated). */
static bool holds_any(const char *directory, const char *const *names) {
    for (; *names; names++)
        if (holds(directory, *names)) return true;
    return false;
}

static bl_run_place find_place(const char *output, int log, bl_log_summary *summary) {
    *summary = log >= 0 ? bl_log_read(log) : (bl_log_summary){.loss = (double)NAN, .valid_loss = (double)NAN};
    static const char *const configs[] = {"config.json", "cfg.json", NULL}; /* the second: of SAELens */
    static const char *const arrays[] = {"model.safetensors", "model.safetensors.index.json",
                                         "pytorch_model.bin", "sae_weights.safetensors", NULL};
    bool config = holds_any(output, configs), weights = holds_any(output, arrays);
    if (holds(output, "checkpoint")) return BL_RUN_BEGUN;
    if (config && weights && summary->ours && summary->finished) return BL_RUN_FINISHED;
    if (summary->ours) return BL_RUN_BEGUN;
    return config || weights ? BL_RUN_FOREIGN : BL_RUN_FREE;
}

bl_run_place bl_run_find(const char *output, bl_log_summary *summary) {
    char *path = bl_path_join(output, "log.jsonl", NULL);
    int log = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bl_run_place place = find_place(output, log, summary);
    if (log >= 0) close(log);
    free(path);
    return place;
}

bool bl_run_allowed(const bl_train_options *o, bl_run_place place, const bl_log_summary *summary,
                    bl_error *err) {
    if (o->overwrite || place == BL_RUN_FREE || (o->resume && place == BL_RUN_BEGUN)) return true;
    if (!o->resume)
        return bl_fail(
            err, BL_ERR_USAGE,
            "%s: holds a model or a run already: resume it, overwrite it, or choose another directory",
            o->output);
    if (place == BL_RUN_FOREIGN)
        return bl_fail(err, BL_ERR_USAGE,
                       "%s: holds a model, but no log or checkpoint of a run that made it: there is nothing "
                       "to resume; overwrite it, or choose another directory",
                       o->output);
    if (o->steps && o->steps != summary->step)
        return bl_fail(
            err, BL_ERR_USAGE,
            "%s: holds a run that is finished after %llu steps; %llu were asked for: overwrite it, "
            "or choose another directory",
            o->output, (unsigned long long)summary->step, (unsigned long long)o->steps);
    return true;
}

bool bl_directory_prepare(const char *output, bool *made, bl_error *err) {
    *made = !bl_file_exists(output);
    if (!bl_directory_or_none(output, "a run", err)) return false;
    if (!bl_make_directories(output, err)) return false;
    if (access(output, W_OK) != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: cannot write there: %s", output, strerror(errno));
    return true;
}

/* One lock keeps others out, the other one knows its owner's process. */
static bool lock(const char *output, int fd, bl_error *err) {
    struct flock owner = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        fcntl(fd, F_SETLK, &owner);
        return true;
    }
    if (errno != EWOULDBLOCK) return true; /* a file system without locks */
    if (fcntl(fd, F_GETLK, &owner) == 0 && owner.l_type != F_UNLCK && owner.l_pid > 0)
        return bl_fail(err, BL_ERR_USAGE, "%s: another process is training into this directory: process %ld",
                       output, (long)owner.l_pid);
    return bl_fail(err, BL_ERR_USAGE, "%s: another process is training into this directory", output);
}

/* Removes every file of `directory` whose name fits one of `patterns` (NULL-terminated). */
static void remove_matching(const char *directory, const char *const *patterns) {
    DIR *folder = opendir(directory);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL)
        for (const char *const *p = patterns; *p; p++) {
            if (fnmatch(*p, entry->d_name, 0) != 0) continue;
            char *path = bl_path_join(directory, entry->d_name, NULL);
            if (path) unlink(path);
            free(path);
            break;
        }
    if (folder) closedir(folder);
}

/* Removes what an earlier run or model left. config.json goes first: without it the rest is no model. */
static bool clear(const char *output, bl_error *err) {
    static const char *const first[] = {"config.json", "cfg.json", NULL};
    static const char *const rest[] = {"checkpoint",
                                       "model.safetensors",
                                       "model.safetensors.index.json",
                                       "model-*-of-*.safetensors",
                                       "sae_weights.safetensors",
                                       NULL};
    char *snapshots = bl_path_join(output, "snapshots", err);
    if (!snapshots) return false;
    remove_matching(output, first);
    remove_matching(output, rest);
    bl_remove_tree(snapshots);
    free(snapshots);
    return true;
}

bool bl_directory_open(bl_trainer *t, bl_error *err) {
    /* what a killed writer left */
    static const char *const leftovers[] = {".checkpoint.tmp-*",
                                            ".model.safetensors.tmp-*",
                                            ".sae_weights.safetensors.tmp-*",
                                            ".config.json.tmp-*",
                                            ".cfg.json.tmp-*",
                                            ".tokenizer.json.tmp-*",
                                            NULL};
    const bl_train_options *o = t->options;
    bl_log_summary summary;
    t->log = fopen(t->log_path, "a+be");
    if (!t->log) return bl_fail(err, BL_ERR_INPUT, "%s: cannot be written: %s", t->log_path, strerror(errno));
    if (!lock(o->output, fileno(t->log), err)) return false;
    bl_run_place place =
        find_place(o->output, fileno(t->log), &summary); /* again: now nobody else changes it */
    if (place == BL_RUN_FINISHED && o->resume) place = BL_RUN_FOREIGN;
    if (!bl_run_allowed(o, place, &summary, err)) return false;
    remove_matching(o->output, leftovers);
    return !o->overwrite || place == BL_RUN_FREE || clear(o->output, err);
}

bool bl_directory_cut_log(bl_trainer *t, bl_error *err) {
    off_t size = lseek(fileno(t->log), 0, SEEK_END);
    if (size < 0 || (uint64_t)size < t->state.log_bytes)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: has %lld bytes, but the checkpoint was written after %llu: the log was changed "
                       "or is of another run",
                       t->log_path, (long long)size, (unsigned long long)t->state.log_bytes);
    if (ftruncate(fileno(t->log), (off_t)t->state.log_bytes) != 0)
        return bl_fail(err, BL_ERR_IO, "%s: cannot be cut back: %s", t->log_path, strerror(errno));
    return true;
}
