#include "train/data.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "text/corpus/batch.h"
#include <stdlib.h>
#include <string.h>

#define STORIES_AT_ONCE ((size_t)512)

/* FNV-1a over 32-bit words. */
static uint64_t hash_word(uint64_t hash, uint32_t word) { return (hash ^ word) * UINT64_C(0x100000001b3); }

static bool append(bl_dataset *data, const bl_ids *ids, size_t vocabulary, size_t n_ctx, bl_error *err) {
    size_t n = ids->n < n_ctx ? ids->n : n_ctx;
    uint64_t at = data->begin[data->n];
    data->cut += ids->n > n_ctx;
    if (n < 2) {
        data->empty++;
        return true;
    }
    if (data->n >= UINT32_MAX) return bl_fail(err, BL_ERR_INPUT, "more than %u stories", UINT32_MAX);
    if (!bl_grow(&data->begin, &data->begin_capacity, data->n + 2, sizeof *data->begin, err)) return false;
    if (vocabulary <= 65536 &&
        !bl_grow(&data->narrow, &data->capacity, (size_t)at + n, sizeof *data->narrow, err))
        return false;
    if (vocabulary > 65536 && !bl_grow(&data->wide, &data->capacity, (size_t)at + n, sizeof *data->wide, err))
        return false;
    data->hash = hash_word(data->hash, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        int32_t id = ids->data[i];
        if (id < 0 || (size_t)id >= vocabulary)
            return bl_fail(err, BL_ERR_INPUT,
                           "the tokenizer gives id %d, but the model's vocabulary has only %zu tokens", id,
                           vocabulary);
        data->hash = hash_word(data->hash, (uint32_t)id);
        if (data->narrow) data->narrow[at + i] = (uint16_t)id;
        else data->wide[at + i] = id;
    }
    data->begin[++data->n] = at + n;
    if (n > data->longest) data->longest = n;
    return true;
}

bool bl_dataset_read(bl_dataset *data, const char *const *paths, size_t n_paths, const char *text_key,
                     const bl_tokenizer *tokenizer, size_t vocabulary, size_t n_ctx, const char *phase,
                     const bl_progress *progress, bl_error *err) {
    bl_batch batch = {0};
    bool ok = false;
    *data = (bl_dataset){.hash = UINT64_C(0xcbf29ce484222325)};
    bl_corpus *corpus = bl_corpus_open(paths, n_paths, err);
    if (!corpus || !bl_corpus_text_key(corpus, text_key, err)) goto done;
    if (!bl_grow(&data->begin, &data->begin_capacity, 1, sizeof *data->begin, err)) goto done;
    data->begin[0] = 0;
    for (;;) {
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        if (!bl_progress_step(progress, phase, read, total, err)) goto done;
        if (!bl_batch_read(&batch, corpus, STORIES_AT_ONCE, err)) goto done;
        if (batch.n == 0) break;
        if (!bl_batch_encode_all(&batch, tokenizer, n_ctx + 1, err)) /* one more tells which were cut */
            goto done;
        for (size_t i = 0; i < batch.n; i++)
            if (!append(data, &batch.ids[i], vocabulary, n_ctx, err)) goto done;
    }
    const char *note = bl_corpus_note(corpus, n_ctx);
    data->note = note ? bl_strdup(note, NULL) : NULL;
    ok = data->n > 0 || bl_fail(err, BL_ERR_INPUT,
                                "%s: no story has two tokens, so that there is nothing to predict", paths[0]);
done:
    bl_batch_free(&batch);
    bl_corpus_free(corpus);
    return ok;
}

void bl_dataset_free(bl_dataset *data) {
    free(data->note);
    free(data->narrow);
    free(data->wide);
    free(data->begin);
    *data = (bl_dataset){0};
}

bool bl_order_init(bl_order *order, size_t n, uint64_t seed, bl_error *err) {
    *order = (bl_order){.n = n, .seed = seed, .epoch = UINT64_MAX};
    order->story = bl_alloc(n, sizeof *order->story, err);
    return order->story != NULL;
}

void bl_order_free(bl_order *order) { free(order->story); }

size_t bl_order_story(bl_order *order, uint64_t position) {
    uint64_t epoch = position / order->n;
    if (epoch != order->epoch) {
        bl_random_order(order->seed ^ (epoch + 1) * UINT64_C(0x9e3779b97f4a7c15), order->story, order->n);
        order->epoch = epoch;
    }
    return order->story[position % order->n];
}

static bool reserve(bl_packer *p, size_t rows, size_t stories, bl_error *err) {
    if (rows > p->rows) {
        free(p->input), free(p->target), free(p->position), free(p->row);
        p->rows = 0;
        p->input = bl_alloc(rows, sizeof *p->input, err);
        p->target = bl_alloc(rows, sizeof *p->target, err);
        p->position = bl_alloc(rows, sizeof *p->position, err);
        p->row = bl_alloc(rows, sizeof *p->row, err);
        if (!p->input || !p->target || !p->position || !p->row) return false;
        p->rows = rows;
    }
    if (stories > p->stories) {
        free(p->start);
        p->start = bl_alloc(stories + 1, sizeof *p->start, err);
        p->stories = p->start ? stories : 0;
    }
    return p->start != NULL;
}

bool bl_packer_fill(bl_packer *p, const bl_dataset *data, const size_t *stories, size_t n, uint64_t first,
                    size_t n_ctx, bl_error *err) {
    size_t rows = 0, r = 0, longest = 0;
    for (size_t i = 0; i < n; i++) rows += bl_dataset_length(data, stories[i]) - 1;
    if (!reserve(p, rows, n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        size_t length = bl_dataset_length(data, stories[i]);
        uint64_t begin = data->begin[stories[i]];
        p->start[i] = r;
        for (size_t t = 0; t + 1 < length; t++, r++) {
            p->input[r] = bl_dataset_id(data, begin + t);
            p->target[r] = bl_dataset_id(data, begin + t + 1);
            p->position[r] = (uint32_t)t;
            p->row[r] = (first + i) * n_ctx + t;
        }
        if (length - 1 > longest) longest = length - 1;
    }
    if (n) p->start[n] = r;
    p->batch = (bl_minibatch){p->input, p->target, p->position, p->row, p->start, n, rows, longest};
    return true;
}

void bl_packer_free(bl_packer *p) {
    free(p->input);
    free(p->target);
    free(p->position);
    free(p->row);
    free(p->start);
    *p = (bl_packer){0};
}
