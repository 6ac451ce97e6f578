/* ctest: slow The golden numbers of evidence (../shared/golden), through the command line: losses within
 * 1e-4, values within 1e-4 of the largest of their list, lists in the same order wherever values differ by
 * more than that. */
#include "support.h"

#define CORPUS " --corpus " SHARED "/corpus/valid.txt --stories 64"
#define SWIM " --token swim --minus run,climb,eat,see,smell,walk,fly,sit,sleep"
#define LAKE " --text 'Tom went to the lake. He jumped into the'"
#define ABLATE " --controls 0"

static const struct golden {
    const char *name, *verb, *model, *arguments;
} goldens[] = {
    {"tiny-plain.gauge", "eigen", "tiny-plain", SWIM},
    {"tiny-norm.gauge", "eigen", "tiny-norm", SWIM},
    {"ts-1-256.gauge", "eigen", "ts-1-256", SWIM},
    {"tiny-plain.pairs", "pairs", "tiny-plain", SWIM},
    {"tiny-norm.pairs", "pairs", "tiny-norm", SWIM},
    {"ts-1-256.pairs", "pairs", "ts-1-256", SWIM},
    {"ts-1-256.pairs-head", "pairs", "ts-1-256", SWIM " --left direct --right 'head 3'"},
    {"tiny-norm.pairs-head", "pairs", "tiny-norm", " --token pool --left 'head 0' --right 'head 0' -k 10"},
    {"tiny-plain.hosvd", "hosvd", "tiny-plain", " -k 8"},
    {"tiny-norm.hosvd", "hosvd", "tiny-norm", " -k 8"},
    {"ts-1-256.hosvd", "hosvd", "ts-1-256", " -k 8"},
    {"tiny-plain.diff", "diff", "tiny-plain", " " SHARED "/models/tiny-norm --tokens swim,she"},
    {"ts-1-256.diff", "diff", "ts-1-256", " " SHARED "/models/ts-1-256 --tokens swim"},
    {"tiny-plain.explain", "explain", "tiny-plain", LAKE " --token water --minus pond"},
    {"tiny-norm.explain", "explain", "tiny-norm", LAKE " --token water --minus pond"},
    {"tiny-norm.explain-early", "explain", "tiny-norm", LAKE " --token to --position 2 --most 3"},
    {"ts-1-256.explain", "explain", "ts-1-256", LAKE " --token water --minus pond"},
    {"ts-1-256.explain-water", "explain", "ts-1-256", LAKE " --token water"},
    {"tiny-plain.ablate", "ablate", "tiny-plain",
     CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --with zero"},
    {"tiny-norm.ablate", "ablate", "tiny-norm", CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --with zero"},
    {"tiny-norm.ablate-input", "ablate", "tiny-norm",
     CORPUS ABLATE " --token she --minus he --eigs -1,0 --mode input --with mean"},
    {"tiny-norm.ablate-logit", "ablate", "tiny-norm",
     CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --mode logit"},
    {"tiny-plain.ablate-input", "ablate", "tiny-plain",
     CORPUS ABLATE " --token she --minus he --eigs -1,0 --mode input --with mean"},
    {"tiny-plain.ablate-logit", "ablate", "tiny-plain",
     CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --mode logit"},
    {"ts-1-256.ablate-logit-keep", "ablate", "ts-1-256",
     CORPUS ABLATE " --token she --minus he --eigs -1,-2,0,1 --mode logit --keep --with zero"},
    {"ts-1-256.ablate-swim", "ablate", "ts-1-256",
     CORPUS ABLATE SWIM " --eigs -1,-2,-3,-4,0,1,2,3 --with zero"},
    {"ts-1-256.ablate-keep", "ablate", "ts-1-256",
     CORPUS ABLATE " --token she --eigs -1,-2,-3,-4,0,1,2,3 --keep --with mean"},
    {"ts-1-256.ablate", "ablate", "ts-1-256", CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --with zero"},
    {"ts-1-256.ablate-input", "ablate", "ts-1-256",
     CORPUS ABLATE " --token she --minus he --eigs -1,0 --mode input --with mean"},
    {"ts-1-256.ablate-logit", "ablate", "ts-1-256",
     CORPUS ABLATE " --token she --eigs -1,-2,-3,-4 --mode logit"},
    {"ts-1-256.truncate", "truncate", "ts-1-256", CORPUS " --no-controls"},
    {"tiny-plain.truncate", "truncate", "tiny-plain", CORPUS " --no-controls"},
    {"tiny-norm.truncate", "truncate", "tiny-norm", CORPUS " --no-controls"},
};
enum { N_GOLDENS = sizeof goldens / sizeof *goldens };

static json_t *bilens(const struct golden *g) {
    char command[2048], path[128];
    snprintf(path, sizeof path, "%s/out.json", support_temporary());
    snprintf(command, sizeof command, "%s %s " SHARED "/models/%s%s --quiet --format json > %s",
             getenv("BILENS"), g->verb, g->model, g->arguments, path);
    if (system(command) != 0) fail_msg("%s failed", command);
    return support_json(path);
}

/* The number that an entry of a list is sorted by: [..., value], {"value"}, or a plain number. */
static double value_of(const json_t *entry) {
    if (json_is_array(entry)) return json_number_value(json_array_get(entry, json_array_size(entry) - 1));
    if (json_is_object(entry)) return json_number_value(json_object_get(entry, "value"));
    return json_number_value(entry);
}

static double largest_of(const json_t *list) {
    double largest = 0;
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) largest = fmax(largest, fabs(value_of(item)));
    return largest;
}

static void compare(const char *path, const json_t *ours, const json_t *wanted, double scale);

/* Entries whose values lie within the tolerance of their neighbours' may stand in another order. */
static void compare_lists(const char *path, const json_t *ours, const json_t *wanted) {
    double scale = largest_of(wanted);
    char at[512];
    size_t i;
    const json_t *item;
    if (json_array_size(ours) != json_array_size(wanted))
        fail_msg("%s: %zu entries, %zu expected", path, json_array_size(ours), json_array_size(wanted));
    json_array_foreach(wanted, i, item) {
        const json_t *mine = json_array_get(ours, i);
        snprintf(at, sizeof at, "%s[%zu]", path, i);
        if (!json_is_string(item) && scale > 0) assert_near(value_of(mine), value_of(item), 1e-4, scale);
        double before = i ? fabs(value_of(json_array_get(wanted, i - 1)) - value_of(item)) : INFINITY,
               after = i + 1 < json_array_size(wanted)
                         ? fabs(value_of(json_array_get(wanted, i + 1)) - value_of(item))
                         : INFINITY;
        if (json_is_array(item) && fmin(before, after) < 2e-4 * scale) continue;
        compare(at, mine, item, scale);
    }
}

static void compare(const char *path, const json_t *ours, const json_t *wanted, double scale) {
    char at[512];
    const char *key;
    json_t *item;
    if (json_is_object(wanted)) {
        json_object_foreach((json_t *)(uintptr_t)wanted, key, item) {
            const json_t *mine = json_object_get(ours, key);
            snprintf(at, sizeof at, "%s.%s", path, key);
            if (strcmp(key, "model") == 0 || strcmp(key, "models") == 0) continue;
            if (!mine) fail_msg("%s is missing", at);
            compare(at, mine, item, scale);
        }
    } else if (json_is_array(wanted)) {
        compare_lists(path, ours, wanted);
    } else if (json_is_number(wanted)) {
        double value = json_number_value(wanted);
        if (!(fabs(json_number_value(ours) - value) <= 1e-4 * fmax(fabs(value), scale)))
            fail_msg("%s: %.9g, %.9g expected", path, json_number_value(ours), value);
    } else if (!json_equal(ours, wanted)) {
        fail_msg("%s differs", path);
    }
}

/* Of an account, the numbers add up: they are right to 1e-4 of its largest part. Elsewhere each stands for
 * itself. */
static double largest_part(const json_t *golden) {
    double largest = 0;
    size_t i;
    json_t *part;
    json_array_foreach(json_object_get(golden, "parts"), i, part) {
        largest = fmax(largest, fabs(json_number_value(json_object_get(part, "value"))));
    }
    return largest;
}

static void golden_numbers(void **state) {
    (void)state;
    for (size_t i = 0; i < N_GOLDENS; i++) {
        char path[512];
        snprintf(path, sizeof path, SHARED "/golden/%s.json", goldens[i].name);
        json_t *wanted = support_json(path), *ours = bilens(&goldens[i]);
        compare(goldens[i].name, ours, wanted, largest_part(wanted));
        json_decref(wanted);
        json_decref(ours);
    }
}

/* ---- an atlas's effects ---- */

static json_t *query(const char *token) {
    char command[1024], path[128];
    snprintf(path, sizeof path, "%s/query.json", support_temporary());
    snprintf(command, sizeof command, "%s atlas query %s/effects.db 'token=%s' --format json > %s",
             getenv("BILENS"), support_temporary(), token, path);
    if (system(command) != 0) fail_msg("%s failed", command);
    return support_json(path);
}

static const json_t *vector_of(const json_t *answer, json_int_t index) {
    size_t i;
    const json_t *vector;
    json_array_foreach(json_object_get(answer, "vectors"), i, vector)
        if (json_integer_value(json_object_get(vector, "index")) == index) return vector;
    fail_msg("the atlas has no eigenvector %" JSON_INTEGER_FORMAT, index);
    return NULL;
}

/* A number inside of objects, as "own.mean"; NaN for null. */
static double number_at(const json_t *of, const char *path) {
    char key[32];
    const char *rest = strchr(path, '.');
    snprintf(key, sizeof key, "%.*s", (int)(rest ? rest - path : (long)strlen(path)), path);
    const json_t *value = json_object_get(of, key);
    if (!value) fail_msg("%s is missing", path);
    if (rest) return number_at(value, rest + 1);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* One number of every row, within 1e-4 of the largest of its kind. */
static void compare_column(const json_t *rows, json_t *const *answers, const char *path) {
    double largest = 0;
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) largest = fmax(largest, fabs(number_at(row, path)));
    json_array_foreach(rows, i, row) {
        const json_t *vector = vector_of(answers[i], json_integer_value(json_object_get(row, "index")));
        bool of_effect = strcmp(path, "eigenvalue") != 0;
        double wanted = number_at(row, path),
               value = number_at(of_effect ? json_object_get(vector, "effect") : vector, path);
        if (isnan(wanted)) assert_true(isnan(value));
        else assert_near(value, wanted, 1e-4, largest);
    }
}

/* The tokens of a golden in an atlas of their own, all 64 stories. */
static void check_effects(const char *model) {
    static const char *const paths[] = {"eigenvalue", "own.positions", "own.mean",
                                        "own.error",  "total",         "others.positions",
                                        "share",      "others.mean",   "ends"};
    char path[512], command[1024];
    const char *folder = support_temporary();
    snprintf(path, sizeof path, SHARED "/golden/%s.effects.json", model);
    json_t *golden = support_json(path), *rows = json_object_get(golden, "rows");
    size_t n = json_array_size(rows);
    json_t **answers = calloc(n, sizeof(json_t *));
    assert_true(n > 0 && answers);
    snprintf(command, sizeof command,
             "printf 'she\\nthe\\nhappy\\nswim\\npond\\n' > %s/tokens && %s atlas " SHARED "/models/%s" CORPUS
             " --tokens %s/tokens --overwrite -o %s/effects.db --quiet > %s/out",
             folder, getenv("BILENS"), model, folder, folder, folder);
    if (system(command) != 0) fail_msg("%s failed", command);
    for (size_t i = 0; i < n; i++)
        answers[i] = query(json_string_value(json_object_get(json_array_get(rows, i), "token")));
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) compare_column(rows, answers, paths[i]);
    for (size_t i = 0; i < n; i++) json_decref(answers[i]);
    free(answers);
    json_decref(golden);
}

static void golden_effects(void **state) {
    (void)state;
    check_effects("tiny-plain");
    check_effects("tiny-norm");
    check_effects("ts-1-256");
}

int main(void) {
    if (!support_have_shared()) return 77;
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_numbers), cmocka_unit_test(golden_effects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
