/* RdBu against matplotlib's own table (tests/data/report/rdbu.txt: 255 * plt.cm.RdBu(i), truncated), the
 * paper's lightness rule, xterm's colours. */
#include "report_support.h"
#include "report/colour.h"

extern const unsigned char bl_levels_css[];

static void test_every_level(void **state) {
    (void)state;
    FILE *file = fopen(TEST_DATA "/report/rdbu.txt", "r");
    assert_non_null(file);
    for (unsigned i = 0; i < BL_RDBU_LEVELS; i++) {
        int r, g, b;
        assert_int_equal(fscanf(file, "%d %d %d", &r, &g, &b), 3);
        bl_rgb colour = bl_rdbu(i);
        if (colour.r != r || colour.g != g || colour.b != b)
            fail_msg("level %u: %d %d %d, expected %d %d %d", i, colour.r, colour.g, colour.b, r, g, b);
    }
    fclose(file);
    assert_memory_equal((&(bl_rgb){5, 48, 97}), (&(bl_rgb){bl_rdbu(999).r, bl_rdbu(999).g, bl_rdbu(999).b}),
                        sizeof(bl_rgb));
}

/* The page's classes: web/levels.css. */
static void test_style_sheet(void **state) {
    (void)state;
    const char *css = (const char *)bl_levels_css;
    for (unsigned i = 0; i < BL_RDBU_LEVELS; i++) {
        char rule[200];
        bl_rgb c = bl_rdbu(i), d = bl_rdbu_dark(i);
        const char *light = bl_wants_white_text(c) ? "fff" : "000",
                   *dark = bl_wants_white_text(d) ? "fff" : "000";
        snprintf(rule, sizeof rule,
                 ".c%u{background:#%02x%02x%02x;color:#%s;background:light-dark(#%02x%02x%02x,#%02x%02x%02x);"
                 "color:light-dark(#%s,#%s)}",
                 i, c.r, c.g, c.b, light, c.r, c.g, c.b, d.r, d.g, d.b, light, dark);
        if (count_of(css, rule) != 1) fail_msg("web/levels.css lacks %s", rule);
    }
    assert_int_equal(count_of(css, "{"), BL_RDBU_LEVELS);
}

static void test_levels_of_values(void **state) {
    (void)state;
    static const struct {
        double value;
        unsigned level;
    } cases[] = {{-1, 0},    {-0.999, 0},  {-0.5, 64}, {-0.001, 127}, {0, 128}, {0.25, 160},
                 {0.5, 192}, {0.996, 255}, {1, 255},   {7, 255},      {-7, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(bl_rdbu_level(cases[i].value, 1), cases[i].level);
        assert_int_equal(bl_rdbu_level(cases[i].value * 3e38, 3e38), cases[i].level); /* nothing overflows */
    }
    assert_int_equal(bl_rdbu_level(1, 0), BL_RDBU_NEUTRAL);
    assert_int_equal(bl_rdbu_level(NAN, 1), BL_RDBU_NEUTRAL);
    assert_int_equal(bl_rdbu_level(1, NAN), BL_RDBU_NEUTRAL);
}

/* Numbers of the notebook's formula in numpy. */
static void test_text_colour(void **state) {
    (void)state;
    assert_near(bl_lightness((bl_rgb){0, 0, 0}), 0, 1e-9, 1);
    assert_near(bl_lightness((bl_rgb){255, 255, 255}), 100, 1e-9, 1);
    assert_near(bl_lightness((bl_rgb){103, 0, 31}), 24.402072630425927, 1e-9, 1);
    assert_near(bl_lightness((bl_rgb){67, 147, 195}), 63.268455653674835, 1e-9, 1);
    assert_near(bl_lightness((bl_rgb){246, 246, 246}), 97.39823610482736, 1e-9, 1);
}

/* WCAG's relative luminance, in its own words. */
static double luminance(bl_rgb colour) {
    const unsigned char channels[3] = {colour.r, colour.g, colour.b};
    static const double weights[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double c = channels[i] / 255.0;
        sum += weights[i] * (c <= 0.03928 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* Text is legible on every colour, light and dark; on a dark page zero is the page, and the ends stand out. */
static void test_contrast(void **state) {
    (void)state;
    for (unsigned i = 0; i < BL_RDBU_LEVELS; i++)
        for (int dark = 0; dark < 2; dark++) {
            bl_rgb colour = dark ? bl_rdbu_dark(i) : bl_rdbu(i);
            double y = luminance(colour), white = 1.05 / (y + 0.05), black = (y + 0.05) / 0.05;
            assert_true((bl_wants_white_text(colour) ? white : black) >= 4.5);
            assert_int_equal(bl_wants_white_text(colour), white >= black);
        }
    double page = luminance((bl_rgb){26, 30, 35});
    assert_near(luminance(bl_rdbu_dark(BL_RDBU_NEUTRAL)), page, 1e-9, 1);
    for (unsigned i = 0; i < BL_RDBU_NEUTRAL; i++) /* ever brighter towards both ends */
        assert_true(luminance(bl_rdbu_dark(i)) > luminance(bl_rdbu_dark(i + 1)) - 1e-9);
    for (unsigned i = BL_RDBU_NEUTRAL; i + 1 < BL_RDBU_LEVELS; i++)
        assert_true(luminance(bl_rdbu_dark(i + 1)) > luminance(bl_rdbu_dark(i)) - 1e-9);
    assert_true((luminance(bl_rdbu_dark(0)) + 0.05) / (page + 0.05) > 7);
    assert_true((luminance(bl_rdbu_dark(255)) + 0.05) / (page + 0.05) > 7);
    assert_true(bl_rdbu_dark(40).r > bl_rdbu_dark(40).b && bl_rdbu_dark(215).b > bl_rdbu_dark(215).r);
}

static void test_xterm(void **state) {
    (void)state;
    for (unsigned i = 16; i < 256; i++) { /* each colour is its own nearest, or has an equal twin */
        bl_rgb colour = bl_xterm256_colour(i), again = bl_xterm256_colour(bl_xterm256(colour));
        assert_memory_equal(&colour, &again, sizeof colour);
    }
    for (unsigned level = 0; level < BL_RDBU_LEVELS;
         level++) { /* red stays red, blue stays blue, the middle is grey */
        bl_rgb colour = bl_xterm256_colour(bl_xterm256(bl_rdbu(level)));
        assert_true(level < 104   ? colour.r > colour.b
                    : level > 160 ? colour.b > colour.r
                                  : abs(colour.r - colour.b) < 60);
        assert_true(fabs(bl_lightness(colour) - bl_lightness(bl_rdbu(level))) < 22);
    }
    assert_int_equal(bl_xterm256((bl_rgb){5, 48, 97}), 24); /* no teal */
    assert_int_equal(bl_xterm256((bl_rgb){246, 246, 246}), 255);
    assert_int_equal(bl_xterm256((bl_rgb){255, 0, 0}), 196);
    assert_int_equal(bl_xterm256((bl_rgb){8, 8, 8}), 232);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_level),
                                       cmocka_unit_test(test_style_sheet),
                                       cmocka_unit_test(test_levels_of_values),
                                       cmocka_unit_test(test_text_colour),
                                       cmocka_unit_test(test_contrast),
                                       cmocka_unit_test(test_xterm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
