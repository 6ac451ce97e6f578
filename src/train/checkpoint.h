/* A run's state on disk, in one file that is replaced atomically. */
#ifndef BL_TRAIN_CHECKPOINT_H
#define BL_TRAIN_CHECKPOINT_H
#include <bilens/train.h>
#include <jansson.h>

/* Where a run stands. Order of stories and noise follow from seed, position and step: there is no other
 * random state. */
typedef struct bl_train_state {
    uint64_t step;     /* optimiser steps done */
    uint64_t position; /* stories taken from the endless sequence of epochs */
    uint64_t tokens, predictions;
    uint64_t log_bytes; /* length of log.jsonl */
    double seconds;
    double valid_loss;   /* the last one */
    bool evaluation_due; /* it was interrupted: a resumed run begins with it */
    int threads, ranks;  /* of the process or processes that wrote it; 0: not recorded */
} bl_train_state;

/* The three flat arrays [total] of a net and its optimiser. */
typedef struct bl_train_arrays {
    float *weights, *m, *v;
    size_t total;
} bl_train_arrays;

/* Everything that decides a run's numbers, as a JSON object. `steps`: the schedule's length; `hash` of the
 * corpus; `start`: of the weights that it starts from, 0 for random ones. */
json_t *bl_run_description(const bl_train_options *options, const bl_config *model, uint64_t steps,
                           uint64_t hash, bl_precision precision, uint64_t start);

/* "f32" or "bf16". */
const char *bl_precision_name(bl_precision precision);
/* The precision of the run whose checkpoint `path` is; false when there is none that can be read. */
bool bl_checkpoint_precision(const char *path, bl_precision *precision);

bool bl_checkpoint_write(const char *path, const json_t *description, const bl_train_state *state,
                         const bl_train_arrays *arrays, bl_error *err);

/* Reads into `state` and the arrays. BL_ERR_USAGE, naming the first difference, when it was made by a run
 * with another description; BL_ERR_INPUT when it is damaged. */
bool bl_checkpoint_read(const char *path, const json_t *description, bl_train_state *state,
                        const bl_train_arrays *arrays, bl_error *err);
#endif
