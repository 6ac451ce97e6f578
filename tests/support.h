/* What the tests share. Include it first. */
#ifndef BL_TESTS_SUPPORT_H
#define BL_TESTS_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <bilens/bilens.h>
#include <jansson.h>
#include <math.h>
#include <unistd.h>

/* The test's own folder for files; removed at exit. */
static char support_folder[64] = "";

static inline void support_clean(void) {
    char command[128];
    if (!*support_folder) return;
    snprintf(command, sizeof command, "rm -rf '%s'", support_folder);
    if (system(command) != 0) fprintf(stderr, "could not remove %s\n", support_folder);
}

static inline const char *support_temporary(void) {
    if (!*support_folder) {
        strcpy(support_folder, "/tmp/bilens-test-XXXXXX");
        if (!mkdtemp(support_folder)) abort();
        atexit(support_clean);
    }
    return support_folder;
}

static inline bl_model *support_model(const char *name) {
    char path[512];
    bl_error err = {0};
    snprintf(path, sizeof path, TEST_DATA "/models/%s", name);
    bl_model *model = bl_model_load(path, &err);
    if (!model) fail_msg("%s", err.message);
    return model;
}

/* The basis in which directions of the model are named; valid until the next call. */
static inline const bl_basis *support_basis(const bl_model *model) {
    static bl_basis basis;
    basis = bl_model_basis_out(model);
    return &basis;
}

static inline json_t *support_json(const char *path) {
    json_error_t where;
    json_t *json = json_load_file(path, 0, &where);
    if (!json) fail_msg("%s: %s", path, where.text);
    return json;
}

/* The text of a tree, which is freed; NULL stays NULL. */
static inline char *text_of(bl_tree *tree) {
    bl_error err = {0};
    char *text = bl_tree_text(tree, &err);
    bl_tree_free(tree);
    return text;
}

/* |a - b| <= tolerance * scale, with the numbers in the message. */
#define assert_near(a, b, tolerance, scale)                                                 \
    do {                                                                                    \
        double near_a = (a), near_b = (b), near_limit = (tolerance) * (scale);              \
        if (!(fabs(near_a - near_b) <= near_limit))                                         \
            fail_msg("%s = %.9g, %s = %.9g: differ by %.3g > %.3g", #a, near_a, #b, near_b, \
                     fabs(near_a - near_b), near_limit);                                    \
    } while (0)

/* The last error must have this code and its message contain `part`. */
#define assert_error(err, wanted, part)                                                          \
    do {                                                                                         \
        if ((err).code != (wanted))                                                              \
            fail_msg("code %s, expected %s: %s", bl_code_name((err).code), bl_code_name(wanted), \
                     (err).message);                                                             \
        if (!strstr((err).message, part))                                                        \
            fail_msg("message '%s' does not mention '%s'", (err).message, part);                 \
    } while (0)

/* Without ../shared a test that compares with it says so and counts as skipped. */
static inline bool support_have_shared(void) {
    bool have = access(SHARED "/golden", R_OK) == 0;
    if (!have) fprintf(stderr, "SKIPPED: %s is not here, nothing was compared with it\n", SHARED);
    return have;
}
#endif
