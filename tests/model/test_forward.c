/* Every trace point of every variant against the reference (float64), and the loss. */
#include "support.h"
#include "model/architecture.h"
#include "format/safetensors.h"
#include "model/forward.h"

static const char *const variants[] = {"plain", "norm",      "bias",  "gelu",          "mlp",
                                       "june",  "june-relu", "later", "later-bilinear"};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

static void compare_points(const char *variant) {
    char path[512];
    bl_error err = {0};
    bl_model *model = support_model(variant);
    snprintf(path, sizeof path, TEST_DATA "/models/golden/%s.trace.safetensors", variant);
    bl_safetensors *golden = bl_safetensors_open(path, &err);
    assert_non_null(golden);
    bl_ids ids = {0};
    const char *text = "Tom likes to swim in the pool.";
    assert_true(bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), &ids, &err));
    bl_trace *trace = bl_trace_run(model, ids.data, ids.n, NULL, 0, &err);
    assert_non_null(trace);
    assert_int_equal(bl_trace_n(trace), golden->n);
    for (size_t i = 0; i < bl_trace_n(trace); i++) {
        bl_named_array array = bl_trace_array(trace, i);
        const bl_stored_tensor *wanted = bl_safetensors_find(golden, array.name);
        if (!wanted) fail_msg("%s is not in %s", array.name, path);
        assert_int_equal(array.n_dims, wanted->n_dims);
        for (size_t j = 0; j < array.n_dims; j++) assert_int_equal(array.shape[j], wanted->shape[j]);
        float *values = malloc(wanted->count * sizeof *values);
        bl_stored_tensor_read(wanted, values);
        double most = 0, worst = 0;
        for (size_t j = 0; j < wanted->count; j++)
            if (isfinite(values[j])) most = fmax(most, fabs((double)values[j]));
        for (size_t j = 0; j < wanted->count; j++) {
            if (isinf(values[j])) assert_true(array.data[j] == values[j]); /* masked scores */
            else worst = fmax(worst, fabs((double)array.data[j] - (double)values[j]));
        }
        if (!(worst <= 1e-5 * most)) fail_msg("%s %s: off by %.3g of %.3g", variant, array.name, worst, most);
        free(values);
    }
    bl_trace_free(trace);
    bl_ids_free(&ids);
    bl_safetensors_free(golden);
    bl_model_free(model);
}

static void test_points(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) compare_points(variants[i]);
}

static bl_loss loss_of(const bl_model *model, int threads) {
    bl_error err = {0};
    const char *path = TEST_DATA "/models/stories.txt";
    bl_loss loss;
    bl_set_threads(threads);
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_non_null(corpus);
    if (!bl_model_eval(model, corpus, 0, (bl_progress){0}, &loss, &err)) fail_msg("%s", err.message);
    bl_corpus_free(corpus);
    return loss;
}

static void test_loss(void **state) {
    (void)state;
    for (size_t i = 0; i < N_VARIANTS; i++) {
        char path[512];
        snprintf(path, sizeof path, TEST_DATA "/models/golden/%s.json", variants[i]);
        json_t *golden = support_json(path), *wanted = json_object_get(golden, "loss");
        bl_model *model = support_model(variants[i]);
        bl_loss one = loss_of(model, 1), three = loss_of(model, 3);
        assert_near(one.loss, json_number_value(json_object_get(wanted, "loss")), 1e-5, one.loss);
        assert_int_equal(one.predictions, json_integer_value(json_object_get(wanted, "predictions")));
        assert_true(one.loss == three.loss); /* the same bits */
        bl_model_free(model);
        json_decref(golden);
    }
}

static void test_bad_traces(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("norm");
    int32_t ids[40] = {1, 5, 6};
    const char *unknown = "mlp_inn", *deep = "mlp_in.2", *odd = "mlp_in.x", *layered = "logits.0";
    assert_null(bl_trace_run(model, ids, 3, &unknown, 1, &err));
    assert_error(err, BL_ERR_USAGE, "mlp_inn");
    assert_null(bl_trace_run(model, ids, 3, &deep, 1, &err));
    assert_error(err, BL_ERR_USAGE, "0 … 1");
    assert_null(bl_trace_run(model, ids, 3, &odd, 1, &err));
    assert_error(err, BL_ERR_USAGE, "mlp_in.x");
    assert_null(bl_trace_run(model, ids, 3, &layered, 1, &err));
    assert_error(err, BL_ERR_USAGE, "logits.0");
    assert_null(bl_trace_run(model, ids, 0, NULL, 0, &err));
    assert_error(err, BL_ERR_USAGE, "n_ctx = 32");
    assert_null(bl_trace_run(model, ids, 33, NULL, 0, &err));
    ids[1] = 104;
    assert_null(bl_trace_run(model, ids, 3, NULL, 0, &err));
    assert_error(err, BL_ERR_USAGE, "id 104");
    bl_model_free(model);
}

typedef struct edited {
    bl_point at;
    float factor;
    float mid[40], post[40],
        logits[8]; /* the first numbers of layer 1's resid_mid and resid_post, and of the last logits */
} edited;

static void scale_it(void *context, bl_point point, size_t layer, size_t head, bl_rows value) {
    const edited *e = context;
    (void)head;
    if (point != e->at || (layer != 1 && point != BL_POINT_LOGITS)) return;
    for (size_t r = 0; r < value.rows; r++)
        for (size_t c = 0; c < value.cols; c++) value.data[r * value.stride + c] *= e->factor;
}

static void keep_it(void *context, bl_point point, size_t layer, size_t head, bl_view value) {
    edited *e = context;
    (void)head;
    if (point == BL_POINT_RESID_MID && layer == 1) memcpy(e->mid, value.data, sizeof e->mid);
    if (point == BL_POINT_RESID_POST && layer == 1) memcpy(e->post, value.data, sizeof e->post);
    if (point == BL_POINT_LOGITS) memcpy(e->logits, value.data + 4 * value.stride, sizeof e->logits);
}

static edited run_edited(const bl_model *model, bl_point at, float factor) {
    edited e = {.at = at, .factor = factor};
    bl_error err = {0};
    static const int32_t ids[] = {1, 5, 6, 7, 9};
    bl_workspace *workspace = bl_workspace_new(model, &err);
    bl_tap tap = {.take = keep_it, .context = &e, .edit = scale_it};
    assert_non_null(workspace);
    assert_non_null(bl_forward_logits(model, workspace, ids, 5, &tap, &err).data);
    bl_workspace_free(workspace);
    return e;
}

/* What an edit leaves is what everything behind it sees, and what is before it does not change. */
static void test_edits(void **state) {
    (void)state;
    bl_model *model = support_model("norm");
    edited plain = run_edited(model, BL_POINT_MLP_OUT, 1), none = run_edited(model, BL_POINT_MLP_OUT, 0);
    assert_memory_equal(plain.mid, none.mid, sizeof plain.mid);
    assert_memory_equal(none.mid, none.post, sizeof none.mid); /* the MLP adds nothing */
    assert_memory_not_equal(plain.logits, none.logits, sizeof none.logits);
    static const bl_point before[] = {BL_POINT_RESID_PRE, BL_POINT_ATTN_IN, BL_POINT_Q,       BL_POINT_K,
                                      BL_POINT_V,         BL_POINT_PATTERN, BL_POINT_ATTN_OUT};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        edited e = run_edited(model, before[i], -0.5F);
        assert_memory_not_equal(plain.mid, e.mid, sizeof e.mid);
        assert_memory_not_equal(plain.logits, e.logits, sizeof e.logits);
    }
    static const bl_point after[] = {BL_POINT_RESID_MID, BL_POINT_MLP_IN, BL_POINT_MLP_HIDDEN,
                                     BL_POINT_RESID_POST};
    for (size_t i = 0; i < sizeof after / sizeof *after; i++) {
        edited e = run_edited(model, after[i], -0.5F);
        assert_memory_not_equal(plain.post, e.post, sizeof e.post);
        assert_memory_not_equal(plain.logits, e.logits, sizeof e.logits);
    }
    edited twice = run_edited(model, BL_POINT_LOGITS, 2);
    for (size_t i = 0; i < 8; i++) assert_true(twice.logits[i] == 2 * plain.logits[i]);
    bl_model_free(model);
}

static void test_info(void **state) {
    (void)state;
    bl_model *model = support_model("june");
    assert_true(bl_model_config(model)->tied && bl_model_config(model)->norm_weights);
    assert_string_equal(bl_config_generation(bl_model_config(model)), "2024-06");
    /* wte, qkv, o, w, p, three norms; the tied head counts once */
    assert_int_equal(bl_model_parameters(model), 104 * 16 + 48 * 16 + 16 * 16 + 48 * 16 + 16 * 24 + 3 * 16);
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_points), cmocka_unit_test(test_loss),
                                       cmocka_unit_test(test_bad_traces), cmocka_unit_test(test_edits),
                                       cmocka_unit_test(test_info)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
