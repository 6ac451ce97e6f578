/** @file image.h  Image classifiers with bilinear blocks, and models of modular addition, which are the same
 * with
 *  one-hot inputs (docs/specification.md, 20 and 21).
 *
 *      bl_image_model *model = bl_image_load("fashion-64", &err);
 *      bl_images *images = bl_images_open(model, "/usr/share/datasets/fashion-mnist", NULL, "test", &err);
 *      bl_image_score score;
 *      bl_image_eval(model, images, &score, NULL, &err);
 *
 *  Shapes: n inputs (pixels), d width of the embedding, h hidden units of a block, C classes, B images.
 */
#ifndef BILENS_IMAGE_H
#define BILENS_IMAGE_H

#include <bilens/bilinear.h>
#include <bilens/direction.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What config.json says. */
typedef struct bl_image_config {
    size_t d_input;  /**< n */
    size_t d_hidden; /**< h, and d where there is an embedding */
    size_t d_output; /**< C */
    size_t n_layer;
    bool bias;       /**< blocks have biases */
    bool residual;   /**< h = h + block(h) */
    bl_gate gate;    /**< NONE: bilinear */
    size_t shape[3]; /**< channels, rows, columns of a picture; their product is n */
    size_t p;        /**< modular addition of residues mod p; 0: images */
    bool split;      /**< modular: L reads the first operand only, R the second only */
} bl_image_config;

/** A loaded model. Immutable, shared by any number of threads. */
typedef struct bl_image_model bl_image_model;

/** True if `directory` holds a config.json with the keys d_input and d_output. False on any failure. */
BL_API bool bl_image_is_model(const char *directory);

/** Loads config.json and model.safetensors. Everything is copied: the files may change afterwards.
 *  BL_ERR_INPUT names the key or tensor. Free with bl_image_free. */
BL_API bl_image_model *bl_image_load(const char *directory, bl_error *err);
/** Frees `model` and all that it holds. NULL is allowed. */
BL_API void bl_image_free(bl_image_model *model);
/** One line per tensor that holds NaN or infinity, with their number; "" when none does. Free with bl_free.
 *  NULL with BL_ERR_MEMORY. */
BL_API char *bl_image_warnings(const bl_image_model *model, bl_error *err);

/** Sizes and settings; they live as long as the model. */
BL_API const bl_image_config *bl_image_config_of(const bl_image_model *model);
/** The directory's name as it was given. */
BL_API const char *bl_image_name(const bl_image_model *model);
/** config.json as it was read. */
BL_API const char *bl_image_config_json(const bl_image_model *model);
/** A class's label; "0" … "C-1" where config.json has none. */
BL_API const char *bl_image_label(const bl_image_model *model, size_t class_index);
/** The rows of U as a basis: the classes, with their labels. Its views belong to the model. */
BL_API bl_basis bl_image_basis_out(const bl_image_model *model);
/** The class that `text` names: bl_basis_find in that basis. */
BL_API long bl_image_class(const bl_image_model *model, const char *text, bl_error *err);

/** E [d, n]; data NULL for modular addition, whose E is the identity. */
BL_API bl_view bl_image_w_e(const bl_image_model *model);
/** U [C, h]. */
BL_API bl_view bl_image_w_u(const bl_image_model *model);
/** Block `layer` as a bilinear map, y = (L x') * (R x'), without P. Its views belong to the model.
 * BL_ERR_UNSUPPORTED
 *  for a gated block, BL_ERR_USAGE for a layer that does not exist. */
BL_API bool bl_image_block(const bl_image_model *model, size_t layer, bl_bilinear *block, bl_error *err);
/** Width of block `layer`'s input: n for the first block of a model without embedding, else d. */
BL_API size_t bl_image_width(const bl_image_model *model, size_t layer);

/** The input of block `layer` [B, width] for x [B, n]; `layer` = n_layer gives the head's input [B, h]. */
BL_API bool bl_image_inputs(const bl_image_model *model, const float *x, size_t B, size_t layer, float *out,
                            bl_error *err);
/** logits [B, C] = U h of x [B, n]. */
BL_API bool bl_image_logits(const bl_image_model *model, const float *x, size_t B, float *logits,
                            bl_error *err);

/** Images and their labels. Immutable. */
typedef struct bl_images bl_images;

/** Opens a set of images for `model`: a folder with the four MNIST names, plain or .gz (`labels` NULL;
 * `split` "test" or
 *  "train", NULL = test), or one file of images and one of labels (IDX, IDX.gz or .npy). Bytes are divided
 * by 255, floats
 *  are taken as they are. BL_ERR_INPUT: sizes that are not the model's, counts that differ, a label that is
 * no class, a
 *  value that is not finite, no images. */
BL_API bl_images *bl_images_open(const bl_image_model *model, const char *path, const char *labels,
                                 const char *split, bl_error *err);
/** All p^2 pairs of a model of modular addition, row a p + b: ones at a and at p + b; label (a + b) mod p. */
BL_API bl_images *bl_images_pairs(size_t p, bl_error *err);
/** Frees `images` and all that it holds. NULL is allowed. */
BL_API void bl_images_free(bl_images *images);
/** Number of images, at least 1. */
BL_API size_t bl_images_count(const bl_images *images);
/** Class of image i. */
BL_API size_t bl_images_label(const bl_images *images, size_t i);
/** out [count, n] = images first … first + count - 1. */
BL_API void bl_images_rows(const bl_images *images, size_t first, size_t count, float *out);

/** Cross-entropy in nats, share of right answers (of equal logits the lowest class), number of images. */
typedef struct bl_image_score {
    double loss, accuracy;
    size_t predictions;
} bl_image_score;

/** Scores the model; `logits` [B, C] may be NULL. Does not depend on the number of threads. */
BL_API bool bl_image_eval(const bl_image_model *model, const bl_images *images, bl_image_score *score,
                          float *logits, bl_error *err);

/** Where eigenvectors live. EMBED: in the block's input, the paper's way; pictures are v^T E, neither
 * orthogonal nor of
 *  norm 1. PIXEL (layer 0): of E^T Q E; the unit eigenvectors are the pictures. Same function, other
 * spectrum. */
typedef enum bl_space { BL_SPACE_EMBED, BL_SPACE_PIXEL } bl_space;

/** u [h] of a direction in the basis of classes. BL_ERR_USAGE also for a class at a layer from which no
 * direct path leads to the head. */
BL_API bool bl_image_direction_vector(const bl_image_model *model, const bl_direction *direction,
                                      size_t layer, float *u, bl_error *err);

/** All eigenpairs of a direction. Free with bl_image_eigen_free. */
typedef struct bl_image_eigen {
    size_t layer;
    bl_space space;
    size_t size;     /**< m, number of eigenvalues */
    size_t width;    /**< coordinates of a vector: the block's input or the pixels; with biases one more */
    size_t n;        /**< pixels */
    float *values;   /**< [m] ascending */
    float *vectors;  /**< [m, width], each of length 1; the largest component is positive */
    float *pictures; /**< [m, n], or NULL where no direct path leads from the pixels to this layer */
    float *direct;   /**< [n] E^T u of a model with residual, else NULL */
    bool constant;   /**< the last coordinate of a vector belongs to the constant 1 */
} bl_image_eigen;

/** Decomposes direction u [h] of block `layer`. BL_ERR_USAGE for pixel space above layer 0. */
BL_API bl_image_eigen *bl_image_eigen_new(const bl_image_model *model, const float *u, size_t layer,
                                          bl_space space, bl_error *err);
/** The same of a class, minus the mean of all with `minus_all`. */
BL_API bl_image_eigen *bl_image_eigen_of_class(const bl_image_model *model, size_t class_index,
                                               bool minus_all, size_t layer, bl_space space, bl_error *err);
/** Frees `eigen` and all that it holds. NULL is allowed. */
BL_API void bl_image_eigen_free(bl_image_eigen *eigen);
/** Position of `index` (negative from the end) in the ascending spectrum, or -1 with BL_ERR_USAGE. */
BL_API long bl_image_eigen_at(const bl_image_eigen *eigen, long index, bl_error *err);
/** Effective rank (sum |l|)^2 / sum l^2, and the share of the 5 and 10 largest |l| in sum |l|. */
BL_API void bl_image_eigen_figures(const bl_image_eigen *eigen, double *effective_rank, double *share5,
                                   double *share10);
/** order [m]: places by descending |eigenvalue|, equal ones by ascending index. */
BL_API void bl_image_eigen_order(const bl_image_eigen *eigen, size_t *order);
/** sims [B, m] = v . x' of images first … first + B - 1. */
BL_API bool bl_image_similarities(const bl_image_model *model, const bl_image_eigen *eigen,
                                  const bl_images *images, size_t first, size_t B, float *sims,
                                  bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
