/* Decomposing the directions, of the model and of its null model, batch after batch; each batch is a
 * transaction.
 *
 * A round is a batch a rank. What a batch found is one block of bytes (`batch`), which goes to rank 0, where
 * it is written while the others are at the next round. Batches are cut alike in every run, however many
 * ranks there are: so are the bits. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256
#define BATCH_BYTES ((size_t)256 << 20) /* of packed interaction matrices */
#define PARTS 16                        /* a small atlas has as many batches, so that ranks can share them */

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static bool choose_named(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    bl_basis basis = bl_model_basis_out(a->model);
    for (size_t i = 0; i < o->n_tokens; i++) {
        long id = bl_basis_find(&basis, o->tokens[i], err);
        if (id < 0) return false;
        a->directions[i] = (int32_t)id;
    }
    qsort(a->directions, o->n_tokens, sizeof *a->directions, ascending);
    for (size_t i = 0; i < o->n_tokens; i++) /* each once */
        if (i == 0 || a->directions[i] != a->directions[i - 1])
            a->directions[a->n_directions++] = a->directions[i];
    return true;
}

static bool choose_frequent(bl_atlas *a, bl_error *err) {
    bl_error failure = {0};
    sqlite3_stmt *s =
        bl_database_prepare(a->db, "SELECT id FROM token ORDER BY count DESC, id LIMIT ?", &failure);
    if (s) sqlite3_bind_int64(s, 1, (sqlite3_int64)a->options.frequent);
    while (s && a->n_directions < a->V && bl_database_row(s, &failure))
        a->directions[a->n_directions++] = sqlite3_column_int(s, 0);
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
        bl_basis basis = bl_model_basis_out(a->model);
        for (size_t i = 0; i < a->V; i++)
            if (bl_basis_used(&basis, i)) a->directions[a->n_directions++] = (int32_t)i;
    }
    a->K = o->pairs < a->n / 2 ? o->pairs : a->n / 2;
    bl_basis read = bl_model_basis_in(a->model);
    a->N = bl_basis_n_used(&read);
    if (o->virtual_tokens < a->N) a->N = o->virtual_tokens;
    a->J = a->n_directions * 2 * a->K;
    if (a->n_directions == 0) return bl_fail(err, BL_ERR_USAGE, "an atlas needs at least one direction");
    return a->K > 0 ||
           bl_fail(err, BL_ERR_UNSUPPORTED, "%s: interaction matrices of one row have no two ends",
                   bl_model_name(a->model));
}

enum { SUMMARY = 5, FIGURES = SUMMARY + 2 };

/* What one batch found, as pointers into a block of block_size bytes. */
typedef struct batch {
    size_t first, count;  /* directions */
    double *summaries;    /* [count, FIGURES] with constant and shift */
    float *values;        /* [count * 2K] eigenvalues in the order -1, -2 … -K, 0 … K-1 */
    float *v;             /* [count * 2K, n] */
    bl_reading *extremes; /* [count * 2K, 1 + H, 2, N] */
    size_t N;
} batch;

/* What a phase works with. */
typedef struct work {
    const bl_decomposer *decomposer;
    const bl_readout_many *readout;
    size_t most;       /* directions of a batch */
    bl_basis basis;    /* of the directions, with its mean */
    float *mean, *u;   /* [d], [most, d] */
    bl_eigen **eigens; /* [most] */
    char *block;       /* of a batch of `most` */
    size_t N;
    bool null_model;
} work;

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Bytes of a batch of `count` directions; with `b` its pointers into `block`. Checked for overflow once, for
 * the largest batch. */
static size_t lay_out(const bl_atlas *a, const work *w, size_t count, char *block, batch *b) {
    size_t vectors = count * 2 * a->K, summaries = aligned(count * FIGURES * sizeof(double)),
           values = aligned(vectors * sizeof(float)), v = aligned(vectors * a->n * sizeof(float)),
           extremes = aligned(vectors * (1 + a->H) * 2 * w->N * sizeof(bl_reading));
    if (b) {
        b->count = count;
        b->N = w->N;
        b->summaries = (double *)(void *)block;
        b->values = (float *)(void *)(block + summaries);
        b->v = (float *)(void *)(block + summaries + values);
        b->extremes = (bl_reading *)(void *)(block + summaries + values + v);
    }
    return summaries + values + v + extremes;
}

static long index_of(const bl_atlas *a, size_t i) { return i < a->K ? -(long)i - 1 : (long)(i - a->K); }

/* largest |lambda|, highest, lowest, effective rank, the share of sum lambda^2 that the K pairs at each end
 * have; the constant and the shift. */
static void summarise(const bl_atlas *a, const bl_eigen *eigen, double out[FIGURES]) {
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
    out[SUMMARY] = (double)bl_eigen_constant(eigen);
    out[SUMMARY + 1] = bl_eigen_shift(eigen);
}

/* direct_max, direct_min, head_max, head_min of one vector. */
static void extremes_of(const bl_atlas *a, const batch *b, size_t vector, double out[4]) {
    const bl_reading *w = b->extremes + vector * (1 + a->H) * 2 * b->N;
    out[0] = (double)w[0].value;
    out[1] = (double)w[b->N].value;
    out[2] = -INFINITY;
    out[3] = INFINITY;
    for (size_t source = 1; source <= a->H; source++) {
        out[2] = fmax(out[2], (double)w[source * 2 * b->N].value);
        out[3] = fmin(out[3], (double)w[(source * 2 + 1) * b->N].value);
    }
}

/* The direction's canonical text. */
static char *direction_text(const bl_atlas *a, int32_t token, bl_error *err) {
    char space[BL_LABEL_SPACE];
    bl_basis basis = bl_model_basis_out(a->model);
    bl_direction direction = {.token = bl_basis_label(&basis, (size_t)token, space),
                              .minus_all = !a->options.raw,
                              .centre_unembedding = a->options.centre_unembedding};
    return bl_direction_text(&direction, &basis, err);
}

static bool write_direction(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t i, bool null_model,
                            bl_error *err) {
    sqlite3_bind_int(s, 1, a->directions[b->first + i]);
    for (int c = 0; c < (null_model ? SUMMARY : FIGURES); c++)
        sqlite3_bind_double(s, 2 + c, b->summaries[i * FIGURES + (size_t)c]);
    if (null_model) return bl_database_step(s, err);
    char *text = direction_text(a, a->directions[b->first + i], err);
    if (!text) return false;
    sqlite3_bind_text(s, 2 + FIGURES, text, -1, bl_free);
    return bl_database_step(s, err);
}

static bool write_pair(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bool null_model,
                       bl_error *err) {
    size_t i = vector / (2 * a->K), n = a->n;
    double extremes[4];
    extremes_of(a, b, vector, extremes);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)b->first * 2 * (sqlite3_int64)a->K + (sqlite3_int64)vector);
    sqlite3_bind_int(s, 2, a->directions[b->first + i]);
    sqlite3_bind_int64(s, 3, index_of(a, vector % (2 * a->K)));
    sqlite3_bind_double(s, 4, (double)b->values[vector]);
    for (int c = 0; c < 4; c++) sqlite3_bind_double(s, 5 + c, extremes[c]);
    if (!null_model) sqlite3_bind_blob64(s, 9, b->v + vector * n, n * sizeof *b->v, SQLITE_STATIC);
    return bl_database_step(s, err);
}

static bool write_words(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bl_error *err) {
    bool ok = true;
    for (size_t source = 0; ok && source <= a->H; source++) {
        const bl_reading *top = b->extremes + ((vector * (1 + a->H) + source) * 2) * b->N,
                         *bottom = top + b->N;
        for (size_t r = 0; ok && r < 2 * b->N; r++) { /* ranks -N … -1, 0 … N-1: the table's own order */
            const bl_reading *word = r < b->N ? &bottom[b->N - 1 - r] : &top[r - b->N];
            sqlite3_bind_int64(s, 1,
                               (sqlite3_int64)b->first * 2 * (sqlite3_int64)a->K + (sqlite3_int64)vector);
            sqlite3_bind_int64(s, 2, (sqlite3_int64)source);
            sqlite3_bind_int64(s, 3, (sqlite3_int64)r - (sqlite3_int64)b->N);
            sqlite3_bind_int(s, 4, word->index);
            sqlite3_bind_double(s, 5, (double)word->value);
            ok = bl_database_step(s, err);
        }
    }
    return ok;
}

/* One transaction. */
static bool write_batch(bl_atlas *a, const batch *b, bool null_model, bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    sqlite3_stmt *directions =
        bl_database_prepare(a->db,
                            null_model ? "INSERT INTO null_direction VALUES (?, ?, ?, ?, ?, ?)"
                                       : "INSERT INTO direction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

/* One batch's eigenpairs and words into the block. */
static bool run_batch(const bl_atlas *a, work *w, batch *b, bl_error *err) {
    size_t width = 2 * a->K;
    for (size_t i = 0; i < b->count; i++)
        if (!bl_direction_of_row(&w->basis, (size_t)a->directions[b->first + i], !a->options.raw,
                                 a->options.centre_unembedding, w->u + i * a->d, err))
            return false;
    if (!bl_decomposer_run(w->decomposer, w->u, b->count, a->K, w->eigens, err)) return false;
    for (size_t i = 0; i < b->count; i++) summarise(a, w->eigens[i], b->summaries + i * FIGURES);
    for (size_t j = 0; j < b->count * width; j++) {
        const bl_eigen *eigen = w->eigens[j / width];
        long index = index_of(a, j % width);
        b->values[j] = bl_eigen_values(eigen)[index < 0 ? a->n - (size_t)-index : (size_t)index];
        memcpy(b->v + j * a->n, bl_eigen_vector(eigen, index), a->n * sizeof *b->v);
    }
    for (size_t i = 0; i < b->count; i++) bl_eigen_free(w->eigens[i]);
    return bl_readout_extremes(w->readout, b->v, a->n, b->count * width, b->N, b->extremes, err);
}

/* The batch of rank r in the round that begins at direction `at`. */
static void cut(const bl_atlas *a, const work *w, size_t at, int r, char *block, batch *b) {
    size_t first = at + (size_t)r * w->most, left = first < a->n_directions ? a->n_directions - first : 0;
    lay_out(a, w, left < w->most ? left : w->most, block, b);
    b->first = first;
}

/* All ranks' batches of a round to rank 0, which writes them in order. */
static bool write_round(bl_atlas *a, const work *w, size_t at, const batch *mine, bl_error *err) {
    bl_gathered all = {0};
    if (a->ranks.size == 1) return write_batch(a, mine, w->null_model, err);
    bool ok = bl_ranks_gather(&a->ranks, w->block, mine->count ? lay_out(a, w, mine->count, NULL, NULL) : 0,
                              &all, err);
    for (int r = 0; ok && a->ranks.rank == 0 && r < a->ranks.size; r++) {
        batch b;
        cut(a, w, at, r, all.data + all.begin[r], &b);
        ok = b.count == 0 || write_batch(a, &b, w->null_model, err);
    }
    bl_gathered_free(&all);
    return ok;
}

/* Rounds until all directions are written. Failures of this round's work and of the last one's writing are
 * agreed on together. */
static bool run_rounds(bl_atlas *a, work *w, bl_error *err) {
    const char *phase = w->null_model ? "null model" : "decomposing";
    bool ok = true;
    for (size_t at = (size_t)a->done;; at += w->most * (size_t)a->ranks.size) {
        bool more = at < a->n_directions;
        batch b;
        cut(a, w, at, a->ranks.rank, w->block, &b);
        if (more) ok = ok && bl_progress_step(&a->options.progress, phase, at, a->n_directions, err);
        if (b.count) ok = ok && run_batch(a, w, &b, err);
        if (!bl_ranks_agree(&a->ranks, ok, err)) return false;
        if (!more) return true;
        ok = write_round(a, w, at, &b, err);
    }
}

static bool work_init(const bl_atlas *a, work *w, bl_error *err) {
    size_t half = a->n * (a->n + 1) / 2 * sizeof(float),
           room = BATCH_BYTES / half < 16 ? 16 : BATCH_BYTES / half,
           share = (a->n_directions + PARTS - 1) / PARTS,
           largest = a->n > (1 + a->H) * 2 * w->N ? a->n : (1 + a->H) * 2 * w->N, bound;
    w->most = room < BATCH ? room : BATCH;
    if (share < 16) share = 16;
    if (share < w->most) w->most = share;
    bool fits = bl_mul_size(w->most * 2 * a->K, largest, &bound) && bound < SIZE_MAX / 64;
    w->mean = bl_alloc(a->d, sizeof *w->mean, err);
    w->u = bl_alloc(w->most * a->d, sizeof *w->u, err);
    w->eigens = bl_alloc(w->most, sizeof(bl_eigen *), err);
    w->block = bl_alloc(fits ? lay_out(a, w, w->most, NULL, NULL) : SIZE_MAX, fits ? 1 : 64, err);
    if (!w->mean || !w->u || !w->eigens || !w->block) return false;
    w->basis = bl_model_basis_out(a->model);
    w->basis.mean = w->mean;
    return bl_basis_mean(&w->basis, w->mean, err);
}

static bl_readout_many *make_readout(const bl_atlas *a, bl_error *err) {
    bl_basis tokens = bl_model_basis_in(a->model);
    bl_path *paths = bl_model_paths(a->model, a->options.layer, err);
    bl_readout_many *readout =
        paths ? bl_readout_many_new(&tokens, paths, bl_model_n_paths(a->model), err) : NULL;
    free(paths);
    return readout;
}

bool bl_atlas_decompose(bl_atlas *a, bool null_model, bl_error *err) {
    bl_decomposer_options options = {.directions = a->n_directions,
                                     .progress = a->options.progress,
                                     .distributed = a->options.distributed};
    work w = {.N = null_model ? 1 : a->N, .null_model = null_model};
    bl_bilinear draw = {0};
    bl_decomposer *decomposer = NULL;
    bl_readout_many *readout = NULL;
    bool ok = work_init(a, &w, err) &&
              (!null_model || bl_bilinear_null(&a->map, a->options.seed, &draw, NULL, err));
    ok = bl_ranks_agree(&a->ranks, ok, err);
    w.decomposer = decomposer = ok ? bl_decomposer_new(null_model ? &draw : &a->map, &options, err) : NULL;
    w.readout = readout = decomposer ? make_readout(a, err) : NULL;
    ok = bl_ranks_agree(&a->ranks, readout != NULL, err) && run_rounds(a, &w, err);
    if (ok && a->ranks.rank > 0)
        ok = bl_atlas_mark(a, null_model ? BL_PHASE_SCAN : BL_PHASE_NULL, 0, err); /* as rank 0 did */
    bl_decomposer_free(decomposer);
    bl_bilinear_null_free(&draw);
    bl_readout_many_free(readout);
    free(w.mean);
    free(w.u);
    free(w.eigens);
    free(w.block);
    return ok;
}
