/* A report's folder: complete, the same bytes every time, and never half of one report and half of another.
 */
#include "report_support.h"
#include <dirent.h>
#include <locale.h>
#include <sys/stat.h>

static const char *const files[] = {
    "report.json",          "index.html",          "figures/spectrum.svg",      "figures/spectrum.png",
    "figures/spectrum.pdf", "tables/spectrum.csv", "tables/virtual-tokens.csv", "tables/top-inputs.csv",
    "tables/tensors.csv"};
enum { N_FILES = sizeof files / sizeof *files };

static const char *place(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", support_temporary(), name);
    return path;
}

static char *content(const char *folder, const char *file, size_t *size) {
    char path[400];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    char *text = bl_file_read(path, 1 << 24, size, &err);
    if (!text) fail_msg("%s", err.message);
    return text;
}

static void render(const char *json, const char *folder) {
    bl_error err = {0};
    if (!bl_report_render(tree_of(json), NULL, NULL, folder, &err)) fail_msg("%s", err.message);
}

/* Names in a folder, hidden ones too. */
static size_t count_entries(const char *folder) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return n;
}

static void assert_same(const char *a, const char *b) {
    for (size_t i = 0; i < N_FILES; i++) {
        size_t na, nb;
        char *x = content(a, files[i], &na), *y = content(b, files[i], &nb);
        if (na != nb || memcmp(x, y, na) != 0) fail_msg("%s differs", files[i]);
        free(x);
        free(y);
    }
}

static void test_complete_and_repeatable(void **state) {
    (void)state;
    char a[256], b[256], *json = report_text();
    snprintf(a, sizeof a, "%s", place("made/for/me")); /* parents are made */
    snprintf(b, sizeof b, "%s", place("other/"));
    render(json, a);
    assert_int_equal(count_entries(a), 4); /* report.json, index.html, figures, tables */
    size_t size;
    char *kept = content(a, "report.json", &size);
    render(kept, b); /* from its own report.json */
    assert_same(a, b);
    render(kept, a); /* over itself */
    assert_same(a, b);
    assert_int_equal(count_entries(a), 4); /* and no staging left */
    free(kept);
    free(json);
}

static void test_locale(void **state) {
    (void)state;
    char a[256], b[256], *json = report_text();
    snprintf(a, sizeof a, "%s", place("point"));
    snprintf(b, sizeof b, "%s", place("comma"));
    render(json, a);
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8", "de_DE"};
    bool set = false;
    for (size_t i = 0; !set && i < 4; i++) set = setlocale(LC_NUMERIC, locales[i]) != NULL;
    render(json, b);
    assert_same(a, b);
    assert_string_equal(localeconv()->decimal_point, set ? "," : "."); /* given back as it was */
    setlocale(LC_NUMERIC, "C");
    free(json);
}

static void test_failures_leave_the_old(void **state) {
    (void)state;
    char a[256], other[512], path[400], *json = report_text();
    snprintf(a, sizeof a, "%s", place("old"));
    render(json, a);
    size_t size;
    char *before = content(a, "index.html", &size);
    bl_error err = {0};
    assert_false(
        bl_report_render(tree_of("{\"format\":\"bilens report 1\"}"), NULL, NULL, a, &err)); /* damaged */
    assert_error(err, BL_ERR_INPUT, "version");
    snprintf(path, sizeof path, "%s/tables/spectrum.csv",
             a); /* a folder where a file goes: found before anything moves */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    char *changed = strdup(json), *model = strstr(changed, "small & odd");
    memcpy(model, "SMALL & ODD", 11);
    assert_false(bl_report_render(tree_of(changed), NULL, NULL, a, &err));
    assert_error(err, BL_ERR_INPUT, "spectrum.csv");
    char *after = content(a, "index.html", &size);
    assert_string_equal(before, after);
    assert_int_equal(count_entries(a), 4);
    snprintf(other, sizeof other, "%s/index.html", a); /* the folder is a file */
    assert_false(bl_report_render(tree_of(json), NULL, NULL, other, &err));
    assert_error(err, BL_ERR_INPUT, "is a file");
    assert_false(bl_report_render(tree_of(json), NULL, NULL, "", &err));
    assert_error(err, BL_ERR_USAGE, "no name");
    assert_false(bl_report_render(tree_of(json), NULL, NULL, "/proc/no/such", &err));
    assert_int_equal(err.code, BL_ERR_INPUT);
    free(before);
    free(after);
    free(changed);
    free(json);
}

/* A new model's report over an old one: all files are of the new, arrays too. */
static void test_arrays(void **state) {
    (void)state;
    char a[256], path[400], *json = report_text();
    bl_model *model = support_model("bias");
    bl_direction direction = {.token = "#5"};
    size_t n = bl_interaction_size(model);
    float *u = malloc(sizeof *u * bl_model_config(model)->d_model), *data = NULL;
    bl_error err = {0};
    bl_named_array array;
    assert_non_null(u);
    assert_true(bl_direction_vector(&direction, support_basis(model), u, &err));
    bl_eigen *eigen = bl_eigen_new(model, 0, u, 0, &err);
    assert_non_null(eigen);
    snprintf(a, sizeof a, "%s", place("arrays"));
    if (!bl_report_render(tree_of(json), eigen, NULL, a, &err)) fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/eigenvalues.npy", a);
    assert_true(bl_npy_read(path, &array, &data, &err));
    assert_int_equal(array.n_dims, 1);
    assert_int_equal(array.shape[0], n);
    assert_memory_equal(data, bl_eigen_values(eigen), n * sizeof *data);
    bl_free(data);
    snprintf(path, sizeof path, "%s/eigenvectors.npy", a);
    assert_true(bl_npy_read(path, &array, &data, &err));
    assert_int_equal(array.n_dims, 2);
    assert_int_equal(array.shape[0], n);
    assert_int_equal(array.shape[1], n);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(data + i * n, bl_eigen_vector(eigen, (long)i), n * sizeof *data);
    bl_free(data);
    render(json, a); /* rendered again without a model: the arrays are left as they are */
    assert_int_equal(count_entries(a), 6);
    bl_eigen_free(eigen);
    bl_eigen *few = bl_eigen_new(model, 0, u, 2, &err); /* two pairs at each end */
    assert_true(bl_report_render(tree_of(json), few, NULL, a, &err));
    assert_true(bl_npy_read(path, &array, &data, &err));
    assert_int_equal(array.shape[0], 4);
    assert_memory_equal(data + 3 * n, bl_eigen_vector(few, -1), n * sizeof *data);
    bl_free(data);
    bl_eigen_free(few);
    bl_model_free(model);
    free(u);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_complete_and_repeatable),
                                       cmocka_unit_test(test_locale),
                                       cmocka_unit_test(test_failures_leave_the_old),
                                       cmocka_unit_test(test_arrays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
