#include "format/json.h"
#include "base/error.h"
#include "base/file.h"
#include <stdlib.h>

json_t *bl_json_parse(const char *text, size_t length, const char *path, bl_error *err) {
    json_error_t where;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (json) return json;
    bl_code code = json_error_code(&where) == json_error_out_of_memory ? BL_ERR_MEMORY : BL_ERR_INPUT;
    return bl_fail_null(err, code, "%s: not valid JSON: %s (line %d, column %d)", path, where.text, where.line, where.column);
}

json_t *bl_json_read(const char *path, size_t limit, bl_error *err) {
    size_t size;
    char *text = bl_file_read(path, limit, &size, err);
    if (!text) return NULL;
    json_t *json = bl_json_parse(text, size, path, err);
    free(text);
    return json;
}
