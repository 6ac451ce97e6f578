/* LaTeX and drawings of what a terminal shows: nothing that a token holds commands either, sources by strength,
 * and marks of degenerate eigenvalues that can be left out. */
#include "report_support.h"
#include "report/latex.h"

static void test_text(void **state) {
    (void)state;
    static const struct {
        const char *token, *latex;
    } cases[] = {{"swim", "swim"},
                 {"##ing", "\\#\\#ing"},
                 {"50%", "50\\%"},
                 {"\\input{x}", "\\textbackslash{}input\\{x\\}"},
                 {"a_b^c~d", "a\\_b\\textasciicircum{}c\\textasciitilde{}d"},
                 {"$&", "\\$\\&"},
                 {"--", "{-}{-}"},
                 {"\"<>", "\\symbol{34}\\textless{}\\textgreater{}"},
                 {"\n", "\xE2\x90\x8A"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_buffer out = {0};
        bl_latex_text(&out, cases[i].token);
        char *text = bl_buffer_take(&out, NULL);
        assert_string_equal(text, cases[i].latex);
        bl_free(text);
    }
}

static void test_table(void **state) {
    (void)state;
    bl_table *table = bl_table_new("token,p_value,n", NULL);
    bl_table_text(table, "50%");
    bl_table_real(table, -0.5);
    bl_table_integer(table, 7);
    bl_table_text(table, NULL);
    bl_table_real(table, 0.25);
    bl_table_empty(table);
    char *text = bl_table_latex(table, NULL);
    assert_string_equal(text, "% needs \\usepackage{booktabs}\n\\begin{tabular}{lrr}\n\\toprule\n"
                              "token & p\\_value & n \\\\\n\\midrule\n"
                              "50\\% & $-0.5000$ & $7$ \\\\\n & $0.2500$ &  \\\\\n\\bottomrule\n"
                              "\\end{tabular}\n");
    bl_free(text);
    bl_table_free(table);
    assert_null(bl_table_latex(NULL, NULL));
}

/* A result of one vector whose sources have these largest values. */
static char *result_of(const double *strengths, size_t n) {
    bl_buffer out = {0};
    bl_buffer_text(&out,
                   "{\"model\":\"m\",\"layer\":0,\"token\":\"t\",\"minus\":[],\"d_model\":3,"
                   "\"eigenvalues\":[-1,-1,2],\"vectors\":[{\"index\":0,\"eigenvalue\":-1,\"sources\":{");
    for (size_t i = 0; i < n; i++)
        bl_buffer_print(&out, "\"head %zu\":{\"top\":[[\"w%zu\",0.001]],\"bottom\":[[\"x%zu\",%.3f]]},", i, i,
                        i, -strengths[i]);
    bl_buffer_text(&out, "\"bias\":{\"value\":9}}}]}");
    return bl_buffer_take(&out, NULL);
}

static void test_fold(void **state) {
    (void)state;
    static const double strengths[] = {0.1, 1.0, 0.2, 0.9, 0.3, 0.6, 0.15};
    char *json = result_of(strengths, 7);
    bl_terminal whole = {0}, folded = {.fold = true}, plain = {.fold = true, .plain = true};
    char *all = bl_eigen_table(tree_of(json), &whole, NULL),
         *few = bl_eigen_table(tree_of(json), &folded, NULL);
    assert_non_null(all);
    for (size_t i = 0; i < 7; i++) {
        char name[8];
        snprintf(name, sizeof name, "x%zu", i);
        assert_non_null(strstr(all, name));
        assert_true((strstr(few, name) != NULL) == (strengths[i] >= 0.5));
    }
    assert_true(strstr(all, "Head 1") < strstr(all, "Head 3") &&
                strstr(all, "Head 3") < strstr(all, "Head 5"));
    assert_non_null(strstr(few, "4 weaker sources folded"));
    assert_non_null(strstr(few, "head 4, head 2, head 6, head 0"));
    assert_non_null(strstr(few, "bias")); /* a single number is never folded */
    assert_null(strstr(all, "folded"));
    assert_non_null(strstr(few, "degenerate"));
    char *bare = bl_eigen_table(tree_of(json), &plain, NULL),
         *latex = bl_eigen_latex(tree_of(json), NULL, NULL),
         *bare_latex = bl_eigen_latex(tree_of(json), &plain, NULL);
    assert_null(strstr(bare, "degenerate"));
    assert_non_null(strstr(latex, "degenerate with 0-1"));
    assert_null(strstr(bare_latex, "degenerate"));
    assert_non_null(strstr(latex, "\\begin{tabular}{r lr lr lr}"));
    assert_non_null(strstr(latex, "x1 & \\cellcolor[HTML]{"));
    assert_null(strstr(latex, "x0"));
    bl_free(all);
    bl_free(few);
    bl_free(bare);
    bl_free(latex);
    bl_free(bare_latex);
    bl_free(json);
    json = result_of(strengths + 3, 4); /* 0.9 0.3 0.6 0.15: three at least, and one alone is not folded */
    few = bl_eigen_table(tree_of(json), &folded, NULL);
    assert_null(strstr(few, "folded"));
    bl_free(few);
    bl_free(json);
}

static void test_drawing(void **state) {
    (void)state;
    char *svg = bl_terminal_svg("a<b\n\033[1;38;5;231;48;2;1;2;3m x\033[0m\033[2md\n", false, NULL);
    assert_non_null(svg);
    assert_non_null(strstr(svg, ">a&lt;b</text>"));
    assert_non_null(strstr(svg, "fill=\"#010203\""));
    assert_non_null(strstr(svg, "fill=\"#ffffff\" font-weight=\"bold\"> x</text>"));
    assert_non_null(strstr(svg, "class=\"d\">d</text>"));
    assert_null(strchr(svg, '\033'));
    bl_free(svg);
    char *text = report_text();
    bl_terminal terminal = {.colour = BL_COLOUR_24BIT, .width = 100};
    char *shown = bl_report_table(tree_of(text), &terminal, NULL), *dark = bl_terminal_svg(shown, true, NULL);
    assert_null(strchr(dark, '\033'));
    assert_null(strstr(dark, "<script"));
    bl_free(shown);
    bl_free(dark);
    free(text);
    assert_null(bl_terminal_svg(NULL, false, NULL));
}

static void test_inputs(void **state) {
    (void)state;
    char *json = report_part("scan"), *latex = bl_scan_latex(tree_of(json), NULL, NULL);
    assert_non_null(latex);
    size_t depth = 0;
    for (const char *c = latex; *c; c++) {
        if (*c == '\\' && c[1]) c++; /* an escaped brace is none */
        else if (*c == '{') depth++;
        else if (*c == '}') assert_true(depth-- > 0);
    }
    assert_int_equal(depth, 0);
    assert_non_null(strstr(latex, "\\colorbox[HTML]{"));
    bl_free(latex);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_table),
                                       cmocka_unit_test(test_fold), cmocka_unit_test(test_drawing),
                                       cmocka_unit_test(test_inputs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
