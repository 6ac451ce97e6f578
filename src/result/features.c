/* Forms of features as a tree and as a table (docs/specification.md, 17). */
#include <bilens/feature_result.h>
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "result/results.h"
#include <jansson.h>
#include <stdlib.h>

static void put_list(bl_builder *b, bl_tree *at, const char *key, const bl_feature_list *list, bool pairs) {
    bl_tree *out = bl_put_object(b, at, key);
    for (size_t side = 0; side < 2; side++) {
        bl_tree *rows = bl_put_array(b, out, side ? "bottom" : "top");
        for (size_t i = 0; i < list->n; i++) {
            const bl_feature_entry *e = side ? &list->bottom[i] : &list->top[i];
            bl_tree *row = bl_put_array(b, rows, NULL);
            bl_put_count(b, row, NULL, e->b);
            if (pairs) bl_put_count(b, row, NULL, e->c);
            bl_put_real(b, row, NULL, e->value);
        }
    }
}

static void put_feature(bl_builder *b, bl_tree *list, const bl_feature *f, bool corpus, bool table) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_count(b, out, "feature", f->feature);
    bl_put_real(b, out, "constant", f->constant);
    bl_put_real(b, out, "shift", f->shift);
    bl_put_real(b, out, "effective_rank", f->effective_rank);
    bl_put_real(b, out, "top_pair_share", f->top_pair_share);
    if (!table) {
        bl_put_reals(b, out, "eigenvalues", f->eigenvalues, f->n);
        put_list(b, out, "self", &f->self, false);
        put_list(b, out, "pairs", &f->pairs, true);
        if (f->has_linear) put_list(b, out, "linear", &f->linear, false);
        else bl_put_null(b, out, "linear");
        bl_put_real(b, out, "offset", f->offset);
    }
    if (!corpus) return;
    bl_put_count(b, out, "active", f->active);
    bl_tree *ranks = bl_put_array(b, out, "rank_correlation");
    for (size_t r = 0; r < f->n_ranks; r++) {
        const bl_feature_rank *k = &f->ranks[r];
        bl_tree *row = bl_put_object(b, ranks, NULL);
        bl_put_count(b, row, "rank", k->rank);
        bl_put_real(b, row, "active", k->active);
        bl_put_real(b, row, "act", k->act);
        bl_put_real(b, row, "pre", k->pre);
        bl_put_real(b, row, "pre_all", k->pre_all);
        bl_put_real(b, row, "auc", k->auc);
    }
}

bl_tree *bl_features_tree(const bl_model *model, size_t layer, const bl_dictionary *in,
                          const bl_dictionary *out, const bl_features *features, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    bl_put_count(&b, root, "layer", layer);
    bl_put_text(&b, root, "in", in->name);
    bl_put_text(&b, root, "out", out->name);
    bl_put_count(&b, root, "in_features", in->F);
    bl_put_count(&b, root, "out_features", out->F);
    if (features->corpus) bl_put_count(&b, root, "positions", features->positions);
    bl_tree *list = bl_put_array(&b, root, "features");
    for (size_t i = 0; i < features->n; i++)
        put_feature(&b, list, &features->list[i], features->corpus, features->table);
    return bl_tree_built(&b, root);
}

/* The largest entry of a list: [b, value] or [b, c, value]. */
static void strongest(bl_table *rows, const json_t *list) {
    const json_t *top = json_array_get(json_object_get(list, "top"), 0),
                 *low = json_array_get(json_object_get(list, "bottom"), 0);
    size_t at = json_array_size(top);
    if (at == 0) {
        bl_table_empty(rows);
        return;
    }
    double high = bl_tree_number(json_array_get(top, at - 1)),
           lowest = bl_tree_number(json_array_get(low, at - 1));
    const json_t *best = high >= -lowest ? top : low;
    char text[96];
    if (at == 3)
        snprintf(text, sizeof text, "%.0f x %.0f: %.4g", bl_tree_number(json_array_get(best, 0)),
                 bl_tree_number(json_array_get(best, 1)), bl_tree_number(json_array_get(best, 2)));
    else
        snprintf(text, sizeof text, "%.0f: %.4g", bl_tree_number(json_array_get(best, 0)),
                 bl_tree_number(json_array_get(best, 1)));
    bl_table_text(rows, text);
}

bl_table *bl_features_rows(const bl_tree *features, bl_error *err) {
    static const char *const keys[] = {"active", "act", "pre", "pre_all", "auc"};
    bl_table *rows = bl_table_new(
        "feature,effective_rank,top_pair_share,strongest self,strongest pair,active positions,rank,"
        "active,act,pre,pre_all,auc",
        err);
    const json_t *list = json_object_get(features, "features");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f = json_array_get(list, i), *ranks = json_object_get(f, "rank_correlation");
        size_t n = json_array_size(ranks);
        for (size_t r = 0; r < (n ? n : 1); r++) {
            const json_t *k = json_array_get(ranks, r);
            bl_table_integer(rows, (int64_t)bl_tree_real(f, "feature"));
            bl_table_real(rows, bl_tree_real(f, "effective_rank"));
            bl_table_real(rows, bl_tree_real(f, "top_pair_share"));
            strongest(rows, json_object_get(f, "self"));
            strongest(rows, json_object_get(f, "pairs"));
            if (!k) {
                for (size_t c = 0; c < 7; c++) bl_table_empty(rows);
                continue;
            }
            bl_table_integer(rows, (int64_t)bl_tree_real(f, "active"));
            bl_table_integer(rows, (int64_t)bl_tree_real(k, "rank"));
            for (size_t c = 0; c < 5; c++) bl_table_real(rows, bl_tree_real(k, keys[c]));
        }
    }
    return rows;
}

bool bl_eigen_tree_read_in(bl_tree *tree, const bl_eigen *eigen, const bl_dictionary *a, bl_error *err) {
    enum { SHOWN = 10 };
    bl_builder b = {err, false};
    bl_basis basis = bl_dictionary_basis(a, false);
    size_t d = (size_t)bl_tree_real(tree, "d_model");
    if (a->d != d)
        return bl_fail(err, BL_ERR_INPUT, "%s: its features have %zu numbers, this model's have %zu", a->name,
                       a->d, d);
    float *values = bl_alloc(a->F, sizeof *values, err);
    if (!values) return false;
    bl_tree *root = bl_put_object(&b, tree, "basis");
    bl_put_text(&b, root, "dictionary", a->name);
    bl_put_count(&b, root, "features", a->F);
    const bl_tree *vectors = json_object_get(tree, "vectors");
    for (size_t i = 0; !b.failed && i < json_array_size(vectors); i++) {
        bl_tree *vector = json_array_get(vectors, i);
        const float *v = bl_eigen_vector(eigen, (long)bl_tree_real(vector, "index"));
        if (!v) {
            bl_builder_fail(&b, BL_ERR_USAGE, "the result's eigenvectors are not of this form");
            break;
        }
        bl_gemv_n(a->F, d, 1.0F, a->decoder, d, v, 0.0F, values); /* biases: the last coordinate stays out */
        bl_put_extremes(&b, bl_put_object(&b, json_object_get(vector, "sources"), "features"), &basis, values,
                        SHOWN);
    }
    free(values);
    return !b.failed;
}
