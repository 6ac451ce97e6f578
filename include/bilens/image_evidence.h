/** @file image_evidence.h  What an image model's eigenvectors do: top images, accounts of a logit,
 * truncation, masks,
 *  likeness of two models, and the mark of a model of modular addition (docs/specification.md, 20 and 21).
 *
 *  Results are structs whose arrays belong to them; free each with its own function. NULL is allowed there.
 */
#ifndef BILENS_IMAGE_EVIDENCE_H
#define BILENS_IMAGE_EVIDENCE_H

#include <bilens/chance.h>
#include <bilens/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How large a spectrum chance makes (chance.h) for direction u [h] of block `layer`: R's rows and u's
 * entries permuted among live units. In pixel space the draws are taken to the pixels, too, so that places
 * are those of bl_image_eigen_new's spectrum. Free with bl_chance_free. */
BL_API bool bl_image_chance(const bl_image_model *model, const float *u, size_t layer, bl_space space,
                            size_t draws, uint64_t seed, bl_progress progress, bl_chance *out, bl_error *err);

/** An image that excites an eigenvector. */
typedef struct bl_image_match {
    size_t image, label, predicted;
    double similarity;    /**< s = v . x' */
    double activation;    /**< l s^2 */
    float *contributions; /**< [n] sign(s) picture_i x_i; NULL above layer 0 */
    double constant;      /**< sign(s) v_const; contributions and it sum to |s| */
} bl_image_match;

typedef struct bl_image_scan {
    size_t n_vectors, top, n;
    size_t *counts;          /**< [n_vectors] matches found */
    bl_image_match *matches; /**< [n_vectors, top], largest s^2 first, equal ones by lower image */
} bl_image_scan;

/** The `top` images of each eigenvector of `indices` (as they may be asked for: negative from the end). */
BL_API bl_image_scan *bl_image_scan_run(const bl_image_model *model, const bl_image_eigen *eigen,
                                        const long *indices, size_t n_indices, const bl_images *images,
                                        size_t top, bl_error *err);
/** Frees `scan` and all that it holds. NULL is allowed. */
BL_API void bl_image_scan_free(bl_image_scan *scan);

/** One term l s^2 of a logit. */
typedef struct bl_image_term {
    size_t index;
    double eigenvalue, similarity, contribution;
} bl_image_term;

typedef struct bl_image_account {
    size_t class_index;
    double logit, direct, total; /**< logit = direct + total; total = sum of all terms */
    size_t n_terms;
    bl_image_term *highest, *lowest; /**< [n_terms] each: largest first, and lowest first */
} bl_image_account;

typedef struct bl_image_explanation {
    size_t image, label, predicted, C, n_accounts;
    float *logits; /**< [C] */
    bl_image_account *accounts;
} bl_image_explanation;

/** Why an image's highest logits are what they are: the account of the `classes` highest, `top` terms at each
 * end. */
BL_API bl_image_explanation *bl_image_explain(const bl_image_model *model, const bl_images *images,
                                              size_t image, bl_space space, size_t classes, size_t top,
                                              bl_error *err);
/** Frees `explanation` and all that it holds. NULL is allowed. */
BL_API void bl_image_explanation_free(bl_image_explanation *explanation);

typedef struct bl_image_rank {
    size_t rank;
    bl_image_score score;
    double kept; /**< (without - loss) / (without - full); NaN where without = full */
} bl_image_rank;

typedef struct bl_image_truncation {
    size_t n_ranks;
    bl_image_score full, without_mlp;
    bl_image_rank *ranks; /**< [n_ranks], those asked for that the spectrum has */
} bl_image_truncation;

/** Scores with every class's form of the last block cut to its K terms of largest |l|. Classes are centred
 * unless `raw`. */
BL_API bl_image_truncation *bl_image_truncate(const bl_image_model *model, const bl_images *images,
                                              const size_t *ranks, size_t n_ranks, bl_space space, bool raw,
                                              bl_error *err);
/** Frees `truncation` and all that it holds. NULL is allowed. */
BL_API void bl_image_truncation_free(bl_image_truncation *truncation);

typedef struct bl_mask_options {
    size_t class_index;
    long index;       /**< eigenvector, counted from the end: -1 is the highest */
    size_t per_class; /**< K highest eigenvectors of each class; 0 = 10 */
    double strength;  /**< sd of the mask over the allowed pixels; 0 = .15 */
    bl_space space;
    double rare; /**< only pixels whose mean is below it; 0 or less: all */
    size_t permutations;
    uint64_t seed;
} bl_mask_options;

/** An adversarial mask: the picture that excites one eigenvector and none of the others. */
typedef struct bl_mask {
    size_t n, pixels, images;
    double eigenvalue;
    double before[2], after[2], mean[2],
        sd[2];   /**< accuracy, and share of other classes' images called this class */
    float *mask; /**< [n] */
} bl_mask;

/** The mask of options->class_index's eigenvector, and what it does to `images`. Free with bl_mask_free. */
BL_API bl_mask *bl_mask_make(const bl_image_model *model, const bl_images *images,
                             const bl_mask_options *options, bl_error *err);
/** Frees `mask` and all that it holds. NULL is allowed. */
BL_API void bl_mask_free(bl_mask *mask);

/** How alike two forms are, in pixels. */
typedef struct bl_likeness {
    double frobenius, gaussian;
    double *principal; /**< [top] singular values of the two subspaces' overlap, descending */
    size_t *a, *b;     /**< [top] matched places of A and B, by A's rank */
    double *matched;   /**< [top] |cos| of matched eigenvectors; 0 where eigenvalues have unlike signs */
    double *by_rank;   /**< [top] |cos| of equal rank */
} bl_likeness;

typedef struct bl_image_diff {
    size_t C, top;
    bl_likeness *same;  /**< [C] class c of A and class c of B */
    bl_likeness *other; /**< [C] class c of A and class c + 1 of B: what two unlike forms share */
} bl_image_diff;

/** Compares two models of equal n and C class by class, on their `top` eigenvectors of largest |l|. */
BL_API bl_image_diff *bl_image_diff_make(const bl_image_model *a, const bl_image_model *b, size_t top,
                                         bl_error *err);
/** Frees `diff` and all that it holds. NULL is allowed. */
BL_API void bl_image_diff_free(bl_image_diff *diff);

/** One eigenvector of a class in Fourier modes. */
typedef struct bl_fourier_vector {
    size_t index, frequency;
    double eigenvalue, share;
} bl_fourier_vector;

typedef struct bl_fourier_class {
    size_t class_index, n_values, n_vectors;
    double effective_rank;
    float *values;              /**< [2p] ascending */
    bl_fourier_vector *vectors; /**< [n_vectors], by |eigenvalue| */
} bl_fourier_class;

/** Is a model of modular addition what it should be: are its eigenvectors Fourier modes? */
typedef struct bl_fourier {
    size_t p, units;
    bl_image_score score;
    double explained, block, purity, null_block, null_purity;
    size_t n_frequencies;
    size_t *frequencies;      /**< [n_frequencies] by descending share */
    double *shares, *weights; /**< [n_frequencies] share of the logits' variance, and w_k */
    size_t n_classes;
    bl_fourier_class *classes;
} bl_fourier;

/** The closed form nearest to a vector v [2p] of both operands: its projection onto the four dimensions cos,
 * sin of the one frequency k >= 1 that has most of it, mode [2p]. Returns k; *share: |mode|^2 / |v|^2. */
BL_API size_t bl_fourier_mode(size_t p, const float *v, float *mode, double *share);

/** Marks a model of modular addition (docs/specification.md, 21), showing the classes `residues`
 * [n_residues]. Free with bl_fourier_free; NULL on failure. */
BL_API bl_fourier *bl_fourier_mark(const bl_image_model *model, const size_t *residues, size_t n_residues,
                                   size_t permutations, uint64_t seed, bl_error *err);
/** Frees `fourier` and all that it holds. NULL is allowed. */
BL_API void bl_fourier_free(bl_fourier *fourier);

#ifdef __cplusplus
}
#endif
#endif
