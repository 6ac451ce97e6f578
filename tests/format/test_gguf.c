/* GGUF: quantised blocks against gguf-py (data/gguf/blocks.bin, made by make_blocks.py), values of every
 * kind, and files damaged in one place, which are refused with a message that names the key or the tensor. */
#include "support.h"
#include "base/buffer.h"
#include "format/numbers.h"
#include "format/gguf.h"

/* ---- A small sound file ---- */

static void put(bl_buffer *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        char c = (char)(value >> 8 * i);
        bl_buffer_add(to, &c, 1);
    }
}

static void put_string(bl_buffer *to, const char *text) {
    put(to, strlen(text), 8);
    bl_buffer_text(to, text);
}

static void put_value(bl_buffer *to, const char *key, bl_gguf_kind kind, uint64_t value, size_t bytes) {
    put_string(to, key);
    put(to, kind, 4);
    put(to, value, bytes);
}

static void put_tensor(bl_buffer *to, const char *name, uint64_t n, uint64_t rows, unsigned type,
                       uint64_t offset) {
    put_string(to, name);
    put(to, rows ? 2 : 1, 4);
    put(to, n, 8);
    if (rows) put(to, rows, 8);
    put(to, type, 4);
    put(to, offset, 8);
}

/* Twelve values; a matrix of 2 x 32 in Q8_0, a vector of 4 in F32. */
static void sound(bl_buffer *to, unsigned version) {
    static const float floats[] = {1.5F, -2, 0.25F};
    static const double fraction = -1e300;
    uint64_t bits;
    uint32_t single;
    bl_buffer_text(to, "GGUF");
    put(to, version, 4);
    put(to, 2, 8);
    put(to, 12, 8);
    put_string(to, "general.architecture");
    put(to, BL_GGUF_STRING, 4);
    put_string(to, "llama");
    put_value(to, "general.alignment", BL_GGUF_U32, 64, 4);
    put_value(to, "a.u8", BL_GGUF_U8, 200, 1);
    put_value(to, "a.i8", BL_GGUF_I8, 0xFD, 1);
    put_value(to, "a.i16", BL_GGUF_I16, 0xFFFE, 2);
    put_value(to, "a.u64", BL_GGUF_U64, UINT64_MAX, 8);
    put_value(to, "a.i64", BL_GGUF_I64, (uint64_t)-5, 8);
    memcpy(&single, &floats[0], sizeof single);
    put_value(to, "a.f32", BL_GGUF_F32, single, 4);
    memcpy(&bits, &fraction, sizeof bits);
    put_value(to, "a.f64", BL_GGUF_F64, bits, 8);
    put_value(to, "a.bool", BL_GGUF_BOOL, 1, 1);
    put_string(to, "a.strings");
    put(to, BL_GGUF_ARRAY, 4);
    put(to, BL_GGUF_STRING, 4);
    put(to, 2, 8);
    put_string(to, "x");
    put_string(to, "yz");
    put_string(to, "a.floats");
    put(to, BL_GGUF_ARRAY, 4);
    put(to, BL_GGUF_F32, 4);
    put(to, 3, 8);
    bl_buffer_add(to, (const char *)floats, sizeof floats);
    put_tensor(to, "matrix", 32, 2, 8, 0);
    put_tensor(to, "vector", 4, 0, 0, 128);
    while (to->n % 64) put(to, 0, 1);
    for (int row = 0; row < 2; row++) {
        put(to, row ? 0xC000 : 0x3C00, 2); /* scales 1 and -2 */
        for (int i = 0; i < 32; i++) put(to, (uint64_t)(i - 16), 1);
    }
    while (to->n % 64) put(to, 0, 1);
    bl_buffer_add(to, (const char *)floats, sizeof floats);
    put(to, 0x7F800000, 4);
}

static void reads(void **state) {
    (void)state;
    for (unsigned version = 2; version <= 3; version++) {
        bl_buffer bytes = {0};
        bl_error err = {0};
        float rows[64];
        int64_t integer = 0;
        double number = 0;
        bool flag = false;
        const char *text = "";
        sound(&bytes, version);
        bl_gguf *file = bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "sound", &err);
        if (!file) fail_msg("%s", err.message);
        assert_true(file->version == version && file->n_values == 12 && file->n_tensors == 2);
        assert_true(bl_gguf_string(file, "general.architecture", &text, &err) && strcmp(text, "llama") == 0);
        assert_true(bl_gguf_integer(file, "a.u8", 0, 255, &integer, &err) && integer == 200);
        assert_true(bl_gguf_integer(file, "a.i8", -128, 127, &integer, &err) && integer == -3);
        assert_true(bl_gguf_integer(file, "a.i16", -9, 0, &integer, &err) && integer == -2);
        assert_true(bl_gguf_integer(file, "a.i64", -5, -5, &integer, &err) && integer == -5);
        assert_true(bl_gguf_number(file, "a.f32", &number, &err) && number == 1.5);
        assert_true(bl_gguf_number(file, "a.f64", &number, &err) && number == -1e300);
        assert_true(bl_gguf_number(file, "a.i8", &number, &err) && number == -3);
        assert_true(bl_gguf_bool(file, "a.bool", &flag, &err) && flag);
        const bl_gguf_value *strings = bl_gguf_array(file, "a.strings", BL_GGUF_STRING, &err);
        assert_true(strings && strings->n == 2);
        const unsigned char *at = strings->data;
        size_t length;
        assert_memory_equal(bl_gguf_next_string(&at, &length), "x", 1);
        text = bl_gguf_next_string(&at, &length);
        assert_true(length == 2 && memcmp(text, "yz", 2) == 0);
        const bl_gguf_value *floats = bl_gguf_array(file, "a.floats", BL_GGUF_F32, &err);
        assert_true(floats && floats->n == 3 && bl_gguf_element(floats, 1) == -2);
        const bl_gguf_tensor *matrix = bl_gguf_tensor_find(file, "matrix"),
                             *vector = bl_gguf_tensor_find(file, "vector");
        assert_true(matrix && matrix->n_dims == 2 && matrix->shape[0] == 2 && matrix->shape[1] == 32);
        bl_gguf_rows(matrix, 0, 2, rows);
        for (int i = 0; i < 32; i++)
            assert_true(rows[i] == (float)(i - 16) && rows[32 + i] == (float)(32 - 2 * i));
        bl_gguf_rows(matrix, 1, 1, rows);
        assert_true(rows[0] == 32);
        assert_true(vector && vector->n_dims == 1 && vector->count == 4);
        bl_gguf_rows(vector, 0, 1, rows);
        assert_true(rows[1] == -2 && isinf(rows[3]));
        assert_null(bl_gguf_tensor_find(file, "other"));
        bl_gguf_free(file);
        bl_buffer_free(&bytes);
    }
}

/* ---- Questions that the file does not answer ---- */

static void asks(void **state) {
    (void)state;
    bl_buffer bytes = {0};
    bl_error err = {0};
    int64_t integer;
    double number;
    bool flag;
    const char *text;
    sound(&bytes, 3);
    bl_gguf *file = bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "sound", &err);
    assert_non_null(file);
    assert_false(bl_gguf_integer(file, "a.no", 0, 9, &integer, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.no: expected an integer, found nothing: it is missing");
    assert_false(bl_gguf_integer(file, "a.f32", 0, 9, &integer, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.f32: expected an integer, found a fraction");
    assert_false(bl_gguf_integer(file, "a.strings", 0, 9, &integer, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.strings: expected an integer, found an array");
    assert_false(bl_gguf_integer(file, "a.u8", 0, 199, &integer, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.u8: expected an integer from 0 to 199, found 200");
    assert_false(bl_gguf_integer(file, "a.u64", 0, INT64_MAX - 1, &integer, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.u64: expected an integer from 0 to");
    assert_false(bl_gguf_number(file, "general.architecture", &number, &err));
    assert_error(err, BL_ERR_INPUT, "sound: general.architecture: expected a number, found a string");
    assert_false(bl_gguf_number(file, "a.bool", &number, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.bool: expected a number, found a boolean");
    assert_false(bl_gguf_bool(file, "a.u8", &flag, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.u8: expected true or false, found an integer");
    assert_false(bl_gguf_string(file, "a.u8", &text, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.u8: expected a string, found an integer");
    assert_null(bl_gguf_array(file, "a.floats", BL_GGUF_STRING, &err));
    assert_error(err, BL_ERR_INPUT,
                 "sound: a.floats: expected an array of strings, found one with a fraction of 4 bytes");
    assert_null(bl_gguf_array(file, "a.strings", BL_GGUF_F32, &err));
    assert_error(err, BL_ERR_INPUT,
                 "a.strings: expected an array, each element a fraction of 4 bytes, found one with strings");
    assert_null(bl_gguf_array(file, "a.u8", BL_GGUF_STRING, &err));
    assert_error(err, BL_ERR_INPUT, "sound: a.u8: expected an array of strings, found an integer");
    bl_gguf_free(file);
    bl_buffer_free(&bytes);
}

/* ---- Damaged files ---- */

/* Bytes written at `offset` behind the end of the first `find`. */
static const struct {
    const char *find;
    long offset;
    uint64_t value;
    size_t bytes;
    bl_code code;
    const char *part;
} damages[] = {
    {"GGU", 0, 'X', 1, BL_ERR_INPUT, ": not a GGUF file: it does not begin with \"GGUF\""},
    {"GGUF", 0, 1, 4, BL_ERR_UNSUPPORTED, ": GGUF version 1 is not supported; supported: 2, 3"},
    {"GGUF", 0, 4, 4, BL_ERR_UNSUPPORTED, ": GGUF version 4 is not supported"},
    {"GGUF", 0, 0x03000000, 4, BL_ERR_UNSUPPORTED, ": a big-endian GGUF file is not supported"},
    {"GGUF", 4, UINT64_MAX, 8, BL_ERR_INPUT, " tensors do not fit in a file of"},
    {"GGUF", 12, UINT64_MAX / 13, 8, BL_ERR_INPUT, " values and 2 tensors do not fit in a file of"},
    {"GGUF", 12, 13, 8, BL_ERR_INPUT, ": a tensor's name: a string of "},
    {"GGUF", 12, 11, 8, BL_ERR_INPUT, ": a.floats: expected 1 to 4 dimensions, found 9"},
    {"GGUF", 4, 3, 8, BL_ERR_INPUT, ": a tensor's name: "},
    {"general.architecture", -28, UINT64_MAX, 8, BL_ERR_INPUT,
     ": a key: a string of 18446744073709551615 bytes"},
    {"general.architecture", -28, 0, 8, BL_ERR_INPUT, ": a key: expected a name of 1 to 1024 bytes"},
    {"general.archi", 0, 0, 1, BL_ERR_INPUT, ": a key: expected a name of 1 to 1024 bytes of UTF-8"},
    {"general.archi", 0, 0xFF, 1, BL_ERR_INPUT, ": a key: expected a name of 1 to 1024 bytes of UTF-8"},
    {"general.architecture", 0, 13, 4, BL_ERR_INPUT,
     ": general.architecture: expected a kind of value from 0 to 12, found 13"},
    {"general.architecture", 4, (uint64_t)1 << 60, 8, BL_ERR_INPUT,
     ": general.architecture: a string of 1152921504606846976 bytes"},
    {"general.alignment", 4, 0, 4, BL_ERR_INPUT,
     ": general.alignment: expected an integer from 1 to 65536, found 0"},
    {"general.alignment", 4, 24, 4, BL_ERR_INPUT, ": general.alignment: expected a power of two, found 24"},
    {"general.alignment", 4, 0x80000000, 4, BL_ERR_INPUT,
     ": general.alignment: expected an integer from 1 to 65536"},
    {"general.alignment", 0, BL_GGUF_F32, 4, BL_ERR_INPUT,
     ": general.alignment: expected an integer, found a fraction"},
    {"general.alignment", 4, 256, 4, BL_ERR_INPUT, ": vector: the offset 128 is not a multiple of 256"},
    {"a.bool", 4, 2, 1, BL_ERR_INPUT, ": a.bool: expected 0 or 1 for a boolean, found 2"},
    {"a.strings", 4, BL_GGUF_ARRAY, 4, BL_ERR_UNSUPPORTED,
     ": a.strings: an array of arrays is not supported"},
    {"a.strings", 4, 99, 4, BL_ERR_INPUT, ": a.strings: expected a kind of value from 0 to 12, found 99"},
    {"a.strings", 8, UINT64_MAX, 8, BL_ERR_INPUT,
     ": a.strings: 18446744073709551615 elements of at least 8 bytes do not fit"},
    {"a.strings", 16, 5000, 8, BL_ERR_INPUT, ": a.strings: a string of 5000 bytes"},
    {"a.floats", 8, (uint64_t)1 << 62, 8, BL_ERR_INPUT,
     ": a.floats: 4611686018427387904 elements of at least 4 bytes do not fit"},
    {"matrix", 0, 0, 4, BL_ERR_INPUT, ": matrix: expected 1 to 4 dimensions, found 0"},
    {"matrix", 0, 5, 4, BL_ERR_INPUT, ": matrix: expected 1 to 4 dimensions, found 5"},
    {"matrix", 4, 0, 8, BL_ERR_INPUT, ": matrix: a dimension of 0 is not possible"},
    {"matrix", 4, UINT64_MAX, 8, BL_ERR_INPUT, ": matrix: a dimension of 2 is not possible"},
    {"matrix", 4, 33, 8, BL_ERR_INPUT,
     ": matrix: rows of 33 numbers are not whole blocks of Q8_0, which are 32"},
    {"matrix", 12, (uint64_t)1 << 40, 8, BL_ERR_INPUT,
     ": matrix: 37383395344384 bytes at offset 0 are beyond the"},
    {"matrix", 20, 16, 4, BL_ERR_UNSUPPORTED,
     ": matrix: the tensor type IQ2_XXS is not supported; supported: F32, F16"},
    {"matrix", 20, 24, 4, BL_ERR_UNSUPPORTED, ": matrix: the tensor type I8 is not supported"},
    {"matrix", 20, 4, 4, BL_ERR_UNSUPPORTED, ": matrix: the tensor type number 4 is not supported"},
    {"matrix", 20, 1000, 4, BL_ERR_UNSUPPORTED, ": matrix: the tensor type number 1000 is not supported"},
    {"matrix", 20, 12, 4, BL_ERR_INPUT,
     ": matrix: rows of 32 numbers are not whole blocks of Q4_K, which are 256"},
    {"matrix", 24, 32, 8, BL_ERR_INPUT, ": matrix: the offset 32 is not a multiple of 64"},
    {"matrix", 24, (uint64_t)1 << 63, 8, BL_ERR_INPUT,
     ": matrix: 68 bytes at offset 9223372036854775808 are beyond"},
    {"vector", 4, 5, 8, BL_ERR_INPUT, ": vector: 20 bytes at offset 128 are beyond the 144 bytes of data"},
    {"vector", 16, 192, 8, BL_ERR_INPUT, ": vector: 16 bytes at offset 192 are beyond"},
};

static void damaged(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        bl_buffer bytes = {0};
        bl_error err = {0};
        sound(&bytes, 3);
        char *at = memmem(bytes.data, bytes.n, damages[i].find, strlen(damages[i].find));
        assert_non_null(at);
        for (size_t b = 0; b < damages[i].bytes; b++)
            at[(long)strlen(damages[i].find) + damages[i].offset + (long)b] =
                (char)(damages[i].value >> 8 * b);
        bl_gguf *file = bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "damaged", &err);
        if (file) fail_msg("case %zu is read", i);
        if (err.code != damages[i].code || !strstr(err.message, damages[i].part) ||
            strncmp(err.message, "damaged: ", 9) != 0)
            fail_msg("case %zu: %s", i, err.message);
        bl_buffer_free(&bytes);
    }
}

/* Cut anywhere it is refused; with any byte changed it is refused or all its tensors can be read. */
static void cut_and_flipped(void **state) {
    (void)state;
    bl_buffer bytes = {0};
    float rows[4096];
    sound(&bytes, 3);
    for (size_t n = 0; n < bytes.n; n++) {
        bl_error err = {0};
        unsigned char *part = malloc(n ? n : 1); /* of its own, so that reading beyond it is noticed */
        memcpy(part, bytes.data, n);
        assert_null(bl_gguf_parse(part, n, "cut", &err));
        assert_true(err.code != BL_OK && strncmp(err.message, "cut: ", 5) == 0);
        free(part);
    }
    for (size_t i = 0; i < 8 * bytes.n; i++) {
        bl_error err = {0};
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ 1 << i % 8);
        bl_gguf *file = bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "flipped", &err);
        if (!file) assert_true(err.code != BL_OK && strncmp(err.message, "flipped: ", 9) == 0);
        for (size_t t = 0; file && t < file->n_tensors; t++)
            if (file->tensors[t].count <= 4096)
                bl_gguf_rows(&file->tensors[t], 0,
                             file->tensors[t].count / file->tensors[t].shape[file->tensors[t].n_dims - 1],
                             rows);
        bl_gguf_free(file);
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ 1 << i % 8);
    }
    bl_buffer_free(&bytes);
}

static void twice(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"a.i8", "a.u8"}, {"vector", "matrix"}};
    for (int i = 0; i < 2; i++) {
        bl_buffer bytes = {0};
        bl_error err = {0};
        char part[64];
        sound(&bytes, 3);
        char *at = memmem(bytes.data, bytes.n, pairs[i][0], strlen(pairs[i][0]));
        memcpy(at, pairs[i][1], strlen(pairs[i][1]));
        assert_null(bl_gguf_parse((unsigned char *)bytes.data, bytes.n, "twice", &err));
        snprintf(part, sizeof part, "twice: %s: stands there twice", pairs[i][1]);
        assert_error(err, BL_ERR_INPUT, part);
        bl_buffer_free(&bytes);
    }
    bl_error err = {0};
    assert_null(bl_gguf_open("/no/such/file.gguf", &err));
    assert_error(err, BL_ERR_INPUT, "/no/such/file.gguf: ");
    assert_false(bl_gguf_is("/no/such/file.gguf"));
}

/* ---- Blocks ---- */

static void blocks(void **state) {
    (void)state;
    static const bl_number_type *const types[] = {&bl_type_q4_0, &bl_type_q4_1, &bl_type_q5_0,  &bl_type_q5_1,
                                                  &bl_type_q8_0, &bl_type_q2_k, &bl_type_q3_k,  &bl_type_q4_k,
                                                  &bl_type_q5_k, &bl_type_q6_k, &bl_type_iq4_nl};
    FILE *file = fopen(TEST_DATA "/gguf/blocks.bin", "rb");
    char name[9] = "";
    uint32_t sizes[2]; /* bytes, numbers */
    size_t checked = 0;
    assert_non_null(file);
    while (fread(name, 8, 1, file) == 1) {
        unsigned char raw[4096];
        float wanted[4096], found[4096];
        assert_true(fread(sizes, sizeof sizes, 1, file) == 1 && sizes[0] <= 4096 && sizes[1] <= 4096);
        assert_int_equal(fread(raw, 1, sizes[0], file), sizes[0]);
        assert_int_equal(fread(wanted, sizeof *wanted, sizes[1], file), sizes[1]);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            if (strcmp(types[i]->name, name) != 0) continue;
            assert_int_equal(sizes[0] / types[i]->bytes * types[i]->block, sizes[1]);
            types[i]->read(raw, sizes[1], found);
            if (memcmp(found, wanted, sizes[1] * sizeof *found) != 0) fail_msg("%s", name);
            checked++;
        }
    }
    fclose(file);
    assert_int_equal(checked, sizeof types / sizeof *types);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads),   cmocka_unit_test(asks),
                                       cmocka_unit_test(damaged), cmocka_unit_test(cut_and_flipped),
                                       cmocka_unit_test(twice),   cmocka_unit_test(blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
