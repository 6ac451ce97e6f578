/* A run that trains a dictionary (docs/specification.md, 17): start, steps, checkpoints, the finished
 * directory and its figures of merit. What a directory may hold before is decided by directory.c. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "evidence/dictionary_score.h"
#include "format/json.h"
#include "linear/noise.h"
#include "train/adamw.h"
#include "train/dictionary_net.h"
#include "train/trainer.h"
#include "train/vectors.h"
#include <bilens/dictionary_train.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct dictionary_run {
    const bl_dictionary_train_options *o;
    const bl_model *model;        /* a transformer, or else */
    const bl_image_model *images; /* an image model, and what it learns from and is scored on */
    const bl_images *shown, *held;
    bl_train_options directory; /* what directory.c and the journal ask for */
    bl_trainer t;               /* its log, checkpoint, state, precision and ranks */
    const char *point;
    size_t layer;
    bl_point_source train, valid;
    bl_vectors vectors;
    bl_dictionary_net net;
    float *m, *v;  /* [params.total] */
    float *mean;   /* [d] of the training vectors */
    double spread; /* sum |x - mean|^2 over them */
    bl_progress progress;
} dictionary_run;

static void run_free(dictionary_run *r) {
    if (r->t.log) fclose(r->t.log);
    free(r->t.log_path);
    free(r->t.checkpoint_path);
    json_decref(r->t.description);
    bl_point_source_free(&r->train);
    bl_point_source_free(&r->valid);
    bl_vectors_free(&r->vectors);
    bl_dictionary_net_free(&r->net);
    free(r->m);
    free(r->v);
    free(r->mean);
}

/* Tells rank 0's user. */
static bool tell(dictionary_run *r, const bl_dictionary_train_event *event) {
    if (r->t.ranks.rank == 0 && r->o->report && !r->o->report(r->o->context, event)) r->t.cancelled = true;
    return !r->t.cancelled;
}

static bool on_progress(void *context, const char *phase, uint64_t done, uint64_t total) {
    return tell(context, &(bl_dictionary_train_event){
                             .kind = BL_DICTIONARY_TRAIN_PHASE, .text = phase, .done = done, .total = total});
}

/* What the journal and the trainer's parts want to say. */
static bool on_note(void *context, const bl_train_event *event) {
    if (event->kind != BL_TRAIN_NOTE) return true;
    return tell(context, &(bl_dictionary_train_event){.kind = BL_DICTIONARY_TRAIN_NOTE, .text = event->text});
}

static bool check(const dictionary_run *r, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    const struct {
        bool wrong;
        const char *what;
    } rules[] = {{o->features == 0, "--features must be at least 1"},
                 {o->k == 0, "-k must be at least 1: with 0 no feature is ever active"},
                 {o->k > o->features, "-k is larger than the number of features"},
                 {o->features > UINT32_MAX, "there are too many features"},
                 {o->epochs == 0 || o->batch == 0, "--epochs and --batch must be at least 1"},
                 {o->batch > UINT32_MAX / (o->k ? o->k : 1), "the batch is too large"},
                 {!(o->lr > 0) || !isfinite(o->lr), "--lr must be above 0"},
                 {!o->output, "where to? Give the dictionary's directory with -o"},
                 {r->model && !o->corpus, "which text? Give a corpus"},
                 {r->images && !r->shown, "which images? Give a set of them"}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].wrong) return bl_fail(err, BL_ERR_USAGE, "%s", rules[i].what);
    return true;
}

/* Every tenth story of what was read is held out. */
static bool split(bl_samples *train, bl_samples *valid, bl_error *err) {
    bl_samples all = *train;
    bool ok = true;
    *train = (bl_samples){0};
    for (size_t i = 0; ok && i < all.n; i++) {
        size_t n;
        const int32_t *ids = bl_samples_get(&all, i, &n);
        ok = bl_samples_add(i % 10 == 9 ? valid : train, ids, n, err);
    }
    bl_samples_free(&all);
    return ok && (valid->n > 0 || bl_fail(err, BL_ERR_INPUT,
                                          "every tenth story is held out, and there are fewer: give more, "
                                          "or text to hold out"));
}

static bool read_text(const dictionary_run *r, bl_samples *train, bl_samples *valid, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    const bl_tokenizer *tokenizer = bl_model_tokenizer(r->model);
    size_t n_ctx = bl_model_config(r->model)->n_ctx;
    if (!bl_samples_read(train, o->corpus, tokenizer, n_ctx, o->stories, &r->progress, err)) return false;
    if (!o->valid) return split(train, valid, err);
    return bl_samples_read(valid, o->valid, tokenizer, n_ctx, o->valid_stories, &r->progress, err);
}

static bool open_text(dictionary_run *r, bl_error *err) {
    bl_site_point site;
    bl_samples train = {0}, valid = {0};
    r->point = r->o->point ? r->o->point : "mlp_in";
    r->layer = r->o->layer == SIZE_MAX ? 0 : r->o->layer;
    bool ok = bl_site_point_find(r->model, r->point, r->layer, &site, err) &&
              read_text(r, &train, &valid, err) && bl_point_source_stories(&r->train, &site, &train, err) &&
              bl_point_source_stories(&r->valid, &site, &valid, err);
    bl_samples_free(&train);
    bl_samples_free(&valid);
    return ok;
}

static bool open_images(dictionary_run *r, bl_error *err) {
    const bl_images *held = r->held ? r->held : r->shown;
    r->point = r->o->point ? r->o->point : "hidden";
    r->layer = r->o->layer == SIZE_MAX ? bl_image_config_of(r->images)->n_layer - 1 : r->o->layer;
    return bl_point_source_images(&r->train, r->images, r->point, r->layer, r->shown,
                                  r->held ? BL_IMAGES_ALL : BL_IMAGES_LEARNT, err) &&
           bl_point_source_images(&r->valid, r->images, r->point, r->layer, held,
                                  r->held ? BL_IMAGES_ALL : BL_IMAGES_EVERY_TENTH, err);
}

static const char *model_name(const dictionary_run *r) {
    return r->model ? bl_model_name(r->model) : bl_image_name(r->images);
}

/* Everything that decides the numbers. */
static json_t *describe(const dictionary_run *r) {
    const bl_dictionary_train_options *o = r->o;
    char corpus[20];
    snprintf(corpus, sizeof corpus, "%016llx",
             (unsigned long long)(r->train.kind->hash(r->train.own) ^ r->valid.kind->hash(r->valid.own)));
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:s}", "corpus", corpus,
                     "model", model_name(r), "point", r->point, "layer", (json_int_t)r->layer, "features",
                     (json_int_t)o->features, "k", (json_int_t)o->k, "epochs", (json_int_t)o->epochs, "batch",
                     (json_int_t)o->batch, "lr", o->lr, "seed", (json_int_t)o->seed, "buffer",
                     (json_int_t)r->vectors.capacity, "precision", bl_precision_name(r->t.precision));
}

/* Everything in memory that a run needs. */
static bool prepare(dictionary_run *r, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    if (!(r->model ? open_text(r, err) : open_images(r, err))) return false;
    if (!bl_vectors_init(&r->vectors, &r->train, &r->t.ranks, o->batch, o->epochs, o->buffer, o->seed, err))
        return false;
    if (r->vectors.total < o->features)
        return bl_fail(err, BL_ERR_USAGE,
                       "%zu features start from as many different vectors; there are %llu: give more of them",
                       o->features, (unsigned long long)r->vectors.total);
    bl_range mine = bl_part(o->batch, (size_t)r->t.ranks.rank, (size_t)r->t.ranks.size);
    if (!bl_dictionary_net_init(&r->net, o->features, r->train.d, o->k, mine.end - mine.begin,
                                r->t.precision == BL_PRECISION_BF16, err))
        return false;
    r->m = bl_alloc_zero(r->net.params.total, sizeof *r->m, err);
    r->v = bl_alloc_zero(r->net.params.total, sizeof *r->v, err);
    r->mean = bl_alloc(r->train.d, sizeof *r->mean, err);
    if (!r->m || !r->v || !r->mean) return false;
    r->t.steps = r->vectors.steps;
    r->t.description = describe(r);
    return r->t.description || bl_fail(err, BL_ERR_MEMORY, "out of memory");
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* `n` different places below `total`, ascending (Floyd's method: the set is uniform). */
static void pick(uint64_t seed, uint64_t total, uint64_t *places, size_t n) {
    bl_random random;
    bl_random_seed(&random, bl_noise_key(seed, 0, 1));
    size_t kept = 0;
    for (uint64_t j = total - n; j < total; j++) {
        uint64_t x = bl_random_below(&random, j + 1);
        if (kept && bsearch(&x, places, kept, sizeof *places, ascending)) x = j;
        size_t at = kept++; /* keeps the list in order */
        for (; at > 0 && places[at - 1] > x; at--) places[at] = places[at - 1];
        places[at] = x;
    }
}

/* The start: c = the mean, D = vectors drawn without replacement less c, of norm 1, E = D. */
static bool start(dictionary_run *r, bl_error *err) {
    size_t F = r->net.F, d = r->net.d;
    float *encoder = bl_dictionary_net_encoder(&r->net, r->net.weights),
          *decoder = bl_dictionary_net_decoder(&r->net, r->net.weights);
    uint64_t *places = bl_alloc(F, sizeof *places, err);
    bool ok = bl_ranks_agree(&r->t.ranks, places != NULL, err);
    if (ok && places) {
        pick(r->o->seed, r->vectors.total, places, F);
        ok = bl_vectors_survey(&r->vectors, places, F, decoder, r->mean, &r->spread, &r->progress, err);
    }
    free(places);
    if (!ok) return false;
    if (!(r->spread > 0))
        return bl_fail(err, BL_ERR_NUMERIC, "%s of layer %zu is the same at every position: nothing to learn",
                       r->point, r->layer);
    memcpy(bl_dictionary_net_centre(&r->net, r->net.weights), r->mean, d * sizeof(float));
    for (size_t f = 0; f < F; f++)
        for (size_t c = 0; c < d; c++) decoder[f * d + c] -= r->mean[c];
    bl_dictionary_net_normalize(&r->net);
    memcpy(encoder, decoder, F * d * sizeof *encoder);
    return true;
}

static double seconds_so_far(const dictionary_run *r) {
    return r->t.seconds_before + omp_get_wtime() - r->t.started;
}

/* One step over the batch; the log and the user are told. */
static bool step(dictionary_run *r, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    bl_train_state *state = &r->t.state;
    bl_range mine = bl_part(o->batch, (size_t)r->t.ranks.rank, (size_t)r->t.ranks.size);
    double loss = 0, begun = omp_get_wtime(),
           lr = o->lr * (1 - .9 * (double)(state->step + 1) / (double)r->t.steps);
    const uint32_t *order = bl_vectors_batch(&r->vectors, state->step, &r->progress, err);
    if (!order) return false;
    bl_dictionary_net_run(&r->net, r->vectors.rows, order + mine.begin, mine.end - mine.begin,
                          1.0F / (float)o->batch, &loss);
    if (!bl_ranks_sum(&r->t.ranks, r->net.gradient, r->net.params.total, err) ||
        !bl_ranks_sum_double(&r->t.ranks, &loss, 1, err))
        return false;
    loss /= (double)o->batch;
    double norm = bl_gradient_norm(&r->net.params, r->net.gradient);
    if (!isfinite(loss) || !isfinite(norm))
        return bl_fail(err, BL_ERR_NUMERIC,
                       "step %llu: the %s is not finite (learning rate %.3g); nothing was updated. Are the "
                       "model's activations finite?",
                       (unsigned long long)state->step + 1, isfinite(loss) ? "gradient" : "loss", lr);
    bl_adamw adam = {.lr = (float)lr,
                     .beta1 = .9F,
                     .beta2 = .999F,
                     .epsilon = 1e-8F,
                     .step = state->step + 1,
                     .gradient_scale = 1};
    bl_adamw_step(&adam, &r->net.params, r->net.weights, r->net.gradient, r->m, r->v);
    bl_dictionary_net_normalize(&r->net);
    state->step++;
    state->position += o->batch;
    state->seconds = seconds_so_far(r);
    bl_dictionary_train_event event = {.kind = BL_DICTIONARY_TRAIN_STEP,
                                       .step = state->step,
                                       .steps = r->t.steps,
                                       .epochs = (double)state->position / (double)r->vectors.total,
                                       .loss = loss,
                                       .unexplained = loss * (double)r->vectors.total / r->spread,
                                       .lr = lr,
                                       .vectors_per_second = (double)o->batch / (omp_get_wtime() - begun),
                                       .seconds = state->seconds};
    json_t *line = json_pack("{s:I, s:f, s:o, s:f, s:f, s:f, s:s}", "step", (json_int_t)state->step, "loss",
                             loss, "unexplained", bl_json_number(event.unexplained), "gradient_norm", norm,
                             "lr", lr, "seconds", round(state->seconds * 1e3) / 1e3, "precision",
                             bl_precision_name(r->t.precision));
    tell(r, &event);
    return bl_ranks_agree(&r->t.ranks, bl_journal_line(&r->t, line, err), err);
}

static bool checkpoint(dictionary_run *r, bl_error *err) {
    bl_train_arrays arrays = {r->net.weights, r->m, r->v, r->net.params.total};
    return bl_journal_checkpoint(&r->t, &arrays, err);
}

static bool stopped(const dictionary_run *r, bl_error *err) {
    return bl_fail(err, BL_ERR_CANCELLED,
                   "stopped after step %llu; a checkpoint was written, resume to continue",
                   (unsigned long long)r->t.state.step);
}

static bool train(dictionary_run *r, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    while (r->t.state.step < r->t.steps) {
        double stop = 0;
        bl_error failure = {0};
        bool ok = step(r, &failure);
        if (!ok && failure.code != BL_ERR_CANCELLED) return bl_fail(err, failure.code, "%s", failure.message);
        stop = !ok || r->t.cancelled;
        if (!bl_ranks_sum_double(&r->t.ranks, &stop, 1, err)) return false;
        bool due = o->checkpoint_every && r->t.state.step % o->checkpoint_every == 0;
        if ((due || stop > 0) && !checkpoint(r, err)) return false;
        if (stop > 0) return stopped(r, err);
    }
    return true;
}

/* The dictionary as the readers have it: o = -E c, c = the centre. */
static bool save(dictionary_run *r, bl_error *err) {
    size_t F = r->net.F, d = r->net.d;
    bl_dictionary a = {.name = (char *)(uintptr_t)r->o->output,
                       .F = F,
                       .d = d,
                       .activation = BL_ACTIVATION_TOPK,
                       .k = r->net.k,
                       .encoder = bl_dictionary_net_encoder(&r->net, r->net.weights),
                       .decoder = bl_dictionary_net_decoder(&r->net, r->net.weights),
                       .centre = bl_dictionary_net_centre(&r->net, r->net.weights),
                       .offset = bl_alloc(F, sizeof(float), err)};
    bool ok = a.offset != NULL;
    for (size_t f = 0; ok && f < F; f++) {
        double sum = 0;
        for (size_t c = 0; c < d; c++) sum -= (double)a.encoder[f * d + c] * (double)a.centre[c];
        a.offset[f] = (float)sum;
    }
    ok = ok && bl_dictionary_write(&a, r->o->output, r->o->layout, model_name(r), r->point, r->layer, err);
    free(a.offset);
    return ok;
}

/* The figures of merit of what is stored. */
static bool score(dictionary_run *r, bl_dictionary_train_result *result, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    bl_dictionary *stored = bl_dictionary_read(o->output, r->train.d, err);
    bool same = stored && stored->F == o->features && stored->k == o->k;
    if (stored && !same)
        bl_fail(err, BL_ERR_USAGE,
                "%s: holds a finished dictionary of %zu features, %zu active; %zu and %zu were asked for: "
                "overwrite it, or choose another directory",
                o->output, stored->F, stored->k, o->features, o->k);
    bool ok =
        bl_ranks_agree(&r->t.ranks, same, err) &&
        bl_dictionary_score_of(&r->valid, stored, r->mean, &r->t.ranks, &r->progress, &result->score, err);
    bl_dictionary_free(stored);
    return ok;
}

static bool finish(dictionary_run *r, bl_dictionary_train_result *result, bl_error *err) {
    bl_error failure = {0};
    if (!checkpoint(r, err)) return false;
    if (!bl_ranks_agree(&r->t.ranks, r->t.ranks.rank > 0 || save(r, err), err)) return false;
    if (!score(r, result, &failure)) {
        if (failure.code == BL_ERR_CANCELLED) return stopped(r, err);
        return bl_fail(err, failure.code, "%s", failure.message);
    }
    const bl_dictionary_score *s = &result->score;
    bool ok =
        bl_journal_line(&r->t,
                        json_pack("{s:I, s:o, s:I, s:o, s:o, s:o, s:o, s:f, s:b}", "step",
                                  (json_int_t)r->t.state.step, "unexplained", bl_json_number(s->unexplained),
                                  "dead", (json_int_t)s->dead, "loss_model", bl_json_number(s->model),
                                  "loss_spliced", bl_json_number(s->spliced), "loss_mean",
                                  bl_json_number(s->mean), "recovered", bl_json_number(s->recovered),
                                  "seconds", r->t.state.seconds, "final", 1),
                        err);
    if (ok && r->t.ranks.rank == 0 && fsync(fileno(r->t.log)) != 0) ok = bl_journal_failed(&r->t, err);
    if (ok && r->t.ranks.rank == 0) unlink(r->t.checkpoint_path);
    return bl_ranks_agree(&r->t.ranks, ok, err);
}

/* Rank 0 looks at the directory; *finished: a run came to its end there before. */
static bool look(dictionary_run *r, bool *finished, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    bl_log_summary summary;
    bool ok = true;
    if (r->t.ranks.rank == 0) {
        bl_run_place place = bl_run_find(o->output, &summary);
        *finished = place == BL_RUN_FINISHED && o->resume && !o->overwrite;
        ok = bl_run_allowed(&r->directory, place, &summary, err) &&
             (*finished || bl_directory_prepare(o->output, &r->t.made_directory, err));
    }
    return bl_ranks_agree(&r->t.ranks, ok, err) &&
           bl_ranks_share(&r->t.ranks, finished, sizeof *finished, err);
}

static void tell_about_buffer(dictionary_run *r) {
    const bl_vectors *v = &r->vectors;
    if (v->whole) return;
    bl_trainer_note(&r->t,
                    "%llu vectors do not fit into a buffer of %zu: every epoch runs the model again over %zu "
                    "parts, each shuffled by itself",
                    (unsigned long long)v->total, v->capacity, v->n_parts / v->epochs);
}

static bool run(dictionary_run *r, bl_dictionary_train_result *result, bl_error *err) {
    bl_train_arrays arrays;
    bool finished = false;
    if (!check(r, err) || !bl_ranks_join(&r->t.ranks, r->o->distributed, err)) return false;
    r->t.log_path = bl_path_join(r->o->output, "log.jsonl", err);
    r->t.checkpoint_path = bl_path_join(r->o->output, "checkpoint", err);
    if (!bl_ranks_agree(&r->t.ranks, r->t.log_path && r->t.checkpoint_path, err) ||
        !look(r, &finished, err) || !bl_trainer_choose_precision(&r->t, err) ||
        !bl_ranks_agree(&r->t.ranks, prepare(r, err), err))
        return false;
    tell_about_buffer(r);
    if (!start(r, err)) return false;
    if (finished) {
        result->finished_before = true;
    } else {
        arrays = (bl_train_arrays){r->net.weights, r->m, r->v, r->net.params.total};
        if (!bl_journal_restore(&r->t, &arrays, err)) return false;
        r->t.seconds_before = r->t.state.seconds;
        r->t.started = omp_get_wtime();
    }
    if (finished ? !score(r, result, err) : !(train(r, err) && finish(r, result, err))) return false;
    result->positions = r->vectors.total;
    result->layer = r->layer;
    result->steps = r->t.steps;
    result->seconds = r->t.state.seconds;
    result->precision = r->t.precision;
    return true;
}

/* The whole of it, with the subject filled in. */
static bool run_all(dictionary_run *r, bl_dictionary_train_result *result, bl_error *err) {
    const bl_dictionary_train_options *o = r->o;
    bl_error_clear(err);
    *result = (bl_dictionary_train_result){0};
    r->directory = (bl_train_options){.output = o->output,
                                      .resume = o->resume,
                                      .overwrite = o->overwrite,
                                      .precision = o->precision,
                                      .report = on_note,
                                      .context = r};
    r->t = (bl_trainer){.ranks = {0, 1}, .options = &r->directory};
    r->t.state.valid_loss = (double)NAN;
    r->progress = (bl_progress){on_progress, r};
    bool ok = run(r, result, err);
    if (!ok && r->t.made_directory && !r->t.log) rmdir(o->output);
    run_free(r);
    return ok;
}

bool bl_dictionary_train(const bl_model *model, const bl_dictionary_train_options *options,
                         bl_dictionary_train_result *result, bl_error *err) {
    dictionary_run r = {.o = options, .model = model};
    return run_all(&r, result, err);
}

bool bl_dictionary_train_images(const bl_image_model *model, const bl_images *images, const bl_images *held,
                                const bl_dictionary_train_options *options,
                                bl_dictionary_train_result *result, bl_error *err) {
    dictionary_run r = {.o = options, .images = model, .shown = images, .held = held};
    return run_all(&r, result, err);
}

void bl_dictionary_train_defaults(bl_dictionary_train_options *options) {
    *options = (bl_dictionary_train_options){
        .layer = SIZE_MAX, .epochs = 5, .batch = 1024, .lr = 1e-3, .seed = 1, .checkpoint_every = 500};
}

void bl_dictionary_train_image_defaults(bl_dictionary_train_options *options) {
    bl_dictionary_train_defaults(options);
    options->epochs = 20;
    options->lr = 1e-2;
}
