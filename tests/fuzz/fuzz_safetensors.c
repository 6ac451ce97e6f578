/* A safetensors file from anyone: parsing either fails with a message, or gives tensors that tile the file's
 * data and can be read. */
#include "base/error.h"
#include "format/safetensors.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensor(const bl_safetensors *file, size_t i, const uint8_t *data, size_t size) {
    const bl_stored_tensor *tensor = &file->tensors[i];
    if (bl_safetensors_find(file, tensor->name) == NULL) abort();
    if (tensor->data < data || tensor->data > data + size ||
        tensor->end - tensor->begin > (size_t)(data + size - tensor->data))
        abort();
    if (!tensor->type || tensor->count > size) return;
    float *values = malloc(tensor->count * sizeof *values + 1);
    if (!values) abort();
    bl_stored_tensor_read(tensor, values);
    const float *view = bl_stored_tensor_view(tensor);
    if (view && tensor->count && memcmp(view, values, tensor->count * sizeof *values) != 0) abort();
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_safetensors *file = bl_safetensors_parse(data, size, "fuzz", &err);
    if (!file) {
        if (err.code == BL_OK || err.message[0] == '\0') abort();
        return 0;
    }
    size_t at = 0;
    for (size_t i = 0; i < file->n; i++) {
        if (file->tensors[i].begin != at) abort(); /* they tile the data */
        at = file->tensors[i].end;
        check_tensor(file, i, data, size);
    }
    bl_safetensors_free(file);
    return 0;
}
