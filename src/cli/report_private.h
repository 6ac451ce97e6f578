/* What the two halves of the verb report share: one direction, and many (report_rows.c). */
#ifndef BL_CLI_REPORT_PRIVATE_H
#define BL_CLI_REPORT_PRIVATE_H
#include "cli/common.h"
#include "cli/direction_options.h"
#include "cli/figure_options.h"
#include "cli/own_directions.h"

typedef struct report_options {
    direction_options direction;
    figure_options figure;
    corpus_options corpora;
    own_directions own; /* of many directions, and … */
    const char *rows;   /* … which of them get a page; NULL: those that stand out most */
    size_t null_draws;
    size_t top, stories, distance, evidence_stories;
    const char *from, *basis;
    bool exact, no_evidence;
    char *command; /* for "origin" */
} report_options;

/* The report's tree of the one direction in the options; *eigen is kept for the .npy files. On all ranks. */
bl_tree *report_of(common *c, report_options *o, const bl_model *model, bl_eigen **eigen, bl_error *err);
/* --directions: an index page in `folder`, with a report per row in folders of their own. The exit status. */
int report_rows(const verb *self, common *c, report_options *o, const char *folder);
#endif
