/* Reading and writing dictionaries (docs/specification.md, 17). What a layout keeps apart is folded while it
 * is read:
 *
 *   scope     pre = W_enc (x - b_dec) [+ b]        ->  e = W_enc, o = [b] - W_enc b_dec, c = b_dec
 *   SAELens   pre = (x - b_dec) W_enc + b_enc      ->  e = W_enc^T, o = b_enc - W_enc^T b_dec, c = b_dec
 *             rescale_acts_by_decoder_norm: e, o times |f|, f divided by |f|
 *   transcoder, what it reads: pre = x W_enc + b_enc   ->  e = f = W_enc^T, o = b_enc, c = 0
 *               what it writes: y ~ z W_dec + b_dec    ->  e = f = W_dec, o = 0, c = 0
 *   matrix    pre = e . x                          ->  o = 0, f = e, c = 0 */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "linear/best.h"
#include "linear/dots.h"
#include "linear/gemm.h"
#include <bilens/dictionary.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_LIMIT ((size_t)1 << 20)
#define LARGEST ((size_t)1 << 40) /* F * d, so that nothing that follows overflows */

static bl_dictionary *empty(const char *name, size_t F, size_t d, bl_error *err) {
    size_t count;
    bl_dictionary *a = bl_alloc_zero(1, sizeof *a, err);
    if (!a) return NULL;
    if (!bl_mul_size(F, d, &count) || count > LARGEST || F == 0 || d == 0) count = SIZE_MAX;
    a->F = F;
    a->d = d;
    a->name = bl_strdup(name, err);
    a->encoder = bl_alloc(count, sizeof(float), err);
    a->decoder = bl_alloc(count, sizeof(float), err);
    a->offset = bl_alloc_zero(F, sizeof(float), err);
    a->centre = bl_alloc_zero(d, sizeof(float), err);
    if (a->name && a->encoder && a->decoder && a->offset && a->centre) return a;
    bl_dictionary_free(a);
    return NULL;
}

void bl_dictionary_free(bl_dictionary *a) {
    if (!a) return;
    free(a->name);
    free(a->encoder);
    free(a->decoder);
    free(a->offset);
    free(a->centre);
    free(a->threshold);
    free(a);
}

static bool all_finite(const bl_dictionary *a, bl_error *err) {
    const struct {
        const char *name;
        const float *data;
        size_t n;
    } parts[] = {{"encoder", a->encoder, a->F * a->d},
                 {"decoder", a->decoder, a->F * a->d},
                 {"offsets", a->offset, a->F},
                 {"b_dec", a->centre, a->d},
                 {"threshold", a->threshold, a->threshold ? a->F : 0}};
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
        for (size_t i = 0; i < parts[p].n; i++)
            if (!isfinite(parts[p].data[i]))
                return bl_fail(err, BL_ERR_INPUT, "%s: %s: element %zu is %s", a->name, parts[p].name, i,
                               isnan(parts[p].data[i]) ? "NaN" : "infinite");
    return true;
}

static bool check_width(const char *name, size_t found, size_t d, bl_error *err) {
    return d == 0 || found == d ||
           bl_fail(err, BL_ERR_INPUT, "%s: its features have %zu numbers, this model's have %zu", name, found,
                   d);
}

/* A tensor of the given shape (cols 0: a vector); NULL with the error filled in. */
static const bl_stored_tensor *tensor(const bl_safetensors *file, const char *name, size_t rows, size_t cols,
                                      bl_error *err) {
    const bl_stored_tensor *t = bl_safetensors_find(file, name);
    if (!t) return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' is missing", file->path, name);
    bool same = t->n_dims == (cols ? 2U : 1U) && t->shape[0] == rows && (!cols || t->shape[1] == cols);
    if (!same)
        return bl_fail_null(err, BL_ERR_INPUT,
                            "%s: tensor '%s' has %zu axes, [%zu, %zu]; [%zu, %zu] is expected", file->path,
                            name, t->n_dims, t->n_dims ? t->shape[0] : 0, t->n_dims > 1 ? t->shape[1] : 0,
                            rows, cols);
    if (!t->type)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' is %s; F32, F16, BF16 or F64 is expected",
                            file->path, name, t->dtype_name);
    return t;
}

/* out [rows, cols] = the tensor, or of one [cols, rows] its transpose. */
static bool read_matrix(const bl_safetensors *file, const char *name, size_t rows, size_t cols,
                        bool transposed, float *out, bl_error *err) {
    const bl_stored_tensor *t =
        transposed ? tensor(file, name, cols, rows, err) : tensor(file, name, rows, cols, err);
    if (!t) return false;
    if (!transposed) {
        bl_stored_tensor_read(t, out);
        return true;
    }
    float *stored = bl_alloc(t->count, sizeof *stored, err);
    if (!stored) return false;
    bl_stored_tensor_read(t, stored);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[r * cols + c] = stored[c * rows + r];
    free(stored);
    return true;
}

static bool read_vector(const bl_safetensors *file, const char *name, size_t n, float *out, bl_error *err) {
    const bl_stored_tensor *t = tensor(file, name, n, 0, err);
    if (t) bl_stored_tensor_read(t, out);
    return t != NULL;
}

/* o -= e . c, in float64. */
static void fold_centre(bl_dictionary *a) {
    for (size_t f = 0; f < a->F; f++) {
        double sum = 0;
        for (size_t i = 0; i < a->d; i++) sum += (double)a->encoder[f * a->d + i] * (double)a->centre[i];
        a->offset[f] = (float)((double)a->offset[f] - sum);
    }
}

/* True unless the key is absent, null, false, 0 or "none". */
static bool is_set(const json_t *config, const char *key) {
    const json_t *value = json_object_get(config, key);
    if (!value || json_is_null(value) || json_is_false(value)) return false;
    if (json_is_string(value))
        return strcmp(json_string_value(value), "none") != 0 && *json_string_value(value);
    return !json_is_number(value) || json_number_value(value) != 0;
}

static bool refuse(const json_t *config, const char *path, const char *const *keys, bl_error *err) {
    for (; *keys; keys++)
        if (is_set(config, *keys))
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "%s: \"%s\" changes what the features mean; it is not supported", path, *keys);
    return true;
}

static bool read_k(const json_t *value, const char *path, bl_dictionary *a, bl_error *err) {
    json_int_t k = json_integer_value(value);
    if (!json_is_integer(value) || k < 1 || (uint64_t)k > a->F)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: \"k\" must be an integer from 1 to %zu, the number of features", path, a->F);
    a->activation = BL_ACTIVATION_TOPK;
    a->k = (size_t)k;
    return true;
}

/* F and d from the tensor that has them, [F, d] or [d, F]. */
static bool sizes_of(const bl_safetensors *file, const char *name, bool transposed, size_t *F, size_t *d,
                     bl_error *err) {
    const bl_stored_tensor *t = bl_safetensors_find(file, name);
    if (!t || t->n_dims != 2)
        return bl_fail(err, BL_ERR_INPUT, "%s: tensor '%s' is missing, or no matrix", file->path, name);
    *F = t->shape[transposed ? 1 : 0];
    *d = t->shape[transposed ? 0 : 1];
    return true;
}

static bl_dictionary *read_scope(const char *source, const char *path, const json_t *config,
                                 const bl_safetensors *file, size_t d, bl_error *err) {
    static const char *const changing[] = {"bilinear_encoder", "token_lookup", "normalize", NULL};
    size_t F = 0, width = 0;
    if (!refuse(config, path, changing, err) || !sizes_of(file, "w_enc.weight", false, &F, &width, err) ||
        !check_width(source, width, d, err))
        return NULL;
    bl_dictionary *a = empty(source, F, width, err);
    bool ok = a && read_k(json_object_get(config, "k"), path, a, err) &&
              read_matrix(file, "w_enc.weight", F, width, false, a->encoder, err) &&
              read_matrix(file, "w_dec.weight", F, width, true, a->decoder, err) &&
              read_vector(file, "b_dec", width, a->centre, err);
    if (ok && json_is_true(json_object_get(config, "encoder_bias")))
        ok = read_vector(file, "w_enc.bias", F, a->offset, err);
    if (ok) fold_centre(a);
    if (ok && all_finite(a, err)) return a;
    bl_dictionary_free(a);
    return NULL;
}

static void fold_norms(bl_dictionary *a) {
    for (size_t f = 0; f < a->F; f++) {
        double norm = 0;
        for (size_t i = 0; i < a->d; i++)
            norm += (double)a->decoder[f * a->d + i] * (double)a->decoder[f * a->d + i];
        norm = sqrt(norm);
        for (size_t i = 0; i < a->d; i++) {
            a->encoder[f * a->d + i] = (float)((double)a->encoder[f * a->d + i] * norm);
            if (norm > 0) a->decoder[f * a->d + i] = (float)((double)a->decoder[f * a->d + i] / norm);
        }
        a->offset[f] = (float)((double)a->offset[f] * norm);
    }
}

static const char *text_of(const json_t *config, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(config, key));
    return text ? text : otherwise;
}

/* *kind is the architecture, of a transcoder that of its encoder. */
static bool is_transcoder(const json_t *config, const char **kind) {
    *kind = text_of(config, "architecture", "standard");
    bool plain = strcmp(*kind, "transcoder") == 0, jumps = strcmp(*kind, "jumprelu_transcoder") == 0;
    if (plain || jumps) *kind = jumps ? "jumprelu" : "standard";
    return plain || jumps;
}

static bool read_saelens_kind(const json_t *config, const char *path, const bl_safetensors *file,
                              bl_dictionary *a, bl_error *err) {
    const char *kind;
    is_transcoder(config, &kind);
    const char *activation = text_of(config, "activation_fn_str", text_of(config, "activation_fn", "relu"));
    if (strcmp(kind, "standard") != 0 && strcmp(kind, "jumprelu") != 0 && strcmp(kind, "topk") != 0)
        return bl_fail(
            err, BL_ERR_UNSUPPORTED,
            "%s: \"architecture\": \"%.60s\" is not supported; standard, jumprelu, topk, transcoder and "
            "jumprelu_transcoder are",
            path, kind);
    if (strcmp(kind, "topk") == 0 || strcmp(activation, "topk") == 0) {
        const json_t *k = json_object_get(config, "k");
        return read_k(k ? k : json_object_get(json_object_get(config, "activation_fn_kwargs"), "k"), path, a,
                      err);
    }
    if (strcmp(activation, "relu") != 0)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: activation \"%.60s\" is not supported; relu and topk are", path, activation);
    if (strcmp(kind, "standard") == 0) return true;
    a->activation = BL_ACTIVATION_JUMPRELU;
    a->threshold = bl_alloc(a->F, sizeof *a->threshold, err);
    return a->threshold && read_vector(file, "threshold", a->F, a->threshold, err);
}

static bl_dictionary *read_saelens(const char *source, const char *path, const json_t *config,
                                   const bl_safetensors *file, size_t d, bl_error *err) {
    static const char *const changing[] = {"normalize_activations", "reshape_activations", NULL};
    size_t F = 0, width = 0;
    if (!refuse(config, path, changing, err) || !sizes_of(file, "W_dec", false, &F, &width, err) ||
        !check_width(source, width, d, err))
        return NULL;
    bl_dictionary *a = empty(source, F, width, err);
    bool ok = a && read_saelens_kind(config, path, file, a, err) &&
              read_matrix(file, "W_enc", F, width, true, a->encoder, err) &&
              read_matrix(file, "W_dec", F, width, false, a->decoder, err) &&
              read_vector(file, "b_enc", F, a->offset, err) &&
              read_vector(file, "b_dec", width, a->centre, err);
    if (ok && !json_is_false(json_object_get(config, "apply_b_dec_to_input"))) fold_centre(a);
    if (ok && json_is_true(json_object_get(config, "rescale_acts_by_decoder_norm"))) fold_norms(a);
    if (ok && all_finite(a, err)) return a;
    bl_dictionary_free(a);
    return NULL;
}

/* One side of a transcoder: the vectors that it reads in, or those that it writes. */
static bl_dictionary *read_side(const char *source, const char *path, const json_t *config,
                                const bl_safetensors *file, bool in, size_t d, bl_error *err) {
    static const char *const changing[] = {"normalize_activations", "reshape_activations",
                                           "rescale_acts_by_decoder_norm", NULL};
    const char *name = in ? "W_enc" : "W_dec", *kind;
    size_t F = 0, width = 0;
    if (!is_transcoder(config, &kind) && strstr(kind, "transcoder"))
        return bl_fail_null(
            err, BL_ERR_UNSUPPORTED,
            "%s: \"architecture\": \"%.60s\" is not supported; transcoder and jumprelu_transcoder "
            "are",
            path, kind);
    if (!is_transcoder(config, &kind))
        return bl_fail_null(err, BL_ERR_INPUT, "%s: is no transcoder, which has two sides: leave %s away",
                            path, in ? ":in" : ":out");
    if (!refuse(config, path, changing, err) || !sizes_of(file, name, in, &F, &width, err) ||
        !check_width(source, width, d, err))
        return NULL;
    bl_dictionary *a = empty(source, F, width, err);
    bool ok = a && read_matrix(file, name, F, width, in, a->encoder, err);
    if (ok && in)
        ok = read_saelens_kind(config, path, file, a, err) && read_vector(file, "b_enc", F, a->offset, err);
    if (ok) memcpy(a->decoder, a->encoder, F * width * sizeof *a->decoder);
    if (ok && all_finite(a, err)) return a;
    bl_dictionary_free(a);
    return NULL;
}

static const char *const sides[] = {":in", ":out"};

/* The side that "DIR:in" or "DIR:out" names, 0 or 1; -1: no folder with a side. */
static int side_of(const char *source) {
    size_t n = strlen(source);
    char folder[4096];
    for (int i = 0; i < 2; i++) {
        size_t k = strlen(sides[i]);
        if (n <= k || n >= sizeof folder || strcmp(source + n - k, sides[i]) != 0) continue;
        memcpy(folder, source, n - k);
        folder[n - k] = '\0';
        if (bl_is_directory(folder)) return i;
    }
    return -1;
}

bool bl_dictionary_is_folder(const char *source) { return bl_is_directory(source) || side_of(source) >= 0; }

/* What a folder's files hold; `side` as side_of says. */
static bl_dictionary *read_files(const char *source, const char *path, bool saelens, const json_t *config,
                                 const bl_safetensors *file, int side, size_t d, bl_error *err) {
    const char *kind;
    if (!json_is_object(config))
        return bl_fail_null(err, BL_ERR_INPUT, "%s: a JSON object is expected", path);
    if (side >= 0) return read_side(source, path, saelens ? config : NULL, file, side == 0, d, err);
    if (!saelens) return read_scope(source, path, config, file, d, err);
    if (is_transcoder(config, &kind))
        return bl_fail_null(err, BL_ERR_INPUT,
                            "%s: is a transcoder: say %s:in for what it reads, %s:out for what it writes",
                            path, source, source);
    return read_saelens(source, path, config, file, d, err);
}

static bl_dictionary *read_folder(const char *source, int side, size_t d, bl_error *err) {
    static const char *const configs[] = {"cfg.json", "config.json"};
    static const char *const weights[] = {"sae_weights.safetensors", "model.safetensors"};
    bl_dictionary *a = NULL;
    char *folder = bl_strdup(source, err);
    if (folder && side >= 0) folder[strlen(source) - strlen(sides[side])] = '\0';
    bool found = false;
    for (size_t i = 0; folder && !found && i < 2; i++) {
        char *path = bl_path_join(folder, configs[i], err), *data = bl_path_join(folder, weights[i], err);
        bool named = path && data, there = named && bl_file_exists(path);
        json_t *config = there ? bl_json_read(path, CONFIG_LIMIT, err) : NULL;
        bl_safetensors *file = config ? bl_safetensors_open(data, err) : NULL;
        if (file) a = read_files(source, path, i == 0, config, file, side, d, err);
        bl_safetensors_free(file);
        json_decref(config);
        free(path);
        free(data);
        found = there || !named;
    }
    if (folder && !found)
        bl_fail(
            err, BL_ERR_INPUT,
            "%s: is no dictionary: it holds neither cfg.json (SAELens) nor config.json (the authors' layout)",
            folder);
    free(folder);
    return a;
}

/* FILE.safetensors with exactly one matrix is that matrix, whatever else it holds. */
static char *only_matrix(const char *source, bl_error *err) {
    size_t n = strlen(source), found = 0, at = 0;
    if (n < 12 || strcmp(source + n - 12, ".safetensors") != 0 || !bl_file_exists(source))
        return bl_strdup(source, err);
    bl_safetensors *file = bl_safetensors_open(source, err);
    for (size_t i = 0; file && i < file->n; i++)
        if (file->tensors[i].n_dims == 2) {
            found++;
            at = i;
        }
    char *name = NULL;
    size_t size = file && found == 1 ? n + 2 + strlen(file->tensors[at].name) : n + 1;
    if (file) name = bl_alloc(size, 1, err);
    if (name && found == 1) snprintf(name, size, "%s:%s", source, file->tensors[at].name);
    else if (name) snprintf(name, size, "%s", source);
    bl_safetensors_free(file);
    return name;
}

static bl_dictionary *read_plain(const char *source, size_t d, bl_error *err) {
    bl_named_array array;
    float *data = NULL;
    bl_dictionary *a = NULL;
    char *name = only_matrix(source, err);
    if (!name || !bl_array_read(name, &array, &data, err)) {
        free(name);
        return NULL;
    }
    if (array.n_dims != 2 || array.shape[0] == 0 || array.shape[1] == 0)
        bl_fail(err, BL_ERR_INPUT, "%s: a matrix [F, d] is expected, this array has %zu axes", source,
                array.n_dims);
    else if (check_width(source, array.shape[1], d, err))
        a = empty(source, array.shape[0], array.shape[1], err);
    if (a) {
        memcpy(a->encoder, data, a->F * a->d * sizeof *data);
        memcpy(a->decoder, data, a->F * a->d * sizeof *data);
    }
    free(data);
    free(name);
    if (!a || all_finite(a, err)) return a;
    bl_dictionary_free(a);
    return NULL;
}

bl_dictionary *bl_dictionary_read(const char *source, size_t d, bl_error *err) {
    bl_error_clear(err);
    int side = bl_is_directory(source) ? -1 : side_of(source);
    return side >= 0 || bl_is_directory(source) ? read_folder(source, side, d, err)
                                                : read_plain(source, d, err);
}

void bl_dictionary_pre(const bl_dictionary *a, const float *x, size_t m, float *pre) {
    bl_gemm_nt(m, a->F, a->d, 1.0F, x, a->d, a->encoder, a->d, 0.0F, pre, a->F);
    for (size_t p = 0; p < m; p++)
        for (size_t f = 0; f < a->F; f++) pre[p * a->F + f] += a->offset[f];
}

bool bl_dictionary_active(const bl_dictionary *a, const float *pre, size_t m, bool *active, bl_error *err) {
    bl_scored *list = a->activation == BL_ACTIVATION_TOPK ? bl_alloc(a->k, sizeof *list, err) : NULL;
    if (a->activation == BL_ACTIVATION_TOPK && !list) return false;
    for (size_t p = 0; p < m; p++) {
        const float *row = pre + p * a->F;
        bool *on = active + p * a->F;
        for (size_t f = 0; !list && f < a->F; f++)
            on[f] = row[f] > 0 && (!a->threshold || row[f] > a->threshold[f]);
        if (!list) continue;
        bl_best best = bl_best_begin(list, a->k);
        bl_best_offer_row(&best, 1.0F, row, a->F, 0);
        memset(on, 0, a->F * sizeof *on);
        for (size_t i = 0; i < best.n; i++) on[list[i].id] = list[i].value > 0;
    }
    free(list);
    return true;
}

#define ROWS ((size_t)64) /* whose pre-activations are in memory at a time */

bool bl_dictionary_reconstruct(const bl_dictionary *a, const float *x, size_t m, float *xhat, bool *active,
                               bl_error *err) {
    size_t F = a->F, d = a->d, most = m < ROWS ? m : ROWS;
    float *pre = bl_alloc(most * F, sizeof *pre, err);
    bool *own = active ? NULL : bl_alloc(most * F, sizeof *own, err), ok = pre && (active || own);
    for (size_t at = 0; ok && at < m; at += ROWS) {
        size_t rows = m - at < ROWS ? m - at : ROWS;
        bool *on = active ? active + at * F : own;
        bl_dictionary_pre(a, x + at * d, rows, pre);
        ok = bl_dictionary_active(a, pre, rows, on, err);
        for (size_t p = 0; ok && p < rows; p++) {
            float *out = xhat + (at + p) * d;
            memcpy(out, a->centre, d * sizeof *out);
            for (size_t f = 0; f < F; f++)
                if (on[p * F + f]) bl_axpy(d, pre[p * F + f], a->decoder + f * d, out);
        }
    }
    free(pre);
    free(own);
    return ok;
}

bl_basis bl_dictionary_basis(const bl_dictionary *a, bool encoder) {
    return (bl_basis){.name = "feature", .vectors = {encoder ? a->encoder : a->decoder, a->F, a->d, a->d}};
}

static float *transposed(const float *in, size_t rows, size_t cols, bl_error *err) {
    float *out = bl_alloc(rows * cols, sizeof *out, err);
    for (size_t r = 0; out && r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[c * rows + r] = in[r * cols + c];
    return out;
}

/* The offsets that the layout writes: o + e . c, what stands beside the folded centre; 0 where that is no
 * more than the rounding of o. */
static float *own_offsets(const bl_dictionary *a, bl_error *err) {
    float *out = bl_alloc(a->F, sizeof *out, err);
    for (size_t f = 0; out && f < a->F; f++) {
        double sum = (double)a->offset[f];
        for (size_t i = 0; i < a->d; i++) sum += (double)a->encoder[f * a->d + i] * (double)a->centre[i];
        out[f] = fabs(sum) <= (double)FLT_EPSILON * fabs((double)a->offset[f]) ? 0 : (float)sum;
    }
    return out;
}

static bool any(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0) return true;
    return false;
}

static bool write_config(const char *directory, const char *name, json_t *json, bl_error *err) {
    char *path = bl_path_join(directory, name, err);
    char *text = path ? bl_json_text(json, JSON_INDENT(1), err) : NULL;
    bool ok = text && bl_text_write(path, text, err);
    json_decref(json);
    free(text);
    free(path);
    return ok;
}

bool bl_dictionary_write(const bl_dictionary *a, const char *directory, bl_dictionary_layout layout,
                         const char *model, const char *point, size_t layer, bl_error *err) {
    bool scope = layout == BL_LAYOUT_SCOPE, ok = false;
    char hook[160];
    snprintf(hook, sizeof hook, "blocks.%zu.hook_%.100s", layer, point);
    if (a->activation != BL_ACTIVATION_TOPK)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: only TopK dictionaries are written", a->name);
    float *turned = scope ? transposed(a->decoder, a->F, a->d, err) : transposed(a->encoder, a->F, a->d, err);
    float *offsets = own_offsets(a, err);
    char *path = bl_make_directories(directory, err)
                   ? bl_path_join(directory, scope ? "model.safetensors" : "sae_weights.safetensors", err)
                   : NULL;
    if (!turned || !offsets || !path) goto done;
    if (scope) {
        const bl_named_array arrays[] = {{"b_dec", a->centre, 1, {a->d}},
                                         {"w_dec.weight", turned, 2, {a->d, a->F}},
                                         {"w_enc.weight", a->encoder, 2, {a->F, a->d}},
                                         {"w_enc.bias", offsets, 1, {a->F}}};
        bool biased = any(offsets, a->F);
        ok = bl_safetensors_write(path, arrays, biased ? 4 : 3, err) &&
             write_config(directory, "config.json",
                          json_pack("{s:[s, I], s:s, s:I, s:I, s:I, s:b, s:b, s:b, s:n, s:b}", "point", point,
                                    (json_int_t)layer, "model", model, "d_model", (json_int_t)a->d,
                                    "n_features", (json_int_t)a->F, "k", (json_int_t)a->k, "encoder_bias",
                                    biased, "bilinear_encoder", 0, "token_lookup", 0, "normalize",
                                    "normalize_decoder", 1),
                          err);
    } else {
        const bl_named_array arrays[] = {{"W_dec", a->decoder, 2, {a->F, a->d}},
                                         {"W_enc", turned, 2, {a->d, a->F}},
                                         {"b_dec", a->centre, 1, {a->d}},
                                         {"b_enc", offsets, 1, {a->F}}};
        ok = bl_safetensors_write(path, arrays, 4, err) &&
             write_config(directory, "cfg.json",
                          json_pack("{s:s, s:I, s:I, s:I, s:b, s:s, s:s, s:b, s:s, s:{s:s, s:s}}",
                                    "architecture", "topk", "d_in", (json_int_t)a->d, "d_sae",
                                    (json_int_t)a->F, "k", (json_int_t)a->k, "apply_b_dec_to_input", 1,
                                    "normalize_activations", "none", "reshape_activations", "none",
                                    "rescale_acts_by_decoder_norm", 0, "dtype", "float32", "metadata",
                                    "model_name", model, "hook_name", hook),
                          err);
    }
done:
    free(turned);
    free(offsets);
    free(path);
    return ok;
}
