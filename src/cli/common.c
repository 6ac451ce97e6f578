#include "base/error.h"
#include "base/file.h"
#include "cli/common.h"
#include "cli/hub.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "folder/name" if it exists. */
static char *existing(const char *folder, const char *between, const char *name) {
    char *path = NULL;
    if (asprintf(&path, "%s%s/%s", folder, between, name) < 0) return NULL;
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

char *default_data(const char *name, bl_error *err) {
    const char *folder = getenv("BILENS_DATA");
    char self[PATH_MAX], *path = NULL;
    if (folder && *folder) {
        path = existing(folder, "", name);
    } else {
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = '\0';
        char *slash = strrchr(self, '/');
        if (slash) *slash = '\0';
        path = existing(self, "/../data", name);
        if (!path) path = existing(self, "/../share/bilens", name);
    }
    if (!path)
        bl_fail(err, BL_ERR_INPUT,
                "the embedded default '%s' is not here (it is looked for in $BILENS_DATA, beside the build "
                "folder and where bilens was installed): name a MODEL and a --corpus",
                name);
    return path;
}

void note_warnings(const common *c, const bl_model *model) {
    for (size_t i = 0; model && ranks_first() && i < bl_model_n_warnings(model); i++)
        note(c, "bilens: warning: %s", bl_model_warning(model, i));
}

bl_model *load_model(common *c, bl_error *err) {
    if (!c->model) {
        c->default_model = default_data("stories-1-256", err);
        if (!c->default_model) return NULL;
        c->model = c->default_model;
    }
    bl_model *model = is_hub_model(c->model) ? load_hub_model(c, err) : bl_model_load(c->model, err);
    if (model && c->surrogate) {
        bl_surrogate_free(c->stands_in);
        c->stands_in = bl_surrogate_read(c->surrogate, model, err);
        if (!c->stands_in) {
            bl_model_free(model);
            return NULL;
        }
        bl_model_adopt(model, c->stands_in);
    }
    note_warnings(c, model);
    return model;
}

void corpus_options_free(corpus_options *options) { text_list_free(&options->files); }

void note_corpus(const common *c, bl_corpus *corpus, const bl_model *model) {
    const char *text = bl_corpus_note(corpus, bl_model_config(model)->n_ctx);
    if (text && ranks_first()) note(c, "bilens: note: %s", text);
}

void note_dead(const common *c, double dead) {
    if (dead > 0 && ranks_first())
        note(c, "bilens: note: %.0f of the hidden units are dead: the null draws leave them in place", dead);
}

bl_corpus *open_corpus(const corpus_options *options, bl_error *err) {
    const text_list *paths = &options->files;
    for (size_t i = 0; i < paths->n && ranks_started(); i++)
        if (strcmp(paths->items[i], "-") == 0) {
            bl_fail(err, BL_ERR_USAGE,
                    "--corpus -: mpirun gives standard input to one rank only: name a file");
            return NULL;
        }
    char *path = paths->n ? NULL : default_data("stories.txt", err);
    if (!paths->n && !path) return NULL;
    const char *one = path;
    bl_corpus *corpus = bl_corpus_open(path ? &one : paths->items, path ? 1 : paths->n, err);
    free(path);
    if (!corpus || bl_corpus_text_key(corpus, options->text_key, err)) return corpus;
    bl_corpus_free(corpus);
    return NULL;
}

bool parse_precision(const char *text, bl_precision *out, bl_error *err) {
    static const char *const names[] = {"f32", "bf16", "auto"};
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (bl_precision)i;
            return true;
        }
    return !text || bl_fail(err, BL_ERR_USAGE, "--precision: '%.60s' is not one of f32, bf16, auto", text);
}
