/* POST /api/sentence, /api/sentence/excited, /api/sentence/contributions, /api/explain: from a text back to
 * the weights. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/sentence.h"
#include "serve/requested.h"
#include <bilens/evidence.h>
#include <bilens/excite.h>
#include <bilens/predict.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 10
#define MOST_DIRECTIONS 10000

bool bl_sentence_read(const bl_model *model, const char *text, bl_ids *ids, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    if (!bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), ids, err)) return false;
    if (ids->n > c->n_ctx)
        return bl_fail(err, BL_ERR_USAGE, "the text has %zu tokens, but the model reads at most %zu", ids->n,
                       c->n_ctx);
    if (ids->n == 0) return bl_fail(err, BL_ERR_USAGE, "the text has no tokens");
    for (size_t i = 0; i < ids->n; i++)
        if (ids->data[i] < 0 || (size_t)ids->data[i] >= c->n_vocab)
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "the tokenizer gives id %d, but the model's vocabulary has %zu", (int)ids->data[i],
                           c->n_vocab);
    return true;
}

/* The tokens of the story whose number is given. */
static bool read_story(bl_call *call, bl_ids *ids) {
    bl_token_stories stories;
    size_t i;
    if (!bl_request_count(call->request, "story", 0, SIZE_MAX / 2, &i, &call->err) ||
        !bl_stories_get(call->explorer->stories, &stories, &call->err))
        return false;
    if (i >= stories.n || stories.begin[i + 1] == stories.begin[i])
        return bl_fail(&call->err, BL_ERR_USAGE, "story %zu is not there: there are 0 to %zu", i,
                       stories.n ? stories.n - 1 : 0);
    ids->n = stories.begin[i + 1] - stories.begin[i];
    ids->data = bl_alloc(ids->n, sizeof *ids->data, &call->err);
    if (ids->data) memcpy(ids->data, stories.ids + stories.begin[i], ids->n * sizeof *ids->data);
    return ids->data != NULL;
}

/* The request's text, or one of the explorer's stories. */
static bool read_text(bl_call *call, bl_ids *ids) {
    const char *text = bl_request_text(call->request, "text");
    if (bl_request_text(call->request, "story") && !text) return read_story(call, ids);
    if (!text) return bl_fail(&call->err, BL_ERR_USAGE, "text is missing");
    return bl_sentence_read(call->explorer->model, text, ids, &call->err);
}

static bool read_position(bl_call *call, const bl_ids *ids, size_t *position) {
    if (!bl_request_count(call->request, "position", ids->n - 1, SIZE_MAX / 2, position, &call->err))
        return false;
    return *position < ids->n ||
           bl_fail(&call->err, BL_ERR_USAGE, "position %zu is not in the text, which has 0 to %zu", *position,
                   ids->n - 1);
}

static void put_predictions(bl_builder *b, bl_tree *root, const bl_explorer *e, const bl_predictions *p) {
    bl_tree *list = bl_put_array(b, root, "predictions");
    for (size_t i = 0; i < p->n; i++) {
        bl_tree *item = bl_put_object(b, list, NULL), *top = bl_put_array(b, item, "top");
        for (size_t k = 0; k < p->top; k++) {
            const bl_predicted *best = &p->best[i * p->top + k];
            bl_tree *pair = bl_put_array(b, top, NULL);
            bl_put_token(b, pair, NULL, e->model, best->id);
            bl_put_real(b, pair, NULL, best->probability);
        }
        const bl_predicted *next = &p->next[i];
        if (next->id < 0) {
            bl_put_null(b, item, "next");
            continue;
        }
        bl_tree *follows = bl_put_object(b, item, "next");
        bl_put_token(b, follows, "token", e->model, next->id);
        bl_put_real(b, follows, "probability", next->probability);
        bl_put_count(b, follows, "rank", next->rank);
    }
}

bl_tree *bl_sentence_tree(const bl_explorer *e, const bl_ids *ids, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    bl_predictions *p = bl_predict(e->model, ids->data, ids->n, SHOWN, err);
    if (p) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_integers(&b, root, "ids", ids->data, ids->n);
        bl_put_tokens(&b, root, "tokens", e->model, ids->data, ids->n);
        put_predictions(&b, root, e, p);
        root = bl_tree_built(&b, root);
    }
    bl_predictions_free(p);
    return root;
}

bl_tree *bl_api_sentence(bl_call *call) {
    bl_ids ids = {0};
    bl_tree *root = read_text(call, &ids) ? bl_sentence_tree(call->explorer, &ids, &call->err) : NULL;
    bl_ids_free(&ids);
    return root;
}

/* The atlas's eigenvectors that the position excites most. */
static bool excite(const bl_explorer *e, bl_atlas_reader *atlas, const bl_ids *ids, size_t position,
                   size_t limit, const bl_atlas_reader_pair **pairs, bl_excited *out, size_t *n_out,
                   bl_error *err) {
    size_t n = bl_interaction_size(e->model), n_pairs;
    const float *v;
    if (!bl_atlas_reader_vectors(atlas, &v, pairs, &n_pairs, err)) return false;
    float *x = bl_alloc(n, sizeof *x, err);
    bool ok = x && bl_mlp_input(e->model, (size_t)bl_atlas_reader_get_facts(atlas)->layer, ids->data, ids->n,
                                position, x, err);
    if (ok)
        *n_out = bl_excited_rows(v, &(*pairs)->eigenvalue, sizeof **pairs, n_pairs, n, x, limit, out, err);
    free(x);
    return ok && err->code == BL_OK;
}

bl_tree *bl_excited_tree(const bl_explorer *e, bl_atlas_reader *atlas, const bl_ids *ids, size_t position,
                         size_t limit, bl_error *err) {
    bool own = bl_atlas_reader_get_facts(atlas)->source != NULL;
    const bl_model *model = e->model;
    const bl_atlas_reader_pair *pairs;
    size_t n = 0;
    bl_excited *found = bl_alloc(limit, sizeof *found, err);
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    if (found && ids->data && excite(e, atlas, ids, position, limit, &pairs, found, &n, err)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_count(&b, root, "position", position);
        bl_put_token(&b, root, "token", model, ids->data[position]);
        bl_tree *list = bl_put_array(&b, root, "directions");
        for (size_t i = 0; i < n; i++) {
            const bl_atlas_reader_pair *pair = &pairs[found[i].direction];
            bl_tree *item = bl_put_object(&b, list, NULL);
            bl_put_text(&b, item, "token", (own ? e->own_names : e->names).text[pair->direction]);
            if (own) bl_explorer_put_own(e, &b, item, (size_t)pair->direction);
            bl_put_integer(&b, item, "id", pair->direction);
            bl_put_integer(&b, item, "index", pair->index);
            bl_put_real(&b, item, "eigenvalue", (double)found[i].eigenvalue);
            bl_put_real(&b, item, "similarity", (double)found[i].similarity);
            bl_put_real(&b, item, "activation", (double)found[i].activation);
        }
        root = bl_tree_built(&b, root);
    }
    free(found);
    return root;
}

bl_tree *bl_api_excited(bl_call *call) {
    bl_ids ids = {0};
    size_t position, limit;
    bl_tree *tree = NULL;
    if (!call->explorer->atlas)
        return bl_call_refuse(call, 409, "no_atlas",
                              "which directions a text excites is known with an atlas only: make one with "
                              "bilens atlas, and give it with --atlas");
    bl_atlas_reader *atlas = bl_call_layer(call);
    if (atlas && read_text(call, &ids) && read_position(call, &ids, &position) &&
        bl_request_count(call->request, "limit", 20, MOST_DIRECTIONS, &limit, &call->err))
        tree = limit ? bl_excited_tree(call->explorer, atlas, &ids, position, limit, &call->err)
                     : bl_fail_null(&call->err, BL_ERR_USAGE, "limit must be at least 1");
    bl_ids_free(&ids);
    return tree;
}

bl_tree *bl_api_contributions(bl_call *call) {
    bl_requested t;
    bl_ids ids = {0};
    long indices[BL_MOST_INDICES];
    size_t n, position;
    bl_tree *tree = NULL;
    bl_cached *held = NULL;
    bl_scan *scan = NULL;
    if (!bl_requested_read(call, &t) || !bl_indices_read(call, "index", indices, &n)) return NULL;
    if (!bl_request_text(call->request, "index")) indices[0] = -1;
    if (read_text(call, &ids) && read_position(call, &ids, &position))
        held = bl_requested_eigen(call, &t, indices, 1);
    if (held) {
        bl_place place = {.position = position, .ids = ids.data, .n_ids = ids.n};
        bl_scan_options options = {.exact_path = true, .heads = true};
        scan = bl_scan_places(call->explorer->model, bl_cached_eigen(held), indices, 1, &place, 1, &options,
                              &call->err);
    }
    if (scan) {
        bl_match found = bl_scan_match(scan, 0, 0);
        tree = bl_match_tree(call->explorer->model, &found, &call->err);
    }
    bl_scan_free(scan);
    bl_cache_release(held);
    bl_ids_free(&ids);
    return tree;
}

bl_tree *bl_why_tree(const bl_explorer *e, const bl_why *why, bl_error *err) {
    bl_question question = {e->model, why->direction, why->layer};
    bl_account account = {0};
    bl_builder b = {err, false};
    bl_tree *tree = NULL;
    float *u = bl_alloc(bl_model_config(e->model)->d_model, sizeof *u, err);
    bl_explain_options options = {.u = u,
                                  .token = why->token,
                                  .layer = why->layer,
                                  .position = why->position,
                                  .most = why->most,
                                  .eigs = why->eigs,
                                  .n_eigs = why->n_eigs,
                                  .words = true,
                                  .word_terms = why->word_terms};
    if (u && bl_direction_vector(why->direction, &e->basis, u, err) &&
        bl_account_of(e->model, why->ids->data, why->ids->n, &options, &account, err))
        tree = bl_explain_tree(&question, why->text, why->ids->data, &account, err);
    bl_account_free(&account);
    free(u);
    if (!tree) return NULL;
    bl_put_count(&b, tree, "size", bl_interaction_size(e->model));
    return bl_tree_built(&b, tree);
}

/* What is expected most at the position, as the vocabulary has it. */
static const char *likeliest(bl_call *call, const bl_ids *ids, size_t position) {
    const bl_explorer *e = call->explorer;
    bl_predictions *p = bl_predict_at(e->model, ids->data, ids->n, position, 1, &call->err);
    const char *text = p ? e->names.text[p->best[0].id] : NULL;
    bl_predictions_free(p);
    return text;
}

bl_tree *bl_api_explain(bl_call *call) {
    bl_requested t;
    bl_ids ids = {0};
    long indices[BL_MOST_INDICES];
    bl_tree *tree = NULL;
    bl_why why = {.direction = &t.direction, .ids = &ids, .eigs = indices};
    const bl_request *r = call->request;
    bool told = bl_request_text(r, "token") || bl_request_text(r, "direction");
    const char *otherwise = NULL;
    if (!bl_indices_read(call, "eigs", indices, &why.n_eigs) ||
        !bl_request_count(r, "most", 8, MOST_DIRECTIONS, &why.most, &call->err) ||
        !bl_request_count(r, "words", 0, MOST_DIRECTIONS, &why.word_terms, &call->err) ||
        !read_text(call, &ids) || !read_position(call, &ids, &why.position))
        goto done;
    if (!bl_request_text(r, "eigs")) why.n_eigs = 0;
    if (!told) otherwise = likeliest(call, &ids, why.position);
    if ((!told && !otherwise) || !bl_requested_read_or(call, otherwise, &t)) goto done;
    if (t.own) {
        bl_fail(&call->err, BL_ERR_USAGE, "a direction that is no token has no logit");
    } else {
        why.token = t.id;
        why.layer = t.layer;
        why.text = bl_request_text(call->request, "text");
        if (!why.text) why.text = "";
        tree = bl_why_tree(call->explorer, &why, &call->err);
    }
done:
    bl_ids_free(&ids);
    return tree;
}
