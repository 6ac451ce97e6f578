/* Results of pairs.h, hosvd.h and diff.h as trees: whole forms, read in tokens. */
#include <bilens/evidence.h>
#include "base/error.h"
#include "base/memory.h"
#include "result/results.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 };

static void entry_rows(bl_table *rows, double index, const char *side, const json_t *list) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        if (!isnan(index)) bl_table_integer(rows, (int64_t)index);
        bl_table_text(rows, side);
        bl_table_integer(rows, (int64_t)i);
        for (size_t c = 0; c + 1 < json_array_size(item); c++)
            bl_table_text(rows, json_string_value(json_array_get(item, c)));
        bl_table_real(rows, bl_tree_number(json_array_get(item, json_array_size(item) - 1)));
    }
}

/* ---- pairs ---- */

static void put_path(bl_builder *b, bl_tree *at, const char *key, int path) {
    char name[32] = "direct";
    if (path != BL_PATH_DIRECT) snprintf(name, sizeof name, "head %d", path);
    bl_put_text(b, at, key, name);
}

static void put_end(bl_builder *b, bl_tree *at, const char *key, const bl_model *model,
                    const bl_token_pair *pairs, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *out = bl_put_array(b, list, NULL);
        bl_put_token(b, out, NULL, model, pairs[i].a);
        bl_put_token(b, out, NULL, model, pairs[i].b);
        bl_put_real(b, out, NULL, (double)pairs[i].value);
    }
}

void bl_put_pairs(bl_builder *b, bl_tree *at, const bl_model *model, const bl_token_pairs *pairs) {
    put_end(b, at, "top", model, pairs->top, pairs->n_top);
    put_end(b, at, "bottom", model, pairs->bottom, pairs->n_bottom);
}

bl_tree *bl_pairs_tree(const bl_question *question, const bl_token_pairs_options *options,
                       const bl_token_pairs *pairs, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_real(&b, root, "shift", pairs->shift);
    put_path(&b, root, "left", options->left);
    put_path(&b, root, "right", options->right);
    bl_put_pairs(&b, root, question->model, pairs);
    return bl_tree_built(&b, root);
}

bl_table *bl_pairs_rows(const bl_tree *tree, bl_error *err) {
    bool head = json_object_get(tree, "distance") != NULL;
    bl_table *rows = bl_table_new(head ? "side,rank,query,key,value" : "side,rank,left,right,value", err);
    entry_rows(rows, NAN, "top", json_object_get(tree, "top"));
    entry_rows(rows, NAN, "bottom", json_object_get(tree, "bottom"));
    return rows;
}

/* ---- hosvd ---- */

/* out [V] = (W_U - mean over tokens) u; rows of W_U that no token names do not count in the mean. */
static void unembed(const bl_basis *basis, const float *u, float *out) {
    bl_view w_u = basis->vectors;
    double mean = 0, n = (double)bl_basis_n_used(basis);
    for (size_t t = 0; t < w_u.rows; t++) {
        double sum = 0;
        for (size_t i = 0; i < w_u.cols; i++) sum += (double)w_u.data[t * w_u.stride + i] * (double)u[i];
        out[t] = (float)sum;
        if (bl_basis_used(basis, t)) mean += sum / n;
    }
    for (size_t t = 0; t < w_u.rows; t++) out[t] -= (float)mean;
}

static void put_component(bl_builder *b, bl_tree *list, const bl_model *model, const bl_bilinear *map,
                          const bl_hosvd *hosvd, size_t g, float *tokens) {
    const float *pattern = hosvd->patterns + g * hosvd->d;
    bl_eigen *eigen = b->failed ? NULL : bl_eigen_of(map, pattern, 1, b->err);
    if (!eigen) {
        b->failed = true;
        return;
    }
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_count(b, out, "index", g);
    bl_put_real(b, out, "value", (double)hosvd->values[g]);
    bl_put_real(b, out, "shift", bl_eigen_shift(eigen));
    bl_put_reals(b, out, "eigenvalues", bl_eigen_values(eigen), bl_eigen_size(eigen));
    bl_basis basis = bl_model_basis_out(model);
    unembed(&basis, pattern, tokens);
    bl_put_extremes(b, out, &basis, tokens, SHOWN);
    bl_put_real(b, out, "effective_rank", bl_eigen_effective_rank(eigen));
    bl_eigen_free(eigen);
}

bl_tree *bl_hosvd_tree(const bl_model *model, size_t layer, const bl_hosvd *hosvd, bl_error *err) {
    bl_builder b = {err, false};
    bl_bilinear map;
    float *tokens = bl_alloc(bl_model_config(model)->n_vocab, sizeof *tokens, err);
    bl_tree *root = NULL;
    if (tokens && bl_model_bilinear(model, layer, &map, err)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_text(&b, root, "model", bl_model_name(model));
        bl_put_count(&b, root, "layer", layer);
        bl_put_quality(&b, root, model, layer);
        bl_put_reals(&b, root, "values", hosvd->values, hosvd->d);
        bl_put_real(&b, root, "energy", hosvd->energy);
        bl_tree *list = bl_put_array(&b, root, "components");
        for (size_t g = 0; g < hosvd->k; g++) put_component(&b, list, model, &map, hosvd, g, tokens);
        root = bl_tree_built(&b, root);
    }
    free(tokens);
    return root;
}

bl_table *bl_hosvd_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("component,share,side,rank,token,value", err);
    double energy = bl_tree_real(tree, "energy");
    static const char *const sides[] = {"top", "bottom"};
    size_t g, i;
    const json_t *component, *item;
    json_array_foreach(json_object_get(tree, "components"), g, component) {
        double value = bl_tree_real(component, "value");
        for (size_t s = 0; s < 2; s++) {
            json_array_foreach(json_object_get(component, sides[s]), i, item) {
                bl_table_integer(rows, (int64_t)g);
                bl_table_real(rows, energy > 0 ? value * value / energy : 0);
                bl_table_text(rows, sides[s]);
                bl_table_integer(rows, (int64_t)i);
                bl_table_text(rows, json_string_value(json_array_get(item, 0)));
                bl_table_real(rows, bl_tree_number(json_array_get(item, 1)));
            }
        }
    }
    return rows;
}

/* ---- similar ---- */

/* out [V, d]: the rows of a basis, less their mean. */
static float *centred_rows(const bl_basis *basis, bl_error *err) {
    bl_view rows = basis->vectors;
    size_t count;
    if (!bl_mul_size(rows.rows, rows.cols, &count)) count = SIZE_MAX;
    float *out = bl_alloc(count, sizeof *out, err), *mean = bl_alloc(rows.cols, sizeof *mean, err);
    bool ok = out && mean && bl_basis_mean(basis, mean, err);
    for (size_t t = 0; ok && t < rows.rows; t++)
        for (size_t i = 0; i < rows.cols; i++)
            out[t * rows.cols + i] = rows.data[t * rows.stride + i] - mean[i];
    free(mean);
    if (ok) return out;
    free(out);
    return NULL;
}

bl_tree *bl_similar_tree(const bl_question *question, const float *u, size_t k, bl_error *err) {
    bl_bilinear map;
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    size_t V = bl_model_config(question->model)->n_vocab;
    if (!bl_model_bilinear(question->model, question->layer, &map, err)) return NULL;
    bl_basis basis = bl_model_basis_out(question->model);
    float *all = centred_rows(&basis, err), *cosine = bl_alloc(V, sizeof *cosine, err);
    if (all && cosine && bl_bilinear_similar(&map, u, all, V, cosine, err)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_subject(&b, root, question);
        bl_put_extremes(&b, root, &basis, cosine, k);
        root = bl_tree_built(&b, root);
    }
    free(all);
    free(cosine);
    return root;
}

bl_table *bl_similar_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("side,rank,token,cosine", err);
    entry_rows(rows, NAN, "top", json_object_get(tree, "top"));
    entry_rows(rows, NAN, "bottom", json_object_get(tree, "bottom"));
    return rows;
}

/* ---- diff ---- */

/* Both models' directions of the tokens at hand. */
typedef struct shared_tokens {
    size_t n;
    int32_t *ids;     /* [n] of model a, for their names */
    float *u_a, *u_b; /* [n, d] */
    double *cosine;   /* [n] */
} shared_tokens;

static bool shared_alloc(shared_tokens *s, size_t n, size_t d, bl_error *err) {
    size_t count;
    if (!bl_mul_size(n, d, &count)) count = SIZE_MAX;
    s->ids = bl_alloc(n, sizeof *s->ids, err);
    s->u_a = bl_alloc(count, sizeof *s->u_a, err);
    s->u_b = bl_alloc(count, sizeof *s->u_b, err);
    s->cosine = bl_alloc(n, sizeof *s->cosine, err);
    return s->ids && s->u_a && s->u_b && s->cosine;
}

static void shared_free(shared_tokens *s) {
    free(s->ids);
    free(s->u_a);
    free(s->u_b);
    free(s->cosine);
}

typedef struct comparison {
    const bl_diff_question *q;
    bl_bilinear a, b;
    bl_diff diff;
    float *all_a, *all_b; /* centred unembeddings */
    size_t d;
} comparison;

static void add_shared(shared_tokens *s, const comparison *c, size_t at_a, size_t at_b) {
    s->ids[s->n] = (int32_t)at_a;
    memcpy(s->u_a + s->n * c->d, c->all_a + at_a * c->d, c->d * sizeof *s->u_a);
    memcpy(s->u_b + s->n * c->d, c->all_b + at_b * c->d, c->d * sizeof *s->u_b);
    s->n++;
}

/* The tokens that were asked for; one that a model lacks is an error. */
static bool take_named(shared_tokens *s, const comparison *c, bl_error *err) {
    const bl_diff_question *q = c->q;
    if (!shared_alloc(s, q->n_tokens, c->d, err)) return false;
    for (size_t i = 0; i < q->n_tokens; i++) {
        int32_t a = bl_tokenizer_find(bl_model_tokenizer(q->a), q->tokens[i], err),
                b = a < 0 ? -1 : bl_tokenizer_find(bl_model_tokenizer(q->b), q->tokens[i], err);
        if (a < 0 || b < 0) return false;
        if ((size_t)a >= bl_model_config(q->a)->n_vocab || (size_t)b >= bl_model_config(q->b)->n_vocab)
            return bl_fail(err, BL_ERR_USAGE, "token '%s' is beyond a model's vocabulary", q->tokens[i]);
        add_shared(s, c, (size_t)a, (size_t)b);
    }
    return bl_diff_cosines(&c->diff, s->u_a, s->u_b, s->n, s->cosine, err);
}

/* Every token that both vocabularies have. */
static bool take_all(shared_tokens *s, const comparison *c, bl_error *err) {
    size_t V = bl_model_config(c->q->a)->n_vocab, other = bl_model_config(c->q->b)->n_vocab;
    if (!shared_alloc(s, V, c->d, err)) return false;
    for (size_t t = 0; t < V; t++) {
        const char *text = bl_tokenizer_token(bl_model_tokenizer(c->q->a), (int32_t)t);
        int32_t b = text ? bl_tokenizer_id(bl_model_tokenizer(c->q->b), text) : -1;
        if (b >= 0 && (size_t)b < other) add_shared(s, c, t, (size_t)b);
    }
    return bl_diff_cosines(&c->diff, s->u_a, s->u_b, s->n, s->cosine, err);
}

static void put_cosine(bl_builder *b, bl_tree *list, const comparison *c, const shared_tokens *s, size_t i) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_token(b, out, "token", c->q->a, s->ids[i]);
    bl_put_real(b, out, "cosine", s->cosine[i]);
}

static void put_named(bl_builder *b, bl_tree *root, const comparison *c) {
    shared_tokens s = {0};
    bl_tree *list = bl_put_array(b, root, "tokens");
    if (take_named(&s, c, b->err))
        for (size_t i = 0; i < s.n; i++) put_cosine(b, list, c, &s, i);
    else b->failed = true;
    shared_free(&s);
}

/* The tokens of lowest cosine, the most changed first; ties: lower id. */
static void put_changed(bl_builder *b, bl_tree *root, const comparison *c) {
    shared_tokens s = {0};
    bl_tree *list = bl_put_array(b, root, "changed");
    double before = -INFINITY;
    size_t last = 0;
    if (b->failed || !take_all(&s, c, b->err)) b->failed = true;
    for (size_t k = 0; !b->failed && k < c->q->changed && k < s.n; k++) {
        size_t best = s.n;
        for (size_t i = 0; i < s.n; i++) {
            bool after = s.cosine[i] > before || (s.cosine[i] == before && i > last && k > 0);
            if (after && (best == s.n || s.cosine[i] < s.cosine[best])) best = i;
        }
        if (best == s.n) break;
        put_cosine(b, list, c, &s, best);
        before = s.cosine[best];
        last = best;
    }
    shared_free(&s);
}

/* The eigenvectors of Q_a - Q_b, in the first model's tokens. */
static void put_difference(bl_builder *b, bl_tree *root, const comparison *c) {
    const bl_diff_question *q = c->q;
    size_t d = c->d, n_a = bl_bilinear_size(&c->a), n_b = bl_bilinear_size(&c->b), n = n_a > n_b ? n_a : n_b;
    float *u = bl_alloc(2 * d, sizeof *u, b->err), *form = bl_alloc(n * n, sizeof *form, b->err);
    bl_basis in = bl_model_basis_in(q->a), out_a = bl_model_basis_out(q->a), out_b = bl_model_basis_out(q->b);
    const bl_path direct = {.name = "direct", .scale = 1};
    float *tokens = bl_alloc(bl_basis_size(&in), sizeof *tokens, b->err);
    bl_eigen *eigen = NULL;
    if (!b->failed && u && form && tokens && bl_direction_vector(q->direction, &out_a, u, b->err) &&
        bl_direction_vector(q->direction, &out_b, u + d, b->err) &&
        bl_diff_matrix(&c->a, u, &c->b, u + d, form, b->err))
        eigen = bl_eigen_of_matrix(form, n, 0, 0, b->err);
    if (!eigen) b->failed = true;
    bl_tree *out = bl_put_object(b, root, "difference");
    if (eigen) bl_put_reals(b, out, "eigenvalues", bl_eigen_values(eigen), n);
    bl_tree *list = bl_put_array(b, out, "vectors");
    for (size_t i = 0; !b->failed && i < q->n_indices; i++) {
        const float *v = bl_eigen_vector(eigen, q->indices[i]);
        if (!v || !bl_readout(&in, &direct, 1, v, tokens, b->err)) {
            bl_builder_fail(b, BL_ERR_USAGE, "an eigenvector of the difference does not exist");
            break;
        }
        long at = q->indices[i] < 0 ? q->indices[i] + (long)n : q->indices[i];
        bl_tree *vector = bl_put_object(b, list, NULL);
        bl_put_integer(b, vector, "index", q->indices[i]);
        bl_put_real(b, vector, "eigenvalue", (double)bl_eigen_values(eigen)[at]);
        bl_put_extremes(b, vector, &in, tokens, SHOWN);
    }
    bl_eigen_free(eigen);
    free(u);
    free(form);
    free(tokens);
}

bl_tree *bl_diff_tree(const bl_diff_question *q, bl_error *err) {
    comparison c = {.q = q, .d = bl_model_config(q->a)->d_model};
    bl_builder b = {err, false};
    bl_tree *root = NULL;
    bool ok = bl_model_bilinear(q->a, q->layer, &c.a, err) && bl_model_bilinear(q->b, q->layer, &c.b, err) &&
              bl_diff_of(&c.a, &c.b, &c.diff, err);
    if (ok) {
        bl_basis out_a = bl_model_basis_out(q->a), out_b = bl_model_basis_out(q->b);
        c.all_a = centred_rows(&out_a, err);
        c.all_b = centred_rows(&out_b, err);
        ok = c.all_a && c.all_b;
    }
    if (ok) {
        root = bl_put_object(&b, NULL, NULL);
        bl_tree *models = bl_put_array(&b, root, "models");
        bl_put_text(&b, models, NULL, bl_model_name(q->a));
        bl_put_text(&b, models, NULL, bl_model_name(q->b));
        bl_put_count(&b, root, "layer", q->layer);
        bl_put_real(&b, root, "frobenius", c.diff.frobenius);
        bl_put_real(&b, root, "similarity", c.diff.similarity);
        put_named(&b, root, &c);
        if (q->changed) put_changed(&b, root, &c);
        if (q->direction) put_difference(&b, root, &c);
        root = bl_tree_built(&b, root);
    }
    bl_diff_free(&c.diff);
    free(c.all_a);
    free(c.all_b);
    return root;
}

static void cosine_rows(bl_table *rows, const char *what, const json_t *list) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        bl_table_text(rows, what);
        bl_table_text(rows, bl_tree_string(item, "token"));
        bl_table_real(rows, bl_tree_real(item, "cosine"));
    }
}

bl_table *bl_diff_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("what,token,cosine", err);
    static const char *const keys[] = {"frobenius", "similarity"};
    for (size_t i = 0; i < 2; i++) {
        bl_table_text(rows, keys[i]);
        bl_table_empty(rows);
        bl_table_real(rows, bl_tree_real(tree, keys[i]));
    }
    cosine_rows(rows, "token", json_object_get(tree, "tokens"));
    cosine_rows(rows, "changed", json_object_get(tree, "changed"));
    return rows;
}
