/* A lock on a file that may be removed by whoever holds the lock: so who gets it looks whether the name
 * still means this file, and begins again if it does not. */
#include "base/lock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK ".tmp-"
#define LETTERS 6 /* of mkstemp */

/* Whether `path` is the file that is open as fd; `doubt` when the system does not say. */
static bool is_named(int fd, const char *path, bool doubt) {
    struct stat open_one, named;
    if (fstat(fd, &open_one) != 0) return doubt;
    if (lstat(path, &named) != 0) return errno == ENOENT ? false : doubt;
    return open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

bool bl_lock_new(int fd, const char *path) {
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return true; /* a file system without locks: leftovers are not found there, either */
    return is_named(fd, path, true);
}

/* Removes the entry `name` of the folder that is open if nobody holds its lock. */
static void remove_if_free(int folder, const char *path, const char *name) {
    char whole[PATH_MAX];
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int n = snprintf(whole, sizeof whole, "%s%s", path, name);
    if (fd < 0) return;
    if (n > 0 && (size_t)n < sizeof whole && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, whole, false))
        bl_remove_tree(whole);
    close(fd);
}

/* A clean-up that must not fail the work that it precedes: it allocates nothing. */
void bl_remove_leftovers(const char *path, bool inside) {
    const char *slash = strrchr(path, '/'), *name = inside ? "bilens" : slash ? slash + 1 : path;
    char folder[PATH_MAX], entries[4096] __attribute__((aligned(8)));
    int length = inside ? snprintf(folder, sizeof folder, "%s/", path)
                        : snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 0, path);
    if (length < 0 || (size_t)length >= sizeof folder) return;
    int fd = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    size_t n = strlen(name), whole = 1 + n + sizeof MARK - 1 + LETTERS;
    for (ssize_t got; (got = getdents64(fd, entries, sizeof entries)) > 0;)
        for (ssize_t at = 0; at < got;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
            const char *found = entry->d_name;
            at += entry->d_reclen;
            bool ours = strlen(found) == whole && found[0] == '.' && strncmp(found + 1, name, n) == 0 &&
                        strncmp(found + 1 + n, MARK, sizeof MARK - 1) == 0;
            if (ours) remove_if_free(fd, folder, found);
        }
    close(fd);
}

struct bl_lock {
    int fd;
    char *path;
};

/* "process 4711" as the file says. */
static void read_owner(int fd, char owner[32]) {
    long pid = 0;
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n > 0) pid = strtol(text, NULL, 10);
    if (pid > 0) snprintf(owner, 32, "process %ld", pid);
    else snprintf(owner, 32, "another process");
}

static char *lock_path(const char *target, bl_error *err) {
    const char *slash = strrchr(target, '/');
    int folder = slash ? (int)(slash - target) + 1 : 0;
    size_t size = strlen(target) + sizeof "..lock";
    char *path = bl_alloc(size, 1, err);
    if (path) snprintf(path, size, "%.*s.%s.lock", folder, target, target + folder);
    return path;
}

bl_lock *bl_lock_take(const char *target, bl_error *err) {
    bl_lock *lock = bl_alloc_zero(1, sizeof *lock, err);
    char owner[32];
    if (!lock) return NULL;
    lock->fd = -1;
    lock->path = lock_path(target, err);
    while (lock->path) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (lock->fd < 0) {
            bl_fail(err, BL_ERR_INPUT, "%s: cannot be written: %s", target, strerror(errno));
            break;
        }
        int taken = flock(lock->fd, LOCK_EX | LOCK_NB);
        if (taken != 0 && errno == EWOULDBLOCK) {
            read_owner(lock->fd, owner);
            bl_fail(err, BL_ERR_INPUT, "%s: %s is writing it: wait until it is done, or choose another name",
                    target, owner);
            break;
        }
        if (taken != 0 ||
            is_named(lock->fd, lock->path, true)) { /* no locks on this file system: as without them */
            int length = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
            if (ftruncate(lock->fd, 0) == 0 && pwrite(lock->fd, owner, (size_t)length, 0) == length)
                return lock;
            bl_fail(err, BL_ERR_IO, "%s: writing failed: %s", lock->path, strerror(errno));
            unlink(lock->path);
            break;
        }
        close(lock->fd); /* its last owner has removed it meanwhile */
        lock->fd = -1;
    }
    if (lock->fd >= 0) close(lock->fd);
    free(lock->path);
    free(lock);
    return NULL;
}

void bl_lock_free(bl_lock *lock) {
    if (!lock) return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    free(lock);
}
