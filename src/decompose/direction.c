/* Output directions as vectors (docs/specification.md, 4): u = e_token - mean(e_minus), centred on demand; or
 * a vector from elsewhere. The texts are in direction_text.c. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include <bilens/dictionary.h>
#include <bilens/direction.h>
#include <bilens/format.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 1.1754944e-38F /* below it float32 loses bits one by one */

/* "[3, 256]" */
static const char *shape_text(const bl_named_array *array, char out[200]) {
    size_t n = 1;
    out[0] = '[';
    for (size_t i = 0; i < array->n_dims; i++)
        n += (size_t)snprintf(out + n, 200 - n, "%s%zu", i ? ", " : "", array->shape[i]);
    snprintf(out + n, 200 - n, "]");
    return out;
}

/* Finite, and large enough to be a direction. */
static bool check_values(const float *u, size_t d, const char *source, bl_code code, bl_error *err) {
    float most = 0;
    for (size_t i = 0; i < d; i++) {
        if (!isfinite(u[i]))
            return bl_fail(err, code, "%s: element %zu is %s, which is not a valid component of a direction",
                           source, i, isnan(u[i]) ? "NaN" : "infinite");
        most = fmaxf(most, fabsf(u[i]));
    }
    if (most == 0)
        return bl_fail(err, code, "%s: every component is 0 as a 32-bit float, which is no direction",
                       source);
    return most >= SMALLEST ||
           bl_fail(
               err, code,
               "%s: the largest component is %.3g, too small for a 32-bit float: multiply the vector by a "
               "power of ten",
               source, (double)most);
}

/* The one vector, or row `row` >= 0, of an array; NULL with the error. */
static const float *choose_row(const bl_named_array *array, size_t d, long row, const char *source,
                               bl_error *err) {
    char shape[200];
    size_t count = 1, longest = 0;
    for (size_t i = 0; i < array->n_dims; i++) {
        if (!bl_mul_size(count, array->shape[i], &count)) count = SIZE_MAX;
        if (array->shape[i] > longest) longest = array->shape[i];
    }
    if (row < 0 && array->n_dims > 0 && count == d && longest == d) return array->data;
    if (row < 0)
        return bl_fail_null(err, BL_ERR_INPUT,
                            "%s: its shape is %s, but a direction of this model is [%zu], d_model numbers%s",
                            source, shape_text(array, shape), d,
                            array->n_dims == 2 && array->shape[1] == d ? "; name a row as FILE:ROW" : "");
    if (array->n_dims != 2 || array->shape[1] != d)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: its shape is %s, but rows of this model are [.., %zu]",
                            source, shape_text(array, shape), d);
    if ((size_t)row >= array->shape[0])
        return bl_fail_null(err, BL_ERR_INPUT, "%s: there is no row %ld; its %zu rows count from 0", source,
                            row, array->shape[0]);
    return array->data + (size_t)row * d;
}

/* The row that "…:12" ends in, with the colon cut off; -1 without one. */
static long split_row(char *source) {
    char *colon = strrchr(source, ':');
    size_t n = colon ? strlen(colon + 1) : 0;
    if (n == 0 || n > 17 || strspn(colon + 1, "0123456789") != n) return -1;
    *colon = '\0';
    return strtol(colon + 1, NULL, 10);
}

/* u = the encoder row of feature `row` of a dictionary in a folder. */
static bool read_feature(const char *folder, long row, size_t d, float *u, bl_error *err) {
    bl_dictionary *a = bl_dictionary_read(folder, d, err);
    if (!a) return false;
    bool ok = (size_t)row < a->F || bl_fail(err, BL_ERR_USAGE, "feature %ld does not exist: %s has 0 to %zu",
                                            row, folder, a->F - 1);
    if (ok) memcpy(u, a->encoder + (size_t)row * d, d * sizeof *u);
    bl_dictionary_free(a);
    return ok && check_values(u, d, folder, BL_ERR_INPUT, err);
}

bool bl_direction_read(const char *source, size_t d, float *u, bl_error *err) {
    bl_named_array array;
    float *data = NULL;
    long row = -1;
    bl_error_clear(err);
    bl_error failure = {0};
    char *path = bl_strdup(source, err);
    if (!path) return false;
    if (!bl_dictionary_is_folder(path) && (row = split_row(path)) >= 0 && bl_dictionary_is_folder(path)) {
        bool found = read_feature(path, row, d, u, err);
        free(path);
        return found;
    }
    if (row >= 0) snprintf(path, strlen(source) + 1, "%s", source); /* FILE:ROW, or a tensor of that name */
    row = -1;
    bool ok = bl_array_read(source, &array, &data, &failure);
    if (!ok && failure.code == BL_ERR_INPUT)
        row = split_row(path); /* no such file or tensor: a row of one? */
    if (!ok && row < 0) bl_fail(err, failure.code, "%s", failure.message);
    if (!ok && row >= 0) ok = bl_array_read(path, &array, &data, err);
    const float *chosen = ok ? choose_row(&array, d, row, source, err) : NULL;
    ok = chosen && check_values(chosen, d, source, BL_ERR_INPUT, err);
    if (ok) memcpy(u, chosen, d * sizeof *u);
    free(data);
    free(path);
    return ok;
}

/* A vector or a file: taken as it is. */
static bool given_vector(const bl_direction *direction, size_t d, float *u, bl_error *err) {
    const char *name = direction->source ? direction->source
                     : direction->name   ? direction->name
                                         : "direction";
    if (direction->token || direction->n_minus || direction->minus_all || direction->centre_unembedding)
        return bl_fail(err, BL_ERR_USAGE,
                       "%s: a direction that is a vector has no token, no contrast and no centring", name);
    if (direction->source) return bl_direction_read(direction->source, d, u, err);
    if (!check_values(direction->vector, d, name, BL_ERR_USAGE, err)) return false;
    memmove(u, direction->vector, d * sizeof *u);
    return true;
}

/* sums += weight * row i */
static void add_row(double *sums, const bl_basis *basis, size_t i, double weight) {
    const float *row = basis->vectors.data + i * basis->vectors.stride;
    for (size_t e = 0; e < basis->vectors.cols; e++) sums[e] += weight * (double)row[e];
}

/* u = row i less `less`, and less its own mean with `centred`; `less` may be u. */
static bool finish(const bl_basis *basis, size_t i, const float *less, bool centred, float *u,
                   bl_error *err) {
    const float *row = basis->vectors.data + i * basis->vectors.stride;
    size_t d = basis->vectors.cols;
    char space[BL_LABEL_SPACE];
    double own = 0, most = 0;
    for (size_t e = 0; e < d; e++) {
        u[e] = row[e] - less[e];
        own += (double)u[e];
    }
    for (size_t e = 0; e < d; e++) {
        if (centred) u[e] -= (float)(own / (double)d);
        most = fmax(most, fabs((double)u[e]));
    }
    if (!isfinite(own))
        return bl_fail(err, BL_ERR_NUMERIC, "the unembedding of '%s' is not finite: it holds NaN or infinity",
                       bl_basis_label(basis, i, space));
    return most > 0 ||
           bl_fail(err, BL_ERR_USAGE,
                   "the direction of '%s' less what is subtracted is zero in every component: it is not a "
                   "valid direction",
                   bl_basis_label(basis, i, space));
}

bool bl_direction_of_row(const bl_basis *basis, size_t i, bool minus_all, bool centred, float *u,
                         bl_error *err) {
    size_t d = basis->vectors.cols;
    if (!minus_all) memset(u, 0, d * sizeof *u);
    else if (basis->mean) memcpy(u, basis->mean, d * sizeof *u);
    else if (!bl_basis_mean(basis, u, err)) return false;
    return finish(basis, i, u, centred, u, err);
}

bool bl_direction_vector(const bl_direction *direction, const bl_basis *basis, float *u, bl_error *err) {
    bl_error_clear(err);
    size_t d = basis->vectors.cols;
    if (direction->vector || direction->source) return given_vector(direction, d, u, err);
    if (!direction->token || !*direction->token)
        return bl_fail(err, BL_ERR_USAGE, "a direction needs a %s", basis->name ? basis->name : "label");
    if (direction->minus_all && direction->n_minus)
        return bl_fail(err, BL_ERR_USAGE, "a direction subtracts the mean of all or of some, not both");
    long id = bl_basis_find(basis, direction->token, err);
    if (id < 0) return false;
    if (!direction->n_minus)
        return bl_direction_of_row(basis, (size_t)id, direction->minus_all, direction->centre_unembedding, u,
                                   err);
    double *sums = bl_alloc_zero(d, sizeof *sums, err);
    bool ok = sums != NULL;
    for (size_t i = 0; ok && i < direction->n_minus; i++) {
        long other = bl_basis_find(basis, direction->minus[i], err);
        ok = other >= 0;
        if (ok) add_row(sums, basis, (size_t)other, 1.0 / (double)direction->n_minus);
    }
    for (size_t e = 0; ok && e < d; e++) u[e] = (float)sums[e];
    free(sums);
    return ok && finish(basis, (size_t)id, u, direction->centre_unembedding, u, err);
}
