#include "serve/site_sentence.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "serve/sentence.h"
#include <bilens/predict.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BEGINNING = 18, LIKELIEST = 5, TERMS = 6, EXCITED = 20 };

void bl_site_texts_free(char **texts, size_t n) {
    for (size_t i = 0; texts && i < n; i++) bl_free(texts[i]);
    free(texts);
}

bool bl_site_texts(bl_explorer *e, size_t most, char ***texts, size_t *n, bl_error *err) {
    int32_t *ids = NULL;
    size_t *begin = NULL, stories = 0;
    *n = 0;
    *texts = bl_alloc_zero(most, sizeof **texts, err);
    bool ok = *texts && bl_atlas_reader_stories(e->atlas, most, &ids, &begin, &stories, err);
    for (size_t i = 0; ok && i < stories; i++) {
        size_t length = begin[i + 1] - begin[i];
        if (length < 2) continue;
        if (length > BEGINNING) length = BEGINNING;
        /* As prose, which reads back to the same ids; decoded text has marks of its own. */
        (*texts)[*n] = bl_tokenizer_prose(bl_model_tokenizer(e->model), ids + begin[i], length, false, err);
        ok = (*texts)[*n] != NULL;
        if (ok && (*texts)[*n][0]) ++*n;
        else bl_free((*texts)[*n]);
    }
    free(ids);
    free(begin);
    if (!ok) bl_site_texts_free(*texts, *n);
    return ok;
}

/* The accounts of a text: of the likeliest tokens at each position, and of the likeliest rather than each
 * other one. They are made side by side, each by one thread. */
typedef struct accounts {
    const bl_explorer *e;
    const char *text;
    const bl_ids *ids;
    const bl_predictions *p;
    size_t layer, each; /* how many per position */
    bl_tree **trees;    /* [positions each] */
} accounts;

/* Account i of a position is of token i / 2 by itself, or of the likeliest rather than that one. */
typedef struct asked {
    size_t position;
    int32_t token, rival; /* rival -1: none */
} asked;

static asked asked_of(const accounts *a, size_t i) {
    const bl_predicted *best = &a->p->best[i / a->each * a->p->top];
    size_t k = (i % a->each + 1) / 2;
    bool against = k && i % a->each % 2 == 0;
    return (asked){i / a->each, best[against ? 0 : k].id, against ? best[k].id : -1};
}

static bool account(void *context, size_t i, size_t thread, bl_error *err) {
    (void)thread;
    const accounts *a = context;
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(a->e->atlas);
    asked of = asked_of(a, i);
    char token[24], minus[24];
    const char *const list[] = {minus};
    snprintf(token, sizeof token, "#%d", (int)of.token);
    snprintf(minus, sizeof minus, "#%d", (int)of.rival);
    bl_direction direction = {.token = token,
                              .centre_unembedding = f->centred,
                              .minus = list,
                              .n_minus = of.rival >= 0,
                              .minus_all = of.rival < 0 && (!f->raw || f->source)};
    bl_why why = {.direction = &direction,
                  .token = of.token,
                  .layer = a->layer,
                  .text = a->text,
                  .ids = a->ids,
                  .position = of.position,
                  .most = TERMS};
    a->trees[i] = bl_why_tree(a->e, &why, err);
    return a->trees[i] != NULL;
}

/* "position token": account, "position token rival": account, … */
static bool put_accounts(accounts *a, bl_builder *b, bl_tree *at) {
    a->each = 2 * (a->p->top < LIKELIEST ? a->p->top : LIKELIEST) - 1;
    size_t n = a->ids->n * a->each;
    a->trees = bl_alloc_zero(n, sizeof *a->trees, b->err);
    bool ok = a->trees && bl_parallel(n, account, a, b->err);
    for (size_t i = 0; a->trees && i < n; i++) {
        asked of = asked_of(a, i);
        char key[80];
        if (!ok) {
            bl_tree_free(a->trees[i]);
            continue;
        }
        if (of.rival < 0) snprintf(key, sizeof key, "%zu %d", of.position, (int)of.token);
        else snprintf(key, sizeof key, "%zu %d %d", of.position, (int)of.token, (int)of.rival);
        bl_put_tree(b, at, key, a->trees[i]);
    }
    free(a->trees);
    b->failed |= !ok;
    return ok;
}

/* Every number of a tree with five significant digits: a page shows no more, and a third of the file is
 * saved. */
static void round_numbers(json_t *tree) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_real(tree) && json_real_value(tree) != 0) {
        double x = json_real_value(tree), scale = pow(10, 4 - (int)floor(log10(fabs(x))));
        if (isfinite(scale) && isfinite(x * scale)) json_real_set(tree, round(x * scale) / scale);
    }
    json_object_foreach(tree, key, value) round_numbers(value);
    json_array_foreach(tree, i, value) round_numbers(value);
}

bl_tree *bl_site_sentence(const bl_explorer *e, bl_atlas_reader *layer, const char *text, bl_error *err) {
    bl_ids ids = {0};
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    bl_predictions *p = NULL;
    accounts all = {.e = e,
                    .text = text,
                    .ids = &ids,
                    .layer = (size_t)bl_atlas_reader_get_facts(layer)->layer};
    if (bl_sentence_read(e->model, text, &ids, err))
        p = bl_predict(e->model, ids.data, ids.n, LIKELIEST, err);
    if (p) {
        bl_tree *sentence = bl_sentence_tree(e, &ids, err);
        root = bl_put_object(&b, NULL, NULL);
        b.failed = b.failed || !sentence;
        if (sentence) bl_put_tree(&b, root, "sentence", sentence);
        bl_tree *excited = bl_put_array(&b, root, "excited"), *why = bl_put_object(&b, root, "why");
        for (size_t i = 0; i < ids.n && !b.failed; i++) {
            bl_tree *tree = bl_excited_tree(e, layer, &ids, i, EXCITED, err);
            b.failed = !tree;
            if (tree) bl_put_tree(&b, excited, NULL, tree);
        }
        all.p = p;
        if (!b.failed) put_accounts(&all, &b, why);
        root = bl_tree_built(&b, root);
        if (root) round_numbers(root);
    }
    bl_predictions_free(p);
    bl_ids_free(&ids);
    return root;
}
