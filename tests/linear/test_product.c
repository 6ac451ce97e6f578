/* Products against sums in double, for sizes on both sides of every block's edge: tiles, panels, depths. */
#include "support.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/product16.h"

static float *numbers(size_t n, uint64_t seed) {
    bl_random random;
    bl_random_seed(&random, seed);
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)bl_random_normal(&random);
    return x;
}

/* The nearest bfloat16, ties to even. */
static void round16(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000U;
        memcpy(x + i, &bits, sizeof bits);
    }
}

/* c [m, n] against alpha a b + old, element (i, k) of a at a[i * row + k * step], (k, j) of b at b[k * b_row
 * + j * b_step]. */
static void check(const float *c, const float *old, float alpha, const float *a, size_t row, size_t step,
                  const float *b, size_t b_row, size_t b_step, size_t m, size_t n, size_t depth) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = old ? (double)old[i * n + j] : 0, size = fabs(sum);
            for (size_t k = 0; k < depth; k++) {
                double term =
                    (double)alpha * (double)a[i * row + k * step] * (double)b[k * b_row + j * b_step];
                sum += term;
                size += fabs(term);
            }
            assert_near((double)c[i * n + j], sum, 1e-6, size + 1e-3);
        }
}

static void check_multiply(size_t m, size_t n, size_t depth, bool transposed, bool add, bool half) {
    bl_error err = {0};
    float *a = numbers(m * depth, 1), *w = numbers(n * depth, 2), *old = numbers(m * n, 3),
          *c = malloc(m * n * sizeof *c);
    bl_factor f = {w, bl_alloc(bl_factor_size(depth, n), sizeof(float), &err), depth, n, transposed, half};
    memcpy(c, old, m * n * sizeof *c);
    bl_factor_pack(&f);
    bl_multiply(&f, m, 0.7F, a, depth, add, c, n);
    if (half) round16(a, m * depth), round16(w, n * depth);
    check(c, add ? old : NULL, 0.7F, a, depth, 1, w, transposed ? 1 : n, transposed ? depth : 1, m, n, depth);
    free(f.panels);
    free(a), free(w), free(old), free(c);
}

static void check_tn(size_t m, size_t n, size_t depth, bool add, bool half) {
    bl_error err = {0};
    float *a = numbers(m * depth, 4), *b = numbers(n * depth, 5), *old = numbers(m * n, 6),
          *c = malloc(m * n * sizeof *c);
    float *scratch = bl_alloc(BL_PRODUCT_SCRATCH, sizeof *scratch, &err);
    memcpy(c, old, m * n * sizeof *c);
    (half ? bl_multiply16_tn : bl_multiply_tn)(m, n, depth, 1.3F, a, m, b, n, add, c, n, scratch);
    if (half) round16(a, m * depth), round16(b, n * depth);
    check(c, add ? old : NULL, 1.3F, a, 1, m, b, n, 1, m, n, depth);
    free(scratch);
    free(a), free(b), free(old), free(c);
}

/* Factors that are kept in bfloat16 give what float32 ones do, to the bit. */
static void check_kept(size_t m, size_t n, size_t depth) {
    bl_error err = {0};
    float *a = numbers(m * depth, 1), *w = numbers(n * depth, 2), *b = numbers(m * n, 3),
          *c = malloc(m * n * sizeof *c), *kept = malloc(m * n * sizeof *c),
          *wide = malloc(m * n * sizeof *c), *scratch = bl_alloc(BL_PRODUCT_SCRATCH, sizeof *scratch, &err);
    bl_half *half = malloc(m * (n > depth ? n : depth) * sizeof *half);
    bl_factor f = {w, bl_alloc(bl_factor_size(depth, n), sizeof(float), &err), depth, n, true, true};
    bl_factor_pack(&f);
    memcpy(c, b, m * n * sizeof *c);
    memcpy(kept, b, m * n * sizeof *c);
    bl_multiply16(&f, m, 0.7F, a, depth, true, c, n);
    bl_halve(a, m * depth, half);
    bl_multiply16_kept(&f, m, 0.7F, half, depth, true, kept, n);
    assert_memory_equal(c, kept, m * n * sizeof *c);

    float *d = numbers(depth * n, 6), *same = malloc(depth * n * sizeof *same);
    memcpy(same, d, depth * n * sizeof *same);
    bl_multiply16_tn(depth, n, m, 1.3F, a, depth, b, n, true, d, n, scratch);
    bl_halve(b, m * n, half);
    bl_multiply16_tn_kept(depth, n, m, 1.3F, a, depth, half, n, true, same, n, scratch);
    assert_memory_equal(d, same, depth * n * sizeof *d);

    bl_widen(half, m * n, wide);
    round16(b, m * n);
    assert_memory_equal(wide, b, m * n * sizeof *b);
    free(f.panels), free(scratch), free(half), free(wide);
    free(a), free(w), free(b), free(c), free(kept), free(d), free(same);
}

static void test_kept(void **state) {
    (void)state;
    if (!bl_product16_possible()) {
        print_message("SKIPPED: this processor multiplies no bfloat16\n");
        skip();
    }
    static const size_t m[] = {1, 12, 13, 130}, n[] = {1, 17, 32, 70}, depth[] = {2, 34, 300, 514};
    for (size_t i = 0; i < sizeof m / sizeof *m; i++)
        for (size_t j = 0; j < sizeof n / sizeof *n; j++)
            for (size_t k = 0; k < sizeof depth / sizeof *depth; k++) check_kept(m[i], n[j], depth[k]);
}

static void read_rows(void *context, size_t begin, size_t n, float *out) {
    const bl_view *w = context;
    memcpy(out, w->data + begin * w->stride, n * w->stride * sizeof *out);
}

/* A weight in memory and one whose rows are made, and that a row's numbers do not depend on the others. */
static void check_of(size_t n, size_t rows, size_t cols) {
    bl_error err = {0};
    enum { THREADS = 2 };
    float *in = numbers(n * cols, 1), *w = numbers(rows * cols, 2), *out = malloc(n * rows * sizeof *out),
          *again = malloc(n * rows * sizeof *again),
          *scratch = bl_alloc(THREADS * bl_multiply_of_scratch(cols), sizeof *scratch, &err);
    bl_view view = {w, rows, cols, cols};
    bl_multiply_of(out, rows, in, n, rows, cols, w, NULL, NULL, 1, scratch);
    check(out, NULL, 1, in, cols, 1, w, 1, cols, n, rows, cols);
    bl_multiply_of(again, rows, in, n, rows, cols, NULL, read_rows, &view, THREADS, scratch);
    check(again, NULL, 1, in, cols, 1, w, 1, cols, n, rows, cols);
#ifdef BL_LANES /* the BLAS adds up as the shape has it */
    assert_memory_equal(out, again, n * rows * sizeof *out);
    bl_multiply_of(again, rows, in + (n - 1) * cols, 1, rows, cols, w, NULL, NULL, 1, scratch);
    assert_memory_equal(out + (n - 1) * rows, again, rows * sizeof *out);
#endif
    free(in), free(w), free(out), free(again), free(scratch);
}

static void test_multiply_of(void **state) {
    (void)state;
    static const size_t n[] = {1, 12, 13, 260}, rows[] = {1, 31, 64, 290}, cols[] = {1, 40, 300};
    for (size_t i = 0; i < sizeof n / sizeof *n; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            for (size_t k = 0; k < sizeof cols / sizeof *cols; k++) check_of(n[i], rows[j], cols[k]);
}

static void check_sizes(bool half) {
    static const size_t m[] = {1, 2, 5, 7, 11, 12, 13, 25, 37}, n[] = {1, 15, 16, 17, 31, 32, 33, 70},
                        depth[] = {1, 3, 16, 40};
    for (size_t i = 0; i < sizeof m / sizeof *m; i++)
        for (size_t j = 0; j < sizeof n / sizeof *n; j++)
            for (size_t k = 0; k < sizeof depth / sizeof *depth; k++)
                for (int kind = 0; kind < 4; kind++) {
                    check_multiply(m[i], n[j], depth[k], kind & 1, kind & 2, half);
                    if (kind & 1) check_tn(m[i], n[j], depth[k], kind & 2, half);
                }
}

static void check_beyond_blocks(bool half) {
    check_multiply(14, 34, 1100, true, false, half);
    check_multiply(14, 34, 512, false, true, half);
    check_multiply(130, 34, 513, true, true, half);
    check_multiply(13, 97, 150, true, false, half); /* whole panels, 64 steps at a time, and the rest */
    check_tn(260, 33, 520, true, half);
    check_tn(13, 530, 513, false, half);
}

static void test_sizes(void **state) {
    (void)state;
    check_sizes(false);
}

/* bfloat16: the same with rounded factors, where the processor has the products. */
static void test_sixteen_bits(void **state) {
    (void)state;
    if (!bl_product16_possible()) {
        print_message("SKIPPED: this processor multiplies no bfloat16\n");
        skip();
    }
    check_sizes(true);
    check_beyond_blocks(true);
}

static void test_beyond_blocks(void **state) {
    (void)state;
    check_beyond_blocks(false);
}

static void test_nothing(void **state) {
    (void)state;
    float c = 5, scratch;
    bl_multiply_tn(0, 1, 0, 1, &c, 1, &c, 1, false, &c, 1, &scratch);
    assert_true(c == 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_beyond_blocks),
                                       cmocka_unit_test(test_sixteen_bits),
                                       cmocka_unit_test(test_kept),
                                       cmocka_unit_test(test_nothing),
                                       cmocka_unit_test(test_multiply_of)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
