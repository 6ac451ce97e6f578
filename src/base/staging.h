/* Folders that appear as a whole: made under a hidden name first. */
#ifndef BL_BASE_STAGING_H
#define BL_BASE_STAGING_H
#include <bilens/base.h>

/* `directory` without slashes at its end, to be freed. BL_ERR_USAGE when nothing is left; `what` is for
 * messages ("the report"). */
char *bl_trim_slashes(const char *directory, const char *what, bl_error *err);

/* A folder in the making. */
typedef struct bl_staging {
    char *path; /* where its files are written for now */
    int held;   /* the folder, locked: others let it live; -1: none */
    struct bl_lock *lock;
} bl_staging;

/* A new folder for staging: DIRECTORY/.bilens.tmp-XXXXXX if `inside`, PARENT/.NAME.tmp-XXXXXX otherwise (the
 * parent is made if it is missing). `directory` has no slash at its end. What dead writers of it have left is
 * removed. Fails with BL_ERR_INPUT while another process writes the same folder. */
bool bl_staging_make(bl_staging *staging, const char *directory, bool inside, const char *what,
                     bl_error *err);
/* The folder is whole: it becomes `directory`, in the place of an older one, which goes. */
bool bl_staging_place(bl_staging *staging, const char *directory, bl_error *err);
/* After its files have found their place, or after a failure: with `remove`, removes what is left of it. One
 * that was never made, but zeroed, is allowed. */
void bl_staging_free(bl_staging *staging, bool remove);
#endif
