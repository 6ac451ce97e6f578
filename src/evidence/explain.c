/* The account of a logit (docs/specification.md, 9). One forward pass with a tap at the position; all sums in
 * float64, so that the account closes to what the float32 pass itself rounds. */
#include "base/error.h"
#include "base/memory.h"
#include "evidence/outcome.h"
#include "evidence/layer_run.h"
#include "linear/best.h"
#include "scan/contributions.h"
#include <bilens/explain.h>
#include <bilens/surrogate.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the tap gathers at position p. */
typedef struct gathering {
    const bl_explain_options *o;
    size_t p, d, H, k, n_layer;
    const float *read;        /* [n_layer, H k] s_i O_iᵀ u: what a head's output is multiplied with */
    const float *u;           /* [d] as the final norm lets it read */
    const float *linear;      /* [d] of its form */
    const float *origin;      /* [d] of a surrogate's map, or NULL */
    double bias;              /* u . what attention's output biases add */
    double post, opened_post; /* the scale of a norm behind the MLP, of the opened layer's */
    float *v;                 /* [n, k] values of the head at hand */
    double *heads;            /* [n_layer, H] u . s_i O_h z_h */
    double *words;            /* [n_layer, H, p + 1] its share from each word; NULL: not wanted */
    double *mlps;             /* [n_layer] u . y */
    float *last;              /* [d] x_L */
    double embedding;         /* u . x_0 */
    double scale;             /* s */
    float *x;                 /* [n] x' of the opened layer */
    const bl_model *model;
} gathering;

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* u . s O_h z_h, z_h = sum_j pattern[p, j] v_j. */
static void take_head(gathering *g, size_t layer, size_t head, const float *pattern) {
    const float *read = g->read + (layer * g->H + head) * g->k;
    double sum = 0;
    size_t row = layer * g->H + head;
    for (size_t j = 0; j <= g->p; j++) {
        double share = (double)pattern[j] * dot(g->v + j * g->k, read, g->k);
        if (g->words) g->words[row * (g->p + 1) + j] = share;
        sum += share;
    }
    g->heads[row] = sum;
}

static double dot_weighted(const float *a, const float *b, const float *weight, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i] * (weight ? (double)weight[i] : 1);
    return sum;
}

/* The heads' parts get the scale of the norm behind them; row is attention's whole output, its bias
 * included. */
static void take_attention(gathering *g, size_t layer, const float *row) {
    const bl_block_weights *b = &g->model->blocks[layer];
    double post = bl_post_scale(g->model, row), s = post * (double)bl_model_attention_scale(g->model);
    for (size_t h = 0; h < g->H; h++) {
        size_t head = layer * g->H + h;
        g->heads[head] *= post;
        for (size_t j = 0; g->words && j <= g->p; j++) g->words[head * (g->p + 1) + j] *= post;
    }
    if (b->b_o) g->bias += s * dot_weighted(b->b_o, g->u, b->n1_post.weight, g->d);
}

static void take_input(gathering *g, const float *row) {
    for (size_t i = 0; i < g->d; i++) g->x[i] = g->origin ? row[i] - g->origin[i] : row[i];
}

static void take(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    gathering *g = context;
    if (point == BL_POINT_V) {
        for (size_t j = 0; j <= g->p; j++)
            memcpy(g->v + j * g->k, value.data + j * value.stride, g->k * sizeof *g->v);
        return;
    }
    const float *row = value.data + g->p * value.stride;
    if (point == BL_POINT_RESID_PRE && layer == 0) g->embedding = dot(row, g->u, g->d);
    if (point == BL_POINT_PATTERN) take_head(g, layer, head, row);
    if (point == BL_POINT_ATTN_OUT) take_attention(g, layer, row);
    if (point == BL_POINT_MLP_OUT) {
        g->post = bl_post_scale(g->model, row);
        g->mlps[layer] = g->post * dot_weighted(row, g->u, g->model->blocks[layer].n2_post.weight, g->d);
        if (layer == g->o->layer) g->opened_post = g->post;
    }
    if (point == BL_POINT_RESID_POST && layer + 1 == g->n_layer) {
        g->scale = bl_final_scale(g->model, row);
        memcpy(g->last, row, g->d * sizeof *row);
    }
    if (point == BL_POINT_MLP_IN && layer == g->o->layer) take_input(g, row);
}

static bool gathering_init(gathering *g, const bl_model *model, size_t n, float **read, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    g->model = model;
    g->d = c->d_model;
    g->H = c->n_head;
    g->k = c->head_dim;
    g->n_layer = c->n_layer;
    size_t width = g->H * g->k;
    *read = bl_alloc(c->n_layer * width, sizeof **read, err);
    g->v = bl_alloc(n * g->k, sizeof *g->v, err);
    g->heads = bl_alloc_zero(c->n_layer * g->H, sizeof *g->heads, err);
    g->mlps = bl_alloc_zero(c->n_layer, sizeof *g->mlps, err);
    g->x = bl_alloc(2 * g->d + 1, sizeof *g->x, err);
    if (!*read || !g->v || !g->heads || !g->mlps || !g->x) return false;
    if (g->o->words) {
        g->words = bl_alloc_zero(c->n_layer * g->H * (g->p + 1), sizeof *g->words, err);
        if (!g->words) return false;
    }
    g->x[g->d] = 1;
    g->last = g->x + g->d + 1;
    for (size_t i = 0; i < c->n_layer; i++)
        if (!bl_heads_read(model, i, g->u, *read + i * width, err)) return false;
    g->read = *read;
    return true;
}

static void gathering_free(gathering *g) {
    free(g->v);
    free(g->heads);
    free(g->mlps);
    free(g->words);
    free(g->x);
}

/* ---- parts ---- */

/* A head's words, times s. */
static bool fill_part_words(const gathering *g, size_t row, bl_account_part *part, bl_error *err) {
    size_t width = g->p + 1;
    if (!g->words) return true;
    part->words = bl_alloc(width, sizeof *part->words, err);
    if (!part->words) return false;
    for (size_t j = 0; j < width; j++) part->words[j] = g->scale * g->words[row * width + j];
    return true;
}

/* What the final norm's bias adds to the logit: W_U holds the norm's weight, so that its bias meets u /
 * weight. */
static double final_bias(const gathering *g) {
    const bl_norm_weights *final = &g->model->final;
    double sum = 0;
    for (size_t i = 0; final->bias && i < g->d; i++) {
        double weight = final->weight ? (double) final->weight[i] : 1;
        if (weight != 0) sum += (double)g->o->u[i] * (double) final->bias[i] / weight;
    }
    return sum;
}

static bool fill_parts(const gathering *g, bl_account *out, bl_error *err) {
    double bias = g->scale * g->bias + final_bias(g);
    out->n_parts = 1 + g->n_layer * (g->H + 1) + (bias != 0);
    out->parts = bl_alloc_zero(out->n_parts, sizeof *out->parts, err);
    if (!out->parts) return false;
    bl_account_part *part = out->parts;
    snprintf(part->name, sizeof part->name, "embedding");
    (part++)->value = g->scale * g->embedding;
    for (size_t i = 0; i < g->n_layer; i++) {
        for (size_t h = 0; h < g->H; h++, part++) {
            snprintf(part->name, sizeof part->name, "layer %zu head %zu", i, h);
            part->value = g->scale * g->heads[i * g->H + h];
            if (!fill_part_words(g, i * g->H + h, part, err)) return false;
        }
        snprintf(part->name, sizeof part->name, "layer %zu mlp", i);
        (part++)->value = g->scale * g->mlps[i];
    }
    if (bias != 0) {
        snprintf(part->name, sizeof part->name, "bias");
        part->value = bias;
    }
    for (size_t i = 0; i < out->n_parts; i++) out->logit += out->parts[i].value;
    out->scale = g->scale;
    out->total = g->scale * g->mlps[g->o->layer];
    return true;
}

/* ---- terms ---- */

static int by_value(const void *a, const void *b) {
    const bl_account_term *x = a, *y = b;
    double m = fabs(x->value), n = fabs(y->value);
    return m != n ? (m < n) - (m > n) : (x->index > y->index) - (x->index < y->index);
}

/* True if index i of n was asked for. */
static bool asked(const bl_explain_options *o, size_t i, size_t n) {
    for (size_t j = 0; j < o->n_eigs; j++)
        if ((o->eigs[j] < 0 ? o->eigs[j] + (long)n : o->eigs[j]) == (long)i) return true;
    return false;
}

static bool fill_terms(const gathering *g, const bl_eigen *eigen, bl_account *out, bl_error *err) {
    const bl_explain_options *o = g->o;
    size_t n = bl_eigen_size(eigen), shown = 0;
    double square = dot(g->x, g->x, n), rest = 0;
    bl_account_term *terms = bl_alloc_zero(n, sizeof *terms, err);
    if (!terms) return false;
    out->terms = terms;
    out->shift = bl_eigen_shift(eigen);
    double scale = g->scale * g->opened_post;
    out->constant = scale * ((double)bl_eigen_constant(eigen) + out->shift * square);
    for (size_t i = 0; i < n; i++) {
        double a = dot(bl_eigen_vector(eigen, (long)i), g->x, n), lambda = (double)bl_eigen_values(eigen)[i];
        terms[i] = (bl_account_term){i, lambda, a, scale * (lambda - out->shift) * a * a, NULL, 0};
    }
    qsort(terms, n, sizeof *terms, by_value);
    for (size_t i = 0; i < n; i++) {
        if (o->n_eigs ? asked(o, terms[i].index, n) : i < o->most) terms[shown++] = terms[i];
        else rest += terms[i].value;
    }
    out->n_terms = shown;
    out->rest = rest;
    if (!g->origin) return true;
    out->linear = scale * dot(g->linear, g->x, n);
    out->remainder = out->total - out->constant - out->linear - rest;
    for (size_t i = 0; i < shown; i++) out->remainder -= terms[i].value;
    return true;
}

/* The similarity of the first `most` terms by word and head; 0: of all. */
static bool split_words(const bl_model *model, const bl_eigen *eigen, const int32_t *ids, size_t most,
                        bl_account *out, bl_error *err) {
    size_t H = bl_model_config(model)->n_head, width = out->position + 1, rows = 1 + H, count = out->n_terms,
           floats;
    if (most && most < count) count = most;
    if (!bl_mul_size(count * (1 + rows), width, &floats)) floats = SIZE_MAX;
    float *memory = bl_alloc(floats, sizeof *memory, err);
    bl_cause *causes = bl_alloc(count, sizeof *causes, err);
    bl_workspace *workspace = bl_workspace_new(model, err);
    bool ok = memory && causes && workspace;
    for (size_t t = 0; ok && t < count; t++) {
        bl_account_term *term = &out->terms[t];
        const float *v = bl_eigen_vector(eigen, (long)term->index);
        float *c = memory + t * (1 + rows) * width;
        causes[t] = (bl_cause){.v = v, .position = out->position, .c = c, .heads = c + width};
        term->words = bl_alloc(rows * width, sizeof *term->words, err);
        term->bias = (double)bl_constant_of(model, bl_eigen_layer(eigen), v);
        ok = term->words != NULL;
    }
    ok = ok && bl_contributions(model, workspace, bl_eigen_layer(eigen), ids, width, causes, count, err);
    for (size_t t = 0; ok && t < count; t++)
        for (size_t i = 0; i < rows * width; i++) out->terms[t].words[i] = (double)causes[t].heads[i];
    out->n_heads = H;
    bl_workspace_free(workspace);
    free(causes);
    free(memory);
    return ok;
}

/* ---- predictions ---- */

/* Of one position's logits, row [V]; words [V]: ids that a token names. */
static bool fill_predictions(const float *row, size_t V, const bool *words, int32_t token, bl_account *out,
                             bl_error *err) {
    size_t most = V < 10 ? V : 10;
    bl_scored list[10];
    bl_best best = bl_best_begin(list, most);
    double lse = bl_log_sum_exp(row, V);
    out->predictions = bl_alloc(most, sizeof *out->predictions, err);
    if (!out->predictions) return false;
    bl_best_offer_some(&best, 1.0F, row, V, 0, words);
    bl_best_sort(&best);
    out->n_predictions = best.n;
    for (size_t i = 0; i < best.n; i++)
        out->predictions[i] = (bl_account_prediction){(int32_t)list[i].id, exp((double)list[i].value - lse),
                                                      (double)list[i].value, NULL};
    out->probability = token >= 0 ? exp((double)row[token] - lse) : NAN;
    for (size_t t = 0; token >= 0 && t < V; t++)
        out->rank += words[t] && (row[t] > row[token] || (row[t] == row[token] && t <= (size_t)token));
    return true;
}

/* Logits before a cap, which cannot be had back from it where it is flat. */
static bool uncap(const gathering *g, bl_account *out) {
    bl_view w_u = bl_model_w_u(g->model);
    for (size_t i = 0; g->model->plan.logit_cap > 0 && i < out->n_predictions; i++) {
        const float *row = w_u.data + (size_t)out->predictions[i].token * w_u.stride;
        out->predictions[i].logit = g->scale * dot(row, g->last, g->d);
    }
    return true;
}

/* An account of its own for each of the first predictions: of the token's logit as it is. */
static bool explain_predictions(const bl_model *model, const int32_t *ids, size_t n,
                                const bl_explain_options *o, bl_account *out, bl_error *err) {
    bl_view w_u = bl_model_w_u(model);
    bool ok = true;
    for (size_t i = 0; ok && i < o->predictions && i < out->n_predictions; i++) {
        bl_account_prediction *p = &out->predictions[i];
        bl_explain_options own = *o;
        own.u = w_u.data + (size_t)p->token * w_u.stride;
        own.token = p->token;
        own.predictions = 0;
        p->account = bl_alloc_zero(1, sizeof *p->account, err);
        ok = p->account && bl_account_of(model, ids, n, &own, p->account, err);
    }
    return ok;
}

/* ---- the whole ---- */

static bool check(const bl_model *model, size_t n, size_t size, const bl_explain_options *o, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    if (n == 0 || n > c->n_ctx)
        return bl_fail(err, BL_ERR_USAGE, "the text has %zu tokens: 1 to %zu are expected", n, c->n_ctx);
    if (o->position >= n)
        return bl_fail(err, BL_ERR_USAGE, "position %zu is not in the text, whose %zu tokens are 0 to %zu",
                       o->position, n, n - 1);
    if (o->token >= 0 && (size_t)o->token >= c->n_vocab)
        return bl_fail(err, BL_ERR_USAGE, "token %d does not exist", (int)o->token);
    for (size_t i = 0; i < o->n_eigs; i++)
        if (o->eigs[i] < -(long)size || o->eigs[i] >= (long)size)
            return bl_fail(
                err, BL_ERR_USAGE,
                "eigenvector %ld does not exist; there are %zu: 0 to %zu, or -1 to -%zu from the end",
                o->eigs[i], size, size - 1, size);
    return true;
}

bool bl_account_of(const bl_model *model, const int32_t *ids, size_t n, const bl_explain_options *options,
                   bl_account *out, bl_error *err) {
    bl_error_clear(err);
    *out = (bl_account){.layer = options->layer, .position = options->position};
    bl_bilinear map;
    if (!bl_model_bilinear(model, options->layer, &map, err) ||
        !check(model, n, bl_bilinear_size(&map), options, err))
        return false;
    gathering g = {.o = options, .p = options->position};
    float *read = NULL;
    bl_workspace *workspace = bl_workspace_new(model, err);
    bool *words = bl_model_words(model, err);
    float *met = bl_direction_met(model, options->u, err),
          *linear = bl_alloc(bl_bilinear_in(&map), sizeof *linear, err);
    bl_eigen *eigen = workspace && words && met && linear ? bl_eigen_of(&map, met, 0, err) : NULL;
    g.u = met;
    g.origin = map.origin;
    if (eigen) bl_bilinear_linear(&map, met, linear);
    g.linear = linear;
    bool ok = eigen && bl_eigen_check_groups(eigen, options->eigs, options->n_eigs, err) &&
              gathering_init(&g, model, g.p + 1, &read, err);
    bl_tap tap = {.take = take, .context = &g};
    bl_view logits = {0};
    if (ok && bl_forward_layers(model, workspace, ids, g.p + 1, &tap, err))
        logits = bl_forward_head(model, workspace, g.p, 1, err);
    ok = logits.data && fill_parts(&g, out, err) && fill_terms(&g, eigen, out, err) &&
         fill_predictions(logits.data, logits.cols, words, options->token, out, err) && uncap(&g, out) &&
         (!options->words || split_words(model, eigen, ids, options->word_terms, out, err)) &&
         explain_predictions(model, ids, n, options, out, err);
    gathering_free(&g);
    free(read);
    free(met);
    free(linear);
    free(words);
    bl_workspace_free(workspace);
    bl_eigen_free(eigen);
    if (!ok) bl_account_free(out);
    return ok;
}

void bl_account_free(bl_account *account) {
    if (!account) return;
    for (size_t i = 0; account->terms && i < account->n_terms; i++) free(account->terms[i].words);
    for (size_t i = 0; account->parts && i < account->n_parts; i++) free(account->parts[i].words);
    for (size_t i = 0; account->predictions && i < account->n_predictions; i++) {
        bl_account_free(account->predictions[i].account);
        free(account->predictions[i].account);
    }
    free(account->parts);
    free(account->terms);
    free(account->predictions);
    *account = (bl_account){0};
}
