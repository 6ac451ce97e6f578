#include "base/error.h"
#include "cli/common.h"
#include "cli/figure_options.h"
#include "cli/image.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdlib.h>

enum { MOST = 16 /* values of an option */ };

typedef struct study {
    common c;
    bl_image_train_options recipe;
    text_list noises, decays;
    double noise[MOST], decay[MOST];
    bl_study_options o;
    const char *plot;
    figure_options figure;
} study;

/* The list's numbers, or those that stand in `out` already where it is empty. */
static bool parse_reals(const text_list *list, double *out, size_t *n, bl_error *err) {
    if (list->n > MOST) return bl_fail(err, BL_ERR_USAGE, "at most %d values", MOST);
    for (size_t i = 0; i < list->n; i++) {
        char *end;
        out[i] = strtod(list->items[i], &end);
        if (end == list->items[i] || *end || !(out[i] >= 0))
            return bl_fail(err, BL_ERR_USAGE, "--noise and --decay take numbers from 0, separated by commas");
    }
    if (list->n) *n = list->n;
    return true;
}

static void done(void *context, const bl_study_setting *s, const bl_study_run_figures *run) {
    const study *a = context;
    progress_end();
    note(&a->c, "noise %g, decay %g, seed %zu: accuracy %.4f, effective rank %.1f", s->noise, s->decay,
         (size_t)run->seed, run->accuracy, run->effective_rank[0]);
}

static bl_tree *make(study *a, bl_error *err) {
    bl_progress bar = progress_bar(a->c.quiet);
    if (!parse_reals(&a->noises, a->noise, &a->o.n_noise, err) ||
        !parse_reals(&a->decays, a->decay, &a->o.n_decay, err))
        return NULL;
    a->recipe.report = show_epoch;
    a->recipe.context = &bar;
    a->o.output = a->c.output;
    bl_study *found = bl_study_run(&a->o, err);
    progress_end();
    bl_tree *tree = found ? bl_study_tree(found, err) : NULL;
    bl_study_free(found);
    if (!tree || !a->plot || bl_image_study_figure(tree, &a->figure.how, a->plot, err)) return tree;
    bl_tree_free(tree);
    return NULL;
}

static int run(int argc, char **argv, const verb *self) {
    study a = {.noise = {0, 0.5}, .decay = {0, 1}};
    a.o = (bl_study_options){.noise = a.noise,
                             .n_noise = 2,
                             .decay = a.decay,
                             .n_decay = 2,
                             .seeds = 3,
                             .recipe = &a.recipe,
                             .done = done,
                             .context = &a};
    bl_error err = {0};
    bl_image_train_defaults(&a.recipe);
    const option table[] = {
        {"images", OPTION_TEXT, &a.o.images, "DIR", "folder with the four MNIST files"},
        {"noise", OPTION_TOKENS, &a.noises, "X,X…", "noise of the runs (default 0,0.5)"},
        {"decay", OPTION_TOKENS, &a.decays, "X,X…", "weight decay of the runs (default 0,1)"},
        {"seeds", OPTION_COUNT, &a.o.seeds, "N", "runs per setting, with seeds 42, 43 … (default 3)"},
        {"d-hidden", OPTION_COUNT, &a.recipe.model.d_hidden, "N", "hidden units (default 256)"},
        {"layers", OPTION_COUNT, &a.recipe.model.n_layer, "N", "blocks (default 1)"},
        {"epochs", OPTION_COUNT, &a.recipe.epochs, "N", "passes over the images (default 100)"},
        {"batch", OPTION_COUNT, &a.recipe.batch, "N", "images per step (default 2048)"},
        {"lr", OPTION_REAL, &a.recipe.lr, "X", "learning rate of the first epoch (default 0.001)"},
        {"plot", OPTION_OUTPUT, &a.plot, "FILE", "also draw the table: .svg, .png or .pdf"},
        FIGURE_OPTIONS(a.figure),
        {0}};
    int status =
        options_parse(argc, argv, self, &a.c, table, FORMATS_ALL,
                      "folder for the trained models; runs that are finished there are not trained again",
                      false);
    if (status < 0)
        status = check_figure(self, &a.figure, "--plot", a.plot != NULL || a.c.format == FORMAT_SVG);
    if (status < 0) {
        static const view how = {.rows = bl_study_rows};
        bl_tree *tree = make(&a, &err);
        a.c.output = NULL; /* the folder: the table goes to standard output */
        status = write_tree(self, &a.c, tree, &how, &err);
    }
    text_list_free(&a.noises);
    text_list_free(&a.decays);
    common_free(&a.c);
    return status;
}

const verb verb_study = {
    "study", "a table over noise, decay and seeds of image models", run,
    "Trains every setting with several seeds (a run that is finished in -o is not trained again), and gives "
    "mean, standard\n"
    "deviation and 95 % interval over seeds of accuracy, effective rank and shares in both spaces, and "
    "accuracy with 10 and 20\n"
    "eigenvectors per class; seeds of a setting are compared with each other, beside unlike classes.",
    "  bilens study --images /usr/share/datasets/fashion-mnist --noise 0,0.5 --decay 0,1 --seeds 5 -o "
    "study\n"};
