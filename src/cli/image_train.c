/* Training image models and models of modular addition, and the study of noise, decay and seeds. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/figure_options.h"
#include "cli/image.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct watch {
    bl_progress bar;
    char phase[80];
} watch;

static bool show(void *context, const bl_image_train_event *e, bool epoch_done) {
    watch *w = context;
    (void)epoch_done;
    if (!w->bar.report) return true;
    snprintf(w->phase, sizeof w->phase, "training, loss %.4f", e->loss);
    return w->bar.report(w->bar.context, w->phase, e->step, e->steps);
}

static bool gate_of(const char *name, bl_gate *gate, bl_error *err) {
    static const char *const names[] = {"none", "relu", "silu", "gelu"};
    for (int g = BL_GATE_NONE; g <= BL_GATE_GELU; g++)
        if (strcmp(name, names[g]) == 0) {
            *gate = (bl_gate)g;
            return true;
        }
    return bl_fail(err, BL_ERR_USAGE, "--gate is none, relu, silu or gelu");
}

static bl_tree *result_tree(const char *output, const bl_image_train_result *r, bool modular, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", output);
    bl_put_count(&b, root, "epochs", r->epochs);
    bl_put_count(&b, root, "steps", r->steps);
    bl_put_real(&b, root, "seconds", r->seconds);
    if (!r->finished_before)
        bl_put_text(&b, root, "precision", r->precision == BL_PRECISION_BF16 ? "bf16" : "f32");
    bl_put_real(&b, root, "loss", r->score.loss);
    bl_put_real(&b, root, "accuracy", r->score.accuracy);
    bl_put_count(&b, root, "predictions", r->score.predictions);
    if (modular && !r->finished_before) {
        bl_tree *held = bl_put_object(&b, root, "held_out");
        bl_put_real(&b, held, "loss", r->held_out.loss);
        bl_put_real(&b, held, "accuracy", r->held_out.accuracy);
        bl_put_count(&b, held, "predictions", r->held_out.predictions);
    }
    return bl_tree_built(&b, root);
}

static bl_table *result_rows(const bl_tree *tree, bl_error *err) {
    static const char *const keys[] = {"epochs", "steps", "seconds", "loss", "accuracy", "predictions"};
    bl_table *rows = bl_table_new("epochs,steps,seconds,loss,accuracy,predictions", err);
    for (size_t i = 0; i < 6; i++) bl_table_real(rows, bl_tree_real(tree, keys[i]));
    return rows;
}

/* Numbers of the command line; a NaN or a SIZE_MAX keeps the recipe's. */
typedef struct recipe {
    const char *preset, *gate;
    size_t d_hidden, layers, epochs, batch, seed;
    double lr, decay, noise, l2, beta2, fraction;
    bool bias, residual, joint;
} recipe;

static void set_size(size_t *to, size_t given) {
    if (given != SIZE_MAX) *to = given;
}
static void set_real(double *to, double given) {
    if (!isnan(given)) *to = given;
}

/* The options of a recipe: defaults, a preset, then what the command line says. */
static bool apply(const recipe *r, size_t p, bl_image_train_options *o, bl_error *err) {
    if (p) bl_image_train_modular(o, p);
    else if (r->preset) {
        if (!bl_image_train_preset(r->preset, o, err)) return false;
    } else bl_image_train_defaults(o);
    if (p && r->preset) return bl_fail(err, BL_ERR_USAGE, "--preset goes with --images, not with --modular");
    set_size(&o->model.d_hidden, r->d_hidden);
    set_size(&o->model.n_layer, r->layers);
    set_size(&o->epochs, r->epochs);
    set_size(&o->batch, r->batch);
    if (r->seed != SIZE_MAX) o->seed = r->seed;
    set_real(&o->lr, r->lr);
    set_real(&o->decay, r->decay);
    set_real(&o->noise, r->noise);
    set_real(&o->l2, r->l2);
    set_real(&o->beta2, r->beta2);
    set_real(&o->fraction, r->fraction);
    o->model.bias = o->model.bias || r->bias;
    o->model.residual = o->model.residual || r->residual;
    if (r->joint) o->model.split = false;
    return !r->gate || gate_of(r->gate, &o->model.gate, err);
}

#define NO_RECIPE                                                                                          \
    {                                                                                                      \
        .d_hidden = SIZE_MAX, .layers = SIZE_MAX, .epochs = SIZE_MAX, .batch = SIZE_MAX, .seed = SIZE_MAX, \
        .lr = (double)NAN, .decay = (double)NAN, .noise = (double)NAN, .l2 = (double)NAN,                  \
        .beta2 = (double)NAN, .fraction = (double)NAN                                                      \
    }

static int run_train(int argc, char **argv, const verb *self) {
    common c = {0};
    recipe r = NO_RECIPE;
    size_t p = 0;
    const char *images = NULL, *dtype = NULL, *precision = NULL;
    bool resume = false, overwrite = false;
    text_list labels = {0};
    bl_error err = {0};
    const option table[] = {
        {"images", OPTION_TEXT, &images, "DIR",
         "train an image classifier on the four MNIST files of this folder"},
        {"modular", OPTION_COUNT, &p, "P", "instead: train addition of residues mod P"},
        {"preset", OPTION_TEXT, &r.preset, "NAME",
         "fashion-256 (the paper's sizes) or fashion-64 (a minute)"},
        {"d-hidden", OPTION_COUNT, &r.d_hidden, "N", "hidden units (default 256; 64 for addition)"},
        {"layers", OPTION_COUNT, &r.layers, "N", "blocks (default 1)"},
        {"epochs", OPTION_COUNT, &r.epochs, "N",
         "passes over the images (default 100); steps for addition (2000)"},
        {"batch", OPTION_COUNT, &r.batch, "N", "images per step (default 2048)"},
        {"lr", OPTION_REAL, &r.lr, "X",
         "learning rate of the first epoch (default 0.001; 0.01 for addition)"},
        {"decay", OPTION_REAL, &r.decay, "X", "weight decay, decoupled (default 0.5)"},
        {"noise", OPTION_REAL, &r.noise, "X",
         "standard deviation of what is added to every pixel (default 0)"},
        {"bias", OPTION_FLAG, &r.bias, NULL, "blocks with biases"},
        {"residual", OPTION_FLAG, &r.residual, NULL, "each block adds to its input"},
        {"gate", OPTION_TEXT, &r.gate, "G", "none (default, bilinear), relu, silu or gelu"},
        {"labels", OPTION_TOKENS, &labels, "A,B…", "names of the classes"},
        {"joint", OPTION_FLAG, &r.joint, NULL, "addition: both sides read both operands"},
        {"l2", OPTION_REAL, &r.l2, "X",
         "addition: l2 times the weight is added to the gradient (default 0.0001)"},
        {"beta2", OPTION_REAL, &r.beta2, "X", "of Adam (default 0.999; 0.98 for addition)"},
        {"fraction", OPTION_REAL, &r.fraction, "X", "addition: share of the pairs to train on (default 0.8)"},
        {"seed", OPTION_COUNT, &r.seed, "N", "of weights, order and noise (default 42; 1 for addition)"},
        {"precision", OPTION_TEXT, &precision, "P",
         "factors of a step's products: f32 (default), bf16 (where the processor has it), or auto: what is "
         "faster here"},
        {"dtype", OPTION_TEXT, &dtype, "T", "how weights are stored: f32 (default), f16 or bf16"},
        {"resume", OPTION_FLAG, &resume, NULL, "go on from the last checkpoint in -o"},
        {"overwrite", OPTION_FLAG, &overwrite, NULL, "replace the model or run in -o"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, "the model's directory", false);
    if (status >= 0) return status;
    bl_image_train_options o;
    bl_image_train_result result;
    watch w = {.bar = progress_bar(c.quiet)};
    bool ok = apply(&r, p, &o, &err) && parse_precision(precision, &o.precision, &err);
    if (ok && p && images) ok = bl_fail(&err, BL_ERR_USAGE, "give one of --images and --modular");
    if (ok && dtype && strcmp(dtype, "f16") == 0) o.store = BL_STORE_F16;
    else if (ok && dtype && strcmp(dtype, "bf16") == 0) o.store = BL_STORE_BF16;
    else if (ok && dtype && strcmp(dtype, "f32") != 0)
        ok = bl_fail(&err, BL_ERR_USAGE, "--dtype is f32, f16 or bf16");
    o.images = images;
    o.output = c.output;
    o.resume = resume;
    o.overwrite = overwrite;
    if (labels.n) o.labels = labels.items;
    o.report = show;
    o.context = &w;
    o.distributed = ranks_started();
    ok = ok && bl_image_train_run(&o, &result, &err);
    progress_end();
    const char *output = c.output;
    c.output = NULL;
    static const view how = {NULL, result_rows};
    status = write_tree(self, &c, ok ? result_tree(output, &result, p > 0, &err) : NULL, &how, &err);
    text_list_free(&labels);
    common_free(&c);
    return status;
}

/* One run of a study: its model's directory and figures. */
typedef struct cell {
    double noise, decay;
    size_t seed;
    double accuracy, effective_rank[2], share5[2], share10[2],
        truncated[2]; /* embed, pixel; with 10 and 20 eigenvectors */
} cell;

static bool measure(cell *c, const char *directory, const char *images_path, bl_error *err) {
    static const size_t ranks[] = {10, 20};
    bl_image_model *model = bl_image_load(directory, err);
    bl_images *images = model ? bl_images_open(model, images_path, NULL, "test", err) : NULL;
    bl_image_score score;
    bool ok = images && bl_image_eval(model, images, &score, NULL, err);
    size_t C = model ? bl_image_config_of(model)->d_output : 0,
           h = model ? bl_image_config_of(model)->d_hidden : 0;
    size_t last = model ? bl_image_config_of(model)->n_layer - 1 : 0;
    float *u = ok ? calloc(h, sizeof *u) : NULL;
    if (ok && !u) ok = bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t space = 0; ok && space < (last == 0 ? 2U : 1U); space++)
        for (size_t k = 0; ok && k < C; k++) {
            bl_image_direction d = {.class_index = k};
            double rank, five, ten;
            bl_image_eigen *e = NULL;
            ok = bl_image_direction_vector(model, &d, last, u, err) &&
                 (e = bl_image_eigen_new(model, u, last, space ? BL_SPACE_PIXEL : BL_SPACE_EMBED, err)) !=
                     NULL;
            if (!ok) break;
            bl_image_eigen_figures(e, &rank, &five, &ten);
            c->effective_rank[space] += rank / (double)C;
            c->share5[space] += five / (double)C;
            c->share10[space] += ten / (double)C;
            bl_image_eigen_free(e);
        }
    bl_image_truncation *t =
        ok ? bl_image_truncate(model, images, ranks, 2, BL_SPACE_EMBED, true, err) : NULL;
    ok = t != NULL;
    for (size_t i = 0; ok && i < t->n_ranks; i++) c->truncated[i] = t->ranks[i].score.accuracy;
    c->accuracy = ok ? score.accuracy : 0;
    bl_image_truncation_free(t);
    free(u);
    bl_images_free(images);
    bl_image_free(model);
    return ok;
}

static bool parse_reals(const text_list *list, double *out, size_t most, bl_error *err) {
    for (size_t i = 0; i < list->n && i < most; i++) {
        char *end;
        out[i] = strtod(list->items[i], &end);
        if (end == list->items[i] || *end || !(out[i] >= 0))
            return bl_fail(err, BL_ERR_USAGE, "--noise and --decay take numbers from 0, separated by commas");
    }
    return list->n <= most || bl_fail(err, BL_ERR_USAGE, "at most 16 values");
}

static void put_spread(bl_builder *b, bl_tree *at, const char *key, const double *values, size_t n) {
    static const double t95[] = {0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += values[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += (values[i] - mean) * (values[i] - mean);
    double sd = n > 1 ? sqrt(square / (double)(n - 1)) : (double)NAN;
    bl_tree *out = bl_put_object(b, at, key);
    bl_put_real(b, out, "mean", mean);
    bl_put_real(b, out, "sd", sd);
    bl_put_real(b, out, "interval",
                n > 1 ? (n <= 10 ? t95[n - 1] : 1.96) * sd / sqrt((double)n) : (double)NAN);
}

/* |cos| of matched eigenvectors between seeds of one setting (mean over pairs and classes), beside another
 * class's. */
static bool compare_seeds(bl_builder *b, bl_tree *at, char (*folders)[400], size_t n, bl_error *err) {
    enum { TOP = 5 };
    double matched[TOP] = {0}, other[TOP] = {0}, pairs = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            bl_image_model *x = bl_image_load(folders[i], err),
                           *y = x ? bl_image_load(folders[j], err) : NULL;
            bl_image_diff *diff = y ? bl_image_diff_make(x, y, 10, err) : NULL;
            bl_image_free(x);
            bl_image_free(y);
            if (!diff) return false;
            for (size_t c = 0; c < diff->C; c++)
                for (size_t k = 0; k < TOP; k++) {
                    matched[k] += diff->same[c].matched[k] / (double)diff->C;
                    other[k] += diff->other[c].matched[k] / (double)diff->C;
                }
            bl_image_diff_free(diff);
            pairs++;
        }
    bl_tree *out = bl_put_object(b, at, "seeds"), *a = bl_put_array(b, out, "matched"),
            *z = bl_put_array(b, out, "other_class");
    for (size_t k = 0; pairs > 0 && k < TOP; k++) {
        bl_put_real(b, a, NULL, matched[k] / pairs);
        bl_put_real(b, z, NULL, other[k] / pairs);
    }
    return true;
}

static bool put_setting(bl_builder *b, bl_tree *list, const cell *cells, size_t n, char (*folders)[400],
                        bool one_block, bl_error *err) {
    double values[64];
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_real(b, out, "noise", cells[0].noise);
    bl_put_real(b, out, "decay", cells[0].decay);
    bl_put_count(b, out, "runs", n);
#define SPREAD(key, field)                                         \
    do {                                                           \
        for (size_t i = 0; i < n; i++) values[i] = cells[i].field; \
        put_spread(b, out, key, values, n);                        \
    } while (0)
    SPREAD("accuracy", accuracy);
    SPREAD("effective_rank", effective_rank[0]);
    SPREAD("share5", share5[0]);
    SPREAD("share10", share10[0]);
    if (one_block) SPREAD("effective_rank_pixel", effective_rank[1]);
    if (one_block) SPREAD("share5_pixel", share5[1]);
    if (one_block) SPREAD("share10_pixel", share10[1]);
    SPREAD("accuracy_rank10", truncated[0]);
    SPREAD("accuracy_rank20", truncated[1]);
#undef SPREAD
    return !one_block || compare_seeds(b, out, folders, n, err);
}

static bl_table *study_rows(const bl_tree *tree, bl_error *err);

/* Of a study, at most: values of an option, runs per setting. */
enum { MOST = 16, SEEDS = 64 };

static bool study_given(const char *images, const char *output, size_t seeds, bl_error *err) {
    if (!images) return bl_fail(err, BL_ERR_USAGE, "which images? Give a folder with --images DIR");
    if (!output) return bl_fail(err, BL_ERR_USAGE, "where do the models go? Give a folder with -o DIR");
    return (seeds > 0 && seeds <= SEEDS) || bl_fail(err, BL_ERR_USAGE, "--seeds is 1 to 64");
}

static int run_study(int argc, char **argv, const verb *self) {
    common c = {0};
    recipe r = NO_RECIPE;
    text_list noises = {0}, decays = {0};
    size_t seeds = 3;
    const char *images = NULL, *plot = NULL;
    figure_options figure = {0};
    bl_error err = {0};
    const option table[] = {
        {"images", OPTION_TEXT, &images, "DIR", "folder with the four MNIST files"},
        {"noise", OPTION_TOKENS, &noises, "X,X…", "noise of the runs (default 0,0.5)"},
        {"decay", OPTION_TOKENS, &decays, "X,X…", "weight decay of the runs (default 0,1)"},
        {"seeds", OPTION_COUNT, &seeds, "N", "runs per setting, with seeds 42, 43 … (default 3)"},
        {"d-hidden", OPTION_COUNT, &r.d_hidden, "N", "hidden units (default 256)"},
        {"layers", OPTION_COUNT, &r.layers, "N", "blocks (default 1)"},
        {"epochs", OPTION_COUNT, &r.epochs, "N", "passes over the images (default 100)"},
        {"batch", OPTION_COUNT, &r.batch, "N", "images per step (default 2048)"},
        {"lr", OPTION_REAL, &r.lr, "X", "learning rate of the first epoch (default 0.001)"},
        {"plot", OPTION_OUTPUT, &plot, "FILE", "also draw the table: .svg, .png or .pdf"},
        FIGURE_OPTIONS(figure),
        {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                      "folder for the trained models; runs that are finished there are not trained again",
                      false);
    if (status < 0) status = check_figure(self, &figure, "--plot", plot != NULL);
    if (status >= 0) {
        text_list_free(&noises);
        text_list_free(&decays);
        return status;
    }
    double noise[MOST] = {0, 0.5}, decay[MOST] = {0, 1};
    bool ok = parse_reals(&noises, noise, MOST, &err) && parse_reals(&decays, decay, MOST, &err);
    size_t n_noise = noises.n ? noises.n : 2, n_decay = decays.n ? decays.n : 2;
    ok = ok && study_given(images, c.output, seeds, &err);
    cell *cells = calloc(SEEDS, sizeof *cells);
    char(*folders)[400] = calloc(SEEDS, sizeof *folders);
    if (ok && (!cells || !folders)) ok = bl_fail(&err, BL_ERR_MEMORY, "out of memory");
    bl_builder b = {&err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *list = bl_put_array(&b, root, "settings");
    for (size_t i = 0; ok && cells && folders && i < n_noise * n_decay; i++) {
        for (size_t s = 0; ok && s < seeds; s++) {
            bl_image_train_options o;
            bl_image_train_result result;
            watch w = {.bar = progress_bar(c.quiet)};
            cells[s] = (cell){.noise = noise[i / n_decay], .decay = decay[i % n_decay], .seed = 42 + s};
            ok = apply(&r, 0, &o, &err);
            o.noise = cells[s].noise;
            o.decay = cells[s].decay;
            o.seed = cells[s].seed;
            snprintf(folders[s], sizeof folders[s], "%.300s/noise-%g-decay-%g-seed-%zu", c.output, o.noise,
                     o.decay, cells[s].seed);
            o.images = images;
            o.output = folders[s];
            o.resume = true;
            o.report = show;
            o.context = &w;
            ok = ok && bl_image_train_run(&o, &result, &err) && measure(&cells[s], folders[s], images, &err);
            progress_end();
            if (ok)
                note(&c, "noise %g, decay %g, seed %zu: accuracy %.4f, effective rank %.1f", o.noise, o.decay,
                     cells[s].seed, cells[s].accuracy, cells[s].effective_rank[0]);
        }
        ok = ok && put_setting(&b, list, cells, seeds, folders, r.layers == SIZE_MAX || r.layers == 1, &err);
    }
    if (!ok) b.failed = true;
    bl_tree *tree = bl_tree_built(&b, root);
    if (tree && plot && !bl_image_study_figure(tree, &figure.how, plot, &err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    c.output = NULL;
    static const view how = {NULL, study_rows};
    status = write_tree(self, &c, tree, &how, &err);
    text_list_free(&noises);
    text_list_free(&decays);
    free(cells);
    free(folders);
    common_free(&c);
    return status;
}

/* |cos| of seeds' eigenvectors by place, and of unlike classes'. Pairs of seeds are no samples of their own:
 * they have no interval. */
static void add_similarity(bl_table *rows, const bl_tree *setting) {
    static const char *const keys[] = {"matched", "other_class"};
    for (size_t k = 0; k < 2; k++) {
        const json_t *list = json_object_get(json_object_get(setting, "seeds"), keys[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            char name[40];
            snprintf(name, sizeof name, "cosine_%s_%zu", keys[k], i + 1);
            bl_table_real(rows, bl_tree_real(setting, "noise"));
            bl_table_real(rows, bl_tree_real(setting, "decay"));
            bl_table_real(rows, bl_tree_real(setting, "runs"));
            bl_table_text(rows, name);
            bl_table_real(rows, bl_tree_number(json_array_get(list, i)));
            bl_table_empty(rows);
            bl_table_empty(rows);
        }
    }
}

static bl_table *study_rows(const bl_tree *tree, bl_error *err) {
    static const char *const keys[] = {"accuracy",      "effective_rank",  "effective_rank_pixel",
                                       "share5",        "share10",         "share5_pixel",
                                       "share10_pixel", "accuracy_rank10", "accuracy_rank20"};
    bl_table *rows = bl_table_new("noise,decay,runs,measure,mean,sd,interval", err);
    const bl_tree *list = json_object_get(tree, "settings");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const bl_tree *s = json_array_get(list, i);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const bl_tree *m = json_object_get(s, keys[k]);
            if (!m) continue;
            bl_table_real(rows, bl_tree_real(s, "noise"));
            bl_table_real(rows, bl_tree_real(s, "decay"));
            bl_table_real(rows, bl_tree_real(s, "runs"));
            bl_table_text(rows, keys[k]);
            bl_table_real(rows, bl_tree_real(m, "mean"));
            bl_table_real(rows, bl_tree_real(m, "sd"));
            bl_table_real(rows, bl_tree_real(m, "interval"));
        }
        add_similarity(rows, s);
    }
    return rows;
}

const verb image_train_verb = {
    "train", "trains an image model or a model of modular addition", run_train,
    "The recipe of the paper: AdamW with decay on every tensor, cosine by epochs, no warm-up, no clipping. "
    "Addition takes the\n"
    "full batch of a share of the pairs and Adam with l2 in the gradient.",
    "  bilens train --images /usr/share/datasets/fashion-mnist --preset fashion-64 -o fashion-64\n"
    "  bilens train --modular 59 -o modular-59\n"};

const verb verb_study = {
    "study", "a table over noise, decay and seeds of image models", run_study,
    "Trains every setting with several seeds (a run that is finished in -o is not trained again), and gives "
    "mean, standard\n"
    "deviation and 95 % interval over seeds of accuracy, effective rank and shares in both spaces, and "
    "accuracy with 10 and 20\n"
    "eigenvectors per class; seeds of a setting are compared with each other, beside unlike classes.",
    "  bilens study --images /usr/share/datasets/fashion-mnist --noise 0,0.5 --decay 0,1 --seeds 5 -o "
    "study\n"};
