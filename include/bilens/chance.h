/** @file chance.h  How large a spectrum chance makes (docs/specification.md, 13).
 *
 *      t_i = lambda~_i / |Q~|_F        the statistic of place i of a direction's spectrum
 *
 * A null draw keeps every norm of L, R and P and loses every alignment between them (bl_bilinear_null). One
 * direction is compared with R draws of its own:
 *
 *      bl_chance chance;
 *      if (!bl_chance_of(&map, u, 99, seed, &chance, &err)) …
 *      chance.place[i].p      how often chance makes place i as large: small is structure
 *      bl_chance_free(&chance);
 *
 * What a null draw shows too is not structure. A small p says that the weights are aligned, not that it
 * matters: for that see ablate.h. */
#ifndef BILENS_CHANCE_H
#define BILENS_CHANCE_H

#include <bilens/bilinear.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One place of a spectrum beside the same place of the draws. */
typedef struct bl_chance_place {
    long index;                     /**< negative: from the top of the ascending spectrum */
    double eigenvalue;              /**< raw */
    double statistic;               /**< t_i */
    double ratio;                   /**< t_i / the draws' mean of t_i: the ratio to chance */
    double p;                       /**< (1 + #{draws at least as extreme}) / (R + 1), of this place alone */
    double p_family;                /**< the same against the most extreme place of each draw on this side */
    size_t group_first, group_last; /**< equal eigenvalues around it (bl_eigen_group): only their span means
                                       anything, and p is that of the place, not of a vector */
} bl_chance_place;

typedef struct bl_chance {
    size_t n, draws;
    double norm;  /**< |Q~|_F */
    double shift; /**< tr(Q)/n behind a norm, else 0 */
    size_t dead;  /**< hidden units that a draw leaves in place, because their product is 0 */
    size_t n_places;
    bl_chance_place *place; /**< [n_places] the top half from -1 on, then the bottom half from 0 on */
    double norm_p;          /**< (1 + #{draws whose |Q~|_F is at least as large}) / (R + 1) */
    double *draws_top, *draws_bottom; /**< [draws] t of the first place from the top, from the bottom */
} bl_chance;

/** Draws `draws` null models of `map` (seeds from `seed` on) and judges every place of direction u [d].
 * BL_ERR_USAGE for no draws or a direction whose form is 0. Free with bl_chance_free. Threads inside; the
 * same seed gives the same numbers. */
BL_API bool bl_chance_of(const bl_bilinear *map, const float *u, size_t draws, uint64_t seed,
                         bl_progress progress, bl_chance *out, bl_error *err);
/** Frees what `chance` holds, not the struct itself. NULL is allowed. */
BL_API void bl_chance_free(bl_chance *chance);
/** bl_eigen_check_groups of the places `eigs` [n_eigs] of its spectrum. */
BL_API bool bl_chance_check_groups(const bl_chance *chance, const long *eigs, size_t n_eigs, bl_error *err);

/** t = (eigenvalue - shift) / norm, 0 where the norm is 0. */
BL_API float bl_chance_statistic(double eigenvalue, double shift, double norm);
/** p-value of `t` in a pool [n] sorted ascending: from the top (1 + #{pool >= t}) / (n + 1), from the bottom
 * with <=. */
BL_API double bl_chance_p(const float *pool, size_t n, double t, bool from_top);
/** Benjamini and Hochberg: q[i] = the smallest false discovery rate at which p[i] is a discovery, of m
 * p-values. NaNs are left out and stay NaN. */
BL_API bool bl_chance_q(const double *p, size_t m, double *q, bl_error *err);
/** Kolmogorov-Smirnov distance of m p-values from the uniform distribution; sorts p. */
BL_API double bl_chance_distance(double *p, size_t m);

#ifdef __cplusplus
}
#endif
#endif
