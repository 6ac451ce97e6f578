#include "text/corpus/batch.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES ((size_t)4 << 20)

bool bl_batch_read(bl_batch *batch, bl_corpus *corpus, size_t most, bl_error *err) {
    size_t bytes = 0;
    batch->n = 0;
    if (!bl_grow(&batch->begin, &batch->begin_capacity, most + 1, sizeof *batch->begin, err)) return false;
    if (!bl_grow(&batch->ids, &batch->ids_capacity, most, sizeof *batch->ids, err)) return false;
    if (!bl_grow(&batch->number, &batch->number_capacity, most, sizeof *batch->number, err)) return false;
    for (; batch->ids_made < most; batch->ids_made++) batch->ids[batch->ids_made] = (bl_ids){0};
    batch->begin[0] = 0;
    while (batch->n < most && bytes < BATCH_BYTES) {
        bl_story story;
        bl_error failure = {0};
        if (!bl_corpus_next(corpus, &story, &failure)) {
            if (failure.code == BL_OK) break;
            return bl_fail(err, failure.code, "%s", failure.message);
        }
        if (!bl_grow(&batch->text, &batch->text_capacity, bytes + story.length, 1, err)) return false;
        memcpy(batch->text + bytes, story.text, story.length);
        bytes += story.length;
        batch->number[batch->n] = story.number;
        batch->begin[++batch->n] = bytes;
    }
    return true;
}

bool bl_batch_encode(bl_batch *batch, size_t i, const bl_tokenizer *tokenizer, size_t n_ctx, bl_error *err) {
    bl_ids *ids = &batch->ids[i];
    if (!bl_tokenizer_encode(tokenizer, batch->text + batch->begin[i], batch->begin[i + 1] - batch->begin[i],
                             ids, err))
        return false;
    if (ids->n > n_ctx) ids->n = n_ctx;
    return true;
}

void bl_batch_free(bl_batch *batch) {
    for (size_t i = 0; i < batch->ids_made; i++) bl_ids_free(&batch->ids[i]);
    free(batch->ids);
    free(batch->begin);
    free(batch->number);
    free(batch->text);
    *batch = (bl_batch){0};
}
