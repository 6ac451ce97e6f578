/* A damaged report.json: every case is refused with BL_ERR_INPUT and a message that names the key, by every
 * function that renders. */
#include "report_support.h"
#include "result/document.h"

/* One damage: at `path` (keys and indices separated by '/') put `value` (JSON), or remove it when NULL. The
 * message must name `where`. */
typedef struct damage {
    const char *path, *value, *where;
} damage;

static const damage damages[] = {
    {"format", NULL, "format: missing"},
    {"format", "\"other 1\"", "format"},
    {"format", "7", "format: a string is expected, a whole number was found"},
    {"version", NULL, "version"},
    {"info", NULL, "info: missing"},
    {"info", "[]", "info: an object is expected, an array was found"},
    {"info/model", "null", "info.model: a string is expected, null was found"},
    {"info/generation", NULL, "info.generation"},
    {"info/config", "3", "info.config"},
    {"info/parameters", "-1", "info.parameters: -1"},
    {"info/parameters", "1.5", "info.parameters"},
    {"info/tensors", "{}", "info.tensors"},
    {"info/tensors/0", "[]", "info.tensors[0]"},
    {"info/tensors/0/name", NULL, "info.tensors[0].name"},
    {"info/tensors/1/shape", "[1,2,3,4,5,6,7,8,9]", "info.tensors[1].shape: 9 elements, at most 8"},
    {"info/tensors/1/shape", "[-4]", "info.tensors[1]: shape[0]"},
    {"info/tensors/1/shape", "[0.5]", "info.tensors[1]: shape[0]"},
    {"info/tensors/1/shape", "[1e30]", "shape[0]"},
    {"info/architecture", "false", "info.architecture"},
    {"eigen", "\"none\"", "eigen"},
    {"eigen/d_model", NULL, "eigen.d_model: missing"},
    {"eigen/d_model", "12", "eigenvalues: 25 of them, but d_model is 12"},
    {"eigen/d_model", "0", "eigen.d_model: 0"},
    {"eigen/d_model", "99999999999", "eigen.d_model"},
    {"eigen/size", "24", "size: 24"},
    {"eigen/layer", "-1", "eigen.layer"},
    {"eigen/token", "[1]", "eigen.token"},
    {"eigen/token", "null", "eigen.direction: missing"},
    {"scan/token", "null", "scan.direction: missing"},
    {"eigen/minus", "\"run\"", "eigen.minus"},
    {"eigen/minus/1", "2", "eigen.minus[1]"},
    {"eigen/centred", "1", "eigen: centred"},
    {"eigen/effective_rank", "\"many\"", "eigen.effective_rank"},
    {"eigen/eigenvalues", NULL, "eigen.eigenvalues: missing"},
    {"eigen/eigenvalues", "[]", "eigenvalues: 0 of them"},
    {"eigen/eigenvalues/3", "\"x\"", "eigen.eigenvalues[3]: a number is expected, a string was found"},
    {"eigen/eigenvalues/3", "1e300", "eigen.eigenvalues[3]: 1e+300"},
    {"eigen/eigenvalues/3", "-9", "eigenvalues[3]: smaller than the one before it"},
    {"eigen/groups", "[[3,3]]", "groups[0]"},
    {"eigen/groups", "[[3,25]]", "groups[0]"},
    {"eigen/groups", "[[3,5],[5,7]]", "groups[1]"},
    {"eigen/groups", "[7]", "groups[0]"},
    {"eigen/vectors", "7", "eigen.vectors"},
    {"eigen/vectors/1", "7", "eigen.vectors[1]"},
    {"eigen/vectors/1/index", "25", "eigen.vectors[1].index: 25, a whole number from -25 to 24"},
    {"eigen/vectors/1/index", "-26", "eigen.vectors[1].index"},
    {"eigen/vectors/1/index", "0.5", "eigen.vectors[1].index"},
    {"eigen/vectors/1/position", "3", "eigen.vectors[1]: position: 3"},
    {"eigen/vectors/1/eigenvalue", "0.5", "eigen.vectors[1]: eigenvalue: 0.5"},
    {"eigen/vectors/1/sources", NULL, "eigen.vectors[1].sources: missing"},
    {"eigen/vectors/1/sources/direct", "[]", "eigen.vectors[1].sources.direct"},
    {"eigen/vectors/1/sources/head 0/top", NULL, "eigen.vectors[1].sources.head 0.top: missing"},
    {"eigen/vectors/1/sources/head 0/bottom/2", "[\"a\"]", "eigen.vectors[1].sources.head 0.bottom[2]"},
    {"eigen/vectors/1/sources/head 0/bottom/2", "[\"a\",\"b\"]", "bottom[2]"},
    {"eigen/vectors/1/sources/head 0/bottom/2", "[1,1]", "bottom[2]"},
    {"eigen/vectors/1/sources/head 0/bottom/2", "[\"a\",1e200]", "bottom[2]"},
    {"eigen/vectors/1/sources/bias/value", "{}", "eigen.vectors[1].sources.bias.value"},
    {"scan", NULL, "scan: missing"},
    {"scan/token", "\"run\"", "scan: token and layer differ"},
    {"scan/layer", "0", "scan: token and layer differ"},
    {"scan/stories", "-3", "scan.stories"},
    {"scan/positions", "null", "scan.positions"},
    {"scan/vectors/0/index", "7", "vectors[0].index: 7 is not among eigen.vectors"},
    {"scan/vectors/0/eigenvalue", "-1", "scan: vectors[0].eigenvalue"},
    {"scan/vectors/2/group", "[3]", "scan.vectors[2]: group"},
    {"scan/vectors/2/group", "[16,15]", "scan.vectors[2]: group"},
    {"scan/vectors/2/group", "[-1,15]", "scan.vectors[2]: group"},
    {"scan/vectors/0/matches", "{}", "scan.vectors[0].matches"},
    {"scan/vectors/0/matches/1/story", "6",
     "scan.vectors[0].matches[1].story: 6, a whole number from 0 to 5"},
    {"scan/vectors/0/matches/1/position", "4", "contributions: 4 of them, position + 1 = 5"},
    {"scan/vectors/0/matches/1/position", "-1", "scan.vectors[0].matches[1].position"},
    {"scan/vectors/0/matches/1/position", "18446744073709551615", "line 1"}, /* jansson: too big */
    {"scan/vectors/0/matches/1/contributions", "[1,2,3]", "contributions: 3 of them"},
    {"scan/vectors/0/matches/1/contributions/2", "null", "contributions[2]"},
    {"scan/vectors/0/matches/1/tokens", "[\"a\"]", "tokens: 1 of them"},
    {"scan/vectors/0/matches/1/tokens/0", "1", "tokens[0]"},
    {"scan/vectors/0/matches/1/token", "\"else\"", "token: not the last one"},
    {"scan/vectors/0/matches/1/next", "[\"a\",\"b\",\"c\",\"d\"]", "next: 4 elements, at most 3"},
    {"scan/vectors/0/matches/1/activation", NULL, "activation: missing"},
    {"scan/vectors/0/matches/1/similarity", "true",
     "similarity: a number is expected, true or false was found"},
    {"scan/vectors/0/matches/1/bias", "[]", "bias"},
    {"corpus", NULL, "corpus: missing"},
    {"corpus/0", "0", "corpus[0]"},
};

/* The fixture with one damage, as text. */
static char *damaged(const damage *how) {
    json_t *root = support_json(REPORT_FILE), *at = root;
    char path[200], marked[] = "\"DAMAGE\"";
    snprintf(path, sizeof path, "%s", how->path);
    char *step = path;
    for (char *slash; (slash = strchr(step, '/')) != NULL; step = slash + 1) {
        *slash = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10)) : json_object_get(at, step);
        if (!at) fail_msg("%s: no such place in the fixture", how->path);
    }
    size_t i = strtoul(step, NULL, 10);
    if (!how->value)
        assert_int_equal(json_is_array(at) ? json_array_remove(at, i) : json_object_del(at, step), 0);
    else
        assert_int_equal(json_is_array(at) ? json_array_set_new(at, i, json_string("DAMAGE"))
                                           : json_object_set_new(at, step, json_string("DAMAGE")),
                         0);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)), *out;
    json_decref(root);
    assert_non_null(text);
    if (!how->value) return text;
    char *place = strstr(text, marked);
    assert_non_null(place);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(place - text), text, how->value, place + strlen(marked)) >
                0);
    free(text);
    return out;
}

static void test_damages(void **state) {
    (void)state;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/damaged", support_temporary());
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        bl_error err = {0}, again = {0};
        char *text = damaged(&damages[i]);
        assert_null(read_doc(text, BL_DOC_REPORT, &err));
        if (err.code != BL_ERR_INPUT || !strstr(err.message, damages[i].where))
            fail_msg("%s = %s: code %s, message '%s' does not name '%s'", damages[i].path,
                     damages[i].value ? damages[i].value : "(removed)", bl_code_name(err.code), err.message,
                     damages[i].where);
        bl_tree *tree = tree_of(text);
        if (tree) { /* else it is not even JSON */
            assert_false(bl_report_render(tree, NULL, NULL, folder, &again));
            assert_string_equal(again.message, err.message);
            assert_int_not_equal(access(folder, F_OK), 0);
            assert_null(bl_report_table(tree, NULL, NULL));
        }
        free(text);
    }
}

static void test_no_json(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "{\"format\":NaN}",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"format\":\"\\ud800\"}",
                                        "{\"x\":\"\xFF\"}",
                                        "{\"x\":1e999}",
                                        "{} {}",
                                        "{\"format\":\"bilens report 1\"}",
                                        "\"text\"",
                                        "{\"format\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int kind = BL_DOC_INFO; kind <= BL_DOC_REPORT; kind++) {
            bl_error err = {0};
            if (read_doc(texts[i], (bl_doc_kind)kind, &err)) fail_msg("'%s' was read", texts[i]);
            assert_int_equal(err.code, BL_ERR_INPUT);
        }
    size_t deep = 100000;
    char *text = malloc(deep + 1);
    assert_non_null(text);
    memset(text, '[', deep);
    text[deep] = '\0';
    bl_error err = {0};
    assert_null(read_doc(text, BL_DOC_REPORT, &err));
    assert_int_equal(err.code, BL_ERR_INPUT);
    free(text);
}

/* A hostile key in a message cannot move the cursor. */
static void test_message_is_harmless(void **state) {
    (void)state;
    bl_error err = {0};
    damage how = {"eigen/vectors/0/sources", "{\"\\u001b[2J\\u0007\":7}", "sources."};
    char *text = damaged(&how);
    assert_null(read_doc(text, BL_DOC_REPORT, &err));
    for (const char *c = err.message; *c; c++) assert_true((unsigned char)*c >= 0x20);
    free(text);
}

/* Cut at every length, the report is refused and nothing is read beyond its end (sanitizers look). */
static void test_cut(void **state) {
    (void)state;
    char *text = report_text();
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] != '}') n--;
    for (size_t cut = n - 1; cut > 0; cut -= cut > 97 ? 97 : cut) {
        bl_error err = {0};
        text[cut] = '\0';
        assert_null(read_doc(text, BL_DOC_REPORT, &err));
        assert_int_equal(err.code, BL_ERR_INPUT);
    }
    free(text);
}

/* Keys that older programs did not write are found again. */
static void test_without_extras(void **state) {
    (void)state;
    static const char *const keys[] = {"size", "effective_rank", "constant", "groups", "centred"};
    json_t *root = support_json(REPORT_FILE), *eigen = json_object_get(root, "eigen"),
           *vectors = json_object_get(eigen, "vectors"), *vector;
    size_t i;
    for (i = 0; i < sizeof keys / sizeof *keys; i++) assert_int_equal(json_object_del(eigen, keys[i]), 0);
    json_array_foreach(vectors, i, vector) json_object_del(vector, "position");
    char *with = report_text(), *without = json_dumps(root, JSON_REAL_PRECISION(9));
    bl_doc *a = read_doc(with, BL_DOC_REPORT, NULL), *b = read_doc(without, BL_DOC_REPORT, NULL);
    assert_non_null(a);
    assert_non_null(b);
    assert_int_equal(a->eigen->n_runs, 1);
    assert_int_equal(b->eigen->n_runs, 1);
    assert_int_equal(a->eigen->runs[0].first, b->eigen->runs[0].first);
    assert_int_equal(a->eigen->runs[0].last, b->eigen->runs[0].last);
    assert_near(a->eigen->effective_rank, b->eigen->effective_rank, 1e-6, 1);
    for (i = 0; i < a->eigen->n_vectors; i++) {
        assert_int_equal(a->eigen->vectors[i].position, b->eigen->vectors[i].position);
        assert_int_equal(a->eigen->vectors[i].last, b->eigen->vectors[i].last);
    }
    assert_true(a->eigen->vectors[2].last >
                a->eigen->vectors[2].first); /* the fixture's third is degenerate */
    bl_doc_free(b);
    bl_doc_free(a);
    free(with);
    free(without);
    json_decref(root);
}

/* An eigenvector whose inputs are at its negative end is drawn with the other sign: tables, words and numbers agree.
 * CSV keeps the JSON's signs. */
static void test_orientation(void **state) {
    (void)state;
    json_t *root = support_json(REPORT_FILE), *scan = json_object_get(root, "scan");
    json_t *matches = json_object_get(json_array_get(json_object_get(scan, "vectors"), 0), "matches");
    json_t *strong = json_array_get(matches, 0);
    double similarity = json_number_value(json_object_get(strong, "similarity"));
    json_object_set_new(strong, "similarity", json_real(-similarity)); /* 4.18 of 4.62 of the activation */
    char *text = json_dumps(root, JSON_REAL_PRECISION(9)), *plain = report_text();
    bl_doc *turned = read_doc(text, BL_DOC_REPORT, NULL), *before = read_doc(plain, BL_DOC_REPORT, NULL);
    assert_true(turned && before);
    const bl_doc_hits *hits = &turned->scan->vectors[0];
    const bl_doc_source *now = &turned->eigen->vectors[0].sources[0],
                        *then = &before->eigen->vectors[0].sources[0];
    assert_int_equal(hits->orientation, -1);
    assert_near(hits->share, 4.176818 / (4.176818 + 0.443682), 1e-9, 1);
    for (size_t i = 0; i < 2; i++) { /* the sum of the shares is the similarity that is shown */
        double sum = hits->matches[i].bias;
        for (size_t k = 0; k <= hits->matches[i].position; k++) sum += hits->matches[i].contributions[k];
        assert_near(sum, hits->matches[i].similarity, 1e-5, 1);
    }
    assert_true(hits->matches[0].similarity > 0 && hits->matches[1].similarity < 0);
    assert_int_equal(now->n_top, then->n_bottom);
    assert_string_equal(now->top[0].token, then->bottom[0].token);
    assert_near(now->top[0].value, -then->bottom[0].value, 0, 1);
    assert_int_equal(turned->scan->vectors[1].orientation, 1);
    assert_true(turned->eigen->vectors[0].oriented);
    bl_table *rows = bl_rows_of_virtual_tokens(turned->eigen, NULL),
             *same = bl_rows_of_virtual_tokens(before->eigen, NULL);
    char *a = bl_table_csv(rows, 0, NULL), *b = bl_table_csv(same, 0, NULL);
    assert_string_equal(a, b);
    bl_free(a);
    bl_free(b);
    bl_table_free(rows);
    bl_table_free(same);
    bl_doc_free(before);
    bl_doc_free(turned);
    free(text);
    free(plain);
    json_decref(root);
}

static void test_short_names(void **state) {
    (void)state;
    assert_string_equal(bl_doc_short_name("/home/me/models/ts"), "ts");
    assert_string_equal(bl_doc_short_name("tdooms/TinyStories-1-1024-i5n"), "tdooms/TinyStories-1-1024-i5n");
    assert_string_equal(bl_doc_short_name("../ts"), "ts");
    assert_string_equal(bl_doc_short_name("ts"), "ts");
    assert_string_equal(bl_doc_short_name("/"), "/");
    assert_string_equal(bl_doc_short_name("/ts/"), "/ts/");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damages),
                                       cmocka_unit_test(test_no_json),
                                       cmocka_unit_test(test_message_is_harmless),
                                       cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_without_extras),
                                       cmocka_unit_test(test_orientation),
                                       cmocka_unit_test(test_short_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
