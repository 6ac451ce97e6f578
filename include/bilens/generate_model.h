/** @file generate_model.h  Letting a model write.
 *
 *      bl_generate_options options;
 *      bl_generate_defaults(&options);
 *      bl_generated story;
 *      if (bl_generate(model, "Once upon a time", &options, &story, (bl_progress){0}, &err))
 * puts(story.text); bl_generated_free(&story);
 */
#ifndef BILENS_GENERATE_MODEL_H
#define BILENS_GENERATE_MODEL_H

#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_generate_options {
    double temperature; /**< of the softmax; 0: always the most probable token */
    size_t top_k;       /**< draw among the k most probable tokens; 0: all */
    double top_p;       /**< draw among the fewest tokens that together have this probability; 0 or 1: all */
    uint64_t seed;
    size_t max_tokens; /**< new ones at most; 0: until the context is full */
    bool capitals;     /**< bl_tokenizer_prose's */
    bool whole;        /**< drop the last sentence if it has no end */
} bl_generate_options;

/** Why a text ended. */
typedef enum bl_stop {
    BL_STOP_END,     /**< the model gave [EOS], which is not kept */
    BL_STOP_TOKENS,  /**< max_tokens */
    BL_STOP_CONTEXT, /**< the model's context is full */
} bl_stop;

/** A text. Free with bl_generated_free. */
typedef struct bl_generated {
    bl_ids ids;      /**< the template's beginning ([BOS]), the prompt, and what follows */
    size_t n_prompt; /**< how many of them were given */
    char *text;      /**< the same as prose, see bl_tokenizer_prose */
    bl_stop stop;
    size_t steps; /**< tokens generated, those included that `whole` dropped */
} bl_generated;

/** Temperature 0.8, everything else 0. */
BL_API void bl_generate_defaults(bl_generate_options *options);

/** Continues `prompt` (UTF-8, may be empty). The same model, prompt and options give the same text, whatever
 * the number of threads. BL_ERR_USAGE for a prompt that leaves no room in the context, or for senseless
 * options; BL_ERR_NUMERIC when the weights hold NaN. */
BL_API bool bl_generate(const bl_model *model, const char *prompt, const bl_generate_options *options,
                        bl_generated *story, bl_progress progress, bl_error *err);

/** Takes story i of many, in order, from the calling thread; `story` is freed after the call. Return false
 * with `err` filled in to stop. */
typedef bool (*bl_story_fn)(void *context, size_t i, const bl_generated *story, bl_error *err);

/** `n` texts from one prompt, each with a seed of its own: text 0 is bl_generate's, and text i is the same
 * however many there are. Threads over texts, several of them side by side in each. */
BL_API bool bl_generate_stories(const bl_model *model, const char *prompt, const bl_generate_options *options,
                                size_t n, bl_story_fn take, void *context, bl_progress progress,
                                bl_error *err);

/** Frees what `story` holds, not the struct itself. NULL is allowed. */
BL_API void bl_generated_free(bl_generated *story);

#ifdef __cplusplus
}
#endif
#endif
