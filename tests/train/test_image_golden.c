/* Ten AdamW steps on one batch against PyTorch: losses, gradient norms, first gradients, final weights
 * (tests/data/images/train; docs/specification.md, 20). */
#include "format/json.h"
#include "format/safetensors.h"
#include "support.h"
#include "train/adamw.h"
#include "train/image_net.h"
#include <math.h>
#include <omp.h>

#define IMAGES TEST_DATA "/images/"

static void compare(const bl_image_net *net, const float *values, const char *path, double tolerance) {
    bl_error err;
    bl_safetensors *file = bl_safetensors_open(path, &err);
    assert_non_null(file);
    for (size_t i = 0; i < net->params.n; i++) {
        const bl_param *param = &net->params.list[i];
        const bl_stored_tensor *t = bl_safetensors_find(file, param->name);
        assert_non_null(t);
        assert_int_equal(t->count, param->count);
        float *want = malloc(t->count * sizeof *want);
        bl_stored_tensor_read(t, want);
        double largest = 0, worst = 0;
        for (size_t j = 0; j < t->count; j++) {
            largest = fmax(largest, fabs((double)want[j]));
            worst = fmax(worst, fabs((double)want[j] - (double)values[param->offset + j]));
        }
        if (worst > tolerance * largest)
            fail_msg("%s: %s is off by %g of %g", path, param->name, worst, largest);
        free(want);
    }
    bl_safetensors_free(file);
}

static void ten_steps(const char *name) {
    char path[512];
    bl_error err;
    snprintf(path, sizeof path, IMAGES "train/%s/start", name);
    bl_image_model *model = bl_image_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    bl_images *images = bl_images_open(model, IMAGES "sample", NULL, "test", &err);
    if (!images) fail_msg("%s", err.message);
    snprintf(path, sizeof path, IMAGES "train/%s/steps.json", name);
    json_t *golden = bl_json_read(path, 1 << 20, &err), *steps = json_object_get(golden, "steps");
    assert_int_equal(json_array_size(steps), 10);

    bl_image_net net;
    assert_true(bl_image_net_init(&net, bl_image_config_of(model), &err));
    bl_image_net_load(&net, model);
    float *m = calloc(net.params.total, sizeof *m), *v = calloc(net.params.total, sizeof *v);
    uint32_t order[64];
    for (uint32_t i = 0; i < 64; i++) order[i] = i;
    bl_image_batch batch = {.images = images, .order = order, .n = 64, .scale = 1.0F / 64};
    for (size_t s = 0; s < 10; s++) {
        const json_t *want = json_array_get(steps, s);
        double loss;
        size_t right;
        assert_true(bl_image_net_run(&net, &batch, true, &loss, &right, &err));
        double norm = bl_gradient_norm(&net.params, net.gradient),
               expected = json_real_value(json_object_get(want, "loss"));
        assert_true(fabs(loss / 64 - expected) < 1e-5 * expected);
        expected = json_real_value(json_object_get(want, "gradient_norm"));
        assert_true(fabs(norm - expected) < 1e-4 * expected);
        assert_true(fabs((double)right / 64 - json_number_value(json_object_get(want, "accuracy"))) < 1e-9);
        snprintf(path, sizeof path, IMAGES "train/%s/first_gradient.safetensors", name);
        if (s == 0) compare(&net, net.gradient, path, 1e-5);
        bl_adamw adamw = {.lr = (float)json_number_value(json_object_get(golden, "lr")),
                          .beta1 = 0.9F,
                          .beta2 = 0.999F,
                          .epsilon = 1e-8F,
                          .decay = (float)json_number_value(json_object_get(golden, "wd")),
                          .decay_all = true,
                          .step = s + 1,
                          .gradient_scale = 1};
        bl_adamw_step(&adamw, &net.params, net.weights, net.gradient, m, v);
    }
    snprintf(path, sizeof path, IMAGES "train/%s/final.safetensors", name);
    compare(&net, net.weights, path, 1e-3);
    free(m);
    free(v);
    json_decref(golden);
    bl_image_net_free(&net);
    bl_images_free(images);
    bl_image_free(model);
}

static void test_plain(void **state) {
    (void)state;
    ten_steps("plain");
}

static void test_two(void **state) {
    (void)state;
    ten_steps("two");
}

/* Ten times the same 64 images, which are several blocks: the gradient of one time, and the same bits for one
 * thread, two and three. */
static void blocks_and_threads(void **state) {
    (void)state;
    bl_error err;
    bl_image_model *model = bl_image_load(IMAGES "train/two/start", &err);
    if (!model) fail_msg("%s", err.message);
    bl_images *images = bl_images_open(model, IMAGES "sample", NULL, "test", &err);
    uint32_t order[640];
    for (uint32_t i = 0; i < 640; i++) order[i] = i % 64;
    bl_image_net nets[4];
    double losses[4];
    size_t right[4];
    int threads = omp_get_max_threads();
    for (size_t i = 0; i < 4; i++) {
        bl_image_batch batch = {.images = images,
                                .order = order,
                                .n = i ? 640 : 64,
                                .scale = i ? 1.0F / 640 : 1.0F / 64};
        omp_set_num_threads(i ? (int)i : 1);
        assert_true(bl_image_net_init(&nets[i], bl_image_config_of(model), &err));
        bl_image_net_load(&nets[i], model);
        assert_true(bl_image_net_run(&nets[i], &batch, true, &losses[i], &right[i], &err));
    }
    omp_set_num_threads(threads);
    assert_true(fabs(losses[1] - 10 * losses[0]) < 1e-9 * losses[1]);
    assert_int_equal(right[1], 10 * right[0]);
    double difference = 0, size = 0;
    for (size_t j = 0; j < nets[0].params.total; j++) {
        difference = fmax(difference, fabs((double)nets[1].gradient[j] - (double)nets[0].gradient[j]));
        size = fmax(size, fabs((double)nets[0].gradient[j]));
    }
    assert_true(difference < 1e-5 * size);
    for (size_t i = 2; i < 4; i++) {
        assert_true(fabs(losses[i] - losses[1]) <= 1e-9 * losses[1]);
        assert_int_equal(right[i], right[1]);
#ifdef BL_LANES /* elsewhere the BLAS adds up as it likes */
        assert_memory_equal(nets[i].gradient, nets[1].gradient,
                            nets[1].params.total * sizeof *nets[1].gradient);
#endif
    }
    for (size_t i = 0; i < 4; i++) bl_image_net_free(&nets[i]);
    bl_images_free(images);
    bl_image_free(model);
}

/* In bfloat16 the gradient is near float32's but not it, and a loss without a gradient is float32's. */
static void half_is_near(void **state) {
    (void)state;
    bl_error err;
    if (!bl_product16_possible()) {
        fprintf(stderr, "SKIPPED: this processor multiplies no bfloat16\n");
        skip();
    }
    bl_image_model *model = bl_image_load(IMAGES "train/two/start", &err);
    if (!model) fail_msg("%s", err.message);
    bl_images *images = bl_images_open(model, IMAGES "sample", NULL, "test", &err);
    uint32_t order[64];
    for (uint32_t i = 0; i < 64; i++) order[i] = i;
    bl_image_batch batch = {.images = images, .order = order, .n = 64, .scale = 1.0F / 64};
    bl_image_net nets[2];
    double losses[2], plain[2], difference = 0, size = 0;
    size_t right;
    for (size_t half = 0; half < 2; half++) {
        assert_true(bl_image_net_init(&nets[half], bl_image_config_of(model), &err));
        bl_image_net_load(&nets[half], model);
        nets[half].half = half == 1;
        assert_true(bl_image_net_run(&nets[half], &batch, true, &losses[half], &right, &err));
        assert_true(bl_image_net_run(&nets[half], &batch, false, &plain[half], &right, &err));
    }
    for (size_t i = 0; i < nets[0].params.total; i++) {
        double a = (double)nets[0].gradient[i], b = (double)nets[1].gradient[i];
        difference += (a - b) * (a - b);
        size += a * a;
    }
    assert_true(sqrt(difference / size) < 0.02 && difference > 0);
    assert_true(fabs(losses[1] - losses[0]) < 0.01 * losses[0] && losses[1] != losses[0]);
    assert_true(plain[0] == plain[1]);
    for (size_t half = 0; half < 2; half++) bl_image_net_free(&nets[half]);
    bl_images_free(images);
    bl_image_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_two),
                                       cmocka_unit_test(blocks_and_threads), cmocka_unit_test(half_is_near)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
