/* What a terminal shows: at every width and colour depth no line is too long, nothing that a token holds
 * reaches the terminal raw, and the words are the same; the paper's own form. */
#include "report_support.h"

typedef char *(*shower)(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);

static const struct {
    const char *part; /* NULL: the whole report */
    shower show;
} tables[] = {{"info", bl_info_table},
              {"eigen", bl_eigen_table},
              {"scan", bl_scan_table},
              {NULL, bl_report_table}};
enum { N_TABLES = sizeof tables / sizeof *tables };

static char *part_text(size_t i) { return tables[i].part ? report_part(tables[i].part) : report_text(); }

static char *show(size_t i, const char *json, bl_colour colour, size_t width) {
    bl_error err = {0};
    bl_terminal terminal = {.colour = colour, .width = width};
    char *text = tables[i].show(tree_of(json), &terminal, &err);
    if (!text) fail_msg("%s", err.message);
    return text;
}

/* Control characters but the new lines of our own and, with colour, complete SGR sequences. */
static void assert_clean(const char *text, bl_colour colour) {
    for (const char *c = text; *c; c++) {
        if (*c == '\033' && colour != BL_COLOUR_NONE && c[1] == '[') {
            c += 2 + strspn(c + 2, "0123456789;");
            assert_int_equal(*c, 'm');
        } else if ((unsigned char)*c < 0x20 && *c != '\n') {
            fail_msg("control character %d", *c);
        }
    }
    json_t *string = json_string(text);
    assert_non_null(string); /* valid UTF-8 */
    json_decref(string);
    assert_null(strstr(text, "\xE2\x80\xAE")); /* no right-to-left override */
    assert_null(strstr(text, "\033[31m"));     /* the fixture's own sequence */
    assert_null(strstr(text, "\033]"));
}

static void assert_fits(const char *plain, size_t width) {
    char *copy = strdup(plain), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (bl_visible_width(line) > width)
            fail_msg("%zu columns, %zu are there: '%s'", bl_visible_width(line), width, line);
    free(copy);
}

static void test_widths_and_colours(void **state) {
    (void)state;
    static const size_t widths[] = {60, 72, 80, 100, 132, 200, 0};
    for (size_t i = 0; i < N_TABLES; i++) {
        char *json = part_text(i);
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
            for (int colour = BL_COLOUR_NONE; colour <= BL_COLOUR_24BIT; colour++) {
                char *text = show(i, json, (bl_colour)colour, widths[w]), *plain = without_escapes(text);
                assert_clean(text, (bl_colour)colour);
                if (widths[w]) assert_fits(plain, widths[w]);
                if (colour == BL_COLOUR_NONE) assert_string_equal(text, plain);
                free(plain);
                free(text);
            }
        free(json);
    }
}

/* Narrower than anything sensible: no crash, no endless loop. */
static void test_absurd_widths(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TABLES; i++) {
        char *json = part_text(i);
        for (size_t width = 1; width < 40; width++) free(show(i, json, BL_COLOUR_24BIT, width));
        free(json);
    }
}

/* 256 colours and 24 bits differ in the sequences only. */
static void test_depths_agree(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TABLES; i++) {
        char *json = part_text(i), *deep = show(i, json, BL_COLOUR_24BIT, 80),
             *shallow = show(i, json, BL_COLOUR_256, 80);
        char *a = without_escapes(deep), *b = without_escapes(shallow);
        assert_string_equal(a, b);
        assert_null(strstr(shallow, "48;2;"));
        assert_null(strstr(deep, "48;5;"));
        free(a);
        free(b);
        free(deep);
        free(shallow);
        free(json);
    }
}

static void assert_contains(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("'%s' is not in\n%s", part, text);
}

static void test_eigen_form(void **state) {
    (void)state;
    char *json = report_part("eigen"), *text = show(1, json, BL_COLOUR_NONE, 0);
    assert_contains(text, "Eigenvalues for \"swim\" interaction matrix\n");
    assert_contains(text, "25 eigenvalues: largest 1.7500, smallest -2.5000; effective rank 8.2");
    assert_contains(text, "indices 15-16");
    assert_contains(text, "Eig Idx: -1 for \"swim\"   eigenvalue 1.7500\n");
    assert_contains(text, "Head 0"); /* the strongest source of the first table first */
    assert_true(strstr(text, "Head 0") < strstr(text, "Head 1"));
    assert_true(strstr(text, "Head 1") < strstr(text, "Direct"));
    assert_contains(text, " </script><scrip\xE2\x80\xA6  0.8160 "); /* the highest */
    assert_contains(text, " =1+1             -0.9529 ");            /* the lowest of all */
    assert_contains(text, "bias  0.2000");
    assert_contains(text, "the output bias adds -0.1250");
    assert_contains(text, "degenerate with indices 15-16: only their span means anything");
    assert_int_equal(count_of(text, "\n 19 "), 3);
    free(text);
    text = show(1, json, BL_COLOUR_NONE, 60); /* two blocks a vector: as many sources as fit */
    assert_int_equal(count_of(text, "\n 19 "), 6);
    free(text);
    free(json);
}

/* "Activation: 4.18 | … \e[30;48;2;r;g;bmword …": the notebook's line, [token] bold, the next words
 * plain. */
static void test_scan_form(void **state) {
    (void)state;
    char *json = report_part("scan"), *text = show(2, json, BL_COLOUR_24BIT, 0),
         *plain = without_escapes(text);
    assert_contains(plain, "Eig Idx: -1 for \"swim\"   eigenvalue 1.7500\n\nActivation: 4.18 | ");
    assert_contains(plain, " [<U+202E>gnp.exe] \xE2\x90\x9B[31mred");
    assert_contains(plain, "(constant +0.0500)");
    assert_int_equal(count_of(plain, "degenerate with indices 15-16: only their span means anything"), 1);
    assert_contains(text, "\033[30;48;2;");
    assert_contains(text, "\033[37;48;2;");
    assert_contains(text, "\033[1;38;5;");
    assert_contains(text, "6 stories, 123 positions");
    assert_contains(plain, "against ");
    assert_contains(plain, " towards");
    assert_null(strstr(plain, "strongest:"));
    free(plain);
    free(text);
    text = show(2, json, BL_COLOUR_NONE, 0);
    assert_contains(text, "strongest: --> +0.1979, ");
    assert_int_equal(count_of(text, "strongest:"), 1 + 6); /* the legend and each match */
    free(text);
    free(json);
}

/* Twenty tokens before the position, three after. */
static void test_window(void **state) {
    (void)state;
    json_t *root = support_json(REPORT_FILE), *scan = json_object_get(root, "scan");
    json_t *match =
        json_array_get(json_object_get(json_array_get(json_object_get(scan, "vectors"), 0), "matches"), 0);
    json_t *tokens = json_object_get(match, "tokens"), *next = json_object_get(match, "next");
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        char name[32];
        snprintf(name, sizeof name, "w%02zu", i);
        json_array_set_new(tokens, i, json_string(name));
    }
    json_object_set_new(match, "token", json_string("w30"));
    for (size_t i = 0; i < 3; i++) json_array_set_new(next, i, json_string("after"));
    char *json = json_dumps(scan, JSON_REAL_PRECISION(9)), *text = show(2, json, BL_COLOUR_256, 0),
         *plain = without_escapes(text);
    assert_contains(plain, "Activation: 4.18 | w10 w11 ");
    assert_contains(plain, " w29 [w30] after after after");
    assert_contains(text, "after after after"); /* no colour between */
    assert_null(strstr(plain, "w09"));
    free(plain);
    free(text);
    free(json);
    json_decref(root);
}

static void test_report_form(void **state) {
    (void)state;
    char *json = report_text(), *text = show(3, json, BL_COLOUR_NONE, 0);
    assert_contains(text, "models/small & odd: generation later, ");
    assert_contains(text, "23,456 parameters");
    assert_contains(text, "6 stories, 123 positions of stories/a \"b\".txt, <i>.jsonl\n");
    assert_contains(text, "Eig Idx: 0 for \"swim\"   eigenvalue -2.5000 (evidence against)\n");
    assert_contains(text, "\ndirect   ");
    assert_contains(text, "\nhead 1   ");
    assert_contains(text, "Activation: ");
    free(text);
    char *unlimited = bl_report_table(tree_of(json), NULL, NULL); /* no terminal: no colour, no limit */
    assert_non_null(unlimited);
    assert_null(strchr(unlimited, '\033'));
    free(unlimited);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_widths_and_colours),
                                       cmocka_unit_test(test_absurd_widths),
                                       cmocka_unit_test(test_depths_agree),
                                       cmocka_unit_test(test_eigen_form),
                                       cmocka_unit_test(test_scan_form),
                                       cmocka_unit_test(test_window),
                                       cmocka_unit_test(test_report_form)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
