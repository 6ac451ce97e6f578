/* Whatever bytes a token holds, what is shown is valid UTF-8 without a control character, of the width that
 * was said. */
#include "report_support.h"
#include "base/random.h"
#include <utf8proc.h>

static void check(const char *text, const char *expected, size_t columns) {
    bl_buffer out = {0};
    size_t got = bl_visible_add(&out, text, 0);
    assert_string_equal(out.data ? out.data : "", expected);
    assert_int_equal(got, columns);
    assert_int_equal(bl_visible_width(text), columns);
    bl_buffer_free(&out);
}

static void test_pictures(void **state) {
    (void)state;
    check("swim", "swim", 4);
    check("\033[31m", "\xE2\x90\x9B[31m", 5);
    check("\x7F\t\n", "\xE2\x90\xA1\xE2\x90\x89\xE2\x90\x8A", 3);
    check("\xC2\x9B"
          "31m",
          "<U+009B>31m", 11); /* the one-byte CSI */
    check("\xE2\x80\xAE"
          "abc",
          "<U+202E>abc", 11);                       /* right-to-left override */
    check("\xE6\x97\xA5", "\xE6\x97\xA5", 2);       /* wide */
    check("\xCC\x81x", "\xE2\x97\x8C\xCC\x81x", 2); /* a mark with nothing under it */
    check("e\xCC\x81", "e\xCC\x81", 1);
    check("\xFF\xC3(", "\xEF\xBF\xBD\xEF\xBF\xBD(", 3);               /* no UTF-8 */
    check("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", 3); /* a surrogate */
    check("", "", 0);
    check("\xC4\xA0the", "\xC2\xB7the", 4);                         /* byte-level: Ġ is a blank */
    check("\xC4\x8A\xC4\x8A", "\xE2\x86\xB5\xE2\x86\xB5", 2);       /* Ċ */
    check("\xC3\xA2\xC4\xA2\xC4\xBF", "\xE2\x80\x9D", 1);           /* âĢĿ is a quotation mark */
    check("\xC4\xA2", "\xC4\xA2", 1);                               /* a piece of a character stays */
    check("or\xC4\xA1o", "or\xC4\xA1o", 4);                         /* ġ would be a control character */
    check("\xC4\xA0 the", "\xC4\xA0 the", 5);                       /* a blank: no such token */
    check("\xE2\x96\x81the\xE2\x96\x81", "\xC2\xB7the\xC2\xB7", 5); /* SentencePiece */
}

static void test_cut(void **state) {
    (void)state;
    bl_buffer out = {0};
    assert_int_equal(bl_visible_add(&out, "unexpected", 6), 6);
    assert_string_equal(out.data, "unexp\xE2\x80\xA6");
    bl_buffer_free(&out);
    assert_int_equal(bl_visible_add(&out, "\xE6\x97\xA5\xE6\x9C\xAC", 3),
                     3); /* two wide ones in three columns */
    assert_string_equal(out.data, "\xE6\x97\xA5\xE2\x80\xA6");
    bl_buffer_free(&out);
    assert_int_equal(bl_visible_add(&out, "exactly", 7), 7);
    assert_string_equal(out.data, "exactly");
    bl_buffer_free(&out);
}

static void test_html(void **state) {
    (void)state;
    bl_buffer out = {0};
    bl_visible_html(&out, "</script>&\"'\033");
    assert_string_equal(out.data, "&lt;/script&gt;&amp;&quot;&#39;\xE2\x90\x9B");
    bl_buffer_free(&out);
}

static void assert_harmless(const char *text) {
    for (size_t i = 0, n = strlen(text); i < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t size =
            utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &c);
        assert_true(size > 0);
        assert_true(c >= 0x20 && c != 0x7F && !(c >= 0x80 && c < 0xA0) && c != 0x202E && c != 0x2028);
        i += (size_t)size;
    }
}

static void test_random_bytes(void **state) {
    (void)state;
    bl_random random;
    bl_random_seed(&random, 1);
    for (int round = 0; round < 20000; round++) {
        char text[17] = "";
        size_t n = bl_random_below(&random, 17);
        for (size_t i = 0; i < n; i++) text[i] = (char)(1 + bl_random_below(&random, 255));
        bl_buffer out = {0};
        size_t width = bl_random_below(&random, 12), columns = bl_visible_add(&out, text, width);
        assert_true(width == 0 ? columns == bl_visible_width(text) : columns <= width);
        if (out.data) assert_harmless(out.data);
        bl_buffer_free(&out);
        char *repaired = bl_utf8_repair(text, NULL);
        json_t *string = json_string(repaired); /* NULL if it were no UTF-8 */
        assert_non_null(string);
        json_decref(string);
        free(repaired);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pictures), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_html), cmocka_unit_test(test_random_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
