/* Messages quote foreign text: nothing of it may command a terminal. */
#include "support.h"
#include "base/error.h"
#include "base/file.h"
#include <sys/stat.h>

static void escaped(const char *text, const char *wanted) {
    bl_error err = {0};
    char again[64];
    bl_fail(&err, BL_ERR_INPUT, "%s", text);
    assert_string_equal(err.message, wanted);
    bl_escape(err.message, again, sizeof again);
    assert_string_equal(again, wanted);
}

static void foreign_text(void **state) {
    (void)state;
    escaped("plain é 漢 – ✓", "plain é 漢 – ✓");
    escaped("\x1B]0;owned\x07", "\\x1b]0;owned\\x07");
    escaped("a\nb\tc\x7F", "a\\x0ab\\x09c\\x7f");
    escaped("\xC2\x9B"
            "31m",
            "\\u009b31m");
    escaped("\x9B"
            "31m",
            "\\x9b31m");
    escaped("\xE2\x80\xAE"
            "abc\xE2\x81\xA6",
            "\\u202eabc\\u2066");
    escaped("\xE2\x80\xA8", "\\u2028");
    escaped("\xC3", "\\xc3");
    escaped("\xF0\x9F\x98\x80\xF0\x9F", "\xF0\x9F\x98\x80\\xf0\\x9f");
}

/* What does not fit is cut between characters. */
static void cut(void **state) {
    (void)state;
    char out[6];
    bl_escape("abcdé", out, sizeof out);
    assert_string_equal(out, "abcd");
    bl_escape("abc\x1B", out, sizeof out);
    assert_string_equal(out, "abc");
    bl_escape("", out, 1);
    assert_string_equal(out, "");
}

static void reasons(void **state) {
    (void)state;
    bl_error err = {0};
    char path[256], below[300];
    snprintf(path, sizeof path, "%s/file", support_temporary());
    snprintf(below, sizeof below, "%s/folder/x", path);
    assert_true(bl_file_write(path, "x", 1, &err));
    assert_false(bl_make_directories(below, &err));
    assert_non_null(strstr(err.message, "Not a directory"));
    if (geteuid() == 0) return; /* root may write anywhere */
    snprintf(path, sizeof path, "%s/closed", support_temporary());
    snprintf(below, sizeof below, "%s/x/y", path);
    mkdir(path, 0500);
    assert_false(bl_make_directories(below, &err));
    assert_non_null(strstr(err.message, "Permission denied"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(foreign_text), cmocka_unit_test(cut),
                                       cmocka_unit_test(reasons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
