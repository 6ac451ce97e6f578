/** @file train.h  Training a model from text.
 *
 *  The first program: a preset, a corpus, a tokenizer, a directory.
 *
 *      bl_train_options options;
 *      bl_train_preset("stories-1-256", &options, NULL);
 *      const char *corpus[] = {"stories.txt"};
 *      options.corpus = corpus, options.n_corpus = 1;
 *      options.tokenizer = "tokenizer.json";
 *      options.output = "my-model";
 *      bl_train_result result;
 *      bl_train_run(&options, &result, &err);
 *
 *  Then `report` shows every step, `resume` continues a run that was stopped or killed, and the many numbers
 * of bl_train_options say what is trained and how. The result is a model directory that bl_model_load reads,
 * with log.jsonl beside it.
 */
#ifndef BILENS_TRAIN_H
#define BILENS_TRAIN_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How the learning rate goes from its top (after the warm-up) to lr_end * lr at the last step. */
typedef enum bl_schedule { BL_SCHEDULE_COSINE, BL_SCHEDULE_LINEAR, BL_SCHEDULE_CONSTANT } bl_schedule;

/** Of the factors of a training step's products. Everything else is float32: the weights that are updated,
 * the optimiser, sums, norms, softmax, the loss, and every evaluation. */
typedef enum bl_precision {
    BL_PRECISION_F32,
    BL_PRECISION_BF16, /**< bfloat16 factors, float32 sums; BL_ERR_UNSUPPORTED where the processor has none */
    BL_PRECISION_AUTO  /**< the checkpoint's when resuming, else the faster of the two as measured */
} bl_precision;

typedef enum bl_train_event_kind {
    BL_TRAIN_PHASE,      /**< reading the corpus: text = "tokenizing", done of total bytes */
    BL_TRAIN_STEP,       /**< one optimiser step is done */
    BL_TRAIN_EVAL,       /**< valid_loss is new; text is a sample of text (or NULL) */
    BL_TRAIN_CHECKPOINT, /**< a checkpoint was written */
    BL_TRAIN_TICK,       /**< nothing new; asked many times per second whether to stop at once */
    BL_TRAIN_NOTE        /**< text is something that the user should know, e.g. how many stories were cut */
} bl_train_event_kind;

typedef struct bl_train_event {
    bl_train_event_kind kind;
    const char *text;     /**< valid during the call */
    uint64_t done, total; /**< of a phase */
    uint64_t step, steps; /**< steps done, and steps in all (0 = unknown: stopped by time only) */
    uint64_t tokens;      /**< trained on so far */
    double epochs;        /**< the same in passes over the corpus */
    double loss;          /**< of this step, mean over its predictions, before the update */
    double gradient_norm; /**< before clipping */
    double lr;
    double tokens_per_second; /**< of this step */
    double share_of_peak;     /**< of the products' peak that was measured at the start; 0 = not measured */
    bl_precision precision;   /**< of the step's products: never AUTO */
    double seconds;           /**< of training, over all resumed parts */
    double valid_loss;        /**< the last one; NaN before the first */
} bl_train_event;

/** Called from the training thread. Return false to stop: a checkpoint is written, of the step that was
 * finished last (a step that is under way is given up), and bl_train_run fails with BL_ERR_CANCELLED. */
typedef bool (*bl_train_report_fn)(void *context, const bl_train_event *event);

/** A gate that is annealed: x -> x s(b x), s the logistic function, while b goes linearly from `from` to `to`
 * over the first `share` of the run's steps. With `to` 0 the finished model is bilinear (its L carries the
 * factor 1/2), and model.gate is BL_GATE_NONE; else it has the gate silu, with L and R scaled. */
typedef struct bl_anneal {
    double from, to, share; /**< share 0: no annealing */
} bl_anneal;

/** All of a run. bl_train_defaults fills in everything but the files. */
typedef struct bl_train_options {
    /* files */
    const char *const *corpus; /**< text to learn from, as bl_corpus_open takes it (not standard input) */
    size_t n_corpus;
    const char
        *text_key;     /**< where corpus and valid hold JSON objects: the key of their text; NULL: "text" */
    const char *valid; /**< text to measure the loss on; NULL: none */
    const char *tokenizer; /**< tokenizer.json */
    const char *output;    /**< model directory to make */
    bool resume;    /**< continue from the checkpoint in `output`; starts afresh when there is none yet; a
                       finished run is left as it is; a model that no run made is refused */
    bool overwrite; /**< replace whatever model or run is in `output`, whole: weights, index, shards,
                       checkpoint, log, snapshots */

    /* architecture; n_vocab = 0: the tokenizer's size. What config.json of `model.generation` cannot say is
     * refused. */
    bl_config model;
    /** Model directory (one of the bilinear checkpoints) to go on from: its architecture and weights count,
     * `model` gives the noise and, when it is annealed, the gate. NULL: random weights. */
    const char *start;
    bl_anneal anneal;

    /* optimiser: AdamW, decay on matrices only */
    size_t batch;      /**< stories that are computed at once */
    size_t accumulate; /**< such batches per step */
    double lr, lr_end; /**< top, and the last step's as a share of it */
    double beta1, beta2, epsilon, decay;
    double clip; /**< largest gradient norm; 0: no clipping */
    bl_precision precision;
    uint64_t warmup; /**< steps of linear rise */
    bl_schedule schedule;
    uint64_t seed; /**< of weights, order of stories, noise */

    /* length: whichever of those above 0 comes first; at least one. The schedule ends with the first three.
     */
    uint64_t steps;
    double epochs;
    uint64_t tokens;
    double seconds;

    /* along the way */
    uint64_t eval_every;       /**< steps; 0: only at the end */
    size_t eval_stories;       /**< of `valid`, along the way; 0 = all. The last evaluation is on all */
    size_t sample_tokens;      /**< length of the sample of text at an evaluation; 0: none */
    uint64_t checkpoint_every; /**< steps; 0: only when stopped */
    size_t
        snapshots;  /**< so many times, evenly spread over the run's steps, the model as it stands is saved to
                         snapshots/step-N in `output`, a directory that every function reads; 0: never */
    bl_store store; /**< how the finished weights are stored */
    bool distributed;          /**< one rank of several, started by mpirun: data parallel, rank 0 writes */
    bl_train_report_fn report; /**< or NULL */
    void *context;
} bl_train_options;

typedef struct bl_train_result {
    uint64_t step, tokens, predictions;
    uint64_t parameters;
    double loss;            /**< mean over the last (at most 100) steps */
    double valid_loss;      /**< on all of `valid` with the weights as stored; NaN without it */
    double seconds, peak;   /**< of training; peak of the products in flop/s */
    bl_precision precision; /**< of the run: never AUTO */
    bool finished_before; /**< resume found a finished run: nothing was done; the numbers are its log's, with
                             predictions 0 */
} bl_train_result;

/** Fills `options` with the defaults: 1 layer, 8 heads, d 256, h 768, context 256, bilinear, no norm; AdamW
 * with lr 2e-3, betas 0.9 and 0.99, decay 0.1, clipping at 1, cosine to 10 %; batches of 16 stories; one
 * epoch; evaluation and checkpoint every 500 steps. */
BL_API void bl_train_defaults(bl_train_options *options);

/** The defaults changed to a named recipe: "tinystories-1-1024-i5n" (the paper's) or "stories-1-256" (the
 * embedded default's). BL_ERR_USAGE for any other name. */
BL_API bool bl_train_preset(const char *name, bl_train_options *options, bl_error *err);

/** Trains. On failure `output` keeps its log and its last checkpoint, from which `resume` continues. A
 * resumed run gives the same bits as one that was never stopped, on the same kind of processor with the same
 * number of threads and of ranks; the checkpoint records both, and a note tells when they differ.
 * BL_ERR_NUMERIC when the loss or the gradient stops being finite, or when the last step leaves weights whose
 * loss is not. With `distributed` every rank gets the same result. */
BL_API bool bl_train_run(const bl_train_options *options, bl_train_result *result, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
