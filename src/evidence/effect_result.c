/* An eigenpair's effect from its sums over positions (docs/specification.md, 12):
 *
 *   own mean m = sum a_j / sum n_j,   error = sqrt(J / (J - 1) sum (a_j - m n_j)^2) / sum n_j
 *   share = 1 - Var(u . y - term) / Var(u . y) */
#include "evidence/effect_sums.h"
#include <math.h>

bl_effect bl_effect_of_sums(const bl_effect_sums *s, const bl_direction_sums *d, double all, double sample,
                            bool null_draw) {
    double N = null_draw ? sample : all, n = d->n, J = d->stories, own = null_draw ? d->sample : n,
           f = null_draw ? d->f_sample : d->f, ff = null_draw ? d->ff_sample : d->ff,
           mean = n > 0 ? s->own / n : NAN;
    double spread = ff - f * f / N,
           left = spread - 2 * (s->with_f - s->term * f / N) + s->square - s->term * s->term / N;
    double squares = s->own_squares - 2 * mean * s->own_counts + mean * mean * d->n_squares;
    bl_effect out = {.own = (uint64_t)n, .others = (uint64_t)(N - own), .own_mean = mean};
    out.own_error = J > 1 ? sqrt(J / (J - 1) * fmax(squares, 0)) / n : NAN;
    out.others_mean = N > own ? (s->rise - s->own_rise) / (N - own) : NAN;
    out.total = N > own          ? (s->own + out.others_mean * (all - n)) / all
              : n > 0 && all > 0 ? s->own / all
                                 : NAN;
    out.share = spread > 1e-12 * ff ? 1 - left / spread : NAN;
    out.ends = s->energy > 0 ? s->positive / s->energy : NAN;
    return out;
}
