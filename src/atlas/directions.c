/* Decomposing the directions, of the model and of draws of its null model, batch after batch; each batch is a
 * transaction. Of the first draw eigenvectors are kept, of further ones only the statistics of the places
 * (chance.c).
 *
 * A round is a batch a rank. What a batch found is one block of bytes (`batch`), which goes to rank 0, where
 * it is written while the others are at the next round. Batches are cut alike in every run, however many
 * ranks there are: so are the bits. */
#include "atlas/atlas_private.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <bilens/chance.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256
#define BATCH_BYTES ((size_t)256 << 20) /* of packed interaction matrices */
#define JUDGED 1024                     /* directions of the draw that shows the calibration */
#define PARTS 16                        /* a small atlas has as many batches, so that ranks can share them */

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static bool choose_named(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    for (size_t i = 0; i < o->n_tokens; i++) {
        long id = bl_basis_find(&a->out, o->tokens[i], err);
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

/* Vectors that are all 0 are no directions. */
static void choose_own(bl_atlas *a) {
    bl_view rows = a->out.vectors;
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        size_t e = 0;
        while (e < rows.cols && row[e] == 0) e++;
        if (e < rows.cols) a->directions[a->n_directions++] = (int32_t)i;
    }
}

bool bl_atlas_choose(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    a->directions = bl_alloc(o->tokens ? o->n_tokens : a->space, sizeof *a->directions, err);
    if (!a->directions) return false;
    if (o->directions) {
        choose_own(a);
    } else if (o->tokens) {
        if (!choose_named(a, err)) return false;
    } else if (o->frequent) {
        if (!choose_frequent(a, err)) return false;
    } else {
        for (size_t i = 0; i < a->space; i++)
            if (bl_basis_used(&a->out, i)) a->directions[a->n_directions++] = (int32_t)i;
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

bool bl_atlas_direction(const bl_atlas *a, size_t i, const float *mean, float *u, bl_error *err) {
    size_t row = (size_t)a->directions[i];
    bl_basis basis = a->out;
    basis.mean = mean;
    if (!bl_atlas_is_own(a))
        return bl_direction_of_row(&basis, row, !a->options.raw, a->options.centre_unembedding, u, err);
    memcpy(u, basis.vectors.data + row * basis.vectors.stride, a->d * sizeof *u);
    return true;
}

enum { SUMMARY = 5, FIGURES = SUMMARY + 3 };

/* What is decomposed: the model, or draw 0, 1 … of its null model. */
enum { OF_MODEL = -1, OF_FIRST_DRAW = 0 };

/* What one batch found, as pointers into a block of block_size bytes. */
typedef struct batch {
    size_t first, count;  /* of the work's directions */
    double *summaries;    /* [count, FIGURES] with constant, shift and norm */
    float *values;        /* [count * 2K] eigenvalues in the order -1, -2 … -K, 0 … K-1 */
    float *statistics;    /* [count * 2K] (lambda - shift) / |Q~| */
    float *v;             /* [count * 2K, n] */
    bl_reading *extremes; /* [count * 2K, 1 + H, 2, N] */
    size_t N;
} batch;

/* What a phase works with. */
typedef struct work {
    const bl_decomposer *decomposer;
    const bl_readout_many *readout;
    size_t most;       /* directions of a batch */
    float *mean, *u;   /* [d] of the directions' basis, [most, d] */
    bl_eigen **eigens; /* [most] */
    char *block;       /* of a batch of `most` */
    size_t N;
    long draw;        /* OF_MODEL, or which draw */
    size_t n, stride; /* directions: every stride-th of the atlas's, n of them */
} work;

/* Of further draws only statistics are kept. */
static bool keeps_vectors(const work *w) { return w->draw <= OF_FIRST_DRAW; }

/* Which of the atlas's directions the work's number i is. */
static size_t direction_at(const work *w, size_t i) { return i * w->stride; }

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Bytes of a batch of `count` directions; with `b` its pointers into `block`. Checked for overflow once, for
 * the largest batch. */
static size_t lay_out(const bl_atlas *a, const work *w, size_t count, char *block, batch *b) {
    size_t vectors = count * 2 * a->K, kept = keeps_vectors(w) ? vectors : 0,
           summaries = aligned(count * FIGURES * sizeof(double)), values = aligned(vectors * sizeof(float)),
           v = aligned(kept * a->n * sizeof(float)),
           extremes = aligned(kept * (1 + a->H) * 2 * w->N * sizeof(bl_reading));
    if (b) {
        b->count = count;
        b->N = w->N;
        b->summaries = (double *)(void *)block;
        b->values = (float *)(void *)(block + summaries);
        b->statistics = (float *)(void *)(block + summaries + values);
        b->v = (float *)(void *)(block + summaries + 2 * values);
        b->extremes = (bl_reading *)(void *)(block + summaries + 2 * values + v);
    }
    return summaries + 2 * values + v + extremes;
}

static long index_of(const bl_atlas *a, size_t i) { return i < a->K ? -(long)i - 1 : (long)(i - a->K); }

/* largest |lambda|, highest, lowest, effective rank, the share of sum lambda^2 that the K pairs at each end
 * have; the constant, the shift and |Q~|. */
static void summarise(const bl_atlas *a, const bl_eigen *eigen, double out[FIGURES]) {
    const float *values = bl_eigen_values(eigen);
    size_t n = bl_eigen_size(eigen);
    double all = 0, kept = 0, shift = bl_eigen_shift(eigen), traceless = 0;
    for (size_t i = 0; i < n; i++) {
        double square = (double)values[i] * (double)values[i];
        all += square;
        traceless += ((double)values[i] - shift) * ((double)values[i] - shift);
        if (i < a->K || i >= n - a->K) kept += square;
    }
    out[0] = fmax(fabs((double)values[0]), fabs((double)values[n - 1]));
    out[1] = (double)values[n - 1];
    out[2] = (double)values[0];
    out[3] = bl_eigen_effective_rank(eigen);
    out[4] = all > 0 ? kept / all : 0;
    out[SUMMARY] = (double)bl_eigen_constant(eigen);
    out[SUMMARY + 1] = shift;
    out[SUMMARY + 2] = sqrt(traceless);
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
static char *direction_text(const bl_atlas *a, size_t row, bl_error *err) {
    char space[BL_LABEL_SPACE];
    bl_direction direction = {.minus_all = !a->options.raw,
                              .centre_unembedding = a->options.centre_unembedding};
    if (!bl_atlas_is_own(a)) {
        direction.token = bl_basis_label(&a->out, row, space);
        return bl_direction_text(&direction, &a->out, err);
    }
    bl_buffer source = {0};
    bl_buffer_print(&source, "%s:%zu", a->options.source ? a->options.source : "directions", row);
    char *name = bl_buffer_take(&source, err);
    char *text = name ? bl_direction_text(&(bl_direction){.source = name}, &a->out, err) : NULL;
    free(name);
    return text;
}

static bool write_direction(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t i, bool null_model,
                            bl_error *err) {
    char space[BL_LABEL_SPACE];
    int32_t row = a->directions[b->first + i];
    sqlite3_bind_int64(s, 1, bl_atlas_direction_id(a, b->first + i));
    for (int c = 0; c < FIGURES; c++) sqlite3_bind_double(s, 2 + c, b->summaries[i * FIGURES + (size_t)c]);
    if (null_model) return bl_database_step(s, err);
    char *text = direction_text(a, (size_t)row, err);
    if (!text) return false;
    sqlite3_bind_int64(s, 2 + FIGURES, (sqlite3_int64)a->layer);
    sqlite3_bind_int(s, 3 + FIGURES, row);
    if (bl_atlas_is_own(a)) sqlite3_bind_null(s, 4 + FIGURES);
    else sqlite3_bind_int(s, 4 + FIGURES, row);
    sqlite3_bind_text(s, 5 + FIGURES, bl_basis_label(&a->out, (size_t)row, space), -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(s, 6 + FIGURES, text, -1, bl_free);
    return bl_database_step(s, err);
}

/* Number of the batch's vector among the part's. */
static size_t number_of(const bl_atlas *a, const batch *b, size_t vector) {
    return b->first * 2 * a->K + vector;
}

static bool write_pair(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bl_error *err) {
    size_t i = vector / (2 * a->K), n = a->n;
    double extremes[4];
    extremes_of(a, b, vector, extremes);
    sqlite3_bind_int64(s, 1, bl_atlas_pair_id(a, number_of(a, b, vector)));
    sqlite3_bind_int64(s, 2, bl_atlas_direction_id(a, b->first + i));
    sqlite3_bind_int64(s, 3, index_of(a, vector % (2 * a->K)));
    sqlite3_bind_double(s, 4, (double)b->values[vector]);
    sqlite3_bind_double(s, 5, (double)b->statistics[vector]);
    for (int c = 0; c < 4; c++) sqlite3_bind_double(s, 6 + c, extremes[c]);
    sqlite3_bind_blob64(s, 10, b->v + vector * n, n * sizeof *b->v, SQLITE_STATIC);
    return bl_database_step(s, err);
}

static bool write_words(const bl_atlas *a, sqlite3_stmt *s, const batch *b, size_t vector, bl_error *err) {
    bool ok = true;
    for (size_t source = 0; ok && source <= a->H; source++) {
        const bl_reading *top = b->extremes + ((vector * (1 + a->H) + source) * 2) * b->N,
                         *bottom = top + b->N;
        for (size_t r = 0; ok && r < 2 * b->N; r++) { /* ranks -N … -1, 0 … N-1: the table's own order */
            const bl_reading *word = r < b->N ? &bottom[b->N - 1 - r] : &top[r - b->N];
            sqlite3_bind_int64(s, 1, bl_atlas_pair_id(a, number_of(a, b, vector)));
            sqlite3_bind_int64(s, 2, (sqlite3_int64)source);
            sqlite3_bind_int64(s, 3, (sqlite3_int64)r - (sqlite3_int64)b->N);
            sqlite3_bind_int(s, 4, word->index);
            sqlite3_bind_double(s, 5, (double)word->value);
            ok = bl_database_step(s, err);
        }
    }
    return ok;
}

/* Directions, eigenpairs and, of the model, virtual tokens. */
static bool write_vectors(bl_atlas *a, const batch *b, bool null_model, bl_error *err) {
    static const char *const sql[2][3] = {{"INSERT INTO direction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                           "?, ?, ?, ?)",
                                           "INSERT INTO eigenpair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                           "INSERT INTO virtual_token VALUES (?, ?, ?, ?, ?)"},
                                          {"INSERT INTO null_direction VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                           "INSERT INTO null_eigenpair VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                                           "INSERT INTO virtual_token VALUES (?, ?, ?, ?, ?)"}};
    sqlite3_stmt *s[3] = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < 3; i++)
        ok = (s[i] = bl_database_prepare(a->db, sql[null_model][i], err)) != NULL;
    for (size_t i = 0; ok && i < b->count; i++) ok = write_direction(a, s[0], b, i, null_model, err);
    for (size_t j = 0; ok && j < b->count * 2 * a->K; j++)
        ok = write_pair(a, s[1], b, j, err) && (null_model || write_words(a, s[2], b, j, err));
    for (size_t i = 0; i < 3; i++) sqlite3_finalize(s[i]);
    return ok;
}

/* Of a further draw. */
static bool write_statistics(bl_atlas *a, const work *w, const batch *b, bl_error *err) {
    sqlite3_stmt *s = bl_database_prepare(a->db, "INSERT INTO null_statistic VALUES (?, ?, ?)", err);
    size_t width = 2 * a->K;
    bool ok = s != NULL;
    for (size_t j = 0; ok && j < b->count * width; j++) {
        size_t pair = direction_at(w, b->first + j / width) * width + j % width;
        sqlite3_bind_int64(s, 1, w->draw);
        sqlite3_bind_int64(s, 2, bl_atlas_pair_id(a, pair));
        sqlite3_bind_double(s, 3, (double)b->statistics[j]);
        ok = bl_database_step(s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

/* Marks that `count` of the work's directions are written. Draw r begins at r * n_directions. */
static bool mark(bl_atlas *a, const work *w, size_t count, bl_error *err) {
    bool last = count == w->n;
    if (w->draw == OF_MODEL) return bl_atlas_mark(a, BL_PHASE_DECOMPOSE + last, last ? 0 : count, err);
    uint64_t draw = (uint64_t)w->draw;
    return bl_atlas_mark(a, BL_PHASE_NULL, (draw + last) * a->n_directions + (last ? 0 : count), err);
}

/* One transaction. */
static bool write_batch(bl_atlas *a, const work *w, const batch *b, bl_error *err) {
    if (!bl_database_begin(a->db, err)) return false;
    bool ok = (keeps_vectors(w) ? write_vectors(a, b, w->draw == OF_FIRST_DRAW, err)
                                : write_statistics(a, w, b, err)) &&
              mark(a, w, b->first + b->count, err);
    return bl_database_commit(a->db, ok, err);
}

/* One batch's eigenpairs and words into the block. */
static bool run_batch(const bl_atlas *a, work *w, batch *b, bl_error *err) {
    size_t width = 2 * a->K;
    for (size_t i = 0; i < b->count; i++)
        if (!bl_atlas_direction(a, direction_at(w, b->first + i), w->mean, w->u + i * a->d, err))
            return false;
    if (!bl_decomposer_run(w->decomposer, w->u, b->count, keeps_vectors(w) ? a->K : 1, w->eigens, err))
        return false;
    for (size_t i = 0; i < b->count; i++) summarise(a, w->eigens[i], b->summaries + i * FIGURES);
    for (size_t j = 0; j < b->count * width; j++) {
        const bl_eigen *eigen = w->eigens[j / width];
        const double *figures = b->summaries + j / width * FIGURES;
        long index = index_of(a, j % width);
        b->values[j] = bl_eigen_values(eigen)[index < 0 ? a->n - (size_t)-index : (size_t)index];
        b->statistics[j] =
            bl_chance_statistic((double)b->values[j], figures[SUMMARY + 1], figures[SUMMARY + 2]);
        if (keeps_vectors(w)) memcpy(b->v + j * a->n, bl_eigen_vector(eigen, index), a->n * sizeof *b->v);
    }
    for (size_t i = 0; i < b->count; i++) bl_eigen_free(w->eigens[i]);
    return !keeps_vectors(w) ||
           bl_readout_extremes(w->readout, b->v, a->n, b->count * width, b->N, b->extremes, err);
}

/* The batch of rank r in the round that begins at direction `at`. */
static void cut(const bl_atlas *a, const work *w, size_t at, int r, char *block, batch *b) {
    size_t first = at + (size_t)r * w->most, left = first < w->n ? w->n - first : 0;
    lay_out(a, w, left < w->most ? left : w->most, block, b);
    b->first = first;
}

/* All ranks' batches of a round to rank 0, which writes them in order. */
static bool write_round(bl_atlas *a, const work *w, size_t at, const batch *mine, bl_error *err) {
    bl_gathered all = {0};
    if (a->ranks.size == 1) return write_batch(a, w, mine, err);
    bool ok = bl_ranks_gather(&a->ranks, w->block, mine->count ? lay_out(a, w, mine->count, NULL, NULL) : 0,
                              &all, err);
    for (int r = 0; ok && a->ranks.rank == 0 && r < a->ranks.size; r++) {
        batch b;
        cut(a, w, at, r, all.data + all.begin[r], &b);
        ok = b.count == 0 || write_batch(a, w, &b, err);
    }
    bl_gathered_free(&all);
    return ok;
}

/* Rounds until all directions are written. Failures of this round's work and of the last one's writing are
 * agreed on together. */
static bool run_rounds(bl_atlas *a, work *w, bl_error *err) {
    const char *phase = w->draw == OF_MODEL ? "decomposing" : "null model";
    size_t begin = w->draw == OF_MODEL ? 0 : (size_t)w->draw * a->n_directions;
    bool ok = true;
    for (size_t at = (size_t)a->done - begin;; at += w->most * (size_t)a->ranks.size) {
        bool more = at < w->n;
        batch b;
        cut(a, w, at, a->ranks.rank, w->block, &b);
        if (more) ok = ok && bl_progress_step(&a->options.progress, phase, at, w->n, err);
        if (b.count) ok = ok && run_batch(a, w, &b, err);
        if (!bl_ranks_agree(&a->ranks, ok, err)) return false;
        if (!more) return true;
        ok = write_round(a, w, at, &b, err);
    }
}

static bool work_init(const bl_atlas *a, work *w, bl_error *err) {
    size_t half = a->n * (a->n + 1) / 2 * sizeof(float),
           room = BATCH_BYTES / half < 16 ? 16 : BATCH_BYTES / half, share = (w->n + PARTS - 1) / PARTS,
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
    return bl_basis_mean(&a->out, w->mean, err);
}

static bl_readout_many *make_readout(const bl_atlas *a, bl_error *err) {
    bl_basis tokens = bl_model_basis_in(a->model);
    bl_path *paths = bl_model_paths(a->model, a->layer, err);
    bl_readout_many *readout =
        paths ? bl_readout_many_new(&tokens, paths, bl_model_n_paths(a->model), err) : NULL;
    free(paths);
    return readout;
}

static bool decompose(bl_atlas *a, long which, size_t stride, bl_error *err) {
    work w = {.N = which == OF_MODEL ? a->N : 1,
              .draw = which,
              .n = (a->n_directions + stride - 1) / stride,
              .stride = stride};
    bl_decomposer_options options = {.directions = w.n,
                                     .progress = a->options.progress,
                                     .distributed = a->options.distributed};
    bl_bilinear draw = {0};
    bl_decomposer *decomposer = NULL;
    bl_readout_many *readout = NULL;
    bool ok =
        work_init(a, &w, err) &&
        (which == OF_MODEL || bl_bilinear_null(&a->map, a->options.seed + (uint64_t)which, &draw, NULL, err));
    ok = bl_ranks_agree(&a->ranks, ok, err);
    w.decomposer = decomposer =
        ok ? bl_decomposer_new(which == OF_MODEL ? &a->map : &draw, &options, err) : NULL;
    w.readout = readout = decomposer ? make_readout(a, err) : NULL;
    ok = bl_ranks_agree(&a->ranks, readout != NULL, err) && run_rounds(a, &w, err);
    if (ok && a->ranks.rank > 0) ok = mark(a, &w, w.n, err); /* as rank 0 did */
    bl_decomposer_free(decomposer);
    bl_bilinear_null_free(&draw);
    bl_readout_many_free(readout);
    free(w.mean);
    free(w.u);
    free(w.eigens);
    free(w.block);
    return ok;
}

bool bl_atlas_decompose(bl_atlas *a, bl_error *err) { return decompose(a, OF_MODEL, 1, err); }

bool bl_atlas_draw(bl_atlas *a, bl_error *err) {
    size_t n = a->n_directions, draws = a->options.null_draws;
    for (size_t r = (size_t)(a->done / n); r <= draws; r++)
        if (!decompose(a, (long)r, r < draws ? 1 : (n + JUDGED - 1) / JUDGED, err)) return false;
    return bl_ranks_agree(&a->ranks, bl_atlas_judge(a, err), err);
}
