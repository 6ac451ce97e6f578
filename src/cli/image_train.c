/* Training image models and models of modular addition. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/image.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool show_epoch(void *context, const bl_image_train_event *e, bool epoch_done) {
    const bl_progress *bar = context;
    static char phase[80]; /* the bar shows it after this call */
    (void)epoch_done;
    if (!bar->report) return true;
    snprintf(phase, sizeof phase, "training, loss %.4f", e->loss);
    return bar->report(bar->context, phase, e->step, e->steps);
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

static bool store_of(const char *name, bl_store *store, bl_error *err) {
    if (strcmp(name, "f32") == 0) *store = BL_STORE_F32;
    else if (strcmp(name, "f16") == 0) *store = BL_STORE_F16;
    else if (strcmp(name, "bf16") == 0) *store = BL_STORE_BF16;
    else return bl_fail(err, BL_ERR_USAGE, "--dtype is f32, f16 or bf16");
    return true;
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

/* What the command line says; a NaN or a SIZE_MAX keeps the recipe's. */
typedef struct recipe {
    const char *images, *preset, *gate, *dtype, *precision;
    size_t p; /* of --modular; 0: images */
    size_t d_hidden, layers, epochs, batch, seed;
    double lr, decay, noise, l2, beta2, fraction;
    bool bias, residual, joint, resume, overwrite;
    text_list labels;
} recipe;

static void set_size(size_t *to, size_t given) {
    if (given != SIZE_MAX) *to = given;
}
static void set_real(double *to, double given) {
    if (!isnan(given)) *to = given;
}

/* The options of a recipe: defaults, a preset, then what the command line says. */
static bool apply(const recipe *r, bl_image_train_options *o, bl_error *err) {
    size_t p = r->p;
    if (p && r->images) return bl_fail(err, BL_ERR_USAGE, "give one of --images and --modular");
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
    o->images = r->images;
    o->resume = r->resume;
    o->overwrite = r->overwrite;
    if (r->labels.n) o->labels = r->labels.items;
    return (!r->gate || gate_of(r->gate, &o->model.gate, err)) &&
           (!r->dtype || store_of(r->dtype, &o->store, err)) &&
           parse_precision(r->precision, &o->precision, err);
}

/* The verb's options. -1 to go on, else the exit status. */
static int parse(int argc, char **argv, const verb *self, common *c, recipe *r) {
    const option table[] = {
        {"images", OPTION_TEXT, &r->images, "DIR",
         "train an image classifier on the four MNIST files of this folder"},
        {"modular", OPTION_COUNT, &r->p, "P", "instead: train addition of residues mod P"},
        {"preset", OPTION_TEXT, &r->preset, "NAME",
         "fashion-256 (the paper's sizes) or fashion-64 (a minute)"},
        {"d-hidden", OPTION_COUNT, &r->d_hidden, "N", "hidden units (default 256; 64 for addition)"},
        {"layers", OPTION_COUNT, &r->layers, "N", "blocks (default 1)"},
        {"epochs", OPTION_COUNT, &r->epochs, "N",
         "passes over the images (default 100); steps for addition (2000)"},
        {"batch", OPTION_COUNT, &r->batch, "N", "images per step (default 2048)"},
        {"lr", OPTION_REAL, &r->lr, "X",
         "learning rate of the first epoch (default 0.001; 0.01 for addition)"},
        {"decay", OPTION_REAL, &r->decay, "X", "weight decay, decoupled (default 0.5)"},
        {"noise", OPTION_REAL, &r->noise, "X",
         "standard deviation of what is added to every pixel (default 0)"},
        {"bias", OPTION_FLAG, &r->bias, NULL, "blocks with biases"},
        {"residual", OPTION_FLAG, &r->residual, NULL, "each block adds to its input"},
        {"gate", OPTION_TEXT, &r->gate, "G", "none (default, bilinear), relu, silu or gelu"},
        {"labels", OPTION_TOKENS, &r->labels, "A,B…", "names of the classes"},
        {"joint", OPTION_FLAG, &r->joint, NULL, "addition: both sides read both operands"},
        {"l2", OPTION_REAL, &r->l2, "X",
         "addition: l2 times the weight is added to the gradient (default 0.0001)"},
        {"beta2", OPTION_REAL, &r->beta2, "X", "of Adam (default 0.999; 0.98 for addition)"},
        {"fraction", OPTION_REAL, &r->fraction, "X",
         "addition: share of the pairs to train on (default 0.8)"},
        {"seed", OPTION_COUNT, &r->seed, "N", "of weights, order and noise (default 42; 1 for addition)"},
        {"precision", OPTION_TEXT, &r->precision, "P",
         "factors of a step's products: f32 (default), bf16 (where the processor has it), or auto: what is "
         "faster here"},
        {"dtype", OPTION_TEXT, &r->dtype, "T", "how weights are stored: f32 (default), f16 or bf16"},
        {"resume", OPTION_FLAG, &r->resume, NULL, "go on from the last checkpoint in -o"},
        {"overwrite", OPTION_FLAG, &r->overwrite, NULL, "replace the model or run in -o"},
        {0}};
    return options_parse(argc, argv, self, c, table, FORMATS_ALL, "the model's directory", false);
}

static int run_train(int argc, char **argv, const verb *self) {
    common c = {0};
    recipe r = {.d_hidden = SIZE_MAX,
                .layers = SIZE_MAX,
                .epochs = SIZE_MAX,
                .batch = SIZE_MAX,
                .seed = SIZE_MAX,
                .lr = (double)NAN,
                .decay = (double)NAN,
                .noise = (double)NAN,
                .l2 = (double)NAN,
                .beta2 = (double)NAN,
                .fraction = (double)NAN};
    bl_error err = {0};
    int status = parse(argc, argv, self, &c, &r);
    if (status >= 0) return status;
    bl_image_train_options o;
    bl_image_train_result result;
    bl_progress bar = progress_bar(c.quiet);
    bool ok = apply(&r, &o, &err);
    o.output = c.output;
    o.report = show_epoch;
    o.context = &bar;
    o.distributed = ranks_started();
    ok = ok && bl_image_train_run(&o, &result, &err);
    progress_end();
    c.output = NULL; /* the model's directory: the result goes to standard output */
    static const view how = {.rows = result_rows};
    status = write_tree(self, &c, ok ? result_tree(o.output, &result, r.p > 0, &err) : NULL, &how, &err);
    text_list_free(&r.labels);
    common_free(&c);
    return status;
}

const verb image_train_verb = {
    "train", "trains an image model or a model of modular addition", run_train,
    "The recipe of the paper: AdamW with decay on every tensor, cosine by epochs, no warm-up, no clipping. "
    "Addition takes the\n"
    "full batch of a share of the pairs and Adam with l2 in the gradient.",
    "  bilens train --images /usr/share/datasets/fashion-mnist --preset fashion-64 -o fashion-64\n"
    "  bilens train --modular 59 -o modular-59\n"};
