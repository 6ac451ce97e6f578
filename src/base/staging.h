/* Folders that appear as a whole: made under a hidden name first. */
#ifndef BL_BASE_STAGING_H
#define BL_BASE_STAGING_H
#include <bilens/base.h>

/* `directory` without slashes at its end, to be freed. BL_ERR_USAGE when nothing is left; `what` is for
 * messages ("the report"). */
char *bl_trim_slashes(const char *directory, const char *what, bl_error *err);

/* A new folder for staging, to be freed: DIRECTORY/.bilens.tmp-XXXXXX if `inside`, PARENT/.NAME.tmp-XXXXXX
 * otherwise (the parent is made if it is missing). `directory` has no slash at its end. */
char *bl_staging_make(const char *directory, bool inside, const char *what, bl_error *err);
#endif
