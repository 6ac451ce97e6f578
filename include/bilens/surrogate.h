/** @file surrogate.h  Quadratic surrogates of gated and plain MLPs (docs/specification.md, 19): the best
 * quadratic per hidden unit, plus the best linear map of what that leaves, with its error said. */
#ifndef BILENS_SURROGATE_H
#define BILENS_SURROGATE_H

#include <bilens/bilinear.h>
#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BL_SURROGATE_TERMS 6 /**< coefficients per hidden unit: of 1, g, u, gu, g², u² */

/** One layer's surrogate and what it is worth on held-out stories. */
typedef struct bl_surrogate_layer {
    size_t layer;
    float *coefficients; /**< [6, h]; the rows of u, gu, u² are 0 for a plain MLP */
    float *linear;       /**< [d, d+1], the last column the constant */
    float *origin;       /**< [d] the fit's mean input */
    float *mean;         /**< [d] the fit's mean output */
    double r2_fit, r2;   /**< share of the output's variance, on the fit's and on the held-out positions */
    double r2_linear;    /**< of the best linear map instead */
    double loss_mean, loss_surrogate; /**< with this layer's MLP alone replaced */
    double recovered; /**< (loss_mean - loss_surrogate) / (loss_mean - loss); NaN where the mean costs under
                      0.02 */
} bl_surrogate_layer;

typedef struct bl_surrogate {
    bl_surrogate_layer *layers; /**< [n] */
    size_t n, d, h;
    uint64_t fit_stories, fit_positions, valid_stories, valid_positions;
    double loss; /**< of the held-out stories, nothing replaced */
    double all_mean, all_linear,
        all_surrogate;              /**< all MLPs replaced at once; NaN unless every layer was fitted */
    struct bl_surrogate_maps *maps; /**< private */
} bl_surrogate;

/** Stories as tokens: story i is ids[begin[i]] … ids[begin[i + 1] - 1]. */
typedef struct bl_story_tokens {
    const int32_t *ids;
    const size_t *begin; /**< [n + 1] */
    size_t n;
} bl_story_tokens;

/** Fits the surrogates of `layers` (n_layers of them; NULL: all) on `fit` and measures them on `valid`.
 * Position 0 of every story is left out: it is an attention sink. Layer by layer; takes some 5 d
 * float32 per position and d² float32 per layer. Phase "fitting". The result does not depend on
 * the number of threads but for rounding. NULL on failure; free with bl_surrogate_free. */
BL_API bl_surrogate *bl_surrogate_fit(const bl_model *model, const size_t *layers, size_t n_layers,
                                      const bl_story_tokens *fit, const bl_story_tokens *valid,
                                      bl_progress progress, bl_error *err);
/** The same of corpora. Without `valid` (NULL) every tenth story of `fit` is held out. At most `stories` of
 * each are read; 0: all. */
BL_API bl_surrogate *bl_surrogate_fit_corpus(const bl_model *model, const size_t *layers, size_t n_layers,
                                             bl_corpus *fit, bl_corpus *valid, size_t stories,
                                             bl_progress progress, bl_error *err);
/** Frees `surrogate` and all that it holds. NULL is allowed. */
BL_API void bl_surrogate_free(bl_surrogate *surrogate);

/** Writes it beside the model: coefficients.N, linear.N, origin.N, mean.N, and in the metadata what they
 * were fitted to, a digest of the layers' weights and their quality. */
BL_API bool bl_surrogate_write(const bl_surrogate *surrogate, const bl_model *model, const char *path,
                               bl_error *err);
/** Reads one; BL_ERR_INPUT when it is that of another model's weights. */
BL_API bl_surrogate *bl_surrogate_read(const char *path, const bl_model *model, bl_error *err);
/** The layer's entry; NULL with BL_ERR_INPUT when the file has none. */
BL_API const bl_surrogate_layer *bl_surrogate_of(const bl_surrogate *surrogate, size_t layer, bl_error *err);

/** The layer's surrogate as a bilinear map about the fit's mean input m (its origin), z = x - m:
 *
 *      u·y ≈ zᵀ A z + ℓᵀ z + k,   A = Q_u of the map, ℓ = bl_bilinear_linear, k =
 *      bl_bilinear_constant
 *
 * with 2h units, of L z beside c3 R z + c4 L z and of R z beside c5 R z (a plain MLP: h). u is a row of
 * W_U, or a difference of such rows: with a final LayerNorm the map's output is centred over d; the
 * weight of a norm behind the MLP is folded into it, its positive scale, which depends on the position,
 * is no part of the form. k holds the MLP's output bias. Made once for a layer, from any thread; lives as
 * long as the surrogate. Unfolds the layer's weights. */
BL_API bool bl_surrogate_map(const bl_surrogate *surrogate, const bl_model *model, size_t layer,
                             bl_bilinear *out, bl_error *err);
/** The part of k that is the MLP's output bias. */
BL_API double bl_surrogate_bias(const bl_surrogate *surrogate, size_t layer, const float *u);

/** From now on the surrogate stands for the model's MLPs wherever they are decomposed: bl_model_bilinear
 * gives its maps. The forward pass stays that of the model. The surrogate stays the caller's and must
 * outlive the model's use; NULL takes it back. Not while other threads use the model. */
BL_API void bl_model_adopt(bl_model *model, const bl_surrogate *surrogate);
/** The origin m [d] of the layer's map; NULL: 0, as without a surrogate. */
BL_API const float *bl_model_origin(const bl_model *model, size_t layer);
/** What an eigenvector v [n] of the layer's forms has whatever the input is: its last coordinate where
 * there are biases, -v·m of a map about m, else 0. */
BL_API float bl_constant_of(const bl_model *model, size_t layer, const float *v);
/** How many of a story's first positions a scan of it leaves out: 1 where a surrogate was adopted,
 * which is not fitted to them and may be far off there; else 0. */
BL_API size_t bl_model_left_out(const bl_model *model);
/** The surrogate that was adopted, or NULL. */
BL_API const bl_surrogate *bl_model_surrogate(const bl_model *model);

#ifdef __cplusplus
}
#endif
#endif
