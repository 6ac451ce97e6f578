/* A request to the explorer from anyone, without HTTP: "HOST\nPATH?QUERY\nBODY". Whatever it is, the answer
 * is a status of the documented ones and JSON, the same when it is asked again, and no path of this machine
 * is in it. */
#include "fuzz_model.h"
#include "serve/explorer.h"
#include "serve/hosts.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bl_explorer *explorer;

static void check_answer(const bl_answer *answer) {
    static const unsigned known[] = {200, 400, 404, 409, 422, 500, 503};
    bl_error err = {0};
    size_t i = 0;
    while (i < sizeof known / sizeof *known && known[i] != answer->status) i++;
    if (i == sizeof known / sizeof *known) abort();
    bl_tree *tree = bl_tree_parse(answer->text, "answer", &err);
    if (!tree) abort();
    bl_tree_free(tree);
    if (answer->status != 200 && strstr(answer->text, fuzz_folder)) abort();
}

static uint64_t ask(const char *path, const char *query, const char *body) {
    bl_error err = {0};
    bl_request request = {.path = path};
    bl_answer answer = {0};
    uint64_t sum = 0;
    bool ok = bl_request_add(&request, query, strlen(query), &err) &&
              bl_request_add(&request, body, strlen(body), &err);
    if (!ok && (err.code == BL_OK || !err.message[0])) abort();
    if (ok) {
        bl_explorer_answer(explorer, &request, NULL, NULL, &answer);
        check_answer(&answer);
        for (size_t i = 0; i < answer.n; i++) sum = sum * 31 + (unsigned char)answer.text[i];
    }
    bl_answer_release(&answer);
    bl_request_free(&request);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const bl_hosts own = {.name = "machine", .own = "machine.example"};
    bl_error err = {0};
    bl_hosts hosts = own;
    if (!explorer) {
        bl_set_threads(1);
        explorer = bl_explorer_new(fuzz_model(), fuzz_stories(), NULL, &err);
        if (!explorer) abort();
        ask("/api/scan", "token=swim&eigs=-1", ""); /* waits for the stories */
    }
    if (fuzz_knows_folder(data, size)) return 0;
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    char *path = strchr(text, '\n'), *body = path ? strchr(path + 1, '\n') : NULL;
    if (path) *path++ = '\0';
    if (body) *body++ = '\0';
    (void)bl_hosts_allow(&hosts, text);
    if (bl_hosts_publish(&hosts, text, &err)) {
        if (!bl_hosts_allow(&hosts, hosts.host) || !bl_hosts_own_page(&hosts, hosts.origin, "x")) abort();
    } else if (!err.message[0]) {
        abort();
    }
    if (path) {
        char *query = strchr(path, '?');
        if (query) *query++ = '\0';
        const char *inner = bl_hosts_path(&hosts, path), *given = query ? query : "",
                   *sent = body ? body : "";
        if (ask(inner, given, sent) != ask(inner, given, sent)) abort();
    }
    free(text);
    return 0;
}
