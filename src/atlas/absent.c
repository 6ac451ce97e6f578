/* The atlas where bilens is built without SQLite (BILENS_ATLAS=OFF): it says so. Compiled instead of the rest of this room. */
#include "base/error.h"
#include <bilens/atlas.h>

static const char *const why =
    "this bilens was built without SQLite: install its development files (Debian: libsqlite3-dev) and build it again";

bool bl_atlas_run(const bl_model *model, bl_corpus *corpus, const char *path, const bl_atlas_options *options, bl_atlas_summary *summary,
                  bl_error *err) {
    (void)model, (void)corpus, (void)path, (void)options, (void)summary;
    return bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
}

char *bl_atlas_answer(const char *path, const bl_atlas_query *query, bl_atlas_form form, bl_error *err) {
    (void)path, (void)query, (void)form;
    bl_fail(err, BL_ERR_UNSUPPORTED, "%s", why);
    return NULL;
}
