/* Results of head.h: one head of bilinear attention, or all of them, as trees. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "base/memory.h"
#include "result/results.h"
#include <jansson.h>
#include <stdlib.h>

enum { SHOWN = 10 };

static void put_head(bl_builder *b, bl_tree *at, const bl_head *head) {
    bl_put_text(b, at, "model", bl_model_name(head->model));
    bl_put_count(b, at, "layer", 0);
    bl_put_count(b, at, "head", head->head);
    bl_put_count(b, at, "distance", head->distance);
}

bl_tree *bl_head_pairs_tree(const bl_head *head, const bl_direction *direction, const bl_token_pairs *pairs,
                            bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    if (direction) {
        const bl_question question = {head->model, direction, 0};
        bl_put_subject(&b, root, &question);
    } else {
        bl_put_null(&b, root, "token");
        bl_put_array(&b, root, "minus");
        bl_put_null(&b, root, "direction");
    }
    put_head(&b, root, head);
    bl_put_pairs(&b, root, head->model, pairs);
    return bl_tree_built(&b, root);
}

static void put_query(bl_builder *b, bl_tree *at, const bl_head *head, size_t query,
                      const bl_head_query *result) {
    static const long indices[] = {-1, 0};
    bl_basis basis = bl_model_basis_in(head->model);
    bl_put_token(b, at, "query", head->model, (int64_t)query);
    bl_tree *values = bl_put_array(b, at, "eigenvalues"), *vectors;
    for (size_t i = 0; i < 2; i++) bl_put_real(b, values, NULL, result->values[i]);
    vectors = bl_put_array(b, at, "vectors");
    for (size_t i = 0; i < 2; i++) {
        bl_tree *out = bl_put_object(b, vectors, NULL);
        bl_put_integer(b, out, "index", indices[i]);
        bl_put_real(b, out, "eigenvalue", result->values[1 - i]);
        bl_put_extremes(b, out, &basis, result->similarity + i * result->n, SHOWN);
    }
}

bl_tree *bl_head_query_tree(const bl_head *head, size_t query, const bl_head_query *result, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    put_head(&b, root, head);
    put_query(&b, root, head, query, result);
    return bl_tree_built(&b, root);
}

bl_table *bl_head_query_rows(const bl_tree *tree, bl_error *err) {
    static const char *const sides[] = {"top", "bottom"};
    bl_table *rows = bl_table_new("vector,eigenvalue,side,rank,token,value", err);
    size_t v, i;
    const json_t *vector, *item;
    json_array_foreach(json_object_get(tree, "vectors"), v, vector) {
        for (size_t s = 0; s < 2; s++) {
            json_array_foreach(json_object_get(vector, sides[s]), i, item) {
                bl_table_integer(rows, (int64_t)bl_tree_real(vector, "index"));
                bl_table_real(rows, bl_tree_real(vector, "eigenvalue"));
                bl_table_text(rows, sides[s]);
                bl_table_integer(rows, (int64_t)i);
                bl_table_text(rows, json_string_value(json_array_get(item, 0)));
                bl_table_real(rows, bl_tree_number(json_array_get(item, 1)));
            }
        }
    }
    return rows;
}

/* "pattern" (u NULL) or "direction" of one head. */
static void put_pairs_of(bl_builder *b, bl_tree *at, const char *key, const bl_head *head, const float *u,
                         size_t k) {
    bl_token_pairs pairs = {0};
    if (b->failed || !bl_head_pairs(head, u, k, &pairs, b->err)) {
        b->failed = true;
        return;
    }
    bl_put_pairs(b, bl_put_object(b, at, key), head->model, &pairs);
    bl_token_pairs_free(&pairs);
}

static void put_one_head(bl_builder *b, bl_tree *list, const bl_head *head, const float *u, long query,
                         size_t k) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_head_query result = {0};
    bl_put_count(b, out, "head", head->head);
    put_pairs_of(b, out, "pattern", head, NULL, k);
    put_pairs_of(b, out, "direction", head, u, k);
    if (query < 0) bl_put_null(b, out, "query");
    else if (b->failed || !bl_head_query_of(head, (size_t)query, &result, b->err)) b->failed = true;
    else put_query(b, bl_put_object(b, out, "query"), head, (size_t)query, &result);
    bl_head_query_free(&result);
}

bl_tree *bl_heads_tree(const bl_question *question, size_t distance, size_t k, bl_error *err) {
    const bl_config *c = bl_model_config(question->model);
    bl_builder b = {err, false};
    bl_basis basis = bl_model_basis_out(question->model);
    const char *token = question->direction->token;
    if (question->layer != 0)
        return bl_fail_null(err, BL_ERR_USAGE, "only in layer 0 a head reads single tokens");
    long query = token ? bl_basis_find(&basis, token, err) : -1;
    float *u = token && query < 0 ? NULL : bl_alloc(c->d_model, sizeof *u, err);
    bl_tree *root = NULL;
    if (u && bl_direction_vector(question->direction, &basis, u, err)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_count(&b, root, "distance", distance);
        bl_tree *heads = bl_put_array(&b, root, "heads");
        for (size_t i = 0; i < c->n_head && !b.failed; i++) {
            const bl_head head = {question->model, i, distance};
            put_one_head(&b, heads, &head, u, query, k);
        }
        root = bl_tree_built(&b, root);
    }
    free(u);
    return root;
}
