/* bl_utf8_repair: what is not UTF-8 becomes U+FFFD, one per byte; everything else stays. */
#include "support.h"
#include "base/memory.h"
#include "base/utf8.h"

#define LOST "\xEF\xBF\xBD"

static void test_repair(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"swim", "swim"},
        {"\xC3\xA9t\xC3\xA9\t\033", "\xC3\xA9t\xC3\xA9\t\033"}, /* control characters stay */
        {"\xFF", LOST},                                         /* never in UTF-8 */
        {"a\xC3", "a" LOST},                                    /* cut at the end */
        {"a\xC3"
         "b",
         "a" LOST "b"},                                    /* cut inside */
        {"\xC0\xAF", LOST LOST},                           /* overlong */
        {"\xED\xA0\x80", LOST LOST LOST},                  /* a surrogate */
        {"\xF4\x90\x80\x80", LOST LOST LOST LOST},         /* past U+10FFFF */
        {"\xF0\x9F\x98\x80\x80", "\xF0\x9F\x98\x80" LOST}, /* one byte too many */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err;
        char *repaired = bl_utf8_repair(cases[i][0], &err);
        assert_non_null(repaired);
        assert_string_equal(repaired, cases[i][1]);
        bl_free(repaired);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_repair)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
