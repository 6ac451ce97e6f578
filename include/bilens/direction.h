/** @file direction.h  Output directions, and the one way in which they are written: on the command line, in
 * C, Python, URLs, atlases and JSON (docs/specification.md, 4).
 *
 *      swim                          one vector of the output basis, by its label
 *      swim - run                    minus another
 *      swim - mean(run, climb)       minus the mean of others
 *      swim - mean(*)                minus the mean of all that stand for something
 *      #2231                         by its number
 *      class:5 - class:3             with the name of the basis, which must be the subject's
 *      "mean(x)" - " a, b"           labels in quotes, with JSON's escapes
 *      centred(swim - run)           less its own mean over the d coordinates
 *      @probe.npy   @probe.npy:3     a vector [d] of a file, or row 3 of a matrix [m, d]
 *      @w.safetensors:name:3         of a tensor in it; @"my file.npy":3 where the name needs quotes
 *      feature:12@FILE               row 12 of a dictionary: a matrix [F, d], or a folder (its encoder)
 *
 * A label needs quotes when it is empty, is * or -, begins with @, or holds white space, a control character
 * or one of " , ( ). The minus sign stands between blanks.
 *
 * Equal directions have equal canonical texts: labels as the basis has them, no needless quote, what is
 * subtracted in the order of the basis. */
#ifndef BILENS_DIRECTION_H
#define BILENS_DIRECTION_H

#include <bilens/basis.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An output direction before it meets a basis. Fill it in, or parse a text. Exactly one of token, source and
 * vector. */
typedef struct bl_direction {
    const char *token;        /**< a label of the output basis, or "#1234" */
    const char *const *minus; /**< labels: u = token - mean(minus) */
    size_t n_minus;
    bool minus_all;          /**< u = token - mean(*), the mean of all; with n_minus 0 */
    bool centre_unembedding; /**< "centred(…)": subtract from u its own mean over the d coordinates */
    const char *source;      /**< a file that bl_direction_read knows */
    const float *vector;     /**< u [d] itself, finite; the caller's */
    const char *name;        /**< of `vector`, for results to call it by; NULL = "direction" */
} bl_direction;

/** The direction that `text` says. Nothing is looked up yet. One block of memory, free with
 * bl_direction_free. BL_ERR_USAGE with the place in the text when it is not well formed. */
BL_API bl_direction *bl_direction_parse(const char *text, bl_error *err);
/** Frees `direction` and all that it holds. NULL is allowed. */
BL_API void bl_direction_free(bl_direction *direction);

/** The canonical text; free with bl_free. BL_ERR_USAGE when a label is not in the basis. */
BL_API char *bl_direction_text(const bl_direction *direction, const bl_basis *basis, bl_error *err);

/** u [d] of `direction`. BL_ERR_USAGE when it is no single thing, a label is not in the basis, a vector is
 * asked for a contrast or centring, or u is zero everywhere, which is no direction. */
BL_API bool bl_direction_vector(const bl_direction *direction, const bl_basis *basis, float *u,
                                bl_error *err);
/** u [d] of vector i < n of the basis, minus the mean of all with `minus_all`, centred with `centred`: what
 * bl_direction_vector gives for it, without a look-up. */
BL_API bool bl_direction_of_row(const bl_basis *basis, size_t i, bool minus_all, bool centred, float *u,
                                bl_error *err);

/** Reads u [d] from FILE[:TENSOR][:ROW], an array that bl_array_read knows. Without ROW its shape may have
 * axes of length 1 besides the one of length d. BL_ERR_INPUT when the shape is another, a value is NaN or
 * infinite, or all are too small for a 32-bit float. */
BL_API bool bl_direction_read(const char *source, size_t d, float *u, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
