/* One file: from the hub into BLOB.incomplete, going on where that ends; its size and hash verified; then
 * renamed to BLOB and linked into the snapshot. While it lasts the blob's lock file is held (flock, as the
 * Python library does), so that programs that share a cache wait for each other. Killed at any point, a
 * further call goes on; what was not verified never gets the blob's name. */
#include "hub/network.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define GAIN (1 << 20) /* bytes after which a line that breaks has earned new attempts */

/* A file on its way. */
typedef struct transfer {
    bl_hub_line *line;
    const bl_hub_entry *file;
    char *blob, *incomplete, *lock_path;
    int fd, lock; /* -1: not open */
    uint64_t at;  /* bytes in the file and in the digest */
    bl_digest *digest;
} transfer;

static bool io(const char *path, const char *what, bl_error *err) {
    int number = errno;
    const char *full = number == ENOSPC || number == EDQUOT
                         ? ". What is there is kept: with more room the same command goes on"
                         : "";
    return bl_fail(err, BL_ERR_IO, "%s: %s: %s%s", path, what, strerror(number), full);
}

static bool has_size(const char *path, uint64_t size) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && (uint64_t)status.st_size == size;
}

bool bl_hub_have(const bl_hub_job *job, const char *commit, bl_hub_entry *file, bl_error *err) {
    if (!file->path) file->path = bl_hub_snapshot_path(job, commit, file->name, err);
    return file->path && has_size(file->path, file->size);
}

/* Takes the lock, as soon as nobody else has it. Where the file system has no locks the file gets a name of
 * its own instead. */
static bool lock(transfer *t, bl_error *err) {
    for (;;) {
        struct stat mine, named;
        t->lock = open(t->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0664);
        if (t->lock < 0) return io(t->lock_path, "cannot be opened", err);
        if (flock(t->lock, LOCK_EX | LOCK_NB) == 0) {
            /* whoever had it may have removed the file: then the lock guards no name */
            if (fstat(t->lock, &mine) == 0 && stat(t->lock_path, &named) == 0 &&
                mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
                return true;
        } else if (errno != EWOULDBLOCK && errno != EINTR) {
            free(t->incomplete);
            char own[64];
            snprintf(own, sizeof own, ".%ld.incomplete", (long)getpid());
            t->incomplete = bl_hub_blob_path(t->line->job, t->file->hash, own, err);
            return t->incomplete != NULL;
        }
        close(t->lock);
        t->lock = -1;
        if (!bl_hub_sleep(t->line, 0.1, err)) return false;
    }
}

/* Empties the incomplete file. */
static bool restart(transfer *t, bl_error *err) {
    atomic_fetch_sub(&t->line->workers->done, t->at);
    t->at = 0;
    if (ftruncate(t->fd, 0) != 0 || lseek(t->fd, 0, SEEK_SET) != 0)
        return io(t->incomplete, "cannot be emptied", err);
    return bl_digest_restart(t->digest, err);
}

/* Opens the incomplete file and takes what is in it into the digest. */
static bool resume(transfer *t, bl_error *err) {
    t->fd = open(t->incomplete, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (t->fd < 0) return io(t->incomplete, "cannot be written", err);
    t->digest = bl_digest_new(t->file->hash, t->file->size, err);
    char *piece = t->digest ? bl_alloc(GAIN, 1, err) : NULL;
    bool ok = piece != NULL;
    while (ok && t->at <= t->file->size) {
        ssize_t n = read(t->fd, piece, GAIN);
        if (n < 0) ok = io(t->incomplete, "cannot be read", err);
        if (n <= 0) break;
        t->at += (uint64_t)n;
        atomic_fetch_add(&t->line->workers->done, (uint64_t)n);
        ok = bl_hub_goes_on(t->line, err) && bl_digest_add(t->digest, piece, (size_t)n, err);
    }
    free(piece);
    return ok && (t->at <= t->file->size || restart(t, err)); /* more than the file can have: not this file */
}

/* True if the hub's own headers say the same as its list. */
static bool check_hub_headers(const transfer *t, const bl_hub_answer *a, bl_error *err) {
    const char *commit = t->line->workers->snapshot->commit;
    const bl_hub_entry *file = t->file;
    if (a->commit[0] && strcmp(a->commit, commit) != 0)
        return bl_fail(err, BL_ERR_IO, "%s: the hub gives commit %s, asked for %s", file->name, a->commit,
                       commit);
    if (a->linked_etag[0] && strcmp(a->linked_etag, file->hash) != 0)
        return bl_fail(err, BL_ERR_IO,
                       "%s: the hub contradicts itself: hash %s in its list, %s in X-Linked-Etag", file->name,
                       file->hash, a->linked_etag);
    if (a->has_linked_size && a->linked_size != file->size)
        return bl_fail(err, BL_ERR_IO,
                       "%s: the hub contradicts itself: %llu bytes in its list, %llu in X-Linked-Size",
                       file->name, (unsigned long long)file->size, (unsigned long long)a->linked_size);
    return true;
}

/* True for "bytes FIRST-…/WHOLE". WHOLE may be a star, where the server does not know it. */
static bool is_range(const char *text, uint64_t first, uint64_t whole) {
    char begin[64], end[64];
    snprintf(begin, sizeof begin, "bytes %llu-", (unsigned long long)first);
    snprintf(end, sizeof end, "/%llu", (unsigned long long)whole);
    const char *slash = strchr(text, '/');
    return strncmp(text, begin, strlen(begin)) == 0 && slash &&
           (strcmp(slash, end) == 0 || strcmp(slash, "/*") == 0);
}

/* The headers have come: is it what was asked for, and does it go on or begin anew? */
static bool on_begin(void *context, const bl_hub_answer *a, bl_error *err) {
    transfer *t = context;
    if (!check_hub_headers(t, a, err)) return false;
    if (a->status == 206) {
        if (!is_range(a->range, t->at, t->file->size))
            return bl_fail(err, BL_ERR_IO, "%s: asked for the bytes from %llu of %llu, the server sends '%s'",
                           t->file->name, (unsigned long long)t->at, (unsigned long long)t->file->size,
                           a->range);
    } else if (t->at && !restart(t, err)) { /* the server knows no ranges */
        return false;
    }
    if (a->length >= 0 && (uint64_t)a->length != t->file->size - t->at)
        return bl_fail(err, BL_ERR_IO, "%s: %llu bytes are missing, the server announces %lld", t->file->name,
                       (unsigned long long)(t->file->size - t->at), (long long)a->length);
    return true;
}

static bool on_take(void *context, const void *data, size_t size, bl_error *err) {
    transfer *t = context;
    const char *from = data;
    if (size > t->file->size - t->at)
        return bl_fail(err, BL_ERR_IO, "%s: the server sends more than the file's %llu bytes", t->file->name,
                       (unsigned long long)t->file->size);
    if (!bl_digest_add(t->digest, data, size, err)) return false;
    while (size > 0) {
        ssize_t n = write(t->fd, from, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io(t->incomplete, "writing failed", err);
        from += n;
        size -= (size_t)n;
        t->at += (uint64_t)n;
        atomic_fetch_add(&t->line->workers->done, (uint64_t)n);
    }
    return true;
}

/* Until all bytes are here. */
static bool receive(transfer *t, const char *url, bl_error *err) {
    const bl_hub_sink sink = {on_begin, on_take, t};
    for (size_t attempt = 0; t->at < t->file->size;) {
        uint64_t before = t->at;
        bool passing;
        bl_hub_answer answer;
        bl_hub_question question = {.url = url, .file = t->file->name, .from = t->at, .sink = &sink};
        bool ok = bl_hub_ask_once(t->line, &question, &answer, &passing, err);
        bl_hub_answer_free(&answer);
        if (ok && t->at == t->file->size) return true;
        if (ok) { /* no length was announced, and the connection ended too early */
            bl_fail(err, BL_ERR_IO, "%s: the server sent %llu of %llu bytes", t->file->name,
                    (unsigned long long)t->at, (unsigned long long)t->file->size);
            passing = true;
        } else if (answer.status == 416 && before > 0) { /* it does not believe that there is more */
            if (!restart(t, err)) return false;
            passing = true;
        }
        if (!passing) return false;
        if (t->at >= before + GAIN) attempt = 0;
        if (!bl_hub_pause(t->line, attempt++, &answer, err)) return false;
    }
    return true;
}

/* A content whose hash is wrong is thrown away; once it may have been the beginning that an earlier call
 * left. */
static bool fetch_verified(transfer *t, const char *url, bl_error *err) {
    for (int round = 0;; round++) {
        char found[65];
        if (!receive(t, url, err)) return false;
        if (bl_digest_agrees(t->digest, found)) break;
        if (!restart(t, err)) return false;
        if (round < 1) continue;
        unlink(t->incomplete);
        return bl_fail(err, BL_ERR_IO,
                       "%s: what came has the hash %s, expected %s: it was damaged on its way or is another "
                       "file. Nothing of it was kept",
                       t->file->name, found, t->file->hash);
    }
    if (fsync(t->fd) != 0) return io(t->incomplete, "writing failed", err);
    if (rename(t->incomplete, t->blob) != 0) return io(t->blob, "cannot be renamed to", err);
    return true;
}

/* The hash that the list did not have: from the headers of the file itself. */
static bool ask_hash(bl_hub_line *line, bl_hub_entry *file, const char *url, bl_error *err) {
    bl_hub_answer answer;
    bl_hub_question question = {.url = url, .file = file->name, .head = true};
    if (!bl_hub_ask(line, &question, &answer, err)) return false;
    const char *tag = answer.linked_etag[0] ? answer.linked_etag : answer.etag;
    bool ok = bl_hub_is_hex(tag, 64) || bl_hub_is_hex(tag, 40);
    if (ok) memcpy(file->hash, tag, strlen(tag) + 1);
    else
        bl_fail(err, BL_ERR_UNSUPPORTED,
                "%s: the hub gives no hash of it (ETag '%s'), so that it cannot be verified", file->name,
                tag);
    bl_hub_answer_free(&answer);
    return ok;
}

static void end(transfer *t) {
    struct stat status;
    if (t->fd >= 0) {
        if (fstat(t->fd, &status) == 0 && status.st_size == 0 && t->file->size > 0) unlink(t->incomplete);
        close(t->fd);
    }
    if (t->lock >= 0) close(t->lock);
    bl_digest_free(t->digest);
    free(t->blob);
    free(t->incomplete);
    free(t->lock_path);
}

bool bl_hub_download(bl_hub_line *line, bl_hub_entry *file, bl_error *err) {
    const bl_hub_job *job = line->job;
    const char *commit = line->workers->snapshot->commit;
    transfer t = {.line = line, .file = file, .fd = -1, .lock = -1};
    char *url = bl_hub_resolve_url(job, commit, file->name, err);
    bool ok = url && (file->hash[0] || ask_hash(line, file, url, err));
    if (ok) {
        t.blob = bl_hub_blob_path(job, file->hash, "", err);
        t.incomplete = t.blob ? bl_hub_blob_path(job, file->hash, ".incomplete", err) : NULL;
        size_t room = strlen(job->locks) + sizeof file->hash + sizeof "/.lock";
        t.lock_path = t.incomplete ? bl_alloc(room, 1, err) : NULL;
        if (t.lock_path) snprintf(t.lock_path, room, "%s/%s.lock", job->locks, file->hash);
        ok = t.lock_path != NULL;
    }
    ok = ok && lock(&t, err);
    if (ok && has_size(t.blob, file->size)) { /* of another revision, or somebody was faster */
        atomic_fetch_add(&line->workers->done, file->size);
    } else if (ok) {
        ok = resume(&t, err) && fetch_verified(&t, url, err);
        file->fetched = ok;
    }
    ok = ok && bl_hub_link(job, commit, file, err);
    end(&t);
    free(url);
    return ok;
}
