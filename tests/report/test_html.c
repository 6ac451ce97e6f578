/* The page: whatever strings the model and the corpus hold, the markup stays ours; every part is there;
 * nothing is fetched. */
#include "report_support.h"
#include "result/document.h"
#include "report/html.h"

static char *page_of(const char *json) {
    bl_error err = {0};
    bl_doc *doc = read_doc(json, BL_DOC_REPORT, &err);
    if (!doc) fail_msg("%s", err.message);
    char *page = bl_html_page(doc, &err);
    if (!page) fail_msg("%s", err.message);
    bl_doc_free(doc);
    return page;
}

static char *fixture_page(void) {
    char *json = report_text(), *page = page_of(json);
    free(json);
    return page;
}

/* Skips style and script, whose content is no markup; returns where their closing tag begins. */
static const char *raw_end(const char *at, const char *name) {
    char close[48];
    snprintf(close, sizeof close, "</%s>", name);
    const char *end = strstr(at, close);
    assert_non_null(end);
    return end;
}

static bool is_void(const char *name) {
    return strcmp(name, "meta") == 0 || strcmp(name, "br") == 0 || strcmp(name, "!doctype") == 0;
}

/* Reads a tag at `at` ('<'): its name, whether it closes itself; attributes must be well formed and quoted.
 * Returns its end. */
static const char *read_tag(const char *at, char name[32], bool *self) {
    size_t n = strcspn(at + 1, " \n/>");
    if (at[1] == '/') n = 1 + strcspn(at + 2, " \n>");
    assert_true(n > 0 && n < 31);
    memcpy(name, at + 1, n);
    name[n] = '\0';
    *self = false;
    for (at += 1 + n; *at != '>';) {
        at += strspn(at, " \n");
        if (*at == '/' && at[1] == '>') {
            *self = true;
            at++;
        }
        if (*at == '>') break;
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
        assert_true(length > 0);
        assert_false(strncmp(at, "on", 2) == 0); /* no handler in the markup */
        at += length;
        if (*at != '=') continue;
        assert_int_equal(at[1], '"');
        const char *end = strchr(at + 2, '"');
        assert_non_null(end);
        assert_null(memchr(at, '<', (size_t)(end - at)));
        at = end + 1;
    }
    return at + 1;
}

/* Tags nest; names on a stack. */
static void assert_well_formed(const char *page) {
    static char stack[64][32];
    size_t depth = 0;
    for (const char *at = strchr(page, '<'); at; at = strchr(at, '<')) {
        char name[32];
        bool self;
        at = read_tag(at, name, &self);
        if (name[0] == '/') {
            assert_true(depth > 0);
            if (strcmp(stack[--depth], name + 1) != 0) fail_msg("</%s> closes <%s>", name + 1, stack[depth]);
        } else if (!self && !is_void(name)) {
            assert_true(depth < 64);
            strcpy(stack[depth++], name);
            if (strcmp(name, "style") == 0 || strcmp(name, "script") == 0) at = raw_end(at, name);
        }
    }
    assert_int_equal(depth, 0);
}

static void test_markup(void **state) {
    (void)state;
    char *page = fixture_page();
    assert_well_formed(page);
    json_t *string = json_string(page);
    assert_non_null(string); /* valid UTF-8 */
    json_decref(string);
    for (const char *c = page; *c; c++) assert_true((unsigned char)*c >= 0x20 || *c == '\n');
    free(page);
}

static void test_hostile_strings(void **state) {
    (void)state;
    char *page = fixture_page();
    assert_int_equal(count_of(page, "<script>"), 1); /* our own */
    assert_int_equal(count_of(page, "</script>"), 1);
    assert_null(strstr(page, "<script>alert"));
    assert_null(strstr(page, "<img"));
    assert_null(strstr(page, "\" onmouseover"));
    assert_int_equal(count_of(page, "</title>"),
                     1 + count_of(page, "</title><circle")); /* a minus token is "</title>" */
    assert_non_null(strstr(page, "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(page, "&quot; onmouseover=&quot;alert(2)"));
    assert_non_null(strstr(page, "&amp;lt;b&amp;gt;")); /* the token &lt;b&gt; is shown as it is */
    assert_non_null(strstr(page, "{{title}}"));         /* a token, not a place of the template */
    assert_null(strstr(page, "\xE2\x80\xAE"));
    free(page);
}

/* Every string of the report in turn becomes an attack; the page's tags stay the same. */
static void poison(json_t *value, const char *text) {
    const char *key;
    json_t *inner;
    size_t i;
    void *next;
    if (json_is_array(value)) {
        json_array_foreach(value, i, inner) {
            if (json_is_string(inner)) json_array_set_new(value, i, json_string(text));
            else poison(inner, text);
        }
    } else if (json_is_object(value)) {
        json_object_foreach_safe(value, next, key, inner) {
            if (json_is_string(inner) && strcmp(key, "format") != 0)
                json_object_set_new(value, key, json_string(text));
            else poison(inner, text);
        }
    }
}

static void test_every_string(void **state) {
    (void)state;
    static const char *const attacks[] = {"</script><script>alert(1)</script>",
                                          "\"><img src=x onerror=alert(1)>",
                                          "'><svg onload=alert(1)>",
                                          "<!--",
                                          "]]>",
                                          "{{js}}",
                                          "</style><style>*{display:none}",
                                          "javascript:alert(1)",
                                          "&#60;script&#62;",
                                          "\\u003cscript"};
    char *clean = fixture_page();
    size_t tags = count_of(clean, "<");
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        json_t *root = support_json(REPORT_FILE);
        poison(root, attacks[i]);
        char *json = json_dumps(root, JSON_REAL_PRECISION(9)), *page = page_of(json);
        assert_well_formed(page);
        assert_in_range(count_of(page, "<"), tags - 8,
                        tags + 8); /* a note less or more (n_layer, normalization), nothing else */
        assert_int_equal(count_of(page, "<script>"), 1);
        assert_null(strstr(page, "<img"));
        assert_null(strstr(page, "<svg onload"));
        assert_null(strstr(page, "href=\"javascript"));
        free(page);
        free(json);
        json_decref(root);
    }
    free(clean);
}

static void test_parts(void **state) {
    (void)state;
    static const char *const needed[] = {"<title>swim: models/small &amp; odd",
                                         "rather than <b>run</b>, <b>&lt;/title&gt;</b>",
                                         "id=\"spectrum\"",
                                         "id=\"plot\"",
                                         "data-values=\"-2.5 ",
                                         "data-runs=\"15-16\"",
                                         "href=\"#eig-m1\"",
                                         "href=\"#eig-0\"",
                                         "id=\"eig-m1\"",
                                         "id=\"eig-0\"",
                                         "id=\"eig-15\"",
                                         "evidence against ",
                                         "evidence for ",
                                         ">Head 1</th>",
                                         ">Value 1</th>",
                                         "Degenerate with indices 15\xE2\x80\x93"
                                         "16",
                                         "The MLP has biases",
                                         "The unembedding was centred",
                                         "The model normalises",
                                         "The model has 3 layers",
                                         "How to read it.",
                                         "Virtual tokens: what it looks for",
                                         "Top inputs: where it was excited",
                                         "prefers-color-scheme: dark",
                                         "@media print",
                                         "arxiv.org/abs/2406.03947",
                                         "arxiv.org/abs/2410.08417",
                                         "bilens report --from report.json",
                                         "6 stories (123 positions)",
                                         "a &quot;b&quot;.txt",
                                         "23,456 parameters",
                                         "default-src 'none'",
                                         "\xE2\x88\x92"
                                         "2.5000",
                                         "constant +0.0500"};
    char *page = fixture_page();
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!strstr(page, needed[i])) fail_msg("the page lacks '%s'", needed[i]);
    assert_int_equal(count_of(page, "<section class=\"vector\""), 3);
    assert_int_equal(count_of(page, "<table class=\"vt\">"), 9); /* three vectors, three sources each */
    assert_int_equal(count_of(page, "<tr><td class=\"t\">") + count_of(page, "<tr class=\"low\">"), 180);
    assert_int_equal(count_of(page, "<ol class=\"inputs\">"), 3);
    assert_int_equal(count_of(page, "class=\"mark "), 3);
    free(page);
}

/* Links lead to the page itself, its folder, or the two papers; nothing else could be loaded. */
static void test_self_contained(void **state) {
    (void)state;
    char *page = fixture_page();
    assert_null(strstr(page, " src=\""));
    assert_null(strstr(page, "@import"));
    assert_null(strstr(page, "url("));
    assert_null(strstr(page, "<link"));
    assert_null(strstr(page, "http://"));
    assert_int_equal(count_of(page, "https://"), 2);
    for (const char *at = page; (at = strstr(at, "href=\"")) != NULL; at++) {
        const char *to = at + 6;
        assert_true(*to == '#' || strncmp(to, "figures/", 8) == 0 || strncmp(to, "tables/", 7) == 0 ||
                    strncmp(to, "report.json", 11) == 0 || strncmp(to, "https://arxiv.org/", 18) == 0);
    }
    free(page);
}

/* Where a report comes from stands on its page, whatever the file's names hold; without it nothing is said. */
static void test_origin(void **state) {
    (void)state;
    json_t *root = support_json(REPORT_FILE);
    json_object_set_new(root, "origin",
                        json_pack("{s:s,s:[{s:s,s:s,s:s}]}", "command", "bilens report --token '<b>'",
                                  "files", "of", "model", "name", "</td><script>", "sha256", "96a8"));
    char *json = json_dumps(root, JSON_REAL_PRECISION(9)), *page = page_of(json), *without = fixture_page();
    assert_well_formed(page);
    assert_non_null(strstr(page, "The command: <code>bilens report --token &#39;&lt;b&gt;&#39;</code>"));
    assert_non_null(strstr(page, "&lt;/td&gt;&lt;script&gt;"));
    assert_non_null(strstr(page, "<code>96a8</code>"));
    assert_null(strstr(without, "SHA-256"));
    free(page);
    free(without);
    free(json);
    json_decref(root);
}

/* At each eigenvector stands whether it is more than chance, and what the model loses without it; or that this
 * was not measured. */
static void test_verdict(void **state) {
    (void)state;
    json_t *root = support_json(REPORT_FILE);
    json_t *evidence =
        json_pack("{s:i,s:{s:i,s:[{s:i,s:f,s:f,s:f,s:f},{s:i,s:f,s:f,s:f,s:f}]},"
                  "s:[{s:[i],s:i,s:{s:i,s:f,s:f,s:[f,f]},s:{s:f,s:f,s:[f,f]},s:{s:i,s:{s:[{s:f}]},"
                  "s:{s:[{s:f}]}}}]}",
                  "stories", 6, "null", "draws", 99, "places", "index", -1, "eigenvalue", 1.75, "ratio", 1.5,
                  "p", 0.01, "p_family", 0.02, "index", 0, "eigenvalue", -2.5, "ratio", 0.9, "p", 0.6,
                  "p_family", 1.0, "ablate", "eigs", -1, "predictions", 90, "own", "positions", 12, "before",
                  1.0, "after", 2.5, "interval", 1.0, 2.0, "others", "before", 3.0, "after", 3.0, "interval",
                  -0.1, 0.1, "controls", "draws", 1, "random", "effects", "own", 0.25, "null", "effects",
                  "own", 0.125);
    assert_non_null(evidence);
    json_object_set_new(root, "evidence", evidence);
    char *json = json_dumps(root, JSON_REAL_PRECISION(9)), *page = page_of(json), *without = fixture_page();
    assert_well_formed(page);
    assert_int_equal(count_of(page, "<p class=\"verdict\">"), 2);
    assert_non_null(
        strstr(page, "It is 1.50 times as large as chance makes it: more than chance (p 0.010). Without it"));
    assert_non_null(
        strstr(page, "rises by 1.50 nats (95\xC2\xA0%: 1.00 to 2.00): the model would miss it.</p>"));
    assert_non_null(
        strstr(page, "0.90 times as large as chance makes it: no more than chance (p 0.600). What the"));
    assert_int_equal(count_of(page, "<td>yes</td></tr>"), 1);
    assert_int_equal(count_of(page, "<td>no</td></tr>"), 1);
    assert_int_equal(count_of(without, "<p class=\"verdict\">"), 0);
    free(page);
    free(without);
    free(json);
    json_decref(root);
}

/* Twelve heads: a table per source, each once; the weak ones are folded, and named where they are. */
static void test_many_heads(void **state) {
    (void)state;
    json_t *root = support_json(REPORT_FILE);
    json_t *sources =
        json_object_get(json_array_get(json_object_get(json_object_get(root, "eigen"), "vectors"), 0),
                        "sources");
    json_object_del(sources, "bias");
    for (int h = 2; h < 12; h++) {
        char name[16];
        snprintf(name, sizeof name, "head %d", h);
        json_object_set(sources, name, json_object_get(sources, "head 0"));
    }
    char *json = json_dumps(root, JSON_REAL_PRECISION(9)), *page = page_of(json);
    assert_well_formed(page);
    assert_int_equal(count_of(page, "<table class=\"vt\">"), 13 + 3 + 3);
    assert_int_equal(count_of(page, "<details class=\"weak\">"), 1);
    assert_non_null(strstr(page, "<summary>8 more, weaker: "));
    for (int h = 3; h < 12; h++) {
        char heading[32];
        snprintf(heading, sizeof heading, ">Head %d</th>", h);
        assert_int_equal(count_of(page, heading), 1);
    }
    free(page);
    free(json);
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup),         cmocka_unit_test(test_hostile_strings),
        cmocka_unit_test(test_every_string),   cmocka_unit_test(test_parts),
        cmocka_unit_test(test_self_contained), cmocka_unit_test(test_origin),
        cmocka_unit_test(test_verdict),        cmocka_unit_test(test_many_heads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
