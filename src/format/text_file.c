#include "base/file.h"
#include <bilens/format.h>
#include <string.h>

bool bl_text_write(const char *path, const char *text, bl_error *err) {
    return bl_file_write(path, text, strlen(text), err);
}

char *bl_text_read(const char *path, size_t limit, bl_error *err) {
    return bl_file_read(path, limit, NULL, err);
}
