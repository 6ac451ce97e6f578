/** @file dictionary_train.h  Training a dictionary of features (a TopK SAE) on what a point of a model holds
 * (docs/specification.md, 17).
 *
 *      bl_dictionary_train_options options;
 *      bl_dictionary_train_defaults(&options);
 *      options.corpus = corpus;
 *      options.point = "mlp_in", options.features = 1024, options.k = 16;
 *      options.output = "sae-in";
 *      bl_dictionary_train_result result;
 *      bl_dictionary_train(model, &options, &result, &err);
 */
#ifndef BILENS_DICTIONARY_TRAIN_H
#define BILENS_DICTIONARY_TRAIN_H

#include <bilens/dictionary_eval.h>
#include <bilens/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bl_dictionary_train_kind {
    BL_DICTIONARY_TRAIN_PHASE, /**< text = "reading", "running" (the model over the corpus), "splicing" */
    BL_DICTIONARY_TRAIN_STEP,  /**< one step is done */
    BL_DICTIONARY_TRAIN_NOTE   /**< text is something that the user should know */
} bl_dictionary_train_kind;

typedef struct bl_dictionary_train_event {
    bl_dictionary_train_kind kind;
    const char *text;     /**< valid during the call */
    uint64_t done, total; /**< of a phase */
    uint64_t step, steps;
    double epochs;      /**< passes over the vectors */
    double loss;        /**< of this step: |x - xhat|^2, mean over the batch */
    double unexplained; /**< the same per |x - mean|^2 of all training vectors */
    double lr;
    double vectors_per_second; /**< of this step */
    double seconds;            /**< of training, over all resumed parts */
} bl_dictionary_train_event;

/** Called from the training thread. Return false to stop: a checkpoint is written and the function fails with
 * BL_ERR_CANCELLED. */
typedef bool (*bl_dictionary_train_fn)(void *context, const bl_dictionary_train_event *event);

/** All of a run. bl_dictionary_train_defaults fills in what has a default. */
typedef struct bl_dictionary_train_options {
    bl_corpus *corpus;           /**< what the model runs over */
    bl_corpus *valid;            /**< what is held out; NULL: every tenth story of `corpus` */
    size_t stories;              /**< of `corpus` at most; 0 = all */
    size_t valid_stories;        /**< of `valid` at most; 0 = all */
    const char *point;           /**< a trace point of width d; NULL: "mlp_in", of images "hidden" */
    size_t layer;                /**< SIZE_MAX (default): the first, of images the last */
    size_t features, k;          /**< F, and how many of them are active at most */
    size_t epochs, batch;        /**< 5 passes, 1024 vectors per step */
    double lr;                   /**< of the first step; lr (1 - .9 t / steps) at step t. 1e-3 */
    uint64_t seed;               /**< of the start and of the vectors' order */
    size_t buffer;               /**< vectors in memory at most; 0: as many as 2 GB hold */
    bl_precision precision;      /**< of the factors of the encoder's product */
    bl_dictionary_layout layout; /**< of the directory that is written */
    const char *output;
    bool resume, overwrite;    /**< as in bl_train_options */
    uint64_t checkpoint_every; /**< steps; 0: only when stopped. 500 */
    bool distributed;          /**< one rank of several, started by mpirun: data parallel, rank 0 writes */
    bl_dictionary_train_fn report; /**< or NULL */
    void *context;
} bl_dictionary_train_options;

typedef struct bl_dictionary_train_result {
    uint64_t
        positions; /**< vectors that were trained on: positions >= 1 of all stories, or images, that are not
                           held out */
    uint64_t steps;
    size_t layer;
    bl_dictionary_score score; /**< of the dictionary as it is stored, on the stories or images held out */
    double seconds;            /**< of training */
    bl_precision precision;    /**< of the run: never AUTO */
    bool finished_before;      /**< resume found a finished run: nothing was trained, the score is made again
                                */
} bl_dictionary_train_result;

/** Fills in what `bilens dictionary train` takes where nothing is said. */
BL_API void bl_dictionary_train_defaults(bl_dictionary_train_options *options);
/** Of image models, whose vectors are fewer and of any scale: 20 passes, learning rate .01. */
BL_API void bl_dictionary_train_image_defaults(bl_dictionary_train_options *options);

/** Trains with Adam (.9, .999, 1e-8), decoder rows of norm 1 after every step, and writes a directory that
 * bl_dictionary_read reads, with log.jsonl beside it. A resumed run gives the same bits as one that was never
 * stopped; they do not depend on the number of threads, but on that of the ranks. BL_ERR_USAGE for sizes that
 * cannot be, BL_ERR_NUMERIC when the loss stops being finite. */
BL_API bool bl_dictionary_train(const bl_model *model, const bl_dictionary_train_options *options,
                                bl_dictionary_train_result *result, bl_error *err);
/** The same of a trace point of an image model ("embed", "hidden" of a layer, "logits") over `images`, scored
 * on `held`; NULL: every tenth image is held out. `corpus`, `valid` and their stories are not used. */
BL_API bool bl_dictionary_train_images(const bl_image_model *model, const bl_images *images,
                                       const bl_images *held, const bl_dictionary_train_options *options,
                                       bl_dictionary_train_result *result, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
