#include "evidence/correlation.h"
#include <math.h>
#include <stdlib.h>

double bl_pearson(const double *a, const double *z, const bool *on, size_t N) {
    double n = 0, ma = 0, mz = 0, aa = 0, zz = 0, az = 0;
    for (size_t i = 0; i < N; i++)
        if (!on || on[i]) {
            n++;
            ma += a[i];
            mz += z[i];
        }
    if (n < 2) return (double)NAN;
    ma /= n;
    mz /= n;
    for (size_t i = 0; i < N; i++)
        if (!on || on[i]) {
            aa += (a[i] - ma) * (a[i] - ma);
            zz += (z[i] - mz) * (z[i] - mz);
            az += (a[i] - ma) * (z[i] - mz);
        }
    return aa > 0 && zz > 0 ? az / sqrt(aa * zz) : (double)NAN;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How many of the sorted list [n] are below x, equal ones counting half. */
static double below(const double *list, size_t n, double x) {
    size_t low = 0, high = n; /* first entry that is not below x */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (list[middle] < x) low = middle + 1;
        else high = middle;
    }
    size_t end = low;
    for (high = n; end < high;) { /* first entry that is above x */
        size_t middle = (end + high) / 2;
        if (list[middle] <= x) end = middle + 1;
        else high = middle;
    }
    return ((double)low + (double)end) / 2;
}

double bl_auc(const double *z, const bool *on, const bool *counted, size_t N, double *work) {
    size_t positive = 0, negative = 0, n = 0;
    double sum = 0;
    for (size_t i = 0; i < N; i++)
        if (counted[i]) on[i] ? positive++ : negative++;
    if (positive == 0 || negative == 0) return (double)NAN;
    bool few = positive <= negative; /* the smaller side is sorted, the other one looks itself up */
    for (size_t i = 0; i < N; i++)
        if (counted[i] && on[i] == few) work[n++] = z[i];
    qsort(work, n, sizeof *work, ascending);
    for (size_t i = 0; i < N; i++)
        if (counted[i] && on[i] != few) sum += below(work, n, z[i]);
    double pairs = (double)positive * (double)negative;
    return few ? 1 - sum / pairs : sum / pairs;
}
