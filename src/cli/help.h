/* What a verb says about itself, in three forms from one text: for --help, as a manual page, and as a list
 * for shell completion. */
#ifndef BL_CLI_HELP_H
#define BL_CLI_HELP_H
#include "cli/options.h"
#include <stdio.h>

/* The form that `name` (NULL: none given) asks for; false if there is no such form. */
bool help_form_find(const char *name, help_form *form);

/* The help of a verb with its own and the shared options, on standard output. */
void help_verb(help_form form, const verb *self, const option *table, const option *shared, bool has_model);

/* The help of the program. HELP_OPTIONS: one line per verb, "name TAB summary". */
void help_program(FILE *out, help_form form, const verb *const *verbs, size_t n);
#endif
