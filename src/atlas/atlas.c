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
    if (o->pairs > MOST || o->top > MOST || o->virtual_tokens > MOST || o->null_draws > MOST)
        return bl_fail(err, BL_ERR_USAGE, "pairs, top, virtual tokens and null draws must be at most %d",
                       MOST);
    return true;
}

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
    uint64_t plan[] = {(uint64_t)a->phase, a->done, a->stories, a->positions,
                       a->n_directions,    a->K,    a->N,       a->J};
    if (a->ranks.size == 1) return true;
    if (!bl_ranks_share(&a->ranks, plan, sizeof plan, err)) return false;
    a->phase = (bl_phase)plan[0];
    a->done = plan[1], a->stories = plan[2], a->positions = plan[3];
    a->n_directions = (size_t)plan[4], a->K = (size_t)plan[5], a->N = (size_t)plan[6], a->J = (size_t)plan[7];
    if (a->ranks.rank > 0) a->directions = bl_alloc(a->n_directions, sizeof *a->directions, err);
    return bl_ranks_agree(&a->ranks, a->directions != NULL, err) &&
           bl_ranks_share(&a->ranks, a->directions, a->n_directions * sizeof *a->directions, err);
}

static bool run_phases(bl_atlas *a, bl_error *err) {
    if (a->phase == BL_PHASE_DECOMPOSE && !bl_atlas_decompose(a, err)) return false;
    if (a->phase == BL_PHASE_NULL && !bl_atlas_draw(a, err)) return false;
    if (a->phase == BL_PHASE_SCAN && !bl_atlas_scan(a, err)) return false;
    return a->phase != BL_PHASE_EXPLAIN || bl_atlas_explain(a, err);
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
    bool ok = set_options(&a, options, err);
    ok = ok && bl_model_bilinear(model, a.options.layer, &a.map, err); /* before a file is made */
    ok = bl_ranks_agree(&a.ranks, ok, err) && bl_atlas_compare_ranks(&a, err);
    if (!ok) return false;
    ok = bl_ranks_agree(&a.ranks, a.ranks.rank > 0 || begin(&a, &resumed, err), err) && share_plan(&a, err) &&
         run_phases(&a, err);
    ok = bl_ranks_agree(&a.ranks, ok && (a.ranks.rank > 0 || bl_atlas_compact(&a, err)), err);
    sqlite3_close(a.db);
    bl_lock_free(a.lock);
    if (ok && summary)
        *summary = (bl_atlas_summary){.directions = a.n_directions,
                                      .pairs = a.J,
                                      .stories = a.stories,
                                      .positions = a.positions,
                                      .resumed = resumed,
                                      .bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0};
    free(a.directions);
    return ok;
}
