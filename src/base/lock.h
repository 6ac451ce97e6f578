/* Who is writing what, and what a writer that died has left. Locks are flock's: the system drops them when
 * their owner ends, however it ends. */
#ifndef BL_BASE_LOCK_H
#define BL_BASE_LOCK_H
#include <bilens/base.h>

/* Locks a temporary file or folder that has just been made, `fd` being it (a folder: opened for reading), so
 * that bl_remove_leftovers lets it live. False when somebody has removed it before: make it again. */
bool bl_lock_new(int fd, const char *path);

/* Removes what writers of `path` that are dead have left beside it: files and folders ".NAME.tmp-XXXXXX" that
 * nobody holds. With `inside`, those ".bilens.tmp-XXXXXX" in the folder `path`. Errors are ignored. */
void bl_remove_leftovers(const char *path, bool inside);

/* The right to write `target` (a file or a folder), which one process has at a time: a file ".NAME.lock"
 * beside it that names its owner. NULL with BL_ERR_INPUT, which says who has it. */
typedef struct bl_lock bl_lock;
bl_lock *bl_lock_take(const char *target, bl_error *err);
/* Gives it back and removes the file; NULL is allowed. */
void bl_lock_free(bl_lock *lock);
#endif
