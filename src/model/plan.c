#include "model/plan.h"
#include "linear/norm.h"
#include "linear/rotary.h"
#include <math.h>

void bl_plan_defaults(bl_plan *plan, const bl_config *config) {
    *plan = (bl_plan){.epsilon = BL_NORM_EPSILON,
                      .embedding_scale = 1.0F,
                      .score_scale = 1.0F / sqrtf((float)config->head_dim),
                      .rope = {.base = BL_ROTARY_BASE, .rotated = config->head_dim, .magnitude = 1}};
}

/* Frequencies of long wavelength are divided by the factor, those of short wavelength are kept, and between
 * them one becomes the other. */
static double llama3(const bl_rope_plan *r, double frequency) {
    double turns = r->original * frequency / 6.283185307179586; /* in the original context */
    if (turns < r->low) return frequency / r->factor;
    if (turns > r->high) return frequency;
    double smooth = (turns - r->low) / (r->high - r->low);
    return (1 - smooth) * frequency / r->factor + smooth * frequency;
}

/* The dimension, of `rotated`, whose frequency turns `turns` times in the original context. */
static double yarn_bound(const bl_rope_plan *r, double turns) {
    return (double)r->rotated * log(r->original / (turns * 6.283185307179586)) / (2 * log(r->base));
}

static double yarn(const bl_rope_plan *r, size_t j, double frequency) {
    double low = yarn_bound(r, r->beta_fast), high = yarn_bound(r, r->beta_slow);
    if (r->whole_bounds) low = floor(low), high = ceil(high);
    low = fmax(low, 0);
    high = fmin(high, (double)r->rotated - 1);
    if (low == high) high += 0.001;
    double ramp = fmin(1, fmax(0, ((double)j - low) / (high - low)));
    return ramp * frequency / r->factor + (1 - ramp) * frequency;
}

void bl_rope_frequencies(const bl_rope_plan *r, size_t T, double *frequency, double *magnitude) {
    size_t half = r->rotated / 2;
    bool far = (double)T > r->original;
    *magnitude = r->magnitude;
    bl_rotary_frequencies(r->base, half, frequency);
    for (size_t j = 0; j < half; j++) switch (r->scaling) {
        case BL_ROPE_PLAIN: break;
        case BL_ROPE_LINEAR: frequency[j] /= r->factor; break;
        case BL_ROPE_LLAMA3: frequency[j] = llama3(r, frequency[j]); break;
        case BL_ROPE_YARN: frequency[j] = yarn(r, j, frequency[j]); break;
        case BL_ROPE_LONGROPE:
            frequency[j] /= (double)(far ? r->long_divisor[j] : r->short_divisor[j]);
            break;
        }
}
