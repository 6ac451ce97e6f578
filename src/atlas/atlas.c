/* One run of the atlas: open or make the file, then the phases that are not finished. */
#include "atlas/atlas_private.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 1000000 /* a sane bound for counts that are options */

static bool set_options(bl_atlas *a, const bl_atlas_options *options, bl_error *err) {
    static const bl_atlas_options defaults = {0};
    bl_atlas_options *o = &a->options;
    *o = options ? *options : defaults;
    if (!o->pairs) o->pairs = 4;
    if (!o->top) o->top = 8;
    if (!o->virtual_tokens) o->virtual_tokens = 5;
    if (!o->null_draws) o->null_draws = 1;
    if (o->tokens && o->frequent)
        return bl_fail(err, BL_ERR_USAGE, "either a list of tokens or the most frequent ones, not both");
    if (o->directions && (o->tokens || o->frequent || o->raw || o->centre_unembedding))
        return bl_fail(err, BL_ERR_USAGE,
                       "directions of one's own are taken as they are: no tokens, contrast or centring");
    if (o->pairs > MOST || o->top > MOST || o->virtual_tokens > MOST || o->null_draws > MOST)
        return bl_fail(err, BL_ERR_USAGE, "pairs, top, virtual tokens and null draws must be at most %d",
                       MOST);
    return true;
}

/* The layers, ascending, each once. */
static bool set_layers(bl_atlas *a, bl_error *err) {
    const bl_atlas_options *o = &a->options;
    const size_t *given = o->layers ? o->layers : &o->layer;
    size_t n = o->layers ? o->n_layers : 1;
    bl_bilinear map;
    if (n == 0 || n > BL_ATLAS_LAYERS)
        return bl_fail(err, BL_ERR_USAGE, "an atlas has from 1 to %d layers", BL_ATLAS_LAYERS);
    for (size_t i = 0; i < n; i++) {
        size_t at = a->n_layers;
        if (!bl_model_bilinear(a->model, given[i], &map, err)) return false; /* before a file is made */
        while (at > 0 && a->layers[at - 1] > given[i]) at--;
        if (at > 0 && a->layers[at - 1] == given[i])
            return bl_fail(err, BL_ERR_USAGE, "layer %zu is named twice", given[i]);
        memmove(a->layers + at + 1, a->layers + at, (a->n_layers++ - at) * sizeof *a->layers);
        a->layers[at] = given[i];
    }
    return bl_atlas_take_part(a, 0, err);
}

/* What the directions are. */
static bool set_basis(bl_atlas *a, bl_error *err) {
    const bl_basis *own = a->options.directions;
    a->out = own ? *own : bl_model_basis_out(a->model);
    a->space = bl_basis_size(&a->out);
    if (!own) return true;
    if (bl_basis_width(own) != a->d)
        return bl_fail(err, BL_ERR_INPUT, "%s: its directions have %zu numbers, this model's have %zu",
                       a->options.source ? a->options.source : "directions", bl_basis_width(own), a->d);
    return (a->space > 0 && a->space < INT32_MAX / BL_ATLAS_LAYERS) ||
           bl_fail(err, BL_ERR_INPUT, "an atlas cannot have %zu directions", a->space);
}

bool bl_atlas_take_part(bl_atlas *a, size_t part, bl_error *err) {
    a->part = part;
    a->layer = a->layers[part];
    return bl_model_bilinear(a->model, a->layer, &a->map, err);
}

int64_t bl_atlas_direction_id(const bl_atlas *a, size_t i) {
    return (int64_t)(a->part * a->space) + a->directions[i];
}

int64_t bl_atlas_pair_id(const bl_atlas *a, size_t j) { return (int64_t)(a->part * a->J + j); }

/* A file that is no database is not overwritten, whatever the option says. */
static bool remove_old(const char *path, bl_error *err) {
    char magic[16] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return errno == ENOENT || bl_fail(err, BL_ERR_INPUT, "%s: %s", path, strerror(errno));
    size_t n = fread(magic, 1, sizeof magic, file);
    fclose(file);
    if (n > 0 && (n != sizeof magic || memcmp(magic, "SQLite format 3", 16) != 0))
        return bl_fail(err, BL_ERR_INPUT, "%s: no database; it is not overwritten", path);
    return unlink(path) == 0 || bl_fail(err, BL_ERR_INPUT, "%s: %s", path, strerror(errno));
}

/* Rank 0: the file, the corpus in it, the directions. Tokens that were named are looked up first: a misspelt
 * one leaves no file. */
static bool begin(bl_atlas *a, bool *resumed, bl_error *err) {
    bool named = a->options.tokens != NULL;
    if (named && !bl_atlas_choose(a, err)) return false;
    a->lock = bl_lock_take(a->path, err);
    if (!a->lock || (a->options.overwrite && !remove_old(a->path, err))) return false;
    bool there = bl_file_exists(a->path);
    a->db = bl_database_open(a->path, true, err);
    bool ok = a->db && bl_atlas_prepare(a, resumed, err) && bl_atlas_read(a, err) &&
              (named || bl_atlas_choose(a, err));
    if (!ok && !there && !*resumed && a->phase == BL_PHASE_READ && a->done == 0)
        unlink(a->path); /* nothing was achieved */
    return ok;
}

/* What rank 0 found, to all. */
static bool share_plan(bl_atlas *a, bl_error *err) {
    uint64_t plan[] = {
        (uint64_t)a->phase, a->done, a->stories, a->positions, a->n_directions, a->K, a->N, a->J, a->part};
    if (a->ranks.size == 1) return true;
    if (!bl_ranks_share(&a->ranks, plan, sizeof plan, err)) return false;
    a->phase = (bl_phase)plan[0];
    a->done = plan[1], a->stories = plan[2], a->positions = plan[3];
    a->n_directions = (size_t)plan[4], a->K = (size_t)plan[5], a->N = (size_t)plan[6], a->J = (size_t)plan[7];
    a->part = (size_t)plan[8];
    if (a->ranks.rank > 0) a->directions = bl_alloc(a->n_directions, sizeof *a->directions, err);
    return bl_ranks_agree(&a->ranks, a->directions != NULL, err) &&
           bl_ranks_share(&a->ranks, a->directions, a->n_directions * sizeof *a->directions, err);
}

/* All layers, one after the other. */
static bool run_phases(bl_atlas *a, bl_error *err) {
    while (a->phase != BL_PHASE_DONE) {
        if (!bl_ranks_agree(&a->ranks, bl_atlas_take_part(a, a->part, err), err)) return false;
        if (a->phase == BL_PHASE_DECOMPOSE && !bl_atlas_decompose(a, err)) return false;
        if (a->phase == BL_PHASE_NULL && !bl_atlas_draw(a, err)) return false;
        if (a->phase == BL_PHASE_SCAN && !bl_atlas_scan(a, err)) return false;
        if (a->phase == BL_PHASE_EXPLAIN && !bl_atlas_explain(a, err)) return false;
    }
    return true;
}

bool bl_atlas_run(const bl_model *model, bl_corpus *corpus, const char *path, const bl_atlas_options *options,
                  bl_atlas_summary *summary, bl_error *err) {
    bl_error_clear(err);
    const bl_config *c = bl_model_config(model);
    bl_atlas a = {.model = model,
                  .corpus = corpus,
                  .path = path,
                  .V = c->n_vocab,
                  .d = c->d_model,
                  .n = bl_interaction_size(model),
                  .H = c->n_head};
    struct stat info;
    bool resumed = false;
    if (!bl_ranks_join(&a.ranks, options && options->distributed, err)) return false;
    bool ok = set_options(&a, options, err) && set_layers(&a, err) && set_basis(&a, err);
    ok = bl_ranks_agree(&a.ranks, ok, err) && bl_atlas_compare_ranks(&a, err);
    if (!ok) return false;
    ok = bl_ranks_agree(&a.ranks, a.ranks.rank > 0 || begin(&a, &resumed, err), err) && share_plan(&a, err) &&
         run_phases(&a, err);
    ok = bl_ranks_agree(&a.ranks, ok && (a.ranks.rank > 0 || bl_atlas_compact(&a, err)), err);
    sqlite3_close(a.db);
    bl_lock_free(a.lock);
    if (ok && summary)
        *summary = (bl_atlas_summary){.directions = a.n_directions * a.n_layers,
                                      .pairs = a.J * a.n_layers,
                                      .stories = a.stories,
                                      .positions = a.positions,
                                      .resumed = resumed,
                                      .bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0};
    free(a.directions);
    return ok;
}
