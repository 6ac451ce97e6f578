/* A GGUF file from anyone: it is refused with a message, or its tensors can be read and its tokenizer, if
 * there is one, gives ids of its vocabulary. */
#include "format/gguf.h"
#include "text/tokenizer/gguf_tokenizer.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] = "Once upon a time  there was 3\xC2\xBD <s> caf\xC3\xA9\n\xF0\x9F\x98\x80 don't";

static void read_tensors(const bl_gguf *file) {
    static float row[1 << 16];
    for (size_t i = 0; i < file->n_tensors; i++) {
        const bl_gguf_tensor *tensor = &file->tensors[i];
        size_t n = tensor->shape[tensor->n_dims - 1];
        if (n > sizeof row / sizeof *row) continue;
        bl_gguf_rows(tensor, 0, 1, row);
        bl_gguf_rows(tensor, tensor->count / n - 1, 1, row);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_ids ids = {0};
    bl_gguf *file = bl_gguf_parse(data, size, "fuzz", &err);
    if (!file) {
        if (err.code == BL_OK || strncmp(err.message, "fuzz: ", 6) != 0) abort();
        return 0;
    }
    read_tensors(file);
    bl_tokenizer *tokenizer = bl_gguf_tokenizer(file, "fuzz", &err);
    if (!tokenizer && err.code == BL_OK) abort();
    if (tokenizer) {
        if (!bl_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, &err)) abort();
        for (size_t i = 0; i < ids.n; i++)
            if (!bl_tokenizer_token(tokenizer, ids.data[i])) abort();
        char *back = bl_tokenizer_decode(tokenizer, ids.data, ids.n, &err);
        if (!back) abort();
        bl_free(back);
    }
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
    bl_gguf_free(file);
    return 0;
}
