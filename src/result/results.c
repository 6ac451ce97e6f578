/* Results as trees: the contract of the command line, keys in the contract's order. Keys beyond the contract:
 * direction; architecture; size, effective_rank, constant, centred, groups, position, group, sources.bias;
 * bias. A number of an eigen or a scan result that is not finite is an error: such weights mean nothing. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "format/json.h"
#include "result/results.h"
#include <bilens/blas.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 10 };

static void number(bl_builder *b, bl_tree *at, const char *key, double value) {
    if (isfinite(value)) bl_put_real(b, at, key, value);
    else
        bl_builder_fail(b, BL_ERR_NUMERIC,
                        "a result is not a number (NaN or infinity): the weights are too large or damaged");
}

static void numbers(bl_builder *b, bl_tree *at, const char *key, const float *values, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; list && i < n; i++) number(b, list, NULL, (double)values[i]);
}

void bl_put_token(bl_builder *b, bl_tree *at, const char *key, const bl_model *model, int64_t id) {
    char space[BL_LABEL_SPACE];
    bl_basis tokens = bl_model_basis_in(model);
    bl_put_text(b, at, key, bl_basis_label(&tokens, (size_t)(id < 0 ? 0 : id), space));
}

void bl_put_tokens(bl_builder *b, bl_tree *at, const char *key, const bl_model *model, const int32_t *ids,
                   size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; list && i < n; i++) bl_put_token(b, list, NULL, model, ids[i]);
}

static const char *mlp_name(const bl_config *config, char out[48]) {
    if (config->plain) return "plain";
    if (bl_config_is_bilinear(config)) return "bilinear";
    snprintf(out, 48, "gated by %s", bl_gate_name(config->gate));
    return out;
}

static void architecture(bl_builder *b, bl_tree *root, const bl_config *config) {
    bl_tree *out = bl_put_object(b, root, "architecture");
    char name[48];
    bl_put_text(b, out, "kind", bl_config_architecture(config));
    bl_put_count(b, out, "n_vocab", config->n_vocab);
    bl_put_count(b, out, "n_layer", config->n_layer);
    bl_put_count(b, out, "n_head", config->n_head);
    bl_put_count(b, out, "n_kv_head", config->n_kv_head);
    bl_put_count(b, out, "head_dim", config->head_dim);
    bl_put_count(b, out, "n_ctx", config->n_ctx);
    bl_put_count(b, out, "d_model", config->d_model);
    bl_put_count(b, out, "d_hidden", config->d_hidden);
    bl_put_text(b, out, "mlp", mlp_name(config, name));
    bl_put_flag(b, out, "mlp_bias", config->bias_w || config->bias_p);
    bl_put_text(b, out, "normalization", bl_config_norm(config));
    bl_put_flag(b, out, "tied", config->tied);
}

static void tensor(bl_builder *b, bl_tree *list, const bl_tensor_info *info) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_text(b, out, "name", info->name);
    bl_tree *shape = bl_put_array(b, out, "shape");
    for (size_t k = 0; k < info->n_dims; k++) bl_put_count(b, shape, NULL, info->shape[k]);
    bl_put_text(b, out, "dtype", info->dtype);
}

bl_tree *bl_info_tree(const bl_model *model, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    const char *generation = bl_config_generation(bl_model_config(model));
    if (generation) bl_put_text(&b, root, "generation", generation);
    bl_put_tree(&b, root, "config", bl_tree_parse(bl_model_config_json(model), "config.json", err));
    architecture(&b, root, bl_model_config(model));
    bl_put_count(&b, root, "parameters", bl_model_parameters(model));
    bl_tree *tensors = bl_put_array(&b, root, "tensors");
    for (size_t i = 0; i < bl_model_n_tensors(model); i++) {
        bl_tensor_info info = bl_model_tensor_info(model, i);
        tensor(&b, tensors, &info);
    }
    return bl_tree_built(&b, root);
}

/* "surrogate": what stands for the layer's MLP is worth that much. */
void bl_put_quality(bl_builder *b, bl_tree *root, const bl_model *model, size_t layer) {
    const bl_surrogate *s = bl_model_surrogate(model);
    const bl_surrogate_layer *l = s ? bl_surrogate_of(s, layer, NULL) : NULL;
    if (!l) return;
    bl_tree *out = bl_put_object(b, root, "surrogate");
    bl_put_real(b, out, "r2", l->r2);
    bl_put_real(b, out, "r2_linear", l->r2_linear);
    bl_put_real(b, out, "recovered", l->recovered);
    bl_put_count(b, out, "positions", s->fit_positions);
}

void bl_put_asked(bl_builder *b, bl_tree *root, const bl_question *question) {
    const bl_direction *direction = question->direction;
    bl_basis basis = bl_model_basis_out(question->model);
    bl_put_text(b, root, "token", direction->token);
    bl_tree *minus = bl_put_array(b, root, "minus");
    for (size_t i = 0; i < direction->n_minus; i++) bl_put_text(b, minus, NULL, direction->minus[i]);
    if (direction->minus_all) bl_put_text(b, minus, NULL, "*");
    char *canonical = b->failed ? NULL : bl_direction_text(direction, &basis, b->err);
    if (!canonical) b->failed = true;
    bl_put_text(b, root, "direction", canonical);
    bl_free(canonical);
}

void bl_put_subject(bl_builder *b, bl_tree *root, const bl_question *question) {
    bl_put_text(b, root, "model", bl_model_name(question->model));
    bl_put_count(b, root, "layer", question->layer);
    bl_put_asked(b, root, question);
    bl_put_quality(b, root, question->model, question->layer);
}

static void put_run(bl_builder *b, bl_tree *at, const char *key, size_t first, size_t last) {
    bl_tree *pair = bl_put_array(b, at, key);
    bl_put_count(b, pair, NULL, first);
    bl_put_count(b, pair, NULL, last);
}

/* [[token, value], …] */
static void entries(bl_builder *b, bl_tree *at, const char *key, const bl_basis *basis, const bl_entry *from,
                    size_t n) {
    char space[BL_LABEL_SPACE];
    bl_tree *out = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *pair = bl_put_array(b, out, NULL);
        bl_put_text(b, pair, NULL, bl_basis_label(basis, from[i].index[0], space));
        number(b, pair, NULL, (double)from[i].value);
    }
}

size_t bl_put_extremes(bl_builder *b, bl_tree *at, const bl_basis *basis, const float *values, size_t k) {
    size_t n = 0, size = bl_basis_size(basis), used = bl_basis_n_used(basis);
    if (k > used) k = used;
    bl_entry *list = b->failed ? NULL : bl_alloc(2 * k, sizeof *list, b->err); /* top, then bottom */
    float *named = list ? bl_alloc(size, sizeof *named, b->err) : NULL;
    for (size_t i = 0; named && i < size; i++) named[i] = bl_basis_used(basis, i) ? values[i] : NAN;
    bl_named_array array = {.data = named, .n_dims = 1, .shape = {size}};
    if (!named || !bl_describe(&array, k, list, BL_PART(list, k), &n, b->err)) b->failed = true;
    entries(b, at, "top", basis, list, n);
    entries(b, at, "bottom", basis, BL_PART(list, k), n);
    free(list);
    free(named);
    return n;
}

/* How eigenvectors are read: a basis through its paths. */
typedef struct readout {
    bl_basis basis;
    bl_path *paths; /* [n_paths] */
    size_t n_paths;
    float *space; /* [n_paths, V] */
} readout;

static bool readout_init(readout *r, const bl_question *question, bl_error *err) {
    size_t cells;
    *r = (readout){.basis = bl_model_basis_in(question->model),
                   .paths = bl_model_paths(question->model, question->layer, err),
                   .n_paths = bl_model_n_paths(question->model)};
    if (!r->paths) return false;
    if (!bl_mul_size(r->n_paths, bl_basis_size(&r->basis), &cells)) cells = SIZE_MAX;
    r->space = bl_alloc(cells, sizeof *r->space, err);
    return r->space != NULL;
}

static void readout_free(readout *r) {
    bl_free(r->paths);
    free(r->space);
}

/* What v [n] reads in the basis, path by path. */
static void sources(bl_builder *b, bl_tree *at, const readout *r, const bl_eigen *eigen, const float *v) {
    size_t n = bl_basis_size(&r->basis), d = bl_basis_width(&r->basis);
    bl_tree *out = bl_put_object(b, at, "sources");
    if (b->failed) return;
    if (!bl_readout(&r->basis, r->paths, r->n_paths, v, r->space, b->err)) {
        b->failed = true;
        return;
    }
    for (size_t s = 0; s < r->n_paths && !b->failed; s++) {
        bl_tree *at_path = bl_put_object(b, out, r->paths[s].name);
        size_t shown = bl_put_extremes(b, at_path, &r->basis, r->space + s * n, SHOWN);
        if (shown < SHOWN && shown < bl_basis_n_used(&r->basis))
            bl_builder_fail(b, BL_ERR_NUMERIC,
                            "virtual tokens are not numbers (NaN): the weights are too large or damaged");
    }
    if (bl_eigen_size(eigen) > d) {
        bl_tree *bias = bl_put_object(b, out, "bias");
        number(b, bias, "value", (double)v[bl_eigen_size(eigen) - 1]);
    }
}

/* False with an error when `index` is not of this spectrum. */
static bool locate(bl_builder *b, const bl_eigen *eigen, long index, size_t *position) {
    long n = (long)bl_eigen_size(eigen);
    *position = (size_t)(index < 0 ? n + index : index);
    if (index >= -n && index < n) return true;
    return bl_builder_fail(b, BL_ERR_USAGE, "eigenvector %ld: indices from %ld to %ld exist", index, -n,
                           n - 1);
}

/* "group", where eigenvalue `position` is in one. */
static void put_group(bl_builder *b, bl_tree *at, const bl_eigen *eigen, size_t position) {
    size_t first, last;
    bl_eigen_group(eigen, position, &first, &last);
    if (last > first) put_run(b, at, "group", first, last);
}

/* "span": what a group's projector reads: per path the tokens m of largest |V m|, V the group's vectors. None
 * where not all of them were computed. */
static void put_span(bl_builder *b, bl_tree *at, const readout *r, const bl_eigen *eigen, size_t position) {
    size_t first, last, n = bl_basis_size(&r->basis), cells = r->n_paths * n;
    bl_eigen_group(eigen, position, &first, &last);
    if (first == last || b->failed) return;
    for (size_t i = first; i <= last; i++)
        if (!bl_eigen_vector(eigen, (long)i)) return;
    float *sums = bl_alloc_zero(cells, sizeof *sums, b->err);
    bool ok = sums != NULL;
    for (size_t i = first; ok && i <= last; i++) {
        ok = bl_readout(&r->basis, r->paths, r->n_paths, bl_eigen_vector(eigen, (long)i), r->space, b->err);
        for (size_t c = 0; ok && c < cells; c++) sums[c] += r->space[c] * r->space[c];
    }
    for (size_t c = 0; ok && c < cells; c++) sums[c] = sqrtf(sums[c]);
    bl_tree *span = bl_put_object(b, at, "span");
    for (size_t s = 0; ok && s < r->n_paths && !b->failed; s++)
        bl_put_extremes(b, bl_put_object(b, span, r->paths[s].name), &r->basis, sums + s * n, SHOWN);
    if (!ok) b->failed = true;
    free(sums);
}

static void vector(bl_builder *b, bl_tree *list, const readout *r, const bl_eigen *eigen, long index) {
    size_t position;
    if (!locate(b, eigen, index, &position)) return;
    const float *v = bl_eigen_vector(eigen, index);
    if (!v) {
        bl_builder_fail(b, BL_ERR_USAGE,
                        "an eigenvector is asked for that was not computed: ask bl_eigen_new for more pairs, "
                        "or for all with k = 0");
        return;
    }
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_integer(b, out, "index", index);
    number(b, out, "eigenvalue", (double)bl_eigen_values(eigen)[position]);
    bl_put_count(b, out, "position", position);
    put_group(b, out, eigen, position);
    put_span(b, out, r, eigen, position);
    sources(b, out, r, eigen, v);
}

static void put_spectrum(bl_builder *b, bl_tree *root, const bl_eigen *eigen) {
    size_t n = bl_eigen_size(eigen), first, last;
    bl_put_count(b, root, "size", n);
    number(b, root, "shift", bl_eigen_shift(eigen));
    number(b, root, "effective_rank", bl_eigen_effective_rank(eigen));
    number(b, root, "constant", (double)bl_eigen_constant(eigen));
    numbers(b, root, "eigenvalues", bl_eigen_values(eigen), n);
    bl_tree *groups = bl_put_array(b, root, "groups");
    for (size_t i = 0; i < n; i = last + 1) {
        bl_eigen_group(eigen, i, &first, &last);
        if (last > first) put_run(b, groups, NULL, first, last);
    }
}

/* "linear": the linear part of a surrogate's form as one more direction; "constant" without the output bias.
 */
static void put_linear(bl_builder *b, bl_tree *root, const bl_question *question, const readout *r,
                       const bl_eigen *eigen) {
    const bl_surrogate *s = bl_model_surrogate(question->model);
    size_t d = bl_basis_width(&r->basis);
    bl_basis tokens = bl_model_basis_out(question->model);
    bl_bilinear map;
    if (!s || b->failed) return;
    float *u = bl_alloc(2 * d, sizeof *u, b->err), *linear = u ? u + d : NULL;
    double square = 0;
    if (!u || !bl_model_bilinear(question->model, question->layer, &map, b->err) ||
        !bl_direction_vector(question->direction, &tokens, u, b->err)) {
        b->failed = true;
        free(u);
        return;
    }
    bl_bilinear_linear(&map, u, linear);
    for (size_t i = 0; i < d; i++) square += (double)linear[i] * (double)linear[i];
    bl_tree *out = bl_put_object(b, root, "linear");
    number(b, out, "norm", sqrt(square));
    sources(b, out, r, eigen, linear);
    number(b, root, "constant", (double)bl_eigen_constant(eigen) - bl_surrogate_bias(s, question->layer, u));
    free(u);
}

bl_tree *bl_eigen_tree(const bl_question *subject, const bl_eigen *eigen, const long *indices,
                       size_t n_indices, bl_error *err) {
    bl_builder b = {err, false};
    readout r;
    if (!readout_init(&r, subject, err)) {
        readout_free(&r);
        return NULL;
    }
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, subject);
    bl_put_count(&b, root, "d_model", bl_basis_width(&r.basis));
    bl_put_flag(&b, root, "centred", subject->direction->centre_unembedding);
    put_spectrum(&b, root, eigen);
    put_linear(&b, root, subject, &r, eigen);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t i = 0; i < n_indices && !b.failed; i++) vector(&b, vectors, &r, eigen, indices[i]);
    readout_free(&r);
    return bl_tree_built(&b, root);
}

bl_tree *bl_put_match(bl_builder *b, bl_tree *at, const bl_model *model, const bl_match *from) {
    size_t n = from->position + 1;
    bl_tree *out = bl_put_object(b, at, NULL);
    bl_put_count(b, out, "story", from->story);
    bl_put_count(b, out, "position", from->position);
    bl_put_token(b, out, "token", model, from->ids[from->position]);
    number(b, out, "activation", (double)from->activation);
    number(b, out, "similarity", (double)from->similarity);
    number(b, out, "bias", (double)from->bias);
    numbers(b, out, "contributions", from->contributions, n);
    if (from->heads) {
        bl_tree *rows = bl_put_array(b, out, "heads");
        for (size_t h = 0; h <= from->n_heads; h++) numbers(b, rows, NULL, from->heads + h * n, n);
    }
    bl_put_tokens(b, out, "tokens", model, from->ids, n);
    bl_put_tokens(b, out, "next", model, from->ids + n, from->n_ids - n);
    return out;
}

bl_tree *bl_match_tree(const bl_model *model, const bl_match *found, bl_error *err) {
    bl_builder b = {err, false};
    return bl_tree_built(&b, bl_put_match(&b, NULL, model, found));
}

void bl_put_orientation(bl_builder *b, bl_tree *vectors) {
    double ends[2] = {0, 0};
    json_t *hits = json_array_get(vectors, json_array_size(vectors) - 1), *match;
    size_t i;
    json_array_foreach(json_object_get(hits, "matches"), i, match)
        ends[bl_tree_real(match, "similarity") < 0] += fabs(bl_tree_real(match, "activation"));
    if (hits) bl_put_integer(b, hits, "orientation", ends[1] > ends[0] ? -1 : 1);
}

bl_tree *bl_put_hits(bl_builder *b, bl_tree *list, const bl_eigen *eigen, long index) {
    size_t position;
    if (!locate(b, eigen, index, &position)) return NULL;
    bl_tree *hits = bl_put_object(b, list, NULL);
    bl_put_integer(b, hits, "index", index);
    number(b, hits, "eigenvalue", (double)bl_eigen_values(eigen)[position]);
    put_group(b, hits, eigen, position);
    return bl_put_array(b, hits, "matches");
}

bl_tree *bl_scan_tree(const bl_question *subject, const bl_eigen *eigen, const bl_scan *scan,
                      const long *indices, size_t n_indices, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, subject);
    number(&b, root, "shift", bl_eigen_shift(eigen));
    bl_put_count(&b, root, "stories", bl_scan_stories(scan));
    bl_put_count(&b, root, "positions", bl_scan_positions(scan));
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < n_indices && !b.failed; j++) {
        bl_tree *matches = bl_put_hits(&b, vectors, eigen, indices[j]);
        for (size_t i = 0; i < bl_scan_n_matches(scan, j) && !b.failed; i++) {
            bl_match found = bl_scan_match(scan, j, i);
            bl_put_match(&b, matches, subject->model, &found);
        }
        if (!b.failed) bl_put_orientation(&b, vectors);
    }
    return bl_tree_built(&b, root);
}

/* The hits of eigenvector `index` of n, which may be counted from either end; NULL when none were found. */
static const json_t *hits_of(const bl_tree *scan, json_int_t index, json_int_t n) {
    const json_t *hits;
    size_t i;
    json_array_foreach(json_object_get(scan, "vectors"), i, hits)
        if ((json_integer_value(json_object_get(hits, "index")) - index) % n == 0)
            return json_array_size(json_object_get(hits, "matches")) ? hits : NULL;
    return NULL;
}

bool bl_eigen_tree_orient(bl_tree *eigen, const bl_tree *scan, bl_error *err) {
    bl_builder b = {err, false};
    json_int_t n = (json_int_t)json_array_size(json_object_get(eigen, "eigenvalues"));
    json_t *vector;
    size_t i;
    json_array_foreach(json_object_get(eigen, "vectors"), i, vector) {
        const json_t *hits = hits_of(scan, json_integer_value(json_object_get(vector, "index")), n);
        if (hits)
            bl_put_integer(&b, vector, "orientation",
                           json_integer_value(json_object_get(hits, "orientation")));
    }
    return !b.failed;
}

void bl_put_made_by(bl_builder *b, bl_tree *root) {
    bl_put_text(b, root, "version", bl_version());
    bl_put_text(b, root, "blas", bl_blas_name()); /* threads and ranks change no byte of a result */
}

bl_tree *bl_report_tree(const bl_tree *info, const bl_tree *eigen, const bl_tree *scan,
                        const char *const *corpus, size_t n_corpus, bl_error *err) {
    bl_builder b = {err, false};
    const struct {
        const char *name;
        const bl_tree *tree;
    } parts[] = {{"info", info}, {"eigen", eigen}, {"scan", scan}};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "format", "bilens report 1");
    bl_put_made_by(&b, root);
    for (size_t i = 0; i < 3; i++)
        bl_put_tree(&b, root, parts[i].name,
                    parts[i].tree == eigen ? bl_json_copy(eigen, err)
                                           : json_incref((json_t *)(uintptr_t)parts[i].tree));
    if (!b.failed && !bl_eigen_tree_orient(json_object_get(root, "eigen"), scan, err)) b.failed = true;
    bl_tree *files = bl_put_array(&b, root, "corpus");
    for (size_t i = 0; i < n_corpus; i++) bl_put_text(&b, files, NULL, corpus[i]);
    return bl_tree_built(&b, root);
}

bool bl_report_add_heads(bl_tree *report, bl_tree *heads, bl_error *err) {
    bl_builder b = {err, false};
    if (!heads) return false;
    bl_put_tree(&b, report, "heads", heads);
    return !b.failed;
}
