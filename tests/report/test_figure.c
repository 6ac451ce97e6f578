/* The spectrum's figure in its three kinds: the right kind of file, the right content, the same bytes every
 * time. */
#include "report_support.h"
#include "result/document.h"
#include "report/plot.h"

static char *draw(const char *json, const char *name, size_t *size) {
    char path[256];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    if (!bl_spectrum_figure(tree_of(json), path, &err)) fail_msg("%s", err.message);
    char *data = bl_file_read(path, 1 << 24, size, &err);
    if (!data) fail_msg("%s", err.message);
    return data;
}

static void test_kinds(void **state) {
    (void)state;
    static const struct {
        const char *name, *magic;
        size_t magic_size;
    } kinds[] = {{"a.svg", "<?xml", 5}, {"a.png", "\x89PNG\r\n\x1a\n", 8}, {"a.pdf", "%PDF-1.", 7}};
    char *json = report_part("eigen");
    for (size_t i = 0; i < 3; i++) {
        size_t size, again_size;
        char *data = draw(json, kinds[i].name, &size), *again = draw(json, kinds[i].name, &again_size);
        assert_true(size > 2000);
        assert_memory_equal(data, kinds[i].magic, kinds[i].magic_size);
        assert_int_equal(size, again_size);
        assert_memory_equal(data, again, size);
        free(data);
        free(again);
    }
    free(json);
}

static void test_svg_is_xml(void **state) {
    (void)state;
    size_t size;
    char *json = report_part("eigen"), *svg = draw(json, "b.svg", &size);
    assert_non_null(strstr(svg, "viewBox=\"0 0 460 330\""));
    assert_non_null(strstr(svg, "</svg>"));
    assert_true(count_of(svg, "<path") > 20);
    free(svg);
    free(json);
}

/* Degenerate eigenvalues have amber bars, and no others. */
static void test_groups(void **state) {
    (void)state;
    size_t size;
    char *json = report_part("eigen"), *svg = draw(json, "groups.svg", &size);
    assert_non_null(strstr(svg, "85.098")); /* percent: the amber's red */
    free(svg);
    json_t *root = json_loads(json, 0, NULL);
    free(json);
    json_object_set_new(root, "groups", json_array());
    json = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    svg = draw(json, "groups.svg", &size);
    assert_null(strstr(svg, "85.098"));
    free(svg);
    free(json);
}

static void test_refusals(void **state) {
    (void)state;
    char *json = report_part("eigen"), path[256];
    bl_error err = {0};
    static const char *const names[] = {"a", "a.gif", "a.SVG", "a.svg.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", support_temporary(), names[i]);
        assert_false(bl_spectrum_figure(tree_of(json), path, &err));
        assert_error(err, BL_ERR_USAGE, ".svg, .png or .pdf");
        assert_int_not_equal(access(path, F_OK), 0);
    }
    snprintf(path, sizeof path, "%s/no/such/folder.svg", support_temporary());
    assert_false(bl_spectrum_figure(tree_of(json), path, &err));
    assert_error(err, BL_ERR_INPUT, "folder.svg");
    assert_false(bl_spectrum_figure(tree_of("{}"), path, &err));
    assert_error(err, BL_ERR_INPUT, "model: missing");
    free(json);
}

/* One eigenvalue, all zero, tiny, huge, and a token that is no text. */
static void test_extremes(void **state) {
    (void)state;
    static const char *const spectra[] = {"[0.0]",        "[3.0]",     "[0.0,0.0,0.0]", "[-1e-30,1e-30]",
                                          "[-3e38,3e38]", "[5,5,5,5]", "[-2,-1]",       "[1,2,3e37]"};
    for (size_t i = 0; i < sizeof spectra / sizeof *spectra; i++) {
        char json[512];
        size_t n = count_of(spectra[i], ",") + 1, size;
        json_t *values = json_loads(spectra[i], 0, NULL);
        snprintf(json, sizeof json,
                 "{\"model\":\"m\",\"layer\":0,\"token\":\"\\u001b\\u202e<&>%%\",\"minus\":[],\"d_model\":%"
                 "zu,\"eigenvalues\":%s,"
                 "\"vectors\":[{\"index\":-1,\"eigenvalue\":%.9g,\"sources\":{}}]}",
                 n, spectra[i], json_number_value(json_array_get(values, n - 1)));
        json_decref(values);
        static const char *const names[] = {"c.svg", "c.png", "c.pdf"};
        for (size_t k = 0; k < 3; k++) free(draw(json, names[k], &size));
        char *text = bl_eigen_table(tree_of(json), NULL, NULL);
        assert_non_null(text);
        free(text);
    }
}

static void test_ticks(void **state) {
    (void)state;
    static const double ranges[][2] = {{0, 1},    {-3.2, 1.2}, {0, 1023},   {-1e-7, 2e-7},
                                       {0, 3e38}, {5, 5},      {-0.03, 0.9}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (size_t most = 2; most < 12; most++) {
            bl_ticks ticks = bl_nice_ticks(ranges[i][0], ranges[i][1], most, false);
            double last = ticks.first + (double)(ticks.n - 1) * ticks.step;
            assert_true(ticks.n >= 1 && ticks.n <= most + 1);
            assert_true(ticks.first >= ranges[i][0] - 1e-6 * ticks.step &&
                        (last <= ranges[i][1] + 1e-6 * ticks.step || ranges[i][0] == ranges[i][1]));
        }
    bl_ticks ticks = bl_nice_ticks(0, 1023, 6, true);
    assert_true(ticks.step == 200 && ticks.n == 6 && ticks.decimals == 0);
    ticks = bl_nice_ticks(-1.3, 1.64, 7, false);
    assert_true(ticks.step == 0.5 && ticks.decimals == 1);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value, largest;
        const char *text;
    } cases[] = {{1.48254943, 1.5, "1.4825"},
                 {-0.00001, 1.5, "0.0000"},
                 {-2104.528, 3000, "-2104.5"},
                 {0.0123456, 0.05, "0.01235"},
                 {3.4e-7, 1e-6, "3.40e-07"},
                 {1e30, 1e30, "1.00e+30"},
                 {0, 0, "0.0000"},
                 {-123.4567, 500, "-123.46"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[BL_NUMBER_SIZE];
        assert_string_equal(bl_number(text, cases[i].value, bl_decimals(cases[i].largest), "-"),
                            cases[i].text);
    }
    char text[40];
    assert_string_equal(bl_grouped(text, 2949120), "2,949,120");
    assert_string_equal(bl_grouped(text, 999), "999");
    assert_string_equal(bl_grouped(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

/* Labels of a column keep their distance and stay inside the frame. */
static void test_labels(void **state) {
    (void)state;
    char *json = report_part("eigen");
    bl_doc *doc = read_doc(json, BL_DOC_EIGEN, NULL);
    assert_non_null(doc);
    enum { N = 40 };
    bl_doc_vector vectors[N] = {0};
    double values[300];
    for (size_t i = 0; i < 300; i++)
        values[i] = i < 4 ? -3 + (double)i * 0.001 : i > 290 ? 1 + (double)i * 1e-5 : 0.0001 * (double)i;
    bl_doc_eigen eigen = *doc->eigen;
    eigen.values = values;
    eigen.size = 300;
    eigen.vectors = vectors;
    eigen.n_vectors = N;
    for (size_t i = 0; i < N; i++) {
        vectors[i].position = i % 2 ? 299 - i / 2 : i / 2;
        vectors[i].eigenvalue = values[vectors[i].position];
    }
    bl_mark marks[N];
    bl_plot plot = bl_plot_new(&eigen, 0, 0, 1000, 400);
    bl_plot_marks(&plot, &eigen, 19, 50, marks);
    for (size_t i = 0; i < N; i++) {
        if (!marks[i].labelled) continue;
        assert_true(marks[i].label_y >= 0 && marks[i].label_y <= 400);
        for (size_t k = 0; k < i; k++)
            if (marks[k].labelled && marks[k].right == marks[i].right && !marks[i].middle && !marks[k].middle)
                assert_true(fabs(marks[i].label_y - marks[k].label_y) >= 18.99);
    }
    bl_doc_free(doc);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds),    cmocka_unit_test(test_svg_is_xml),
                                       cmocka_unit_test(test_groups),   cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_extremes), cmocka_unit_test(test_ticks),
                                       cmocka_unit_test(test_numbers),  cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
