/* A batch of stories is read, each thread counts into its own table, the tables are added up in the end: only
 * different words are kept, some ten thousand in a corpus of stories, whatever its length. */
#include "text/tokenizer/word_count.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "text/corpus/batch.h"
#include "text/tokenizer/splitter.h"
#include "base/utf8.h"
#include <omp.h>
#include <stdlib.h>

#define STORIES_AT_ONCE ((size_t)2048)

bool bl_word_count_add(bl_word_count *counts, const char *word, size_t length, uint64_t n, bl_error *err) {
    uint32_t index;
    size_t before = counts->words.n;
    if (!bl_grow(&counts->count, &counts->capacity, before + 1, sizeof *counts->count, err)) return false;
    if (!bl_string_table_put(&counts->words, word, length, &index, err)) return false;
    if (index == before) counts->count[index] = 0;
    counts->count[index] += n;
    counts->total += n;
    return true;
}

void bl_word_count_free(bl_word_count *counts) {
    bl_string_table_free(&counts->words);
    free(counts->count);
    *counts = (bl_word_count){0};
}

/* One thread's part. */
typedef struct counter {
    bl_word_count counts;
    bl_normal_scratch scratch;
    size_t longest;
} counter;

static bool on_word(void *context, const char *word, size_t length, bl_error *err) {
    counter *self = context;
    if (length > self->longest && bl_utf8_count(word, length) > self->longest) return true;
    return bl_word_count_add(&self->counts, word, length, 1, err);
}

static bool count_batch(counter *counters, const bl_batch *batch, bl_error *err) {
    bl_splitter splitter = bl_splitter_seed();
    bool ok = true;
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t i = 0; i < batch->n; i++) {
        counter *self = &counters[omp_get_thread_num()];
        bl_error failure = {0};
        const char *text = batch->text + batch->begin[i];
        if (bl_splitter_words(&splitter, text, batch->begin[i + 1] - batch->begin[i], &self->scratch, on_word,
                              self, &failure))
            continue;
#pragma omp critical(bl_word_count_failure)
        {
            if (ok) bl_fail(err, failure.code, "%s", failure.message);
            ok = false;
        }
    }
    return ok;
}

static bool add_all(bl_word_count *sum, const bl_word_count *part, bl_error *err) {
    for (size_t i = 0; i < part->words.n; i++) {
        size_t length;
        const char *word = bl_string_table_text(&part->words, i, &length);
        if (!bl_word_count_add(sum, word, length, part->count[i], err)) return false;
    }
    return true;
}

bool bl_word_count_corpus(bl_word_count *counts, bl_corpus *corpus, size_t longest, bl_progress progress,
                          bl_error *err) {
    size_t threads = (size_t)bl_threads();
    bl_batch batch = {0};
    bool ok = false;
    counter *counters = bl_alloc_zero(threads, sizeof *counters, err);
    if (!counters) return false;
    for (size_t t = 0; t < threads; t++) counters[t].longest = longest;
    for (;;) {
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        if (!bl_progress_step(&progress, "counting words", read, total, err)) goto done;
        if (!bl_batch_read(&batch, corpus, STORIES_AT_ONCE, err)) goto done;
        if (batch.n == 0) break;
        counts->stories += batch.n;
        if (!count_batch(counters, &batch, err)) goto done;
    }
    ok = true;
    for (size_t t = 0; ok && t < threads; t++) ok = add_all(counts, &counters[t].counts, err);
done:
    for (size_t t = 0; t < threads; t++) {
        bl_word_count_free(&counters[t].counts);
        bl_normal_scratch_free(&counters[t].scratch);
    }
    free(counters);
    bl_batch_free(&batch);
    return ok;
}
