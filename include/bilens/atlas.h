/** @file atlas.h  Every direction of a model in one database: eigenpairs, virtual tokens, top inputs, beside
 * a null model (docs/atlas.md). */
#ifndef BILENS_ATLAS_H
#define BILENS_ATLAS_H

#include <bilens/basis.h>
#include <bilens/scan.h>
#include <bilens/tree.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BL_ATLAS_LAYERS = 128 }; /**< so many layers an atlas can have */

/** Which directions, and how much of each. Zero-initialise for the defaults. */
typedef struct bl_atlas_options {
    size_t layer;
    const size_t *layers; /**< [n_layers] several layers in one atlas, in any order; NULL = `layer` alone */
    size_t n_layers;      /**< at most BL_ATLAS_LAYERS */
    /** One's own directions instead of tokens: every vector that is not all 0, as it is, with its label.
     * Not together with tokens, frequent, raw and centre_unembedding. NULL = tokens. They go into the
     * file. */
    const bl_basis *directions;
    const char *source;    /**< what `directions` was read from: row 7 is the direction @SOURCE:7 */
    size_t pairs;          /**< eigenpairs at each end of the spectrum; 0 = 4 */
    size_t top;            /**< top inputs per eigenvector, at most one per story; 0 = 8 */
    size_t virtual_tokens; /**< highest and lowest tokens of each source; 0 = 5 */
    const char *const
        *tokens; /**< [n_tokens] output tokens, the vocabulary's own strings or "#1234"; NULL = all */
    size_t n_tokens;
    size_t frequent;         /**< only the N tokens that the corpus has most often; 0 = all. Not together with
                                `tokens` */
    bool raw;                /**< u = W_U[token]; otherwise the mean of all rows of W_U is subtracted */
    bool centre_unembedding; /**< subtract from each row of W_U its own mean over d first */
    size_t null_draws;       /**< draws of the null model that p-values are taken from; 0 = 1 */
    bool no_effects;         /**< leave out what each eigenpair does to the loss: the sweep is faster */
    uint64_t seed;           /**< of the first null draw; the next ones follow it */
    size_t max_stories;      /**< 0 = all */
    bool distributed; /**< started by mpirun: share the work with the other ranks, which make the same call;
                       * rank 0 reads the corpus (NULL elsewhere) and writes the file. BL_ERR_UNSUPPORTED
                       * where MPI was not built in */
    bool overwrite;   /**< begin anew where an atlas of another model, corpus or options stands */
    bl_progress progress; /**< phases "reading", "preparing", "decomposing", "null model", "measuring",
                     * "scanning", "explaining" */
} bl_atlas_options;

/** What an atlas holds. */
typedef struct bl_atlas_summary {
    uint64_t directions, pairs; /**< of all layers together */
    uint64_t stories, positions;
    uint64_t bytes; /**< of the file */
    bool resumed;   /**< some of it was there before */
} bl_atlas_summary;

/** Makes the atlas `path`, or goes on where an interrupted run stopped: its content does not depend on how
 * often it was stopped, nor on the number of threads or ranks. BL_ERR_INPUT when `path` holds something else
 * (another model, corpus, options, no atlas) unless `overwrite`; BL_ERR_IO when the disk is full, after which
 * the same call resumes. `summary` may be NULL. */
BL_API bool bl_atlas_run(const bl_model *model, bl_corpus *corpus, const char *path,
                         const bl_atlas_options *options, bl_atlas_summary *summary, bl_error *err);

/** What to look up: one token, or a list of directions. */
typedef struct bl_atlas_query {
    const char *token; /**< everything about this token's direction, or a direction's text; NULL = a list */
    const char
        *reads; /**< who reads this token: the eigenvectors among whose virtual tokens it is; NULL = off */
    const char *source; /**< of `reads`: "direct", "head 3"; NULL = any */
    const long *layer;  /**< only this layer; NULL = all in a list, else the first */
    bool eigenpairs;    /**< a list of eigenpairs instead of directions */
    /** Of directions: token, id, layer, count, largest, highest, lowest, effective_rank, share, or any of
     * these with
     * null_, excess (largest / null_largest), effect (the largest own effect of its eigenpairs) or q (their
     * smallest); NULL = largest. Of eigenpairs: any of their keys; NULL = effect. What is not there comes
     * last. */
    const char *sort;
    size_t limit; /**< of a list; 0 = 20 */
    bool ascending;
} bl_atlas_query;

/** Looks into the finished or unfinished atlas `path` (read only). Of a list: {"atlas", "model", "layer",
 * "complete", "stories", "positions", "null_draws", "effects" (false: they were left out),
 * "calibration": [{"index", "pool", "judged", "distance"}],
 * "layers", "source": of one's own directions, else null,
 * "directions": [{"token", "id", "layer", "count", "largest", …, "effect", "q", "direction"}]}, or
 * "eigenpairs": [{"token", "layer", "index", "eigenvalue", "statistic", "ratio", "p", "q", "own",
 * "effect", …}].
 * Of `reads` the same head, "reads", "total", "readers": [{"token", "index", "eigenvalue", "source", "side",
 * "rank", "value", "activation", "ratio", "q", "effect"}], the largest |activation| = |eigenvalue value^2|
 * first. Of a token the same head, that token's keys, and
 * "vectors": [{"index", "eigenvalue", "statistic", "ratio",
 * "p", "q", …, "effect": {…}, "null_effect": {…}, "sources": {…}, "matches": […]}],
 * the last two as eigen and scan have them. A direction of one's own is no token and has no own
 * positions: "count", "own", "others" and what is made of them are null. Free with bl_tree_free. */
BL_API bl_tree *bl_atlas_tree(const char *path, const bl_atlas_query *query, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
