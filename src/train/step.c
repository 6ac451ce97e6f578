/* One step of training, and the loss on text that is not trained on. */
#include "base/error.h"
#include "train/adamw.h"
#include "linear/gemm.h"
#include "train/trainer.h"
#include <math.h>
#include <string.h>

#define EVAL_BATCH ((size_t)16)

double bl_learning_rate(const bl_train_options *o, uint64_t step, uint64_t steps) {
    if (step < o->warmup) return o->lr * (double)(step + 1) / (double)(o->warmup + 1);
    if (o->schedule == BL_SCHEDULE_CONSTANT || steps == 0) return o->lr;
    if (step + 1 >= steps) return o->lr * o->lr_end;
    double way = (double)(step - o->warmup) / (double)(steps - 1 - o->warmup); /* [0, 1) */
    double left = o->schedule == BL_SCHEDULE_LINEAR ? 1 - way : 0.5 * (1 + cos(3.141592653589793 * way));
    return o->lr * (o->lr_end + (1 - o->lr_end) * left);
}

void bl_trainer_set_gate(bl_trainer *t) {
    const bl_anneal *a = &t->options->anneal;
    if (a->share == 0) return;
    double way = fmin(1, (double)t->state.step / (a->share * (double)t->steps));
    bl_net_set_swish(&t->net, a->from + (a->to - a->from) * way);
}

bool bl_trainer_is_done(const bl_trainer *t) {
    if (t->steps && t->state.step >= t->steps) return true;
    return t->options->seconds > 0 && t->state.seconds >= t->options->seconds;
}

/* Tokens and predictions of the coming step, on all ranks together. */
static void count(bl_trainer *t, uint64_t stories, uint64_t *tokens, uint64_t *predictions) {
    *tokens = 0;
    for (uint64_t i = 0; i < stories; i++)
        *tokens += bl_dataset_length(&t->train, bl_order_story(&t->order, t->state.position + i));
    *predictions = *tokens - stories;
}

/* This rank's part of micro-batch `a`: adds to the gradient and to *loss. */
static bool micro_batch(bl_trainer *t, size_t a, uint64_t predictions, double *loss, bl_error *err) {
    const bl_train_options *o = t->options;
    bl_range mine = bl_part(o->batch, (size_t)t->ranks.rank, (size_t)t->ranks.size);
    uint64_t first = (uint64_t)(a * o->batch + mine.begin);
    size_t n = mine.end - mine.begin;
    double part;
    for (size_t i = 0; i < n; i++) t->stories[i] = bl_order_story(&t->order, t->state.position + first + i);
    bl_pass pass = {.backward = true,
                    .accumulate = a > 0,
                    .half = t->precision == BL_PRECISION_BF16,
                    .scale = (float)(1.0 / (double)predictions),
                    .noise = true,
                    .seed = o->seed,
                    .step = t->state.step,
                    .stop = bl_trainer_stops,
                    .context = t};
    if (!bl_packer_fill(&t->packer, &t->train, t->stories, n, first, t->net.config.n_ctx, err) ||
        !bl_net_run(&t->net, &t->packer.batch, &pass, &part, err))
        return false;
    *loss += part;
    return true;
}

bool bl_trainer_step(bl_trainer *t, double *loss, double *norm, double *lr, bl_error *err) {
    const bl_train_options *o = t->options;
    uint64_t stories = (uint64_t)(o->batch * o->accumulate), tokens, predictions;
    bool ok = true;
    count(t, stories, &tokens, &predictions);
    bl_trainer_set_gate(t);
    *loss = 0;
    for (size_t a = 0; ok && a < o->accumulate; a++) ok = micro_batch(t, a, predictions, loss, err);
    if (!bl_ranks_agree(&t->ranks, ok, err)) return false;
    if (!bl_ranks_sum(&t->ranks, t->net.gradient, t->net.params.total, err) ||
        !bl_ranks_sum_double(&t->ranks, loss, 1, err))
        return false;
    *loss /= (double)predictions;
    *norm = bl_gradient_norm(&t->net.params, t->net.gradient);
    *lr = bl_learning_rate(o, t->state.step, t->steps);
    if (!isfinite(*loss) || !isfinite(*norm))
        return bl_fail(err, BL_ERR_NUMERIC,
                       "step %llu: the %s is not finite (learning rate %.3g); nothing was updated. Try a "
                       "lower learning rate, a longer warm-up, "
                       "or clipping",
                       (unsigned long long)t->state.step + 1, isfinite(*loss) ? "gradient" : "loss", *lr);
    bl_adamw adamw = {.lr = (float)*lr,
                      .beta1 = (float)o->beta1,
                      .beta2 = (float)o->beta2,
                      .epsilon = (float)o->epsilon,
                      .decay = (float)o->decay,
                      .step = t->state.step + 1,
                      .gradient_scale =
                          o->clip > 0 && *norm > o->clip ? (float)(o->clip / (*norm + 1e-6)) : 1.0F};
    bl_adamw_step(&adamw, &t->net.params, t->net.weights, t->net.gradient, t->m, t->v);
    t->state.step++;
    t->state.position += stories;
    t->state.tokens += tokens;
    t->state.predictions += predictions;
    return true;
}

bool bl_trainer_evaluate(bl_trainer *t, const bl_dataset *text, size_t stories, double *loss, bl_error *err) {
    size_t n = stories && stories < text->n ? stories : text->n, batch[EVAL_BATCH];
    bl_range mine = bl_part(n, (size_t)t->ranks.rank, (size_t)t->ranks.size);
    double sums[2] = {0, 0}; /* loss, predictions */
    bl_pass pass = {.stop = bl_trainer_stops, .context = t};
    bool ok = true;
    for (size_t i = mine.begin; ok && i < mine.end; i += EVAL_BATCH) {
        size_t count_here = mine.end - i < EVAL_BATCH ? mine.end - i : EVAL_BATCH;
        double part = 0;
        for (size_t j = 0; j < count_here; j++) batch[j] = i + j;
        ok = bl_packer_fill(&t->packer, text, batch, count_here, 0, t->net.config.n_ctx, err) &&
             bl_net_run(&t->net, &t->packer.batch, &pass, &part, err);
        sums[0] += part;
        sums[1] += (double)t->packer.batch.n_rows;
    }
    if (!bl_ranks_agree(&t->ranks, ok, err) || !bl_ranks_sum_double(&t->ranks, sums, 2, err)) return false;
    *loss = sums[0] / sums[1];
    return true;
}
