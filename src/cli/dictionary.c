/* bilens dictionary train, dictionary eval. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
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

static char *score_text(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    const bl_tree *loss = json_object_get(tree, "loss");
    char *text = NULL;
    (void)terminal;
    int n =
        asprintf(&text,
                 "%.0f features of %s, layer %.0f: %.1f active per position, %.0f never\n"
                 "unexplained  %.4f of the variance\n"
                 "loss         %.4f as it is, %.4f with the reconstruction, %.4f with the mean\n"
                 "recovered    %.4f\n"
                 "             on %.0f positions of %.0f stories held out\n",
                 bl_tree_real(tree, "features"), bl_tree_string(tree, "point"), bl_tree_real(tree, "layer"),
                 bl_tree_real(tree, "active"), bl_tree_real(tree, "dead"), bl_tree_real(tree, "unexplained"),
                 bl_tree_real(loss, "model"), bl_tree_real(loss, "spliced"), bl_tree_real(loss, "mean"),
                 bl_tree_real(loss, "recovered"), bl_tree_real(tree, "held_out_positions"),
                 bl_tree_real(tree, "held_out_stories"));
    if (n >= 0) return text;
    bl_fail(err, BL_ERR_MEMORY, "out of memory");
    return NULL;
}

static const view score_view = {.table = score_text, .rows = score_rows};

/* ---- train ---- */

/* The progress line's state. */
typedef struct screen {
    bool quiet, terminal, drawn;
    bl_progress bar;
    double told; /* seconds of the last line where there is no terminal */
} screen;

static void show_step(screen *s, const bl_dictionary_train_event *e) {
    bool last = e->step == e->steps;
    if (s->quiet || (!s->terminal && !last && e->step != 1 && e->seconds - s->told < 30)) return;
    s->told = e->seconds;
    double left = e->seconds / (double)e->step * (double)(e->steps - e->step);
    fprintf(stderr, "%sstep %llu/%llu  epoch %.2f  unexplained %.4f  %.1fk vectors/s  %.0f s left%s",
            s->terminal ? "\r\033[K" : "", (unsigned long long)e->step, (unsigned long long)e->steps,
            e->epochs, e->unexplained, e->vectors_per_second / 1e3, left, s->terminal ? "" : "\n");
    s->drawn = s->terminal;
}

static bool on_event(void *context, const bl_dictionary_train_event *e) {
    screen *s = context;
    if (e->kind == BL_DICTIONARY_TRAIN_PHASE)
        return s->bar.report(s->bar.context, e->text, e->done, e->total);
    progress_end();
    if (e->kind == BL_DICTIONARY_TRAIN_STEP) show_step(s, e);
    if (e->kind == BL_DICTIONARY_TRAIN_NOTE && !s->quiet)
        fprintf(stderr, "%s%s\n", s->drawn ? "\r\033[K" : "", e->text);
    return !interrupt_requested();
}

static bl_tree *train_tree(const bl_model *model, const bl_dictionary_train_options *o,
                           const bl_dictionary_train_result *r, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    bl_put_text(&b, root, "dictionary", o->output);
    bl_put_count(&b, root, "layer", o->layer);
    bl_put_text(&b, root, "point", o->point);
    bl_put_count(&b, root, "features", o->features);
    bl_put_count(&b, root, "k", o->k);
    bl_put_count(&b, root, "positions", r->positions);
    bl_put_count(&b, root, "steps", r->steps);
    put_score(&b, root, &r->score);
    bl_put_real(&b, root, "seconds", r->seconds);
    bl_put_text(&b, root, "precision", r->precision == BL_PRECISION_BF16 ? "bf16" : "f32");
    bl_put_flag(&b, root, "finished_before", r->finished_before);
    return bl_tree_built(&b, root);
}

static bool parse_layout(const char *text, bl_dictionary_layout *out, bl_error *err) {
    if (text && strcmp(text, "saelens") == 0) *out = BL_LAYOUT_SAELENS;
    else if (text && strcmp(text, "scope") != 0)
        return bl_fail(err, BL_ERR_USAGE, "--layout: '%.60s' is not one of scope, saelens", text);
    return true;
}

typedef struct training {
    common c;
    corpus_options corpora;
    bl_dictionary_train_options o;
    const char *layout, *precision, *valid;
    size_t seed, every;
} training;

/* The verb's options. -1 to go on, else the exit status. */
static int parse_train(int argc, char **argv, const verb *self, training *a) {
    const option table[] = {
        CORPUS_OPTIONS(a->corpora, CORPUS_FORMATS),
        {"valid", OPTION_TEXT, &a->valid, "FILE",
         "text to hold out (default: every tenth story of the corpus)"},
        {"stories", OPTION_COUNT, &a->o.stories, "N", "read at most N stories of the corpus"},
        {"valid-stories", OPTION_COUNT, &a->o.valid_stories, "N", "read at most N stories of --valid"},
        {"point", OPTION_TEXT, &a->o.point, "NAME",
         "trace point of width d_model: mlp_in (default), mlp_out, resid_pre, attn_in, attn_out, resid_mid, "
         "resid_post"},
        {"layer", OPTION_COUNT, &a->o.layer, "N", "of this layer (default 0)"},
        {"features", OPTION_COUNT, &a->o.features, "N", "features of the dictionary"},
        {"k", OPTION_COUNT, &a->o.k, "N", "of which at most N are active at a position"},
        {"epochs", OPTION_COUNT, &a->o.epochs, "N", "passes over the vectors (default 5)"},
        {"batch", OPTION_COUNT, &a->o.batch, "N", "vectors per step (default 1024)"},
        {"lr", OPTION_REAL, &a->o.lr, "X", "learning rate; it falls linearly to a tenth (default 0.001)"},
        {"seed", OPTION_COUNT, &a->seed, "N", "random seed of start and order (default 1)"},
        {"buffer", OPTION_COUNT, &a->o.buffer, "N",
         "vectors in memory at most; of a larger corpus each epoch runs the model again, part by part "
         "(default: as many as 2 GB hold)"},
        {"precision", OPTION_TEXT, &a->precision, "P",
         "of the encoder's product: f32 (default), bf16 (where the processor has it), or auto: what is "
         "faster here"},
        {"layout", OPTION_TEXT, &a->layout, "L", "files to write: scope (default) or saelens"},
        {"checkpoint-every", OPTION_COUNT, &a->every, "N",
         "steps between checkpoints; 0: only when stopped (default 500)"},
        {"resume", OPTION_FLAG, &a->o.resume, NULL,
         "continue from the checkpoint in -o DIR; a finished run is left as it is"},
        {"overwrite", OPTION_FLAG, &a->o.overwrite, NULL, "replace the dictionary or run in -o DIR"},
        {0}};
    return options_parse(argc, argv, self, &a->c, table, FORMATS_ALL,
                         "directory to make (checkpoint and log.jsonl live there too)", true);
}

static bl_tree *train_on(training *a, const bl_model *model, bl_error *err) {
    common *c = &a->c;
    bl_dictionary_train_options *o = &a->o;
    bl_dictionary_train_result result;
    screen s = {.quiet = c->quiet, .terminal = isatty(STDERR_FILENO) != 0, .bar = progress_bar(c->quiet)};
    o->output = c->output;
    o->seed = a->seed;
    o->checkpoint_every = a->every;
    o->distributed = ranks_started();
    o->report = on_event;
    o->context = &s;
    bool ok = bl_dictionary_train(model, o, &result, err);
    progress_end();
    if (s.drawn) fputc('\n', stderr);
    if (ok && result.finished_before) note(c, "%s is finished already: nothing was trained", o->output);
    return ok ? train_tree(model, o, &result, err) : NULL;
}

static int train(int argc, char **argv, const verb *self) {
    training a = {.seed = 1, .every = 500};
    bl_error err = {0};
    bl_dictionary_train_defaults(&a.o);
    int status = parse_train(argc, argv, self, &a);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bool ok = parse_layout(a.layout, &a.o.layout, &err) &&
              parse_precision(a.precision, &a.o.precision, &err) && ranks_join(&a.c, &err) &&
              (model = load_model(&a.c, &err)) && (a.o.corpus = open_corpus(&a.corpora, &err));
    if (ok && a.valid) {
        corpus_options held = {.files = {.items = &a.valid, .n = 1}, .text_key = a.corpora.text_key};
        ok = (a.o.valid = open_corpus(&held, &err)) != NULL;
    }
    status = tell_tree(self, &a.c, ok ? train_on(&a, model, &err) : NULL, &score_view, &err);
    bl_corpus_free(a.o.corpus);
    bl_corpus_free(a.o.valid);
    bl_model_free(model);
    corpus_options_free(&a.corpora);
    common_free(&a.c);
    return status;
}

/* ---- eval ---- */

static int eval(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    bl_dictionary_eval_options o = {.point = "mlp_in"};
    const char *path = NULL;
    bl_error err = {0};
    const option table[] = {{"dictionary", OPTION_TEXT, &path, "DICT",
                             "a folder (SAELens or the authors' layout) or a matrix [F, d], FILE.npy or "
                             "FILE.safetensors[:TENSOR]"},
                            {"point", OPTION_TEXT, &o.point, "NAME",
                             "trace point that it is of (default mlp_in)"},
                            {"layer", OPTION_COUNT, &o.layer, "N", "of this layer (default 0)"},
                            CORPUS_OPTIONS(corpora, CORPUS_FORMATS),
                            {"stories", OPTION_COUNT, &o.stories, "N", "read at most N stories"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_dictionary *a = NULL;
    bl_tree *tree = NULL;
    bl_dictionary_score score;
    bool ok = (path || bl_fail(&err, BL_ERR_USAGE, "which dictionary? Give --dictionary DICT")) &&
              (model = load_model(&c, &err)) &&
              (a = bl_dictionary_read(path, bl_model_config(model)->d_model, &err)) &&
              (o.corpus = open_corpus(&corpora, &err));
    if (ok) {
        o.progress = progress_bar(c.quiet);
        ok = bl_dictionary_eval(model, a, &o, &score, &err);
        progress_end();
    }
    if (ok) {
        bl_builder b = {&err, false};
        bl_tree *root = bl_put_object(&b, NULL, NULL);
        bl_put_text(&b, root, "model", bl_model_name(model));
        bl_put_text(&b, root, "dictionary", a->name);
        bl_put_count(&b, root, "layer", o.layer);
        bl_put_text(&b, root, "point", o.point);
        bl_put_count(&b, root, "features", a->F);
        if (a->activation == BL_ACTIVATION_TOPK) bl_put_count(&b, root, "k", a->k);
        else bl_put_null(&b, root, "k");
        put_score(&b, root, &score);
        tree = bl_tree_built(&b, root);
    }
    status = write_tree(self, &c, tree, &score_view, &err);
    bl_dictionary_free(a);
    bl_corpus_free(o.corpus);
    bl_model_free(model);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

/* ---- both ---- */

static int run(int argc, char **argv, const verb *outer) {
    static const struct {
        const char *word, *name;
        int (*run)(int argc, char **argv, const verb *self);
    } parts[] = {{"train", "dictionary train", train}, {"eval", "dictionary eval", eval}};
    verb here = *outer; /* messages and usage name the sub-verb */
    for (size_t i = 0; argc > 0 && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[0], parts[i].word) == 0) {
            here.name = parts[i].name;
            return parts[i].run(argc - 1, argv + 1, &here);
        }
    bool asks = argc > 0 && (strncmp(argv[0], "--help", 6) == 0 || strcmp(argv[0], "-h") == 0);
    here.name = "dictionary train";
    if (asks) return train(argc, argv, &here);
    here.name = "dictionary";
    return fail_usage(&here,
                      argc < 1 ? "what to do is missing: train or eval"
                               : "'%s' is nothing it can do; there are: train, eval",
                      argc < 1 ? "" : argv[0]);
}

const verb verb_dictionary = {
    "dictionary", "train a dictionary of features (TopK SAE), or say how good one is", run,
    "Learns features of what a trace point holds, so that few of them add up to every vector: a TopK sparse "
    "autoencoder. 'features'\n"
    "then reads the layer's forms in them. A run that was stopped continues with --resume, to the same bits. "
    "'dictionary eval'\n"
    "measures any dictionary: the share of variance that it leaves unexplained, features that are never "
    "active, and the loss when\n"
    "its reconstruction stands in the point's place, between the model's own and that with the mean.",
    "  bilens dictionary train --point mlp_in --features 1024 -k 16 -o sae-in\n"
    "  bilens dictionary train --point mlp_out --features 1024 -k 16 --layout saelens -o sae-out\n"
    "  bilens dictionary eval --dictionary sae-in --point mlp_in --corpus valid.txt --stories 128\n"
    "  bilens features --in sae-in --out sae-out --features 0,7\n"};
