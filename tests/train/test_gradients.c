/* Every gradient against central differences: for every parameter tensor of every variant of
 * docs/specification.md, 1, the derivative along a random direction and along single entries. Losses are sums
 * of doubles over float32 logits, so a step of 1e-2 leaves about four digits. */
#include "model/architecture.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/gemm.h"
#include "train/net.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#define ROWS 37
#define STORIES 3

typedef struct fixture {
    bl_net net;
    int32_t input[ROWS], target[ROWS];
    uint32_t position[ROWS];
    uint64_t row[ROWS];
    size_t start[STORIES + 1];
    bl_minibatch batch;
} fixture;

static const bl_config base = {
    .n_vocab = 29, .n_layer = 2, .n_head = 2, .n_ctx = 26, .d_model = 16, .d_hidden = 24};

static double slope = -1; /* of an annealed gate; below 0: none */

static void set_up(fixture *f, const bl_config *config) {
    bl_error err = {0};
    bl_random random;
    bl_random_seed(&random, 7);
    assert_true(bl_net_init(&f->net, config, &err));
    for (size_t i = 0; i < f->net.params.n; i++) {
        const bl_param *param = &f->net.params.list[i];
        bool norm = param->kind == BL_PARAM_N1 || param->kind == BL_PARAM_N2 || param->kind == BL_PARAM_NF;
        for (size_t j = 0; j < param->count; j++)
            f->net.weights[param->offset + j] =
                (float)(0.3 * bl_random_normal(&random)) + (norm ? 1.0F : 0.0F);
    }
    if (slope >= 0) bl_net_set_swish(&f->net, slope);
    const size_t start[STORIES + 1] = {0, 10, 11, ROWS};
    memcpy(f->start, start, sizeof start);
    for (size_t s = 0, r = 0; s < STORIES; s++)
        for (; r < start[s + 1]; r++) {
            f->input[r] = (int32_t)bl_random_below(&random, config->n_vocab);
            f->target[r] = (int32_t)bl_random_below(&random, config->n_vocab);
            f->position[r] = (uint32_t)(r - start[s]);
            f->row[r] = 100 + r;
        }
    f->batch = (bl_minibatch){f->input, f->target, f->position, f->row, f->start, STORIES, ROWS, 26};
}

static double loss_of(fixture *f, bool backward) {
    bl_error err = {0};
    double loss;
    bl_pass pass = {.backward = backward, .scale = 1.0F / ROWS, .noise = true, .seed = 3, .step = 11};
    assert_true(bl_net_run(&f->net, &f->batch, &pass, &loss, &err));
    return loss / ROWS;
}

static double along(fixture *f, float *weights, const float *direction, size_t n, double step) {
    float *kept = malloc(n * sizeof *kept);
    double side[2];
    memcpy(kept, weights, n * sizeof *kept);
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < n; i++) weights[i] = kept[i] + (float)(s ? -step : step) * direction[i];
        side[s] = loss_of(f, false);
    }
    memcpy(weights, kept, n * sizeof *kept);
    free(kept);
    return (side[0] - side[1]) / (2 * step);
}

/* The difference quotient along `direction` against `expected`, within 2e-3 of the tensor's largest gradient.
 * A kink of relu inside one step spoils that quotient: smaller ones are tried then, and one must agree. */
static void check(fixture *f, const bl_param *param, const float *direction, double expected, double size,
                  const char *variant) {
    static const double steps[] = {5e-3, 1e-3, 2e-4};
    size_t n_steps = f->net.config.gate == BL_GATE_RELU ? 3 : 1;
    double measured = 0, tolerance = 2e-3 * size + 1e-5;
    for (size_t i = 0; i < n_steps; i++) {
        measured = along(f, f->net.weights + param->offset, direction, param->count, steps[i]);
        if (fabs(measured - expected) <= tolerance) return;
    }
    fail_msg("%s, %s: finite difference %.6g, gradient %.6g (tolerance %.2g)", variant, param->name, measured,
             expected, tolerance);
}

/* The distance of two gradients of one tensor. */
static double distance(const float *a, const float *b, const bl_param *param) {
    double sum = 0;
    for (size_t i = param->offset; i < param->offset + param->count; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sqrt(sum);
}

static void round16(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000U;
        memcpy(x + i, &bits, sizeof bits);
    }
}

/* bfloat16 rounds the weights and, once per product, the activations. How far the first alone moves the
 * float32 gradient of the tensor that it moves most, relative to its size, is measured; all together (relu's
 * kinks included) may be five times as far in any tensor. And the same again to the bit. */
static void check_sixteen_bits(fixture *f, const float *expected, const char *variant) {
    bl_error err = {0};
    bl_pass pass = {.backward = true, .scale = 1.0F / ROWS, .noise = true, .seed = 3, .step = 11};
    double loss;
    size_t total = f->net.params.total, bytes = total * sizeof(float);
    if (!bl_product16_possible()) return;
    float *kept = malloc(bytes), *rounded = malloc(bytes), *half = malloc(bytes);
    memcpy(kept, f->net.weights, bytes);
    round16(f->net.weights, total);
    assert_true(bl_net_run(&f->net, &f->batch, &pass, &loss, &err));
    memcpy(rounded, f->net.gradient, bytes);
    memcpy(f->net.weights, kept, bytes);
    pass.half = true;
    assert_true(bl_net_run(&f->net, &f->batch, &pass, &loss, &err));
    memcpy(half, f->net.gradient, bytes);
    const bl_param *list = f->net.params.list;
    float *zeros = calloc(total, sizeof *zeros);
    double moved = 0;
    for (size_t p = 0; p < f->net.params.n; p++)
        moved = fmax(moved, distance(rounded, expected, &list[p]) / distance(expected, zeros, &list[p]));
    for (size_t p = 0; p < f->net.params.n; p++) {
        double apart = distance(half, expected, &list[p]) / distance(expected, zeros, &list[p]);
        if (!(apart > 0 && apart <= 5 * moved))
            fail_msg("%s, %s: bfloat16 is %.3g away, rounded weights alone move gradients by %.3g", variant,
                     list[p].name, apart, moved);
    }
    free(zeros);
    assert_true(bl_net_run(&f->net, &f->batch, &pass, &loss, &err));
    assert_memory_equal(half, f->net.gradient, bytes);
    free(kept), free(rounded), free(half);
}

static void check_variant(const bl_config *config, const char *variant) {
    fixture f;
    bl_random random;
    bl_random_seed(&random, 5);
    set_up(&f, config);
    loss_of(&f, true);
    float *gradient = malloc(f.net.params.total * sizeof *gradient);
    memcpy(gradient, f.net.gradient, f.net.params.total * sizeof *gradient);
    for (size_t p = 0; p < f.net.params.n; p++) {
        const bl_param *param = &f.net.params.list[p];
        const float *g = gradient + param->offset;
        float *direction = calloc(param->count, sizeof *direction);
        double expected = 0, length = 0, largest = 0;
        for (size_t i = 0; i < param->count; i++) {
            direction[i] = (float)bl_random_normal(&random);
            length += (double)direction[i] * direction[i];
        }
        for (size_t i = 0; i < param->count; i++) {
            direction[i] /= (float)sqrt(length);
            expected += (double)direction[i] * g[i];
            if (fabs((double)g[i]) > largest) largest = fabs((double)g[i]);
        }
        assert_true(largest > 1e-6); /* every tensor matters */
        check(&f, param, direction, expected, largest, variant);
        for (int entry = 0; entry < 4; entry++) {
            size_t i = bl_random_below(&random, param->count);
            memset(direction, 0, param->count * sizeof *direction);
            direction[i] = 1;
            check(&f, param, direction, (double)g[i], largest, variant);
        }
        free(direction);
    }
    check_sixteen_bits(&f, gradient, variant);
    free(gradient);
    bl_net_free(&f.net);
}

static void test_bilinear(void **state) {
    (void)state;
    check_variant(&base, "bilinear");
}

static void test_norms(void **state) {
    (void)state;
    bl_config c = base;
    c.normalization = true;
    check_variant(&c, "norm without weights");
    c.norm_weights = true;
    check_variant(&c, "norm with weights");
}

static void test_noise(void **state) {
    (void)state;
    bl_config c = base;
    c.noise = 0.33F;
    check_variant(&c, "noise");
    c.normalization = true;
    check_variant(&c, "noise after a norm");
    c.norm_weights = true;
    check_variant(&c, "noise after a weighted norm");
}

static void test_gates(void **state) {
    (void)state;
    for (bl_gate gate = BL_GATE_RELU; gate <= BL_GATE_GELU; gate++) {
        bl_config c = base;
        c.gate = gate;
        check_variant(&c, bl_gate_name(gate));
        c.plain = true;
        c.bias_w = true;
        check_variant(&c, "plain MLP with bias");
    }
    bl_config linear = base;
    linear.plain = true;
    check_variant(&linear, "plain MLP without gate");
}

/* x s(b x): at b = 1 silu, at 0 half of a bilinear layer; folding changes the weights, not the function. */
static void test_annealed_gate(void **state) {
    (void)state;
    bl_config c = base;
    c.bias_w = true;
    for (int i = 0; i < 3; i++) {
        slope = i * 0.5;
        check_variant(&c, "annealed gate");
        fixture f;
        set_up(&f, &c);
        double loss = loss_of(&f, false);
        bl_net_fold_swish(&f.net);
        assert_true(f.net.config.gate == (i ? BL_GATE_SILU : BL_GATE_NONE));
        assert_true(fabs(loss_of(&f, false) - loss) < 1e-5 * loss);
        bl_net_free(&f.net);
    }
    slope = -1;
    fixture silu;
    c.gate = BL_GATE_SILU;
    set_up(&silu, &c);
    double loss = loss_of(&silu, false);
    bl_net_set_swish(&silu.net, 1);
    assert_true(loss_of(&silu, false) == loss);
    bl_net_free(&silu.net);
}

static void test_biases_and_scale(void **state) {
    (void)state;
    bl_config c = base;
    c.bias_w = true;
    check_variant(&c, "bias on w");
    c.bias_p = c.normalization = true;
    c.architecture = &bl_bilinear_later;
    check_variant(&c, "later generation");
}

static void test_tied_head(void **state) {
    (void)state;
    bl_config c = base;
    c.tied = true;
    check_variant(&c, "tied head");
    c.noise = 0.2F;
    check_variant(&c, "tied head with noise");
}

/* Two micro-batches added up are one batch; a story's gradient does not depend on its neighbours or on the
 * number of threads. */
static void test_accumulation(void **state) {
    (void)state;
    bl_config c = base;
    c.noise = 0.33F;
    c.bias_w = c.normalization = c.norm_weights = true;
    fixture f;
    bl_error err = {0};
    set_up(&f, &c);
    double whole = loss_of(&f, true) * ROWS, parts = 0;
    float *expected = malloc(f.net.params.total * sizeof *expected);
    memcpy(expected, f.net.gradient, f.net.params.total * sizeof *expected);
    bl_set_threads(3);
    for (size_t s = 0; s < STORIES; s++) {
        size_t first = f.start[s], n = f.start[s + 1] - first, start[2] = {0, n};
        bl_minibatch one = {
            f.input + first, f.target + first, f.position + first, f.row + first, start, 1, n, n};
        bl_pass pass = {.backward = true,
                        .accumulate = s > 0,
                        .scale = 1.0F / ROWS,
                        .noise = true,
                        .seed = 3,
                        .step = 11};
        double loss;
        assert_true(bl_net_run(&f.net, &one, &pass, &loss, &err));
        parts += loss;
    }
    assert_true(fabs(whole - parts) < 1e-5 * whole);
    for (size_t i = 0; i < f.net.params.total; i++)
        assert_true(fabsf(expected[i] - f.net.gradient[i]) < 1e-5F);
    free(expected);
    bl_net_free(&f.net);
    bl_set_threads(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bilinear),      cmocka_unit_test(test_norms),
        cmocka_unit_test(test_noise),         cmocka_unit_test(test_gates),
        cmocka_unit_test(test_annealed_gate), cmocka_unit_test(test_biases_and_scale),
        cmocka_unit_test(test_tied_head),     cmocka_unit_test(test_accumulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
