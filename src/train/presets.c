/* Defaults and named recipes. */
#include "base/error.h"
#include <bilens/train.h>
#include <string.h>

static const char *const names[] = {"stories-1-256", "tinystories-1-1024-i5n", NULL};

const char *const *bl_train_preset_names(void) { return names; }

void bl_train_defaults(bl_train_options *options) {
    *options = (bl_train_options){
        .model = {.generation = BL_GENERATION_2024_05,
                  .n_layer = 1,
                  .n_head = 8,
                  .n_ctx = 256,
                  .d_model = 256,
                  .d_hidden = 768},
        .batch = 16,
        .accumulate = 1,
        .lr = 2e-3,
        .lr_end = 0.1,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .epsilon = 1e-8,
        .decay = 0.1,
        .clip = 1,
        .warmup = 100,
        .schedule = BL_SCHEDULE_COSINE,
        .seed = 1,
        .eval_every = 500,
        .eval_stories = 256,
        .sample_tokens = 60,
        .checkpoint_every = 500,
    };
}

bool bl_train_preset(const char *name, bl_train_options *options, bl_error *err) {
    bl_train_defaults(options);
    if (strcmp(name, "stories-1-256") == 0) {
        options->model.noise = 0.33F;
        options->batch = 8; /* many small steps at a high rate: the corpus has only 3.6 million tokens */
        options->lr = 8e-3;
        options->epochs = 4;
        options->store = BL_STORE_F16;
        return true;
    }
    if (strcmp(name, "tinystories-1-1024-i5n") == 0) { /* as the paper's model was: specification, 2 */
        options->model.d_model = 1024;
        options->model.d_hidden = 3072;
        options->model.noise = 0.33F;
        options->epochs = 5;
        options->batch = 128;
        options->lr = 1e-3;
        options->lr_end = 0;
        options->beta2 = 0.999;
        options->decay = 1;
        options->warmup = 0;
        options->schedule = BL_SCHEDULE_LINEAR;
        return true;
    }
    return bl_fail(err, BL_ERR_USAGE,
                   "there is no preset '%s': choose stories-1-256 or tinystories-1-1024-i5n", name);
}
