/** @file decompose.h  A transformer in the types of bilinear.h, basis.h and direction.h
 * (docs/specification.md, 4 and 5): its MLPs as bilinear maps, its vocabulary as bases, its heads as paths;
 * and the tensors that its weights give. */
#ifndef BILENS_DECOMPOSE_H
#define BILENS_DECOMPOSE_H

#include <bilens/direction.h>
#include <bilens/eigen.h>
#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The MLP of `layer` as a bilinear map, norm weights folded in; its views are the model's.
 * BL_ERR_UNSUPPORTED for a gated or plain MLP, BL_ERR_USAGE for a layer that does not exist. */
BL_API bool bl_model_bilinear(const bl_model *model, size_t layer, bl_bilinear *out, bl_error *err);

/** bl_bilinear_size, bl_bilinear_matrix and bl_eigen_of of that map. */
BL_API size_t bl_interaction_size(const bl_model *model);
/** q [n, n] of direction u [d], n = bl_interaction_size. */
BL_API bool bl_interaction_matrix(const bl_model *model, size_t layer, const float *u, float *q,
                                  bl_error *err);
/** Free with bl_eigen_free; NULL on failure. */
BL_API bl_eigen *bl_eigen_new(const bl_model *model, size_t layer, const float *u, size_t k, bl_error *err);

/** W_E [V, d], in which a layer's inputs are read, and W_U [V, d], which gives output directions. */
BL_API bl_basis bl_model_basis_in(const bl_model *model);
/** W_U [V, d], views of the model; behind a padded vocabulary rows without a token stand for nothing. */
BL_API bl_basis bl_model_basis_out(const bl_model *model);
/** How a token reaches the MLP of `layer`: path 0 is "direct", path 1 + h is "head h" (s O_h V_h). */
BL_API size_t bl_model_n_paths(const bl_model *model);
/** Path i < bl_model_n_paths of `layer`; its views are the model's. */
BL_API bl_path bl_model_path(const bl_model *model, size_t layer, size_t i);
/** All of them; free with bl_free. BL_ERR_USAGE for a layer that does not exist. */
BL_API bl_path *bl_model_paths(const bl_model *model, size_t layer, bl_error *err);

/** Virtual tokens of v [n] at `layer` (docs/specification.md, 5): out [1 + H, V], row 0 direct, row 1 + h
 * head h: bl_readout of that basis and those paths. */
BL_API bool bl_virtual_tokens(const bl_model *model, size_t layer, const float *v, float *out, bl_error *err);

/** A weight-derived tensor, computed on request. */
typedef struct bl_weight_array {
    bl_named_array array;
    const char *axes[BL_MAX_DIMS]; /**< what each axis counts: "token", "d_model", "head", "d_head",
                                      "d_hidden", "out", … */
    float *owned;                  /**< NULL when array.data is a view into the model */
} bl_weight_array;

/** The tensor `name` of `layer`: w_e, w_u [V, d]; w_q, w_k, w_v [H, k, d]; w_o [d, H, k]; w_l, w_r [h, d];
 * w_p [d, h]; ov [H, d, d] (OV_h = s O_h V_h); qk [H, d, d] (Q_h^T K_h / sqrt(k), no rotary); ove [H, V, d];
 * b [d, n, n] (docs/specification.md, 4; n = bl_interaction_size). Free with bl_weight_array_free. Big ones
 * allocate; `bl_weight_array_bytes` says how much before. */
BL_API bool bl_weight_array_get(const bl_model *model, const char *name, size_t layer, bl_weight_array *out,
                                bl_error *err);
/** Bytes that bl_weight_array_get would allocate; 0 for a view into the model or an unknown name. */
BL_API uint64_t bl_weight_array_bytes(const bl_model *model, const char *name);
/** Frees what `array` holds, not the struct itself. NULL is allowed. */
BL_API void bl_weight_array_free(bl_weight_array *array);
/** Names that bl_weight_array_get knows, NULL-terminated. */
BL_API const char *const *bl_weight_array_names(void);

/** One entry of a tensor among its largest or smallest. */
typedef struct bl_entry {
    float value;
    size_t index[BL_MAX_DIMS];
} bl_entry;

/** The k largest (descending) and the k smallest (ascending) of an array's entries; ties: lower flat index
 * first. *n of them each: k, or fewer where there are not as many; NaN entries are left out. */
BL_API bool bl_describe(const bl_named_array *array, size_t k, bl_entry *top, bl_entry *bottom, size_t *n,
                        bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
