/* Decomposing the directions, of the model and of its null model, batch after batch; each batch is a transaction. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256
#define BATCH_BYTES ((size_t)256 << 20) /* of packed interaction matrices */

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static bool choose_named(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    for (size_t i = 0; i < o->n_tokens; i++) {
        int32_t id = bl_tokenizer_find(bl_model_tokenizer(a->model), o->tokens[i], err);
        if (id < 0) return false;
        if ((size_t)id >= a->V)
            return bl_fail(err, BL_ERR_USAGE, "token '%s' has id %d, but the model's vocabulary has %zu", o->tokens[i], (int)id, a->V);
        a->directions[i] = id;
    }
    qsort(a->directions, o->n_tokens, sizeof *a->directions, ascending);
    for (size_t i = 0; i < o->n_tokens; i++) /* each once */
        if (i == 0 || a->directions[i] != a->directions[i - 1]) a->directions[a->n_directions++] = a->directions[i];
    return true;
}

static bool choose_frequent(bl_atlas *a, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s = bl_database_prepare(a->db, "SELECT id FROM token ORDER BY count DESC, id LIMIT ?", &failure);
    if (s) sqlite3_bind_int64(s, 1, (sqlite3_int64)a->options.frequent);
    while (s && a->n_directions < a->V && bl_database_row(s, &failure)) a->directions[a->n_directions++] = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    qsort(a->directions, a->n_directions, sizeof *a->directions, ascending);
    return failure.code == BL_OK || bl_fail(err, failure.code, "%s", failure.message);
}

bool bl_atlas_choose(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    a->directions = bl_alloc(o->tokens ? o->n_tokens : a->V, sizeof *a->directions, err);
    if (!a->directions) return false;
    if (o->tokens) {
        if (!choose_named(a, err)) return false;
    } else if (o->frequent) {
        if (!choose_frequent(a, err)) return false;
    } else {
        for (size_t i = 0; i < a->V; i++) a->directions[a->n_directions++] = (int32_t)i;
    }
    a->K = o->pairs < a->n / 2 ? o->pairs : a->n / 2;
    a->N = o->virtual_tokens < a->V ? o->virtual_tokens : a->V;
    a->J = a->n_directions * 2 * a->K;
    if (a->n_directions == 0) return bl_fail(err, BL_ERR_USAGE, "an atlas needs at least one direction");
    return a->K > 0 || bl_fail(err, BL_ERR_UNSUPPORTED, "%s: interaction matrices of one row have no two ends", bl_model_name(a->model));
}

/* What is taken off every row of W_U [d]; with centring, its own mean is taken off the mean row too. */
static void contrast(const bl_atlas *a, float *mean) {
    bl_view w_u = bl_model_w_u(a->model);
    for (size_t i = 0; i < a->d; i++) {
        double sum = 0;
        for (size_t t = 0; t < a->V && !a->options.raw; t++) sum += (double)w_u.data[t * w_u.stride + i];
        mean[i] = (float)(sum / (double)a->V);
    }
}

static void direction(const bl_atlas *a, int32_t token, const float *mean, float *u) {
    bl_view w_u = bl_model_w_u(a->model);
    double own = 0;
    for (size_t i = 0; i < a->d; i++) {
        u[i] = w_u.data[(size_t)token * w_u.stride + i] - mean[i];
        own += (double)u[i];
    }
    for (size_t i = 0; i < a->d && a->options.centre_unembedding; i++) u[i] -= (float)(own / (double)a->d);
}

/* What one batch works with. */
typedef struct batch {
    const bl_decomposer *decomposer;
    const bl_words *words;
    size_t first, count; /* directions */
    float *u;            /* [count, d] */
    bl_eigen **eigens;   /* [count] */
    float *v;            /* [count * 2K, n] in the order -1, -2 … -K, 0 … K-1 */
    bl_word *extremes;   /* [count * 2K, 1 + H, 2, N] */
    size_t N;
} batch;

static long index_of(const bl_atlas *a, size_t i) { return i < a->K ? -(long)i - 1 : (long)(i - a->K); }

/* largest |lambda|, highest, lowest, effective rank, and the share of sum lambda^2 that the K pairs at each end have. */
static void summarise(const bl_atlas *a, const bl_eigen *eigen, double out[5]) {
    const float *values = bl_eigen_values(eigen);
    size_t n = bl_eigen_size(eigen);
    double all = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        double square = (double)values[i] * (double)values[i];
        all += square;
        if (i < a->K || i >= n - a->K) kept += square;
    }
    out[0] = fmax(fabs((double)values[0]), fabs((double)values[n - 1]));
    out[1] = (double)values[n - 1];
    out[2] = (double)values[0];
    out[3] = bl_eigen_effective_rank(eigen);
    out[4] = all > 0 ? kept / all : 0;
}

/* direct_max, direct_min, head_max, head_min of one vector. */
static void extremes_of(const bl_atlas *a, const batch *b, size_t vector, double out[4]) {
    const bl_word *w = b->extremes + vector * (1 + a->H) * 2 * b->N;
    out[0] = (double)w[0].value;
    out[1] = (double)w[b->N].value;
    out[2] = -INFINITY;
    out[3] = INFINITY;
    for (size_t source = 1; source <= a->H; source++) {
        out[2] = fmax(out[2], (double)w[source * 2 * b->N].value);
        out[3] = fmin(out[3], (double)w[(source * 2 + 1) * b->N].value);
    }
}

static bool write_direction(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t i, bool null_model, bl_error *err) {
    double summary[5];
    summarise(a, b->eigens[i], summary);
    sqlite3_bind_int(s, 1, a->directions[b->first + i]);
    for (int c = 0; c < 5; c++) sqlite3_bind_double(s, 2 + c, summary[c]);
    if (!null_model) sqlite3_bind_double(s, 7, (double)bl_eigen_constant(b->eigens[i]));
    return bl_database_step(s, err);
}

static bool write_pair(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bool null_model, bl_error *err) {
    size_t i = vector / (2 * a->K), at = vector % (2 * a->K), n = bl_eigen_size(b->eigens[i]);
    long index = index_of(a, at);
    double extremes[4];
    extremes_of(a, b, vector, extremes);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)b->first * 2 * (sqlite3_int64)a->K + (sqlite3_int64)vector);
    sqlite3_bind_int(s, 2, a->directions[b->first + i]);
    sqlite3_bind_int64(s, 3, index);
    sqlite3_bind_double(s, 4, (double)bl_eigen_values(b->eigens[i])[index < 0 ? n - (size_t)-index : (size_t)index]);
    for (int c = 0; c < 4; c++) sqlite3_bind_double(s, 5 + c, extremes[c]);
    if (!null_model) sqlite3_bind_blob64(s, 9, b->v + vector * n, n * sizeof *b->v, SQLITE_STATIC);
    return bl_database_step(s, err);
}

static bool write_words(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bl_error *err) {
    bool ok = true;
    for (size_t source = 0; ok && source <= a->H; source++) {
        const bl_word *top = b->extremes + ((vector * (1 + a->H) + source) * 2) * b->N, *bottom = top + b->N;
        for (size_t r = 0; ok && r < 2 * b->N; r++) { /* ranks -N … -1, 0 … N-1: the table's own order */
            const bl_word *word = r < b->N ? &bottom[b->N - 1 - r] : &top[r - b->N];
            sqlite3_bind_int64(s, 1, (sqlite3_int64)b->first * 2 * (sqlite3_int64)a->K + (sqlite3_int64)vector);
            sqlite3_bind_int64(s, 2, (sqlite3_int64)source);
            sqlite3_bind_int64(s, 3, (sqlite3_int64)r - (sqlite3_int64)b->N);
            sqlite3_bind_int(s, 4, word->token);
            sqlite3_bind_double(s, 5, (double)word->value);
            ok = bl_database_step(s, err);
        }
    }
    return ok;
}

/* One transaction. */
static bool write_batch(bl_atlas *a, const batch *b, bool null_model, bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    sqlite3_stmt *directions = bl_database_prepare(a->db,
                                                   null_model ? "INSERT INTO null_direction VALUES (?, ?, ?, ?, ?, ?)"
                                                              : "INSERT INTO direction VALUES (?, ?, ?, ?, ?, ?, ?)",
                                                   err);
    sqlite3_stmt *pairs = NULL, *words = NULL;
    if (directions)
        pairs = bl_database_prepare(a->db,
                                    null_model ? "INSERT INTO null_eigenpair VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                                               : "INSERT INTO eigenpair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                    err);
    if (pairs) words = bl_database_prepare(a->db, "INSERT INTO virtual_token VALUES (?, ?, ?, ?, ?)", err);
    bool ok = words != NULL;
    for (size_t i = 0; ok && i < b->count; i++) ok = write_direction(a, directions, b, i, null_model, err);
    for (size_t j = 0; ok && j < b->count * 2 * a->K; j++)
        ok = write_pair(a, pairs, b, j, null_model, err) && (null_model || write_words(a, words, b, j, err));
    sqlite3_finalize(directions);
    sqlite3_finalize(pairs);
    sqlite3_finalize(words);
    bool last = b->first + b->count == a->n_directions;
    bl_phase here = null_model ? BL_PHASE_NULL : BL_PHASE_DECOMPOSE;
    ok = ok && bl_atlas_mark(a, last ? here + 1 : here, last ? 0 : b->first + b->count, err);
    return bl_database_commit(a->db, ok, err);
}

static bool run_batch(bl_atlas *a, batch *b, const float *mean, bool null_model, bl_error *err) {
    size_t width = 2 * a->K;
    for (size_t i = 0; i < b->count; i++) direction(a, a->directions[b->first + i], mean, b->u + i * a->d);
    if (!bl_decomposer_run(b->decomposer, b->u, b->count, a->K, b->eigens, err)) return false;
    for (size_t j = 0; j < b->count * width; j++)
        memcpy(b->v + j * a->n, bl_eigen_vector(b->eigens[j / width], index_of(a, j % width)), a->n * sizeof *b->v);
    bool ok = bl_words_extremes(b->words, b->v, b->count * width, b->N, b->extremes, err) && write_batch(a, b, null_model, err);
    for (size_t i = 0; i < b->count; i++) bl_eigen_free(b->eigens[i]);
    return ok;
}

bool bl_atlas_decompose(bl_atlas *a, bool null_model, bl_error *err) {
    const char *phase = null_model ? "null model" : "decomposing";
    size_t half = a->n * (a->n + 1) / 2 * sizeof(float), most = BATCH_BYTES / half < 16 ? 16 : BATCH_BYTES / half, vectors;
    if (most > BATCH) most = BATCH;
    bl_decomposer_options options = {.null_model = null_model,
                                     .seed = a->options.seed,
                                     .directions = a->n_directions,
                                     .progress = a->options.progress};
    bl_decomposer *decomposer = NULL;
    bl_words *words = NULL;
    batch b = {.N = null_model ? 1 : a->N};
    bool ok = false;
    if (!bl_mul_size(most * 2 * a->K, a->n > (1 + a->H) * 2 * b.N ? a->n : (1 + a->H) * 2 * b.N, &vectors)) vectors = SIZE_MAX;
    float *mean = bl_alloc(a->d, sizeof *mean, err);
    b.u = bl_alloc(most * a->d, sizeof *b.u, err);
    b.eigens = bl_alloc(most, sizeof(bl_eigen *), err);
    b.v = bl_alloc(vectors, sizeof *b.v, err);
    b.extremes = bl_alloc(vectors, sizeof *b.extremes, err);
    if (!mean || !b.u || !b.eigens || !b.v || !b.extremes) goto done;
    contrast(a, mean);
    b.decomposer = decomposer = bl_decomposer_new(a->model, a->options.layer, &options, err);
    b.words = words = decomposer ? bl_words_new(a->model, a->options.layer, err) : NULL;
    ok = words != NULL;
    for (size_t at = (size_t)a->done; ok && at < a->n_directions; at += most) { /* batches are cut alike in every run */
        b.first = at;
        b.count = a->n_directions - at < most ? a->n_directions - at : most;
        ok = bl_progress_step(&a->options.progress, phase, at, a->n_directions, err) && run_batch(a, &b, mean, null_model, err);
    }
done:
    bl_decomposer_free(decomposer);
    bl_words_free(words);
    free(mean);
    free(b.u);
    free(b.eigens);
    free(b.v);
    free(b.extremes);
    return ok;
}
