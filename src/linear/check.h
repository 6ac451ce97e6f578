/* The check of the BLAS, with the products to be checked as parameters, so that a test can give it wrong
 * ones. */
#ifndef BL_LINEAR_CHECK_H
#define BL_LINEAR_CHECK_H
#include <bilens/blas.h>

/* C [m, n] = alpha * A B + beta * C, as in gemm.h. */
typedef void (*bl_product_fn)(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                              const float *b, size_t ldb, float beta, float *c, size_t ldc);

typedef struct bl_products {
    bl_product_fn nn, nt, tn;
} bl_products;

bool bl_check_products(const bl_products *products, bl_error *err);
/* The eigenpairs of a symmetric [n, n]: residual and orthonormality. */
bool bl_check_eigenpairs(bl_error *err);
#endif
