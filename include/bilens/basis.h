/** @file basis.h  Named vectors of one space, in which directions and eigenvectors are read, and the paths by
 * which a basis reaches a map's input (docs/specification.md, 5). */
#ifndef BILENS_BASIS_H
#define BILENS_BASIS_H

#include <bilens/base.h>
#include <bilens/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/** n labelled vectors. A small struct of views that is passed by address; all it points to is somebody
 * else's. Zero-initialise, then set name and vectors. */
typedef struct bl_basis {
    const char *name;          /**< what one vector is called: "token", "class", "pixel", "feature", "unit" */
    bl_view vectors;           /**< [n, d] */
    const char *const *labels; /**< [n]; a NULL among them: the row stands for nothing (padding) */
    const bl_tokenizer *tokenizer; /**< gives the labels where `labels` is NULL; ids without a token stand for
                                        nothing. Neither: every row is called by its number, "#12" */
    size_t n_dims, shape[3];       /**< the picture that n vectors form (channels, rows, columns), or 0 */
    const float *mean; /**< [d] of bl_basis_mean, if the caller keeps it: saves time, not needed */
} bl_basis;

enum { BL_LABEL_SPACE = 24 }; /**< bytes that a number as label takes */

BL_API size_t bl_basis_size(const bl_basis *basis);  /**< n */
BL_API size_t bl_basis_width(const bl_basis *basis); /**< d */
/** The label of vector i < n: its own, or "#12" written into `space` [BL_LABEL_SPACE]. */
BL_API const char *bl_basis_label(const bl_basis *basis, size_t i, char *space);
/** False where vector i stands for nothing, as the rows that pad a vocabulary. */
BL_API bool bl_basis_used(const bl_basis *basis, size_t i);
BL_API size_t bl_basis_n_used(const bl_basis *basis); /**< how many stand for something */
/** The number of the vector that `text` names: a label (with other capitals or "-" for a blank, too, where
 * that is only one), or "#12"; either also behind the basis's name, as in "class:5". -1 with BL_ERR_USAGE,
 * whose message suggests others, when there is none. */
BL_API long bl_basis_find(const bl_basis *basis, const char *text, bl_error *err);
/** mean [d] of all vectors that stand for something. */
BL_API bool bl_basis_mean(const bl_basis *basis, float *mean, bl_error *err);

/** One way in which a basis vector e reaches the map's input: x += scale * out (in e). */
typedef struct bl_path {
    char name[32]; /**< "direct", "head 3" */
    float scale;
    bl_view out; /**< [d_in, k], or data NULL: the identity, with `in` NULL, too */
    bl_view in;  /**< [k, d] */
} bl_path;

/** back [d]: scale (v out) in, what a basis vector is multiplied with when v [d_in] is read through the
 * path. */
BL_API bool bl_path_back(const bl_path *path, const float *v, float *back, bl_error *err);

/** Reads v [d_in] in a basis through every path: out [n_paths, n], entry (s, i) = v . scale out in e_i. Of a
 * map with biases v may be longer: its constant coordinate belongs to no basis vector. */
BL_API bool bl_readout(const bl_basis *basis, const bl_path *paths, size_t n_paths, const float *v,
                       float *out, bl_error *err);

/** One entry of a list: a basis vector and the number beside it. */
typedef struct bl_reading {
    float value;
    int32_t index; /**< which vector of the basis */
} bl_reading;

/** A basis and its paths made ready for many vectors. Immutable; keeps the views. */
typedef struct bl_readout_many bl_readout_many;
/** Makes ready the `n_paths` paths over `basis`, whose vectors must live as long. NULL with BL_ERR_MEMORY. */
BL_API bl_readout_many *bl_readout_many_new(const bl_basis *basis, const bl_path *paths, size_t n_paths,
                                            bl_error *err);
/** Frees `readout` and all that it holds. NULL is allowed. */
BL_API void bl_readout_many_free(bl_readout_many *readout);
/** For the `count` vectors v, `stride` >= d_in apart, out [count, n_paths, 2, k]: of each path the k highest,
 * best first, and the k lowest, lowest first; of equal ones the lower index first; k <= bl_basis_n_used, and
 * vectors that stand for nothing are left out. Threads over vectors. BL_ERR_NUMERIC when there are fewer than
 * k numbers. */
BL_API bool bl_readout_extremes(const bl_readout_many *readout, const float *v, size_t stride, size_t count,
                                size_t k, bl_reading *out, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
