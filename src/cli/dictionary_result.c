/* What 'dictionary train' and 'dictionary eval' share between text and images. */
#include "cli/dictionary.h"
#include "base/error.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- results ---- */

static void put_score(bl_builder *b, bl_tree *at, const bl_dictionary_score *s) {
    bl_put_real(b, at, "unexplained", s->unexplained);
    bl_put_real(b, at, "active", s->active);
    bl_put_count(b, at, "dead", s->dead);
    bl_tree *loss = bl_put_object(b, at, "loss");
    bl_put_real(b, loss, "model", s->model);
    bl_put_real(b, loss, "spliced", s->spliced);
    bl_put_real(b, loss, "mean", s->mean);
    bl_put_real(b, loss, "recovered", s->recovered);
    if (s->images) {
        bl_tree *accuracy = bl_put_object(b, at, "accuracy");
        bl_put_real(b, accuracy, "model", s->right_model);
        bl_put_real(b, accuracy, "spliced", s->right_spliced);
        bl_put_real(b, accuracy, "mean", s->right_mean);
        bl_put_count(b, at, "held_out_images", s->stories);
        return;
    }
    bl_put_count(b, at, "held_out_stories", s->stories);
    bl_put_count(b, at, "held_out_positions", s->positions);
}

static bl_table *score_rows(const bl_tree *tree, bl_error *err) {
    static const char *const keys[] = {"model", "spliced", "mean", "recovered"};
    bl_table *rows = bl_table_new("features,k,unexplained,active,dead,loss,spliced,mean,recovered", err);
    const bl_tree *loss = json_object_get(tree, "loss");
    bl_table_real(rows, bl_tree_real(tree, "features"));
    bl_table_real(rows, bl_tree_real(tree, "k"));
    bl_table_real(rows, bl_tree_real(tree, "unexplained"));
    bl_table_real(rows, bl_tree_real(tree, "active"));
    bl_table_real(rows, bl_tree_real(tree, "dead"));
    for (size_t i = 0; i < 4; i++) bl_table_real(rows, bl_tree_real(loss, keys[i]));
    return rows;
}

/* "accuracy …" of images, "" of text. */
static void accuracy_text(const bl_tree *tree, char *out, size_t size) {
    const bl_tree *a = json_object_get(tree, "accuracy");
    *out = '\0';
    if (a)
        snprintf(out, size, "accuracy     %.4f as it is, %.4f with the reconstruction, %.4f with the mean\n",
                 bl_tree_real(a, "model"), bl_tree_real(a, "spliced"), bl_tree_real(a, "mean"));
}

static char *score_text(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    const bl_tree *loss = json_object_get(tree, "loss");
    char *text = NULL, accuracy[120], held[80];
    bool images = json_object_get(tree, "accuracy") != NULL;
    (void)terminal;
    accuracy_text(tree, accuracy, sizeof accuracy);
    if (images) snprintf(held, sizeof held, "%.0f images", bl_tree_real(tree, "held_out_images"));
    else
        snprintf(held, sizeof held, "%.0f positions of %.0f stories",
                 bl_tree_real(tree, "held_out_positions"), bl_tree_real(tree, "held_out_stories"));
    int n = asprintf(&text,
                     "%.0f features of %s, layer %.0f: %.1f active per %s, %.0f never\n"
                     "unexplained  %.4f of the variance\n"
                     "loss         %.4f as it is, %.4f with the reconstruction, %.4f with the mean\n"
                     "recovered    %.4f\n"
                     "%s"
                     "             on %s held out\n",
                     bl_tree_real(tree, "features"), bl_tree_string(tree, "point"),
                     bl_tree_real(tree, "layer"), bl_tree_real(tree, "active"), images ? "image" : "position",
                     bl_tree_real(tree, "dead"), bl_tree_real(tree, "unexplained"),
                     bl_tree_real(loss, "model"), bl_tree_real(loss, "spliced"), bl_tree_real(loss, "mean"),
                     bl_tree_real(loss, "recovered"), accuracy, held);
    if (n >= 0) return text;
    bl_fail(err, BL_ERR_MEMORY, "out of memory");
    return NULL;
}

const view dictionary_view = {.table = score_text, .rows = score_rows};

/* ---- train ---- */

const char dictionary_to_folder[] = "directory to make (checkpoint and log.jsonl live there too)";

static void show_step(dictionary_training *s, const bl_dictionary_train_event *e) {
    bool last = e->step == e->steps;
    if (s->c.quiet || (!s->terminal && !last && e->step != 1 && e->seconds - s->told < 30)) return;
    s->told = e->seconds;
    double left = e->seconds / (double)e->step * (double)(e->steps - e->step);
    fprintf(stderr, "%sstep %llu/%llu  epoch %.2f  unexplained %.4f  %.1fk vectors/s  %.0f s left%s",
            s->terminal ? "\r\033[K" : "", (unsigned long long)e->step, (unsigned long long)e->steps,
            e->epochs, e->unexplained, e->vectors_per_second / 1e3, left, s->terminal ? "" : "\n");
    s->drawn = s->terminal;
}

static bool on_event(void *context, const bl_dictionary_train_event *e) {
    dictionary_training *s = context;
    if (e->kind == BL_DICTIONARY_TRAIN_PHASE)
        return s->bar.report(s->bar.context, e->text, e->done, e->total);
    progress_end();
    if (e->kind == BL_DICTIONARY_TRAIN_STEP) show_step(s, e);
    if (e->kind == BL_DICTIONARY_TRAIN_NOTE && !s->c.quiet)
        fprintf(stderr, "%s%s\n", s->drawn ? "\r\033[K" : "", e->text);
    return !interrupt_requested();
}

static bool parse_layout(const char *text, bl_dictionary_layout *out, bl_error *err) {
    if (text && strcmp(text, "saelens") == 0) *out = BL_LAYOUT_SAELENS;
    else if (text && strcmp(text, "scope") != 0)
        return bl_fail(err, BL_ERR_USAGE, "--layout: '%.60s' is not one of scope, saelens", text);
    return true;
}

bool dictionary_apply(dictionary_training *a, bl_error *err) {
    a->terminal = isatty(STDERR_FILENO) != 0;
    a->bar = progress_bar(a->c.quiet);
    a->o.output = a->c.output;
    a->o.seed = a->seed;
    a->o.checkpoint_every = a->every;
    a->o.distributed = ranks_started();
    a->o.report = on_event;
    a->o.context = a;
    return parse_layout(a->layout, &a->o.layout, err) &&
           parse_precision(a->precision, &a->o.precision, err) && ranks_join(&a->c, err);
}

bl_tree *dictionary_train_end(dictionary_training *a, bool ok, const char *model, const char *point,
                              const bl_dictionary_train_result *r, bl_error *err) {
    progress_end();
    if (a->drawn) fputc('\n', stderr);
    if (!ok) return NULL;
    if (r->finished_before) note(&a->c, "%s is finished already: nothing was trained", a->o.output);
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", model);
    bl_put_text(&b, root, "dictionary", a->o.output);
    bl_put_count(&b, root, "layer", r->layer);
    bl_put_text(&b, root, "point", a->o.point ? a->o.point : point);
    bl_put_count(&b, root, "features", a->o.features);
    bl_put_count(&b, root, "k", a->o.k);
    bl_put_count(&b, root, r->score.images ? "images" : "positions", r->positions);
    bl_put_count(&b, root, "steps", r->steps);
    put_score(&b, root, &r->score);
    bl_put_real(&b, root, "seconds", r->seconds);
    bl_put_text(&b, root, "precision", r->precision == BL_PRECISION_BF16 ? "bf16" : "f32");
    bl_put_flag(&b, root, "finished_before", r->finished_before);
    return bl_tree_built(&b, root);
}

bl_tree *dictionary_eval_tree(const char *model, const bl_dictionary *dictionary, const char *point,
                              size_t layer, const bl_dictionary_score *score, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", model);
    bl_put_text(&b, root, "dictionary", dictionary->name);
    bl_put_count(&b, root, "layer", layer);
    bl_put_text(&b, root, "point", point);
    bl_put_count(&b, root, "features", dictionary->F);
    if (dictionary->activation == BL_ACTIVATION_TOPK) bl_put_count(&b, root, "k", dictionary->k);
    else bl_put_null(&b, root, "k");
    put_score(&b, root, score);
    return bl_tree_built(&b, root);
}

int dictionary_run(int argc, char **argv, const verb *outer,
                   int (*train)(int argc, char **argv, const verb *self),
                   int (*eval)(int argc, char **argv, const verb *self)) {
    verb here = *outer; /* messages and usage name the sub-verb */
    bool asks = argc > 0 && (strncmp(argv[0], "--help", 6) == 0 || strcmp(argv[0], "-h") == 0);
    if (argc > 0 && strcmp(argv[0], "eval") == 0) {
        here.name = "dictionary eval";
        return eval(argc - 1, argv + 1, &here);
    }
    here.name = "dictionary train";
    if (argc > 0 && strcmp(argv[0], "train") == 0) return train(argc - 1, argv + 1, &here);
    if (asks) return train(argc, argv, &here);
    here.name = "dictionary";
    return fail_usage(&here,
                      argc < 1 ? "what to do is missing: train or eval"
                               : "'%s' is nothing it can do; there are: train, eval",
                      argc < 1 ? "" : argv[0]);
}
