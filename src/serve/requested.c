/* Directions out of parameters, and their decompositions, kept under the directions' canonical texts. */
#include "serve/requested.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct decomposition {
    bl_eigen *eigen;
    size_t k; /* pairs at each end; 0 = all */
} decomposition;

void bl_decomposition_free(void *value) {
    decomposition *d = value;
    bl_eigen_free(d->eigen);
    free(d);
}

const bl_eigen *bl_cached_eigen(const bl_cached *cached) {
    return ((const decomposition *)bl_cached_value(cached))->eigen;
}

const char *bl_contrast_name(const bl_direction *direction) {
    if (direction->minus_all) return "mean";
    return direction->n_minus ? "tokens" : "none";
}

/* The id of a token; -1 with the error, 404 and the nearest ones. */
static int32_t find_token(bl_call *call, const char *token) {
    long id = bl_basis_find(&call->explorer->basis, token, &call->err);
    if (id >= 0) return (int32_t)id;
    call->status = 404;
    call->lost = token;
    return -1;
}

static bool read_contrast(bl_call *call, bl_direction *direction) {
    const char *name = bl_request_text(call->request, "contrast");
    if (!name || strcmp(name, bl_contrast_name(direction)) == 0) return true;
    if (strcmp(name, "mean") == 0 && direction->n_minus)
        return bl_fail(&call->err, BL_ERR_USAGE, "contrast=mean and minus exclude each other");
    direction->minus_all = strcmp(name, "mean") == 0;
    return direction->minus_all ||
           bl_fail(&call->err, BL_ERR_USAGE,
                   "contrast: '%.40s' is not %s: none, mean, or contrast tokens as minus=…", name,
                   direction->n_minus ? "tokens" : "one of none, mean");
}

/* The direction from `direction` alone. */
static bool read_text(bl_call *call, bl_requested *t, const char *text) {
    static const char *const others[] = {"token", "minus", "contrast", "centre"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (bl_request_text(call->request, others[i]))
            return bl_fail(&call->err, BL_ERR_USAGE, "direction says it all: %s does not go with it",
                           others[i]);
    call->parsed = bl_direction_parse(text, &call->err);
    if (!call->parsed) return false;
    long row = call->parsed->source ? bl_explorer_find_own(call->explorer, call->parsed->source) : -1;
    if (row >= 0) { /* no file is opened: the atlas has the vector */
        bl_view rows = call->explorer->own.vectors;
        t->direction =
            (bl_direction){.vector = rows.data + (size_t)row * rows.stride, .name = call->parsed->source};
        t->own = true;
        t->id = (int32_t)row;
        return true;
    }
    if (!call->parsed->token)
        return bl_fail(&call->err, BL_ERR_USAGE,
                       "direction: no files here, only tokens and the atlas's own directions%s%s",
                       call->explorer->own_names.n ? ": @FILE:ROW of " : "",
                       call->explorer->own_names.n ? bl_atlas_reader_get_facts(call->explorer->atlas)->source
                                                   : "");
    if (call->parsed->n_minus > BL_MOST_MINUS)
        return bl_fail(&call->err, BL_ERR_USAGE, "more than %d contrast tokens", BL_MOST_MINUS);
    t->direction = *call->parsed;
    return true;
}

/* The direction from token, minus, contrast and centre. */
static bool read_parts(bl_call *call, const char *otherwise, bl_requested *t) {
    const bl_request *r = call->request;
    const char *minus;
    t->direction = (bl_direction){.token = bl_request_text(r, "token"), .minus = t->minus};
    if (!t->direction.token) t->direction.token = otherwise;
    if (!t->direction.token)
        return bl_fail(&call->err, BL_ERR_USAGE, "token is missing: which output token's direction?");
    for (size_t at = 0; (minus = bl_request_next(r, "minus", &at)) != NULL;) {
        if (t->direction.n_minus == BL_MOST_MINUS)
            return bl_fail(&call->err, BL_ERR_USAGE, "more than %d contrast tokens", BL_MOST_MINUS);
        t->minus[t->direction.n_minus++] = minus;
    }
    return read_contrast(call, &t->direction) &&
           bl_request_flag(r, "centre", &t->direction.centre_unembedding, &call->err);
}

bool bl_requested_read(bl_call *call, bl_requested *t) { return bl_requested_read_or(call, NULL, t); }

bool bl_requested_read_or(bl_call *call, const char *otherwise, bl_requested *t) {
    const bl_request *r = call->request;
    const char *text = bl_request_text(r, "direction");
    bl_error *err = &call->err;
    *t = (bl_requested){0};
    if (!(text ? read_text(call, t, text) : read_parts(call, otherwise, t)) ||
        !bl_request_count(r, "layer", 0, 1000000, &t->layer, err) ||
        !bl_request_flag(r, "null", &t->null_model, err))
        return false;
    if (!t->own) t->id = find_token(call, t->direction.token);
    for (size_t i = 0; t->id >= 0 && i < t->direction.n_minus; i++)
        if (find_token(call, t->direction.minus[i]) < 0) return false;
    if (t->id < 0) return false;
    size_t n_layer = bl_model_config(call->explorer->model)->n_layer;
    return t->layer < n_layer ||
           bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 … %zu", t->layer,
                   n_layer - 1);
}

bl_atlas_reader *bl_requested_atlas(const bl_explorer *e, const bl_requested *t) {
    bl_atlas_reader *atlas = bl_explorer_layer(e, t->layer);
    if (!atlas) return NULL;
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(atlas);
    bool own = f->source != NULL, as_taken = own || (t->direction.minus_all == !f->raw &&
                                                     t->direction.centre_unembedding == f->centred);
    return own == t->own && f->complete && !t->null_model && !t->direction.n_minus && as_taken &&
                   bl_atlas_reader_get_direction(atlas, (size_t)t->id)->there
             ? atlas
             : NULL;
}

static void default_indices(long n, long indices[BL_MOST_INDICES], size_t *count) {
    static const long eight[] = {-1, -2, -3, -4, 0, 1, 2, 3};
    for (size_t i = 0; i < 8; i++) /* a spectrum of fewer than eight: none twice */
        if (eight[i] < 0 ? -eight[i] <= (n + 1) / 2 : eight[i] < n / 2) indices[(*count)++] = eight[i];
}

bool bl_indices_read(bl_call *call, const char *name, long indices[BL_MOST_INDICES], size_t *count) {
    long n = (long)bl_interaction_size(call->explorer->model);
    const char *text;
    *count = 0;
    for (size_t at = 0; (text = bl_request_next(call->request, name, &at)) != NULL;) {
        char *end;
        errno = 0;
        long index = strtol(text, &end, 10);
        if (*count == BL_MOST_INDICES)
            return bl_fail(&call->err, BL_ERR_USAGE, "%s: more than %d eigenvectors at once", name,
                           BL_MOST_INDICES);
        if ((text[0] != '-' && (text[0] < '0' || text[0] > '9')) || end == text || *end || errno)
            return bl_fail(&call->err, BL_ERR_USAGE, "%s: '%.40s' is not a whole number", name, text);
        if (index < -n || index >= n)
            return bl_fail(
                &call->err, BL_ERR_USAGE,
                "%s: eigenvector %ld does not exist; there are %ld: 0 to %ld, or -1 to %ld from the end",
                name, index, n, n - 1, -n);
        indices[(*count)++] = index;
    }
    if (!*count) default_indices(n, indices, count);
    return true;
}

/* The layer, or its null draw. */
static bool choose_map(bl_explorer *e, const bl_requested *t, bl_bilinear *map, bl_error *err) {
    if (!bl_model_bilinear(e->model, t->layer, map, err)) return false;
    if (!t->null_model) return true;
    bl_bilinear *draw = &e->null_models[t->layer];
    pthread_mutex_lock(&e->lock);
    bool ok = draw->left || bl_bilinear_null(map, e->atlas ? bl_atlas_reader_get_facts(e->atlas)->seed : 0,
                                             draw, NULL, err);
    *map = *draw;
    pthread_mutex_unlock(&e->lock);
    return ok;
}

static decomposition *decompose(bl_explorer *e, const bl_requested *t, size_t k, bl_error *err) {
    bl_bilinear map = {0};
    decomposition *out = bl_alloc_zero(1, sizeof *out, err);
    float *u = bl_alloc(bl_model_config(e->model)->d_model, sizeof *u, err);
    if (out && u && bl_direction_vector(&t->direction, &e->basis, u, err) && choose_map(e, t, &map, err)) {
        out->eigen = bl_eigen_of(&map, u, k, err);
        out->k = k;
    }
    free(u);
    if (out && out->eigen) return out;
    free(out);
    return NULL;
}

/* The canonical text, so that "swim" and "#2231" are the same. */
static char *key_of(const bl_explorer *e, const bl_requested *t, bl_error *err) {
    bl_buffer out = {0};
    char *text = bl_direction_text(&t->direction, &e->basis, err);
    if (!text) return NULL;
    bl_buffer_print(&out, "%zu %d %s", t->layer, t->null_model, text);
    free(text);
    return bl_buffer_take(&out, err);
}

bl_cached *bl_requested_eigen(bl_call *call, const bl_requested *t, const long *indices, size_t count) {
    bl_explorer *e = call->explorer;
    long n = (long)bl_interaction_size(e->model), k = 4;
    for (size_t i = 0; i < count; i++) {
        long at = indices[i] < 0 ? indices[i] + n : indices[i], from_end = n - at < at + 1 ? n - at : at + 1;
        if (from_end > k) k = from_end;
    }
    if (k > n / 8) k = 0;
    char *key = key_of(e, t, &call->err);
    if (!key) return NULL;
    pthread_mutex_lock(&e->decomposing);
    bl_cached *found = bl_cache_find(e->eigens, key);
    const decomposition *old = found ? bl_cached_value(found) : NULL;
    if (!found || (old->k && (!k || (size_t)k > old->k))) {
        bl_cache_release(found);
        decomposition *made = decompose(e, t, (size_t)k, &call->err);
        size_t vectors = k && 2 * k < n ? 2 * (size_t)k : (size_t)n,
               bytes = (vectors + 1) * (size_t)n * sizeof(float);
        found = made ? bl_cache_add(e->eigens, key, made, bytes, &call->err) : NULL;
    }
    pthread_mutex_unlock(&e->decomposing);
    free(key);
    return found;
}
