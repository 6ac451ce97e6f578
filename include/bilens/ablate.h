/** @file ablate.h  What removing eigencomponents of a direction does to the model's loss
 * (docs/specification.md, 11): to all predictions, to those of the direction's own token, and to the others,
 * beside controls that were run on the same text.
 *
 *      const long eigs[] = {-1, 0};
 *      bl_ablate_options options = {.mode = BL_ABLATE_COMPONENT, .controls = 20};
 *      bl_ablation result;
 *      if (!bl_ablate(model, layer, u, token, eigs, 2, corpus, &options, &result, &err)) …
 *      result.result.own.after - result.result.own.before      how much the own token's loss rises
 *      result.random[r], result.null[r]                        the same for what could be chance
 *      bl_ablation_free(&result);
 *
 * Mean ablation is the default: at zero the model sees inputs that it has never seen, and effects are
 * exaggerated. An effect counts for something when it lies outside what the controls do. An average can hide
 * a component that matters: the worst subset of what is outside S shows it. */
#ifndef BILENS_ABLATE_H
#define BILENS_ABLATE_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bl_ablate_mode {
    BL_ABLATE_COMPONENT, /**< the MLP's output loses, along u, what the components contribute to u . y */
    BL_ABLATE_INPUT,     /**< the MLP's input loses its parts along the eigenvectors */
    BL_ABLATE_LOGIT      /**< the token's own logit alone loses the components; the last layer only */
} bl_ablate_mode;

/** Zero-initialise for the defaults. */
typedef struct bl_ablate_options {
    bl_ablate_mode mode;
    bool zero;       /**< replace by 0 instead of by the mean over the corpus */
    bool keep;       /**< ablate everything but the components named */
    size_t controls; /**< R: random directions, and null draws, each with the same places; 0 = none */
    size_t worst;    /**< components outside S of the worst subset, and as many in R random subsets; 0 = none.
                          The last layer and a token are needed */
    size_t max_stories;   /**< 0 = all */
    size_t resamples;     /**< of the bootstrap over stories; 0 = 1000 */
    uint64_t seed;        /**< of controls and bootstrap: the same seed, the same numbers */
    bl_progress progress; /**< phases "reading", "measuring", "ablating" */
} bl_ablate_options;

/** A mean loss in nats per prediction before and after, and a 95 % interval of after - before from the
 * bootstrap over stories. `positions` 0: the rest means nothing. */
typedef struct bl_ablated_loss {
    uint64_t positions;
    double before, after, low, high;
} bl_ablated_loss;

typedef struct bl_ablated {
    bl_ablated_loss loss;   /**< all predictions */
    bl_ablated_loss own;    /**< predictions whose target is the token */
    bl_ablated_loss others; /**< all others */
    double kl;              /**< mean KL(p_before || p_after) in nats */
    double kl_low, kl_high; /**< its 95 % interval */
    double changed;         /**< share of predictions whose most probable token changes */
} bl_ablated;

typedef struct bl_ablation {
    size_t stories, controls;
    double shift;      /**< of the direction's form (bl_eigen_shift): what is ablated is lambda - shift */
    bl_ablated result; /**< of the components asked for */
    bl_ablated
        *random; /**< [controls] the same places, with random unit vectors in the span of the MLP's inputs
                            instead of the eigenvectors, and the same eigenvalues */
    bl_ablated *null;    /**< [controls] the eigenpairs of the same places of a null draw (4) */
    size_t n_worst;      /**< components of the worst subset */
    long *worst_eigs;    /**< [n_worst] in the order in which they were chosen */
    bl_ablated worst;    /**< those ablated alone; n_worst 0: means nothing */
    bl_ablated *subsets; /**< [controls] random subsets of n_worst components outside S */
} bl_ablation;

/** Ablates the eigenpairs `eigs` (of the ascending spectrum, negative from the end; one given twice counts
 * once) of direction u [d] at `layer` and measures `corpus`. `token`: the id whose predictions are "own";
 * -1: none. Every position of a story is edited, and the rest of the model runs on with the change. Means
 * are over the positions that feed a prediction. BL_ERR_USAGE for an index, layer or mode that does not fit;
 * BL_ERR_INPUT for a corpus without predictions; BL_ERR_UNSUPPORTED for an MLP that is not bilinear. Free
 * with bl_ablation_free. The result does not depend on the number of threads. */
BL_API bool bl_ablate(const bl_model *model, size_t layer, const float *u, int32_t token, const long *eigs,
                      size_t n_eigs, bl_corpus *corpus, const bl_ablate_options *options, bl_ablation *out,
                      bl_error *err);
/** Frees what `ablation` holds, not the struct itself. NULL is allowed. */
BL_API void bl_ablation_free(bl_ablation *ablation);

#ifdef __cplusplus
}
#endif
#endif
