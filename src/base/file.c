#include "base/file.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/threads.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of `data`; false with errno, 0 when the file ends before. */
static bool read_all(int fd, unsigned char *data, size_t size) {
    while (size > 0) {
        ssize_t got = read(fd, data, size < ((size_t)1 << 30) ? size : (size_t)1 << 30);
        if (got < 0 && errno == EINTR && bl_go_on(NULL)) continue;
        if (got == 0) errno = 0;
        if (got <= 0) return false;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

bool bl_content_read(const char *path, bl_content *content, bl_error *err) {
    struct stat status;
    unsigned char *data = NULL;
    *content = (bl_content){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    bool ok = fstat(fd, &status) == 0;
    size_t size = ok ? (size_t)status.st_size : 0;
    if (!ok) bl_fail(err, BL_ERR_INPUT, "%s: cannot read: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode)) ok = bl_fail(err, BL_ERR_INPUT, "%s: not a regular file", path);
    else if (size > 0) ok = (data = bl_alloc(size, 1, err)) != NULL;
    if (ok && !read_all(fd, data, size))
        ok =
            bl_fail(err, BL_ERR_INPUT, errno ? "%s: cannot read: %s" : "%s: became shorter while it was read",
                    path, strerror(errno));
    close(fd);
    if (ok) *content = (bl_content){data, size};
    else free(data);
    return ok;
}

void bl_content_free(bl_content *content) {
    free((void *)(uintptr_t)content->data);
    *content = (bl_content){0};
}

char *bl_file_read(const char *path, size_t limit, size_t *size, bl_error *err) {
    FILE *file = fopen(path, "rbe");
    if (!file) return bl_fail_null(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    char *data = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        if (!bl_grow(&data, &capacity, n + 65536, 1, err)) break;
        size_t got = fread(data + n, 1, capacity - n - 1, file);
        n += got;
        if (n > limit) {
            bl_fail(err, BL_ERR_INPUT, "%s: larger than the %zu bytes that such a file may have", path,
                    limit);
            break;
        }
        if (got > 0) continue;
        if (ferror(file)) {
            bl_fail(err, BL_ERR_INPUT, "%s: cannot read: %s", path, strerror(errno));
            break;
        }
        fclose(file);
        data[n] = '\0';
        if (size) *size = n;
        return data;
    }
    fclose(file);
    free(data);
    return NULL;
}

/* Where the system could not look, opening it will say why. */
bool bl_file_exists(const char *path) {
    return access(path, F_OK) == 0 || errno == EIO || errno == EACCES || errno == EMFILE || errno == EINTR ||
           errno == ENOSPC;
}

bool bl_is_directory(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool bl_directory_or_none(const char *path, const char *what, bl_error *err) {
    struct stat status;
    if (stat(path, &status) == 0)
        return S_ISDIR(status.st_mode) ||
               bl_fail(err, BL_ERR_INPUT, "%s: is a file; %s needs a folder", path, what);
    return errno == ENOENT || bl_fail(err, BL_ERR_INPUT, "%s: cannot be used: %s", path, strerror(errno));
}

/* What stands where mkdir found something: 0 of a directory, ENOTDIR of a file, or why it is not known. */
static int standing(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return errno;
    return S_ISDIR(status.st_mode) ? 0 : ENOTDIR;
}

bool bl_make_directories(const char *path, bl_error *err) {
    char *copy = bl_strdup(path, err);
    if (!copy) return false;
    bool ok = true;
    for (char *end = copy + 1; ok && *copy; end++) {
        if (*end != '/' && *end != '\0') continue;
        char kept = *end;
        *end = '\0';
        int failed = mkdir(copy, 0777) == 0 ? 0 : errno, found = failed ? standing(copy) : 0;
        if (found) {
            if (failed == EEXIST) failed = found;
            ok = bl_fail(err, BL_ERR_INPUT, "%s: cannot create directory: %s", copy, strerror(failed));
        }
        *end = kept;
        if (!kept) break;
    }
    free(copy);
    return ok;
}

char *bl_path_join(const char *directory, const char *name, bl_error *err) {
    size_t a = strlen(directory), b = strlen(name);
    char *path = bl_alloc(a + b + 2, 1, err);
    if (!path) return NULL;
    memcpy(path, directory, a);
    if (a > 0 && directory[a - 1] != '/') path[a++] = '/';
    memcpy(path + a, name, b + 1);
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status, (void)kind, (void)where;
    remove(path);
    return 0;
}

void bl_remove_tree(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

struct bl_writer {
    FILE *file;
    char *path, *temporary; /* temporary is NULL when written directly */
    int lock;   /* the temporary file, once more: holds its lock until it has its name; -1: none */
    int failed; /* errno of the first failure */
};

static void writer_free(bl_writer *writer) {
    if (writer->temporary) {
        unlink(writer->temporary);
        free(writer->temporary);
    }
    if (writer->lock >= 0) close(writer->lock);
    free(writer->path);
    free(writer);
}

/* ".NAME.tmp-XXXXXX" beside `path`, opened and locked; NULL on failure. */
static FILE *open_beside(const char *path, char **temporary, int *lock, bl_error *err) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t folder = (size_t)(name - path), length = strlen(path) + sizeof "..tmp-XXXXXX";
    char *made = bl_alloc(length, 1, err);
    if (!made) return NULL;
    snprintf(made, length, "%.*s.%s.tmp-XXXXXX", (int)folder, path, name);
    bl_remove_leftovers(path, false);
    int fd;
    for (;;) { /* until nobody takes it for a leftover before it is locked */
        memcpy(made + strlen(made) - 6, "XXXXXX", 6);
        fd = mkostemp(made, O_CLOEXEC);
        if (fd < 0 || bl_lock_new(fd, made)) break;
        close(fd);
    }
    FILE *file = NULL;
    if (fd >= 0) {
        *lock = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        mode_t mask = umask(0);
        umask(mask);
        (void)fchmod(fd, 0666 & ~mask);
        file = fdopen(fd, "wb");
    }
    if (!file) {
        bl_fail(err, BL_ERR_INPUT, "%s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(made);
        }
        free(made);
        return NULL;
    }
    *temporary = made;
    return file;
}

bl_writer *bl_writer_open(const char *path, bl_error *err) {
    bl_writer *writer = bl_alloc_zero(1, sizeof *writer, err);
    if (!writer) return NULL;
    writer->lock = -1;
    writer->path = bl_strdup(path, err);
    if (!writer->path) goto fail;
    struct stat status;
    bool special = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    if (special && S_ISDIR(status.st_mode)) {
        bl_fail(err, BL_ERR_INPUT, "%s: is a directory, a file was expected", path);
    } else if (special) {
        writer->file = fopen(path, "wbe");
        if (!writer->file) bl_fail(err, BL_ERR_INPUT, "%s: cannot be written: %s", path, strerror(errno));
    } else {
        writer->file = open_beside(path, &writer->temporary, &writer->lock, err);
    }
    if (writer->file) return writer;
fail:
    writer_free(writer);
    return NULL;
}

void bl_writer_write(bl_writer *writer, const void *data, size_t size) {
    if (writer->failed || size == 0) return;
    errno = 0;
    if (fwrite(data, 1, size, writer->file) != size) writer->failed = errno ? errno : EIO;
}

void bl_writer_print(bl_writer *writer, const char *format, ...) {
    if (writer->failed) return;
    va_list arguments;
    va_start(arguments, format);
    errno = 0;
    if (vfprintf(writer->file, format, arguments) < 0) writer->failed = errno ? errno : EIO;
    va_end(arguments);
}

bool bl_writer_commit(bl_writer *writer, bl_error *err) {
    if (!writer->failed && fflush(writer->file) != 0) writer->failed = errno;
    if (!writer->failed && writer->temporary && fsync(fileno(writer->file)) != 0) writer->failed = errno;
    if (fclose(writer->file) != 0 && !writer->failed) writer->failed = errno;
    if (!writer->failed && writer->temporary) {
        if (rename(writer->temporary, writer->path) != 0) {
            writer->failed = errno;
        } else {
            free(writer->temporary);
            writer->temporary = NULL;
        }
    }
    bool ok = !writer->failed;
    if (!ok)
        bl_fail(err, BL_ERR_IO, "%s: writing failed: %s; nothing was left behind", writer->path,
                strerror(writer->failed));
    writer_free(writer);
    return ok;
}

void bl_writer_abort(bl_writer *writer) {
    if (!writer) return;
    fclose(writer->file);
    writer_free(writer);
}

bool bl_file_write(const char *path, const void *data, size_t size, bl_error *err) {
    bl_writer *writer = bl_writer_open(path, err);
    if (!writer) return false;
    bl_writer_write(writer, data, size);
    return bl_writer_commit(writer, err);
}
