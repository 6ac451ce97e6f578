/* The static site: what its files hold against the atlas, text that would break out of a script, the folder
 * as a whole or not at all.
 * ctest: begins early 20 */
#include "support.h"
#include "base/file.h"
#include <sys/stat.h>
#include <zlib.h>

static const char *const stories = TEST_DATA "/models/stories.txt";

/* A model like "plain" whose vocabulary wants to be HTML. */
static const char *const nasty = "</script><script>alert(1)</script>";

static bl_model *nasty_model(void) {
    static const char *const names[] = {"config.json", "model.safetensors", "tokenizer.json"};
    char folder[200], path[400];
    bl_error err = {0};
    snprintf(folder, sizeof folder, "%s/nasty", support_temporary());
    mkdir(folder, 0777);
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        snprintf(path, sizeof path, TEST_DATA "/models/plain/%s", names[i]);
        char *data = bl_file_read(path, 1 << 24, &n, &err);
        assert_non_null(data);
        char *cake = i == 2 ? strstr(data, "\"cake\"") : NULL;
        if (i == 2) assert_non_null(cake);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        if (cake) fprintf(file, "%.*s\"%s\"%s", (int)(cake - data), data, nasty, cake + 6);
        else fwrite(data, 1, n, file);
        fclose(file);
        bl_free(data);
    }
    bl_model *model = bl_model_load(folder, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

static const char *make_atlas(const bl_model *model, const char *name) {
    static char path[300];
    bl_error err = {0};
    bl_atlas_options options = {.top = 3, .layer = bl_model_config(model)->n_layer - 1};
    snprintf(path, sizeof path, "%s/%s.db", support_temporary(), name);
    unlink(path);
    bl_corpus *corpus = bl_corpus_open(&stories, 1, &err);
    if (!bl_atlas_run(model, corpus, path, &options, NULL, &err)) fail_msg("%s", err.message);
    bl_corpus_free(corpus);
    return path;
}

static char *read_text(const char *folder, const char *name, size_t *n) {
    char path[500];
    bl_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *text = bl_file_read(path, 1 << 26, n, &err);
    if (!text) fail_msg("%s", err.message);
    return text;
}

static int digit(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : -1;
}

/* The JSON of data/NAME.js: BILENS_DATA("NAME", "base64 of gzip"); */
static json_t *read_data(const char *folder, const char *name) {
    char file[64], head[64];
    size_t n, m = 0, room = 1 << 24;
    snprintf(file, sizeof file, "data/%s.js", name);
    snprintf(head, sizeof head, "BILENS_DATA(\"%s\", \"", name);
    char *text = read_text(folder, file, &n);
    assert_memory_equal(text, head, strlen(head));
    assert_string_equal(text + n - 4, "\");\n");
    unsigned char *packed = malloc(n);
    const char *p = text + strlen(head);
    for (; digit(p[0]) >= 0; p += 4) {
        int a = digit(p[0]), b = digit(p[1]), c = digit(p[2]), d = digit(p[3]);
        packed[m++] = (unsigned char)(a << 2 | b >> 4);
        if (c >= 0) packed[m++] = (unsigned char)(b << 4 | c >> 2);
        if (d >= 0) packed[m++] = (unsigned char)(c << 6 | d);
    }
    assert_int_equal(strspn(p, "="), p[0] == '=' ? (size_t)(text + n - 4 - p) : 0);
    char *json = malloc(room);
    z_stream z = {.next_in = packed, .avail_in = (uInt)m, .next_out = (Bytef *)json, .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    json_error_t where;
    json_t *out = json_loadb(json, room - z.avail_out, 0, &where);
    if (!out) fail_msg("%s: %s", file, where.text);
    inflateEnd(&z);
    free(packed);
    free(json);
    bl_free(text);
    return out;
}

static double number(const json_t *list, size_t i) { return json_number_value(json_array_get(list, i)); }

/* One direction's file against eigen, scan and the null model. */
static void check_direction(const bl_model *model, json_t *shard, int id) {
    size_t layer = bl_model_config(model)->n_layer - 1, n = bl_interaction_size(model);
    char key[16];
    float u[64], mean[64] = {0};
    bl_error err = {0};
    snprintf(key, sizeof key, "%d", id);
    json_t *direction = json_object_get(json_object_get(shard, "directions"), key),
           *spectrum = json_object_get(direction, "spectrum"),
           *vectors = json_object_get(direction, "vectors");
    bl_view w_u = bl_model_w_u(model);
    for (size_t t = 0; t < w_u.rows; t++)
        for (size_t i = 0; i < w_u.cols; i++) mean[i] += w_u.data[t * w_u.stride + i] / (float)w_u.rows;
    for (size_t i = 0; i < w_u.cols; i++) u[i] = w_u.data[(size_t)id * w_u.stride + i] - mean[i];
    bl_eigen *eigen = bl_eigen_new(model, layer, u, 0, &err);
    double largest = json_number_value(json_object_get(direction, "largest")), at = 0;
    assert_int_equal(json_array_size(spectrum), n);
    for (size_t i = 0; i < n; i++) {
        at += number(spectrum, i);
        assert_near(at / 32767 * largest, (double)bl_eigen_values(eigen)[i], 3e-5, largest);
    }
    bl_bilinear map, draw;
    assert_true(bl_model_bilinear(model, layer, &map, &err) && bl_bilinear_null(&map, 0, &draw, NULL, &err));
    bl_eigen *null_eigen = bl_eigen_of(&draw, u, 0, &err);
    assert_near(json_number_value(json_object_get(json_object_get(direction, "null"), "largest")),
                fmax(fabs((double)bl_eigen_values(null_eigen)[0]),
                     fabs((double)bl_eigen_values(null_eigen)[n - 1])),
                1e-5, largest);
    assert_int_equal(json_array_size(vectors), 8);
    for (size_t j = 0; j < 8; j++) {
        const json_t *vector = json_array_get(vectors, j), *words = json_object_get(vector, "words"),
                     *matches = json_object_get(vector, "matches");
        assert_int_equal(json_integer_value(json_object_get(vector, "index")),
                         j < 4 ? -(long)j - 1 : (long)j - 4);
        assert_int_equal(json_array_size(words), 1 + bl_model_config(model)->n_head);
        for (size_t s = 0; s < json_array_size(words); s++)
            for (size_t side = 0; side < 2; side++)
                assert_int_equal(json_array_size(json_array_get(json_array_get(words, s), side)), 10);
        assert_int_equal(json_array_size(matches), 3);
        for (size_t m = 0; m < 3; m++) {
            const json_t *match = json_array_get(matches, m), *shares = json_array_get(match, 6);
            char story[16];
            double sum = number(match, 4);
            snprintf(story, sizeof story, "%d", (int)number(match, 0));
            assert_true(json_array_size(json_object_get(json_object_get(shard, "stories"), story)) >
                        (size_t)number(match, 1));
            assert_int_equal(json_array_size(shares), (size_t)number(match, 1) + 1);
            for (size_t p = 0; p < json_array_size(shares); p++) sum += number(shares, p) * number(match, 5);
            assert_near(sum, fabs(number(match, 2)), 0.002 * (double)json_array_size(shares),
                        250 * number(match, 5) + 1e-3);
        }
    }
    bl_eigen_free(null_eigen);
    bl_bilinear_null_free(&draw);
    bl_eigen_free(eigen);
}

static void test_content(void **state) {
    (void)state;
    const char *const models[] = {"plain", "bias"};
    for (size_t i = 0; i < 2; i++) {
        bl_model *model = support_model(models[i]);
        char folder[300];
        size_t n;
        bl_error err = {0};
        bl_site_options options = {.shard = 40};
        snprintf(folder, sizeof folder, "%s/deep/site-%s//", support_temporary(), models[i]);
        if (!bl_site_write(model, make_atlas(model, models[i]), folder, &options, &err))
            fail_msg("%s", err.message);
        json_t *tokens = read_data(folder, "tokens"), *shard = read_data(folder, "0-0001"),
               *last = read_data(folder, "0-0002");
        assert_int_equal(json_array_size(json_object_get(tokens, "tokens")), 104);
        assert_int_equal(json_object_size(json_object_get(shard, "directions")), 40);
        assert_int_equal(json_object_size(json_object_get(last, "directions")), 24);
        check_direction(model, shard, 62); /* swim */
        check_direction(model, last, 103);
        char *page = read_text(folder, "index.html", &n), *info = read_text(folder, "site.js", &n);
        assert_non_null(strstr(page, "<!doctype html>"));
        assert_non_null(strstr(info, "globalThis.BILENS_SITE = {"));
        assert_non_null(strstr(info, "\"shard\":40"));
        assert_non_null(strstr(info, "\"server\":false"));
        bl_free(page);
        bl_free(info);
        json_decref(tokens);
        json_decref(shard);
        json_decref(last);
        bl_model_free(model);
    }
}

/* What the vocabulary says is data everywhere: in the API's JSON, in the site's scripts. */
static void test_hostile_vocabulary(void **state) {
    (void)state;
    bl_model *model = nasty_model();
    char folder[300];
    size_t n;
    bl_error err = {0};
    bl_site_options options = {.no_spectra = true};
    snprintf(folder, sizeof folder, "%s/site-nasty", support_temporary());
    if (!bl_site_write(model, make_atlas(model, "nasty"), folder, &options, &err))
        fail_msg("%s", err.message);
    char *info = read_text(folder, "site.js", &n), *data = read_text(folder, "data/tokens.js", &n);
    assert_null(strchr(strchr(info, '='), '<'));
    assert_null(strchr(data, '<'));
    bl_free(info);
    bl_free(data);
    json_t *tokens = read_data(folder, "tokens"), *rows = json_object_get(tokens, "tokens"),
           *shard = read_data(folder, "0-0000");
    bool found = false;
    for (size_t i = 0; i < json_array_size(rows); i++)
        found =
            found || strcmp(json_string_value(json_object_get(json_array_get(rows, i), "token")), nasty) == 0;
    assert_true(found);
    assert_null(json_object_get(json_object_get(json_object_get(shard, "directions"), "62"), "spectrum"));
    json_decref(tokens);
    json_decref(shard);
    bl_model_free(model);
}

static bool stop_at_writing(void *context, const char *phase, uint64_t done, uint64_t total) {
    (void)context, (void)total;
    return strcmp(phase, "writing") != 0 || done == 0;
}

static size_t count_entries(const char *folder) {
    char command[400];
    unsigned long n = 0;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", folder);
    FILE *pipe = popen(command, "r");
    assert_int_equal(fscanf(pipe, "%lu", &n), 1);
    pclose(pipe);
    return n;
}

static void test_as_a_whole(void **state) {
    (void)state;
    bl_model *model = support_model("plain");
    char parent[200], folder[300], file[400];
    struct stat before, after;
    bl_error err = {0};
    const char *atlas = make_atlas(model, "whole");
    snprintf(parent, sizeof parent, "%s/whole", support_temporary());
    snprintf(folder, sizeof folder, "%s/site", parent);
    bl_site_options options = {.shard = 10, .progress = {stop_at_writing, NULL}};
    assert_false(bl_site_write(model, atlas, folder, &options, &err));
    assert_error(err, BL_ERR_CANCELLED, "");
    assert_int_equal(count_entries(parent), 0); /* nothing is left */
    options.progress.report = NULL;
    assert_true(bl_site_write(model, atlas, folder, &options, &err));
    assert_int_equal(count_entries(parent), 1);
    snprintf(file, sizeof file, "%s/data/0-0010.js", folder);
    assert_int_equal(stat(file, &before), 0);
    options.progress.report = stop_at_writing;
    assert_false(bl_site_write(model, atlas, folder, &options, &err));
    assert_int_equal(stat(file, &after), 0); /* the older one is as it was */
    assert_int_equal(before.st_ino, after.st_ino);
    options = (bl_site_options){.shard = 104};
    assert_true(bl_site_write(model, atlas, folder, &options, &err)); /* of an older site nothing stays */
    assert_int_equal(stat(file, &after), -1);
    assert_int_equal(count_entries(parent), 1);
    unlink(file);
    snprintf(file, sizeof file, "%s/foreign", parent);
    mkdir(file, 0777);
    assert_true(bl_site_write(model, atlas, file, NULL, &err)); /* an empty folder is taken */
    snprintf(file, sizeof file, "%s/foreign/site.js", parent);
    unlink(file);
    snprintf(file, sizeof file, "%s/foreign", parent);
    assert_false(bl_site_write(model, atlas, file, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "no site of bilens");
    assert_false(bl_site_write(model, atlas, stories, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "is a file");
    assert_false(bl_site_write(model, stories, folder, NULL, &err));
    assert_error(err, BL_ERR_INPUT, "stories.txt");
    bl_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_content),
                                       cmocka_unit_test(test_hostile_vocabulary),
                                       cmocka_unit_test(test_as_a_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
