/* The atlas where bilens is built without SQLite (BILENS_ATLAS=OFF): it says so. Compiled instead of the rest
 * of this room. */
#include "atlas/look.h"
#include "base/error.h"
#include <bilens/atlas.h>

static const char *const why = "this bilens was built without SQLite: install its development files (Debian: "
                               "libsqlite3-dev) and build it again";

bool bl_atlas_run(const bl_model *model, bl_corpus *corpus, const char *path, const bl_atlas_options *options,
                  bl_atlas_summary *summary, bl_error *err) {
    (void)model, (void)corpus, (void)path, (void)options, (void)summary;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

char *bl_atlas_answer(const char *path, const bl_atlas_query *query, bl_atlas_form form, bl_error *err) {
    (void)path, (void)query, (void)form;
    bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
    return NULL;
}

bl_look *bl_look_open(const char *path, const bl_model *model, bl_error *err) {
    (void)path, (void)model;
    bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
    return NULL;
}

/* What follows is never reached: there is no atlas. */
void bl_look_free(bl_look *look) { (void)look; }

const bl_look_facts *bl_look_get_facts(const bl_look *look) {
    static const bl_look_facts none = {0};
    (void)look;
    return &none;
}

size_t bl_look_n_values(const bl_look *look) {
    (void)look;
    return 0;
}

const bl_look_direction *bl_look_get_direction(const bl_look *look, size_t token) {
    static const bl_look_direction none = {0};
    (void)look, (void)token;
    return &none;
}

bool bl_look_vectors(bl_look *look, const float **v, const bl_look_pair **pairs, size_t *n_pairs,
                     bl_error *err) {
    (void)look, *v = NULL, *pairs = NULL, *n_pairs = 0;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

bool bl_look_get_matches(bl_look *look, int32_t token, long index, size_t top, bl_look_matches *out,
                         bl_error *err) {
    (void)look, (void)token, (void)index, (void)top, (void)out;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

void bl_look_matches_free(bl_look_matches *matches) { (void)matches; }

bool bl_look_stories(bl_look *look, size_t most, int32_t **ids, size_t **begin, size_t *n, bl_error *err) {
    (void)look, (void)most, *ids = NULL, *begin = NULL, *n = 0;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

bool bl_look_get_words(bl_look *look, int32_t token, long index, bl_look_words *out, bl_error *err) {
    (void)look, (void)token, (void)index, (void)out;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

void bl_look_words_free(bl_look_words *words) { (void)words; }
