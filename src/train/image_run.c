/* A training run of image models and of modular addition (docs/specification.md, 20 and 21): epochs,
 * checkpoints, log, the finished directory. What a directory may hold before it begins is decided by
 * directory.c, as for text.
 *
 * A checkpoint is written after an epoch, at most one every 30 seconds; order of images and noise follow
 * from seed, epoch and step, so that there is no other random state. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "linear/noise.h"
#include "train/adamw.h"
#include "train/image_net.h"
#include "train/trainer.h"
#include <bilens/blas.h>
#include <bilens/image_train.h>
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_SECONDS 30.0
#define PI 3.14159265358979323846

typedef struct image_run {
    const bl_image_train_options *o;
    bl_train_options directory; /* what directory.c asks for */
    bl_trainer t;               /* its log, checkpoint, state and ranks */
    bl_image_model *model;      /* sizes and labels; the weights at the end */
    bl_images *train, *test;
    bl_image_net net;
    uint32_t *order;    /* [train images, or pairs] of the epoch at hand */
    size_t n, batch;    /* images that are trained on; of one step */
    uint64_t per_epoch; /* steps */
    float *m, *v;
    double last_checkpoint;
} image_run;

static void run_free(image_run *r) {
    if (r->t.log) fclose(r->t.log);
    free(r->t.log_path);
    free(r->t.checkpoint_path);
    json_decref(r->t.description);
    bl_image_free(r->model);
    bl_images_free(r->train);
    bl_images_free(r->test);
    bl_image_net_free(&r->net);
    free(r->order);
    free(r->m);
    free(r->v);
}

static double rate(const bl_image_train_options *o, uint64_t epoch) {
    return o->lr * (1 + cos(PI * (double)epoch / (double)o->epochs)) / 2;
}

/* config.json: the authors' keys and ours. */
static json_t *config_of(const image_run *r) {
    static const char *const gates[] = {NULL, "relu", "silu", "gelu"};
    const bl_image_train_options *o = r->o;
    const bl_image_config *c = &r->model->config;
    json_t *labels = json_array();
    for (size_t i = 0; i < c->d_output; i++)
        if (!bl_json_push(labels, json_string(r->model->labels[i]), NULL)) {
            json_decref(labels);
            return NULL;
        }
    json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:b, s:s?, s:[I, I, I], s:o}", "kind",
                             c->p ? "modular" : "image", "d_input", (json_int_t)c->d_input, "d_hidden",
                             (json_int_t)c->d_hidden, "d_output", (json_int_t)c->d_output, "n_layer",
                             (json_int_t)c->n_layer, "bias", c->bias, "residual", c->residual, "gate",
                             gates[c->gate], "input_shape", (json_int_t)c->shape[0], (json_int_t)c->shape[1],
                             (json_int_t)c->shape[2], "labels", labels);
    json_t *more =
        c->p ? json_pack("{s:I, s:s, s:b, s:f, s:f, s:f, s:I, s:f, s:I}", "p", (json_int_t)c->p, "operation",
                         "add", "split", c->split, "lr", o->lr, "l2", o->l2, "beta2", o->beta2, "epochs",
                         (json_int_t)o->epochs, "fraction", o->fraction, "seed", (json_int_t)o->seed)
             : json_pack("{s:f, s:f, s:f, s:I, s:I, s:I}", "noise", o->noise, "lr", o->lr, "wd", o->decay,
                         "epochs", (json_int_t)o->epochs, "batch_size", (json_int_t)o->batch, "seed",
                         (json_int_t)o->seed);
    if (json && more) json_object_update(json, more);
    json_decref(more);
    return json;
}

static bool save_model(image_run *r, bl_error *err) {
    size_t n = bl_image_tensors(r->model, NULL);
    bl_image_tensor *list = bl_alloc(n, sizeof *list, err);
    bl_named_array *arrays = bl_alloc_zero(n, sizeof *arrays, err);
    char *weights = bl_path_join(r->o->output, "model.safetensors", err);
    char *config = bl_path_join(r->o->output, "config.json", err), *text = NULL;
    json_t *json = config_of(r);
    bool ok = list && arrays && weights && config;
    if (ok) {
        bl_image_tensors(r->model, list);
        for (size_t i = 0; i < n; i++)
            arrays[i] =
                (bl_named_array){list[i].name, list[i].data, list[i].n_dims, {list[i].rows, list[i].cols}};
        ok = bl_safetensors_write_as(weights, arrays, n, r->o->store, err);
    }
    text = ok ? bl_json_text(json, JSON_INDENT(1) | JSON_REAL_PRECISION(9), err) : NULL;
    ok = text && bl_file_write(config, text, strlen(text), err);
    free(list);
    free(arrays);
    free(weights);
    free(config);
    free(text);
    json_decref(json);
    return ok;
}

static double seconds_so_far(const image_run *r) {
    return r->t.seconds_before + omp_get_wtime() - r->t.started;
}

static bool checkpoint(image_run *r, bl_error *err) {
    bl_train_arrays arrays = {r->net.weights, r->m, r->v, r->net.params.total};
    r->last_checkpoint = omp_get_wtime();
    r->t.state.seconds = seconds_so_far(r);
    return bl_journal_checkpoint(&r->t, &arrays, err);
}

/* Tells the user; false with BL_ERR_CANCELLED when a rank's user wants to stop. */
static bool report(image_run *r, const bl_image_train_event *event, bool epoch_done, bl_error *err) {
    bool go = r->t.ranks.rank > 0 || !r->o->report || r->o->report(r->o->context, event, epoch_done);
    if (!go) bl_fail(err, BL_ERR_CANCELLED, "interrupted; run the same command with --resume to go on");
    return bl_ranks_agree(&r->t.ranks, go, err);
}

/* One step over images `order` [B] of the whole step; *loss and *right are sums over them. */
static bool step(image_run *r, const uint32_t *order, size_t B, double lr, double *loss, double *right,
                 double *norm, bl_error *err) {
    const bl_image_train_options *o = r->o;
    bl_range mine = bl_part(B, (size_t)r->t.ranks.rank, (size_t)r->t.ranks.size);
    bl_image_batch batch = {.images = r->train,
                            .order = order + mine.begin,
                            .n = mine.end - mine.begin,
                            .first = mine.begin,
                            .noise = (float)o->noise,
                            .key = bl_noise_key(o->seed, r->t.state.step, 0),
                            .scale = 1.0F / (float)B};
    size_t total = r->net.params.total, hits;
    double sums[2];
    bool ok = bl_image_net_run(&r->net, &batch, true, &sums[0], &hits, err);
    sums[1] = (double)hits;
    if (!bl_ranks_agree(&r->t.ranks, ok, err) || !bl_ranks_sum(&r->t.ranks, r->net.gradient, total, err) ||
        !bl_ranks_sum_double(&r->t.ranks, sums, 2, err))
        return false;
    for (size_t i = 0; o->l2 > 0 && i < total; i++) r->net.gradient[i] += (float)o->l2 * r->net.weights[i];
    *norm = bl_gradient_norm(&r->net.params, r->net.gradient);
    if (!isfinite(sums[0]) || !isfinite(*norm))
        return bl_fail(err, BL_ERR_NUMERIC,
                       "step %llu: the %s is not finite (learning rate %.3g); try a lower one",
                       (unsigned long long)r->t.state.step + 1, isfinite(sums[0]) ? "gradient" : "loss", lr);
    bl_adamw adamw = {.lr = (float)lr,
                      .beta1 = 0.9F,
                      .beta2 = (float)o->beta2,
                      .epsilon = 1e-8F,
                      .decay = (float)o->decay,
                      .decay_all = true,
                      .step = r->t.state.step + 1,
                      .gradient_scale = 1};
    bl_adamw_step(&adamw, &r->net.params, r->net.weights, r->net.gradient, r->m, r->v);
    r->t.state.step++;
    *loss += sums[0];
    *right += sums[1];
    return true;
}

static bool epoch(image_run *r, uint64_t e, bl_error *err) {
    const bl_image_train_options *o = r->o;
    double lr = rate(o, e), loss = 0, right = 0, norm = 0, begun = omp_get_wtime(), told = begun;
    size_t seen = 0;
    if (!r->model->config.p) bl_random_order(bl_noise_key(o->seed, e, 1), r->order, r->n);
    bl_image_train_event event = {.epoch = (size_t)e,
                                  .epochs = o->epochs,
                                  .steps = r->per_epoch * o->epochs,
                                  .lr = lr};
    for (uint64_t s = 0; s < r->per_epoch; s++) {
        if (!step(r, r->order + s * r->batch, r->batch, lr, &loss, &right, &norm, err)) return false;
        seen += r->batch;
        event.step = r->t.state.step;
        event.loss = loss / (double)seen;
        event.accuracy = right / (double)seen;
        event.seconds = seconds_so_far(r);
        if (s + 1 == r->per_epoch || (r->t.ranks.size == 1 && omp_get_wtime() - told < 0.1)) continue;
        told = omp_get_wtime();
        if (!report(r, &event, false, err)) return false;
    }
    event.epoch = (size_t)e + 1;
    event.images_per_second = (double)seen / (omp_get_wtime() - begun);
    /* a run of many short steps logs a hundred of them */
    bool logged = o->epochs <= 1000 || (e + 1) % (o->epochs / 100) == 0 || e + 1 == o->epochs;
    json_t *line =
        json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:o, s:s}", "step", (json_int_t)event.step, "epoch",
                  (json_int_t)event.epoch, "loss", event.loss, "accuracy", event.accuracy, "gradient_norm",
                  norm, "lr", lr, "seconds", event.seconds, "images_per_second",
                  bl_json_number(event.images_per_second), "precision", bl_precision_name(r->t.precision));
    if (!logged) json_decref(line);
    else if (!bl_journal_line(&r->t, line, err)) return false;
    return report(r, &event, true, err);
}

/* What decides a run's numbers. */
static json_t *describe(const image_run *r) {
    json_t *json = config_of(r);
    if (!json) return NULL;
    if (bl_json_put(json, "batch_size", json_integer((json_int_t)r->batch), NULL) &&
        bl_json_put(json, "images", json_integer((json_int_t)bl_images_count(r->train)), NULL) &&
        bl_json_put(json, "beta2", json_real(r->o->beta2), NULL) &&
        bl_json_put(json, "l2", json_real(r->o->l2), NULL) &&
        bl_json_put(json, "precision", json_string(bl_precision_name(r->t.precision)), NULL))
        return json;
    json_decref(json);
    return NULL;
}

static bool open_images(image_run *r, bl_image_config *c, bl_error *err) {
    const bl_image_train_options *o = r->o;
    if (c->p) {
        r->train = bl_images_pairs(c->p, err);
        return r->train != NULL;
    }
    if (!o->images) return bl_fail(err, BL_ERR_USAGE, "which images? Give the folder that holds them");
    if (!bl_images_sizes(o->images, "train", &c->d_input, &c->d_output, err)) return false;
    if (c->shape[0] * c->shape[1] * c->shape[2] != c->d_input) bl_image_default_shape(c->d_input, c->shape);
    return true;
}

static bool check_options(const bl_image_train_options *o, bl_error *err) {
    const bl_image_config *c = &o->model;
    if (c->d_hidden == 0 || c->n_layer == 0 || o->epochs == 0)
        return bl_fail(err, BL_ERR_USAGE, "--d-hidden, --layers and --epochs must be at least 1");
    if (c->p && (c->p < 3 || c->p % 2 == 0))
        return bl_fail(err, BL_ERR_USAGE, "--modular %zu: it must be odd and at least 3", c->p);
    if (c->p && (c->n_layer != 1 || c->residual || c->bias || c->gate != BL_GATE_NONE))
        return bl_fail(err, BL_ERR_USAGE,
                       "a model of modular addition has one bilinear block without biases or residual");
    if (!(o->lr > 0) || !(o->decay >= 0) || !(o->noise >= 0) || !(o->l2 >= 0) ||
        !(o->beta2 > 0 && o->beta2 < 1))
        return bl_fail(err, BL_ERR_USAGE,
                       "--lr must be above 0, --decay, --noise and --l2 at least 0, --beta2 in 0 to 1");
    if (c->p && !(o->fraction > 0 && o->fraction <= 1))
        return bl_fail(err, BL_ERR_USAGE, "--fraction %g: the share of pairs must be above 0 and at most 1",
                       o->fraction);
    return o->output || bl_fail(err, BL_ERR_USAGE, "where to? Give the model's directory with -o");
}

static bool take_labels(image_run *r, bl_error *err) {
    for (size_t i = 0; r->o->labels && i < r->model->config.d_output; i++) {
        char *copy = bl_strdup(r->o->labels[i], err);
        if (!copy) return false;
        free(r->model->labels[i]);
        r->model->labels[i] = copy;
    }
    return true;
}

/* Everything in memory that a run needs. */
static bool prepare(image_run *r, bl_error *err) {
    const bl_image_train_options *o = r->o;
    bl_image_config c = o->model;
    if (c.p) {
        c.d_input = 2 * c.p;
        c.d_output = c.p;
        c.shape[0] = 1, c.shape[1] = 2, c.shape[2] = c.p;
    }
    if (!open_images(r, &c, err)) return false;
    r->model = bl_image_new(&c, o->output, err);
    if (!r->model || !take_labels(r, err)) return false;
    if (!c.p) {
        r->train = bl_images_open(r->model, o->images, NULL, "train", err);
        r->test = r->train ? bl_images_open(r->model, o->images, NULL, "test", err) : NULL;
        if (!r->test) return false;
    }
    r->n = bl_images_count(r->train);
    r->order = bl_alloc(r->n, sizeof *r->order, err);
    if (!r->order || !bl_image_net_init(&r->net, &c, err)) return false;
    r->net.half = r->t.precision == BL_PRECISION_BF16;
    if (c.p) {
        bl_random_order(bl_noise_key(o->seed, 0, 1), r->order, r->n);
        r->n = (size_t)(o->fraction * (double)r->n);
        if (r->n == 0) return bl_fail(err, BL_ERR_USAGE, "--fraction %g leaves no pair", o->fraction);
        r->batch = r->n;
    } else {
        r->batch = o->batch;
        if (r->batch == 0 || r->batch > r->n)
            return bl_fail(err, BL_ERR_USAGE, "--batch %zu: there are %zu images to train on", r->batch,
                           r->n);
    }
    r->per_epoch = r->n / r->batch;
    r->m = bl_alloc_zero(r->net.params.total, sizeof *r->m, err);
    r->v = bl_alloc_zero(r->net.params.total, sizeof *r->v, err);
    r->t.description = r->m && r->v ? describe(r) : NULL;
    return r->t.description || bl_fail(err, BL_ERR_MEMORY, "out of memory");
}

/* Where the run goes on; *finished: it had come to its end before. */
static bool begin(image_run *r, bool *finished, bl_error *err) {
    const bl_image_train_options *o = r->o;
    bl_log_summary summary;
    bl_train_arrays arrays = {r->net.weights, r->m, r->v, r->net.params.total};
    bool ok = true;
    if (r->t.ranks.rank == 0) {
        r->directory.steps = r->per_epoch * o->epochs;
        bl_run_place place = bl_run_find(o->output, &summary);
        *finished = place == BL_RUN_FINISHED && o->resume && !o->overwrite;
        ok = bl_run_allowed(&r->directory, place, &summary, err) &&
             (*finished || bl_directory_prepare(o->output, &r->t.made_directory, err));
    }
    if (!bl_ranks_agree(&r->t.ranks, ok, err) ||
        !bl_ranks_share(&r->t.ranks, finished, sizeof *finished, err))
        return false;
    bl_image_net_randomize(&r->net, o->seed);
    ok = *finished || bl_journal_restore(&r->t, &arrays, err);
    r->t.seconds_before = r->t.state.seconds;
    r->t.started = r->last_checkpoint = omp_get_wtime();
    return ok;
}

/* Loss and accuracy on the pairs of `order` behind the first `from`. */
static bool score_pairs(image_run *r, size_t from, bl_image_score *score, bl_error *err) {
    size_t all = bl_images_count(r->train), right;
    bl_image_batch batch = {.images = r->train, .order = r->order + from, .n = all - from};
    *score = (bl_image_score){.predictions = batch.n};
    if (batch.n == 0) return true;
    if (!bl_image_net_run(&r->net, &batch, false, &score->loss, &right, err)) return false;
    score->loss /= (double)batch.n;
    score->accuracy = (double)right / (double)batch.n;
    return true;
}

/* The scores of the weights as they are stored, the directory, the end of the log. */
static bool finish(image_run *r, bl_image_train_result *result, bl_error *err) {
    const bl_image_train_options *o = r->o;
    bl_image_net_store(&r->net, r->model);
    bool ok = r->t.ranks.rank > 0 || save_model(r, err);
    if (!bl_ranks_agree(&r->t.ranks, ok, err)) return false;
    bl_image_model *stored = bl_image_load(o->output, err);
    ok = stored && bl_image_eval(stored, r->test ? r->test : r->train, &result->score, NULL, err) &&
         (!o->model.p || score_pairs(r, r->n, &result->held_out, err));
    bl_image_free(stored);
    if (!bl_ranks_agree(&r->t.ranks, ok, err)) return false;
    if (!isfinite(result->score.loss))
        return bl_fail(err, BL_ERR_NUMERIC, "%s: the last step leaves weights whose loss is not finite",
                       o->output);
    result->seconds = seconds_so_far(r);
    if (r->t.ranks.rank > 0) return true;
    ok = bl_journal_line(&r->t,
                         json_pack("{s:I, s:f, s:f, s:f, s:b}", "step", (json_int_t)r->t.state.step,
                                   "valid_loss", result->score.loss, "accuracy", result->score.accuracy,
                                   "seconds", result->seconds, "final", 1),
                         err);
    if (ok) unlink(r->t.checkpoint_path);
    return ok;
}

static bool train(image_run *r, bl_error *err) {
    uint64_t first = r->t.state.step / r->per_epoch;
    for (uint64_t e = first; e < r->o->epochs; e++) {
        if (!epoch(r, e, err)) return false;
        bool due = omp_get_wtime() - r->last_checkpoint > CHECKPOINT_SECONDS;
        if (!bl_ranks_share(&r->t.ranks, &due, sizeof due, err)) return false;
        if (due && e + 1 < r->o->epochs && !checkpoint(r, err)) return false;
    }
    return true;
}

/* The numbers of a run that was finished before. */
static bool finished_run(image_run *r, bl_image_train_result *result, bl_error *err) {
    bl_image_model *stored = bl_image_load(r->o->output, err);
    bool ok = stored && bl_image_eval(stored, r->test ? r->test : r->train, &result->score, NULL, err);
    result->finished_before = true;
    result->steps = r->per_epoch * r->o->epochs;
    bl_image_free(stored);
    return ok;
}

bool bl_image_train_run(const bl_image_train_options *options, bl_image_train_result *result, bl_error *err) {
    image_run r = {.o = options};
    bool finished = false;
    bl_error_clear(err);
    *result = (bl_image_train_result){.epochs = options->epochs};
    if (!check_options(options, err) || !bl_blas_check(err)) return false;
    r.directory = (bl_train_options){.output = options->output,
                                     .resume = options->resume,
                                     .overwrite = options->overwrite,
                                     .precision = options->precision};
    r.t.options = &r.directory;
    r.t.log_path = bl_path_join(options->output, "log.jsonl", err);
    r.t.checkpoint_path = r.t.log_path ? bl_path_join(options->output, "checkpoint", err) : NULL;
    bool ok = r.t.checkpoint_path && bl_ranks_join(&r.t.ranks, options->distributed, err) &&
              bl_trainer_choose_precision(&r.t, err) && bl_ranks_agree(&r.t.ranks, prepare(&r, err), err) &&
              begin(&r, &finished, err);
    if (ok && finished) {
        ok = finished_run(&r, result, err);
    } else if (ok) {
        ok = train(&r, err) && finish(&r, result, err);
        result->steps = r.t.state.step;
        result->precision = r.t.precision;
    }
    run_free(&r);
    return ok;
}

void bl_image_train_defaults(bl_image_train_options *options) {
    *options = (bl_image_train_options){.model = {.d_hidden = 256, .n_layer = 1},
                                        .epochs = 100,
                                        .batch = 2048,
                                        .lr = 1e-3,
                                        .decay = 0.5,
                                        .beta2 = 0.999,
                                        .fraction = 1,
                                        .seed = 42};
}

void bl_image_train_modular(bl_image_train_options *options, size_t p) {
    *options = (bl_image_train_options){.model = {.d_hidden = 64, .n_layer = 1, .p = p, .split = true},
                                        .epochs = 2000,
                                        .batch = 1,
                                        .lr = 0.01,
                                        .l2 = 1e-4,
                                        .beta2 = 0.98,
                                        .fraction = 0.8,
                                        .seed = 1};
}

bool bl_image_train_preset(const char *name, bl_image_train_options *options, bl_error *err) {
    static const char *const fashion[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    bl_image_train_defaults(options);
    options->labels = fashion;
    if (strcmp(name, "fashion-256") == 0) return true;
    options->model.d_hidden = 64;
    options->epochs = 20;
    options->batch = 512;
    options->decay = 1;
    options->noise = 0.5;
    return strcmp(name, "fashion-64") == 0 ||
           bl_fail(err, BL_ERR_USAGE,
                   "there is no preset '%.60s' for images: fashion-256 and fashion-64 are known", name);
}
