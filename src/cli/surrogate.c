#include "base/error.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Stories as tokens, growing. */
typedef struct tokens {
    int32_t *ids;
    size_t *begin; /* [n + 1] */
    size_t n, count;
} tokens;

static void tokens_free(tokens *t) {
    free(t->ids);
    free(t->begin);
}

static bool add(tokens *t, const int32_t *ids, size_t n, bl_error *err) {
    int32_t *more = realloc(t->ids, (t->count + n + 1) * sizeof *more);
    if (more) t->ids = more;
    size_t *begin = realloc(t->begin, (t->n + 2) * sizeof *begin);
    if (begin) t->begin = begin;
    if (!more || !begin) {
        return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    memcpy(t->ids + t->count, ids, n * sizeof *ids);
    t->begin[t->n++] = t->count;
    t->begin[t->n] = t->count += n;
    return true;
}

/* Every tenth story to `held`, if there is one, the others to `fit`; each cut at the model's context. */
static bool read_stories(const bl_model *model, bl_corpus *corpus, size_t most, tokens *fit, tokens *held,
                         bl_error *err) {
    bl_ids ids = {0};
    bl_story story;
    size_t n_ctx = bl_model_config(model)->n_ctx, n = 0;
    bool ok = true;
    *err = (bl_error){0};
    while (ok && (!most || n < most) && bl_corpus_next(corpus, &story, err)) {
        ids.n = 0;
        ok = bl_tokenizer_encode(bl_model_tokenizer(model), story.text, story.length, &ids, err) &&
             add(held && n % 10 == 9 ? held : fit, ids.data, ids.n < n_ctx ? ids.n : n_ctx, err);
        n++;
    }
    bl_ids_free(&ids);
    return ok && err->code == BL_OK;
}

static bl_tree *tree_of(const common *c, const bl_surrogate *s, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", c->model);
    bl_put_count(&b, root, "skip", 1);
    bl_tree *part = bl_put_object(&b, root, "fit");
    bl_put_count(&b, part, "stories", s->fit_stories);
    bl_put_count(&b, part, "positions", s->fit_positions);
    part = bl_put_object(&b, root, "valid");
    bl_put_count(&b, part, "stories", s->valid_stories);
    bl_put_count(&b, part, "positions", s->valid_positions);
    bl_put_real(&b, root, "loss", s->loss);
    bl_tree *layers = bl_put_array(&b, root, "layers");
    for (size_t i = 0; i < s->n; i++) {
        const bl_surrogate_layer *l = &s->layers[i];
        part = bl_put_object(&b, layers, NULL);
        bl_put_count(&b, part, "layer", l->layer);
        bl_put_real(&b, part, "r2_fit", l->r2_fit);
        bl_put_real(&b, part, "r2", l->r2);
        bl_put_real(&b, part, "r2_linear", l->r2_linear);
        bl_put_real(&b, part, "loss_mean", l->loss_mean);
        bl_put_real(&b, part, "loss_surrogate", l->loss_surrogate);
        bl_put_real(&b, part, "recovered", l->recovered);
    }
    if (!isnan(s->all_mean)) {
        part = bl_put_object(&b, root, "all");
        bl_put_real(&b, part, "loss_mean", s->all_mean);
        bl_put_real(&b, part, "loss_linear", s->all_linear);
        bl_put_real(&b, part, "loss_surrogate", s->all_surrogate);
    }
    return bl_tree_built(&b, root);
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "layers"), err);
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    const char *valid = NULL;
    index_list layers = {0};
    size_t stories = 0, *wanted = NULL;
    bl_error err = {0};
    const option table[] = {CORPUS_OPTIONS(corpora, CORPUS_FORMATS "; what is fitted on"),
                            {"valid", OPTION_TEXT, &valid, "FILE",
                             "held-out stories (default: every tenth of the corpus)"},
                            {"layers", OPTION_INDICES, &layers, "N,N…", "layers to fit (default: all)"},
                            {"stories", OPTION_COUNT, &stories, "N", "read at most N stories of each file"},
                            {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_ALL, "the file to write, FILE.safetensors", true);
    if (status >= 0) return status;
    if (!c.output) {
        common_free(&c);
        return fail_usage(self, "-o FILE.safetensors is missing: where the surrogate is to be written");
    }
    tokens fit = {0}, held = {0};
    bl_surrogate *surrogate = NULL;
    bl_corpus *corpus = open_corpus(&corpora, &err), *other = NULL;
    bl_model *model = corpus ? load_model(&c, &err) : NULL;
    bool ok = model && read_stories(model, corpus, stories, &fit, valid ? NULL : &held, &err);
    if (ok && valid)
        ok = (other = bl_corpus_open(&valid, 1, &err)) &&
             read_stories(model, other, stories, &held, NULL, &err);
    if (ok && layers.n) ok = (wanted = calloc(layers.n, sizeof *wanted)) != NULL;
    for (size_t i = 0; ok && i < layers.n; i++) {
        long n = (long)bl_model_config(model)->n_layer, layer = layers.items[i];
        wanted[i] = (size_t)(layer < 0 ? n + layer : layer);
    }
    if (ok) {
        bl_story_tokens on = {fit.ids, fit.begin, fit.n}, off = {held.ids, held.begin, held.n};
        surrogate = bl_surrogate_fit(model, wanted, layers.n, &on, &off, progress_bar(c.quiet), &err);
        ok = surrogate && bl_surrogate_write(surrogate, model, c.output, &err);
    }
    progress_end();
    static const view how = {NULL, rows_of};
    status = tell_tree(self, &c, ok ? tree_of(&c, surrogate, &err) : NULL, &how, &err);
    bl_surrogate_free(surrogate);
    tokens_free(&fit);
    tokens_free(&held);
    free(wanted);
    bl_model_free(model);
    bl_corpus_free(corpus);
    bl_corpus_free(other);
    corpus_options_free(&corpora);
    common_free(&c);
    return status;
}

const verb verb_surrogate = {
    "surrogate", "the best quadratic form of a gated or plain MLP, with its error", run,
    "Fits one quadratic per hidden unit and a linear map of what those leave, for every layer or for "
    "--layers, and says "
    "on held-out stories how much of the MLP's output it explains (r2, beside the best linear map alone) "
    "and what the "
    "loss becomes when it replaces the MLP (beside the mean output). Position 0 of every story is left out.",
    "  bilens surrogate models/llama --corpus stories.txt -o llama.surrogate.safetensors\n  bilens surrogate "
    "models/llama --corpus stories.txt --valid held.txt --layers 3,7 -o two.safetensors --format json\n"};
