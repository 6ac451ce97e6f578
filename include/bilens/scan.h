/** @file scan.h  The corpus positions that excite eigenvectors most, and which words did it (SPEC 6). */
#ifndef BILENS_SCAN_H
#define BILENS_SCAN_H

#include <bilens/decompose.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_scan_options {
    size_t top;         /**< matches an eigenvector, at most one a story; 0 = 8 */
    size_t max_stories; /**< 0 = all */
    bl_progress progress;
    bool exact_path; /**< compute the whole forward pass up to the MLP's input, as an oracle of the folded scan (the default) */
} bl_scan_options;

/** One position of one story. */
typedef struct bl_match {
    size_t story, position;     /**< 0-based; position 0 is [BOS] */
    float similarity;           /**< v . mlp_in(p), signed */
    float activation;           /**< lambda * similarity^2 */
    float bias;                 /**< the constant coordinate's share of |similarity|, 0 for an MLP without bias */
    const float *contributions; /**< [position + 1]; with `bias` they sum to |similarity| */
    const int32_t *ids;         /**< [n_ids] the story's first n_ids tokens: position + 1 and up to 3 more */
    size_t n_ids;
} bl_match;

typedef struct bl_scan bl_scan;

/** Scans `corpus` once for J eigenvectors of `eigen`, named by index into the ascending spectrum (negative from the end).
 *  Streaming; memory does not grow with the corpus; the result does not depend on the number of threads. */
BL_API bl_scan *bl_scan_run(const bl_model *model, const bl_eigen *eigen, const long *indices, size_t n_indices, bl_corpus *corpus,
                            const bl_scan_options *options, bl_error *err);
BL_API void bl_scan_free(bl_scan *scan);
BL_API uint64_t bl_scan_stories(const bl_scan *scan);   /**< stories read */
BL_API uint64_t bl_scan_positions(const bl_scan *scan); /**< positions scanned */
/** Matches of the j-th index asked for, best first. */
BL_API size_t bl_scan_n_matches(const bl_scan *scan, size_t j);
BL_API bl_match bl_scan_match(const bl_scan *scan, size_t j, size_t i);

#ifdef __cplusplus
}
#endif
#endif
