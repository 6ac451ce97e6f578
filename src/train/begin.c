/* From options to a trainer that stands before its next step. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "linear/peak.h"
#include "train/save.h"
#include "train/trainer.h"
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool positive(double x) { return x > 0 && isfinite(x); }
static bool share(double x) { return x >= 0 && x < 1; }

static bool check_options(const bl_train_options *o, bl_error *err) {
    if (!o->n_corpus || !o->tokenizer || !o->output)
        return bl_fail(err, BL_ERR_USAGE, "a corpus, a tokenizer and an output directory are needed");
    for (size_t i = 0; i < o->n_corpus; i++)
        if (strcmp(o->corpus[i], "-") == 0)
            return bl_fail(err, BL_ERR_USAGE,
                           "standard input cannot be trained on: a resumed run could not read it again");
    if (o->batch < 1 || o->accumulate < 1 || o->batch > 1 << 20 || o->accumulate > 1 << 20)
        return bl_fail(err, BL_ERR_USAGE, "batch and accumulate must be between 1 and %d", 1 << 20);
    if (!positive(o->lr) || !(o->lr_end >= 0 && o->lr_end <= 1))
        return bl_fail(err, BL_ERR_USAGE, "the learning rate must be above 0, its end a share from 0 to 1");
    if (!share(o->beta1) || !share(o->beta2) || !positive(o->epsilon))
        return bl_fail(err, BL_ERR_USAGE, "beta1 and beta2 must be from 0 to below 1, epsilon above 0");
    if (!(o->decay >= 0) || !(o->clip >= 0) || !isfinite(o->decay) || !isfinite(o->clip))
        return bl_fail(err, BL_ERR_USAGE, "decay and clip must be 0 or more");
    if (o->epochs < 0 || !isfinite(o->epochs) || o->seconds < 0 || !isfinite(o->seconds))
        return bl_fail(err, BL_ERR_USAGE, "epochs and time must be 0 or more");
    if (o->steps > INT64_MAX / 2 || o->tokens > INT64_MAX / 2 || o->seed > INT64_MAX ||
        o->warmup > INT64_MAX / 2)
        return bl_fail(err, BL_ERR_USAGE, "steps, tokens, warmup or seed is too large");
    if (o->steps == 0 && o->epochs == 0 && o->tokens == 0 && o->seconds == 0)
        return bl_fail(err, BL_ERR_USAGE, "how long? give steps, epochs, tokens or time");
    if (o->steps == 0 && o->epochs == 0 && o->tokens == 0 && o->schedule != BL_SCHEDULE_CONSTANT)
        return bl_fail(err, BL_ERR_USAGE,
                       "a cosine or linear schedule needs to know its end: give steps, epochs or tokens "
                       "beside the time, or the schedule constant");
    return true;
}

void bl_trainer_report(bl_trainer *t, const bl_train_event *event) {
    if (t->ranks.rank == 0 && t->options->report && !t->options->report(t->options->context, event))
        t->cancelled = true;
}

void bl_trainer_note(bl_trainer *t, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bl_trainer_report(t, &(bl_train_event){.kind = BL_TRAIN_NOTE, .text = text});
}

static bool report_phase(void *context, const char *phase, uint64_t done, uint64_t total) {
    bl_trainer *t = context;
    bl_trainer_report(t,
                      &(bl_train_event){.kind = BL_TRAIN_PHASE, .text = phase, .done = done, .total = total});
    return !t->cancelled;
}

/* What a killed writer left: ".NAME.tmp-XXXXXX" of the files that a run writes. */
static void remove_leftovers(const char *directory) {
    static const char *const names[] = {".checkpoint.tmp-", ".model.safetensors.tmp-", ".config.json.tmp-",
                                        ".tokenizer.json.tmp-"};
    DIR *folder = opendir(directory);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)) != NULL)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            char *path;
            if (strncmp(entry->d_name, names[i], strlen(names[i])) != 0 ||
                !(path = bl_path_join(directory, entry->d_name, NULL)))
                continue;
            unlink(path);
            free(path);
        }
    if (folder) closedir(folder);
}

/* Rank 0: the directory exists, and holds nothing, or what `resume` and `overwrite` allow. */
static bool prepare_directory(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    if (!bl_make_directories(o->output, err)) return false;
    if (access(o->output, W_OK) != 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: no permission to write there", o->output);
    bool used =
        bl_file_exists(t->config_path) || bl_file_exists(t->checkpoint_path) || bl_file_exists(t->log_path);
    if (used && !o->resume && !o->overwrite)
        return bl_fail(
            err, BL_ERR_USAGE,
            "%s: holds a model or a run already: resume it, overwrite it, or choose another directory",
            o->output);
    if (o->overwrite && !o->resume) {
        unlink(t->config_path);
        unlink(t->checkpoint_path);
        unlink(t->log_path);
    }
    remove_leftovers(o->output);
    return true;
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

static bool read_text(bl_trainer *t, bl_error *err) {
    const bl_train_options *o = t->options;
    bl_progress progress = {report_phase, t};
    bl_config config = o->model;
    t->tokenizer = bl_tokenizer_load(o->tokenizer, err);
    if (!t->tokenizer) return false;
    size_t size = bl_tokenizer_size(t->tokenizer);
    if (config.n_vocab == 0) config.n_vocab = size;
    if (config.n_vocab < size)
        return bl_fail(err, BL_ERR_USAGE, "%s: has %zu tokens, more than the model's vocabulary of %zu",
                       o->tokenizer, size, config.n_vocab);
    if (!bl_dataset_read(&t->train, o->corpus, o->n_corpus, t->tokenizer, config.n_vocab, config.n_ctx,
                         "tokenizing the corpus", &progress, err))
        return false;
    if (o->valid && !bl_dataset_read(&t->valid, &o->valid, 1, t->tokenizer, config.n_vocab, config.n_ctx,
                                     "tokenizing the validation text", &progress, err))
        return false;
    if (t->train.n < o->batch * o->accumulate)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: has only %zu stories, one step needs %zu: give more text or a smaller batch",
                       o->corpus[0], t->train.n, o->batch * o->accumulate);
    if (o->batch < (size_t)t->ranks.size)
        return bl_fail(err, BL_ERR_USAGE, "a batch of %zu stories cannot be shared by %d ranks", o->batch,
                       t->ranks.size);
    return count_steps(t, err) && bl_order_init(&t->order, t->train.n, o->seed, err) &&
           bl_net_init(&t->net, &config, err);
}

/* Things that are no errors, but that one would want to know. */
static void tell_about_text(bl_trainer *t) {
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
    if (d->cut)
        bl_trainer_note(
            t, "%llu of the stories (%.1f %%) are longer than the context of %zu tokens and were cut",
            (unsigned long long)d->cut, 100.0 * (double)d->cut / (double)(d->n + d->empty),
            t->net.config.n_ctx);
    if (d->empty)
        bl_trainer_note(t, "%llu stories have fewer than two tokens and were left out",
                        (unsigned long long)d->empty);
    free(occurs);
}

/* Rank 0: opens the log for appending at the state's length, and locks it: two runs in one directory would
 * ruin each other's. */
static bool open_log(bl_trainer *t, bl_error *err) {
    t->log = fopen(t->log_path, "abe");
    if (!t->log) return bl_fail(err, BL_ERR_INPUT, "%s: cannot be written", t->log_path);
    if (flock(fileno(t->log), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return bl_fail(err, BL_ERR_USAGE, "%s: another process is training into this directory",
                       t->options->output);
    off_t size = lseek(fileno(t->log), 0, SEEK_END);
    if (size < 0 || (uint64_t)size < t->state.log_bytes)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: has %lld bytes, but the checkpoint was written after %llu: the log was changed "
                       "or is of another run",
                       t->log_path, (long long)size, (unsigned long long)t->state.log_bytes);
    if (ftruncate(fileno(t->log), (off_t)t->state.log_bytes) != 0)
        return bl_fail(err, BL_ERR_IO, "%s: cannot be cut back", t->log_path);
    return true;
}

/* Fresh weights, or rank 0's checkpoint for all. */
static bool restore(bl_trainer *t, bl_error *err) {
    bl_train_arrays arrays = {t->net.weights, t->m, t->v, t->net.params.total};
    size_t bytes = arrays.total * sizeof(float);
    bool ok = true;
    bl_net_randomize(&t->net, t->options->seed);
    if (t->ranks.rank == 0) {
        bool there = t->options->resume && bl_file_exists(t->checkpoint_path);
        ok = !there || bl_checkpoint_read(t->checkpoint_path, t->description, &t->state, &arrays, err);
        ok = ok && open_log(t, err);
        if (ok && t->options->resume && there)
            bl_trainer_note(t, "resuming after step %llu", (unsigned long long)t->state.step);
        if (ok && t->options->resume && !there)
            bl_trainer_note(t, "there is no checkpoint yet: starting from the first step");
    }
    if (!bl_ranks_agree(&t->ranks, ok, err)) return false;
    return bl_ranks_share(&t->ranks, &t->state, sizeof t->state, err) &&
           bl_ranks_share(&t->ranks, t->net.weights, bytes, err) &&
           bl_ranks_share(&t->ranks, t->m, bytes, err) && bl_ranks_share(&t->ranks, t->v, bytes, err);
}

bool bl_trainer_begin(bl_trainer *t, const bl_train_options *options, bl_error *err) {
    *t = (bl_trainer){.options = options, .ranks = {0, 1}, .state = {.valid_loss = (double)NAN}};
    if (!check_options(options, err) || !bl_config_check(&options->model, err) ||
        !bl_ranks_join(&t->ranks, options->distributed, err))
        return false;
    bool ok = (t->log_path = bl_path_join(options->output, "log.jsonl", err)) != NULL;
    ok = ok && (t->checkpoint_path = bl_path_join(options->output, "checkpoint", err)) != NULL;
    ok = ok && (t->config_path = bl_path_join(options->output, "config.json", err)) != NULL;
    ok = ok && (t->ranks.rank > 0 || prepare_directory(t, err));
    ok = ok && read_text(t, err);
    size_t total = t->net.params.total;
    ok = ok && (t->stories = bl_alloc(options->batch, sizeof *t->stories, err)) != NULL;
    ok = ok && (t->m = bl_zeros(total, err)) != NULL && (t->v = bl_zeros(total, err)) != NULL;
    if (ok) {
        t->description = bl_run_description(options, &t->net.config, t->steps, t->train.hash);
        ok = t->description || bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    if (!bl_ranks_agree(&t->ranks, ok, err) || !restore(t, err)) return false;
    tell_about_text(t);
    t->peak = bl_sgemm_peak();
    if (!bl_ranks_sum_double(&t->ranks, &t->peak, 1, err)) return false;
    t->seconds_before = t->state.seconds;
    t->first_step = t->state.step;
    t->started = omp_get_wtime();
    return !t->cancelled || bl_fail(err, BL_ERR_CANCELLED, "interrupted before the first step");
}

void bl_trainer_end(bl_trainer *t) {
    if (t->log) fclose(t->log);
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
    free(t->config_path);
}
