/* Surrogates of corpora (docs/specification.md, 19): which stories are fitted on and which are held out. */
#include "text/corpus/batch.h"
#include <bilens/surrogate.h>
#include <stdlib.h>

#define HELD 10 /* without a corpus of its own every so many-th story is held out */

static bl_story_tokens as_tokens(const bl_samples *samples) {
    return (bl_story_tokens){samples->ids, samples->begin, samples->n};
}

/* Stories HELD - 1, 2 HELD - 1, … of `all` to `held`, the others to `fit`. */
static bool divide(const bl_samples *all, bl_samples *fit, bl_samples *held, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ok && i < all->n; i++)
        ok = bl_samples_add(i % HELD == HELD - 1 ? held : fit, all->ids + all->begin[i],
                            all->begin[i + 1] - all->begin[i], err);
    return ok;
}

bl_surrogate *bl_surrogate_fit_corpus(const bl_model *model, const size_t *layers, size_t n_layers,
                                      bl_corpus *corpus, bl_corpus *valid, size_t stories,
                                      bl_progress progress, bl_error *err) {
    const bl_tokenizer *tokenizer = bl_model_tokenizer(model);
    size_t n_ctx = bl_model_config(model)->n_ctx;
    bl_samples all = {0}, fit = {0}, held = {0};
    bl_surrogate *surrogate = NULL;
    if (bl_samples_read(&all, corpus, tokenizer, n_ctx, stories, &progress, err) &&
        (valid ? bl_samples_read(&held, valid, tokenizer, n_ctx, stories, &progress, err)
               : divide(&all, &fit, &held, err))) {
        bl_story_tokens on = as_tokens(valid ? &all : &fit), off = as_tokens(&held);
        surrogate = bl_surrogate_fit(model, layers, n_layers, &on, &off, progress, err);
    }
    bl_samples_free(&all);
    bl_samples_free(&fit);
    bl_samples_free(&held);
    return surrogate;
}
