/* The last step of an atlas: the database written anew from its rows. How often it was written before, and
 * which pages were freed on the way, depended on the clock, on interruptions and on ranks; afterwards the
 * same rows are the same bytes. */
#include "atlas/atlas_private.h"
#include "atlas/foreign.h"
#include "base/error.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* VACUUM INTO `to`, and the mark that it was done, in `to` only. */
static bool write_anew(sqlite3 *db, const char *to, bl_error *err) {
    char *name = bl_database_name(to, err);
    sqlite3_stmt *vacuum = name ? bl_database_prepare(db, "VACUUM INTO ?1", err) : NULL;
    bool ok =
        vacuum &&
        (sqlite3_bind_text(vacuum, 1, name, -1, SQLITE_STATIC) == SQLITE_OK || bl_database_fail(db, err)) &&
        bl_database_step(vacuum, err);
    sqlite3_finalize(vacuum);
    free(name);
    if (!ok) return false;
    sqlite3 *anew = bl_database_open(to, true, err);
    ok = anew && bl_meta_set(anew, "compact", "1", err) && bl_seal_content(anew, err);
    sqlite3_close(anew);
    return ok;
}

static bool sync_file(const char *path, bl_error *err) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = file >= 0 && fsync(file) == 0;
    if (!ok) bl_fail(err, BL_ERR_IO, "%s: %s", path, strerror(errno));
    if (file >= 0) close(file);
    return ok;
}

bool bl_atlas_compact(bl_atlas *a, bl_error *err) {
    bl_error none = {0};
    char *done = bl_meta_get(a->db, "compact", &none);
    bl_free(done);
    if (done) return true;
    if (none.code != BL_OK) return bl_fail(err, none.code, "%s", none.message);
    size_t size = strlen(a->path) + sizeof ".compact";
    char *to = bl_alloc(size, 1, err);
    if (!to) return false;
    snprintf(to, size, "%s.compact", a->path);
    unlink(to); /* of a run that was killed here */
    bool ok = bl_database_run(a->db, "UPDATE null_eigenpair SET vector = NULL", err) &&
              write_anew(a->db, to, err) && sync_file(to, err);
    sqlite3_close(a->db);
    a->db = NULL;
    if (ok && rename(to, a->path) != 0) ok = bl_fail(err, BL_ERR_IO, "%s: %s", a->path, strerror(errno));
    if (!ok) unlink(to);
    free(to);
    return ok;
}
