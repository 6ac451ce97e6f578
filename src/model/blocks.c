/* From the stored tensors to the blocks that the forward pass reads: check every name and shape against the
 * parameter table, then place or fold.
 *
 * Folding (docs/specification.md, 4): N(x) = x / rms(x) * weight feeds only matrices, so that M N(x) = (M
 * diag(weight)) (x / rms(x)): n1 goes into qkv, n2 into L and R, n_f into W_U. bilens's own checkpoints are
 * folded when they are loaded. Ordinary models stay as they were stored; bl_model_unfold makes the folded
 * float32 views of a layer when somebody asks for them. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/architecture.h"
#include "model/architecture/gguf.h"
#include "model/model_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

float *bl_model_own(bl_model *model, size_t count, bl_error *err) {
    if (!bl_grow(&model->owned, &model->owned_capacity, model->n_owned + 1, sizeof *model->owned, err))
        return NULL;
    float *data = bl_alloc(count ? count : 1, sizeof *data, err);
    if (data) model->owned[model->n_owned++] = data;
    return data;
}

static const char *shape_text(const bl_weight *weight, char text[64]) {
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < weight->n_dims && n < 48; i++)
        n += (size_t)snprintf(text + n, 64 - n, "%s%zu", i ? ", " : "", weight->shape[i]);
    return text;
}

/* The tensor of a parameter, its shape and type checked. */
static const bl_weight *find_stored(const bl_model *model, const bl_param *param, bl_error *err) {
    const bl_weight *weight = bl_weights_find(&model->weights, param->name);
    bool turned = param->layout == BL_LAYOUT_COLUMNS;
    size_t rows = turned ? param->cols : param->rows, cols = turned ? param->rows : param->cols;
    const char *from = model->weights.gguf ? "the file's keys" : "config.json";
    char text[64];
    if (!weight) weight = bl_weights_find(&model->weights, param->other_name);
    if (!weight)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' is missing", model->name, param->name);
    bool same = weight->n_dims == param->n_dims && weight->shape[0] == rows &&
                (param->n_dims == 1 || weight->shape[1] == cols);
    if (!same && param->n_dims == 1)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' has shape [%s], expected [%zu] from %s",
                            model->name, weight->stored_name, shape_text(weight, text), rows, from);
    if (!same)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' has shape [%s], expected [%zu, %zu] from %s",
                            model->name, weight->stored_name, shape_text(weight, text), rows, cols, from);
    if (!weight->type || (weight->type == &bl_type_u8 && param->n_dims > 1))
        return bl_fail_null(err, BL_ERR_INPUT, "%s: tensor '%s' has dtype %s, expected F32, F16, BF16 or F64",
                            model->name, weight->stored_name, weight->type_name);
    return weight;
}

/* True for weights of norms, which an architecture may store as w - 1. */
static bool is_norm(bl_param_kind kind) {
    switch (kind) {
    case BL_PARAM_N1:
    case BL_PARAM_N2:
    case BL_PARAM_NF:
    case BL_PARAM_N1_POST:
    case BL_PARAM_N2_POST:
    case BL_PARAM_Q_NORM:
    case BL_PARAM_K_NORM: return true;
    default: return false;
    }
}

/* Where row r of q, k, v one above the other stands when they lie head by head. */
static size_t head_row(const bl_config *c, size_t r) {
    size_t k = c->head_dim, part = r / (c->n_head * k), within = r % (c->n_head * k);
    return within / k * 3 * k + part * k + within % k;
}

/* Where row r, of halves of a head, stands when the pairs are side by side. */
static size_t pair_row(size_t k, size_t r) {
    size_t j = r % k;
    return r - j + (j < k / 2 ? 2 * j : 2 * (j - k / 2) + 1);
}

/* Float32 numbers of a vector, or of a matrix that is not used as it is stored. */
static bool read_floats(bl_model *model, size_t i, bl_error *err) {
    const bl_param *param = &model->params.list[i];
    const bl_weight *weight = model->stored[i];
    float offset = is_norm(param->kind) && !model->plan.stored_offset ? model->plan.norm_offset : 0;
    bool plain = param->layout == BL_LAYOUT_ROWS && offset == 0;
    if (plain && (model->raw[i] = bl_weight_view(weight))) return true;
    float *out = bl_model_own(model, param->count, err), *stored = out;
    if (out && param->layout != BL_LAYOUT_ROWS) stored = bl_alloc(param->count, sizeof *stored, err);
    if (!out || !stored) return false;
    bl_weight_read(weight, stored);
    size_t rows = param->rows, cols = param->cols;
    if (param->layout == BL_LAYOUT_COLUMNS)
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < cols; c++) out[r * cols + c] = stored[c * rows + r];
    if (param->layout == BL_LAYOUT_HEADS)
        for (size_t r = 0; r < rows; r++)
            memcpy(out + r * cols, stored + head_row(&model->config, r) * cols, cols * sizeof *out);
    for (size_t r = 0; param->layout == BL_LAYOUT_PAIRS && r < rows; r++)
        memcpy(out + r * cols, stored + pair_row(model->config.head_dim, r) * cols, cols * sizeof *out);
    for (size_t j = 0; offset != 0 && j < param->count; j++) out[j] += offset;
    if (stored != out) free(stored);
    model->raw[i] = out;
    return true;
}

/* Whether a matrix can be used where it lies, converted by panels. */
static bool stays_stored(const bl_model *model, const bl_param *param) {
    return !model->config.architecture->generation && param->n_dims == 2 &&
           (param->layout == BL_LAYOUT_ROWS || param->layout == BL_LAYOUT_PAIRS);
}

/* Every stored tensor is in the table, or one that its architecture knows to be no parameter. */
static bool check_no_strangers(const bl_model *model, bl_error *err) {
    const bl_architecture *a = model->config.architecture;
    for (size_t i = 0; i < model->weights.n; i++) {
        const char *name = model->weights.list[i].name;
        bool known = a->harmless && a->harmless(&model->config, name);
        for (size_t j = 0; j < model->params.n && !known; j++)
            known = strcmp(name, model->params.list[j].name) == 0 ||
                    strcmp(name, model->params.list[j].other_name) == 0 ||
                  &model->weights.list[i] == model->stored[j];
        if (!known)
            return bl_fail(err, BL_ERR_INPUT,
                           "%s: tensor '%s' is not part of the model that config.json describes", model->name,
                           name);
    }
    return true;
}

static size_t find_param(const bl_model *model, bl_param_kind kind, size_t layer) {
    return bl_params_find(&model->params, kind, layer);
}

static const float *raw(const bl_model *model, bl_param_kind kind, size_t layer) {
    size_t i = find_param(model, kind, layer);
    return i < model->params.n ? model->raw[i] : NULL;
}

static bl_matrix of_view(bl_view view) {
    return (bl_matrix){.rows = view.rows, .cols = view.cols, .data = view.data, .stride = view.stride};
}

/* A parameter as a matrix; nothing if the model has none such. */
static bl_matrix matrix(const bl_model *model, bl_param_kind kind, size_t layer) {
    size_t i = find_param(model, kind, layer);
    if (i == model->params.n) return (bl_matrix){0};
    const bl_param *param = &model->params.list[i];
    const bl_weight *weight = model->stored[i];
    if (model->raw[i]) return of_view((bl_view){model->raw[i], param->rows, param->cols, param->cols});
    return (bl_matrix){.rows = param->rows,
                       .cols = param->cols,
                       .stored = weight->data,
                       .type = weight->type,
                       .row_bytes = param->cols / weight->type->block * weight->type->bytes,
                       .pair = param->layout == BL_LAYOUT_PAIRS ? model->config.head_dim : 0};
}

static void put(bl_matrix *list, size_t *n, bl_matrix m) {
    if (!bl_matrix_is(&m)) return;
    if (*n > 0 && bl_matrix_follows(&list[*n - 1], &m)) list[*n - 1].rows += m.rows;
    else list[(*n)++] = m;
}

/* Parts of a bias one behind the other; NULL in *out where the model has none of them. A part that is
 * missing is 0. */
static bool join(bl_model *model, const bl_param_kind *kinds, size_t n, size_t layer, const float **out,
                 bl_error *err) {
    size_t count = 0, at = 0, present = 0, last = 0;
    for (size_t j = 0; j < n; j++) {
        size_t i = find_param(model, kinds[j], layer);
        if (i == model->params.n) continue;
        count += model->params.list[i].count;
        present++;
        last = i;
    }
    *out = NULL;
    if (present == 0) return true;
    if (present == 1) {
        *out = model->raw[last];
        return true;
    }
    float *data = bl_model_own(model, count, err);
    for (size_t j = 0; data && j < n; j++) {
        size_t i = find_param(model, kinds[j], layer);
        if (i == model->params.n) continue;
        memcpy(data + at, model->raw[i], model->params.list[i].count * sizeof *data);
        at += model->params.list[i].count;
    }
    *out = data;
    return data != NULL;
}

/* A layer of an ordinary model, nothing folded. */
static bool place(bl_model *model, size_t i, bl_error *err) {
    static const bl_param_kind qkv[] = {BL_PARAM_QKV, BL_PARAM_Q, BL_PARAM_K, BL_PARAM_V},
                               b_qkv[] = {BL_PARAM_QKV_BIAS, BL_PARAM_Q_BIAS, BL_PARAM_K_BIAS,
                                          BL_PARAM_V_BIAS},
                               w[] = {BL_PARAM_W, BL_PARAM_L, BL_PARAM_R},
                               b_w[] = {BL_PARAM_W_BIAS, BL_PARAM_L_BIAS, BL_PARAM_R_BIAS};
    bl_block_weights *b = &model->blocks[i];
    for (size_t j = 0; j < sizeof qkv / sizeof *qkv; j++) put(b->qkv, &b->n_qkv, matrix(model, qkv[j], i));
    for (size_t j = 0; j < sizeof w / sizeof *w; j++) put(b->w, &b->n_w, matrix(model, w[j], i));
    b->o = matrix(model, BL_PARAM_O, i);
    b->p = matrix(model, BL_PARAM_P, i);
    b->b_o = raw(model, BL_PARAM_O_BIAS, i);
    b->b_p = raw(model, BL_PARAM_P_BIAS, i);
    b->n1 = (bl_norm_weights){raw(model, BL_PARAM_N1, i), raw(model, BL_PARAM_N1_BIAS, i)};
    b->n2 = (bl_norm_weights){raw(model, BL_PARAM_N2, i), raw(model, BL_PARAM_N2_BIAS, i)};
    b->n1_post = (bl_norm_weights){raw(model, BL_PARAM_N1_POST, i), NULL};
    b->n2_post = (bl_norm_weights){raw(model, BL_PARAM_N2_POST, i), NULL};
    b->q_norm = raw(model, BL_PARAM_Q_NORM, i);
    b->k_norm = raw(model, BL_PARAM_K_NORM, i);
    b->flags = bl_plan_layer(&model->plan, i);
    return join(model, b_qkv, sizeof b_qkv / sizeof *b_qkv, i, &b->b_qkv, err) &&
           join(model, b_w, sizeof b_w / sizeof *b_w, i, &b->b_w, err);
}

/* matrix [rows, cols] times diag(weight); the matrix itself when there is no weight. */
static const float *fold(bl_model *model, const float *from, size_t rows, size_t cols, const float *weight,
                         bl_error *err) {
    if (!weight) return from;
    float *out = bl_model_own(model, rows * cols, err);
    for (size_t r = 0; out && r < rows; r++)
        for (size_t c = 0; c < cols; c++) out[r * cols + c] = from[r * cols + c] * weight[c];
    return out;
}

/* A layer of a bilinear checkpoint: its folded views, and the block on them. */
static bool fold_layer(bl_model *model, size_t i, bl_error *err) {
    const bl_config *c = &model->config;
    size_t d = c->d_model, h = c->d_hidden, width = bl_qkv_width(c);
    bl_layer *l = &model->layers[i];
    bl_block_weights *b = &model->blocks[i];
    const float *n1 = raw(model, BL_PARAM_N1, i), *n2 = raw(model, BL_PARAM_N2, i);
    const float *qkv = fold(model, raw(model, BL_PARAM_QKV, i), width, d, n1, err);
    const float *w = qkv ? fold(model, raw(model, BL_PARAM_W, i), c->plain ? h : 2 * h, d, n2, err) : NULL;
    if (!w) return false;
    const float *b_qkv = raw(model, BL_PARAM_QKV_BIAS, i);
    *l = (bl_layer){.w_q = {qkv + bl_q_begin(c, 0) * d, d, d, d},
                    .w_k = {qkv + bl_k_begin(c, 0) * d, d, d, d},
                    .w_v = {qkv + bl_v_begin(c) * d, d, d, d},
                    .w_o = {raw(model, BL_PARAM_O, i), d, d, d},
                    .w_l = {w, h, d, d},
                    .w_p = {raw(model, BL_PARAM_P, i), d, h, h},
                    .b_l = raw(model, BL_PARAM_W_BIAS, i),
                    .b_p = raw(model, BL_PARAM_P_BIAS, i),
                    .b_v = b_qkv ? b_qkv + bl_v_begin(c) : NULL};
    if (c->attention2) l->w_q2 = (bl_view){qkv + bl_q_begin(c, 1) * d, d, d, d};
    if (c->attention2) l->w_k2 = (bl_view){qkv + bl_k_begin(c, 1) * d, d, d, d};
    if (!c->plain) l->w_r = (bl_view){w + h * d, h, d, d};
    l->b_r = l->b_l && !c->plain ? l->b_l + h : NULL;
    put(b->qkv, &b->n_qkv, of_view((bl_view){qkv, width, d, d}));
    put(b->w, &b->n_w, of_view((bl_view){w, c->plain ? h : 2 * h, d, d}));
    b->o = of_view(l->w_o);
    b->p = of_view(l->w_p);
    b->b_qkv = b_qkv;
    b->b_w = l->b_l;
    b->b_p = l->b_p;
    return true;
}

static bool make_rope(bl_model *model, bl_error *err) {
    double frequency[BL_ROPE_MOST], magnitude;
    if (model->plan.rope.rotated / 2 > BL_ROPE_MOST)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: heads of %zu numbers are wider than bilens can turn",
                       model->name, model->config.head_dim);
    bl_rope_frequencies(&model->plan.rope, model->config.n_ctx, frequency, &magnitude);
    return bl_rotary_make(&model->rotary, frequency, model->plan.rope.rotated / 2, magnitude,
                          model->config.n_ctx, err);
}

static bool place_ends(bl_model *model, bl_error *err) {
    const bl_config *c = &model->config;
    size_t V = c->n_vocab, d = c->d_model;
    bl_param_kind head = c->tied ? BL_PARAM_WTE : BL_PARAM_HEAD;
    model->embedding = matrix(model, BL_PARAM_WTE, 0);
    model->attention_scale = bl_config_attention_scale(c);
    if (!c->architecture->generation) {
        model->positions = matrix(model, BL_PARAM_WPE, 0);
        model->head = matrix(model, head, 0);
        model->final = (bl_norm_weights){raw(model, BL_PARAM_NF, 0), raw(model, BL_PARAM_NF_BIAS, 0)};
        return true;
    }
    model->w_e = (bl_view){raw(model, BL_PARAM_WTE, 0), V, d, d};
    model->w_u = (bl_view){fold(model, raw(model, head, 0), V, d, raw(model, BL_PARAM_NF, 0), err), V, d, d};
    model->head = of_view(model->w_u);
    return model->w_u.data && make_rope(model, err);
}

/* How many of n numbers are NaN or infinite. x * 0 is 0 for all others, so that a whole block costs one
 * sum. */
static size_t count_bad(const float *x, size_t n) {
    size_t bad = 0;
    for (size_t begin = 0; begin < n; begin += 1024) {
        size_t end = begin + 1024 < n ? begin + 1024 : n;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = begin; i < end; i++) sum += x[i] * 0.0F;
        for (size_t i = begin; sum != 0.0F && i < end; i++) bad += isfinite(x[i]) ? 0 : 1;
    }
    return bad;
}

typedef struct audit {
    const bl_model *model;
    size_t *bad; /* [params.n] */
} audit;

static bool audit_param(void *context, size_t i, size_t thread, bl_error *err) {
    const audit *a = context;
    const bl_model *model = a->model;
    const bl_param *param = &model->params.list[i];
    (void)thread;
    if (model->raw[i]) {
        a->bad[i] = count_bad(model->raw[i], param->count);
        return true;
    }
    float *row = bl_alloc(param->cols, sizeof *row, err);
    bl_matrix m = matrix(model, param->kind, param->layer);
    for (size_t r = 0; row && r < m.rows; r++) {
        bl_matrix_read(&m, r, 1, row);
        a->bad[i] += count_bad(row, m.cols);
    }
    free(row);
    return row != NULL;
}

/* One warning for each tensor with numbers that are not finite. */
static bool warn(bl_model *model, bl_error *err) {
    audit a = {model, bl_alloc_zero(model->params.n, sizeof(size_t), err)};
    bool ok = a.bad && bl_parallel(model->params.n, audit_param, &a, err);
    for (size_t i = 0; ok && i < model->params.n; i++) {
        char text[256];
        if (!a.bad[i]) continue;
        snprintf(text, sizeof text, "%.100s: %zu of the %zu numbers of tensor '%.80s' are NaN or infinite",
                 model->name, a.bad[i], model->params.list[i].count, model->stored[i]->name);
        ok = bl_grow(&model->warnings, &model->warnings_capacity, model->n_warnings + 1,
                     sizeof *model->warnings, err);
        if (ok && (model->warnings[model->n_warnings] = bl_strdup(text, err))) model->n_warnings++;
        else ok = false;
    }
    free(a.bad);
    return ok;
}

bool bl_model_build(bl_model *model, bl_error *err) {
    const bl_config *c = &model->config;
    if (!bl_params_init(&model->params, c, err)) return false;
    if (model->weights.gguf) bl_gguf_layouts(&model->params, &model->plan);
    size_t n = model->params.n;
    model->stored = bl_alloc_zero(n, sizeof(const bl_weight *), err);
    model->raw = bl_alloc_zero(n, sizeof *model->raw, err);
    model->layers = bl_alloc_zero(c->n_layer, sizeof *model->layers, err);
    model->blocks = bl_alloc_zero(c->n_layer, sizeof *model->blocks, err);
    if (!model->stored || !model->raw || !model->layers || !model->blocks) return false;
    for (size_t i = 0; i < n; i++) {
        const bl_param *param = &model->params.list[i];
        if (!bl_go_on(err)) return false;
        if (!(model->stored[i] = find_stored(model, param, err))) return false;
        bool used = stays_stored(model, param);
        if (used && param->layout == BL_LAYOUT_ROWS) model->raw[i] = bl_weight_view(model->stored[i]);
        if (!used && !read_floats(model, i, err)) return false;
    }
    if (!check_no_strangers(model, err)) return false;
    for (size_t i = 0; i < c->n_layer; i++)
        if (!(c->architecture->generation ? fold_layer(model, i, err) : place(model, i, err))) return false;
    return place_ends(model, err) && warn(model, err);
}
