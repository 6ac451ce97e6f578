/* Loss over a corpus (docs/specification.md, 7): mean of -log softmax(logits)[next token] over all predicted
 * positions. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/forward.h"
#include "text/corpus/batch.h"
#include <math.h>
#include <stdlib.h>

static bool story_loss(const bl_model *model, bl_workspace *workspace, const bl_ids *ids, double *loss,
                       bl_error *err) {
    *loss = 0;
    return ids->n < 2 || bl_forward_loss(model, workspace, ids->data, ids->n, NULL, loss, err);
}

/* What the threads work with. */
typedef struct work {
    const bl_model *model;
    bl_workspace **workspaces; /* [threads] */
    const bl_batch *batch;
    double *losses; /* [stories of a batch] */
} work;

static bool loss_of_one(void *context, size_t i, size_t thread, bl_error *err) {
    const work *w = context;
    return story_loss(w->model, w->workspaces[thread], &w->batch->ids[i], &w->losses[i], err);
}

/* One batch, threads over stories; sums in story order. */
static bool batch_loss(const work *w, bl_loss *sum, bl_error *err) {
    const bl_batch *batch = w->batch;
    if (!bl_parallel(batch->n, loss_of_one, (void *)(uintptr_t)w, err)) return false;
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
    double *losses = bl_alloc(most, sizeof *losses, err);
    bl_workspace **workspaces = bl_alloc_zero(threads, sizeof(bl_workspace *), err);
    const work w = {model, workspaces, &batch, losses};
    if (!losses || !workspaces) goto done;
    for (size_t t = 0; t < threads; t++)
        if (!(workspaces[t] = bl_workspace_new(model, err))) goto done;
    for (;;) {
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        if (!bl_progress_step(&progress, "evaluating", read, total, err)) goto done;
        size_t left = max_stories ? max_stories - (size_t)loss->stories : most;
        if (!bl_batch_read(&batch, corpus, left < most ? left : most, err)) goto done;
        if (batch.n == 0) break;
        if (!bl_batch_encode_all(&batch, model->tokenizer, model->config.n_ctx, err)) goto done;
        if (!batch_loss(&w, loss, err)) goto done;
    }
    if (loss->predictions) loss->loss /= (double)loss->predictions;
    ok = loss->predictions > 0 ||
         bl_fail(err, BL_ERR_INPUT, "no story has two tokens, so that there is nothing to predict");
done:
    for (size_t t = 0; workspaces && t < threads; t++) bl_workspace_free(workspaces[t]);
    free(workspaces);
    free(losses);
    bl_batch_free(&batch);
    return ok;
}
