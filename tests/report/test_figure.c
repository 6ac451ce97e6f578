/* The spectrum's figure in its three kinds: the right kind of file, the right content, the same bytes every
 * time. */
#include "report_support.h"
#include "result/document.h"
#include "report/plot.h"

static char *draw_as(const char *json, const bl_figure_options *how, const char *name, size_t *size) {
    char path[256];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    if (!bl_spectrum_figure(tree_of(json), how, path, &err)) fail_msg("%s", err.message);
    char *data = bl_file_read(path, 1 << 24, size, &err);
    if (!data) fail_msg("%s", err.message);
    return data;
}

static char *draw(const char *json, const char *name, size_t *size) {
    return draw_as(json, NULL, name, size);
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

/* The big-endian number at data[at]. */
static unsigned long word_at(const char *data, size_t at) {
    unsigned long word = 0;
    for (size_t i = 0; i < 4; i++) word = word << 8 | (unsigned char)data[at + i];
    return word;
}

/* The size that was asked for, in millimetres; of one side alone the other follows. */
static void test_size(void **state) {
    (void)state;
    static const struct {
        bl_figure_options how;
        double width, height; /* points */
    } cases[] = {{{.width = 85, .height = 60}, 240.944882, 170.07874},
                 {{.width = 85}, 240.944882, 172.851763},
                 {{.height = 60}, 237.079455, 170.07874},
                 {{.size = 14}, 460, 330}};
    char *json = report_part("eigen");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        double width, height;
        char *svg = draw_as(json, &cases[i].how, "size.svg", &size), *box = strstr(svg, "viewBox=\"");
        assert_non_null(box);
        assert_int_equal(sscanf(box, "viewBox=\"0 0 %lf %lf\"", &width, &height), 2);
        assert_true(fabs(width - cases[i].width) < 1e-4 && fabs(height - cases[i].height) < 1e-4);
        free(svg);
        char *png = draw_as(json, &cases[i].how, "size.png", &size);
        assert_int_equal(word_at(png, 16), lround(3 * cases[i].width));
        assert_int_equal(word_at(png, 20), lround(3 * cases[i].height));
        free(png);
    }
    free(json);
}

/* The title as the SVG's own, made safe; an empty one is none, and the default is the direction's. */
static void test_title(void **state) {
    (void)state;
    size_t size;
    char *json = report_part("eigen");
    char *svg = draw_as(json, &(bl_figure_options){.title = "a <b> & \xff"}, "title.svg", &size);
    assert_non_null(strstr(svg, "<title>a &lt;b&gt; &amp; "));
    assert_null(strstr(svg, "<b>"));
    free(svg);
    svg = draw_as(json, &(bl_figure_options){.title = ""}, "title.svg", &size);
    char *own = draw(json, "own.svg", &size);
    assert_non_null(strstr(svg, "<title>Eigenvalues of an interaction matrix</title>"));
    assert_non_null(strstr(own, "interaction matrix</title>"));
    assert_true(count_of(svg, "<use") < count_of(own, "<use")); /* fewer letters are drawn */
    free(svg);
    free(own);
    free(json);
}

static bool holds(const char *data, size_t size, const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(data + i, word, length) == 0) return true;
    return false;
}

/* Letters are shapes in SVG and PNG; the PDF names the font. */
static void test_font(void **state) {
    (void)state;
    size_t sans_size, serif_size, larger_size;
    char *json = report_part("eigen");
    char *sans = draw(json, "sans.pdf", &sans_size);
    char *serif = draw_as(json, &(bl_figure_options){.font = "DejaVu Serif"}, "serif.pdf", &serif_size);
    if (!holds(sans, sans_size, "DejaVuSans")) fprintf(stderr, "test_font: no DejaVu fonts: not compared\n");
    else assert_true(holds(serif, serif_size, "DejaVuSerif") && !holds(serif, serif_size, "DejaVuSans"));
    free(sans);
    free(serif);
    sans = draw(json, "sans.svg", &sans_size);
    serif = draw_as(json, &(bl_figure_options){.size = 14}, "larger.svg", &larger_size);
    assert_true(sans_size != larger_size || memcmp(sans, serif, sans_size) != 0);
    free(sans);
    free(serif);
    free(json);
}

/* The page's colour, which fills it first; and on it marks of their own hues, lighter. */
static void test_dark(void **state) {
    (void)state;
    size_t size;
    double r, g, b;
    static const char first[] = "fill:rgb(";
    char *json = report_part("eigen");
    for (int dark = 0; dark < 2; dark++) {
        char *svg = draw_as(json, &(bl_figure_options){.dark = dark}, "theme.svg", &size);
        char *page = strstr(svg, first);
        assert_non_null(page);
        assert_int_equal(sscanf(page + sizeof first - 1, "%lf%%,%lf%%,%lf%%", &r, &g, &b), 3);
        if (dark) assert_true(r < 15 && g < 15 && b < 15);
        else assert_true(r > 99 && g > 99 && b > 99);
        assert_int_equal(strstr(svg, "12.941176%,40%,67.45098%") != NULL, !dark); /* the light page's blue */
        free(svg);
    }
    free(json);
}

static void test_no_marks(void **state) {
    (void)state;
    size_t size;
    static const char *const marks[] = {"12.941176%,40%,67.45098%", "69.803922%,9.411765%,16.862745%",
                                        "85.098"}; /* blue, red, the groups' amber */
    char *json = report_part("eigen"), *svg = draw(json, "marks.svg", &size);
    for (size_t i = 0; i < 3; i++) assert_non_null(strstr(svg, marks[i]));
    free(svg);
    svg = draw_as(json, &(bl_figure_options){.no_marks = true}, "marks.svg", &size);
    for (size_t i = 0; i < 3; i++) assert_null(strstr(svg, marks[i]));
    free(svg);
    free(json);
}

static void test_bad_options(void **state) {
    (void)state;
    static const struct {
        bl_figure_options how;
        const char *message;
    } cases[] = {{{.width = 5}, "width is from 10 to 1000 millimetres, not 5"},
                 {{.width = -1}, "width"},
                 {{.height = NAN}, "height"},
                 {{.height = 2000}, "height"},
                 {{.size = 73}, "text size is from 3 to 72 points"},
                 {{.font = ""}, "font needs a name"},
                 {{.font = "\xff"}, "font needs a name"},
                 {{.width = 20, .height = 20}, "no room for text of 10 points"},
                 {{.size = 72}, "no room"}};
    char *json = report_part("eigen"), path[256];
    snprintf(path, sizeof path, "%s/refused.svg", support_temporary());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        assert_false(bl_spectrum_figure(tree_of(json), &cases[i].how, path, &err));
        assert_error(err, BL_ERR_USAGE, cases[i].message);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    free(json);
}

static void test_refusals(void **state) {
    (void)state;
    char *json = report_part("eigen"), path[256];
    bl_error err = {0};
    static const char *const names[] = {"a", "a.gif", "a.SVG", "a.svg.gz"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", support_temporary(), names[i]);
        assert_false(bl_spectrum_figure(tree_of(json), NULL, path, &err));
        assert_error(err, BL_ERR_USAGE, ".svg, .png or .pdf");
        assert_int_not_equal(access(path, F_OK), 0);
    }
    snprintf(path, sizeof path, "%s/no/such/folder.svg", support_temporary());
    assert_false(bl_spectrum_figure(tree_of(json), NULL, path, &err));
    assert_error(err, BL_ERR_INPUT, "folder.svg");
    assert_false(bl_spectrum_figure(tree_of("{}"), NULL, path, &err));
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
                                       cmocka_unit_test(test_size),     cmocka_unit_test(test_title),
                                       cmocka_unit_test(test_font),     cmocka_unit_test(test_dark),
                                       cmocka_unit_test(test_no_marks), cmocka_unit_test(test_bad_options),
                                       cmocka_unit_test(test_extremes), cmocka_unit_test(test_ticks),
                                       cmocka_unit_test(test_numbers),  cmocka_unit_test(test_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
