/* Texts from a model: each thread has slots in which several texts advance side by side (cached.h); a slot
 * whose text has ended takes the next one. A text's random numbers come from the seed and its own index, and
 * its logits do not depend on its neighbours, so neither the number of threads nor the number of texts
 * changes any of them. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/cached.h"
#include "model/sampler.h"
#include "text/tokenizer/ids.h"
#include "model/prose.h"
#include "text/tokenizer/tokenizer_private.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CACHE ((size_t)1 << 30) /* bytes of keys and values in all */
#define TEXTS_A_SLOT ((size_t)4)     /* of one portion, which is handed on in order when it is complete */

typedef struct text {
    size_t index; /* into the portion */
    bool active;
    bl_random random;
} text;

typedef struct worker {
    bl_cached *cached;
    bl_sampler sampler;
    text texts[BL_CACHED_SLOTS];
} worker;

typedef struct job {
    const bl_model *model;
    const bl_generate_options *options;
    bl_progress progress;
    bl_ids prompt;
    bool *allowed; /* [V] */
    size_t limit;  /* tokens of a text, prompt included */
    size_t n, slots, n_workers;
    worker *workers;
    bl_generated *portion; /* [portion_size] */
    size_t portion_size, first, count, next;
    uint64_t done; /* texts, or tokens of a single one */
    bool failed;
} job;

void bl_generate_defaults(bl_generate_options *options) {
    *options = (bl_generate_options){.temperature = 0.8};
}

void bl_generated_free(bl_generated *story) {
    if (!story) return;
    bl_ids_free(&story->ids);
    free(story->text);
    *story = (bl_generated){0};
}

static bool check_options(const bl_generate_options *o, bl_error *err) {
    if (!(o->temperature >= 0) || !isfinite(o->temperature))
        return bl_fail(err, BL_ERR_USAGE, "a temperature is 0 or more, not %g", o->temperature);
    if (!(o->top_p >= 0 && o->top_p <= 1))
        return bl_fail(err, BL_ERR_USAGE, "top_p is a probability, 0 to 1, not %g", o->top_p);
    return true;
}

/* The prompt's ids without what the template puts behind a text. A tokenizer without template begins as after
 * a text. */
static bool encode_prompt(job *j, const char *prompt, bl_error *err) {
    const bl_tokenizer *tokenizer = j->model->tokenizer;
    const bl_config *c = &j->model->config;
    if (!bl_tokenizer_encode(tokenizer, prompt, strlen(prompt), &j->prompt, err))
        return bl_error_prefix(err, "the prompt");
    j->prompt.n -= tokenizer->after.n;
    if (j->prompt.n == 0 && !bl_ids_push(&j->prompt, tokenizer->eos >= 0 ? tokenizer->eos : 0, err))
        return false;
    if (j->prompt.n >= c->n_ctx)
        return bl_fail(
            err, BL_ERR_USAGE,
            "the prompt has %zu tokens, which leaves no room in the model's context of %zu: shorten it",
            j->prompt.n, c->n_ctx);
    for (size_t i = 0; i < j->prompt.n; i++)
        if ((size_t)j->prompt.data[i] >= c->n_vocab)
            return bl_fail(err, BL_ERR_INPUT,
                           "the tokenizer gives id %d, beyond the model's vocabulary of %zu",
                           (int)j->prompt.data[i], c->n_vocab);
    size_t room = c->n_ctx - j->prompt.n, most = j->options->max_tokens;
    j->limit = j->prompt.n + (most && most < room ? most : room);
    return true;
}

static bool make_workers(job *j, bl_error *err) {
    size_t threads = (size_t)bl_threads(), bytes = bl_cached_bytes(j->model, j->limit),
           V = j->model->config.n_vocab;
    size_t affordable = bytes ? MOST_CACHE / bytes : SIZE_MAX;
    if (threads > j->n) threads = j->n;
    j->slots = (j->n + threads - 1) / threads;
    if (j->slots > BL_CACHED_SLOTS) j->slots = BL_CACHED_SLOTS;
    if (j->slots > affordable / threads) j->slots = affordable / threads ? affordable / threads : 1;
    j->n_workers = threads;
    j->portion_size = threads * j->slots * TEXTS_A_SLOT;
    if (j->portion_size > j->n) j->portion_size = j->n;
    j->workers = bl_alloc_zero(threads, sizeof *j->workers, err);
    j->portion = bl_alloc_zero(j->portion_size, sizeof *j->portion, err);
    j->allowed = bl_model_words(j->model, err);
    if (!j->workers || !j->portion || !j->allowed) return false;
    for (size_t t = 0; t < threads; t++) {
        worker *w = &j->workers[t];
        w->cached = bl_cached_new(j->model, j->slots, j->limit, err);
        if (!w->cached || !bl_sampler_init(&w->sampler, j->options, j->allowed, V, err)) return false;
    }
    return true;
}

static void free_job(job *j) {
    for (size_t t = 0; j->workers && t < j->n_workers; t++) {
        bl_cached_free(j->workers[t].cached);
        bl_sampler_free(&j->workers[t].sampler);
    }
    for (size_t i = 0; j->portion && i < j->portion_size; i++) bl_generated_free(&j->portion[i]);
    free(j->workers);
    free(j->portion);
    free(j->allowed);
    bl_ids_free(&j->prompt);
}

/* Text i of the portion into a slot. */
static bool begin_text(job *j, worker *w, size_t slot, size_t i, bl_error *err) {
    bl_generated *story = &j->portion[i];
    text *t = &w->texts[slot];
    *t = (text){.index = i, .active = true};
    *story = (bl_generated){.n_prompt = j->prompt.n};
    bl_random_seed(&t->random, j->options->seed);
    bl_random_seed(&t->random,
                   bl_random_next(&t->random) ^ (uint64_t)(j->first + i) * UINT64_C(0xd1342543de82ef95));
    bl_cached_begin(w->cached, slot);
    for (size_t k = 0; k < j->prompt.n; k++)
        if (!bl_ids_push(&story->ids, j->prompt.data[k], err)) return false;
    return true;
}

static bool end_text(job *j, text *t, bl_stop stop, bl_error *err) {
    bl_generated *story = &j->portion[t->index];
    t->active = false;
    story->stop = stop;
    story->steps = story->ids.n - story->n_prompt;
    if (j->options->whole && stop != BL_STOP_END &&
        !bl_prose_whole(j->model->tokenizer, story->ids.data, &story->ids.n, story->n_prompt + 1, err))
        return false;
    story->text =
        bl_tokenizer_prose(j->model->tokenizer, story->ids.data, story->ids.n, j->options->capitals, err);
    return story->text != NULL;
}

/* The next token of one text from its logits. */
static bool extend_text(job *j, worker *w, text *t, const float *logits, bl_error *err) {
    bl_generated *story = &j->portion[t->index];
    int32_t id = bl_sampler_draw(&w->sampler, logits, &t->random);
    if (id < 0)
        return bl_fail(err, BL_ERR_NUMERIC, "a logit is not finite: the weights hold NaN or infinity");
    if (id == bl_tokenizer_eos(j->model->tokenizer)) return end_text(j, t, BL_STOP_END, err);
    if (!bl_ids_push(&story->ids, id, err)) return false;
    if (story->ids.n < j->limit) return true;
    bool asked = j->options->max_tokens && story->ids.n - story->n_prompt == j->options->max_tokens;
    return end_text(j, t, asked ? BL_STOP_TOKENS : BL_STOP_CONTEXT, err);
}

/* One token of each of a worker's texts. */
static bool advance(job *j, worker *w, size_t *ended, bl_error *err) {
    bl_cached_input inputs[BL_CACHED_SLOTS];
    size_t n = 0;
    for (size_t s = 0; s < j->slots; s++) {
        if (!w->texts[s].active) continue;
        const bl_ids *ids = &j->portion[w->texts[s].index].ids;
        size_t at = bl_cached_length(w->cached, s);
        inputs[n++] = (bl_cached_input){.slot = s, .id = ids->data[at], .wanted = at + 1 == ids->n};
    }
    bl_cached_step(w->cached, inputs, n);
    for (size_t i = 0; i < n; i++) {
        text *t = &w->texts[inputs[i].slot];
        if (inputs[i].logits && !extend_text(j, w, t, inputs[i].logits, err)) return false;
        *ended += !t->active;
    }
    return true;
}

/* Fills free slots with the portion's next texts; the number of active ones in *active. */
static bool fill_slots(job *j, worker *w, size_t *active, bl_error *err) {
    *active = 0;
    for (size_t s = 0; s < j->slots; s++) {
        size_t i;
        if (!w->texts[s].active) {
#pragma omp atomic capture
            i = j->next++;
            if (i >= j->count) continue;
            if (!begin_text(j, w, s, i, err)) return false;
        }
        ++*active;
    }
    return true;
}

/* Reports progress and learns whether to go on; with the lock held, since several workers do it. */
static bool go_on(job *j, size_t ended, bool ok, const bl_error *failure, bl_error *err) {
    bool on;
#pragma omp critical(bl_generate)
    {
        j->done += j->n == 1 ? 1 : ended;
        if (!ok && !j->failed) {
            bl_fail(err, failure->code, "%s", failure->message);
            j->failed = true;
        }
        if (!j->failed &&
            !bl_progress_step(&j->progress, "generating", j->done, j->n == 1 ? j->limit : j->n, err))
            j->failed = true;
        on = !j->failed;
    }
    return on;
}

static void work(job *j, worker *w, bl_error *err) {
    bool on = true;
    for (size_t s = 0; s < j->slots; s++) w->texts[s].active = false;
    while (on) {
        bl_error failure = {0};
        size_t active, ended = 0;
        bool ok = fill_slots(j, w, &active, &failure);
        if (ok && active == 0) return;
        ok = ok && advance(j, w, &ended, &failure);
        on = go_on(j, ended, ok, &failure, err);
    }
}

/* One portion of texts, then handed on in order. */
static bool run_portion(job *j, bl_story_fn take, void *context, bl_error *err) {
    j->next = 0;
    if (j->n_workers ==
        1) { /* outside of a parallel region, so that the products of a large model can use all threads */
        work(j, &j->workers[0], err);
    } else {
#pragma omp parallel num_threads((int)j->n_workers)
        for (size_t t = (size_t)omp_get_thread_num(); t < j->n_workers; t += (size_t)omp_get_num_threads())
            work(j, &j->workers[t], err);
    }
    bool ok = !j->failed;
    for (size_t i = 0; i < j->count; i++) {
        ok = ok && take(context, j->first + i, &j->portion[i], err);
        bl_generated_free(&j->portion[i]);
    }
    return ok;
}

bool bl_generate_stories(const bl_model *model, const char *prompt, const bl_generate_options *options,
                         size_t n, bl_story_fn take, void *context, bl_progress progress, bl_error *err) {
    bl_error_clear(err);
    job j = {.model = model, .options = options, .n = n, .progress = progress};
    if (n == 0) return true;
    bool ok = check_options(options, err) && encode_prompt(&j, prompt, err) && make_workers(&j, err);
    for (; ok && j.first < n; j.first += j.count) {
        j.count = n - j.first < j.portion_size ? n - j.first : j.portion_size;
        ok = run_portion(&j, take, context, err);
    }
    free_job(&j);
    return ok;
}

/* Copies the one text out: what is handed on is freed after the call. */
static bool take_one(void *context, size_t i, const bl_generated *story, bl_error *err) {
    bl_generated *out = context;
    (void)i;
    *out = *story;
    out->ids = (bl_ids){0};
    out->text = bl_strdup(story->text, err);
    if (!out->text) return false;
    for (size_t k = 0; k < story->ids.n; k++)
        if (!bl_ids_push(&out->ids, story->ids.data[k], err)) return false;
    return true;
}

bool bl_generate(const bl_model *model, const char *prompt, const bl_generate_options *options,
                 bl_generated *story, bl_progress progress, bl_error *err) {
    *story = (bl_generated){0};
    if (bl_generate_stories(model, prompt, options, 1, take_one, story, progress, err)) return true;
    bl_generated_free(story);
    return false;
}
