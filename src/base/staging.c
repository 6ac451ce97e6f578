#include "base/staging.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *bl_trim_slashes(const char *directory, const char *what, bl_error *err) {
    size_t n = strlen(directory);
    while (n > 1 && directory[n - 1] == '/') n--;
    if (n == 0) return bl_fail_null(err, BL_ERR_USAGE, "%s's folder has no name", what);
    return bl_strndup(directory, n, err);
}

char *bl_staging_make(const char *directory, bool inside, const char *what, bl_error *err) {
    const char *slash = strrchr(directory, '/');
    size_t parent = slash ? (size_t)(slash - directory) : 0, size = strlen(directory) + 64;
    char *staging = bl_alloc(size, 1, err);
    if (!staging) return NULL;
    if (inside) {
        snprintf(staging, size, "%s/.bilens.tmp-XXXXXX", directory);
    } else if (slash) {
        snprintf(staging, size, "%.*s", (int)(parent > 0 ? parent : 1), directory);
        if (!bl_make_directories(staging, err)) goto fail;
        snprintf(staging, size, "%.*s/.%s.tmp-XXXXXX", (int)parent, directory, slash + 1);
    } else {
        snprintf(staging, size, ".%s.tmp-XXXXXX", directory);
    }
    if (mkdtemp(staging)) {
        mode_t mask = umask(0);
        umask(mask);
        (void)chmod(staging, 0777 & ~mask);
        return staging;
    }
    bl_fail(err, BL_ERR_INPUT, "%s: %s cannot be written there: %s", directory, what, strerror(errno));
fail:
    free(staging);
    return NULL;
}
