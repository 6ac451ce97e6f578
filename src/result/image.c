/* Results of image models as trees: keys in the order of docs/specification.md, 20 and 21. */
#include "base/error.h"
#include "base/memory.h"
#include "result/results.h"
#include "subject/image_private.h"
#include <bilens/image_result.h>
#include <math.h>
#include <string.h>

static const char *space_name(bl_space space) { return space == BL_SPACE_PIXEL ? "pixel" : "embed"; }

static void put_sizes(bl_builder *b, bl_tree *at, const char *key, const size_t *values, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) bl_put_count(b, list, NULL, values[i]);
}

static void put_doubles(bl_builder *b, bl_tree *at, const char *key, const double *values, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) bl_put_real(b, list, NULL, values[i]);
}

/* values [n], or null where there are none. */
static void put_picture(bl_builder *b, bl_tree *at, const char *key, const float *values, size_t n) {
    if (values) bl_put_reals(b, at, key, values, n);
    else bl_put_null(b, at, key);
}

static void put_class(bl_builder *b, bl_tree *at, const bl_image_model *model, size_t c) {
    bl_put_text(b, at, "class", bl_image_label(model, c));
    bl_put_count(b, at, "class_index", c);
}

static void put_score(bl_builder *b, bl_tree *at, const bl_image_score *score) {
    bl_put_real(b, at, "loss", score->loss);
    bl_put_real(b, at, "accuracy", score->accuracy);
}

bl_tree *bl_image_info_tree(const bl_image_model *model, bl_error *err) {
    bl_builder b = {err, false};
    size_t n = bl_image_tensors(model, NULL), parameters = 0;
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_image_tensor *list = bl_alloc(n, sizeof *list, err);
    if (!list) {
        b.failed = true;
        return bl_tree_built(&b, root);
    }
    bl_image_tensors(model, list);
    for (size_t i = 0; i < n; i++) parameters += list[i].rows * list[i].cols;
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_text(&b, root, "generation", "image");
    bl_put_text(&b, root, "architecture", bl_image_config_of(model)->p ? "modular" : "image");
    bl_put_tree(&b, root, "config", bl_tree_parse(bl_image_config_json(model), "config.json", err));
    bl_put_count(&b, root, "parameters", parameters);
    bl_tree *tensors = bl_put_array(&b, root, "tensors");
    for (size_t i = 0; i < n; i++) {
        bl_tree *t = bl_put_object(&b, tensors, NULL);
        size_t shape[2] = {list[i].rows, list[i].cols};
        bl_put_text(&b, t, "name", list[i].name);
        put_sizes(&b, t, "shape", shape, list[i].n_dims < 2 ? 1 : 2);
        bl_put_text(&b, t, "dtype", list[i].dtype);
    }
    bl_free(list);
    return bl_tree_built(&b, root);
}

bl_tree *bl_image_eval_tree(const bl_image_model *model, const bl_images *images, const bl_image_score *score,
                            const float *logits, bl_error *err) {
    size_t B = bl_images_count(images), C = bl_image_config_of(model)->d_output;
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    put_score(&b, root, score);
    bl_put_count(&b, root, "predictions", score->predictions);
    if (!logits) return bl_tree_built(&b, root);
    bl_tree *labels = bl_put_array(&b, root, "labels"), *predicted = bl_put_array(&b, root, "predicted");
    bl_tree *rows = bl_put_array(&b, root, "logits");
    for (size_t i = 0; i < B; i++) {
        size_t best = 0;
        for (size_t c = 1; c < C; c++)
            if (logits[i * C + c] > logits[i * C + best]) best = c;
        bl_put_count(&b, labels, NULL, bl_images_label(images, i));
        bl_put_count(&b, predicted, NULL, best);
        bl_put_reals(&b, rows, NULL, logits + i * C, C);
    }
    return bl_tree_built(&b, root);
}

/* "model", "layer", "class", "class_index", "minus", "direction", "space". */
static void put_head(bl_builder *b, bl_tree *root, const bl_image_question *q) {
    const bl_direction *d = q->direction;
    bl_basis classes = bl_image_basis_out(q->model);
    bl_put_text(b, root, "model", bl_image_name(q->model));
    bl_put_count(b, root, "layer", q->eigen->layer);
    long own = d->token ? bl_basis_find(&classes, d->token, b->err) : -1;
    if (own >= 0) {
        put_class(b, root, q->model, (size_t)own);
    } else {
        bl_put_null(b, root, "class");
        bl_put_null(b, root, "class_index");
    }
    bl_tree *minus = bl_put_array(b, root, "minus");
    if (d->minus_all) bl_put_text(b, minus, NULL, "all");
    for (size_t i = 0; i < d->n_minus; i++) {
        long other = bl_basis_find(&classes, d->minus[i], b->err);
        if (other >= 0) bl_put_text(b, minus, NULL, bl_image_label(q->model, (size_t)other));
    }
    char *text = bl_direction_text(d, &classes, b->err);
    if (text) bl_put_text(b, root, "direction", text);
    else b->failed = true;
    bl_free(text);
    bl_put_text(b, root, "space", space_name(q->eigen->space));
}

static double norm_of(const float *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* Of modular addition: the closed form beside the picture. */
static void put_mode(bl_builder *b, bl_tree *at, size_t p, const float *picture) {
    float *mode = b->failed ? NULL : bl_alloc(2 * p, sizeof *mode, b->err);
    double share = 0;
    if (!mode) {
        b->failed = true;
        return;
    }
    bl_tree *out = bl_put_object(b, at, "mode");
    bl_put_count(b, out, "frequency", bl_fourier_mode(p, picture, mode, &share));
    bl_put_real(b, out, "share", share);
    bl_put_reals(b, out, "picture", mode, 2 * p);
    bl_free(mode);
}

static void put_vector(bl_builder *b, bl_tree *list, const bl_image_question *q, long index) {
    const bl_image_eigen *e = q->eigen;
    size_t p = bl_image_config_of(q->model)->p;
    size_t at = index < 0 ? e->size - (size_t)-index : (size_t)index;
    const float *picture = e->pictures ? e->pictures + at * e->n : NULL;
    bl_tree *v = bl_put_object(b, list, NULL);
    bl_put_integer(b, v, "index", index);
    bl_put_real(b, v, "eigenvalue", (double)e->values[at]);
    if (picture) bl_put_real(b, v, "norm", norm_of(picture, e->n));
    else bl_put_null(b, v, "norm");
    bl_put_real(b, v, "constant", e->constant ? (double)e->vectors[at * e->width + e->width - 1] : 0);
    put_picture(b, v, "picture", picture, e->n);
    if (p && picture) put_mode(b, v, p, picture);
}

bl_tree *bl_image_eigen_tree(const bl_image_question *q, bl_error *err) {
    const bl_image_eigen *e = q->eigen;
    double effective_rank, share5, share10;
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    put_head(&b, root, q);
    bl_image_eigen_figures(e, &effective_rank, &share5, &share10);
    bl_put_count(&b, root, "d_model", bl_image_width(q->model, e->layer));
    bl_put_count(&b, root, "size", e->size);
    put_sizes(&b, root, "shape", bl_image_config_of(q->model)->shape, 3);
    bl_put_real(&b, root, "shift", 0);
    bl_put_real(&b, root, "effective_rank", effective_rank);
    bl_put_real(&b, root, "share5", share5);
    bl_put_real(&b, root, "share10", share10);
    put_picture(&b, root, "direct", e->direct, e->n);
    bl_put_reals(&b, root, "eigenvalues", e->values, e->size);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < q->n_indices; j++) put_vector(&b, vectors, q, q->indices[j]);
    return bl_tree_built(&b, root);
}

bl_tree *bl_image_null_tree(const bl_image_question *q, const bl_chance *chance, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    put_head(&b, root, q);
    bl_put_chance(&b, root, chance, q->indices, q->n_indices, NULL);
    return bl_tree_built(&b, root);
}

static void put_match(bl_builder *b, bl_tree *list, const bl_image_model *model, const bl_image_match *m,
                      size_t n) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_count(b, out, "image", m->image);
    bl_put_text(b, out, "label", bl_image_label(model, m->label));
    bl_put_text(b, out, "predicted", bl_image_label(model, m->predicted));
    bl_put_real(b, out, "activation", m->activation);
    bl_put_real(b, out, "similarity", m->similarity);
    if (!m->contributions) return;
    bl_put_reals(b, out, "contributions", m->contributions, n);
    bl_put_real(b, out, "constant", m->constant);
}

bl_tree *bl_image_scan_tree(const bl_image_question *q, const bl_image_scan *scan, size_t images,
                            bl_error *err) {
    const bl_image_eigen *e = q->eigen;
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    put_head(&b, root, q);
    bl_put_count(&b, root, "images", images);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < scan->n_vectors; j++) {
        long index = q->indices[j];
        bl_tree *v = bl_put_object(&b, vectors, NULL);
        bl_put_integer(&b, v, "index", index);
        bl_put_real(&b, v, "eigenvalue",
                    (double)e->values[index < 0 ? e->size - (size_t)-index : (size_t)index]);
        bl_tree *matches = bl_put_array(&b, v, "matches");
        for (size_t i = 0; i < scan->counts[j]; i++)
            put_match(&b, matches, q->model, &scan->matches[j * scan->top + i], scan->n);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_image_truncate_tree(const bl_image_model *model, const bl_image_truncation *t, bl_space space,
                                bool raw, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "layer", bl_image_config_of(model)->n_layer - 1);
    bl_put_text(&b, root, "space", space_name(space));
    bl_put_flag(&b, root, "raw", raw);
    bl_put_count(&b, root, "images", t->full.predictions);
    put_score(&b, bl_put_object(&b, root, "full"), &t->full);
    put_score(&b, bl_put_object(&b, root, "without_mlp"), &t->without_mlp);
    bl_tree *ranks = bl_put_array(&b, root, "ranks");
    for (size_t r = 0; r < t->n_ranks; r++) {
        bl_tree *out = bl_put_object(&b, ranks, NULL);
        bl_put_count(&b, out, "rank", t->ranks[r].rank);
        put_score(&b, out, &t->ranks[r].score);
        bl_put_real(&b, out, "kept", t->ranks[r].kept);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_image_atlas_tree(const bl_image_model *model, bl_image_eigen *const *eigens, bl_space space,
                             bool raw, bl_error *err) {
    static const char *const names[] = {"effective_rank", "share5", "share10"};
    size_t C = bl_image_config_of(model)->d_output;
    double mean[3] = {0};
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "layer", eigens[0]->layer);
    bl_put_text(&b, root, "space", space_name(space));
    bl_put_flag(&b, root, "raw", raw);
    bl_tree *classes = bl_put_array(&b, root, "classes");
    for (size_t c = 0; c < C; c++) {
        const bl_image_eigen *e = eigens[c];
        bl_tree *out = bl_put_object(&b, classes, NULL);
        double low = (double)e->values[0], high = (double)e->values[e->size - 1], figures[3];
        put_class(&b, out, model, c);
        bl_put_real(&b, out, "highest", high);
        bl_put_real(&b, out, "lowest", low);
        bl_put_real(&b, out, "largest", fmax(fabs(low), fabs(high)));
        bl_image_eigen_figures(e, &figures[0], &figures[1], &figures[2]);
        for (size_t i = 0; i < 3; i++) {
            bl_put_real(&b, out, names[i], figures[i]);
            mean[i] += figures[i] / (double)C;
        }
    }
    bl_tree *means = bl_put_object(&b, root, "mean");
    for (size_t i = 0; i < 3; i++) bl_put_real(&b, means, names[i], mean[i]);
    return bl_tree_built(&b, root);
}

static void put_terms(bl_builder *b, bl_tree *at, const char *key, const bl_image_term *terms, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *t = bl_put_object(b, list, NULL);
        bl_put_count(b, t, "index", terms[i].index);
        bl_put_real(b, t, "eigenvalue", terms[i].eigenvalue);
        bl_put_real(b, t, "similarity", terms[i].similarity);
        bl_put_real(b, t, "contribution", terms[i].contribution);
    }
}

bl_tree *bl_image_explain_tree(const bl_image_model *model, const bl_image_explanation *e, bl_space space,
                               bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "image", e->image);
    bl_put_text(&b, root, "label", bl_image_label(model, e->label));
    bl_put_text(&b, root, "predicted", bl_image_label(model, e->predicted));
    bl_put_reals(&b, root, "logits", e->logits, e->C);
    bl_put_text(&b, root, "space", space_name(space));
    bl_tree *classes = bl_put_array(&b, root, "classes");
    for (size_t k = 0; k < e->n_accounts; k++) {
        const bl_image_account *a = &e->accounts[k];
        bl_tree *out = bl_put_object(&b, classes, NULL);
        put_class(&b, out, model, a->class_index);
        bl_put_real(&b, out, "logit", a->logit);
        bl_put_real(&b, out, "direct", a->direct);
        bl_put_real(&b, out, "total", a->total);
        put_terms(&b, out, "highest", a->highest, a->n_terms);
        put_terms(&b, out, "lowest", a->lowest, a->n_terms);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_mask_tree(const bl_image_model *model, const bl_mask *mask, const bl_mask_options *o,
                      bl_error *err) {
    static const char *const names[] = {"accuracy", "as_class"};
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    put_class(&b, root, model, o->class_index);
    bl_put_integer(&b, root, "index", o->index);
    bl_put_real(&b, root, "eigenvalue", mask->eigenvalue);
    bl_put_text(&b, root, "space", space_name(o->space));
    bl_put_count(&b, root, "per_class", o->per_class);
    bl_put_real(&b, root, "strength", o->strength);
    if (o->rare > 0) bl_put_real(&b, root, "rare", o->rare);
    else bl_put_null(&b, root, "rare");
    bl_put_count(&b, root, "pixels", mask->pixels);
    bl_put_count(&b, root, "images", mask->images);
    bl_put_count(&b, root, "permutations", o->permutations);
    for (size_t i = 0; i < 2; i++) {
        bl_tree *out = bl_put_object(&b, root, names[i]);
        bl_put_real(&b, out, "before", mask->before[i]);
        bl_put_real(&b, out, "after", mask->after[i]);
        bl_tree *permuted = bl_put_object(&b, out, "permuted");
        bl_put_real(&b, permuted, "mean", mask->mean[i]);
        bl_put_real(&b, permuted, "sd", mask->sd[i]);
    }
    bl_put_reals(&b, root, "mask", mask->mask, mask->n);
    return bl_tree_built(&b, root);
}

static void put_means(bl_builder *b, bl_tree *at, const bl_likeness *list, size_t C, size_t top) {
    double frobenius = 0, gaussian = 0, subspace = 0;
    for (size_t c = 0; c < C; c++) {
        frobenius += list[c].frobenius / (double)C;
        gaussian += list[c].gaussian / (double)C;
        for (size_t k = 0; k < top; k++) subspace += pow(list[c].principal[k], 2) / (double)top / (double)C;
    }
    bl_put_real(b, at, "frobenius", frobenius);
    bl_put_real(b, at, "gaussian", gaussian);
    bl_put_real(b, at, "subspace", subspace);
    for (size_t which = 0; which < 2; which++) {
        bl_tree *out = bl_put_array(b, at, which ? "by_rank" : "matched");
        for (size_t k = 0; k < top; k++) {
            double mean = 0;
            for (size_t c = 0; c < C; c++)
                mean += (which ? list[c].by_rank[k] : list[c].matched[k]) / (double)C;
            bl_put_real(b, out, NULL, mean);
        }
    }
}

bl_tree *bl_image_diff_tree(const bl_image_model *first, const bl_image_model *second,
                            const bl_image_diff *diff, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *models = bl_put_array(&b, root, "models");
    bl_put_text(&b, models, NULL, bl_image_name(first));
    bl_put_text(&b, models, NULL, bl_image_name(second));
    bl_put_text(&b, root, "space", "pixel");
    bl_put_count(&b, root, "top", diff->top);
    put_means(&b, bl_put_object(&b, root, "mean"), diff->same, diff->C, diff->top);
    put_means(&b, bl_put_object(&b, root, "other"), diff->other, diff->C, diff->top);
    bl_tree *classes = bl_put_array(&b, root, "classes");
    for (size_t c = 0; c < diff->C; c++) {
        const bl_likeness *l = &diff->same[c];
        bl_tree *out = bl_put_object(&b, classes, NULL);
        put_class(&b, out, first, c);
        bl_put_real(&b, out, "frobenius", l->frobenius);
        bl_put_real(&b, out, "gaussian", l->gaussian);
        put_doubles(&b, out, "principal", l->principal, diff->top);
        bl_tree *matched = bl_put_array(&b, out, "matched");
        for (size_t k = 0; k < diff->top; k++) {
            bl_tree *m = bl_put_object(&b, matched, NULL);
            bl_put_count(&b, m, "rank", k);
            bl_put_count(&b, m, "a", l->a[k]);
            bl_put_count(&b, m, "b", l->b[k]);
            bl_put_real(&b, m, "cosine", l->matched[k]);
        }
        put_doubles(&b, out, "by_rank", l->by_rank, diff->top);
    }
    return bl_tree_built(&b, root);
}

static void put_fourier_class(bl_builder *b, bl_tree *list, const bl_image_model *model,
                              const bl_fourier_class *c) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_text(b, out, "class", bl_image_label(model, c->class_index));
    bl_put_real(b, out, "effective_rank", c->effective_rank);
    bl_put_reals(b, out, "eigenvalues", c->values, c->n_values);
    bl_tree *vectors = bl_put_array(b, out, "vectors");
    for (size_t i = 0; i < c->n_vectors; i++) {
        bl_tree *v = bl_put_object(b, vectors, NULL);
        bl_put_count(b, v, "index", c->vectors[i].index);
        bl_put_real(b, v, "eigenvalue", c->vectors[i].eigenvalue);
        bl_put_count(b, v, "frequency", c->vectors[i].frequency);
        bl_put_real(b, v, "share", c->vectors[i].share);
    }
}

bl_tree *bl_fourier_tree(const bl_image_model *model, const bl_fourier *f, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_image_name(model));
    bl_put_count(&b, root, "p", f->p);
    put_score(&b, root, &f->score);
    bl_put_count(&b, root, "predictions", f->score.predictions);
    bl_put_count(&b, root, "units", f->units);
    bl_put_real(&b, root, "explained", f->explained);
    bl_put_real(&b, root, "block", f->block);
    bl_put_real(&b, root, "purity", f->purity);
    bl_tree *null = bl_put_object(&b, root, "null");
    bl_put_real(&b, null, "block", f->null_block);
    bl_put_real(&b, null, "purity", f->null_purity);
    bl_tree *frequencies = bl_put_array(&b, root, "frequencies");
    for (size_t i = 0; i < f->n_frequencies; i++) {
        bl_tree *row = bl_put_array(&b, frequencies, NULL);
        bl_put_count(&b, row, NULL, f->frequencies[i]);
        bl_put_real(&b, row, NULL, f->shares[i]);
        bl_put_real(&b, row, NULL, f->weights[i]);
    }
    bl_tree *classes = bl_put_array(&b, root, "classes");
    for (size_t i = 0; i < f->n_classes; i++) put_fourier_class(&b, classes, model, &f->classes[i]);
    return bl_tree_built(&b, root);
}
