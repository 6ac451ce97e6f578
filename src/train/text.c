/* What a run learns from: the corpus as token ids, the number of steps that follows from it, and what the
 * user should know about it. */
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "model/model_private.h"
#include "train/save.h"
#include "train/trainer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool report_phase(void *context, const char *phase, uint64_t done, uint64_t total) {
    bl_trainer *t = context;
    bl_trainer_report(t,
                      &(bl_train_event){.kind = BL_TRAIN_PHASE, .text = phase, .done = done, .total = total});
    return !t->cancelled;
}

/* Steps until the first of steps, epochs and tokens is reached. */
static bool count_steps(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    uint64_t each = (uint64_t)(o->batch * o->accumulate), steps = o->steps ? o->steps : UINT64_MAX;
    if (o->epochs > 0) {
        double wanted = ceil(o->epochs * (double)t->train.n / (double)each);
        if (wanted < (double)steps) steps = wanted < 1 ? 1 : (uint64_t)wanted;
    }
    if (o->tokens > 0) {
        bl_order order;
        uint64_t position = 0, tokens = 0;
        if (!bl_order_init(&order, t->train.n, o->seed, err)) return false;
        for (; tokens < o->tokens && position / each < steps; position++)
            tokens += bl_dataset_length(&t->train, bl_order_story(&order, position));
        bl_order_free(&order);
        uint64_t wanted = (position + each - 1) / each;
        if (wanted < steps) steps = wanted;
    }
    t->steps = steps == UINT64_MAX ? 0 : steps;
    return true;
}

/* The architecture of the model to start from, with the noise and the annealed gate that were asked for. */
static bool read_start(bl_trainer *t, bl_config *config, bl_error *err) {
    const bl_train_options *o = t->options;
    t->start = bl_model_load_weights(o->start, err);
    if (!t->start) return false;
    bl_gate gate = t->start->config.gate;
    *config = t->start->config;
    config->noise = o->model.noise;
    if (o->anneal.share > 0) {
        if (gate != BL_GATE_SILU || o->anneal.from != 1)
            return bl_fail(
                err, BL_ERR_USAGE,
                "%s: has the gate %s, and --gate begins with swish:%g; a checkpoint is annealed from what it "
                "was trained with, so that it must have the gate silu, which is swish:1: give --gate "
                "swish:1..0@P%% and a model trained with --gate silu",
                o->start, bl_gate_name(gate), o->anneal.from);
        config->gate = o->model.gate;
    }
    return bl_config_check(config, err);
}

static bool first_weights(bl_trainer *t, bl_error *err) {
    const bl_params *params = &t->net.params;
    if (!t->start) {
        bl_net_randomize(&t->net, t->options->seed);
        return true;
    }
    if (params->n != t->start->params.n)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: has other tensors than a model that can be trained",
                       t->options->start);
    for (size_t i = 0; i < params->n; i++)
        memcpy(t->net.weights + params->list[i].offset, t->start->raw[i],
               params->list[i].count * sizeof(float));
    t->start_hash = bl_hash(0, t->net.weights, params->total * sizeof(float));
    bl_model_free(t->start);
    t->start = NULL;
    return true;
}

bool bl_trainer_read_text(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    bl_progress progress = {report_phase, t};
    bl_config config = o->model;
    if (o->start && !read_start(t, &config, err)) return false;
    t->tokenizer = bl_tokenizer_load(o->tokenizer, err);
    if (!t->tokenizer) return false;
    size_t size = bl_tokenizer_size(t->tokenizer);
    if (config.n_vocab == 0) config.n_vocab = size;
    if (config.n_vocab < size)
        return bl_fail(err, BL_ERR_USAGE, "%s: has %zu tokens, more than the model's vocabulary of %zu",
                       o->tokenizer, size, config.n_vocab);
    if (!bl_dataset_read(&t->train, o->corpus, o->n_corpus, o->text_key, t->tokenizer, config.n_vocab,
                         config.n_ctx, "tokenizing the corpus", &progress, err))
        return false;
    if (o->valid && !bl_dataset_read(&t->valid, &o->valid, 1, o->text_key, t->tokenizer, config.n_vocab,
                                     config.n_ctx, "tokenizing the validation text", &progress, err))
        return false;
    if (t->train.n < o->batch * o->accumulate)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: has only %zu stories, one step needs %zu: give more text or a smaller batch%s%s",
                       o->corpus[0], t->train.n, o->batch * o->accumulate, t->train.note ? ". " : "",
                       t->train.note ? t->train.note : "");
    if (o->batch < (size_t)t->ranks.size)
        return bl_fail(err, BL_ERR_USAGE, "a batch of %zu stories cannot be shared by %d ranks", o->batch,
                       t->ranks.size);
    return count_steps(t, err) && bl_order_init(&t->order, t->train.n, o->seed, err) &&
           bl_net_init(&t->net, &config, err) && first_weights(t, err);
}

/* The vocabulary's share that occurs, stories that were cut or left out. */
void bl_trainer_tell_about_text(bl_trainer *t) {
    const bl_dataset *d = &t->train;
    uint64_t tokens = d->begin[d->n];
    size_t V = t->net.config.n_vocab, seen = 0;
    bool *occurs = bl_alloc_zero(V, sizeof *occurs, NULL);
    for (uint64_t i = 0; occurs && i < tokens; i++) occurs[bl_dataset_id(d, i)] = true;
    for (size_t i = 0; occurs && i < V; i++) seen += occurs[i];
    bl_trainer_note(t, "%zu stories, %llu tokens; %zu of the vocabulary's %zu tokens occur", d->n,
                    (unsigned long long)tokens, seen, V);
    if (occurs && 2 * seen < V)
        bl_trainer_note(
            t,
            "the vocabulary is much larger than the corpus: %zu of its tokens never occur and stay untrained",
            V - seen);
    if (d->note) bl_trainer_note(t, "%s", d->note);
    if (d->cut)
        bl_trainer_note(
            t, "%llu of the stories (%.1f %%) are longer than the context of %zu tokens and were cut",
            (unsigned long long)d->cut, 100.0 * (double)d->cut / (double)(d->n + d->empty),
            t->net.config.n_ctx);
    if (d->empty)
        bl_trainer_note(t, "%llu stories have fewer than two tokens and were left out",
                        (unsigned long long)d->empty);
    free(occurs);
    if (t->options->warmup && t->steps && t->options->warmup >= t->steps)
        bl_trainer_note(t,
                        "the warm-up of %llu steps is not shorter than the run of %llu: the learning rate "
                        "never reaches %g",
                        (unsigned long long)t->options->warmup, (unsigned long long)t->steps, t->options->lr);
}
