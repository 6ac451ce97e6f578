/* The check of the BLAS sees what is wrong, wherever it is, and takes no time. */
#include "support.h"
#include "linear/check.h"
#include "linear/gemm.h"
#include <time.h>

static struct {
    size_t calls, which, row, column; /* the call that is spoiled, and where */
    float by;
} spoil;

static void after(size_t m, size_t n, float *c, size_t ldc) {
    if (spoil.calls++ == spoil.which) c[spoil.row % m * ldc + spoil.column % n] += spoil.by;
}

#define SPOILED(name)                                                                                 \
    static void spoiled_##name(size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, \
                               const float *b, size_t ldb, float beta, float *c, size_t ldc) {        \
        bl_gemm_##name(m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                                 \
        after(m, n, c, ldc);                                                                          \
    }
SPOILED(nn)
SPOILED(nt)
SPOILED(tn)

static const bl_products spoiled = {spoiled_nn, spoiled_nt, spoiled_tn};

static void right_ones(void **state) {
    (void)state;
    bl_error err = {0};
    struct timespec begin, end;
    if (!bl_blas_check(&err)) fail_msg("%s", err.message);
    const bl_products products = {bl_gemm_nn, bl_gemm_nt, bl_gemm_tn};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    assert_true(bl_check_products(&products, &err) && bl_check_eigenpairs(&err));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%s: checked in %.2f ms of processor time\n", bl_blas_name(),
           1e3 * (double)(end.tv_sec - begin.tv_sec) + 1e-6 * (double)(end.tv_nsec - begin.tv_nsec));
}

/* One entry of any product, in any place; NaN; a product that was not made at all. */
static void wrong_ones(void **state) {
    (void)state;
    static const float amounts[] = {0.5F, -3.0F, 1e30F, NAN, INFINITY};
    for (size_t call = 0; call < 12; call++)
        for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++) {
            bl_error err = {0};
            spoil.calls = 0, spoil.which = call, spoil.row = 31 * call + i, spoil.column = 17 * call + 5 * i;
            spoil.by = amounts[i];
            if (bl_check_products(&spoiled, &err))
                fail_msg("product %zu with %g was not seen", call, (double)amounts[i]);
            assert_int_equal(err.code, BL_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.message, "is wrong"));
        }
    spoil.calls = 0, spoil.which = SIZE_MAX;
    assert_true(bl_check_products(&spoiled, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(right_ones), cmocka_unit_test(wrong_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
