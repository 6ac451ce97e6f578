/* The JSON contract (docs/specification.md, 23): every verb's --format json parses, is alone on stdout, and
 * has the keys; the other formats agree with it. */
#include "support.h"
#include <sys/wait.h>

#define MODEL TEST_DATA "/models/plain"
#define CORPUS TEST_DATA "/models/stories.txt"

static char output[256];

static int run(const char *arguments) {
    char command[2048];
    snprintf(output, sizeof output, "%s/stdout", support_temporary());
    snprintf(command, sizeof command, "cd %s && %s %s > stdout 2> stderr < /dev/null", support_temporary(),
             getenv("BILENS"), arguments);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static json_t *run_json(const char *arguments) {
    char full[2000];
    snprintf(full, sizeof full, "%s --format json", arguments);
    int status = run(full);
    if (status != 0) fail_msg("bilens %s: exit status %d", full, status);
    return support_json(output);
}

static char *run_text(const char *arguments) {
    int status = run(arguments);
    if (status != 0) fail_msg("bilens %s: exit status %d", arguments, status);
    FILE *file = fopen(output, "rb");
    char *text = calloc(1, 1 << 20);
    size_t n = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

/* "key" or "key:kind" with kind i(nteger) n(umber) s(tring) a(rray) o(bject), separated by blanks. */
static void has_keys(const json_t *json, const char *keys) {
    char copy[512], *rest = copy, *word;
    snprintf(copy, sizeof copy, "%s", keys);
    while ((word = strsep(&rest, " "))) {
        char *kind = strchr(word, ':');
        if (kind) *kind++ = '\0';
        const json_t *value = json_object_get(json, word);
        if (!value) fail_msg("key '%s' is missing", word);
        bool ok = !kind || (*kind == 'i' && json_is_integer(value)) ||
                  (*kind == 'n' && json_is_number(value)) || (*kind == 's' && json_is_string(value)) ||
                  (*kind == 'a' && json_is_array(value)) || (*kind == 'o' && json_is_object(value));
        if (!ok) fail_msg("key '%s' is not of kind %s", word, kind);
    }
}

static void test_info(void **state) {
    (void)state;
    json_t *json = run_json("info " MODEL);
    has_keys(json, "model:s generation:s config:o parameters:i tensors:a");
    assert_string_equal(json_string_value(json_object_get(json, "generation")), "2024-05");
    assert_int_equal(json_integer_value(json_object_get(json, "parameters")),
                     2 * 104 * 16 + 48 * 16 + 16 * 16 + 48 * 16 + 16 * 24);
    assert_int_equal(json_array_size(json_object_get(json, "tensors")), 6);
    has_keys(json_array_get(json_object_get(json, "tensors"), 0), "name:s shape:a dtype:s");
    json_decref(json);
    json = run_json("info " TEST_DATA "/models/june");
    assert_string_equal(json_string_value(json_object_get(json, "generation")), "2024-06");
    json_decref(json);
    json = run_json("info " TEST_DATA "/models/later");
    assert_string_equal(json_string_value(json_object_get(json, "generation")), "later");
    json_decref(json);
}

static void test_eigen(void **state) {
    (void)state;
    json_t *json = run_json("eigen " MODEL " --token swim --minus run,climb --eigs -1,0,5"), *vector, *source;
    has_keys(json, "model:s layer:i token:s minus:a d_model:i eigenvalues:a vectors:a");
    const json_t *values = json_object_get(json, "eigenvalues"), *vectors = json_object_get(json, "vectors");
    assert_int_equal(json_array_size(values), 16);
    assert_int_equal(json_array_size(vectors), 3);
    const int asked[] = {-1, 0, 5}, at[] = {15, 0, 5};
    for (size_t i = 0; i < 3; i++) {
        vector = json_array_get(vectors, i);
        has_keys(vector, "index:i eigenvalue:n sources:o");
        assert_int_equal(json_integer_value(json_object_get(vector, "index")),
                         asked[i]); /* echoed as it was asked for */
        assert_true(json_number_value(json_object_get(vector, "eigenvalue")) ==
                    json_number_value(json_array_get(values, (size_t)at[i])));
        const char *name;
        size_t sources = 0;
        json_object_foreach(json_object_get(vector, "sources"), name, source) {
            has_keys(source, "top:a bottom:a");
            const json_t *top = json_object_get(source, "top"), *bottom = json_object_get(source, "bottom");
            assert_int_equal(json_array_size(top), 10);
            assert_int_equal(json_array_size(bottom), 10);
            for (size_t r = 1; r < 10; r++) {
                assert_true(json_number_value(json_array_get(json_array_get(top, r - 1), 1)) >=
                            json_number_value(json_array_get(json_array_get(top, r), 1)));
                assert_true(json_number_value(json_array_get(json_array_get(bottom, r - 1), 1)) <=
                            json_number_value(json_array_get(json_array_get(bottom, r), 1)));
            }
            sources++;
        }
        assert_int_equal(sources, 3);
        assert_non_null(json_object_get(json_object_get(vector, "sources"), "direct"));
        assert_non_null(json_object_get(json_object_get(vector, "sources"), "head 1"));
    }
    json_decref(json);
    json = run_json("eigen " TEST_DATA
                    "/models/bias --token swim"); /* [x; 1]: the constant is one more virtual token */
    assert_int_equal(json_array_size(json_object_get(json, "eigenvalues")), 17);
    vector = json_array_get(json_object_get(json, "vectors"), 0);
    has_keys(json_object_get(json_object_get(vector, "sources"), "bias"), "value:n");
    json_decref(json);
}

static void test_scan(void **state) {
    (void)state;
    json_t *json = run_json("scan " MODEL " --corpus " CORPUS " --token swim --eigs -1,0 --top 3"), *vector,
           *match;
    size_t i, j;
    has_keys(json, "model:s layer:i token:s minus:a stories:i positions:i vectors:a");
    assert_int_equal(json_integer_value(json_object_get(json, "stories")), 12);
    json_array_foreach(json_object_get(json, "vectors"), i, vector) {
        has_keys(vector, "index:i eigenvalue:n matches:a");
        assert_int_equal(json_array_size(json_object_get(vector, "matches")), 3);
        json_array_foreach(json_object_get(vector, "matches"), j, match) {
            has_keys(match,
                     "story:i position:i token:s activation:n similarity:n contributions:a tokens:a next:a");
            size_t n = (size_t)json_integer_value(json_object_get(match, "position")) + 1;
            double similarity = json_number_value(json_object_get(match, "similarity")), sum = 0;
            assert_int_equal(json_array_size(json_object_get(match, "contributions")), n);
            assert_int_equal(json_array_size(json_object_get(match, "tokens")), n);
            assert_true(json_array_size(json_object_get(match, "next")) <= 3);
            assert_string_equal(json_string_value(json_array_get(json_object_get(match, "tokens"), n - 1)),
                                json_string_value(json_object_get(match, "token")));
            for (size_t p = 0; p < n; p++)
                sum += json_number_value(json_array_get(json_object_get(match, "contributions"), p));
            assert_near(sum, fabs(similarity), 1e-4, fabs(similarity) + 1);
            assert_near(json_number_value(json_object_get(match, "activation")),
                        json_number_value(json_object_get(vector, "eigenvalue")) * similarity * similarity,
                        1e-5, fabs(similarity * similarity) + 0.01);
        }
    }
    json_decref(json);
}

static void test_small_verbs(void **state) {
    (void)state;
    json_t *json = run_json("eval " MODEL " --corpus " CORPUS);
    has_keys(json, "model:s loss:n predictions:i");
    json_decref(json);
    json = run_json("tokenize " MODEL " --text 'Tom likes to swim.'");
    has_keys(json, "ids:a tokens:a");
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "tokens"), 0)), "[BOS]");
    assert_string_equal(json_string_value(json_array_get(json_object_get(json, "tokens"), 4)), "swim");
    json_decref(json);
    json = run_json("generate " MODEL " --prompt 'Tom likes' --max-tokens 5");
    has_keys(json, "text:s ids:a stop:s");
    assert_string_equal(json_string_value(json_object_get(json, "stop")), "max-tokens");
    assert_int_equal(json_array_size(json_object_get(json, "ids")), 8);
    assert_true(strncmp(json_string_value(json_object_get(json, "text")), "tom likes", 9) == 0);
    json_decref(json);
    json = run_json("tokenizer train --corpus " CORPUS " --size 60 -o tokenizer.json");
    has_keys(json, "file:s size:i stories:i words:i distinct_words:i alphabet:i characters:i least_count:i");
    assert_int_equal(json_integer_value(json_object_get(json, "size")), 60);
    json_decref(json);
    json = run_json("trace " MODEL " --text 'Tom likes to swim.' --points mlp_in,pattern.0 -o t.safetensors");
    has_keys(json, "file:s points:a");
    has_keys(json_array_get(json_object_get(json, "points"), 0), "name:s shape:a");
    assert_string_equal(json_string_value(
                            json_object_get(json_array_get(json_object_get(json, "points"), 1), "name")),
                        "pattern.0");
    assert_null(json_object_get(json_array_get(json_object_get(json, "points"), 0), "values"));
    json_decref(json);
    json = run_json("trace " MODEL " --text 'Tom likes to swim.' --points pattern.0");
    assert_null(json_object_get(json, "file"));
    assert_int_equal(json_array_size(
                         json_object_get(json_array_get(json_object_get(json, "points"), 0), "values")),
                     2 * 6 * 6);
    json_decref(json);
    json = run_json("export " MODEL " -o weights.safetensors");
    has_keys(json, "file:s arrays:a");
    assert_int_equal(json_array_size(json_object_get(json, "arrays")), 11);
    json_decref(json);
    json = run_json("describe " MODEL " --tensor ov -k 3");
    has_keys(json, "model:s tensor:s shape:a axes:a top:a bottom:a");
    assert_int_equal(json_array_size(json_array_get(json_object_get(json, "top"), 0)),
                     4); /* head, out, in, value */
    json_decref(json);
}

/* One line a story; --decode reads the lines back. */
static void test_tokenize_lines(void **state) {
    (void)state;
    char *text = run_text("tokenize " MODEL " --corpus " CORPUS " --format json");
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    assert_int_equal(lines, 12);
    free(text);
    text = run_text("tokenize " MODEL " --decode --text '{\"ids\":[1,70,75,4]}'");
    assert_true(strstr(text, "[BOS]") == text);
    free(text);
    text = run_text("tokenize --tokenizer " MODEL "/tokenizer.json --text swim");
    assert_non_null(strstr(text, " swim\n"));
    free(text);
    char command[1024];
    text = run_text("trace " MODEL " --text 'Tom likes' --points mlp_in,pattern.0");
    assert_true(strstr(text, "point") == text && strstr(text, "\npattern.0     1         2  likes"));
    free(text);
    snprintf(command, sizeof command, "echo 'tom likes to swim' | %s tokenize " MODEL " | grep -q ' swim$'",
             getenv("BILENS"));
    assert_int_equal(system(command), 0);
}

/* The arrays that export and trace write are those of the library. */
static void test_arrays(void **state) {
    (void)state;
    char path[300];
    free(run_text("export " MODEL " --tensors w_e -o w_e.npy"));
    bl_named_array array;
    float *data;
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/w_e.npy", support_temporary());
    assert_true(bl_npy_read(path, &array, &data, &err));
    bl_model *model = support_model("plain");
    assert_memory_equal(data, bl_model_w_e(model).data, 104 * 16 * sizeof(float));
    bl_model_free(model);
    bl_free(data);
    free(run_text("trace " MODEL " --text 'Tom likes to swim.' --points logits,q -o folder"));
    snprintf(path, sizeof path, "%s/folder/q.0.npy", support_temporary());
    assert_true(bl_npy_read(path, &array, &data, &err));
    assert_true(array.n_dims == 3 && array.shape[0] == 2 && array.shape[1] == 6 && array.shape[2] == 8);
    bl_free(data);
    free(run_text("describe --npy folder/logits.npy -k 2"));
}

/* A report can be rendered again from its report.json alone, to the same bytes. */
static void test_report(void **state) {
    (void)state;
    json_t *json = run_json("report " MODEL " --corpus " CORPUS " --token swim --minus run,climb -o report");
    has_keys(json, "info:o eigen:o scan:o");
    json_decref(json);
    free(run_text("report --from report/report.json -o again"));
    char command[600];
    snprintf(command, sizeof command,
             "cd %s && cmp report/index.html again/index.html && cmp report/report.json again/report.json && "
             "cmp report/figures/spectrum.svg again/figures/spectrum.svg && "
             "test -s report/figures/spectrum.pdf && test -s report/figures/spectrum.png && test -s "
             "report/eigenvectors.npy && ls report/tables/*.csv > /dev/null && "
             "! grep -qE 'https?://[^ ]*\\.(js|css|woff)' report/index.html",
             support_temporary());
    assert_int_equal(system(command), 0);
    bl_named_array array;
    float *data;
    char path[300];
    snprintf(path, sizeof path, "%s/report/eigenvectors.npy", support_temporary());
    assert_true(bl_npy_read(path, &array, &data, NULL));
    assert_true(array.shape[0] == 16 && array.shape[1] == 16);
    bl_free(data);
}

/* Every verb explains itself with an example. */
static void test_help(void **state) {
    (void)state;
    const char *const verbs[] = {"report", "info",     "eigen", "scan",  "describe",  "trace",
                                 "export", "tokenize", "eval",  "train", "tokenizer", "generate"};
    char *text = run_text("--help");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        char arguments[64], example[64];
        assert_non_null(strstr(text, verbs[i]));
        snprintf(arguments, sizeof arguments, "%s --help", verbs[i]);
        snprintf(example, sizeof example, "\n  bilens %s ", verbs[i]);
        char *help = run_text(arguments);
        assert_non_null(strstr(help, "usage:"));
        assert_non_null(strstr(help, "examples:"));
        assert_non_null(strstr(help, example));
        free(help);
    }
    free(text);
}

int main(void) {
    if (!getenv("BILENS")) {
        fprintf(stderr, "set BILENS to the program\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),           cmocka_unit_test(test_eigen),
        cmocka_unit_test(test_scan),           cmocka_unit_test(test_small_verbs),
        cmocka_unit_test(test_tokenize_lines), cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_report),         cmocka_unit_test(test_help)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
