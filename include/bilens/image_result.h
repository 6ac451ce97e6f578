/** @file image_result.h  Results of image models as trees (docs/specification.md, 20 and 21).
 *
 *  Each function gives a tree to be freed with bl_tree_free, NULL on failure.
 */
#ifndef BILENS_IMAGE_RESULT_H
#define BILENS_IMAGE_RESULT_H

#include <bilens/format.h>
#include <bilens/image_evidence.h>
#include <bilens/study.h>
#include <bilens/tree.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the results of one direction name. */
typedef struct bl_image_question {
    const bl_image_model *model;
    const bl_direction *direction;
    const bl_image_eigen *eigen;
    const long *indices; /**< [n_indices] as they were asked for */
    size_t n_indices;
} bl_image_question;

/** {"model", "generation": "image", "config", "parameters", "tensors"}. */
BL_API bl_tree *bl_image_info_tree(const bl_image_model *model, bl_error *err);
/** {"model", "loss", "accuracy", "predictions"}, with `logits` [B, C] also "labels", "predicted", "logits".
 * */
BL_API bl_tree *bl_image_eval_tree(const bl_image_model *model, const bl_images *images,
                                   const bl_image_score *score, const float *logits, bl_error *err);
/** {"model", "layer", "class", "class_index", "minus", "direction" (canonical text), "space", "d_model",
 * "size", "shape", "shift", "effective_rank", "share5", "share10", "direct", "eigenvalues", "vectors":
 * [{"index", "eigenvalue", "norm", "constant", "picture"}]}. BL_ERR_USAGE for an index that does not
 * exist. */
BL_API bl_tree *bl_image_eigen_tree(const bl_image_question *question, bl_error *err);
/** The same head, and per eigenvector its "matches": [{"image", "label", "predicted", "activation",
 * "similarity", "contributions", "constant"}]. */
BL_API bl_tree *bl_image_scan_tree(const bl_image_question *question, const bl_image_scan *scan,
                                   size_t images, bl_error *err);
/** Accuracy and loss against rank, over all images and per class. */
BL_API bl_tree *bl_image_truncate_tree(const bl_image_model *model, const bl_image_truncation *truncation,
                                       bl_space space, bool raw, bl_error *err);
/** {"model", "layer", "class", "class_index", "minus", "direction", "space", "draws", "dead",
 * "shift", "norm", "places"}, as the null verb has them for tokens. */
BL_API bl_tree *bl_image_null_tree(const bl_image_question *question, const bl_chance *chance, bl_error *err);
/** All classes: `eigens` [C], class by class. */
BL_API bl_tree *bl_image_atlas_tree(const bl_image_model *model, bl_image_eigen *const *eigens,
                                    bl_space space, bool raw, bl_error *err);
/** One image's highest logits, each with its terms lambda (v . x)^2 at both ends and the rest. */
BL_API bl_tree *bl_image_explain_tree(const bl_image_model *model, const bl_image_explanation *explanation,
                                      bl_space space, bl_error *err);
/** The curve of accuracy against a mask's strength, beside the permuted mask's. */
BL_API bl_tree *bl_mask_tree(const bl_image_model *model, const bl_mask *mask, const bl_mask_options *options,
                             bl_error *err);
/** Two models class by class: cosines of the whole forms, of matched eigenvectors, by rank, and by chance. */
BL_API bl_tree *bl_image_diff_tree(const bl_image_model *a, const bl_image_model *b,
                                   const bl_image_diff *diff, bl_error *err);
/** Scores of a model of modular addition, by residue (docs/specification.md, 21). */
BL_API bl_tree *bl_fourier_tree(const bl_image_model *model, const bl_fourier *fourier, bl_error *err);

/** Output directions (patterns over classes) by the energy of their forms, of the last block. */
BL_API bl_tree *bl_image_hosvd_tree(const bl_image_model *model, size_t k, bl_error *err);
/** {"info", "eigen", "scan", "truncate"} and what else the page shows. */
BL_API bl_tree *bl_image_report_tree(const bl_image_question *question, const bl_image_scan *scan,
                                     const bl_image_truncation *truncation, const bl_images *images,
                                     bl_error *err);
/** The k largest and k smallest entries of a weight. */
BL_API bl_tree *bl_image_describe_tree(const bl_image_model *model, size_t layer, const bl_named_array *array,
                                       size_t k, bl_error *err);

/** Values of one image along the model: embed [d], hidden.0 … [h], logits [C]. */
typedef struct bl_image_trace {
    size_t n;
    bl_named_array *arrays; /**< [n] */
    char (*names)[32];
    float *values;
} bl_image_trace;
/** `image` is an index into `images`: BL_ERR_USAGE beyond it. Free with bl_image_trace_free. */
BL_API bl_image_trace *bl_image_trace_run(const bl_image_model *model, const bl_images *images, size_t image,
                                          bl_error *err);
/** Frees `trace` and all that it holds. NULL is allowed. */
BL_API void bl_image_trace_free(bl_image_trace *trace);
/** {"model", "image", "points": [{"name", "shape"}]}. Free with bl_tree_free. */
BL_API bl_tree *bl_image_trace_tree(const bl_image_model *model, const bl_image_trace *trace, size_t image,
                                    bl_error *err);

/** {"settings": [{"noise", "decay", "runs", "accuracy": {"mean", "sd", "interval"}, …, "seeds": {"matched",
 * "other_class"}}]}; the interval is half of Student's 95 % interval over seeds. */
BL_API bl_tree *bl_study_tree(const bl_study *study, bl_error *err);

/** Results as tables, each of the tree of its name: a row per list entry. Free with bl_table_free. */
BL_API bl_table *bl_image_info_rows(const bl_tree *info, bl_error *err);
/** One row: loss, accuracy, number of predictions. */
BL_API bl_table *bl_image_eval_rows(const bl_tree *eval, bl_error *err);
/** A row per eigenvector. */
BL_API bl_table *bl_image_eigen_rows(const bl_tree *eigen, bl_error *err);
/** A row per image found. */
BL_API bl_table *bl_image_scan_rows(const bl_tree *scan, bl_error *err);
/** A row per rank. */
BL_API bl_table *bl_image_truncate_rows(const bl_tree *truncation, bl_error *err);
/** A row per class. */
BL_API bl_table *bl_image_atlas_rows(const bl_tree *atlas, bl_error *err);
/** A row per term of each class. */
BL_API bl_table *bl_image_explain_rows(const bl_tree *explanation, bl_error *err);
/** A row per pattern over classes. */
BL_API bl_table *bl_image_hosvd_rows(const bl_tree *hosvd, bl_error *err);
/** A row per class and place of its spectrum. */
BL_API bl_table *bl_image_diff_rows(const bl_tree *diff, bl_error *err);
/** A row per entry. */
BL_API bl_table *bl_image_describe_rows(const bl_tree *description, bl_error *err);
/** A row per value of each point. */
BL_API bl_table *bl_image_trace_rows(const bl_tree *trace, bl_error *err);
/** A row per measure of accuracy. */
BL_API bl_table *bl_mask_rows(const bl_tree *mask, bl_error *err);
/** A row per measure, beside its null. */
BL_API bl_table *bl_fourier_rows(const bl_tree *fourier, bl_error *err);
/** noise,decay,runs,measure,mean,sd,interval: one row per setting and measure. */
BL_API bl_table *bl_study_rows(const bl_tree *study, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
