/* Reading vectors in a basis, through the paths by which it reaches a map's input (docs/specification.md, 5).
 *
 *   direct[i] = e_i . v        through a path: scale (v out) . (in e_i)
 *
 * One vector: (v out) in is a vector of d numbers per path, so that all paths together are one product
 * [n_paths, d] x [d, n]; out in, and out in E^T, are never formed. Many vectors: in e_i [n, k] is formed once
 * per path, and then every path costs k/d of the direct one. */
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include <bilens/basis.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 32 /* vectors at a time: a tile of values stays in cache */

bool bl_path_back(const bl_path *path, const float *v, float *back, bl_error *err) {
    bl_view out = path->out, in = path->in;
    float *z = bl_alloc(out.cols, sizeof *z, err); /* v out [k] */
    if (!z) return false;
    bl_gemv_t(out.rows, out.cols, path->scale, out.data, out.stride, v, 0.0F, z);
    bl_gemv_t(in.rows, in.cols, 1.0F, in.data, in.stride, z, 0.0F, back);
    free(z);
    return true;
}

bool bl_readout(const bl_basis *basis, const bl_path *paths, size_t n_paths, const float *v, float *out,
                bl_error *err) {
    bl_error_clear(err);
    bl_view e = basis->vectors;
    size_t count;
    if (!bl_mul_size(n_paths, e.cols, &count)) count = SIZE_MAX;
    float *backs = bl_alloc(count, sizeof *backs, err); /* [n_paths, d] */
    bool ok = backs != NULL;
    for (size_t s = 0; ok && s < n_paths; s++) {
        float *back = backs + s * e.cols;
        if (paths[s].out.data) ok = bl_path_back(&paths[s], v, back, err);
        else
            for (size_t i = 0; i < e.cols; i++) back[i] = paths[s].scale * v[i];
    }
    if (ok) bl_gemm_nt(n_paths, e.rows, e.cols, 1.0F, backs, e.cols, e.data, e.stride, 0.0F, out, e.rows);
    free(backs);
    return ok;
}

struct bl_readout_many {
    bl_basis basis;
    size_t n_paths, widest; /* the largest k */
    bl_path *paths;
    float **values; /* [n_paths][n, k] in e_i; NULL for the identity */
    size_t *unused; /* [n_unused] vectors that stand for nothing */
    size_t n_unused;
};

bl_readout_many *bl_readout_many_new(const bl_basis *basis, const bl_path *paths, size_t n_paths,
                                     bl_error *err) {
    bl_error_clear(err);
    bl_readout_many *r = bl_alloc_zero(1, sizeof *r, err);
    if (!r) return NULL;
    bl_view e = basis->vectors;
    *r = (bl_readout_many){.basis = *basis, .n_paths = n_paths};
    r->paths = bl_alloc(n_paths, sizeof *r->paths, err);
    r->values = bl_alloc_zero(n_paths, sizeof(float *), err);
    r->unused = bl_alloc(e.rows, sizeof *r->unused, err);
    bool ok = r->paths && r->values && r->unused;
    for (size_t i = 0; ok && i < e.rows; i++)
        if (!bl_basis_used(basis, i)) r->unused[r->n_unused++] = i;
    for (size_t s = 0; ok && s < n_paths; s++) {
        const bl_path *path = &paths[s];
        size_t k = path->in.rows, count;
        r->paths[s] = *path;
        if (!path->out.data) continue;
        if (!bl_mul_size(e.rows, k, &count)) count = SIZE_MAX;
        r->values[s] = bl_alloc(count, sizeof(float), err);
        ok = r->values[s] != NULL;
        if (ok)
            bl_gemm_nt(e.rows, k, e.cols, 1.0F, e.data, e.stride, path->in.data, path->in.stride, 0.0F,
                       r->values[s], k);
        if (k > r->widest) r->widest = k;
    }
    if (ok) return r;
    bl_readout_many_free(r);
    return NULL;
}

void bl_readout_many_free(bl_readout_many *r) {
    if (!r) return;
    for (size_t s = 0; r->values && s < r->n_paths; s++) free(r->values[s]);
    free(r->values);
    free(r->unused);
    free(r->paths);
    free(r);
}

/* x [rows, n] of path s; z [rows, widest] is scratch. */
static void read_path(const bl_readout_many *r, size_t s, const float *v, size_t stride, size_t rows,
                      float *z, float *x) {
    const bl_path *path = &r->paths[s];
    bl_view e = r->basis.vectors, out = path->out;
    if (!out.data) {
        bl_gemm_nt(rows, e.rows, e.cols, path->scale, v, stride, e.data, e.stride, 0.0F, x, e.rows);
        return;
    }
    bl_gemm_nn(rows, out.cols, out.rows, path->scale, v, stride, out.data, out.stride, 0.0F, z, out.cols);
    bl_gemm_nt(rows, e.rows, out.cols, 1.0F, z, out.cols, r->values[s], out.cols, 0.0F, x, e.rows);
}

/* The k best of sign * x [n] into out; false when there are not as many finite numbers. */
static bool pick(const float *x, size_t n, float sign, size_t k, bl_scored *list, bl_reading *out) {
    bl_best best = bl_best_begin(list, k);
    bl_best_offer_row(&best, sign, x, n, 0);
    bl_best_sort(&best);
    for (size_t i = 0; i < best.n; i++)
        out[i] = (bl_reading){sign * best.list[i].value, (int32_t)best.list[i].id};
    return best.n == k && (k == 0 || (isfinite(out[0].value) && isfinite(out[k - 1].value)));
}

typedef struct extremes {
    const bl_readout_many *r;
    const float *v;
    size_t stride, count, k;
    bl_reading *out;
    float *scratch;  /* [threads][ROWS, widest + n] */
    bl_scored *list; /* [threads][k] */
} extremes;

static bool read_tile(void *context, size_t tile, size_t thread, bl_error *err) {
    const extremes *x = context;
    const bl_readout_many *r = x->r;
    size_t begin = tile * ROWS, rows = x->count - begin < ROWS ? x->count - begin : ROWS,
           n = r->basis.vectors.rows;
    float *z = x->scratch + thread * ROWS * (r->widest + n), *values = z + ROWS * r->widest;
    bl_scored *list = x->list + thread * x->k;
    bool ok = true;
    for (size_t s = 0; s < r->n_paths; s++) {
        read_path(r, s, x->v + begin * x->stride, x->stride, rows, z, values);
        for (size_t i = 0; i < rows; i++) {
            for (size_t u = 0; u < r->n_unused; u++) values[i * n + r->unused[u]] = NAN; /* never picked */
            bl_reading *top = x->out + (((begin + i) * r->n_paths + s) * 2) * x->k;
            ok = pick(values + i * n, n, 1.0F, x->k, list, top) && ok;
            ok = pick(values + i * n, n, -1.0F, x->k, list, top + x->k) && ok;
        }
    }
    return ok ||
           bl_fail(err, BL_ERR_NUMERIC,
                   "an eigenvector's readings are not numbers (NaN): the weights are too large or damaged");
}

bool bl_readout_extremes(const bl_readout_many *r, const float *v, size_t stride, size_t count, size_t k,
                         bl_reading *out, bl_error *err) {
    bl_error_clear(err);
    size_t threads = (size_t)bl_threads(), floats, entries;
    if (!bl_add_size(r->widest, r->basis.vectors.rows, &floats) ||
        !bl_mul_size(floats, threads * ROWS, &floats))
        floats = SIZE_MAX;
    if (!bl_mul_size(threads, k, &entries)) entries = SIZE_MAX;
    extremes x = {.r = r, .v = v, .stride = stride, .count = count, .k = k, .out = out};
    x.scratch = bl_alloc(floats, sizeof *x.scratch, err);
    x.list = bl_alloc(entries, sizeof *x.list, err);
    bool ok = x.scratch && x.list && bl_parallel((count + ROWS - 1) / ROWS, read_tile, &x, err);
    free(x.scratch);
    free(x.list);
    return ok;
}
