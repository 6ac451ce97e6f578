/* The options of a run: defaults, named recipes, and what is refused before anything is read. */
#include "base/error.h"
#include "model/architecture.h"
#include "train/trainer.h"
#include <math.h>
#include <string.h>

/* The annealed gate, and where a run starts. */
static bool check_anneal(const bl_train_options *o, bl_error *err) {
    const bl_anneal *a = &o->anneal;
    if (!(a->share >= 0 && a->share <= 1) || !(a->from >= 0 && a->from <= 1000) ||
        !(a->to >= 0 && a->to <= 1000))
        return bl_fail(err, BL_ERR_USAGE,
                       "an annealed gate has slopes from 0 to 1000 and a share of the run from 0 to 1");
    if (a->share == 0) return true;
    if (o->model.plain)
        return bl_fail(err, BL_ERR_USAGE, "the gate of a plain MLP cannot be annealed: it has no product");
    if (o->model.gate != (bl_swish_is_half(a->to) ? BL_GATE_NONE : BL_GATE_SILU))
        return bl_fail(err, BL_ERR_USAGE,
                       "an annealed gate ends as none (slope 0) or silu (any other slope), not as %s",
                       bl_gate_name(o->model.gate));
    if (o->steps == 0 && o->epochs == 0 && o->tokens == 0)
        return bl_fail(err, BL_ERR_USAGE,
                       "a share of the run can be annealed where its length is known: give steps, epochs or "
                       "tokens beside the time");
    if (o->snapshots) return bl_fail(err, BL_ERR_USAGE, "snapshots and an annealed gate exclude each other");
    return true;
}

void bl_train_defaults(bl_train_options *options) {
    *options = (bl_train_options){
        .model = {.architecture = &bl_bilinear_2024_05,
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

static bool positive(double x) { return x > 0 && isfinite(x); }
static bool share(double x) { return x >= 0 && x < 1; }

bool bl_train_options_check(const bl_train_options *o, bl_error *err) {
    if (o->resume && o->overwrite)
        return bl_fail(err, BL_ERR_USAGE, "resume and overwrite exclude each other");
    if (o->snapshots > 10000)
        return bl_fail(err, BL_ERR_USAGE, "%zu snapshots are too many: at most 10000", o->snapshots);
    if (o->snapshots && o->steps == 0 && o->epochs == 0 && o->tokens == 0)
        return bl_fail(err, BL_ERR_USAGE,
                       "snapshots are spread over the run: give steps, epochs or tokens beside the time");
    if ((unsigned)o->precision > BL_PRECISION_AUTO)
        return bl_fail(err, BL_ERR_USAGE, "there is no precision %d", (int)o->precision);
    if (!o->n_corpus || !o->tokenizer || !o->output)
        return bl_fail(err, BL_ERR_USAGE, "a corpus, a tokenizer and an output directory are needed");
    for (size_t i = 0; i < o->n_corpus; i++)
        if (strcmp(o->corpus[i], "-") == 0)
            return bl_fail(err, BL_ERR_USAGE,
                           "standard input cannot be trained on: a resumed run could not read it again");
    if (o->batch < 1 || o->accumulate < 1 || o->batch > 1 << 20 || o->accumulate > 1 << 20)
        return bl_fail(err, BL_ERR_USAGE, "batch and accumulate must be between 1 and %d", 1 << 20);
    if (!positive(o->lr) || !(o->lr_end >= 0 && o->lr_end <= 1))
        return bl_fail(err, BL_ERR_USAGE, "the learning rate must be above 0, its end a share from 0 to 1");
    if (!share(o->beta1) || !share(o->beta2) || !positive(o->epsilon))
        return bl_fail(err, BL_ERR_USAGE, "beta1 and beta2 must be from 0 to below 1, epsilon above 0");
    if (!(o->decay >= 0) || !(o->clip >= 0) || !isfinite(o->decay) || !isfinite(o->clip))
        return bl_fail(err, BL_ERR_USAGE, "decay and clip must be 0 or more");
    if (o->epochs < 0 || !isfinite(o->epochs) || o->seconds < 0 || !isfinite(o->seconds))
        return bl_fail(err, BL_ERR_USAGE, "epochs and time must be 0 or more");
    if (o->steps > INT64_MAX / 2 || o->tokens > INT64_MAX / 2 || o->seed > INT64_MAX ||
        o->warmup > INT64_MAX / 2)
        return bl_fail(err, BL_ERR_USAGE, "steps, tokens, warmup or seed is too large");
    if (!check_anneal(o, err)) return false;
    if (o->steps == 0 && o->epochs == 0 && o->tokens == 0 && o->seconds == 0)
        return bl_fail(err, BL_ERR_USAGE,
                       "give the length of the run: one of steps, epochs, tokens and time");
    if (o->steps == 0 && o->epochs == 0 && o->tokens == 0 && o->schedule != BL_SCHEDULE_CONSTANT)
        return bl_fail(err, BL_ERR_USAGE,
                       "a cosine or linear schedule needs to know its end: give steps, epochs or tokens "
                       "beside the time, or the schedule constant");
    return true;
}
