/** @file scan.h  The corpus positions that excite eigenvectors most, and which words did it
 * (docs/specification.md, 6). */
#ifndef BILENS_SCAN_H
#define BILENS_SCAN_H

#include <bilens/decompose.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_scan_options {
    size_t top;         /**< matches per eigenvector, at most one per story; 0 = 8 */
    size_t max_stories; /**< 0 = all */
    bl_progress progress;
    bool exact_path; /**< compute the whole forward pass up to the MLP's input, as an oracle of the folded
                        scan (the default) */
    bool heads;      /**< split contributions by head, too */
    /** Started by mpirun: share the stories with the other ranks, which make the same call; all get the
     * result that one process would get. A failure of one is a failure of all, with its message.
     * BL_ERR_UNSUPPORTED where MPI was not built in. bl_scan_run only. */
    bool distributed;
} bl_scan_options;

/** One position of one story. */
typedef struct bl_match {
    size_t story, position; /**< 0-based; position 0 is [BOS] */
    float similarity;       /**< v . mlp_in(p), signed */
    float activation;       /**< lambda * similarity^2 */
    float bias;             /**< the constant coordinate's share of |similarity|, 0 for an MLP without bias */
    const float *contributions; /**< [position + 1]; with `bias` they sum to |similarity| */
    const float *heads; /**< [1 + H, position + 1], if asked for: row 0 the word itself, row 1 + h what head h
                           carried; rows sum to contributions */
    size_t n_heads;     /**< H, 0 if not asked for */
    const int32_t *ids; /**< [n_ids] the story's first n_ids tokens: position + 1 and up to 3 more */
    size_t n_ids;
} bl_match;

typedef struct bl_scan bl_scan;

/** Scans `corpus` once for J eigenvectors of `eigen`, named by index into the ascending spectrum (negative
 * from the end). Streaming; memory does not grow with the corpus; the result does not depend on the number of
 * threads. */
BL_API bl_scan *bl_scan_run(const bl_model *model, const bl_eigen *eigen, const long *indices,
                            size_t n_indices, bl_corpus *corpus, const bl_scan_options *options,
                            bl_error *err);

/** Stories as tokens, one behind the other: story i is ids[begin[i]] … ids[begin[i + 1] - 1], at most n_ctx
 * of them. The caller's. */
typedef struct bl_token_stories {
    const int32_t *ids;
    const size_t *begin; /**< [n + 1] */
    size_t n;
} bl_token_stories;

/** The same over stories that are tokens already. */
BL_API bl_scan *bl_scan_run_tokens(const bl_model *model, const bl_eigen *eigen, const long *indices,
                                   size_t n_indices, const bl_token_stories *stories,
                                   const bl_scan_options *options, bl_error *err);

/** A place that is known: position of a text, of which n_ids tokens are given, more than `position`. */
typedef struct bl_place {
    size_t j; /**< which of the indices */
    size_t story, position;
    const int32_t *ids;
    size_t n_ids;
} bl_place;

/** No search: the matches are the places given, in their order for each index, with similarities and
 * contributions. */
BL_API bl_scan *bl_scan_places(const bl_model *model, const bl_eigen *eigen, const long *indices,
                               size_t n_indices, const bl_place *places, size_t n_places,
                               const bl_scan_options *options, bl_error *err);
/** Frees `scan` and all that it holds. NULL is allowed. */
BL_API void bl_scan_free(bl_scan *scan);
BL_API uint64_t bl_scan_stories(const bl_scan *scan);   /**< stories read */
BL_API uint64_t bl_scan_positions(const bl_scan *scan); /**< positions scanned */
/** Matches of the j-th index asked for, best first. */
BL_API size_t bl_scan_n_matches(const bl_scan *scan, size_t j);
/** Match i < bl_scan_n_matches of the j-th index; its arrays are the scan's. */
BL_API bl_match bl_scan_match(const bl_scan *scan, size_t j, size_t i);

#ifdef __cplusplus
}
#endif
#endif
