/* Files: whole reads, and writing that is atomic (temporary name, fsync, rename). */
#ifndef BL_BASE_FILE_H
#define BL_BASE_FILE_H
#include <bilens/base.h>
#include <stdarg.h>
#include <stdio.h>

/* The bytes of a regular file, copied: what happens to the file afterwards does not matter (a map would show
 * changes, and end the process where the file became shorter). An empty file has data NULL, size 0. */
typedef struct bl_content {
    const unsigned char *data;
    size_t size;
} bl_content;

bool bl_content_read(const char *path, bl_content *content, bl_error *err);
void bl_content_free(bl_content *content);

/* The whole file, NUL-terminated after `*size` bytes; refuses files over `limit` bytes. Free with bl_free. */
char *bl_file_read(const char *path, size_t limit, size_t *size, bl_error *err);
bool bl_file_exists(const char *path);
bool bl_is_directory(const char *path);
/* True where `path` is a directory, or nothing stands there; else fails: it is a file, and `what` ("a
 * report") needs a folder, or the reason why it cannot be looked at. */
bool bl_directory_or_none(const char *path, const char *what, bl_error *err);
/* mkdir -p. */
bool bl_make_directories(const char *path, bl_error *err);
/* "directory/name", to be freed with bl_free. */
char *bl_path_join(const char *directory, const char *name, bl_error *err);
/* Removes a directory and everything in it; errors are ignored (it is a clean-up). */
void bl_remove_tree(const char *path);

/* A file being written under a temporary name beside its final one. A path that exists and is no regular file
 * (a pipe, /dev/stdout) is written directly. Errors stick: write freely, look at the result of
 * bl_writer_commit. */
typedef struct bl_writer bl_writer;
bl_writer *bl_writer_open(const char *path, bl_error *err);
void bl_writer_write(bl_writer *writer, const void *data, size_t size);
void bl_writer_print(bl_writer *writer, const char *format, ...) BL_PRINTF(2, 3);
/* Flush, fsync, rename; false (and nothing left behind) if anything failed since opening. Frees the writer
 * either way. */
bool bl_writer_commit(bl_writer *writer, bl_error *err);
/* Gives up: removes the temporary file, frees the writer. NULL is allowed. */
void bl_writer_abort(bl_writer *writer);
/* The three in one. */
bool bl_file_write(const char *path, const void *data, size_t size, bl_error *err);
#endif
