/* Every elementwise piece of src/linear equals its plain twin here: the formula in float64, one number at a
 * time. Backward passes equal central differences of the twins. To add a piece: write its formula as a
 * function of doubles, and compare at sizes on both sides of a vector's width. */
#include "support.h"
#include "linear/exp.h"
#include "linear/gate.h"
#include "linear/noise.h"
#include "linear/norm.h"
#include "linear/rotary.h"
#include "linear/softmax.h"

static unsigned seed = 7;
static float draw(void) { return (float)((seed = seed * 1664525U + 1013904223U) >> 8) / 8388608.0F - 1.0F; }

static void fill(float *x, size_t n, float size) {
    for (size_t i = 0; i < n; i++) x[i] = size * draw();
}

static const size_t lengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100};
enum { LENGTHS = sizeof lengths / sizeof *lengths, MOST = 128 };

/* |a - b| <= share of `size`. */
static void near(const char *what, double a, double b, double size, double share) {
    if (!(fabs(a - b) <= share * size)) fail_msg("%s: %.9g for %.9g", what, a, b);
}

static void test_exp(void **state) {
    (void)state;
    for (double x = -87; x <= 88; x += 0.00731)
        near("exp", (double)bl_expf((float)x), exp((double)(float)x), exp(x), 3e-7);
    assert_true(bl_expf(0) == 1.0F);
    assert_true(isnan(bl_expf(NAN)));
    assert_true(bl_expf(-INFINITY) >= 0 && bl_expf(-INFINITY) < 2e-38F);
}

static void test_softmax(void **state) {
    (void)state;
    for (size_t l = 0; l < LENGTHS; l++) {
        size_t n = lengths[l];
        float x[MOST] = {0}, y[MOST], z[MOST], inverse;
        fill(x, n, 30);
        memcpy(y, x, sizeof y);
        memcpy(z, x, sizeof z);
        double most = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++) most = fmax(most, (double)x[i]);
        for (size_t i = 0; i < n; i++) sum += exp((double)x[i] - most);
        bl_softmax(y, n);
        float lse = bl_softmax_begin(z, n, &inverse);
        assert_true((double)bl_row_max(x, n) == most);
        near("log sum exp", (double)lse, most + log(sum), 30, 1e-6);
        near("log sum exp, sum in float64", bl_log_sum_exp(x, n), most + log(sum), 1, 1e-6);
        near("log sum exp, exact", bl_log_sum_exp_exact(x, n), most + log(sum), 1, 1e-13);
        for (size_t i = 0; i < n; i++) {
            near("softmax", (double)y[i], exp((double)x[i] - most) / sum, 1, 1e-6);
            near("softmax in two steps", (double)(z[i] * inverse), (double)y[i], 1, 1e-6);
        }
    }
}

static void test_rotary(void **state) {
    (void)state;
    enum { POSITIONS = 70 };
    const size_t halves[] = {1, 3, 4, 8, 20};
    for (size_t h = 0; h < 5; h++) {
        size_t half = halves[h], k = 2 * half + 3, heads = 2; /* three elements that do not turn */
        double frequency[32];
        bl_rotary table;
        bl_error err = {0};
        bl_rotary_frequencies(10000, half, frequency);
        assert_true(bl_rotary_make(&table, frequency, half, 1.5, POSITIONS, &err));
        for (size_t p = 0; p < POSITIONS; p += 23) {
            float x[MOST] = {0}, turned[MOST], back[MOST];
            fill(x, heads * k, 1);
            memcpy(turned, x, sizeof x);
            bl_rotate(&table, p, false, heads, k, turned);
            memcpy(back, turned, sizeof x);
            bl_rotate(&table, p, true, heads, k, back);
            for (size_t i = 0; i < heads; i++)
                for (size_t j = 0; j < half; j++) {
                    double angle = (double)p * pow(10000, -(double)j / (double)half);
                    double u = (double)x[i * k + j], v = (double)x[i * k + j + half];
                    near("rotary, low", (double)turned[i * k + j], 1.5 * (u * cos(angle) - v * sin(angle)), 1,
                         1e-6);
                    near("rotary, high", (double)turned[i * k + j + half],
                         1.5 * (v * cos(angle) + u * sin(angle)), 1, 1e-6);
                    near("rotary, back", (double)back[i * k + j], 1.5 * 1.5 * u, 1, 2e-6);
                }
            for (size_t i = 0; i < heads; i++)
                assert_memory_equal(turned + i * k + 2 * half, x + i * k + 2 * half, 3 * sizeof(float));
        }
        bl_rotary_free(&table);
    }
}

/* y [d] = weight * x / sqrt(mean(x^2) + 1e-8), the mean subtracted first if `centre`. */
static void plain_norm(const double *x, const float *weight, size_t d, bool normalize, bool centre,
                       double epsilon, double *y) {
    double mean = 0, square = 0;
    for (size_t i = 0; centre && i < d; i++) mean += x[i] / (double)d;
    for (size_t i = 0; i < d; i++) square += (x[i] - mean) * (x[i] - mean) / (double)d;
    for (size_t i = 0; i < d; i++)
        y[i] = (x[i] - mean) / (normalize ? sqrt(square + epsilon) : 1) * (weight ? (double)weight[i] : 1);
}

static void test_norm_rows(void **state) {
    (void)state;
    for (size_t l = 0; l < LENGTHS; l++)
        for (int centre = 0; centre < 2; centre++) {
            size_t d = lengths[l];
            float x[2 * MOST], y[2 * MOST], weight[MOST], bias[MOST];
            double exact[MOST], in[MOST];
            fill(x, 2 * d, 3);
            fill(weight, d, 1);
            fill(bias, d, 1);
            bl_norm_rows(x, 2, d, centre, 1e-5F, y);
            bl_weigh(y, 2, d, weight, bias, y);
            for (size_t r = 0; r < 2; r++) {
                for (size_t i = 0; i < d; i++) in[i] = (double)x[r * d + i];
                plain_norm(in, weight, d, true, centre, (double)1e-5F, exact);
                for (size_t i = 0; i < d; i++)
                    near("norm", (double)y[r * d + i], exact[i] + (double)bias[i], 3, 1e-6);
            }
        }
}

/* Forward as the twin; backward as the twin's central differences, along a random dy. */
static void test_norm_training(void **state) {
    (void)state;
    for (size_t l = 1; l < LENGTHS; l++)
        for (int kind = 0; kind < 4; kind++) {
            size_t d = lengths[l];
            float x[MOST], y[MOST], weight[MOST], dy[MOST], dx[MOST] = {0}, dweight[MOST] = {0},
                                                            scratch[2 * MOST];
            double in[MOST], above[MOST], below[MOST], step = 1e-5;
            uint64_t row = 0;
            bool normalize = kind & 1;
            fill(x, d, 1);
            fill(weight, d, 1);
            fill(dy, d, 1);
            const bl_norm norm = {.normalize = normalize, .weight = kind & 2 ? weight : NULL};
            bl_norm_forward(&norm, x, &row, 1, d, y);
            bl_norm_backward(&norm, x, y, dy, 1, d, dx, dweight, scratch);
            for (size_t i = 0; i < d; i++) in[i] = (double)x[i];
            plain_norm(in, norm.weight, d, normalize, false, 1e-8, above);
            for (size_t i = 0; i < d; i++) near("norm of training", (double)y[i], above[i], 3, 1e-6);
            for (size_t i = 0; i < d; i++) {
                double slope = 0;
                in[i] = (double)x[i] + step;
                plain_norm(in, norm.weight, d, normalize, false, 1e-8, above);
                in[i] = (double)x[i] - step;
                plain_norm(in, norm.weight, d, normalize, false, 1e-8, below);
                in[i] = (double)x[i];
                for (size_t j = 0; j < d; j++) slope += (double)dy[j] * (above[j] - below[j]) / (2 * step);
                near("norm's slope", (double)dx[i], slope, 20, 2e-6);
                if (!norm.weight) continue;
                plain_norm(in, NULL, d, normalize, false, 1e-8, above);
                near("slope of the weight", (double)dweight[i], (double)dy[i] * above[i], 3, 1e-6);
            }
        }
}

/* u + noise * std(u) * z, z as noise.h draws it; std with Bessel's correction. */
static void test_norm_noise(void **state) {
    (void)state;
    enum { D = 40 };
    float x[D], y[D], z[D];
    double in[D], u[D], mean = 0, square = 0;
    uint64_t row = 5;
    const bl_norm norm = {.normalize = true, .noise = 0.3F, .key = 99};
    fill(x, D, 2);
    bl_norm_forward(&norm, x, &row, 1, D, y);
    bl_noise_row(99, 5, D, z);
    for (size_t i = 0; i < D; i++) in[i] = (double)x[i];
    plain_norm(in, NULL, D, true, false, 1e-8, u);
    for (size_t i = 0; i < D; i++) mean += u[i] / D;
    for (size_t i = 0; i < D; i++) square += (u[i] - mean) * (u[i] - mean);
    double sd = sqrt(square / (D - 1));
    for (size_t i = 0; i < D; i++)
        near("noise", (double)y[i], u[i] + (double)0.3F * sd * (double)z[i], 3, 2e-6);
}

static double plain_gate(bl_gate gate, double x) {
    switch (gate) {
    case BL_GATE_RELU: return x > 0 ? x : 0;
    case BL_GATE_SILU: return x / (1 + exp(-x));
    case BL_GATE_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
    case BL_GATE_GELU_TANH: return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case BL_GATE_NONE: break;
    }
    return x;
}

static void test_gates(void **state) {
    (void)state;
    const bl_gate gates[] = {BL_GATE_NONE, BL_GATE_RELU, BL_GATE_SILU, BL_GATE_GELU, BL_GATE_GELU_TANH};
    for (size_t g = 0; g < 5; g++)
        for (size_t l = 0; l < LENGTHS; l++)
            for (int plain = 0; plain < 2; plain++) {
                size_t h = lengths[l], ld = (plain ? h : 2 * h) + 3, rows = 2;
                float pre[2 * (2 * MOST + 3)], kept[2 * (2 * MOST + 3)], hidden[2 * MOST], again[2 * MOST],
                    dhidden[2 * MOST];
                fill(pre, rows * ld, 5);
                fill(dhidden, rows * h, 1);
                memcpy(kept, pre, sizeof kept);
                bl_gate_forward(gates[g], plain, pre, ld, rows, h, hidden);
                bl_gate_backward(gates[g], plain, pre, ld, rows, h, dhidden, again);
                assert_memory_equal(hidden, again, rows * h * sizeof *hidden);
                for (size_t r = 0; r < rows; r++)
                    for (size_t i = 0; i < h; i++) {
                        double left = (double)kept[r * ld + i],
                               right = plain ? 1 : (double)kept[r * ld + h + i];
                        double up = (double)dhidden[r * h + i], step = 1e-6,
                               value = plain_gate(gates[g], left);
                        double slope =
                            (plain_gate(gates[g], left + step) - plain_gate(gates[g], left - step)) /
                            (2 * step);
                        near("gate", (double)hidden[r * h + i], value * right, 25, 1e-6);
                        near("gate's slope", (double)pre[r * ld + i], up * slope * right, 10, 2e-6);
                        if (!plain)
                            near("slope of the other side", (double)pre[r * ld + h + i], up * value, 5, 1e-6);
                    }
            }
}

static void test_cap(void **state) {
    (void)state;
    float x[MOST], y[MOST];
    fill(x, MOST, 100);
    memcpy(y, x, sizeof y);
    bl_cap(30, y, MOST);
    for (size_t i = 0; i < MOST; i++) near("cap", (double)y[i], 30 * tanh((double)x[i] / 30), 30, 1e-6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),           cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_rotary),        cmocka_unit_test(test_norm_rows),
        cmocka_unit_test(test_norm_training), cmocka_unit_test(test_norm_noise),
        cmocka_unit_test(test_gates),         cmocka_unit_test(test_cap)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
