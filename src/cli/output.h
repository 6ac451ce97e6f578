/* The end of every verb: a result as what was asked for, to where it was asked for. */
#ifndef BL_CLI_OUTPUT_H
#define BL_CLI_OUTPUT_H
#include "cli/options.h"

/* How a kind of result is shown; a NULL member: not in this way. */
typedef struct view {
    char *(*table)(const bl_tree *tree, const bl_terminal *terminal, bl_error *err); /* NULL: the rows */
    bl_table *(*rows)(const bl_tree *tree, bl_error *err); /* CSV, and the table where that is NULL */
    char *(*latex)(const bl_tree *tree, const bl_terminal *how, bl_error *err); /* NULL: the rows */
} view;

/* `tree` (taken; NULL stays NULL) as --format asks. */
char *show_tree(const common *c, bl_tree *tree, const view *how, bl_error *err);
/* A table (taken) as CSV, for LaTeX or, otherwise, for the terminal. */
char *show_rows(const common *c, bl_table *rows, bl_error *err);
/* Writes `text` (freed; NULL: `made` says why) to -o if given, else to standard output; on rank 0 only.
 * Returns the exit status. */
int write_result(const verb *self, const common *c, char *text, const bl_error *made);
/* The same of a tree (taken); `err` is what making it said. */
int write_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err);
/* What was written to -o, told on standard output: as write_tree, whatever -o is. */
int tell_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err);
/* A verb that shows one result; `asked` is the struct that its options fill. */
typedef struct verb_work {
    int (*check)(const verb *self, void *asked); /* -1 to go on, else the exit status; NULL: all goes */
    bl_tree *(*make)(void *asked, bl_error *err);
    void (*release)(void *asked); /* what parsing and making left */
    view how;
} verb_work;
/* The whole of such a verb: parses the options, checks them, makes the result, writes it, releases. Returns
 * the exit status. */
int verb_run(int argc, char **argv, const verb *self, common *c, const option *table, void *asked,
             const verb_work *work);
/* Prints to standard output, where a failed write is an error too. */
int write_stdout(const verb *self, const char *text);
/* Prints text exactly, but to a terminal without what would command it; false when that failed. */
bool print_text(FILE *out, const char *text);
/* The same of n bytes, which may hold NUL. */
bool print_bytes(FILE *out, const char *text, size_t n);
/* After parsing, before any work: -o - is resolved, empty names, files that are also read, and places that
 * cannot be written are refused. -1 to go on, else the exit status. */
int outputs_check(const verb *self, common *c, const option *table, int formats);
bl_terminal terminal_of(const common *c);
#endif
