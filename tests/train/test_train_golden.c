/* Ten AdamW steps against PyTorch's (golden/train): losses, gradient norms, first gradients and final
 * weights.
 * ctest: begins early 20 */
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "model/model_private.h"
#include "train/adamw.h"
#include "linear/gemm.h"
#include "train/net.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#define STEPS 10
#define EACH 4 /* stories a step */
#define MOST 256

typedef struct stories {
    bl_ids ids[STEPS * EACH];
} stories;

static void read_stories(const bl_model *model, stories *s) {
    const char *path = SHARED "/corpus/valid.txt";
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_non_null(corpus);
    for (size_t i = 0; i < STEPS * EACH; i++) {
        bl_story story;
        assert_true(bl_corpus_next(corpus, &story, &err));
        s->ids[i] = (bl_ids){0};
        assert_true(
            bl_tokenizer_encode(bl_model_tokenizer(model), story.text, story.length, &s->ids[i], &err));
        if (s->ids[i].n > MOST) s->ids[i].n = MOST;
    }
    bl_corpus_free(corpus);
}

/* One step's stories as a micro-batch, in static arrays. */
static bl_minibatch pack(const bl_ids *ids) {
    static int32_t input[EACH * MOST], target[EACH * MOST];
    static uint32_t position[EACH * MOST];
    static uint64_t row[EACH * MOST];
    static size_t start[EACH + 1];
    size_t n = 0;
    for (size_t s = 0; s < EACH; s++) {
        start[s] = n;
        for (size_t i = 0; i + 1 < ids[s].n; i++, n++) {
            input[n] = ids[s].data[i];
            target[n] = ids[s].data[i + 1];
            position[n] = (uint32_t)i;
        }
    }
    start[EACH] = n;
    return (bl_minibatch){input, target, position, row, start, EACH, n, MOST};
}

/* Every tensor within 1e-4 of its largest entry. */
static void compare(const bl_net *net, const float *values, const char *path) {
    bl_error err = {0};
    bl_safetensors *file = bl_safetensors_open(path, &err);
    assert_non_null(file);
    for (size_t p = 0; p < net->params.n; p++) {
        const bl_param *param = &net->params.list[p];
        const bl_stored_tensor *tensor = bl_safetensors_find(file, param->name);
        assert_non_null(tensor);
        assert_int_equal(tensor->count, param->count);
        float *expected = malloc(param->count * sizeof *expected), largest = 0, worst = 0;
        bl_stored_tensor_read(tensor, expected);
        for (size_t i = 0; i < param->count; i++) {
            largest = fmaxf(largest, fabsf(expected[i]));
            worst = fmaxf(worst, fabsf(expected[i] - values[param->offset + i]));
        }
        print_message("  %-34s largest %.4g, worst difference %.2g of it\n", param->name, (double)largest,
                      (double)(worst / largest));
        if (!(worst <= 1e-4F * largest))
            fail_msg("%s: %s differs by %.3g of its largest entry", path, param->name,
                     (double)(worst / largest));
        free(expected);
    }
    bl_safetensors_free(file);
}

/* `golden`: the folder of ../shared/golden that holds the steps. */
static void check_model(const char *name, const char *golden_folder) {
    char path[512];
    bl_error err = {0};
    bl_net net;
    stories s;
    snprintf(path, sizeof path, SHARED "/models/%s", name);
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    assert_true(bl_net_init(&net, bl_model_config(model), &err));
    for (size_t p = 0; p < net.params.n; p++)
        memcpy(net.weights + net.params.list[p].offset, model->raw[p],
               net.params.list[p].count * sizeof(float));
    read_stories(model, &s);
    snprintf(path, sizeof path, SHARED "/golden/%s/steps.json", golden_folder);
    json_t *golden = bl_json_read(path, 1 << 20, &err);
    float *m = calloc(net.params.total, sizeof *m), *v = calloc(net.params.total, sizeof *v);
    for (size_t i = 0; i < STEPS; i++) {
        const json_t *step = json_array_get(json_object_get(golden, "steps"), i);
        double loss, expected = json_real_value(json_object_get(step, "loss")),
                     expected_norm = json_real_value(json_object_get(step, "gradient_norm"));
        bl_minibatch batch = pack(s.ids + EACH * i);
        bl_pass pass = {.backward = true, .scale = 1.0F / (float)batch.n_rows};
        assert_true(bl_net_run(&net, &batch, &pass, &loss, &err));
        loss /= (double)batch.n_rows;
        if (i == 0) {
            snprintf(path, sizeof path, SHARED "/golden/%s/first_gradient.safetensors", golden_folder);
            compare(&net, net.gradient, path);
        }
        double norm = bl_gradient_norm(&net.params, net.gradient);
        print_message("  %s step %zu: loss %.7f (%.1e), gradient norm %.6f (%.1e)\n", name, i, loss,
                      fabs(loss / expected - 1), norm, fabs(norm / expected_norm - 1));
        assert_true(fabs(loss / expected - 1) <= 1e-5);
        assert_true(fabs(norm / expected_norm - 1) <= 1e-4);
        bl_adamw adamw = {.lr = 1e-3F,
                          .beta1 = 0.9F,
                          .beta2 = 0.95F,
                          .epsilon = 1e-8F,
                          .decay = 0.1F,
                          .step = i + 1,
                          .gradient_scale = norm > 1 ? (float)(1 / (norm + 1e-6)) : 1.0F};
        bl_adamw_step(&adamw, &net.params, net.weights, net.gradient, m, v);
    }
    snprintf(path, sizeof path, SHARED "/golden/%s/final.safetensors", golden_folder);
    compare(&net, net.weights, path);
    for (size_t i = 0; i < STEPS * EACH; i++) bl_ids_free(&s.ids[i]);
    free(m);
    free(v);
    json_decref(golden);
    bl_net_free(&net);
    bl_model_free(model);
}

static void test_plain(void **state) { (void)state, check_model("tiny-plain", "train/tiny-plain"); }
static void test_norm(void **state) { (void)state, check_model("tiny-norm", "train/tiny-norm"); }
static void test_later(void **state) { (void)state, check_model("tiny-later", "train/tiny-later"); }
static void test_attention2(void **state) { (void)state, check_model("tiny-attention2", "attention2/train"); }

int main(void) {
    FILE *there = fopen(SHARED "/golden/train/tiny-plain/steps.json", "r");
    if (!there) {
        fprintf(stderr, "SKIPPED: %s is not there\n", SHARED "/golden/train");
        return 77;
    }
    fclose(there);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_norm),
                                       cmocka_unit_test(test_later), cmocka_unit_test(test_attention2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
