#include "cli/hub.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "cli/terminal.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define UNASKED \
    ((uint64_t)8 << 30) /* bytes that a MODEL may bring with it; `bilens fetch` knows no such limit */

/* The first of the variables that is set to something. */
static const char *variable(const char *a, const char *b, const char *c) {
    const char *names[] = {a, b, c};
    for (size_t i = 0; i < 3; i++) {
        const char *value = names[i] ? getenv(names[i]) : NULL;
        if (value && *value) return value;
    }
    return NULL;
}

static bool is_true(const char *value) {
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < 4; i++)
        if (strcasecmp(value, words[i]) == 0) return true;
    return false;
}

/* The home directory of `user`, NULL: of whoever runs this, whose HOME goes first. NULL when nobody knows
 * it. Free it. */
static char *home_of(const char *user) {
    const char *home = user ? NULL : getenv("HOME");
    if (home) return strdup(home);
    struct passwd *entry = user ? getpwnam(user) : getpwuid(getuid());
    return entry && entry->pw_dir && *entry->pw_dir ? strdup(entry->pw_dir) : NULL;
}

/* Appends `text` with $NAME and ${NAME} replaced where such a variable is set, as Python's
 * os.path.expandvars does it. */
static void add_expanded(bl_buffer *out, const char *text) {
    while (*text) {
        const char *name = text + 1;
        bool braces = *text == '$' && *name == '{';
        if (braces) name++;
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        if (braces) n = strcspn(name, "}");
        bool whole = *text == '$' && n > 0 && (!braces || name[n] == '}');
        char variable_name[256];
        whole = whole && n < sizeof variable_name;
        if (whole) snprintf(variable_name, sizeof variable_name, "%.*s", (int)n, name);
        const char *value = whole ? getenv(variable_name) : NULL;
        if (value) {
            bl_buffer_text(out, value);
            text = name + n + braces;
        } else {
            bl_buffer_add(out, text++, 1);
        }
    }
}

/* "folder/rest" as huggingface_hub understands it: first ~ or ~user at its beginning, then its variables. */
static char *expand(const char *folder, const char *rest, bl_error *err) {
    bl_buffer path = {0};
    size_t n = folder[0] == '~' ? strcspn(folder, "/") : 0;
    char *user = n > 1 ? strndup(folder + 1, n - 1) : NULL, *home = n ? home_of(user) : NULL;
    if (n > 1 && !user) {
        bl_fail(err, BL_ERR_MEMORY, "out of memory");
    } else if (n == 1 && !home) {
        bl_fail(err, BL_ERR_INPUT,
                "the home directory is not known (HOME is not set, and user %ld is not in the password "
                "database): set HF_HOME",
                (long)getuid());
    } else {
        bl_buffer_text(&path, home ? home : "");
        add_expanded(&path, folder + (home ? n : 0)); /* ~stranger stays as it is */
        bl_buffer_text(&path, rest);
    }
    free(user);
    free(home);
    return n >= 1 && path.n == 0 ? NULL : bl_buffer_take(&path, err);
}

/* A folder or file of the hub's home: `own` names it alone, otherwise it is HF_HOME/rest. */
static char *place(const char *own, const char *rest, bl_error *err) {
    const char *home = variable("HF_HOME", NULL, NULL), *cache = variable("XDG_CACHE_HOME", NULL, NULL);
    char inner[64];
    if (own) return expand(own, "", err);
    snprintf(inner, sizeof inner, "/huggingface%s", rest);
    char *once = home ? expand(home, rest, err) : expand(cache ? cache : "~/.cache", inner, err);
    char *twice = once ? expand(once, "", err) : NULL; /* what HF_HOME gives is expanded once more there */
    free(once);
    return twice;
}

/* The token without white space around it; NULL when there is none. A file that is there but cannot be read
 * is an error. */
static bool read_token(char **token, bl_error *err) {
    const char *given = variable("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", NULL);
    char *text = NULL;
    *token = NULL;
    if (given) {
        text = bl_strdup(given, err);
        if (!text) return false;
    } else if (!is_true(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) {
        char *path = place(variable("HF_TOKEN_PATH", NULL, NULL), "/token", err);
        if (!path) return false;
        bool there = bl_file_exists(path);
        if (there) text = bl_text_read(path, 65536, err);
        bool failed = there && !text;
        free(path);
        if (failed) return false;
    }
    if (!text) return true;
    const char *begin = text + strspn(text, " \t\r\n");
    size_t n = strcspn(begin, " \t\r\n");
    if (begin[n] && begin[n + strspn(begin + n, " \t\r\n")]) {
        bl_fail(err, BL_ERR_INPUT, "the hub's token has white space within it (HF_TOKEN, HF_TOKEN_PATH)");
        free(text);
        return false;
    }
    if (n > 0) *token = bl_strndup(begin, n, err);
    free(text);
    return n == 0 || *token;
}

bool hub_settings_read(hub_settings *s, bool quiet, bl_error *err) {
    *s = (hub_settings){0};
    s->cache = place(variable("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", NULL), "/hub", err);
    if (!s->cache) return false;
    if (!read_token(&s->token, err)) return false;
    s->options.cache = s->cache;
    s->options.token = s->token;
    s->options.endpoint = variable("HF_ENDPOINT", NULL, NULL);
    s->options.ca_file = variable("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE");
    s->options.offline = is_true(variable("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", NULL));
    s->options.progress = progress_bar(quiet);
    return true;
}

void hub_settings_free(hub_settings *s) {
    free(s->cache);
    free(s->token);
    *s = (hub_settings){0};
}

bool is_hub_model(const char *text) { return access(text, F_OK) != 0 && bl_hub_is_name(text); }

/* The error as it concerns a MODEL: the user may have meant a folder. */
static void explain(const char *model, bl_error *err) {
    char text[sizeof err->message];
    if (err->code == BL_ERR_CANCELLED || err->code == BL_ERR_MEMORY) return;
    snprintf(text, sizeof text, "%s", err->message);
    snprintf(err->message, sizeof err->message,
             "no such model directory: '%.200s'; as a name on the hub: %.700s", model, text);
}

bl_model *load_hub_model(common *c, bl_error *err) {
    bl_hub_name name;
    hub_settings settings = {0};
    bl_hub_snapshot *snapshot = NULL;
    bl_model *model = NULL;
    char shown[sizeof name.repository + sizeof name.revision + 2];
    if (bl_hub_parse(c->model, &name, NULL) && name.data)
        return bl_fail_null(err, BL_ERR_USAGE, "'%.200s' is the address of a data set, not of a model",
                            c->model);
    if (bl_hub_parse(c->model, &name, err) && hub_settings_read(&settings, c->quiet, err)) {
        bl_hub_request request = {.name = name.repository, .revision = name.revision};
        settings.options.prefer_cache = true;
        settings.options.max_bytes = UNASKED;
        snapshot = bl_hub_fetch(&request, &settings.options, err);
        progress_end();
    }
    if (!snapshot) {
        explain(c->model, err);
    } else {
        snprintf(shown, sizeof shown, "%s%s%s", name.repository, name.revision[0] ? "@" : "", name.revision);
        model = bl_model_load_as(bl_hub_snapshot_directory(snapshot), shown, err);
        free(c->folder);
        c->folder = strdup(bl_hub_snapshot_directory(snapshot));
    }
    bl_hub_snapshot_free(snapshot);
    hub_settings_free(&settings);
    return model;
}
