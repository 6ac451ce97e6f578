/* A command line from anyone, its words separated by NUL, with an option of every kind; then a file of
 * lines, behind the word "--". It is refused with exit status 2, or read; lists are as long as they say.
 * Nothing is written. */
#include "cli/common.h"
#include "cli/lines.h"
#include "cli/options.h"
#include "fuzz_model.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(int argc, char **argv, const verb *self) {
    (void)argc, (void)argv, (void)self;
    return 0;
}

/* What is said goes nowhere. */
static void be_silent(void) {
    static bool done;
    FILE *null = done ? NULL : fopen("/dev/null", "we");
    done = true;
    if (!null) return;
    stdout = stderr = null; /* the fuzzer and the sanitizers have descriptors of their own */
}

static void check(const common *c, const text_list *tokens, const text_list *files,
                  const index_list *indices) {
    for (size_t i = 0; i < tokens->n; i++)
        if (!tokens->items[i] || strchr(tokens->items[i], ',')) abort();
    for (size_t i = 0; i < files->n; i++)
        if (!files->items[i]) abort();
    if (indices->n && !indices->items) abort();
    if (c->output && !*c->output) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { MOST = 32 };
    static const verb self = {"fuzz", "", run, "", ""};
    const char *text = NULL, *plot = NULL;
    char *words[MOST + 1] = {0};
    text_list tokens = {0}, files = {0}, lines = {0};
    index_list indices = {0};
    size_t count = 0, n = 0;
    double real = 0;
    bool flag = false;
    common c = {.two_models = size && data[0] % 2};
    bl_error err = {0};
    const option table[] = {{"text", OPTION_TEXT, &text, "FILE", ""},
                            {"count", OPTION_COUNT, &count, "N", ""},
                            {"real", OPTION_REAL, &real, "X", ""},
                            {"minus", OPTION_TOKENS, &tokens, "T,T", ""},
                            {"eigs", OPTION_INDICES, &indices, "I,I", ""},
                            {"plot", OPTION_OUTPUT, &plot, "FILE", ""},
                            {"corpus", OPTION_FILES, &files, "FILE…", ""},
                            {"flag", OPTION_FLAG, &flag, NULL, ""},
                            {0}};
    char *copy = malloc(size + 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    copy[size] = '\0';
    be_silent();
    bl_set_threads(1);
    for (char *at = copy; n < MOST && at < copy + size; at += strlen(at) + 1) words[n++] = at;
    int status = options_parse((int)n, words, &self, &c, table, FORMATS_ALL, "", true);
    if (status >= 0 && status != 0 && status != 2) abort();
    if (status < 0) check(&c, &tokens, &files, &indices);
    text_list_free(&tokens);
    text_list_free(&files);
    index_list_free(&indices);
    common_free(&c);
    const char *path = fuzz_path("lines");
    if (!bl_file_write(path, data, size, &err)) abort();
    if (read_lines("--tokens", path, &lines, &err)) {
        for (size_t i = 0; i < lines.n; i++)
            if (!*lines.items[i] || strpbrk(lines.items[i], "\n")) abort();
        if (!lines.n) abort();
    } else if (err.code == BL_OK || !err.message[0]) {
        abort();
    }
    text_list_free(&lines);
    free(copy);
    return 0;
}
