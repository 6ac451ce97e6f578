/** @file dictionary_eval.h  How good a dictionary of features is at a point of a model
 * (docs/specification.md, 17).
 *
 *      bl_dictionary_eval_options options = {.point = "mlp_in", .corpus = corpus};
 *      bl_dictionary_score score;
 *      bl_dictionary_eval(model, dictionary, &options, &score, &err);
 */
#ifndef BILENS_DICTIONARY_EVAL_H
#define BILENS_DICTIONARY_EVAL_H

#include <bilens/dictionary.h>
#include <bilens/image.h>
#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_dictionary_eval_options {
    const char *point; /**< a trace point of width d: "mlp_in", "mlp_out" …; of images "embed", "hidden",
                          "logits" */
    size_t layer;
    bl_corpus *corpus;    /**< not used for images */
    size_t stories;       /**< at most; 0 = all */
    const float *mean;    /**< [d] what the dictionary is compared with; NULL: the mean of these positions */
    bl_progress progress; /**< phases "reading", "averaging", "splicing" */
} bl_dictionary_eval_options;

/** Figures of merit over the positions >= 1 of every story, or over images. */
typedef struct bl_dictionary_score {
    uint64_t stories, positions, predictions; /**< of images all three are their number */
    double unexplained;                       /**< sum |x - xhat|^2 / sum |x - mean|^2 */
    double active;                            /**< features that are active per position */
    size_t dead;                              /**< features that are never active */
    double model;                             /**< loss as it is, mean over predictions in nats */
    double spliced;   /**< … with the point replaced by its reconstruction at positions >= 1 */
    double mean;      /**< … by the mean */
    double recovered; /**< (mean - spliced) / (mean - model) */
    bool images;      /**< the rest is of images: the share of right answers in the three cases */
    double right_model, right_spliced, right_mean;
} bl_dictionary_score;

/** Threads over stories; the result does not depend on their number. BL_ERR_USAGE for a point or layer that
 * does not exist, BL_ERR_UNSUPPORTED for a point of another width, BL_ERR_INPUT when nothing can be
 * predicted or the dictionary's width is not the model's. */
BL_API bool bl_dictionary_eval(const bl_model *model, const bl_dictionary *dictionary,
                               const bl_dictionary_eval_options *options, bl_dictionary_score *score,
                               bl_error *err);
/** The same of an image model over `images`, every one of which counts. */
BL_API bool bl_dictionary_eval_images(const bl_image_model *model, const bl_dictionary *dictionary,
                                      const bl_images *images, const bl_dictionary_eval_options *options,
                                      bl_dictionary_score *score, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
