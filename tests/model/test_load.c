/* Loading: every stored type, shards, tied heads, rotary tables, norm folding, and what may differ between
 * generations. */
#include "support.h"
#include "format/safetensors.h"

typedef struct change {
    const char *dtype;   /* "F32", "F16", "BF16", "F64" */
    const char *without; /* leave this tensor out */
    bool rotary;         /* add the table that published checkpoints carry, with nonsense in it */
    size_t shards;       /* 0: one file */
} change;

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)(bits >> 16);
}

/* Truncates to F16; the test's weights are normal numbers or underflow to zero. */
static uint16_t to_f16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    int exponent = (int)(bits >> 23 & 255) - 112;
    if (exponent <= 0) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits >> 16 & 0x8000) | (uint32_t)exponent << 10 | (bits >> 13 & 1023));
}

static void put(FILE *file, const char *dtype, float x) {
    uint16_t half = strcmp(dtype, "F16") == 0 ? to_f16(x) : to_bf16(x);
    double wide = (double)x;
    if (strcmp(dtype, "F32") == 0) fwrite(&x, 4, 1, file);
    else if (strcmp(dtype, "F64") == 0) fwrite(&wide, 8, 1, file);
    else fwrite(&half, 2, 1, file);
}

/* Tensors begin … end - 1 of `file` into `path`. */
static void write_part(const char *path, const bl_safetensors *source, const change *c, size_t begin,
                       size_t end) {
    size_t width = strcmp(c->dtype, "F32") == 0 ? 4 : strcmp(c->dtype, "F64") == 0 ? 8 : 2, offset = 0;
    char *header = calloc(1, 1 << 16);
    strcat(header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = begin; i < end; i++) {
        const bl_stored_tensor *t = &source->tensors[i];
        if (c->without && strcmp(t->name, c->without) == 0) continue;
        char entry[300], shape[64];
        snprintf(shape, sizeof shape, t->n_dims == 1 ? "%zu" : "%zu,%zu", t->shape[0], t->shape[1]);
        snprintf(entry, sizeof entry, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                 t->name, c->dtype, shape, offset, offset + t->count * width);
        strcat(header, entry);
        offset += t->count * width;
    }
    if (c->rotary && begin == 0) {
        char entry[200];
        snprintf(entry, sizeof entry,
                 ",\"transformer.h.0.attn.rotary.inv_freq\":{\"dtype\":\"F32\",\"shape\":[4],\"data_"
                 "offsets\":[%zu,%zu]}",
                 offset, offset + 16);
        strcat(header, entry);
    }
    strcat(header, "}");
    FILE *file = fopen(path, "wb");
    uint64_t length = strlen(header); /* not padded: the data may lie at any address */
    fwrite(&length, 8, 1, file);
    fwrite(header, 1, length, file);
    for (size_t i = begin; i < end; i++) {
        const bl_stored_tensor *t = &source->tensors[i];
        if (c->without && strcmp(t->name, c->without) == 0) continue;
        float *values = malloc(t->count * sizeof *values);
        bl_stored_tensor_read(t, values);
        for (size_t j = 0; j < t->count; j++) put(file, c->dtype, values[j]);
        free(values);
    }
    const float nonsense[4] = {99, 98, 97, 96};
    if (c->rotary && begin == 0) fwrite(nonsense, 4, 4, file);
    fclose(file);
    free(header);
}

/* A changed copy of a tiny model; returns its folder. */
static const char *make(const char *name, const change *c) {
    static char folder[160];
    static int number;
    char command[600], path[300];
    bl_error err = {0};
    snprintf(folder, sizeof folder, "%s/%d", support_temporary(), number++);
    snprintf(command, sizeof command, "cp -r %s/models/%s %s && rm %s/model.safetensors", TEST_DATA, name,
             folder, folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/models/%s/model.safetensors", TEST_DATA, name);
    bl_safetensors *source = bl_safetensors_open(path, &err);
    assert_non_null(source);
    if (!c->shards) {
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        write_part(path, source, c, 0, source->n);
    } else {
        snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
        FILE *index = fopen(path, "w");
        fprintf(index, "{\"metadata\": {}, \"weight_map\": {");
        for (size_t s = 0; s < c->shards; s++) {
            size_t begin = source->n * s / c->shards, end = source->n * (s + 1) / c->shards;
            snprintf(path, sizeof path, "%s/part-%zu.safetensors", folder, s);
            write_part(path, source, c, begin, end);
            for (size_t i = begin; i < end; i++)
                fprintf(index, "%s\"%s\": \"part-%zu.safetensors\"", i ? ", " : "", source->tensors[i].name,
                        s);
        }
        fprintf(index, "}}\n");
        fclose(index);
    }
    bl_safetensors_free(source);
    return folder;
}

static bl_model *load(const char *name, const change *c) {
    bl_error err = {0};
    bl_model *model = bl_model_load(make(name, c), &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

/* Largest difference of all weights, relative to the largest weight. */
static double difference(const bl_model *a, const bl_model *b) {
    const bl_view views[][2] = {{bl_model_w_e(a), bl_model_w_e(b)},
                                {bl_model_w_u(a), bl_model_w_u(b)},
                                {bl_model_layer(a, 0)->w_q, bl_model_layer(b, 0)->w_q},
                                {bl_model_layer(a, 0)->w_v, bl_model_layer(b, 0)->w_v},
                                {bl_model_layer(a, 0)->w_o, bl_model_layer(b, 0)->w_o},
                                {bl_model_layer(a, 0)->w_r, bl_model_layer(b, 0)->w_r},
                                {bl_model_layer(a, 0)->w_p, bl_model_layer(b, 0)->w_p}};
    double worst = 0, largest = 0;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        for (size_t j = 0; j < views[i][0].rows * views[i][0].cols; j++) {
            worst = fmax(worst, fabs((double)views[i][0].data[j] - (double)views[i][1].data[j]));
            largest = fmax(largest, fabs((double)views[i][0].data[j]));
        }
    return worst / largest;
}

static void test_types(void **state) {
    (void)state;
    const char *const dtypes[] = {"F32", "F64", "F16", "BF16"};
    const double limits[] = {0, 0, 0x1p-10, 0x1p-7};
    bl_model *plain = support_model("plain");
    for (size_t i = 0; i < 4; i++)
        for (size_t shards = 0; shards <= 3; shards += 3) {
            bl_model *model = load("plain", &(change){.dtype = dtypes[i], .shards = shards, .rotary = i % 2});
            double worst = difference(plain, model);
            if (!(worst <= limits[i]) || (limits[i] > 0 && worst == 0)) fail_msg("%s: %g", dtypes[i], worst);
            assert_string_equal(bl_model_tensor_info(model, 0).dtype, dtypes[i]);
            bl_model_free(model);
        }
    bl_model_free(plain);
}

/* Every F16 number, subnormals and infinities among them. */
static void test_half(void **state) {
    (void)state;
    uint16_t halves[65536];
    float *values = malloc(sizeof halves * 2);
    for (unsigned i = 0; i < 65536; i++) halves[i] = (uint16_t)i;
    bl_stored_tensor tensor = {.type = &bl_type_f16, .count = 65536, .data = (const unsigned char *)halves};
    bl_stored_tensor_read(&tensor, values);
    for (unsigned i = 0; i < 65536; i++) {
        int exponent = (int)(i >> 10 & 31), mantissa = (int)(i & 1023);
        double wanted = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
        if (exponent == 31) assert_true(mantissa ? isnan(values[i]) : isinf(values[i]));
        else assert_true(fabs((double)values[i]) == wanted);
        assert_true(exponent == 31 || !!signbit(values[i]) == (i >= 32768));
    }
    free(values);
}

static void test_tied(void **state) {
    (void)state;
    bl_model *model = load("plain", &(change){.dtype = "F32", .without = "lm_head.weight"});
    assert_true(bl_model_config(model)->tied);
    assert_memory_equal(bl_model_w_u(model).data, bl_model_w_e(model).data, 104 * 16 * sizeof(float));
    bl_model_free(model);
}

/* Folding is exact: M N(x) with the weight inside M. Against the stored tensors. */
static void test_folding(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = support_model("norm");
    bl_safetensors *file = bl_safetensors_open(TEST_DATA "/models/norm/model.safetensors", &err);
    assert_non_null(file);
    const float *n2 = bl_stored_tensor_view(bl_safetensors_find(file, "transformer.h.1.n2.norm.weight"));
    const float *w = bl_stored_tensor_view(bl_safetensors_find(file, "transformer.h.1.mlp.w.weight"));
    assert_true(n2 && w);
    const bl_layer *layer = bl_model_layer(model, 1);
    for (size_t r = 0; r < 24; r++)
        for (size_t c = 0; c < 16; c++) {
            assert_true(layer->w_l.data[r * 16 + c] == w[r * 16 + c] * n2[c]);
            assert_true(layer->w_r.data[r * 16 + c] == w[(24 + r) * 16 + c] * n2[c]);
        }
    bl_safetensors_free(file);
    bl_model_free(model);
}

/* Plain F32 weights are views into the map: loading copies nothing that need not be. */
static void test_mapped(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    const float *w_e = bl_model_w_e(model).data, *w_u = bl_model_w_u(model).data;
    assert_true(w_u > w_e && w_u - w_e < 30000); /* one behind the other, as in the file */
    bl_model_free(model);
}

/* Runs a shell command on a copy of a model, %s its folder, and loads it. */
static bl_model *load_changed(const char *name, const char *command, bl_error *err) {
    char text[1500];
    const change none = {.dtype = "F32"};
    const char *folder = make(name, &none);
    snprintf(text, sizeof text, command, folder, folder, folder);
    assert_int_equal(system(text), 0);
    return bl_model_load(folder, err);
}

/* A key that could change what the model computes is refused by its name; scale_attn is honoured. */
static void test_keys(void **state) {
    (void)state;
    bl_error err = {0};
    assert_null(
        load_changed("norm", "sed -i 's/\"n_head\"/\"rope_base\": 7, \"n_head\"/' %s/config.json", &err));
    assert_error(err, BL_ERR_UNSUPPORTED, "rope_base");
    bl_model *model =
        load_changed("later", "sed -i 's/\"n_head\"/\"scale_attn\": false, \"n_head\"/' %s/config.json",
                     &err);
    if (!model) fail_msg("%s", err.message);
    assert_true(bl_model_attention_scale(model) == 1.0F);
    bl_model_free(model);
    assert_null(
        load_changed("later", "sed -i 's/\"n_head\"/\"scale_attn\": 3, \"n_head\"/' %s/config.json", &err));
    assert_error(err, BL_ERR_INPUT, "scale_attn");
}

/* The single file counts, whatever an index says; and after loading nothing of it matters. */
static void test_which_file(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = load_changed(
        "plain", "echo '{\"weight_map\": {\"a\": \"gone.safetensors\"}}' > %s/model.safetensors.index.json",
        &err);
    if (!model) fail_msg("%s", err.message);
    char text[400];
    float before = bl_model_w_u(model).data[5];
    snprintf(text, sizeof text, ": > '%s/model.safetensors'", bl_model_name(model));
    assert_int_equal(system(text), 0);
    assert_true(bl_model_w_u(model).data[5] == before);
    assert_int_equal(bl_model_n_warnings(model), 0);
    bl_model_free(model);
}

static void test_warnings(void **state) {
    (void)state;
    bl_error err = {0};
    bl_model *model = load_changed("plain",
                                   "printf '\\0\\0\\300\\177' | dd of=%s/model.safetensors bs=1 conv=notrunc "
                                   "seek=$(($(stat -c %%s %s/model.safetensors) - 4)) status=none",
                                   &err);
    if (!model) fail_msg("%s", err.message);
    assert_int_equal(bl_model_n_warnings(model), 1);
    assert_non_null(strstr(bl_model_warning(model, 0), ": 1 of the "));
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys),     cmocka_unit_test(test_which_file),
                                       cmocka_unit_test(test_warnings), cmocka_unit_test(test_types),
                                       cmocka_unit_test(test_half),     cmocka_unit_test(test_tied),
                                       cmocka_unit_test(test_folding),  cmocka_unit_test(test_mapped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
