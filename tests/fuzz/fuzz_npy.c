/* A .npy file from anyone: parsing fails with a message, or gives exactly the numbers that the shape
 * promises. */
#include "format/npy.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_named_array array;
    float *values = NULL;
    if (!bl_npy_parse(data, size, "fuzz", &array, &values, NULL, &err)) {
        if (values || err.code == BL_OK || err.message[0] == '\0') abort();
        return 0;
    }
    size_t count = 1;
    for (size_t i = 0; i < array.n_dims; i++) count *= array.shape[i];
    if (!values || array.data != values || array.n_dims > BL_MAX_DIMS || count > size) abort();
    volatile float last = 0;
    for (size_t i = 0; i < count; i++) last = values[i];
    (void)last;
    bl_free(values);
    return 0;
}
