/* The verbs of image models and of modular addition: what main.c needs to find them. */
#ifndef BL_CLI_IMAGE_H
#define BL_CLI_IMAGE_H
#include "cli/options.h"

/* The verb that takes over where the arguments name an image model, or train one; NULL: it is none of ours.
 * `name` is the verb's name. Where a verb does not work on image models, *refused says why; else it is
 * NULL. */
const verb *image_verb(const char *name, int argc, char **argv, const char **refused);
/* "info, eval, …": the verbs that do. */
const char *image_verb_names(void);
/* The progress line of training; `context` is the bl_progress that progress_bar gave. */
bool show_epoch(void *context, const bl_image_train_event *event, bool epoch_done);
#endif
