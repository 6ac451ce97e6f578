/* The mark of a model of modular addition (docs/specification.md, 21).
 *
 * The exact answer is logits = sum_k w_k cos(2 pi k (a + b - c) / p) + what a softmax does not see; then
 * every centred form Q_c has eigenvalues +-w_k p / 4, twice each, in the four dimensions cos, sin of
 * frequency k of both operands.
 *
 *   explained  share of the variance of the centred logits in frequencies (k, k, -k) of (a, b, c), any phase
 *   block      sum_c sum_k>=1 |Pi_k Q_c Pi_k|^2 / sum_c |Q_c|^2: 1 iff eigenvectors can be chosen as Fourier
 * modes
 *   purity     l^2-weighted mean of an eigenvector's largest share in one k >= 1: what a reader sees */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "subject/image_private.h"
#include <bilens/eigen.h>
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define SHOWN 12    /* eigenvectors of a class */
#define LEAST 0.005 /* share from which a frequency is listed */

/* Frequency of row r of the basis: constant, cos 1, sin 1, cos 2, … */
static size_t frequency_of(size_t r) { return (r + 1) / 2; }

/* Orthonormal rows [p, p]. */
static double *make_basis(size_t p, bl_error *err) {
    double *basis = bl_alloc(p * p, sizeof *basis, err);
    for (size_t r = 0; basis && r < p; r++) {
        double square = 0;
        for (size_t t = 0; t < p; t++) {
            double angle = 2 * PI * (double)(frequency_of(r) * t % p) / (double)p;
            basis[r * p + t] = r == 0 ? 1 : r % 2 ? cos(angle) : sin(angle);
            square += basis[r * p + t] * basis[r * p + t];
        }
        for (size_t t = 0; t < p; t++) basis[r * p + t] /= sqrt(square);
    }
    return basis;
}

/* energy [(p + 1) / 2] of v [2p] in each frequency, both operands together, as shares of |v|^2. */
static void energy_of(const double *basis, size_t p, const float *v, double *energy) {
    double all = 0;
    memset(energy, 0, (p + 1) / 2 * sizeof *energy);
    for (size_t side = 0; side < 2; side++)
        for (size_t r = 0; r < p; r++) {
            double dot = 0;
            for (size_t t = 0; t < p; t++) dot += basis[r * p + t] * (double)v[side * p + t];
            energy[frequency_of(r)] += dot * dot;
            all += dot * dot;
        }
    for (size_t k = 0; all > 0 && k < (p + 1) / 2; k++) energy[k] /= all;
}

/* The four coordinates cos, sin of frequency k of v's two operands; returns the square of their length. */
static double coordinates(size_t p, const float *v, size_t k, double at[4]) {
    double square = 0;
    for (size_t i = 0; i < 4; i++) {
        at[i] = 0;
        for (size_t t = 0; t < p; t++) {
            double angle = 2 * PI * (double)(k * t % p) / (double)p;
            at[i] += (double)v[i / 2 * p + t] * (i % 2 ? sin(angle) : cos(angle)) * sqrt(2 / (double)p);
        }
        square += at[i] * at[i];
    }
    return square;
}

size_t bl_fourier_mode(size_t p, const float *v, float *mode, double *share) {
    double all = 0, most = -1, at[4];
    size_t best = 1;
    for (size_t i = 0; i < 2 * p; i++) all += (double)v[i] * (double)v[i];
    for (size_t k = 1; k < (p + 1) / 2; k++) {
        double square = coordinates(p, v, k, at);
        if (square <= most) continue;
        most = square;
        best = k;
    }
    coordinates(p, v, best, at);
    for (size_t i = 0; i < 2 * p; i++) {
        double angle = 2 * PI * (double)(best * (i % p) % p) / (double)p;
        const double *side = at + i / p * 2;
        mode[i] = (float)(sqrt(2 / (double)p) * (side[0] * cos(angle) + side[1] * sin(angle)));
    }
    *share = all > 0 ? most / all : 0;
    return best;
}

/* The largest share in one frequency >= 1, and which. */
static double purest(const double *energy, size_t p, size_t *frequency) {
    *frequency = 1;
    for (size_t k = 2; k < (p + 1) / 2; k++)
        if (energy[k] > energy[*frequency]) *frequency = k;
    return energy[*frequency];
}

/* sum over frequencies k >= 1 of |Pi_k Q Pi_k|^2, q [2p, 2p]; work [2p, 2p]. */
static double kept_energy(const double *basis, size_t p, const float *q, double *work) {
    size_t n = 2 * p;
    double kept = 0;
    for (size_t i = 0; i < n; i++) /* work = q (basis on both operands)^T */
        for (size_t s = 0; s < n; s++) {
            double dot = 0;
            size_t at = s / p * p;
            for (size_t t = 0; t < p; t++) dot += (double)q[i * n + at + t] * basis[s % p * p + t];
            work[i * n + s] = dot;
        }
    for (size_t r = 0; r < n; r++)
        for (size_t s = 0; s < n; s++) {
            if (frequency_of(r % p) == 0 || frequency_of(r % p) != frequency_of(s % p)) continue;
            double dot = 0;
            size_t at = r / p * p;
            for (size_t t = 0; t < p; t++) dot += basis[r % p * p + t] * work[(at + t) * n + s];
            kept += dot * dot;
        }
    return kept;
}

/* Block score and purity of a map [p, h, 2p] over all classes, each minus the mean of all. */
static bool scores(const bl_bilinear *map, size_t p, const double *basis, double *block, double *purity,
                   bl_error *err) {
    size_t n = 2 * p;
    double total = 0, kept = 0, pure = 0;
    float *q = bl_alloc(n * n, sizeof *q, err), *u = bl_alloc(p, sizeof *u, err);
    double *work = bl_alloc(n * n + p, sizeof *work, err);
    bool ok = q && u && work;
    for (size_t c = 0; ok && c < p; c++) {
        for (size_t k = 0; k < p; k++) u[k] = (k == c ? 1.0F : 0.0F) - 1.0F / (float)p;
        ok = bl_go_on(err) && bl_bilinear_matrix(map, u, q, err);
        bl_eigen *e = ok ? bl_eigen_of_matrix(q, n, 0, 0, err) : NULL;
        ok = e != NULL;
        for (size_t i = 0; ok && i < n * n; i++) total += (double)q[i] * (double)q[i];
        if (ok) kept += kept_energy(basis, p, q, work);
        for (size_t i = 0; ok && i < n; i++) {
            size_t frequency;
            double l = (double)bl_eigen_values(e)[i];
            energy_of(basis, p, bl_eigen_vector(e, (long)i), work);
            pure += l * l * purest(work, p, &frequency);
        }
        bl_eigen_free(e);
    }
    *block = total > 0 ? kept / total : 0;
    *purity = total > 0 ? pure / total : 0;
    free(q);
    free(u);
    free(work);
    return ok;
}

/* The same of null draws of the map, and the number of its live units. */
static bool null_scores(const bl_bilinear *map, bl_fourier *f, const double *basis, size_t permutations,
                        uint64_t seed, bl_error *err) {
    bool ok = true;
    for (size_t r = 0; ok && r < (permutations ? permutations : 1); r++) {
        bl_bilinear draw = {0};
        size_t dead;
        double block = 0, purity = 0;
        ok = bl_bilinear_null(map, seed + r, &draw, &dead, err);
        f->units = bl_bilinear_hidden(map) - dead;
        if (ok && permutations) ok = scores(&draw, f->p, basis, &block, &purity, err);
        bl_bilinear_null_free(&draw);
        f->null_block += permutations ? block / (double)permutations : 0;
        f->null_purity += permutations ? purity / (double)permutations : 0;
    }
    return ok;
}

/* Adds up the discrete Fourier transform of the centred logits at (k, k, -k) for every k.
 *
 * Only sums over residues s = a + b - c matter there: F(k) = sum_s S(s) exp(-2 pi i k s / p), S(s) the sum
 * of the logits with that residue. */
static bool analyse_logits(bl_fourier *f, const float *logits, bl_error *err) {
    size_t p = f->p, half = (p + 1) / 2;
    double all = 0, *sums = bl_alloc_zero(p, sizeof *sums, err);
    f->frequencies = bl_alloc(half, sizeof *f->frequencies, err);
    f->shares = bl_alloc(half, sizeof *f->shares, err);
    f->weights = bl_alloc(half, sizeof *f->weights, err);
    bool ok = sums && f->frequencies && f->shares && f->weights;
    for (size_t i = 0; ok && i < p * p; i++) {
        double mean = 0;
        for (size_t c = 0; c < p; c++) mean += (double)logits[i * p + c] / (double)p;
        for (size_t c = 0; c < p; c++) {
            double x = (double)logits[i * p + c] - mean;
            sums[(i / p + i % p + p - c) % p] += x;
            all += x * x;
        }
    }
    double cube = (double)p * (double)p * (double)p;
    for (size_t k = 1; ok && k < half; k++) {
        double re = 0, im = 0;
        for (size_t s = 0; s < p; s++) {
            double angle = 2 * PI * (double)(k * s % p) / (double)p;
            re += sums[s] * cos(angle);
            im += sums[s] * sin(angle);
        }
        double share = all > 0 ? 2 * (re * re + im * im) / (cube * all) : 0;
        f->explained += share;
        if (share <= LEAST) continue;
        size_t at = f->n_frequencies++;
        for (; at > 0 && f->shares[at - 1] < share; at--) {
            f->shares[at] = f->shares[at - 1];
            f->weights[at] = f->weights[at - 1];
            f->frequencies[at] = f->frequencies[at - 1];
        }
        f->shares[at] = share;
        f->weights[at] = 2 * sqrt(re * re + im * im) / cube;
        f->frequencies[at] = k;
    }
    free(sums);
    return ok;
}

static bool show_class(const bl_image_model *model, size_t c, const double *basis, bl_fourier_class *out,
                       bl_error *err) {
    const bl_image_config *config = bl_image_config_of(model);
    size_t p = config->p;
    double share5, share10, *energy = bl_alloc(p, sizeof *energy, err);
    bl_image_eigen *e = NULL;
    size_t *order = NULL;
    out->class_index = c;
    bool ok = energy != NULL;
    if (ok) e = bl_image_eigen_of_class(model, c, true, 0, BL_SPACE_PIXEL, err);
    if (e) order = bl_alloc(e->size, sizeof *order, err);
    if (order) out->values = bl_alloc(e->size, sizeof *out->values, err);
    if (out->values) out->vectors = bl_alloc(SHOWN, sizeof *out->vectors, err);
    ok = e && order && out->values && out->vectors;
    if (ok) {
        bl_image_eigen_order(e, order);
        bl_image_eigen_figures(e, &out->effective_rank, &share5, &share10);
        memcpy(out->values, e->values, e->size * sizeof *out->values);
        out->n_values = e->size;
        out->n_vectors = e->size < SHOWN ? e->size : SHOWN;
    }
    for (size_t i = 0; ok && i < out->n_vectors; i++) {
        bl_fourier_vector *v = &out->vectors[i];
        energy_of(basis, p, e->vectors + order[i] * e->width, energy);
        *v = (bl_fourier_vector){.index = order[i], .eigenvalue = (double)e->values[order[i]]};
        v->share = purest(energy, p, &v->frequency);
    }
    bl_image_eigen_free(e);
    free(order);
    free(energy);
    return ok;
}

static bool mark(const bl_image_model *model, bl_fourier *f, const bl_images *pairs, const double *basis,
                 size_t permutations, uint64_t seed, bl_error *err) {
    size_t p = f->p;
    bl_bilinear map;
    float *logits = bl_alloc(p * p * p, sizeof *logits, err);
    bool ok = logits && bl_image_eval(model, pairs, &f->score, logits, err) &&
              analyse_logits(f, logits, err) && bl_image_block(model, 0, &map, err);
    if (ok) {
        map.p = bl_image_w_u(model);
        ok = scores(&map, p, basis, &f->block, &f->purity, err) &&
             null_scores(&map, f, basis, permutations, seed, err);
    }
    free(logits);
    return ok;
}

bl_fourier *bl_fourier_mark(const bl_image_model *model, const size_t *residues, size_t n_residues,
                            size_t permutations, uint64_t seed, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    bl_error_clear(err);
    if (!c->p)
        return bl_fail_null(
            err, BL_ERR_UNSUPPORTED,
            "%s: fourier marks models of modular addition (config.json: \"kind\": \"modular\") only",
            bl_image_name(model));
    for (size_t i = 0; i < n_residues; i++)
        if (residues[i] >= c->p)
            return bl_fail_null(err, BL_ERR_USAGE, "--residues: %zu is not a residue mod %zu", residues[i],
                                c->p);
    bl_fourier *f = bl_alloc_zero(1, sizeof *f, err);
    bl_images *pairs = f ? bl_images_pairs(c->p, err) : NULL;
    double *basis = pairs ? make_basis(c->p, err) : NULL;
    bool ok = basis != NULL;
    if (ok) {
        f->p = c->p;
        f->classes = bl_alloc_zero(n_residues, sizeof *f->classes, err);
        f->n_classes = f->classes ? n_residues : 0;
        ok = f->classes && mark(model, f, pairs, basis, permutations, seed, err);
    }
    for (size_t i = 0; ok && i < n_residues; i++)
        ok = show_class(model, residues[i], basis, &f->classes[i], err);
    bl_images_free(pairs);
    free(basis);
    if (ok) return f;
    bl_fourier_free(f);
    return NULL;
}

void bl_fourier_free(bl_fourier *f) {
    if (!f) return;
    for (size_t i = 0; i < f->n_classes; i++) {
        free(f->classes[i].values);
        free(f->classes[i].vectors);
    }
    free(f->classes);
    free(f->frequencies);
    free(f->shares);
    free(f->weights);
    free(f);
}
