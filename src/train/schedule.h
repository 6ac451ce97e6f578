/* The learning rate of a step. */
#ifndef BL_TRAIN_SCHEDULE_H
#define BL_TRAIN_SCHEDULE_H
#include <bilens/train.h>

/* Of step `step` (0-based) of `steps` (0 = no end): a linear rise over `warmup` steps to lr, then down to
 * lr_end * lr, reached just after the last step. */
double bl_learning_rate(const bl_train_options *options, uint64_t step, uint64_t steps);
#endif
