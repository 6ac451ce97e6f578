#include "cli/origin.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include <stdlib.h>
#include <string.h>

/* As a shell's word: in quotes unless it holds none of the characters that mean something to it. */
static void put_word(bl_buffer *out, const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./,:=@%+";
    bl_buffer_text(out, " ");
    if (*word && word[strspn(word, plain)] == '\0') {
        bl_buffer_text(out, word);
        return;
    }
    bl_buffer_text(out, "'");
    for (const char *at = word; *at; at++)
        bl_buffer_add(out, *at == '\'' ? "'\\''" : at, *at == '\'' ? 4 : 1);
    bl_buffer_text(out, "'");
}

/* How many arguments from argv[i] on change nothing in the result. */
static int neutral(const char *argument) {
    static const struct {
        const char *name;
        bool value;
    } names[] = {
        {"--threads", true}, {"--quiet", false}, {"--color", true}, {"--format", true}, {"-o", true}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i].name);
        if (strncmp(argument, names[i].name, n) != 0) continue;
        if (argument[n] == '=') return 1;
        if (argument[n] == '\0') return names[i].value ? 2 : 1;
    }
    return 0;
}

char *origin_command(const verb *self, int argc, char **argv, bl_error *err) {
    bl_buffer out = {0};
    bl_buffer_print(&out, "bilens %s", self->name);
    for (int i = 0; i < argc;) {
        int skipped = neutral(argv[i]);
        if (!skipped) put_word(&out, argv[i]);
        i += skipped ? skipped : 1;
    }
    return bl_buffer_take(&out, err);
}

/* The file of "@FILE:3", "FILE:TENSOR" or "FILE"; NULL: `text` names none. Free with free. */
static char *file_of(const char *text) {
    char *path = text ? strdup(text + (*text == '@')) : NULL;
    for (char *colon; path && !bl_file_exists(path); *colon = '\0')
        if ((colon = strrchr(path, ':')) == NULL) {
            free(path);
            return NULL;
        }
    return path;
}

bool add_origin(const common *c, const corpus_options *corpora, const char *command,
                const bl_origin_file *others, size_t n_others, bl_tree *report, bl_error *err) {
    size_t n = 0, most = 2 + corpora->files.n + n_others;
    bl_origin_file *files = calloc(most, sizeof *files);
    char **owned = calloc(n_others + 1, sizeof *owned);
    bool ok = files && owned;
    if (!ok) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    if (ok) files[n++] = (bl_origin_file){"model", c->folder ? c->folder : c->model};
    for (size_t i = 0; ok && i < corpora->files.n; i++)
        if (strcmp(corpora->files.items[i], "-") != 0)
            files[n++] = (bl_origin_file){"corpus", corpora->files.items[i]};
    if (ok && !corpora->files.n) {
        owned[n_others] = default_data("stories.txt", err);
        ok = owned[n_others] != NULL;
        files[n++] = (bl_origin_file){"corpus", owned[n_others]};
    }
    for (size_t i = 0; ok && i < n_others; i++)
        if ((owned[i] = file_of(others[i].path)) != NULL)
            files[n++] = (bl_origin_file){others[i].of, owned[i]};
    ok = ok && bl_report_add_origin(report, command, files, n, err);
    for (size_t i = 0; owned && i <= n_others; i++) free(owned[i]);
    free(owned);
    free(files);
    return ok;
}
