/* The run: steps, evaluations, checkpoints, and the finished model.
 *
 * log.jsonl is appended to step by step; a checkpoint remembers how long it was, and a resumed run cuts it
 * back to there. So whatever the instant at which a run dies, checkpoint and log agree, and what comes after
 * is computed again, to the same bits. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "model/model_private.h"
#include "linear/gemm.h"
#include "linear/peak.h"
#include "train/sample.h"
#include "train/save.h"
#include "train/trainer.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool log_failed(bl_trainer *t, bl_error *err) {
    return bl_fail(err, BL_ERR_IO, "%s: writing failed: %s; the last checkpoint is whole", t->log_path,
                   strerror(errno));
}

/* Rank 0: the log up to here on the disk, then the checkpoint that says so. */
static bool write_checkpoint(bl_trainer *t, bl_error *err) {
    bl_train_arrays arrays = {t->net.weights, t->m, t->v, t->net.params.total};
    bool ok = true;
    if (t->ranks.rank == 0) {
        off_t size = -1;
        ok = fflush(t->log) == 0 && fdatasync(fileno(t->log)) == 0 &&
             (size = lseek(fileno(t->log), 0, SEEK_END)) >= 0;
        if (!ok) log_failed(t, err);
        t->state.log_bytes = (uint64_t)(size < 0 ? 0 : size);
        ok = ok && bl_checkpoint_write(t->checkpoint_path, t->description, &t->state, &arrays, err);
        if (ok)
            bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_CHECKPOINT,
                                                   .step = t->state.step,
                                                   .steps = t->steps,
                                                   .text = t->checkpoint_path});
    }
    return bl_ranks_agree(&t->ranks, ok, err);
}

static bool log_line(bl_trainer *t, json_t *line, bl_error *err) {
    char *text = bl_json_text(line, JSON_COMPACT | JSON_REAL_PRECISION(17), err);
    bool ok = text != NULL;
    if (ok && fprintf(t->log, "%s\n", text) < 0) ok = log_failed(t, err);
    free(text);
    json_decref(line);
    return ok;
}

/* The loss on `valid` and a sample, into the log and to the user. */
static bool evaluate(bl_trainer *t, size_t stories, bool final, bl_error *err) {
    if (t->valid.n && !bl_trainer_evaluate(t, stories, &t->state.valid_loss, err)) return false;
    if (t->ranks.rank > 0) return true;
    char *sample = t->options->sample_tokens
                     ? bl_net_sample(&t->net, t->tokenizer, t->options->sample_tokens, t->options->seed, err)
                     : NULL;
    if (t->options->sample_tokens && !sample) return false;
    json_t *line = json_pack("{s:I}", "step", (json_int_t)t->state.step);
    if (t->valid.n) json_object_set_new(line, "valid_loss", json_real(t->state.valid_loss));
    if (sample) json_object_set_new(line, "sample", json_string(sample));
    if (final) json_object_set_new(line, "final", json_true());
    bool ok = log_line(t, line, err);
    bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_EVAL,
                                           .text = sample,
                                           .step = t->state.step,
                                           .steps = t->steps,
                                           .valid_loss = t->state.valid_loss});
    free(sample);
    return ok;
}

/* What the step's speed is of the sgemm peak. A step faster than the peak says that the peak was measured
 * while others used the machine: it is measured again. */
static double share_of_peak(bl_trainer *t, double speed, double length) {
    double flops = speed * bl_net_flops(&t->net.config, length);
    if (flops > t->peak && t->ranks.size == 1) t->peak = fmax(t->peak, bl_sgemm_peak());
    return t->peak > 0 ? flops / t->peak : 0;
}

static bool one_step(bl_trainer *t, bl_error *err) {
    double loss, norm, lr, begin = omp_get_wtime();
    uint64_t tokens = t->state.tokens;
    if (!bl_trainer_step(t, &loss, &norm, &lr, err)) return false;
    double now = omp_get_wtime(), speed = (double)(t->state.tokens - tokens) / (now - begin);
    t->state.seconds = t->seconds_before + now - t->started;
    t->recent[t->state.step % 100] = loss;
    if (t->ranks.rank > 0) return true;
    double mean = (double)(t->state.tokens - tokens) / (double)(t->options->batch * t->options->accumulate);
    json_t *line =
        json_pack("{s:I, s:f, s:f, s:f, s:I, s:f, s:f}", "step", (json_int_t)t->state.step, "loss", loss,
                  "gradient_norm", norm, "lr", lr, "tokens", (json_int_t)t->state.tokens, "seconds",
                  round(t->state.seconds * 1e3) / 1e3, "tokens_per_second", round(speed));
    bl_train_event event = {.kind = BL_TRAIN_STEP,
                            .step = t->state.step,
                            .steps = t->steps,
                            .tokens = t->state.tokens,
                            .epochs = (double)t->state.position / (double)t->train.n,
                            .loss = loss,
                            .gradient_norm = norm,
                            .lr = lr,
                            .tokens_per_second = speed,
                            .share_of_peak = share_of_peak(t, speed, mean),
                            .seconds = t->state.seconds,
                            .valid_loss = t->state.valid_loss};
    bool ok = log_line(t, line, err);
    bl_trainer_report(t, &event);
    return ok;
}

static bool train(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    while (!bl_trainer_is_done(t)) {
        bool ok = one_step(t, err);
        bool wants_eval = o->eval_every && t->state.step % o->eval_every == 0 && !bl_trainer_is_done(t);
        if (!bl_ranks_agree(&t->ranks, ok, err)) return false;
        if (wants_eval && !bl_ranks_agree(&t->ranks, evaluate(t, o->eval_stories, false, err), err))
            return false;
        double stop[2] = {t->cancelled,
                          t->ranks.rank == 0 ? t->state.seconds : 0}; /* rank 0's word holds for all */
        if (!bl_ranks_sum_double(&t->ranks, stop, 2, err)) return false;
        t->cancelled = stop[0] > 0;
        t->state.seconds = stop[1];
        bool due = o->checkpoint_every && t->state.step % o->checkpoint_every == 0;
        if ((due || t->cancelled) && !write_checkpoint(t, err)) return false;
        if (t->cancelled)
            return bl_fail(err, BL_ERR_CANCELLED,
                           "stopped after step %llu; a checkpoint was written, resume to continue",
                           (unsigned long long)t->state.step);
    }
    return true;
}

/* Takes the weights back from the directory, as they were rounded there. */
static bool load_saved(bl_trainer *t, bl_error *err) {
    bl_model *model = bl_model_load_weights(t->options->output, err);
    if (!model) return false;
    for (size_t i = 0; i < t->net.params.n; i++)
        memcpy(t->net.weights + t->net.params.list[i].offset, model->raw[i],
               t->net.params.list[i].count * sizeof(float));
    bl_model_free(model);
    return true;
}

static bool finish(bl_trainer *t, bl_train_result *result, bl_error *err) {
    const bl_train_options *o = t->options;
    size_t bytes = t->net.params.total * sizeof(float);
    bool ok = t->ranks.rank > 0 ||
              (bl_net_save(&t->net, o->output, o->tokenizer, o->store, err) && load_saved(t, err));
    if (!bl_ranks_agree(&t->ranks, ok, err) || !bl_ranks_share(&t->ranks, t->net.weights, bytes, err))
        return false;
    ok = evaluate(t, 0, true, err);
    if (ok && t->ranks.rank == 0 && (fflush(t->log) != 0 || fsync(fileno(t->log)) != 0))
        ok = log_failed(t, err);
    if (ok && t->ranks.rank == 0) unlink(t->checkpoint_path);
    uint64_t n = t->state.step - t->first_step < 100 ? t->state.step - t->first_step : 100;
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += t->recent[(t->state.step - i) % 100];
    *result = (bl_train_result){.step = t->state.step,
                                .tokens = t->state.tokens,
                                .predictions = t->state.predictions,
                                .loss = n ? sum / (double)n : (double)NAN,
                                .valid_loss = t->valid.n ? t->state.valid_loss : (double)NAN,
                                .seconds = t->state.seconds,
                                .peak = t->peak};
    for (size_t i = 0; i < t->net.params.n; i++) result->parameters += t->net.params.list[i].count;
    return bl_ranks_agree(&t->ranks, ok, err);
}

/* A directory with config.json and without a checkpoint is a finished run. */
static bool is_finished(const char *output) {
    char *config = bl_path_join(output, "config.json", NULL),
         *checkpoint = bl_path_join(output, "checkpoint", NULL);
    bool finished = config && checkpoint && bl_file_exists(config) && !bl_file_exists(checkpoint);
    free(config);
    free(checkpoint);
    return finished;
}

bool bl_train_has_mpi(void) { return bl_ranks_possible(); }

bool bl_train_run(const bl_train_options *options, bl_train_result *result, bl_error *err) {
    bl_error_clear(err);
    *result = (bl_train_result){.valid_loss = (double)NAN};
    if (options->resume && options->output && !options->distributed && is_finished(options->output)) {
        result->finished_before = true;
        return true;
    }
    bl_trainer *t = bl_alloc_zero(1, sizeof *t, err);
    if (!t) return false;
    bool ok = bl_trainer_begin(t, options, err) && train(t, err) && finish(t, result, err);
    bl_trainer_end(t);
    free(t);
    return ok;
}
