/* One run of training: everything that lives from its first step to its last. Private to the room. */
#ifndef BL_TRAIN_TRAINER_H
#define BL_TRAIN_TRAINER_H
#include "base/ranks.h"
#include "train/checkpoint.h"
#include "train/data.h"
#include "train/net.h"
#include <stdio.h>

typedef struct bl_trainer {
    const bl_train_options *options;
    bl_ranks ranks;
    bl_tokenizer *tokenizer;
    bl_dataset train, valid; /* valid.n = 0: none */
    bl_order order;
    bl_packer packer;
    size_t *stories; /* [batch] of the micro-batch at hand */
    bl_net net;
    float *m, *v; /* [params.total] */
    json_t *description;
    bl_train_state state;
    uint64_t steps;                 /* in all; 0: until the time is over */
    double peak;                    /* of the whole run, flop/s; 0: not measured */
    double started, seconds_before; /* omp_get_wtime at the start, and what earlier parts took */
    char *log_path, *checkpoint_path, *config_path;
    FILE *log;           /* rank 0 */
    bool cancelled;      /* the report said stop */
    uint64_t first_step; /* where this process began */
    double recent[100];  /* losses of its last steps */
} bl_trainer;

/* Reads the text, makes the net, finds out where to continue. On failure bl_trainer_end is still to be
 * called. */
bool bl_trainer_begin(bl_trainer *t, const bl_train_options *options, bl_error *err);
void bl_trainer_end(bl_trainer *t);

/* One optimiser step; *loss is the mean over its predictions. Nothing is updated when loss or gradient is not
 * finite (BL_ERR_NUMERIC). */
bool bl_trainer_step(bl_trainer *t, double *loss, double *norm, double *lr, bl_error *err);

/* Mean loss over the first `stories` (0 = all) of `valid`, without noise. */
bool bl_trainer_evaluate(bl_trainer *t, size_t stories, double *loss, bl_error *err);

/* True when the run has reached its end. */
bool bl_trainer_is_done(const bl_trainer *t);

/* Tells the user (rank 0). */
void bl_trainer_report(bl_trainer *t, const bl_train_event *event);
void bl_trainer_note(bl_trainer *t, const char *format, ...) BL_PRINTF(2, 3);
#endif
