/** @file image_train.h  Training image classifiers and models of modular addition (docs/specification.md, 20
 * and 21).
 *
 *      bl_image_train_options options;
 *      bl_image_train_defaults(&options);
 *      options.images = "/usr/share/dataset-fashion-mnist";
 *      options.output = "my-model";
 *      bl_image_train_result result;
 *      bl_image_train_run(&options, &result, &err);
 */
#ifndef BILENS_IMAGE_TRAIN_H
#define BILENS_IMAGE_TRAIN_H

#include <bilens/image.h>
#include <bilens/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One epoch is done. */
typedef struct bl_image_train_event {
    size_t epoch, epochs;
    uint64_t step, steps;
    double loss;     /**< mean over the epoch's images, each before its update */
    double accuracy; /**< share of right answers among them */
    double lr;
    double images_per_second;
    double seconds; /**< over all resumed parts */
} bl_image_train_event;

/** Called from the training thread; within an epoch, too, at least five times a second, with `epoch_done`
 * false, so that
 *  a run can be stopped. Return false to stop: the last checkpoint stays. */
typedef bool (*bl_image_train_fn)(void *context, const bl_image_train_event *event, bool epoch_done);

/** All of a run. bl_image_train_defaults fills in everything but images, output and sizes that come from the
 * images. */
typedef struct bl_image_train_options {
    const char *images;    /**< folder with the four MNIST files; NULL with model.p */
    const char *output;    /**< model directory to make */
    bool resume;           /**< go on from the checkpoint in `output` */
    bool overwrite;        /**< replace the model or run in `output` */
    bl_image_config model; /**< d_hidden, n_layer, bias, residual, gate; p and split for modular addition */
    const char *const *labels; /**< [C] or NULL */
    size_t epochs, batch;      /**< modular addition: steps of the full batch; batch is not used */
    double lr;                 /**< lr (1 + cos(pi e / epochs)) / 2 in epoch e */
    double decay;              /**< decoupled, on every tensor */
    double noise;              /**< sigma of what is added to every pixel */
    double l2;                 /**< modular addition: l2 * weight is added to the gradient */
    double beta2;              /**< of Adam; .999 */
    double fraction;           /**< modular addition: share of the pairs that is trained on */
    uint64_t seed;
    bl_precision precision; /**< of the factors of a step's products; all else is float32 */
    bl_store store;         /**< how the weights are stored */
    bool distributed;       /**< one rank of several, started by mpirun: data parallel, rank 0 writes */
    bl_image_train_fn report;
    void *context;
} bl_image_train_options;

typedef struct bl_image_train_result {
    size_t epochs;
    uint64_t steps;
    double seconds;
    bl_image_score score;    /**< on the test split; of modular addition on all pairs */
    bl_image_score held_out; /**< modular addition: on the pairs that were not trained on */
    bl_precision precision;  /**< of the run: never AUTO */
    bool finished_before;    /**< resume found a finished run: nothing was done */
} bl_image_train_result;

/** The paper's recipe: d 256, one block, 100 epochs, batch 2048, lr 1e-3, decay .5, no noise. */
BL_API void bl_image_train_defaults(bl_image_train_options *options);
/** The defaults of modular addition mod p: d_hidden 64, split, 2000 steps, lr .01, l2 1e-4, beta2 .98,
 * fraction .8. */
BL_API void bl_image_train_modular(bl_image_train_options *options, size_t p);
/** The defaults changed to a named recipe, "fashion-256" (the paper's sizes) or "fashion-64" (a minute),
 * with the labels of
 *  Fashion-MNIST. BL_ERR_USAGE for any other name. */
BL_API bool bl_image_train_preset(const char *name, bl_image_train_options *options, bl_error *err);

/** Trains. A resumed run gives the same bits as one that was never stopped, with the same number of threads
 * and ranks.
 *  BL_ERR_NUMERIC when the loss or the weights stop being finite. */
BL_API bool bl_image_train_run(const bl_image_train_options *options, bl_image_train_result *result,
                               bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
