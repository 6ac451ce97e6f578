/* The run: steps, evaluations, checkpoints (journal.c), and the finished model. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "model/model_private.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include "linear/peak.h"
#include "linear/product16.h"
#include "train/save.h"
#include "train/trainer.h"
#include <bilens/blas.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void bl_trainer_report(bl_trainer *t, const bl_train_event *event) {
    if (t->ranks.rank == 0 && t->options->report && !t->options->report(t->options->context, event))
        t->cancelled = true;
}

bool bl_trainer_stops(void *trainer) {
    bl_trainer *t = trainer;
    double now = omp_get_wtime();
    if (t->cancelled || now - t->asked < 0.05) return t->cancelled;
    t->asked = now;
    bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_TICK});
    return t->cancelled;
}

void bl_trainer_note(bl_trainer *t, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_NOTE, .text = text});
}

static void end(bl_trainer *t) {
    if (t->log) fclose(t->log);
    bl_model_free(t->start);
    bl_tokenizer_free(t->tokenizer);
    bl_dataset_free(&t->train);
    bl_dataset_free(&t->valid);
    bl_order_free(&t->order);
    bl_packer_free(&t->packer);
    bl_net_free(&t->net);
    json_decref(t->description);
    free(t->stories);
    free(t->m);
    free(t->v);
    free(t->log_path);
    free(t->checkpoint_path);
}

static bool out_of_memory(bl_error *err) { return bl_fail(err, BL_ERR_MEMORY, "out of memory"); }

/* The text, the net and the optimiser's memory. */
static bool prepare(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    if (!bl_trainer_read_text(t, err)) return false;
    size_t total = t->net.params.total;
    t->stories = bl_alloc(o->batch, sizeof *t->stories, err);
    t->m = t->stories ? bl_zeros(total, err) : NULL;
    t->v = t->m ? bl_zeros(total, err) : NULL;
    if (!t->v) return false;
    t->description =
        bl_run_description(o, &t->net.config, t->steps, t->train.hash, t->precision, t->start_hash);
    return t->description || out_of_memory(err);
}

/* The faster precision as measured, or the one that a checkpoint goes on in. */
static bl_precision automatic(bl_trainer *t) {
    bl_precision stored;
    if (t->options->resume && bl_checkpoint_precision(t->checkpoint_path, &stored)) return stored;
    double full, half;
    bool faster = bl_product16_faster(&full, &half);
    if (half > 0)
        bl_trainer_note(t,
                        "products of float32 reach %.0f GFLOP/s per thread, of bfloat16 %.0f: training in %s",
                        full / 1e9, half / 1e9, faster ? "bf16" : "f32");
    else bl_trainer_note(t, "this processor multiplies no bfloat16: training in f32");
    return faster ? BL_PRECISION_BF16 : BL_PRECISION_F32;
}

bool bl_trainer_choose_precision(bl_trainer *t, bl_error *err) {
    t->precision = t->options->precision;
    if (t->ranks.rank == 0 && t->precision == BL_PRECISION_AUTO) t->precision = automatic(t);
    if (!bl_ranks_share(&t->ranks, &t->precision, sizeof t->precision, err)) return false;
    bool possible =
        t->precision == BL_PRECISION_F32 || bl_product16_possible() ||
        bl_fail(err, BL_ERR_UNSUPPORTED,
                "this processor has no instructions for products of bfloat16 (AVX512-BF16): train "
                "with precision f32, or auto, which takes what is faster");
    return bl_ranks_agree(&t->ranks, possible, err);
}

static double measured_peak(const bl_trainer *t) {
    return t->precision == BL_PRECISION_BF16 ? bl_product16_peak() : bl_sgemm_peak();
}

static bl_train_arrays arrays_of(const bl_trainer *t) {
    return (bl_train_arrays){t->net.weights, t->m, t->v, t->net.params.total};
}

static bool begin(bl_trainer *t, bl_error *err) {
    if (!bl_trainer_choose_precision(t, err)) return false;
    if (!bl_ranks_agree(&t->ranks, prepare(t, err), err)) return false;
    bl_train_arrays arrays = arrays_of(t);
    if (!bl_journal_restore(t, &arrays, err)) return false;
    bl_trainer_tell_about_text(t);
    t->peak = measured_peak(t);
    if (!bl_ranks_sum_double(&t->ranks, &t->peak, 1, err)) return false;
    t->seconds_before = t->state.seconds;
    t->started = omp_get_wtime();
    return true;
}

static bool write_checkpoint(bl_trainer *t, bl_error *err) {
    bl_train_arrays arrays = arrays_of(t);
    return bl_journal_checkpoint(t, &arrays, err);
}

/* The loss on `valid` and a sample, into the log and to the user. */
static bool evaluate(bl_trainer *t, size_t stories, bool final, bl_error *err) {
    if (t->valid.n && !bl_trainer_evaluate(t, &t->valid, stories, &t->state.valid_loss, err)) return false;
    if (t->ranks.rank > 0) return true;
    char *sample = t->options->sample_tokens
                     ? bl_net_sample(&t->net, t->tokenizer, t->options->sample_tokens, t->options->seed, err)
                     : NULL;
    if (t->options->sample_tokens && !sample) return false;
    json_t *line = json_pack("{s:I}", "step", (json_int_t)t->state.step);
    if (t->valid.n) json_object_set_new(line, "valid_loss", json_real(t->state.valid_loss));
    if (sample) json_object_set_new(line, "sample", json_string(sample));
    if (final) json_object_set_new(line, "final", json_true());
    bool ok = bl_journal_line(t, line, err);
    bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_EVAL,
                                           .text = sample,
                                           .step = t->state.step,
                                           .steps = t->steps,
                                           .valid_loss = t->state.valid_loss});
    free(sample);
    return ok;
}

/* What the step's speed is of the sgemm peak, at most 1. A step faster than the peak says that the peak was
 * measured while others used the machine: it is measured again, and never less than what a step reached. */
static double share_of_peak(bl_trainer *t, double speed, double length) {
    double flops = speed * bl_net_flops(&t->net.config, length);
    if (t->peak <= 0) return 0;
    if (flops > t->peak && t->ranks.size == 1) t->peak = fmax(t->peak, measured_peak(t));
    t->peak = fmax(t->peak, flops);
    return flops / t->peak;
}

static bool one_step(bl_trainer *t, bl_error *err) {
    double loss, norm, lr, begin = omp_get_wtime();
    uint64_t tokens = t->state.tokens;
    if (!bl_trainer_step(t, &loss, &norm, &lr, err)) return false;
    double now = omp_get_wtime(), speed = (double)(t->state.tokens - tokens) / (now - begin);
    t->state.seconds = t->seconds_before + now - t->started;
    if (t->ranks.rank > 0) return true;
    double mean = (double)(t->state.tokens - tokens) / (double)(t->options->batch * t->options->accumulate);
    json_t *line =
        json_pack("{s:I, s:f, s:f, s:f, s:I, s:f, s:o, s:s}", "step", (json_int_t)t->state.step, "loss", loss,
                  "gradient_norm", norm, "lr", lr, "tokens", (json_int_t)t->state.tokens, "seconds",
                  round(t->state.seconds * 1e3) / 1e3, "tokens_per_second", bl_json_number(round(speed)),
                  "precision", bl_precision_name(t->precision));
    bl_train_event event = {.kind = BL_TRAIN_STEP,
                            .step = t->state.step,
                            .steps = t->steps,
                            .tokens = t->state.tokens,
                            .epochs = (double)t->state.position / (double)t->train.n,
                            .loss = loss,
                            .gradient_norm = norm,
                            .lr = lr,
                            .tokens_per_second = speed,
                            .precision = t->precision,
                            .share_of_peak = share_of_peak(t, speed, mean),
                            .seconds = t->state.seconds,
                            .valid_loss = t->state.valid_loss};
    bool ok = bl_journal_line(t, line, err);
    bl_trainer_report(t, &event);
    return ok;
}

/* Rank 0: the model as it stands, at the step of the i-th of N equal parts of the run. */
static bool save_snapshot(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    double each = t->steps && o->snapshots ? (double)o->snapshots / (double)t->steps : 0;
    double before = floor(each * (double)(t->state.step - 1) + 1e-9),
           now = floor(each * (double)t->state.step + 1e-9);
    if (t->ranks.rank > 0 || !(now > before)) return true;
    char name[48];
    snprintf(name, sizeof name, "snapshots/step-%08llu", (unsigned long long)t->state.step);
    char *directory = bl_path_join(o->output, name, err);
    bool ok = directory && bl_make_directories(directory, err) &&
              bl_net_save(&t->net, directory, o->tokenizer, o->store, err);
    free(directory);
    return ok;
}

static bool stopped(const bl_trainer *t, bl_error *err) {
    return bl_fail(err, BL_ERR_CANCELLED,
                   "stopped after step %llu; a checkpoint was written, resume to continue",
                   (unsigned long long)t->state.step);
}

/* The evaluation of a step on its way; when it is interrupted it is due again. */
static bool evaluate_now(bl_trainer *t, bl_error *err) {
    bl_trainer_set_gate(t);
    t->state.evaluation_due = true;
    if (!bl_ranks_agree(&t->ranks, evaluate(t, t->options->eval_stories, false, err), err)) return false;
    t->state.evaluation_due = false;
    return true;
}

static bool step_and_evaluate(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    if (t->state.evaluation_due && !evaluate_now(t, err)) return false;
    if (bl_trainer_is_done(t)) return true;
    bool ok = one_step(t, err) && save_snapshot(t, err);
    if (!bl_ranks_agree(&t->ranks, ok, err)) return false;
    bool wants_eval = o->eval_every && t->state.step % o->eval_every == 0 && !bl_trainer_is_done(t);
    return !wants_eval || evaluate_now(t, err);
}

/* What is left of a failure: where it is an interruption, a checkpoint is written first. */
static bool give_up(bl_trainer *t, const bl_error *failure, bl_error *err) {
    if (failure->code == BL_ERR_CANCELLED) return write_checkpoint(t, err) && stopped(t, err);
    return bl_fail(err, failure->code, "%s", failure->message);
}

static bool train(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    if (t->cancelled) return write_checkpoint(t, err) && stopped(t, err);
    while (t->state.evaluation_due || !bl_trainer_is_done(t)) {
        bl_error failure = {0};
        if (!step_and_evaluate(t, &failure)) return give_up(t, &failure, err);
        double stop[2] = {t->cancelled,
                          t->ranks.rank == 0 ? t->state.seconds : 0}; /* rank 0's word holds for all */
        if (!bl_ranks_sum_double(&t->ranks, stop, 2, err)) return false;
        t->cancelled = stop[0] > 0;
        t->state.seconds = stop[1];
        bool due = o->checkpoint_every && t->state.step % o->checkpoint_every == 0;
        if ((due || t->cancelled) && !write_checkpoint(t, err)) return false;
        if (t->cancelled) return stopped(t, err);
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

#define CHECKED_STORIES ((size_t)16)

/* The last step has no successor whose loss would tell that it went wrong: its weights are looked at, and a
 * few stories run. */
static bool check_weights(bl_trainer *t, bl_error *err) {
    double loss = 0;
    const bl_dataset *text = t->valid.n ? &t->valid : &t->train;
    if (!bl_trainer_evaluate(t, text, CHECKED_STORIES, &loss, err)) return false;
    for (size_t i = 0; i < t->net.params.total && isfinite(loss); i++)
        if (!isfinite(t->net.weights[i])) loss = (double)t->net.weights[i];
    if (!isfinite(loss))
        return bl_fail(
            err, BL_ERR_NUMERIC,
            "the last step, %llu, made the weights useless: the loss is not finite any more. No model "
            "was saved. Try a lower learning rate, a longer warm-up, or clipping",
            (unsigned long long)t->state.step);
    if (loss > 2 * log((double)t->net.config.n_vocab))
        bl_trainer_note(t, "the loss is %.4g, far worse than guessing (%.4g): the learning rate is too high",
                        loss, log((double)t->net.config.n_vocab));
    return true;
}

/* Where a time limit ended the run before its schedule. */
static void tell_about_schedule(bl_trainer *t) {
    const bl_train_options *o = t->options;
    if (!t->steps || t->state.step >= t->steps || o->schedule == BL_SCHEDULE_CONSTANT) return;
    bl_trainer_note(
        t,
        "the time was over after step %llu of %llu: the schedule was cut short at a learning rate of "
        "%.3g, it would have ended at %.3g",
        (unsigned long long)t->state.step, (unsigned long long)t->steps,
        bl_learning_rate(o, t->state.step - (t->state.step > 0), t->steps), o->lr * o->lr_end);
}

/* Saving rounds the weights (and folds an annealed gate): the checkpoint of the last step comes first. */
static bool finish(bl_trainer *t, bl_train_result *result, bl_error *err) {
    const bl_train_options *o = t->options;
    size_t bytes = t->net.params.total * sizeof(float);
    bl_error failure = {0};
    bl_trainer_set_gate(t);
    if (!check_weights(t, &failure)) return give_up(t, &failure, err);
    if (!write_checkpoint(t, err)) return false;
    if (o->anneal.share > 0) bl_net_fold_swish(&t->net);
    bool ok = t->ranks.rank > 0 ||
              (bl_net_save(&t->net, o->output, o->tokenizer, o->store, err) && load_saved(t, err));
    if (!bl_ranks_agree(&t->ranks, ok, err) || !bl_ranks_share(&t->ranks, t->net.weights, bytes, err))
        return false;
    ok = evaluate(t, 0, true, &failure);
    if (!ok && failure.code == BL_ERR_CANCELLED) stopped(t, err);
    else if (!ok) bl_fail(err, failure.code, "%s", failure.message);
    if (ok && t->ranks.rank == 0 && (fflush(t->log) != 0 || fsync(fileno(t->log)) != 0))
        ok = bl_journal_failed(t, err);
    if (ok && t->ranks.rank == 0) unlink(t->checkpoint_path);
    if (ok) tell_about_schedule(t);
    *result = (bl_train_result){.step = t->state.step,
                                .tokens = t->state.tokens,
                                .predictions = t->state.predictions,
                                .loss = t->ranks.rank == 0 ? bl_log_read(fileno(t->log)).loss : (double)NAN,
                                .valid_loss = t->valid.n ? t->state.valid_loss : (double)NAN,
                                .seconds = t->state.seconds,
                                .peak = t->peak,
                                .precision = t->precision};
    for (size_t i = 0; i < t->net.params.n; i++) result->parameters += t->net.params.list[i].count;
    return bl_ranks_agree(&t->ranks, ok, err);
}

/* What a finished run's log and model say. */
static bool read_finished(const char *output, const bl_log_summary *log, bl_train_result *result,
                          bl_error *err) {
    bl_model *model = bl_model_load_weights(output, err);
    if (!model) return false;
    *result = (bl_train_result){.finished_before = true,
                                .step = log->step,
                                .tokens = log->tokens,
                                .loss = log->loss,
                                .precision = log->precision,
                                .valid_loss = log->valid_loss,
                                .seconds = log->seconds};
    for (size_t i = 0; i < model->params.n; i++) result->parameters += model->params.list[i].count;
    bl_model_free(model);
    return true;
}

/* Rank 0 looks at the directory; *finished: there is nothing left to do, and `result` says what was done. */
static bool look(bl_trainer *t, bool *finished, bl_train_result *result, bl_error *err) {
    const bl_train_options *o = t->options;
    bool ok = true;
    *finished = false;
    if (t->ranks.rank == 0) {
        bl_log_summary log;
        bl_run_place place = bl_run_find(o->output, &log);
        ok = bl_run_allowed(o, place, &log, err);
        *finished = ok && o->resume && place == BL_RUN_FINISHED;
        if (*finished) ok = read_finished(o->output, &log, result, err);
        else ok = ok && bl_directory_prepare(o->output, &t->made_directory, err);
    }
    return bl_ranks_agree(&t->ranks, ok, err) && bl_ranks_share(&t->ranks, finished, sizeof *finished, err);
}

static bool run(bl_trainer *t, bl_train_result *result, bl_error *err) {
    const bl_train_options *o = t->options;
    bool finished;
    if (!bl_train_options_check(o, err) || !bl_config_check(&o->model, err) ||
        !bl_ranks_join(&t->ranks, o->distributed, err))
        return false;
    t->log_path = bl_path_join(o->output, "log.jsonl", err);
    t->checkpoint_path = bl_path_join(o->output, "checkpoint", err);
    if (!bl_ranks_agree(&t->ranks, t->log_path && t->checkpoint_path, err)) return false;
    if (!look(t, &finished, result, err)) return false;
    if (!finished && !(begin(t, err) && train(t, err) && finish(t, result, err))) return false;
    return bl_ranks_share(&t->ranks, result, sizeof *result, err);
}

bool bl_train_run(const bl_train_options *options, bl_train_result *result, bl_error *err) {
    bl_error_clear(err);
    *result = (bl_train_result){.loss = (double)NAN, .valid_loss = (double)NAN};
    if (!bl_blas_check(err)) return false;
    bl_trainer *t = bl_alloc_zero(1, sizeof *t, err);
    if (!t) return false;
    *t = (bl_trainer){.options = options, .ranks = {0, 1}, .state = {.valid_loss = (double)NAN}};
    bool ok = run(t, result, err);
    if (!ok && t->made_directory && !t->log) rmdir(options->output);
    end(t);
    free(t);
    return ok;
}
