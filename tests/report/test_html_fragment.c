/* Pieces of the report for a notebook: they stand alone, touch nothing around them, and what a token says
 * stays text. */
#include "report_support.h"
#include <ctype.h>

typedef char *(*make)(const bl_tree *tree, bl_error *err);

static const struct {
    const char *part, *shows;
    make make;
} pieces[] = {{"info", "class=\"tensors\"", bl_info_html},
              {"eigen", "<svg", bl_spectrum_html},
              {"eigen", "class=\"vt\"", bl_virtual_tokens_html},
              {"scan", "class=\"words\"", bl_scan_html}};
enum { N_PIECES = sizeof pieces / sizeof *pieces };

/* Every selector of the style begins with .bilens. */
static void check_style(const char *html) {
    const char *at = strstr(html, "<style>"), *end = strstr(html, "</style>");
    assert_non_null(at);
    assert_non_null(end);
    assert_null(strstr(end + 1, "<style"));
    size_t rules = 0;
    for (at += strlen("<style>"); at < end; rules++) {
        while (isspace((unsigned char)*at)) at++;
        if (at[0] == '/' && at[1] == '*') {
            at = strstr(at, "*/") + 2;
            rules--;
            continue;
        }
        if (at >= end) break;
        const char *open = strchr(at, '{'), *close = strchr(at, '}');
        assert_non_null(open);
        assert_true(close > open && close < end);
        while (at < open) { /* selectors between commas */
            if (strncmp(at, ".bilens ", 8) != 0) fail_msg("a rule for others: %.60s", at);
            const char *comma = strchr(at, ',');
            at = comma && comma < open ? comma + 1 : open;
            while (at < open && isspace((unsigned char)*at)) at++;
        }
        at = close + 1;
    }
    assert_true(rules > 40);
}

/* The levels that are used are those that the style has. */
static void check_levels(const char *html) {
    for (unsigned i = 0; i < 256; i++) {
        char used[16], last[16], rule[24];
        snprintf(used, sizeof used, " c%u\"", i);
        snprintf(last, sizeof last, "\"c%u\"", i);
        snprintf(rule, sizeof rule, ".bilens .c%u{", i);
        bool is_used = strstr(html, used) || strstr(html, last), has = strstr(html, rule) != NULL;
        if (is_used != has)
            fail_msg("level %u is %s, but %s", i, is_used ? "used" : "not used",
                     has ? "has a rule" : "has no rule");
    }
}

static void test_pieces(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PIECES; i++) {
        bl_error err = {0};
        char *json = report_part(pieces[i].part), *html = pieces[i].make(tree_of(json), &err);
        if (!html) fail_msg("%s", err.message);
        assert_int_equal(strncmp(html, "<div class=\"bilens\"><style>", 27), 0);
        assert_string_equal(html + strlen(html) - 7, "</div>\n");
        assert_int_equal(count_of(html, "<div"), count_of(html, "</div>"));
        assert_int_equal(count_of(html, "<p"), count_of(html, "</p>") + count_of(html, "<path"));
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, " id=\"")); /* many pieces stand in one page */
        if (!strstr(html, pieces[i].shows)) fail_msg("%s is missing", pieces[i].shows);
        check_style(html);
        check_levels(html);
        bl_free(html);
        free(json);
    }
}

/* Text that means harm: a tag, a class of a level, an entity. */
static void test_hostile_token(void **state) {
    (void)state;
    const char *const hostile = "<script>alert(1)</script>\" class=\"c7\"&amp;";
    for (size_t i = 1; i < N_PIECES; i++) {
        bl_error err = {0};
        json_t *root = support_json(REPORT_FILE), *part = json_object_get(root, pieces[i].part);
        json_object_set_new(part, "token", json_string(hostile));
        json_t *vector = json_array_get(json_object_get(part, "vectors"), 0),
               *match = json_array_get(json_object_get(vector, "matches"), 0);
        json_t *entry = json_array_get(
            json_object_get(json_object_get(json_object_get(vector, "sources"), "direct"), "top"), 0);
        if (entry) json_array_set_new(entry, 0, json_string(hostile));
        if (match) json_array_set_new(json_object_get(match, "next"), 0, json_string(hostile));
        char *json = json_dumps(part, 0), *html = pieces[i].make(tree_of(json), &err);
        if (!html) fail_msg("%s", err.message);
        assert_null(strstr(html, "<script"));
        assert_null(strstr(html, "alert(1)</"));
        assert_non_null(strstr(html, "&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert_null(strstr(html, "class=\"c7\"&"));
        bl_free(html);
        free(json);
        json_decref(root);
    }
}

/* What is no result is refused, as by every other renderer. */
static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < N_PIECES; i++) {
        bl_error err = {0};
        assert_null(pieces[i].make(tree_of("{}"), &err));
        assert_error(err, BL_ERR_INPUT, "missing");
        assert_null(pieces[i].make(tree_of("[]"), &err));
        assert_error(err, BL_ERR_INPUT, "an object is expected");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_hostile_token),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
