#include "train/schedule.h"
#include <math.h>

double bl_learning_rate(const bl_train_options *o, uint64_t step, uint64_t steps) {
    if (step < o->warmup) return o->lr * (double)(step + 1) / (double)(o->warmup + 1);
    if (o->schedule == BL_SCHEDULE_CONSTANT || steps <= o->warmup) return o->lr;
    double way = (double)(step - o->warmup) / (double)(steps - o->warmup); /* [0, 1) */
    double left = o->schedule == BL_SCHEDULE_LINEAR ? 1 - way : 0.5 * (1 + cos(3.141592653589793 * way));
    return o->lr * (o->lr_end + (1 - o->lr_end) * left);
}
