/* IDX files from memory. */
#include "format/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_idx idx;
    bl_error err;
    bl_idx_parse(data, size, "fuzz.idx", &idx, &err);
    bl_idx_free(&idx);
    return 0;
}
