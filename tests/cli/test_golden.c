/* The golden numbers of ../shared/golden, through the command line, for every model they were made of.
 * Eigenvalues within 1e-5 of the largest; the same top and bottom tokens wherever values differ by more than
 * 1e-4 of the largest; the same (story, position) lists up to activations within 1e-6 of each other;
 * contributions within 1e-4 of the largest; losses within 1e-5.
 * ctest: begins early 14 */
#include "support.h"

#define MINUS "run,climb,eat,see,smell,walk,fly,sit,sleep"

static json_t *bilens(const char *arguments) {
    char command[2048], path[128];
    snprintf(path, sizeof path, "%s/out.json", support_temporary());
    snprintf(command, sizeof command, "%s %s --format json > %s", getenv("BILENS"), arguments, path);
    if (system(command) != 0) fail_msg("%s failed", command);
    return support_json(path);
}

static json_t *golden(const char *model, const char *what) {
    char path[512];
    snprintf(path, sizeof path, SHARED "/golden/%s.%s.json", model, what);
    return support_json(path);
}

static double number(const json_t *json, const char *key) {
    const json_t *value = json_object_get(json, key);
    if (!json_is_number(value)) fail_msg("'%s' is no number", key);
    return json_number_value(value);
}

static double worst_eigenvalue, worst_token, worst_similarity, worst_contribution;
static size_t lists, swapped;

static void compare_tokens(const json_t *ours, const json_t *wanted, double largest) {
    assert_int_equal(json_array_size(ours), 10);
    lists++;
    for (size_t i = 0; i < 10; i++) {
        const json_t *a = json_array_get(ours, i), *b = json_array_get(wanted, i);
        double value = json_number_value(json_array_get(a, 1)),
               want = json_number_value(json_array_get(b, 1));
        worst_token = fmax(worst_token, fabs(value - want) / largest);
        assert_near(value, want, 1e-4, largest);
        const char *token = json_string_value(json_array_get(a, 0));
        if (strcmp(token, json_string_value(json_array_get(b, 0))) == 0) continue;
        swapped++;
        size_t k =
            0; /* then it must stand at a rank whose value is as good as equal, or just behind the list */
        while (k < 10 && strcmp(token, json_string_value(json_array_get(json_array_get(wanted, k), 0))) != 0)
            k++;
        assert_near(value, json_number_value(json_array_get(json_array_get(wanted, k < 10 ? k : 9), 1)), 1e-4,
                    largest);
    }
}

/* The gauge of a model with a norm (docs/specification.md, 8); no golden: the model has none. */
static void compare_gauge(const char *model, const json_t *ours, double largest) {
    char path[512];
    snprintf(path, sizeof path, SHARED "/golden/%s.gauge.json", model);
    if (access(path, R_OK) != 0) return;
    json_t *wanted = golden(model, "gauge");
    assert_near(number(ours, "shift"), number(wanted, "shift"), 1e-5, largest);
    assert_near(number(ours, "effective_rank"), number(wanted, "effective_rank"), 1e-4,
                number(wanted, "effective_rank"));
    json_decref(wanted);
}

static void compare_eigen(const char *model) {
    char arguments[512];
    snprintf(arguments, sizeof arguments, "eigen " SHARED "/models/%s --token swim --minus " MINUS, model);
    json_t *ours = bilens(arguments), *wanted = golden(model, "eigen"), *vector;
    const json_t *values = json_object_get(ours, "eigenvalues"),
                 *wanted_values = json_object_get(wanted, "eigenvalues");
    size_t n = json_array_size(wanted_values), i;
    assert_int_equal(json_array_size(values), n);
    double scale = fmax(fabs(json_number_value(json_array_get(wanted_values, 0))),
                        fabs(json_number_value(json_array_get(wanted_values, n - 1))));
    for (i = 0; i < n; i++) {
        double a = json_number_value(json_array_get(values, i)),
               b = json_number_value(json_array_get(wanted_values, i));
        worst_eigenvalue = fmax(worst_eigenvalue, fabs(a - b) / scale);
        assert_near(a, b, 1e-5, scale);
    }
    compare_gauge(model, ours, scale);
    assert_int_equal(json_array_size(json_object_get(ours, "vectors")), 8);
    json_array_foreach(json_object_get(wanted, "vectors"), i, vector) {
        const json_t *mine = json_array_get(json_object_get(ours, "vectors"), i);
        assert_int_equal(json_integer_value(json_object_get(mine, "index")),
                         json_integer_value(json_object_get(vector, "index")));
        json_t *source;
        const char *name;
        double largest = 0;
        json_object_foreach(json_object_get(vector, "sources"), name, source) {
            largest =
                fmax(largest, fabs(json_number_value(
                                  json_array_get(json_array_get(json_object_get(source, "top"), 0), 1))));
            largest =
                fmax(largest, fabs(json_number_value(
                                  json_array_get(json_array_get(json_object_get(source, "bottom"), 0), 1))));
        }
        json_object_foreach(json_object_get(vector, "sources"), name, source) {
            const json_t *mine_source = json_object_get(json_object_get(mine, "sources"), name);
            compare_tokens(json_object_get(mine_source, "top"), json_object_get(source, "top"), largest);
            compare_tokens(json_object_get(mine_source, "bottom"), json_object_get(source, "bottom"),
                           largest);
        }
    }
    json_decref(ours);
    json_decref(wanted);
}

static void compare_match(const json_t *mine, const json_t *match) {
    double similarity = number(match, "similarity"), activation = number(match, "activation");
    double scale = fabs(similarity), sum = 0, largest = 0;
    worst_similarity = fmax(worst_similarity, fabs(number(mine, "similarity") - similarity) / scale);
    assert_near(number(mine, "similarity"), similarity, 1e-4, scale);
    assert_near(number(mine, "activation"), activation, 1e-4, fabs(activation));
    bool same = number(mine, "story") == number(match, "story") &&
                number(mine, "position") == number(match, "position");
    if (!same) { /* stories that begin alike: the order of (nearly) equal numbers means nothing */
        swapped++;
        assert_near(number(mine, "activation"), activation, 1e-6, fabs(activation));
        return;
    }
    assert_string_equal(json_string_value(json_object_get(mine, "token")),
                        json_string_value(json_object_get(match, "token")));
    const json_t *c = json_object_get(mine, "contributions"),
                 *wanted = json_object_get(match, "contributions");
    assert_int_equal(json_array_size(c), json_array_size(wanted));
    for (size_t i = 0; i < json_array_size(c); i++)
        largest = fmax(largest, fabs(json_number_value(json_array_get(wanted, i))));
    for (size_t i = 0; i < json_array_size(c); i++) {
        double a = json_number_value(json_array_get(c, i)), b = json_number_value(json_array_get(wanted, i));
        worst_contribution = fmax(worst_contribution, fabs(a - b) / largest);
        assert_near(a, b, 1e-4, largest);
        sum += a;
    }
    assert_near(sum, fabs(number(mine, "similarity")), 1e-4, scale + largest);
}

static void compare_scan(const char *model) {
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "scan " SHARED "/models/%s --corpus " SHARED
             "/corpus/valid.txt --stories 256 --token swim --minus " MINUS,
             model);
    json_t *ours = bilens(arguments), *wanted = golden(model, "scan"), *vector, *match;
    size_t i, j;
    assert_int_equal(json_integer_value(json_object_get(ours, "stories")), 256);
    json_array_foreach(json_object_get(wanted, "vectors"), i, vector) {
        const json_t *mine = json_object_get(json_array_get(json_object_get(ours, "vectors"), i), "matches");
        assert_int_equal(json_array_size(mine), json_array_size(json_object_get(vector, "matches")));
        json_array_foreach(json_object_get(vector, "matches"), j, match)
            compare_match(json_array_get(mine, j), match);
    }
    json_decref(ours);
    json_decref(wanted);
}

static void compare_loss(const char *model) {
    char arguments[512];
    snprintf(arguments, sizeof arguments,
             "eval " SHARED "/models/%s --corpus " SHARED "/corpus/valid.txt --stories 256", model);
    json_t *ours = bilens(arguments), *wanted = golden(model, "loss");
    assert_int_equal(json_integer_value(json_object_get(ours, "predictions")),
                     json_integer_value(json_object_get(wanted, "predictions")));
    assert_near(number(ours, "loss"), number(wanted, "loss"), 1e-5, number(wanted, "loss"));
    fprintf(stderr, "%s: loss %.9f, golden %.9f\n", model, number(ours, "loss"), number(wanted, "loss"));
    json_decref(ours);
    json_decref(wanted);
}

static void test_analysis(void **state) {
    (void)state;
    const char *const models[] = {"ts-1-256", "tiny-plain", "tiny-norm"};
    for (size_t i = 0; i < 3; i++) {
        worst_eigenvalue = worst_token = worst_similarity = worst_contribution = 0;
        lists = swapped = 0;
        compare_eigen(models[i]);
        compare_scan(models[i]);
        fprintf(stderr,
                "%s: worst eigenvalue %.1e, virtual token %.1e, similarity %.1e, contribution %.1e (each "
                "relative to the largest); %zu token lists and "
                "64 matches compared, %zu places swapped among equals\n",
                models[i], worst_eigenvalue, worst_token, worst_similarity, worst_contribution, lists,
                swapped);
    }
}

static void test_losses(void **state) {
    (void)state;
    const char *const models[] = {"ts-1-256", "tiny-plain", "tiny-norm", "tiny-later"};
    for (size_t i = 0; i < 4; i++) compare_loss(models[i]);
}

int main(void) {
    if (!support_have_shared()) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_analysis), cmocka_unit_test(test_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
