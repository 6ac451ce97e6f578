/* Where a report comes from. */
#ifndef BL_CLI_ORIGIN_H
#define BL_CLI_ORIGIN_H
#include "cli/common.h"

/* The verb's command as a shell would read it, without what changes no byte of the result: --threads,
 * --quiet, --color, --format, -o. Free with bl_free. */
char *origin_command(const verb *self, int argc, char **argv, bl_error *err);
/* Adds "origin" to a report: the command (NULL: none) and the SHA-256 of model, corpus and `others` (NULL
 * members are left out; a direction's text may be "@FILE:3"). */
bool add_origin(const common *c, const corpus_options *corpora, const char *command,
                const bl_origin_file *others, size_t n_others, bl_tree *report, bl_error *err);
#endif
