/* Numpy's arrays of every type of numbers, order and byte order; those that are none; files under another's
 * name. */
#include "support.h"
#include "format/kind.h"
#include "format/npy.h"
#include "format/safetensors.h"

/* A .npy file of `n` data bytes. */
static size_t npy(unsigned char *file, const char *descr, const char *order, const char *shape,
                  const void *data, size_t n) {
    char header[200];
    int length = snprintf(header, sizeof header, "{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n", descr,
                          order, shape);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (unsigned char)length, file[9] = 0;
    memcpy(file + 10, header, (size_t)length);
    memcpy(file + 10 + length, data, n);
    return 10 + (size_t)length + n;
}

static void reads(const char *descr, const char *order, const char *shape, const void *data, size_t n,
                  char kind, size_t count, const float *wanted) {
    unsigned char file[1024];
    bl_named_array array;
    float *values;
    char found = 0;
    bl_error err = {0};
    size_t size = npy(file, descr, order, shape, data, n);
    if (!bl_npy_parse(file, size, "a.npy", &array, &values, &found, &err))
        fail_msg("%s: %s", descr, err.message);
    assert_int_equal(found, kind);
    for (size_t i = 0; i < count; i++)
        if (values[i] != wanted[i])
            fail_msg("%s %s: number %zu is %g, not %g", descr, order, i, (double)values[i],
                     (double)wanted[i]);
    bl_free(values);
}

static void refuses(const char *descr, const void *data, size_t n, const char *part) {
    unsigned char file[1024];
    bl_named_array array;
    float *values;
    bl_error err = {0};
    size_t size = npy(file, descr, "False", "(1,)", data, n);
    assert_false(bl_npy_parse(file, size, "a.npy", &array, &values, NULL, &err));
    assert_int_equal(err.code, BL_ERR_INPUT);
    if (!strstr(err.message, part)) fail_msg("%s: %s", descr, err.message);
}

static void types(void **state) {
    (void)state;
    const float one[] = {1}, minus[] = {-2}, large[] = {258}, third[] = {0.5F};
    reads("'<f2'", "False", "(1,)", "\x00\x3C", 2, 'f', 1, one);
    reads("'>f2'", "False", "(1, 1)", "\xC0\x00", 2, 'f', 1, minus);
    reads("'<f4'", "False", "(1,)", "\x00\x00\x80\x3F", 4, 'f', 1, one);
    reads("'>f4'", "False", "(1,)", "\x3F\x00\x00\x00", 4, 'f', 1, third);
    reads("'<f8'", "False", "(1,)", "\x00\x00\x00\x00\x00\x00\xF0\x3F", 8, 'f', 1, one);
    reads("'>f8'", "False", "(1,)", "\xC0\x00\x00\x00\x00\x00\x00\x00", 8, 'f', 1, minus);
    reads("'|i1'", "False", "(1,)", "\xFE", 1, 'i', 1, minus);
    reads("'<i2'", "False", "(1,)", "\xFE\xFF", 2, 'i', 1, minus);
    reads("'>i4'", "False", "(1,)", "\x00\x00\x01\x02", 4, 'i', 1, large);
    reads("'<i8'", "False", "(1,)", "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8, 'i', 1, minus);
    reads("'|u1'", "False", "(1,)", "\x01", 1, 'u', 1, one);
    reads("'>u2'", "False", "(1,)", "\x01\x02", 2, 'u', 1, large);
    reads("'|b1'", "False", "(1,)", "\x01", 1, 'b', 1, one);
    reads("\"<f4\"", "False", "(1,)", "\x00\x00\x80\x3F", 4, 'f', 1, one);
    reads("u'<f4'", "False", "(1L,)", "\x00\x00\x80\x3F", 4, 'f', 1, one); /* Python 2 wrote such */
}

static void orders(void **state) {
    (void)state;
    const float c[] = {0, 1, 2, 3, 4, 5}, fortran[] = {0, 2, 4, 1, 3, 5}, cube[] = {0, 4, 2, 6, 1, 5, 3, 7};
    reads("'|u1'", "False", "(2, 3)", "\0\1\2\3\4\5", 6, 'u', 6, c);
    reads("'|u1'", "True", "(2, 3)", "\0\1\2\3\4\5", 6, 'u', 6, fortran);
    reads("'|u1'", "True", "(1, 6)", "\0\1\2\3\4\5", 6, 'u', 6, c);
    reads("'|u1'", "True", "(6,)", "\0\1\2\3\4\5", 6, 'u', 6, c);
    reads("'|u1'", "True", "(2, 2, 2)", "\0\1\2\3\4\5\6\7", 8, 'u', 8, cube);
    reads("'|u1'", "True", "(2, 0)", "", 0, 'u', 0, c);
}

static void other_types(void **state) {
    (void)state;
    char zeros[64] = {0};
    refuses("'<c8'", zeros, 8, "complex");
    refuses("'<c16'", zeros, 16, "complex");
    refuses("'|O'", zeros, 8, "objects");
    refuses("'<M8[ns]'", zeros, 8, "dates");
    refuses("'<m8[s]'", zeros, 8, "time differences");
    refuses("'|S5'", zeros, 5, "byte strings");
    refuses("'<U5'", zeros, 20, "text");
    refuses("'|V8'", zeros, 8, "raw bytes");
    refuses("'<f16'", zeros, 16, "floats of 2");
    refuses("[('a', '<f4')]", zeros, 4, "structured");
    refuses("'<f'", zeros, 4, "floats of 2");
    refuses("'<x4'", zeros, 4, "'<x4'");
}

static void unholdable(void **state) {
    (void)state;
    double values[] = {1e300, 1e-300, 1e-38, HUGE_VAL};
    refuses("'<f8'", &values[0], 8, "float32 cannot hold");
    refuses("'<f8'", &values[1], 8, "float32 cannot hold");
    const float small[] = {1e-38F}, infinite[] = {HUGE_VALF}, zero[] = {0};
    reads("'<f8'", "False", "(1,)", &values[2], 8, 'f', 1, small);
    reads("'<f8'", "False", "(1,)", &values[3], 8, 'f', 1,
          infinite); /* what that means is the reader's affair */
    reads("'<f8'", "False", "(1,)", "\0\0\0\0\0\0\0\0", 8, 'f', 1, zero);
}

static void under_another_name(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *part;
    } cases[] = {{"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4961\n", "git lfs pull"},
                 {"<html>\n<head><title>Sign in</title>", "HTML page"},
                 {"\n <!DOCTYPE html>", "HTML page"},
                 {"PK\3\4 and more of it", "zip archive"},
                 {"\x89HDF\r\n\x1A\n and more", "HDF5"},
                 {"\x80\2\x8A\nl\xFC\x9C\x46\xF9\x20", "pickle"},
                 {"\x93NUMPY\1 and more", "NumPy array"},
                 {"GGUF\3 and more of it", "GGUF"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        const char *bytes = cases[i].bytes;
        assert_null(bl_safetensors_parse((const unsigned char *)bytes, strlen(bytes), "m.safetensors", &err));
        assert_int_equal(err.code, BL_ERR_INPUT);
        if (!strstr(err.message, cases[i].part)) fail_msg("%zu: %s", i, err.message);
    }
}

/* The library writes NUL into __metadata__; a header of 640 bytes begins as a pickle does. */
static void sound_files(void **state) {
    (void)state;
    unsigned char file[8 + 640] = {0x80, 2};
    char *header = (char *)file + 8;
    memset(header, ' ', 640);
    const char text[] = "{\"__metadata__\": {\"note\": \"a\\u0000b\"}}";
    memcpy(header, text, sizeof text - 1);
    bl_error err = {0};
    bl_safetensors *read = bl_safetensors_parse(file, sizeof file, "m.safetensors", &err);
    if (!read) fail_msg("%s", err.message);
    bl_safetensors_free(read);
    header[0] = 'x';
    assert_null(bl_safetensors_parse(file, sizeof file, "m.safetensors", &err));
    assert_null(strstr(err.message, "pickle"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(types),
                                       cmocka_unit_test(orders),
                                       cmocka_unit_test(other_types),
                                       cmocka_unit_test(unholdable),
                                       cmocka_unit_test(under_another_name),
                                       cmocka_unit_test(sound_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
