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
    bl_model *start; /* while its weights are copied */
    bl_tokenizer *tokenizer;
    bl_dataset train, valid; /* valid.n = 0: none */
    bl_order order;
    bl_packer packer;
    size_t *stories; /* [batch] of the micro-batch at hand */
    bl_net net;
    float *m, *v;           /* [params.total] */
    bl_precision precision; /* F32 or BF16 */
    json_t *description;
    bl_train_state state;
    uint64_t steps;                 /* in all; 0: until the time is over */
    uint64_t start_hash;            /* of the weights that the run starts from; 0: random ones */
    double peak;                    /* of the whole run, flop/s; 0: not measured */
    double started, seconds_before; /* omp_get_wtime at the start, and what earlier parts took */
    char *log_path, *checkpoint_path;
    FILE *log;           /* rank 0 */
    bool cancelled;      /* the report said stop */
    double asked;        /* omp_get_wtime of the last tick */
    bool made_directory; /* it was not there before */
} bl_trainer;

/* options.c. What is refused before anything is read. */
bool bl_train_options_check(const bl_train_options *options, bl_error *err);

/* directory.c. What lies in a run's directory before it begins. */
typedef enum bl_run_place { BL_RUN_FREE, BL_RUN_BEGUN, BL_RUN_FINISHED, BL_RUN_FOREIGN } bl_run_place;

/* The end of a log: its last step, what that says, and whether it is the last of its run. */
typedef struct bl_log_summary {
    bool ours, finished; /* it holds steps of a run; its last line is a run's last */
    uint64_t step, tokens;
    bl_precision precision;
    double loss; /* mean of the last (at most 100) steps; NaN without any */
    double valid_loss, seconds;
} bl_log_summary;

bl_log_summary bl_log_read(int fd);
bl_run_place bl_run_find(const char *output, bl_log_summary *summary);
/* BL_ERR_USAGE, with what to do, where `options` do not allow a run in such a place. */
bool bl_run_allowed(const bl_train_options *options, bl_run_place place, const bl_log_summary *summary,
                    bl_error *err);
/* The directory exists and can be written to; *made: it did not exist before. */
bool bl_directory_prepare(const char *output, bool *made, bl_error *err);
/* Rank 0: opens and locks the log, then removes what `options` replace and what killed writers left. */
bool bl_directory_open(bl_trainer *t, bl_error *err);
/* Rank 0: cuts the log back to what the state says. */
bool bl_directory_cut_log(bl_trainer *t, bl_error *err);

/* journal.c. Rank 0 opens the directory and reads its checkpoint, if there is one and the options resume;
 * then all ranks have its state and its arrays (which hold fresh weights before). */
bool bl_journal_restore(bl_trainer *t, const bl_train_arrays *arrays, bl_error *err);
/* Rank 0: one line of log.jsonl (taken; NULL: out of memory). The other ranks only free it. */
bool bl_journal_line(bl_trainer *t, json_t *line, bl_error *err);
/* All ranks: rank 0 has the log on the disk, then the checkpoint that says how long it is. */
bool bl_journal_checkpoint(bl_trainer *t, const bl_train_arrays *arrays, bl_error *err);
/* False, with the error that the log could not be written. */
bool bl_journal_failed(const bl_trainer *t, bl_error *err);

/* text.c. Reads corpus and validation text, makes the net, counts the steps. */
bool bl_trainer_read_text(bl_trainer *t, bl_error *err);
void bl_trainer_tell_about_text(bl_trainer *t);

/* sample.c. Up to `most` tokens after the template's beginning, drawn at temperature 0.8 from `seed`; ends at
 * [EOS]. Free with bl_free. */
char *bl_net_sample(bl_net *net, const bl_tokenizer *tokenizer, size_t most, uint64_t seed, bl_error *err);

/* run.c. t->precision: what the options ask for; of AUTO the checkpoint's, or the faster one as measured.
 * BL_ERR_UNSUPPORTED where the processor has no such products. */
bool bl_trainer_choose_precision(bl_trainer *t, bl_error *err);

/* The gate of the step that comes next. */
void bl_trainer_set_gate(bl_trainer *t);

/* step.c. The learning rate of step `step` (0-based) of `steps` (0: no end): a linear rise over `warmup`
 * steps to lr, then down to lr_end * lr at the last step. */
double bl_learning_rate(const bl_train_options *options, uint64_t step, uint64_t steps);

/* One optimiser step; *loss is the mean over its predictions. Nothing is updated when loss or gradient is not
 * finite (BL_ERR_NUMERIC). */
bool bl_trainer_step(bl_trainer *t, double *loss, double *norm, double *lr, bl_error *err);

/* Mean loss over the first `stories` (0 = all) of `text`, without noise. */
bool bl_trainer_evaluate(bl_trainer *t, const bl_dataset *text, size_t stories, double *loss, bl_error *err);

/* True when the run has reached its end. */
bool bl_trainer_is_done(const bl_trainer *t);

/* A bl_pass's question whether to give up: its context is the trainer. */
bool bl_trainer_stops(void *trainer);

/* Tells the user (rank 0). */
void bl_trainer_report(bl_trainer *t, const bl_train_event *event);
void bl_trainer_note(bl_trainer *t, const char *format, ...) BL_PRINTF(2, 3);
#endif
