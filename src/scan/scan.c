/* One pass over a corpus for the positions that excite J eigenvectors most (docs/specification.md, 6).
 *
 * Similarities come from the folded scan (folded.h); the full forward pass (similarity.h) is its oracle.
 *
 * Stories are read in batches and tokenised and computed by threads, one story a thread; each leaves its best
 * position for every eigenvector, and the batch is merged in story order. So memory does not grow with the
 * corpus and the result does not depend on the number of threads. Contributions are computed at the end, for
 * the winners only.
 *
 * Several ranks read the whole corpus each and take turns with its batches, which are cut as one process cuts
 * them; their lists are merged at the end (exchange.h), and the winners' contributions shared out once more.
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "scan/contributions.h"
#include "scan/folded.h"
#include "scan/similarity.h"
#include "scan/top.h"
#include "text/corpus/batch.h"
#include <bilens/surrogate.h>
#include <math.h>
#include <stdlib.h>

#define BATCH_STORIES 256
#define TOKENS_AFTER 3
#define DEFAULT_TOP 8
#define ROUNDS 16 /* after so many batches the ranks look whether all are well */

struct bl_scan {
    bl_top *tops;  /* [J] */
    float *values; /* [J] eigenvalues */
    size_t J, H;   /* H = 0 unless contributions are split by head */
    uint64_t stories, positions;
};

/* A story's best position for one eigenvector. */
typedef struct best {
    float similarity;
    uint32_t position;
} best;

/* What the threads of one scan work with. */
typedef struct work {
    bl_ranks ranks;
    bl_probes probes;
    bl_folded *folded;                       /* NULL on the exact path */
    bl_folded_workspace **folded_workspaces; /* [threads] */
    bl_workspace **workspaces;               /* [threads] on the exact path */
    float **sims;                            /* [threads][the longest story so far, J] */
    size_t *rooms;                           /* [threads] floats that sims has */
    size_t threads;
    bl_batch batch;                 /* of a corpus … */
    const bl_token_stories *tokens; /* … or stories first … first + n - 1 of these */
    size_t first, n;
    bool heads;
    best *found; /* [BATCH_STORIES, J] */
} work;

static void work_free(work *w) {
    for (size_t t = 0; t < w->threads; t++) {
        if (w->workspaces) bl_workspace_free(w->workspaces[t]);
        if (w->folded_workspaces) bl_folded_workspace_free(w->folded_workspaces[t]);
        if (w->sims) free(w->sims[t]);
    }
    free(w->workspaces);
    free(w->folded_workspaces);
    free(w->rooms);
    free(w->sims);
    free(w->found);
    bl_batch_free(&w->batch);
    bl_folded_free(w->folded);
    bl_probes_free(&w->probes);
}

/* Rank 0's vectors for all: another number of threads may have given other last bits. */
static bool init_probes(work *w, const bl_model *model, const bl_eigen *eigen, const long *indices, size_t J,
                        bl_error *err) {
    bool ok = bl_ranks_agree(&w->ranks, bl_probes_init(&w->probes, model, eigen, indices, J, err), err);
    return ok &&
           bl_ranks_share(&w->ranks, w->probes.v, J * bl_model_config(model)->d_model * sizeof *w->probes.v,
                          err) &&
           bl_ranks_share(&w->ranks, w->probes.bias, J * sizeof *w->probes.bias, err);
}

static bool work_init(work *w, const bl_model *model, size_t J, bool exact_path, bl_error *err) {
    enum { SHORT = 512 }; /* tokens; longer stories make the scratch grow */
    size_t T = bl_model_config(model)->n_ctx, threads = (size_t)bl_threads();
    bool simple =
        bl_config_generation(bl_model_config(model)) != NULL; /* else only the forward pass is right */
    if (!exact_path && simple && !(w->folded = bl_folded_new(&w->probes, err))) return false;
    w->workspaces = bl_alloc_zero(threads, sizeof(bl_workspace *), err);
    w->folded_workspaces = bl_alloc_zero(threads, sizeof(bl_folded_workspace *), err);
    w->sims = bl_alloc_zero(threads, sizeof(float *), err);
    w->rooms = bl_alloc_zero(threads, sizeof *w->rooms, err);
    w->found = bl_alloc(BATCH_STORIES * J, sizeof *w->found, err);
    if (!w->workspaces || !w->folded_workspaces || !w->sims || !w->rooms || !w->found) return false;
    w->threads = threads;
    for (size_t t = 0; t < threads; t++) {
        if (w->folded)
            w->folded_workspaces[t] = bl_folded_workspace_new(w->folded, T < SHORT ? T : SHORT, err);
        else w->workspaces[t] = bl_workspace_new(model, err);
        if (!w->folded_workspaces[t] && !w->workspaces[t]) return false;
    }
    return true;
}

/* The position of largest sim^2 for each of J columns, from `first` < n on; the first of equal ones. */
static bool find_best(const float *sims, size_t first, size_t n, size_t J, best *found) {
    bool finite = true;
    for (size_t j = 0; j < J; j++) found[j] = (best){sims[first * J + j], (uint32_t)first};
    for (size_t p = first; p < n; p++)
        for (size_t j = 0; j < J; j++) {
            float sim = sims[p * J + j];
            if (!isfinite(sim)) finite = false;
            if (sim * sim > found[j].similarity * found[j].similarity) found[j] = (best){sim, (uint32_t)p};
        }
    return finite;
}

/* Tokens of story i of the batch. */
static bl_ids story_ids(const work *w, size_t i) {
    if (!w->tokens) return w->batch.ids[i];
    const size_t *begin = w->tokens->begin + w->first + i;
    return (bl_ids){.data = (int32_t *)(uintptr_t)(w->tokens->ids + begin[0]), .n = begin[1] - begin[0]};
}

/* One story of the batch, read, encoded and looked through by one thread. */
static bool scan_story(void *context, size_t i, size_t thread, bl_error *err) {
    work *w = context;
    size_t J = w->probes.J;
    const bl_model *model = w->probes.model;
    if (!w->tokens &&
        !bl_batch_encode(&w->batch, i, bl_model_tokenizer(model), bl_model_config(model)->n_ctx, err))
        return false;
    bl_ids ids = story_ids(w, i);
    size_t first = bl_model_left_out(model);
    if (ids.n <= first) return true;
    if (!bl_grow(&w->sims[thread], &w->rooms[thread], ids.n * J, sizeof **w->sims, err)) return false;
    bool ok = w->folded
                ? bl_folded_similarity(w->folded, w->folded_workspaces[thread], ids.data, ids.n,
                                       w->sims[thread], err)
                : bl_similarity(&w->probes, w->workspaces[thread], ids.data, ids.n, w->sims[thread], err);
    if (!ok) return false;
    if (find_best(w->sims[thread], first, ids.n, J, w->found + i * J)) return true;
    return bl_fail(err, BL_ERR_NUMERIC, "a similarity is not finite: the weights hold NaN or infinity");
}

static bool scan_batch(work *w, bl_error *err) { return bl_parallel(w->n, scan_story, w, err); }

/* The place of story i of the batch in the corpus. */
static uint64_t story_number(const work *w, size_t i) {
    return w->tokens ? (uint64_t)(w->first + i) : w->batch.number[i];
}

static bool merge_batch(bl_scan *scan, const work *w, bl_error *err) {
    for (size_t i = 0; i < w->n; i++) {
        bl_ids ids = story_ids(w, i);
        for (size_t j = 0; j < scan->J && ids.n > bl_model_left_out(w->probes.model); j++) {
            best b = w->found[i * scan->J + j];
            size_t n = (size_t)b.position + 1 + TOKENS_AFTER;
            if (!bl_top_offer(&scan->tops[j], story_number(w, i), b.position, b.similarity, ids.data,
                              n < ids.n ? n : ids.n, err))
                return false;
        }
        scan->positions += ids.n;
    }
    return true;
}

/* One match's contributions, signed so that their sum is positive. */
static bool explain_match(const work *w, size_t j, bl_candidate *m, size_t thread, bl_error *err) {
    m->contributions = bl_alloc(m->position + 1, sizeof *m->contributions, err);
    size_t rows = w->heads ? 1 + bl_model_config(w->probes.model)->n_head : 0;
    if (rows) m->heads = bl_alloc((m->position + 1) * rows, sizeof *m->heads, err);
    if (!m->contributions || (rows && !m->heads)) return false;
    const bl_cause cause = {.v = w->probes.v + j * bl_model_config(w->probes.model)->d_model,
                            .position = m->position,
                            .c = m->contributions,
                            .heads = m->heads};
    bool ok = w->folded ? bl_folded_contributions(w->folded, w->folded_workspaces[thread], j, m->ids,
                                                  m->n_ids, m->position, m->contributions, m->heads, err)
                        : bl_contributions(w->probes.model, w->workspaces[thread], w->probes.layer, m->ids,
                                           m->n_ids, &cause, 1, err);
    if (!ok) return false;
    if (isnan(m->similarity)) { /* a place that was given */
        double sum = (double)w->probes.bias[j];
        for (size_t p = 0; p <= m->position; p++) sum += (double)m->contributions[p];
        m->similarity = (float)sum;
        if (!isfinite(sum))
            return bl_fail(err, BL_ERR_NUMERIC,
                           "a similarity is not finite: the weights hold NaN or infinity");
    }
    float sign = m->similarity < 0 ? -1.0F : 1.0F;
    m->bias = sign * w->probes.bias[j] + 0.0F; /* a zero is written without a sign */
    for (size_t p = 0; p <= m->position; p++) m->contributions[p] = sign * m->contributions[p] + 0.0F;
    for (size_t i = 0; i < rows * (m->position + 1); i++) m->heads[i] = sign * m->heads[i] + 0.0F;
    return true;
}

/* Match `t` of those of this rank's eigenvectors: *j and its place in their list. */
static bl_candidate *nth_match(bl_scan *scan, const bl_ranks *ranks, size_t t, size_t *j) {
    for (*j = (size_t)ranks->rank; t >= scan->tops[*j].n; *j += (size_t)ranks->size) t -= scan->tops[*j].n;
    return &scan->tops[*j].list[t];
}

typedef struct explaining {
    bl_scan *scan;
    const work *w;
} explaining;

static bool explain_one(void *context, size_t t, size_t thread, bl_error *err) {
    const explaining *e = context;
    size_t j;
    bl_candidate *match = nth_match(e->scan, &e->w->ranks, t, &j);
    return explain_match(e->w, j, match, thread, err);
}

/* Contributions of this rank's share of the eigenvectors, threads over matches. */
static bool explain(bl_scan *scan, const work *w, bl_error *err) {
    size_t total = 0;
    for (size_t j = (size_t)w->ranks.rank; j < scan->J; j += (size_t)w->ranks.size) total += scan->tops[j].n;
    explaining all = {scan, w};
    return bl_parallel(total, explain_one, &all, err);
}

/* All ranks together: is every one well, and has it read what rank 0 has read? */
static bool look_around(const bl_ranks *ranks, bool ok, uint64_t hash, bool ended, bl_error *err) {
    uint64_t state[2] = {hash, ended};
    if (ranks->size == 1) return ok;
    ok = bl_ranks_share(ranks, state, sizeof state, err) && ok;
    if (ok && (state[0] != hash || state[1] != ended))
        ok = bl_fail(err, BL_ERR_INPUT, "the corpus is not the one that rank 0 reads");
    return bl_ranks_agree(ranks, ok, err);
}

/* The next batch, whose stories begin with scan->stories; ended = true when there is none. */
static bool next_batch(bl_scan *scan, work *w, bl_corpus *corpus, const bl_scan_options *options, bool mine,
                       bool *ended, bl_error *err) {
    uint64_t read, total;
    bl_corpus_position(corpus, &read, &total);
    size_t left = options->max_stories ? options->max_stories - (size_t)scan->stories : BATCH_STORIES;
    if (!bl_progress_step(&options->progress, "scanning", read, total, err) ||
        !bl_batch_read(&w->batch, corpus, left < BATCH_STORIES ? left : BATCH_STORIES, err))
        return false;
    w->n = w->batch.n;
    *ended = w->n == 0;
    if (mine && !*ended && (!scan_batch(w, err) || !merge_batch(scan, w, err))) return false;
    scan->stories += w->n;
    return true;
}

static bool read_all(bl_scan *scan, work *w, bl_corpus *corpus, const bl_scan_options *options,
                     bl_error *err) {
    size_t size = (size_t)w->ranks.size, rank = (size_t)w->ranks.rank;
    uint64_t hash = 0;
    bool ok = true, ended = false;
    for (size_t b = 0; ok && !ended; b++) {
        ok = next_batch(scan, w, corpus, options, b % size == rank, &ended, err);
        if (ok && !ended && size > 1) hash = bl_hash(hash, w->batch.text, w->batch.begin[w->batch.n]);
        if (!ok || ended || (b + 1) % (size * ROUNDS) == 0) ok = look_around(&w->ranks, ok, hash, ended, err);
    }
    double positions = (double)scan->positions; /* whole numbers, exact */
    ok = ok && bl_ranks_sum_double(&w->ranks, &positions, 1, err);
    scan->positions = (uint64_t)positions;
    return ok;
}

static bool read_tokens(bl_scan *scan, work *w, const bl_scan_options *options, bl_error *err) {
    size_t n = w->tokens->n;
    if (options->max_stories && options->max_stories < n) n = options->max_stories;
    for (w->first = 0; w->first < n; w->first += w->n) {
        w->n = n - w->first < BATCH_STORIES ? n - w->first : BATCH_STORIES;
        if (!bl_progress_step(&options->progress, "scanning", w->first, n, err)) return false;
        if (!scan_batch(w, err) || !merge_batch(scan, w, err)) return false;
        scan->stories += w->n;
    }
    return true;
}

/* Places become matches as they are; explaining them gives their similarity. */
static bool take_places(bl_scan *scan, const work *w, const bl_place *places, size_t n, bl_error *err) {
    for (size_t i = 0; i < n; i++) {
        const bl_place *p = &places[i];
        size_t kept = p->position + 1 + TOKENS_AFTER < p->n_ids ? p->position + 1 + TOKENS_AFTER : p->n_ids;
        if (p->j >= scan->J || p->position >= p->n_ids || p->n_ids > bl_model_config(w->probes.model)->n_ctx)
            return bl_fail(err, BL_ERR_USAGE,
                           "place %zu is not in its text, or of no eigenvector that was asked for", i);
        if (!bl_top_append(&scan->tops[p->j], p->story, p->position, NAN, p->ids, kept, err)) return false;
    }
    return true;
}

static bool sort_tops(bl_scan *scan, bl_error *err) {
    bool ok = true;
    for (size_t j = 0; ok && j < scan->J; j++) ok = bl_top_sort(&scan->tops[j], err);
    return ok;
}

/* What is looked for where: exactly one of corpus, tokens, places. */
typedef struct source {
    bl_corpus *corpus;
    const bl_token_stories *tokens;
    const bl_place *places;
    size_t n_places;
} source;

static bool scan_init(bl_scan *scan, const bl_eigen *eigen, const long *indices, size_t n_indices,
                      const source *from, const bl_scan_options *options, bl_error *err) {
    scan->tops = bl_alloc_zero(n_indices, sizeof *scan->tops, err);
    scan->values = bl_alloc(n_indices, sizeof *scan->values, err);
    if (!scan->tops || !scan->values) return false;
    scan->J = n_indices;
    for (size_t j = 0; j < n_indices; j++) {
        size_t n = bl_eigen_size(eigen), most = options->top ? options->top : DEFAULT_TOP;
        scan->values[j] =
            bl_eigen_values(eigen)[indices[j] < 0 ? n - (size_t)-indices[j] : (size_t)indices[j]];
        if (!bl_top_init(&scan->tops[j], from->places ? from->n_places : most, err)) return false;
    }
    return true;
}

static bl_scan *run(const bl_model *model, const bl_eigen *eigen, const long *indices, size_t n_indices,
                    const source *from, const bl_scan_options *options, bl_error *err) {
    static const bl_scan_options defaults = {0};
    bl_error_clear(err);
    if (!options) options = &defaults;
    work w = {.tokens = from->tokens, .heads = options->heads};
    bl_scan *scan = bl_alloc_zero(1, sizeof *scan, err);
    bool ok = false;
    if (!bl_ranks_join(&w.ranks, from->corpus && options->distributed, err)) goto done;
    ok = bl_ranks_agree(&w.ranks, scan != NULL, err) && scan &&
         init_probes(&w, model, eigen, indices, n_indices, err);
    if (!ok) goto done;
    scan->H = options->heads ? bl_model_config(model)->n_head : 0;
    ok = scan_init(scan, eigen, indices, n_indices, from, options, err) &&
         work_init(&w, model, n_indices, options->exact_path, err);
    ok = bl_ranks_agree(&w.ranks, ok, err) &&
         bl_ranks_share(&w.ranks, scan->values, n_indices * sizeof *scan->values, err);
    if (from->places) ok = ok && take_places(scan, &w, from->places, from->n_places, err);
    else if (from->tokens) ok = ok && read_tokens(scan, &w, options, err) && sort_tops(scan, err);
    else
        ok = ok && read_all(scan, &w, from->corpus, options, err) &&
             bl_tops_merge(&w.ranks, scan->tops, scan->J, err) &&
             bl_ranks_agree(&w.ranks, sort_tops(scan, err), err);
    ok = ok && bl_ranks_agree(&w.ranks, explain(scan, &w, err), err) &&
         bl_tops_share_contributions(&w.ranks, scan->tops, scan->J, scan->H ? 1 + scan->H : 0, err);
done:
    work_free(&w);
    if (ok) return scan;
    bl_scan_free(scan);
    return NULL;
}

bl_scan *bl_scan_run(const bl_model *model, const bl_eigen *eigen, const long *indices, size_t n_indices,
                     bl_corpus *corpus, const bl_scan_options *options, bl_error *err) {
    return run(model, eigen, indices, n_indices, &(source){.corpus = corpus}, options, err);
}

bl_scan *bl_scan_run_tokens(const bl_model *model, const bl_eigen *eigen, const long *indices,
                            size_t n_indices, const bl_token_stories *stories, const bl_scan_options *options,
                            bl_error *err) {
    return run(model, eigen, indices, n_indices, &(source){.tokens = stories}, options, err);
}

bl_scan *bl_scan_places(const bl_model *model, const bl_eigen *eigen, const long *indices, size_t n_indices,
                        const bl_place *places, size_t n_places, const bl_scan_options *options,
                        bl_error *err) {
    return run(model, eigen, indices, n_indices, &(source){.places = places, .n_places = n_places}, options,
               err);
}

void bl_scan_free(bl_scan *scan) {
    if (!scan) return;
    for (size_t j = 0; j < scan->J; j++) bl_top_free(&scan->tops[j]);
    free(scan->tops);
    free(scan->values);
    free(scan);
}

uint64_t bl_scan_stories(const bl_scan *scan) { return scan->stories; }
uint64_t bl_scan_positions(const bl_scan *scan) { return scan->positions; }
size_t bl_scan_n_matches(const bl_scan *scan, size_t j) { return scan->tops[j].n; }

bl_match bl_scan_match(const bl_scan *scan, size_t j, size_t i) {
    const bl_candidate *m = &scan->tops[j].list[i];
    return (bl_match){.story = (size_t)m->story,
                      .position = m->position,
                      .similarity = m->similarity,
                      .activation = scan->values[j] * m->similarity * m->similarity,
                      .bias = m->bias,
                      .contributions = m->contributions,
                      .heads = m->heads,
                      .n_heads = m->heads ? scan->H : 0,
                      .ids = m->ids,
                      .n_ids = m->n_ids};
}
