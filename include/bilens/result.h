/** @file result.h  Results as trees (the JSON contract of the command line) and as tables. */
#ifndef BILENS_RESULT_H
#define BILENS_RESULT_H

#include <bilens/layers.h>
#include <bilens/surrogate.h>
#include <bilens/scan.h>
#include <bilens/tree.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What every direction's result names. */
typedef struct bl_question {
    const bl_model *model;
    const bl_direction *direction;
    size_t layer;
} bl_question;

/** A token's text as the vocabulary has it, "#1234" for an id that has none. */
BL_API void bl_put_token(bl_builder *builder, bl_tree *at, const char *key, const bl_model *model,
                         int64_t id);
/** An array of the same: ids [n]. */
BL_API void bl_put_tokens(bl_builder *builder, bl_tree *at, const char *key, const bl_model *model,
                          const int32_t *ids, size_t n);

/** Results; free with bl_tree_free. NULL on failure: BL_ERR_NUMERIC when an eigen or scan result is not
 * finite, BL_ERR_USAGE when an index is not of the spectrum or its eigenvector was not computed. `indices`
 * [n_indices] as they were asked for (negative from the end), the same for eigen and scan. */
BL_API bl_tree *bl_info_tree(const bl_model *model, bl_error *err);
/** Spectrum and virtual tokens of a direction: the contract's eigen result. */
BL_API bl_tree *bl_eigen_tree(const bl_question *subject, const bl_eigen *eigen, const long *indices,
                              size_t n_indices, bl_error *err);
/** Adds to each vector of an eigen result that `scan`, the same direction's scan result, has inputs of their
 * "orientation": what tables and pages draw is the eigenvector times it (docs/specification.md, 23). The
 * vectors keep their signs. False when memory is short. */
BL_API bool bl_eigen_tree_orient(bl_tree *eigen, const bl_tree *scan, bl_error *err);
/** Top inputs of the same eigenvectors: the contract's scan result. */
BL_API bl_tree *bl_scan_tree(const bl_question *subject, const bl_eigen *eigen, const bl_scan *scan,
                             const long *indices, size_t n_indices, bl_error *err);
/** What `bilens surrogate` tells of a fit: {"model", "skip", "fit", "valid", "loss", "layers", "all"}. */
BL_API bl_tree *bl_surrogate_tree(const bl_model *model, const bl_surrogate *surrogate, bl_error *err);
/** Its layers as a table. */
BL_API bl_table *bl_surrogate_rows(const bl_tree *tree, bl_error *err);

/** One match, as in bl_scan_tree's "matches". */
BL_API bl_tree *bl_match_tree(const bl_model *model, const bl_match *match, bl_error *err);
/** The report: {"format": "bilens report 1", "version", "info": {…}, "eigen": {…}, "scan": {…},
 * "corpus": […]}. The parts stay the caller's. */
BL_API bl_tree *bl_report_tree(const bl_tree *info, const bl_tree *eigen, const bl_tree *scan,
                               const char *const *corpus, size_t n_corpus, bl_error *err);

/** A file, or a model's folder, that a report was made from. */
typedef struct bl_origin_file {
    const char *of; /**< "model", "corpus", … */
    const char *path;
} bl_origin_file;
/** Adds where a report comes from, as "origin": {"command" (unless NULL), "files": [{"of", "name",
 * "sha256"}]}; of a folder its .json and .safetensors files. BL_ERR_INPUT for a file that cannot be read. */
BL_API bool bl_report_add_origin(bl_tree *report, const char *command, const bl_origin_file *read, size_t n,
                                 bl_error *err);

/** Adds what the adopted surrogate is worth in each of its layers, as "layers": [{"layer", "r2",
 * "r2_linear", "recovered"}], and of `shares` (NULL: not measured) the keys of bl_layers_tree's layers,
 * with "layers_over": {"stories", "positions", "own"}. Nothing for a model of one layer, and where neither
 * is there. */
BL_API bool bl_report_add_layers(bl_tree *report, const bl_model *model, const bl_layer_shares *shares,
                                 bl_error *err);

/** Adds bl_heads_tree's result (taken; NULL: false) to a report, as "heads". */
BL_API bool bl_report_add_heads(bl_tree *report, bl_tree *heads, bl_error *err);

/** A place in a text. */
typedef struct bl_excite_question {
    size_t layer;
    const char *text;               /**< as it was given, for the result */
    const int32_t *ids;             /**< [n] its tokens, each in 0 … V-1; 1 <= n <= n_ctx */
    size_t n, position;             /**< position < n */
    const bl_direction *directions; /**< [n_directions] */
    size_t n_directions;            /**< 0: the ten predictions at the position, each minus the mean of all */
    size_t limit;                   /**< eigenvectors to name */
} bl_excite_question;

/** What the position predicts, and the eigenvectors of the directions that it excites most, strongest
 * |activation| first: {"model", "layer", "text", "position", "token",
 * "predictions": [{"token", "probability"}×10],
 * "excited": [{"direction", "index", "eigenvalue", "similarity", "activation"}]}. */
BL_API bl_tree *bl_excite_tree(const bl_model *model, const bl_excite_question *question, bl_error *err);

/** Many directions at once. */
typedef struct bl_rank_question {
    const bl_model *model;
    size_t layer;
    const char *source;       /**< where they come from, for the result */
    const float *u;           /**< [F, d] */
    size_t F;                 /**< at least 1 */
    const char *const *names; /**< [F], or NULL */
    uint64_t seed;            /**< of the first null draw; the next ones follow it */
    size_t null_draws;        /**< whose directions are the pools that p is taken from; 0 = 1 */
    size_t limit;             /**< rows in the result; 0 = all */
    bl_progress progress;     /**< phases "preparing", "decomposing" */
} bl_rank_question;

/** How far each direction's spectrum stands out from null draws (docs/specification.md, 13): {"model",
 * "layer", "source", "total", "null_draws", "directions": [{"row", "name", "excess", "largest", "highest",
 * "lowest", "effective_rank", "null_largest", "index", "ratio", "p", "q"}]}, the largest "excess" = largest /
 * null_largest (of the first draw) first. "index": the end of the spectrum, -1 or 0, that chance makes less
 * often; of it the ratio to chance, p among all directions of the draws, and q among the two ends of all
 * directions. Free with bl_tree_free. */
BL_API bl_tree *bl_rank_tree(const bl_rank_question *question, bl_error *err);
/** A row per direction. Free with bl_table_free. */
BL_API bl_table *bl_rank_rows(const bl_tree *tree, bl_error *err);

/** Results as tables, for CSV: a model's tensors; every virtual token of an eigen result (vector, eigenvalue,
 * source, side, rank, token, value, group); every contribution of a scan's matches. The tree is checked
 * first: BL_ERR_INPUT names the key that is wrong. Free with bl_table_free. */
BL_API bl_table *bl_info_rows(const bl_tree *info, bl_error *err);
/** A row per virtual token. */
BL_API bl_table *bl_eigen_rows(const bl_tree *eigen, bl_error *err);
/** A row per word of each match. */
BL_API bl_table *bl_scan_rows(const bl_tree *scan, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
