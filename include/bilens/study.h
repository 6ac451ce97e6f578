/** @file study.h  Image models over noise, weight decay and seeds (docs/specification.md, 20).
 *
 *      bl_image_train_options recipe;
 *      bl_image_train_defaults(&recipe);
 *      double noise[] = {0, 0.5}, decay[] = {0, 1};
 *      bl_study_options options = {"/usr/share/datasets/fashion-mnist", "study", noise, 2, decay, 2, 5,
 *                                  &recipe};
 *      bl_study *study = bl_study_run(&options, &err);
 */
#ifndef BILENS_STUDY_H
#define BILENS_STUDY_H

#include <bilens/image_train.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BL_STUDY_RANKS = 2,      /**< accuracy with 10 and with 20 eigenvectors per class */
    BL_STUDY_TOP = 5,        /**< places at which seeds are compared */
    BL_STUDY_SEEDS = 64,     /**< most runs per setting */
    BL_STUDY_SETTINGS = 4096 /**< most pairs of noise and decay */
};

/** What one run came to. Means over classes; [0] embedding space, [1] pixel space (of one block only). */
typedef struct bl_study_run_figures {
    uint64_t seed;
    double accuracy;
    double effective_rank[2], share5[2], share10[2];
    double truncated[BL_STUDY_RANKS]; /**< accuracy; NaN where a form has fewer eigenvectors */
} bl_study_run_figures;

/** All runs of one noise and decay. */
typedef struct bl_study_setting {
    double noise, decay;
    bl_study_run_figures runs[BL_STUDY_SEEDS];
    /** |cos| of matched eigenvectors of two seeds, mean over classes and pairs of seeds; and with another
     * class's, what unlike forms have. NaN with one seed or several blocks. */
    double matched[BL_STUDY_TOP], other_class[BL_STUDY_TOP];
} bl_study_setting;

typedef struct bl_study {
    size_t n_settings, seeds;
    bool one_block;             /**< pixel space and the comparison of seeds exist */
    bl_study_setting *settings; /**< [n_settings], decay within noise */
} bl_study;

typedef struct bl_study_options {
    const char *images, *output; /**< the four MNIST files; where the models go, one folder per run */
    const double *noise;         /**< [n_noise] */
    size_t n_noise;
    const double *decay;                  /**< [n_decay] */
    size_t n_decay, seeds;                /**< runs per setting, with seeds 42, 43 … */
    const bl_image_train_options *recipe; /**< all else, with its report */
    /** Called after each run, if it is set. */
    void (*done)(void *context, const bl_study_setting *setting, const bl_study_run_figures *run);
    void *context;
} bl_study_options;

/** Trains every setting with several seeds and measures the models; a run that is finished in `output` is not
 * trained again, one that was stopped goes on. Free with bl_study_free; NULL with BL_ERR_USAGE for missing or
 * bad options, and with what training said. */
BL_API bl_study *bl_study_run(const bl_study_options *options, bl_error *err);
/** Frees `study` and all that it holds. NULL is allowed. */
BL_API void bl_study_free(bl_study *study);

#ifdef __cplusplus
}
#endif
#endif
