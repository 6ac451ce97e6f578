#include "text/corpus/batch.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES ((size_t)4 << 20)
#define BATCH_STORIES ((size_t)256) /* that bl_samples_read takes at a time */

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
        if (!bl_go_on(err)) return false;
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

typedef struct encoding {
    bl_batch *batch;
    const bl_tokenizer *tokenizer;
    size_t n_ctx;
} encoding;

static bool encode_one(void *context, size_t i, size_t thread, bl_error *err) {
    const encoding *e = context;
    (void)thread;
    return bl_batch_encode(e->batch, i, e->tokenizer, e->n_ctx, err);
}

bool bl_batch_encode_all(bl_batch *batch, const bl_tokenizer *tokenizer, size_t n_ctx, bl_error *err) {
    encoding all = {batch, tokenizer, n_ctx};
    return bl_parallel(batch->n, encode_one, &all, err);
}

void bl_batch_free(bl_batch *batch) {
    for (size_t i = 0; i < batch->ids_made; i++) bl_ids_free(&batch->ids[i]);
    free(batch->ids);
    free(batch->begin);
    free(batch->number);
    free(batch->text);
    *batch = (bl_batch){0};
}

bool bl_samples_add(bl_samples *s, const int32_t *ids, size_t n, bl_error *err) {
    size_t used = s->n ? s->begin[s->n] : 0;
    if (!bl_grow(&s->ids, &s->ids_capacity, used + n + 1, sizeof *s->ids, err) ||
        !bl_grow(&s->begin, &s->begin_capacity, s->n + 2, sizeof *s->begin, err))
        return false;
    s->begin[s->n] = used;
    if (n) memcpy(s->ids + used, ids, n * sizeof *ids);
    s->begin[++s->n] = used + n;
    if (n > s->longest) s->longest = n;
    return true;
}

bool bl_samples_read(bl_samples *s, bl_corpus *corpus, const bl_tokenizer *tokenizer, size_t n_ctx,
                     size_t most, const bl_progress *progress, bl_error *err) {
    bl_batch batch = {0};
    bool ok = true;
    while (ok) {
        size_t left = most && most - s->n < BATCH_STORIES ? most - s->n : BATCH_STORIES;
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        ok = bl_progress_step(progress, "reading", read, total, err) &&
             bl_batch_read(&batch, corpus, left, err);
        if (!ok || batch.n == 0) break;
        ok = bl_batch_encode_all(&batch, tokenizer, n_ctx, err);
        for (size_t i = 0; ok && i < batch.n; i++)
            ok = bl_samples_add(s, batch.ids[i].data, batch.ids[i].n, err);
    }
    bl_batch_free(&batch);
    return ok;
}

const int32_t *bl_samples_get(const bl_samples *s, size_t i, size_t *n) {
    *n = s->begin[i + 1] - s->begin[i];
    return s->ids + s->begin[i];
}

void bl_samples_free(bl_samples *s) {
    free(s->ids);
    free(s->begin);
    *s = (bl_samples){0};
}
