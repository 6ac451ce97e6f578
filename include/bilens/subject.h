/** @file subject.h  What is studied, whatever kind of model it is: bilinear maps in layers, the bases in
 * which they are written and read, and samples that run through them.
 *
 *      bl_subject *subject = bl_subject_load("models/fashion-64", &err);
 *      bl_bilinear map;
 *      bl_subject_map(subject, 0, &map, &err);
 *      bl_basis out = bl_subject_basis_out(subject);
 *      bl_direction *direction = bl_direction_parse("class:5 - class:3", &err);
 *      bl_direction_vector(direction, &out, u, &err);
 *      bl_eigen *eigen = bl_eigen_of(&map, u, 0, &err);
 *
 * A kind of subject is one file in src/subject/ and a row of the table in src/subject/subject.c. */
#ifndef BILENS_SUBJECT_H
#define BILENS_SUBJECT_H

#include <bilens/decompose.h>
#include <bilens/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Immutable; shared by any number of threads. */
typedef struct bl_subject bl_subject;

/** Loads the model in `directory` as the kind that its config.json tells: "transformer", or "image", which
 * modular addition is, too. */
BL_API bl_subject *bl_subject_load(const char *directory, bl_error *err);
/** The same of a model that is loaded already and stays the caller's. */
BL_API bl_subject *bl_subject_of_model(const bl_model *model, bl_error *err);
/** The same of an image model, which stays the caller's. */
BL_API bl_subject *bl_subject_of_images(const bl_image_model *model, bl_error *err);
/** Frees `subject` and all that it holds. NULL is allowed. */
BL_API void bl_subject_free(bl_subject *subject);

BL_API const char *bl_subject_kind_of(const bl_subject *subject); /**< "transformer" or "image" */
BL_API const char *bl_subject_name(const bl_subject *subject);    /**< the directory, as it was given */
BL_API size_t bl_subject_n_layers(const bl_subject *subject);
/** The loaded model where the subject is of that kind, else NULL. */
BL_API const bl_model *bl_subject_model(const bl_subject *subject);
/** The loaded image model, or NULL for another kind. */
BL_API const bl_image_model *bl_subject_image_model(const bl_subject *subject);

/** The bilinear map of `layer`. BL_ERR_UNSUPPORTED where it is gated or plain, BL_ERR_USAGE where there is no
 * such layer. */
BL_API bool bl_subject_map(const bl_subject *subject, size_t layer, bl_bilinear *out, bl_error *err);
/** The vectors that give output directions: tokens (W_U), classes (U). */
BL_API bl_basis bl_subject_basis_out(const bl_subject *subject);
/** The vectors in which inputs are read: tokens (W_E), pixels (the columns of E). */
BL_API bl_basis bl_subject_basis_in(const bl_subject *subject);
/** The paths by which the input basis reaches the map of `layer`; *n of them, free with bl_free. None (a
 * valid pointer, *n = 0) where no fixed path leads there, as to a later block of images without a residual.
 * */
BL_API bl_path *bl_subject_paths(const bl_subject *subject, size_t layer, size_t *n, bl_error *err);

/** One sample: of a transformer a text's ids, of an image model one row of numbers. */
typedef struct bl_sample {
    const int32_t *ids; /**< [n] */
    size_t n;           /**< at most the context of the model */
    const float *row;   /**< [d_input] */
} bl_sample;

/** Runs samples, one after the other. One for each thread. */
typedef struct bl_runner bl_runner;
/** A runner for the inputs of `layer`'s map; `subject` must live as long. NULL on failure. */
BL_API bl_runner *bl_runner_new(const bl_subject *subject, size_t layer, bl_error *err);
/** Frees `runner` and all that it holds. NULL is allowed. */
BL_API void bl_runner_free(bl_runner *runner);
/** The inputs x [positions, d_in] that the sample gives to the map of the runner's layer: a row per token, or
 * one row. data NULL on failure; valid until the next call. */
BL_API bl_view bl_runner_inputs(bl_runner *runner, const bl_sample *sample, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
