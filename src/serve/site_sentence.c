#include "serve/site_sentence.h"
#include "base/error.h"
#include "base/memory.h"
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

/* One account, under "position token" or "position token rival". */
static bool put_why(const bl_explorer *e, bl_builder *b, bl_tree *at, bl_why *why, int32_t rival) {
    char token[24], minus[24], key[80];
    const char *const list[] = {minus};
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(e->atlas);
    bl_direction direction = {.token = token,
                              .centre_unembedding = f->centred,
                              .minus_all = !f->raw || f->source};
    snprintf(token, sizeof token, "#%d", (int)why->token);
    snprintf(minus, sizeof minus, "#%d", (int)rival);
    if (rival >= 0) {
        direction.minus = list;
        direction.n_minus = 1;
        direction.minus_all = false;
        snprintf(key, sizeof key, "%zu %d %d", why->position, (int)why->token, (int)rival);
    } else snprintf(key, sizeof key, "%zu %d", why->position, (int)why->token);
    why->direction = &direction;
    bl_tree *tree = bl_why_tree(e, why, b->err);
    why->direction = NULL;
    if (tree) bl_put_tree(b, at, key, tree);
    else b->failed = true;
    return !b->failed;
}

static bool put_position(const bl_explorer *e, bl_builder *b, bl_tree *at, bl_why *why,
                         const bl_predictions *p) {
    const bl_predicted *best = &p->best[why->position * p->top];
    size_t n = p->top < LIKELIEST ? p->top : LIKELIEST;
    for (size_t k = 0; k < n; k++) {
        why->token = best[k].id;
        if (!put_why(e, b, at, why, -1)) return false;
        why->token = best[0].id;
        if (k && !put_why(e, b, at, why, best[k].id)) return false;
    }
    return true;
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
    bl_why why = {.text = text,
                  .ids = &ids,
                  .most = TERMS,
                  .layer = (size_t)bl_atlas_reader_get_facts(layer)->layer};
    if (bl_sentence_read(e->model, text, &ids, err))
        p = bl_predict(e->model, ids.data, ids.n, LIKELIEST, err);
    if (p) {
        bl_tree *sentence = bl_sentence_tree(e, &ids, err);
        root = bl_put_object(&b, NULL, NULL);
        b.failed = b.failed || !sentence;
        if (sentence) bl_put_tree(&b, root, "sentence", sentence);
        bl_tree *excited = bl_put_array(&b, root, "excited"), *accounts = bl_put_object(&b, root, "why");
        for (size_t i = 0; i < ids.n && !b.failed; i++) {
            bl_tree *tree = bl_excited_tree(e, layer, &ids, i, EXCITED, err);
            b.failed = !tree;
            if (tree) bl_put_tree(&b, excited, NULL, tree);
            why.position = i;
            b.failed = b.failed || !put_position(e, &b, accounts, &why, p);
        }
        root = bl_tree_built(&b, root);
        if (root) round_numbers(root);
    }
    bl_predictions_free(p);
    bl_ids_free(&ids);
    return root;
}
