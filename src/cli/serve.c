/* bilens serve: the explorer. */
#include "cli/direction_options.h"
#include "cli/serve.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <bilens/serve.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Shows the URL in the user's browser. */
static void open_url(const common *c, const char *url) {
    const char *browser = getenv("BROWSER");
    char *const words[] = {(char *)(uintptr_t)(browser && *browser ? browser : "xdg-open"),
                           (char *)(uintptr_t)url, NULL};
    pid_t child;
    if (posix_spawnp(&child, words[0], NULL, NULL, words, environ) != 0)
        note(c, "bilens: serve: --open: no %s here to open %s with", words[0], url);
}

/* Names in info: the files' own, without their folders. */
static char *corpus_name(const text_list *corpora) {
    char *name = NULL;
    for (size_t i = 0; i < corpora->n; i++) {
        const char *slash = strrchr(corpora->items[i], '/');
        char *longer = NULL;
        if (asprintf(&longer, "%s%s%s", name ? name : "", name ? ", " : "",
                     slash ? slash + 1 : corpora->items[i]) < 0)
            longer = NULL;
        free(name);
        name = longer;
    }
    return name ? name : strdup("stories.txt");
}

static bool is_loopback(const char *address) {
    return strcmp(address, "localhost") == 0 || strncmp(address, "127.", 4) == 0 ||
           strcmp(address, "::1") == 0;
}

/* Until Ctrl-C or SIGTERM. Reaps the child process that opened the browser. */
static void wait_for_end(void) {
    while (!interrupt_requested()) {
        struct timespec moment = {.tv_nsec = 100000000};
        nanosleep(&moment, NULL);
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
}

int serve_until_end(const verb *self, const common *c, const bl_server *server, const char *model,
                    const bl_serve_options *o, bool show) {
    if (o->address && !is_loopback(o->address))
        fprintf(
            stderr,
            "bilens: serve: warning: everybody who can reach %s can use this server: there is no password\n",
            o->address);
    if (printf("%s\n", bl_server_url(server)) <= 0 || fflush(stdout) != 0) return fail_output(self);
    note(c, "bilens: serve: %s; Ctrl-C ends it", model);
    if (o->public_origin)
        note(c, "bilens: serve: also answers as %s, for a proxy that leads there", o->public_origin);
    if (show) open_url(c, bl_server_url(server));
    wait_for_end();
    return 0;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    corpus_options corpora = {0};
    bl_serve_options o = {0};
    size_t port = BL_SERVE_PORT;
    bool show = false;
    const char *basis = NULL;
    bl_dictionary *features = NULL;
    bl_error err = {0};
    const option table[] = {
        {"atlas", OPTION_TEXT, &o.atlas, "FILE",
         "an atlas of this model: faster, and directions can be ranked and found by a text"},
        CORPUS_OPTIONS(corpora, CORPUS_FORMATS " (default: the atlas's, or those that come with bilens)"),
        {"stories", OPTION_COUNT, &o.max_stories, "N", "keep at most N stories to scan (default 20000)"},
        BASIS_OPTION(basis),
        SERVE_OPTIONS(o, port, show),
        SURROGATE_OPTION(c),
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_NONE, NULL, true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_corpus *corpus = NULL;
    bl_server *server = NULL;
    char *name = NULL;
    if (port > 65535) {
        status = fail_usage(self, "--port: %zu is no port: 0 … 65535", port);
        goto done;
    }
    o.port = (unsigned)port;
    name = corpora.files.n || !o.atlas ? corpus_name(&corpora.files) : NULL;
    o.corpus_name = name;
    if (corpora.files.n || !o.atlas) corpus = open_corpus(&corpora, &err);
    if (corpus || o.atlas) model = err.code ? NULL : load_model(&c, &err);
    size_t d = model ? bl_model_config(model)->d_model : 0;
    if (model && basis) o.basis = features = bl_dictionary_read(basis, d, &err);
    if (model && (features || !basis)) server = bl_server_new(model, corpus, &o, &err);
    if (!server) {
        status = fail_with(self, &err);
        goto done;
    }
    status = serve_until_end(self, &c, server, bl_model_name(model), &o, show);
done:
    bl_server_free(server);
    bl_dictionary_free(features);
    bl_model_free(model);
    bl_corpus_free(corpus);
    corpus_options_free(&corpora);
    free(name);
    common_free(&c);
    return status;
}

const verb verb_serve = {
    "serve", "the explorer: look at the model in the browser, and a JSON API for scripts", run,
    "Serves a page at 127.0.0.1 (and ::1), for this machine only. It shows directions with their\n"
    "spectra, eigenvectors, virtual tokens and top inputs, explains the predictions of a sentence\n"
    "from the weights, and compares directions. Numbers are computed when they are asked for; with an\n"
    "atlas of the same model (bilens atlas) it is faster, and directions can be sorted and found. The\n"
    "API that the page uses is documented in docs/api.md. The address is printed on standard output.\n"
    "Ctrl-C ends it.",
    "  bilens serve\n"
    "  bilens serve models/ts-1-256 --atlas atlas.db --open\n"
    "  curl -s 'http://127.0.0.1:8470/api/eigen?token=swim&minus=run&minus=climb&eigs=-1&eigs=0'\n"};
