#include "cli/output.h"
#include "cli/ranks.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bl_terminal terminal_of(const common *c) { return (bl_terminal){.colour = c->colour, .width = c->width}; }

char *show_rows(const common *c, bl_table *rows, bl_error *err) {
    bl_terminal terminal = terminal_of(c);
    char *text = c->format == FORMAT_CSV ? bl_table_csv(rows, c->csv_safe ? BL_CSV_SAFE : 0, err)
                                         : bl_table_shown(rows, &terminal, err);
    bl_table_free(rows);
    return text;
}

char *show_tree(const common *c, bl_tree *tree, const view *how, bl_error *err) {
    bl_terminal terminal = terminal_of(c);
    char *text = NULL;
    if (!tree) return NULL;
    if (c->format == FORMAT_JSON) text = bl_tree_text(tree, err);
    else if (c->format == FORMAT_TABLE && how->table) text = how->table(tree, &terminal, err);
    else text = show_rows(c, how->rows(tree, err), err);
    bl_tree_free(tree);
    return text;
}

int write_stdout(const verb *self, const char *text) {
    errno = 0;
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0) return 0;
    fprintf(stderr, "bilens: %s: writing to standard output failed: %s\n", self->name, strerror(errno));
    return 1;
}

int write_result(const verb *self, const common *c, char *text, const bl_error *made) {
    if (!text) return fail_with(self, made);
    bl_error err = {0};
    int status = 0;
    if (!ranks_first()) status = 0;
    else if (!c->output) status = write_stdout(self, text);
    else if (!bl_text_write(c->output, text, &err)) status = fail_with(self, &err);
    bl_free(text);
    return status;
}

int write_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err) {
    return write_result(self, c, show_tree(c, tree, how, err), err);
}

int tell_tree(const verb *self, const common *c, bl_tree *tree, const view *how, bl_error *err) {
    char *text = show_tree(c, tree, how, err);
    if (!text) return fail_with(self, err);
    int status = ranks_first() ? write_stdout(self, text) : 0;
    bl_free(text);
    return status;
}
