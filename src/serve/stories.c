#include "serve/stories.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/corpus/batch.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64
#define MOST_TOKENS ((size_t)32 << 20)

struct bl_stories {
    const bl_model *model;
    bl_corpus *corpus;
    size_t most;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, stop;
    bl_error failure;
    bl_samples samples;
    uint64_t *frequencies; /* [V] */
};

static bool add_story(bl_stories *s, const bl_ids *ids, bl_error *err) {
    pthread_mutex_lock(&s->lock);
    bool ok = bl_samples_add(&s->samples, ids->data, ids->n, err);
    pthread_mutex_unlock(&s->lock);
    for (size_t p = 0; ok && p < ids->n; p++) s->frequencies[ids->data[p]]++;
    return ok;
}

/* Empty stories in the place of blank entries, so that a story's index is its place in the corpus. */
static bool skip_to(bl_stories *s, uint64_t number, bl_error *err) {
    static const bl_ids none = {0};
    while (s->samples.n < number)
        if (!add_story(s, &none, err)) return false;
    return true;
}

/* One more batch; *more is false at the end. */
static bool read_batch(bl_stories *s, bl_batch *batch, bool *more, bl_error *err) {
    const bl_config *c = bl_model_config(s->model);
    size_t left = s->most - s->samples.n;
    if (!bl_batch_read(batch, s->corpus, left < BATCH ? left : BATCH, err)) return false;
    for (size_t i = 0; i < batch->n; i++) /* one thread: the others answer requests */
        if (!skip_to(s, batch->number[i], err) ||
            !bl_batch_encode(batch, i, bl_model_tokenizer(s->model), c->n_ctx, err) ||
            !add_story(s, &batch->ids[i], err))
            return false;
    pthread_mutex_lock(&s->lock);
    *more =
        batch->n > 0 && s->samples.n < s->most && !s->stop && s->samples.begin[s->samples.n] < MOST_TOKENS;
    pthread_mutex_unlock(&s->lock);
    return true;
}

static void *run(void *context) {
    bl_stories *s = context;
    bl_batch batch = {0};
    bl_error failure = {0};
    bool more = true;
    while (more && read_batch(s, &batch, &more, &failure)) {}
    bl_batch_free(&batch);
    pthread_mutex_lock(&s->lock);
    s->failure = failure;
    s->ready = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bl_stories *make(const bl_model *model, size_t most, bl_error *err) {
    bl_stories *s = bl_alloc_zero(1, sizeof *s, err);
    if (!s) return NULL;
    s->model = model;
    s->most = most;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->frequencies = bl_alloc_zero(bl_model_config(model)->n_vocab, sizeof *s->frequencies, err);
    if (s->frequencies) return s;
    bl_stories_free(s);
    return NULL;
}

bl_stories *bl_stories_read(const bl_model *model, bl_corpus *corpus, size_t most, bl_error *err) {
    bl_stories *s = make(model, most, err);
    if (!s) return NULL;
    s->corpus = corpus;
    s->has_thread = pthread_create(&s->thread, NULL, run, s) == 0;
    if (s->has_thread) return s;
    bl_fail(err, BL_ERR_MEMORY, "no thread can be started to read the corpus");
    bl_stories_free(s);
    return NULL;
}

bl_stories *bl_stories_of_atlas(const bl_model *model, bl_atlas_reader *reader, size_t most, bl_error *err) {
    bl_stories *s = make(model, most, err);
    if (!s) return NULL;
    bl_samples *all = &s->samples;
    if (bl_atlas_reader_stories(reader, most, &all->ids, &all->begin, &all->n, err)) {
        for (size_t p = 0; p < all->begin[all->n]; p++) s->frequencies[all->ids[p]]++;
        s->ready = true;
        return s;
    }
    bl_stories_free(s);
    return NULL;
}

void bl_stories_stop(bl_stories *s) {
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void bl_stories_free(bl_stories *s) {
    if (!s) return;
    bl_stories_stop(s);
    if (s->has_thread) pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    bl_samples_free(&s->samples);
    free(s->frequencies);
    free(s);
}

bool bl_stories_get(bl_stories *s, bl_token_stories *out, bl_error *err) {
    pthread_mutex_lock(&s->lock);
    while (!s->ready && !s->stop) pthread_cond_wait(&s->changed, &s->lock);
    bool ok = true;
    if (s->stop) ok = bl_fail(err, BL_ERR_CANCELLED, "the server is being stopped");
    else if (s->failure.code == BL_ERR_INPUT || s->failure.code == BL_ERR_IO) /* its path is the server's */
        ok = bl_fail(err, BL_ERR_IO, "the corpus cannot be read: bilens eval --corpus says where and why");
    else if (s->failure.code) ok = bl_fail(err, s->failure.code, "%s", s->failure.message);
    if (ok) *out = (bl_token_stories){.ids = s->samples.ids, .begin = s->samples.begin, .n = s->samples.n};
    pthread_mutex_unlock(&s->lock);
    return ok;
}

size_t bl_stories_count(bl_stories *s, bool *ready) {
    pthread_mutex_lock(&s->lock);
    size_t n = s->samples.n;
    *ready = s->ready;
    pthread_mutex_unlock(&s->lock);
    return n;
}

const uint64_t *bl_stories_frequencies(bl_stories *s) {
    bool ready;
    bl_stories_count(s, &ready);
    return ready ? s->frequencies : NULL;
}
