/* The JSON contract: keys in their order, counts, and what the numbers are, for the committed tiny models. */
#include "report_support.h"
#include "result/document.h"

#define STORIES TEST_DATA "/models/stories.txt"
static const long indices[] = {-1, -2, 0, 1};
enum { N = sizeof indices / sizeof *indices };

/* A model with everything computed for the direction #9 - mean(#10, #11). */
typedef struct fixture {
    bl_model *model;
    bl_direction direction;
    bl_question subject;
    bl_eigen *eigen;
    bl_scan *scan;
} fixture;

static void fixture_load(fixture *f, const char *folder) {
    static const char *const minus[] = {"#10", "#11"}, *const corpus_path = STORIES;
    bl_error err = {0};
    *f = (fixture){.model = bl_model_load(folder, &err),
                   .direction = {.token = "#9", .minus = minus, .n_minus = 2}};
    if (!f->model) fail_msg("%s", err.message);
    f->subject = (bl_question){f->model, &f->direction, 0};
    float *u = malloc(sizeof *u * bl_model_config(f->model)->d_model);
    assert_non_null(u);
    assert_true(bl_direction_vector(&f->direction, support_basis(f->model), u, &err));
    f->eigen = bl_eigen_new(f->model, 0, u, 0, &err);
    if (!f->eigen) fail_msg("%s", err.message);
    bl_corpus *corpus = bl_corpus_open(&corpus_path, 1, &err);
    if (!corpus) fail_msg("%s", err.message);
    f->scan = bl_scan_run(f->model, f->eigen, indices, N, corpus, &(bl_scan_options){.top = 3}, &err);
    if (!f->scan) fail_msg("%s", err.message);
    bl_corpus_free(corpus);
    free(u);
}

static void fixture_new(fixture *f, const char *name) {
    char folder[512];
    snprintf(folder, sizeof folder, TEST_DATA "/models/%s", name);
    fixture_load(f, folder);
}

static void fixture_free(fixture *f) {
    bl_scan_free(f->scan);
    bl_eigen_free(f->eigen);
    bl_model_free(f->model);
}

/* The wanted keys occur in this order (others may stand between). */
static void assert_keys(json_t *object, const char *const *wanted) {
    void *at = json_object_iter(object);
    for (; *wanted; wanted++) {
        while (at && strcmp(json_object_iter_key(at), *wanted) != 0) at = json_object_iter_next(object, at);
        if (!at) fail_msg("key '%s' is missing or out of order", *wanted);
    }
}

static json_t *parsed(bl_tree *tree) {
    json_error_t where;
    char *text = text_of(tree);
    assert_non_null(text);
    size_t n = strlen(text);
    assert_int_equal(text[n - 1], '\n');
    text[n - 1] = '\0';
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!root) fail_msg("%s", where.text);
    assert_null(strchr(text, '\n')); /* compact */
    free(text);
    return root;
}

static void test_info(void **state) {
    (void)state;
    fixture f;
    fixture_new(&f, "plain");
    json_t *root = parsed(bl_info_tree(f.model, NULL));
    assert_keys(root, (const char *const[]){"model", "generation", "config", "parameters", "tensors", NULL});
    assert_keys(json_array_get(json_object_get(root, "tensors"), 0),
                (const char *const[]){"name", "shape", "dtype", NULL});
    assert_int_equal(json_array_size(json_object_get(root, "tensors")), bl_model_n_tensors(f.model));
    assert_int_equal(json_integer_value(json_object_get(root, "parameters")), bl_model_parameters(f.model));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "architecture"), "d_model")),
                     bl_model_config(f.model)->d_model);
    json_decref(root);
    fixture_free(&f);
}

/* Top and bottom of a source against the virtual tokens themselves. */
static void check_source(const fixture *f, json_t *source, const float *values) {
    size_t n_vocab = bl_model_config(f->model)->n_vocab;
    json_t *top = json_object_get(source, "top"), *bottom = json_object_get(source, "bottom");
    assert_int_equal(json_array_size(top), 10);
    assert_int_equal(json_array_size(bottom), 10);
    for (size_t i = 0; i < 10; i++) {
        double high = json_number_value(json_array_get(json_array_get(top, i), 1)),
               low = json_number_value(json_array_get(json_array_get(bottom, i), 1));
        size_t above = 0, below = 0;
        for (size_t t = 0; t < n_vocab; t++) {
            above += values[t] > (float)high;
            below += values[t] < (float)low;
        }
        assert_in_range(above, 0, i);
        assert_in_range(below, 0, i);
        const char *name = json_string_value(json_array_get(json_array_get(top, i), 0));
        int32_t id = bl_tokenizer_id(bl_model_tokenizer(f->model), name);
        assert_true(id >= 0);
        assert_near(values[id], high, 1e-7, fmax(1, fabs(high)));
    }
}

static void check_eigen(const char *name) {
    fixture f;
    fixture_new(&f, name);
    bl_error err = {0};
    const bl_config *config = bl_model_config(f.model);
    json_t *root = parsed(bl_eigen_tree(&f.subject, f.eigen, indices, N, &err)), *vector;
    float *values = malloc(sizeof *values * (1 + config->n_head) * config->n_vocab);
    assert_keys(root, (const char *const[]){"model", "layer", "token", "minus", "d_model", "eigenvalues",
                                            "vectors", NULL});
    assert_string_equal(json_string_value(json_object_get(root, "token")), "#9");
    assert_int_equal(json_array_size(json_object_get(root, "minus")), 2);
    assert_int_equal(json_array_size(json_object_get(root, "eigenvalues")), bl_interaction_size(f.model));
    assert_int_equal(json_array_size(json_object_get(root, "vectors")), N);
    size_t j;
    json_array_foreach(json_object_get(root, "vectors"), j, vector) {
        json_t *sources = json_object_get(vector, "sources");
        assert_keys(vector, (const char *const[]){"index", "eigenvalue", "sources", NULL});
        assert_int_equal(json_integer_value(json_object_get(vector, "index")),
                         indices[j]); /* echoed as asked */
        assert_keys(sources, (const char *const[]){"direct", "head 0", "head 1", NULL});
        bool biased = bl_interaction_size(f.model) > config->d_model;
        assert_int_equal(json_object_size(sources), 1 + config->n_head + biased);
        const float *v = bl_eigen_vector(f.eigen, indices[j]);
        assert_true(bl_virtual_tokens(f.model, 0, v, values, &err));
        check_source(&f, json_object_get(sources, "direct"), values);
        check_source(&f, json_object_get(sources, "head 1"), values + 2 * config->n_vocab);
        json_t *bias = json_object_get(json_object_get(sources, "bias"), "value");
        if (biased) assert_near(json_number_value(bias), v[config->d_model], 1e-8, 1);
        else assert_null(bias);
    }
    char *again = json_dumps(root, JSON_REAL_PRECISION(9));
    bl_doc *doc = read_doc(again, BL_DOC_EIGEN, &err); /* what is written can be read */
    if (!doc) fail_msg("%s", err.message);
    bl_doc_free(doc);
    free(again);
    free(values);
    json_decref(root);
    fixture_free(&f);
}

static void test_eigen(void **state) {
    (void)state;
    check_eigen("plain");
    check_eigen("norm");
    check_eigen("bias");
}

static void check_scan(const char *name) {
    fixture f;
    fixture_new(&f, name);
    bl_error err = {0};
    json_t *root = parsed(bl_scan_tree(&f.subject, f.eigen, f.scan, indices, N, &err)), *hits, *match;
    assert_keys(root, (const char *const[]){"model", "layer", "token", "minus", "stories", "positions",
                                            "vectors", NULL});
    assert_int_equal(json_array_size(json_object_get(root, "vectors")), N);
    size_t j, i;
    json_array_foreach(json_object_get(root, "vectors"), j, hits) {
        double eigenvalue = json_number_value(json_object_get(hits, "eigenvalue"));
        assert_keys(hits, (const char *const[]){"index", "eigenvalue", "matches", NULL});
        assert_int_equal(json_array_size(json_object_get(hits, "matches")), bl_scan_n_matches(f.scan, j));
        json_array_foreach(json_object_get(hits, "matches"), i, match) {
            assert_keys(match, (const char *const[]){"story", "position", "token", "activation", "similarity",
                                                     "contributions", "tokens", "next", NULL});
            size_t position = (size_t)json_integer_value(json_object_get(match, "position"));
            json_t *shares = json_object_get(match, "contributions");
            double similarity = json_number_value(json_object_get(match, "similarity")),
                   sum = json_number_value(json_object_get(match, "bias"));
            assert_int_equal(json_array_size(shares), position + 1);
            assert_int_equal(json_array_size(json_object_get(match, "tokens")), position + 1);
            assert_in_range(json_array_size(json_object_get(match, "next")), 0, 3);
            for (size_t k = 0; k <= position; k++) sum += json_number_value(json_array_get(shares, k));
            assert_near(sum, fabs(similarity), 1e-4, fmax(1, fabs(similarity)));
            assert_near(json_number_value(json_object_get(match, "activation")),
                        eigenvalue * similarity * similarity, 1e-5,
                        fabs(eigenvalue) * similarity * similarity);
        }
    }
    json_decref(root);
    fixture_free(&f);
}

static void test_scan(void **state) {
    (void)state;
    check_scan("plain");
    check_scan("norm");
    check_scan("bias");
}

/* Nine significant digits: each float32 comes back. */
static void test_digits(void **state) {
    (void)state;
    fixture f;
    fixture_new(&f, "plain");
    json_t *root = parsed(bl_eigen_tree(&f.subject, f.eigen, indices, N, NULL)), *value;
    size_t i;
    json_array_foreach(json_object_get(root, "eigenvalues"), i, value)
        assert_true((float)json_number_value(value) == bl_eigen_values(f.eigen)[i]);
    json_decref(root);
    fixture_free(&f);
}

static void test_report(void **state) {
    (void)state;
    fixture f;
    fixture_new(&f, "bias");
    bl_error err = {0};
    static const char *const corpus[] = {"stories.txt", "broken \xFF name"};
    bl_tree *info = bl_info_tree(f.model, &err),
            *eigen = bl_eigen_tree(&f.subject, f.eigen, indices, N, &err);
    bl_tree *scan = bl_scan_tree(&f.subject, f.eigen, f.scan, indices, N, &err);
    char *report = text_of(bl_report_tree(info, eigen, scan, corpus, 2, &err));
    assert_non_null(report);
    json_t *root = json_loads(report, 0, NULL);
    assert_keys(root, (const char *const[]){"format", "version", "info", "eigen", "scan", "corpus", NULL});
    assert_string_equal(json_string_value(json_object_get(root, "version")), bl_version());
    json_decref(root);
    bl_doc *doc = read_doc(report, BL_DOC_REPORT, &err);
    if (!doc) fail_msg("%s", err.message);
    assert_int_equal(doc->eigen->n_vectors, N);
    assert_string_equal(doc->corpus[1], "broken \xEF\xBF\xBD name");
    bl_doc_free(doc);
    assert_null(bl_report_tree(NULL, eigen, scan, corpus, 1, &err));
    free(report);
    bl_tree_free(scan);
    bl_tree_free(eigen);
    bl_tree_free(info);
    fixture_free(&f);
}

static void test_refusals(void **state) {
    (void)state;
    fixture f;
    fixture_new(&f, "plain");
    bl_error err = {0};
    long beyond = (long)bl_eigen_size(f.eigen);
    assert_null(bl_eigen_tree(&f.subject, f.eigen, &beyond, 1, &err));
    assert_error(err, BL_ERR_USAGE, "indices from");
    float *u = calloc(bl_model_config(f.model)->d_model, sizeof *u);
    assert_non_null(u);
    u[0] = 1;
    bl_eigen *few = bl_eigen_new(f.model, 0, u, 1, &err);
    assert_non_null(few);
    long middle = 5;
    assert_null(bl_eigen_tree(&f.subject, few, &middle, 1, &err));
    assert_error(err, BL_ERR_USAGE, "not computed");
    bl_eigen_free(few);
    free(u);
    fixture_free(&f);
}

/* The model "plain" with one hidden unit left: Q has rank 2, and the other eigenvalues are a group. */
static void make_poor_model(const char *folder) {
    char command[400], path[200], *header;
    snprintf(command, sizeof command, "cp -r '" TEST_DATA "/models/plain' '%s'", folder);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    FILE *file = fopen(path, "r+b");
    uint64_t size;
    assert_non_null(file);
    assert_int_equal(fread(&size, sizeof size, 1, file), 1);
    header = calloc(1, size + 1);
    assert_int_equal(fread(header, 1, size, file), size);
    json_t *root = json_loads(header, 0, NULL),
           *tensor = json_object_get(root, "transformer.h.0.mlp.o.weight"); /* P [d, h] */
    json_t *shape = json_object_get(tensor, "shape");
    size_t d = (size_t)json_integer_value(json_array_get(shape, 0)),
           h = (size_t)json_integer_value(json_array_get(shape, 1));
    long at = (long)(8 + size) +
              (long)json_integer_value(json_array_get(json_object_get(tensor, "data_offsets"), 0));
    float *none = calloc(h, sizeof *none);
    assert_true(d > 0 && h > 1);
    for (size_t i = 0; i < d; i++) {
        assert_int_equal(fseek(file, at + (long)((i * h + 1) * sizeof *none), SEEK_SET), 0);
        assert_int_equal(fwrite(none, sizeof *none, h - 1, file), h - 1);
    }
    assert_int_equal(fclose(file), 0);
    free(none);
    free(header);
    json_decref(root);
}

/* Degenerate eigenvalues: eigen's and scan's vectors name their group, and only those that have one. */
static void test_groups(void **state) {
    (void)state;
    char folder[128];
    fixture f;
    snprintf(folder, sizeof folder, "%s/poor", support_temporary());
    make_poor_model(folder);
    fixture_load(&f, folder);
    static const long asked[] = {-1, 5};
    bl_error err = {0};
    for (int i = 0; i < 2; i++) {
        json_t *root = parsed(i == 0 ? bl_eigen_tree(&f.subject, f.eigen, asked, 2, &err)
                                     : bl_scan_tree(&f.subject, f.eigen, f.scan, asked, 2, &err));
        json_t *vectors = json_object_get(root, "vectors"),
               *group = json_object_get(json_array_get(vectors, 1), "group");
        assert_null(json_object_get(json_array_get(vectors, 0), "group"));
        assert_int_equal(json_array_size(group), 2);
        assert_int_equal(json_integer_value(json_array_get(group, 0)), 1);
        assert_int_equal(json_integer_value(json_array_get(group, 1)), bl_eigen_size(f.eigen) - 2);
        json_decref(root);
    }
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_info),    cmocka_unit_test(test_eigen),
                                       cmocka_unit_test(test_scan),    cmocka_unit_test(test_digits),
                                       cmocka_unit_test(test_report),  cmocka_unit_test(test_groups),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
