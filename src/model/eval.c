/* Loss over a corpus (docs/specification.md, 7): mean of -log softmax(logits)[next token] over all predicted
 * positions. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/block.h"
#include "text/corpus/batch.h"
#include <math.h>
#include <stdlib.h>

/* Rows that are computed at once, if there are as many for each thread: few enough for the cache, enough to
 * convert a matrix seldom. */
#define ROWS ((size_t)768)

/* What the threads work with: stories in groups that are run side by side. */
typedef struct work {
    const bl_model *model;
    bl_workspace **workspaces; /* [threads] */
    bl_samples stories;        /* of this batch */
    size_t *group;             /* [groups + 1] the first story of each */
    size_t groups;
    double *losses; /* [stories] */
} work;

static bool loss_of_group(void *context, size_t i, size_t thread, bl_error *err) {
    const work *w = context;
    size_t first = w->group[i];
    const size_t *begin = w->stories.begin + first;
    return bl_forward_losses(w->model, w->workspaces[thread], w->stories.ids + *begin, begin,
                             w->group[i + 1] - first, w->losses + first, err);
}

/* The batch's stories one behind the other, and their groups. */
static bool group_stories(work *w, const bl_batch *batch, size_t threads, bl_error *err) {
    w->stories.n = w->groups = 0;
    if (batch->n == 0) return true;
    for (size_t i = 0; i < batch->n; i++)
        if (!bl_samples_add(&w->stories, batch->ids[i].data, batch->ids[i].n, err)) return false;
    size_t share = (w->stories.begin[w->stories.n] + threads - 1) / threads;
    for (size_t i = 0; i < w->stories.n; w->groups++) {
        w->group[w->groups] = i;
        i += bl_forward_together(w->model, w->stories.begin + i, w->stories.n - i,
                                 share < ROWS ? share : ROWS);
    }
    w->group[w->groups] = w->stories.n;
    return true;
}

/* One batch, threads over groups of stories; sums in story order. */
static bool batch_loss(const work *w, const bl_batch *batch, bl_loss *sum, bl_error *err) {
    if (!bl_parallel(w->groups, loss_of_group, (void *)(uintptr_t)w, err)) return false;
    for (size_t i = 0; i < batch->n; i++) {
        sum->loss += w->losses[i];
        sum->predictions += batch->ids[i].n ? batch->ids[i].n - 1 : 0;
        sum->stories++;
        if (!isfinite(w->losses[i]) &&
            bl_model_n_warnings(w->model) > 0) /* a large but finite weight may overflow */
            return bl_fail(err, BL_ERR_NUMERIC,
                           "the loss of story %llu is not finite: the weights hold NaN or infinity",
                           (unsigned long long)batch->number[i]);
    }
    return true;
}

bool bl_model_eval(const bl_model *model, bl_corpus *corpus, size_t max_stories, bl_progress progress,
                   bl_loss *loss, bl_error *err) {
    bl_error_clear(err);
    *loss = (bl_loss){0};
    bl_batch batch = {0};
    size_t threads = (size_t)bl_threads(), most = 32 * threads;
    bool ok = false;
    work w = {.model = model,
              .losses = bl_alloc(most, sizeof *w.losses, err),
              .group = bl_alloc(most + 1, sizeof *w.group, err),
              .workspaces = bl_alloc_zero(threads, sizeof *w.workspaces, err)};
    if (!w.losses || !w.group || !w.workspaces) goto done;
    for (size_t t = 0; t < threads; t++)
        if (!(w.workspaces[t] = bl_workspace_new(model, err))) goto done;
    for (;;) {
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        if (!bl_progress_step(&progress, "evaluating", read, total, err)) goto done;
        size_t left = max_stories ? max_stories - (size_t)loss->stories : most;
        if (!bl_batch_read(&batch, corpus, left < most ? left : most, err)) goto done;
        if (batch.n == 0) break;
        if (!bl_batch_encode_all(&batch, model->tokenizer, model->config.n_ctx, err)) goto done;
        if (!group_stories(&w, &batch, threads, err) || !batch_loss(&w, &batch, loss, err)) goto done;
    }
    if (loss->predictions) loss->loss /= (double)loss->predictions;
    ok = loss->predictions > 0 ||
         bl_fail(err, BL_ERR_INPUT, "no story has two tokens, so that there is nothing to predict");
done:
    for (size_t t = 0; w.workspaces && t < threads; t++) bl_workspace_free(w.workspaces[t]);
    free(w.workspaces);
    free(w.losses);
    free(w.group);
    bl_samples_free(&w.stories);
    bl_batch_free(&batch);
    return ok;
}
