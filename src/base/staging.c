#include "base/staging.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *bl_trim_slashes(const char *directory, const char *what, bl_error *err) {
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') n--;
    if (n == 0) return bl_fail_null(err, BL_ERR_USAGE, "%s's folder has no name", what);
    return bl_strndup(directory, n, err);
}

/* mkdtemp with a lock; false with errno set. */
static bool make_locked(bl_staging *s) {
    for (;;) {
        memcpy(s->path + strlen(s->path) - 6, "XXXXXX", 6);
        if (!mkdtemp(s->path)) return false;
        s->held = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->held < 0 || bl_lock_new(s->held, s->path)) return true;
        close(s->held);
        s->held = -1;
    }
}

/* The path that make_locked completes; makes the parent. */
static bool name_staging(bl_staging *s, const char *directory, bool inside, bl_error *err) {
    const char *slash = strrchr(directory, '/');
    size_t parent = slash ? (size_t)(slash - directory) : 0, size = strlen(directory) + 64;
    s->path = bl_alloc(size, 1, err);
    if (!s->path) return false;
    if (inside) {
        snprintf(s->path, size, "%s/.bilens.tmp-XXXXXX", directory);
    } else if (slash) {
        snprintf(s->path, size, "%.*s", (int)(parent > 0 ? parent : 1), directory);
        if (!bl_make_directories(s->path, err)) return false;
        snprintf(s->path, size, "%.*s/.%s.tmp-XXXXXX", (int)parent, directory, slash + 1);
    } else {
        snprintf(s->path, size, ".%s.tmp-XXXXXX", directory);
    }
    return true;
}

static bool take_lock(bl_staging *s, const char *directory, bool inside, bl_error *err) {
    char *target = inside ? bl_path_join(directory, "bilens", err) : bl_strdup(directory, err);
    s->lock = target ? bl_lock_take(target, err) : NULL;
    free(target);
    return s->lock != NULL;
}

bool bl_staging_make(bl_staging *s, const char *directory, bool inside, const char *what, bl_error *err) {
    *s = (bl_staging){.held = -1};
    if (!name_staging(s, directory, inside, err) || !take_lock(s, directory, inside, err)) goto fail;
    bl_remove_leftovers(directory, inside);
    if (make_locked(s)) {
        mode_t mask = umask(0);
        umask(mask);
        (void)chmod(s->path, 0777 & ~mask);
        return true;
    }
    bl_fail(err, BL_ERR_INPUT, "%s: %s cannot be written there: %s", directory, what, strerror(errno));
fail:
    bl_staging_free(s, false);
    return false;
}

bool bl_staging_place(bl_staging *s, const char *directory, bl_error *err) {
    if (!bl_file_exists(directory))
        return rename(s->path, directory) == 0 ||
               bl_fail(err, BL_ERR_IO, "%s: cannot be made: %s", directory, strerror(errno));
    if (renameat2(AT_FDCWD, s->path, AT_FDCWD, directory, RENAME_EXCHANGE) == 0) {
        bl_remove_tree(s->path);
        return true;
    }
    return bl_fail(err, BL_ERR_IO, "%s: cannot be replaced: %s", directory, strerror(errno));
}

void bl_staging_free(bl_staging *s, bool remove) {
    if (!s->path) return;
    if (remove) bl_remove_tree(s->path);
    if (s->held >= 0) close(s->held);
    bl_lock_free(s->lock);
    free(s->path);
    *s = (bl_staging){0};
}
