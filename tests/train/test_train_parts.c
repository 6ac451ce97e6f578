/* The trainer's parts by themselves: schedule, noise, order, packing, 16-bit storage, every architecture
 * saved and loaded again, and a run through the public face.
 * ctest: begins early 15 */
#include "support.h"
#include "model/architecture.h"
#include "base/file.h"
#include "format/safetensors.h"
#include "model/model_private.h"
#include "train/data.h"
#include "linear/noise.h"
#include "train/save.h"
#include "train/trainer.h"
#include <bilens/train.h>

#define TOKENIZER TEST_DATA "/models/plain/tokenizer.json"

static void test_schedule(void **state) {
    (void)state;
    bl_train_options o;
    bl_train_defaults(&o);
    o.lr = 1, o.lr_end = 0.1, o.warmup = 9;
    assert_near(bl_learning_rate(&o, 0, 109), 0.1, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 8, 109), 0.9, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 9, 109), 1.0, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 59, 110), 0.55, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 109, 110), 0.1, 1e-12, 1); /* the last step's */
    o.schedule = BL_SCHEDULE_LINEAR;
    assert_near(bl_learning_rate(&o, 34, 110), 0.775, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 109, 110), 0.1, 1e-12, 1);
    assert_near(bl_learning_rate(&o, 10, 11), 0.1, 1e-12, 1); /* one step after the warm-up */
    assert_near(bl_learning_rate(&o, 4, 5), 0.5, 1e-12, 1);   /* a run inside its warm-up */
    o.schedule = BL_SCHEDULE_CONSTANT;
    assert_near(bl_learning_rate(&o, 100, 0), 1.0, 1e-12, 1);
}

static void test_noise_is_normal(void **state) {
    (void)state;
    enum { ROWS = 4000, WIDTH = 64 };
    static float z[ROWS][WIDTH];
    double sum = 0, square = 0, fourth = 0, neighbours = 0, halves = 0, below = 0;
    for (size_t r = 0; r < ROWS; r++) bl_noise_row(bl_noise_key(1, 2, 3), r, WIDTH, z[r]);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < WIDTH; i++) {
            double x = (double)z[r][i];
            assert_true(fabs(x) < 6);
            sum += x, square += x * x, fourth += x * x * x * x, below += x < 1;
            neighbours += x * (double)z[(r + 1) % ROWS][i];
            halves += x * (double)z[r][(i + WIDTH / 2) % WIDTH];
        }
    double n = (double)ROWS * WIDTH, five = 5 / sqrt(n); /* five standard deviations */
    assert_near(sum / n, 0, five, 1);
    assert_near(square / n, 1, five, sqrt(2.0));
    assert_near(fourth / n, 3, five, sqrt(96.0));
    assert_near(below / n, 0.841345, five, 0.3654);
    assert_near(neighbours / n, 0, five, 1);
    assert_near(halves / n, 0, five, sqrt(2.0)); /* each product counts twice */
    float again[WIDTH], other[WIDTH];
    bl_noise_row(bl_noise_key(1, 2, 3), 17, WIDTH, again);
    bl_noise_row(bl_noise_key(1, 3, 3), 17, WIDTH, other);
    assert_memory_equal(again, z[17], sizeof again);
    assert_true(memcmp(other, again, sizeof again) != 0);
}

static void test_order(void **state) {
    (void)state;
    bl_order order, resumed;
    bl_error err = {0};
    size_t seen[50] = {0}, same = 0;
    assert_true(bl_order_init(&order, 50, 9, &err) && bl_order_init(&resumed, 50, 9, &err));
    for (uint64_t p = 0; p < 100; p++) {
        size_t story = bl_order_story(&order, p);
        assert_true(story < 50);
        seen[story]++;
        same += story == bl_order_story(&order, p < 50 ? p + 50 : p - 50);
    }
    for (size_t i = 0; i < 50; i++) assert_int_equal(seen[i], 2);
    assert_true(same < 20); /* epochs differ */
    assert_int_equal(bl_order_story(&resumed, 73),
                     bl_order_story(&order, 73)); /* without having seen what came before */
    bl_order_free(&order);
    bl_order_free(&resumed);
}

static const char *write_text(const char *name, const char *text) {
    static char path[256];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    assert_true(bl_file_write(path, text, strlen(text), &err));
    return path;
}

static void test_packing(void **state) {
    (void)state;
    bl_error err = {0};
    const char *path =
        write_text("pack.txt",
                   "tom run\n<|endoftext|>\nsee the big fish\n<|endoftext|>\nup up up up up up up up\n");
    bl_tokenizer *tokenizer = bl_tokenizer_load(TOKENIZER, &err);
    bl_dataset data;
    bl_packer packer = {0};
    assert_non_null(tokenizer);
    assert_true(bl_dataset_read(&data, &path, 1, NULL, tokenizer, bl_tokenizer_size(tokenizer), 6, "reading",
                                NULL, &err));
    assert_int_equal(data.n, 3);
    assert_int_equal(data.cut, 1);
    assert_int_equal(bl_dataset_length(&data, 0), 3);
    assert_int_equal(bl_dataset_length(&data, 2), 6);
    const size_t stories[] = {2, 0};
    assert_true(bl_packer_fill(&packer, &data, stories, 2, 4, 6, &err));
    const bl_minibatch *b = &packer.batch;
    assert_int_equal(b->n_rows, 7);
    assert_int_equal(b->longest, 5);
    assert_int_equal(b->start[1], 5);
    assert_int_equal(b->start[2], 7);
    assert_int_equal(b->row[0], 4 * 6);
    assert_int_equal(b->row[6], 5 * 6 + 1);
    assert_int_equal(b->position[6], 1);
    assert_int_equal(b->input[5], bl_tokenizer_id(tokenizer, "[BOS]"));
    assert_int_equal(b->target[5], bl_tokenizer_id(tokenizer, "tom"));
    assert_int_equal(b->target[6], bl_tokenizer_id(tokenizer, "run"));
    bl_packer_free(&packer);
    bl_dataset_free(&data);
    bl_tokenizer_free(tokenizer);
}

/* The nearest number of 16 bits: x itself when it is one, and never farther than half a unit of the last
 * place. */
static void test_sixteen_bits(void **state) {
    (void)state;
    static const float exact[] = {
        0, -0.0F, 1, -2, 0.5F, 65504, 6.103515625e-05F, 5.9604644775390625e-08F, 1.0009765625F};
    enum { N = 4096 };
    static float x[N], back[N];
    bl_error err = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/half.safetensors", support_temporary());
    for (size_t i = 0; i < N; i++)
        x[i] = i < 9
                 ? exact[i]
                 : (float)(((double)(i * 2654435761U % 65536) / 32768 - 1) * pow(2, (double)(i % 40) - 26));
    x[9] = 1.00048828125F;  /* half way between two: to the even one, 1 */
    x[10] = 1.00146484375F; /* half way: to 1.001953125 */
    bl_named_array array = {.name = "x", .data = x, .n_dims = 1, .shape = {N}};
    for (bl_store store = BL_STORE_F32; store <= BL_STORE_BF16; store++) {
        assert_true(bl_safetensors_write_as(path, &array, 1, store, &err));
        bl_safetensors *file = bl_safetensors_open(path, &err);
        assert_non_null(file);
        bl_stored_tensor_read(bl_safetensors_find(file, "x"), back);
        double bits = store == BL_STORE_F32 ? 40 : store == BL_STORE_F16 ? 11 : 8;
        for (size_t i = 0; i < N; i++) {
            double tolerance =
                fmax(ldexp(fabs((double)x[i]), (int)-bits), store == BL_STORE_F16 ? 0x1p-25 : 0);
            if (!(fabs((double)back[i] - (double)x[i]) <= tolerance))
                fail_msg("store %d: %.9g came back as %.9g", store, (double)x[i], (double)back[i]);
        }
        for (size_t i = 0; i < 9 && store == BL_STORE_F16; i++) assert_true(back[i] == exact[i]);
        if (store == BL_STORE_F16) assert_true(back[9] == 1 && back[10] == 1.001953125F);
        bl_safetensors_free(file);
    }
    x[0] = 65520;
    assert_false(bl_safetensors_write_as(path, &array, 1, BL_STORE_F16, &err));
    assert_int_equal(err.code, BL_ERR_NUMERIC);
    assert_true(bl_safetensors_write_as(path, &array, 1, BL_STORE_BF16, &err));
}

/* Every architecture that a generation can say comes back from the disk as it was, and means the same to the
 * model's own forward pass. */
static void test_saving(void **state) {
    (void)state;
    static const bl_config configs[] = {
        {.architecture = &bl_bilinear_2024_05},
        {.architecture = &bl_bilinear_2024_05,
         .normalization = true,
         .norm_weights = true,
         .noise = 0.33F,
         .bias_w = true},
        {.architecture = &bl_bilinear_2024_05, .gate = BL_GATE_GELU, .normalization = true, .tied = true},
        {.architecture = &bl_bilinear_2024_05, .gate = BL_GATE_GELU, .plain = true, .bias_w = true},
        {.architecture = &bl_bilinear_2024_06, .normalization = true, .norm_weights = true},
        {.architecture = &bl_bilinear_2024_06, .gate = BL_GATE_RELU},
        {.architecture = &bl_bilinear_2024_06, .plain = true, .tied = true},
        {.architecture = &bl_bilinear_later, .normalization = true, .bias_w = true, .bias_p = true},
        {.architecture = &bl_bilinear_later, .gate = BL_GATE_SILU, .noise = 0.1F},
        {.architecture = &bl_bilinear_later, .gate = BL_GATE_GELU, .plain = true, .tied = true},
    };
    bl_error err = {0};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        char folder[256];
        bl_config c = configs[i];
        bl_net net;
        c.n_vocab = 104, c.n_layer = 2, c.n_head = 2, c.n_ctx = 32, c.d_model = 16, c.d_hidden = 24;
        snprintf(folder, sizeof folder, "%s/saved-%zu", support_temporary(), i);
        assert_true(bl_config_check(&c, &err) && bl_make_directories(folder, &err) &&
                    bl_net_init(&net, &c, &err));
        bl_net_randomize(&net, i + 1);
        for (size_t j = 0; j < net.params.total; j++) net.weights[j] *= 8; /* so that every part matters */
        if (!bl_net_save(&net, folder, TOKENIZER, BL_STORE_F32, &err)) fail_msg("%s", err.message);
        bl_model *model = bl_model_load(folder, &err);
        if (!model) fail_msg("config %zu: %s", i, err.message);
        const bl_config *back = bl_model_config(model);
        assert_true(back->architecture == c.architecture && back->gate == c.gate && back->plain == c.plain &&
                    back->bias_w == c.bias_w && back->bias_p == c.bias_p &&
                    back->normalization == c.normalization && back->norm_weights == c.norm_weights &&
                    back->tied == c.tied && back->noise == c.noise && back->n_ctx == 32 &&
                    back->n_vocab == 104);
        int32_t ids[9] = {1, 5, 9, 13, 60, 61, 99, 3, 3};
        float logits[104];
        const char *name = "logits";
        assert_true(bl_net_pack(&net, &(bl_pass){0}, &err) && bl_net_next(&net, ids, 9, logits, &err));
        bl_trace *trace = bl_trace_run(model, ids, 9, &name, 1, &err);
        assert_non_null(trace);
        const float *expected = bl_trace_array(trace, 0).data + 8 * 104;
        double largest = 0;
        for (size_t j = 0; j < 104; j++) largest = fmax(largest, fabs((double)expected[j]));
        for (size_t j = 0; j < 104; j++) assert_near((double)logits[j], (double)expected[j], 2e-5, largest);
        bl_trace_free(trace);
        bl_model_free(model);
        bl_net_free(&net);
    }
}

static void test_unsayable(void **state) {
    (void)state;
    static const bl_config configs[] = {
        {.architecture = &bl_bilinear_2024_05, .gate = BL_GATE_SILU},
        {.architecture = &bl_bilinear_2024_05, .plain = true},
        {.architecture = &bl_bilinear_2024_05, .bias_p = true},
        {.architecture = &bl_bilinear_2024_06, .bias_w = true},
        {.architecture = &bl_bilinear_2024_06, .gate = BL_GATE_GELU},
        {.architecture = &bl_bilinear_later, .bias_w = true},
        {.architecture = &bl_bilinear_later, .norm_weights = true, .normalization = true},
        {.architecture = &bl_bilinear_2024_05, .norm_weights = true},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        bl_config c = configs[i];
        bl_error err = {0};
        c.n_vocab = 104, c.n_layer = 1, c.n_head = 2, c.n_ctx = 32, c.d_model = 16, c.d_hidden = 24;
        assert_false(bl_config_check(&c, &err));
        assert_int_equal(err.code, BL_ERR_USAGE);
    }
}

typedef struct seen {
    uint64_t steps, evals, notes, stop_after;
    double first, last;
} seen;

static bool on_event(void *context, const bl_train_event *event) {
    seen *s = context;
    if (event->kind == BL_TRAIN_STEP && event->step == 1) s->first = event->loss;
    if (event->kind == BL_TRAIN_STEP) s->last = event->loss, s->steps++;
    s->evals += event->kind == BL_TRAIN_EVAL;
    s->notes += event->kind == BL_TRAIN_NOTE;
    return !s->stop_after || event->step < s->stop_after;
}

/* A run through the public face, one that is stopped and resumed, and the model both leave. */
static void check_run(bl_precision precision) {
    bl_error err = {0};
    const char *corpus = TEST_DATA "/models/stories.txt";
    char whole[256], parts[256], file[2][300];
    seen s = {0};
    bl_train_options o;
    bl_train_result result;
    bl_train_defaults(&o);
    snprintf(whole, sizeof whole, "%s/whole-%d", support_temporary(), (int)precision);
    snprintf(parts, sizeof parts, "%s/parts-%d", support_temporary(), (int)precision);
    o.precision = precision;
    o.corpus = &corpus, o.n_corpus = 1, o.valid = corpus, o.tokenizer = TOKENIZER, o.output = whole;
    o.model =
        (bl_config){.n_layer = 1, .n_head = 2, .n_ctx = 32, .d_model = 16, .d_hidden = 24, .noise = 0.2F};
    o.batch = 5, o.accumulate = 2, o.steps = 60, o.warmup = 5, o.lr = 0.02, o.eval_every = 25,
    o.checkpoint_every = 20, o.sample_tokens = 4;
    o.report = on_event, o.context = &s;
    if (!bl_train_run(&o, &result, &err)) fail_msg("%s", err.message);
    assert_int_equal(s.steps, 60);
    assert_int_equal(s.evals, 3);
    assert_true(s.notes > 0);
    assert_int_equal(result.step, 60);
    assert_true(s.first > 4.5 && s.last < 3 && result.valid_loss < 3);
    bl_model *model = bl_model_load(whole, &err);
    bl_corpus *stories = bl_corpus_open(&corpus, 1, &err);
    bl_loss loss;
    assert_true(model && stories && bl_model_eval(model, stories, 0, (bl_progress){0}, &loss, &err));
    assert_near(loss.loss, result.valid_loss, 1e-6, loss.loss);
    bl_corpus_free(stories);
    bl_model_free(model);

    o.output = parts;
    s = (seen){.stop_after = 33};
    assert_false(bl_train_run(&o, &result, &err));
    assert_int_equal(err.code, BL_ERR_CANCELLED);
    assert_int_equal(s.steps, 33);
    o.resume = true;
    s = (seen){0};
    o.lr = 0.01;
    assert_false(bl_train_run(&o, &result, &err));
    assert_int_equal(err.code, BL_ERR_USAGE);
    o.lr = 0.02;
    if (!bl_train_run(&o, &result, &err)) fail_msg("%s", err.message);
    assert_int_equal(s.steps, 27);
    snprintf(file[0], sizeof file[0], "%s/model.safetensors", whole);
    snprintf(file[1], sizeof file[1], "%s/model.safetensors", parts);
    size_t size[2];
    char *bytes[2];
    for (int i = 0; i < 2; i++) assert_non_null(bytes[i] = bl_file_read(file[i], 1 << 20, &size[i], &err));
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    free(bytes[0]);
    free(bytes[1]);
    assert_true(bl_train_run(&o, &result, &err) && result.finished_before && result.precision == precision);
}

static void test_run(void **state) {
    (void)state;
    check_run(BL_PRECISION_F32);
}

/* The same in bfloat16; a processor without is refused by name, and auto does what it can. */
static void test_run_in_sixteen_bits(void **state) {
    (void)state;
    if (bl_product16_possible()) {
        check_run(BL_PRECISION_BF16);
        return;
    }
    bl_error err = {0};
    const char *corpus = TEST_DATA "/models/stories.txt";
    char folder[256];
    bl_train_options o;
    bl_train_result result;
    bl_train_defaults(&o);
    snprintf(folder, sizeof folder, "%s/refused", support_temporary());
    o.corpus = &corpus, o.n_corpus = 1, o.tokenizer = TOKENIZER, o.output = folder, o.steps = 2, o.batch = 2;
    o.precision = BL_PRECISION_BF16;
    assert_false(bl_train_run(&o, &result, &err));
    assert_int_equal(err.code, BL_ERR_UNSUPPORTED);
    o.precision = BL_PRECISION_AUTO;
    assert_true(bl_train_run(&o, &result, &err) && result.precision == BL_PRECISION_F32);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        cmocka_unit_test(test_noise_is_normal),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_packing),
        cmocka_unit_test(test_sixteen_bits),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_unsayable),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_run_in_sixteen_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
