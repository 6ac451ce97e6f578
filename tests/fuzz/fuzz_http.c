/* A request from anyone to the explorer's handler, without sockets: the web server's functions that the
 * handler calls are replaced here, and its callbacks are called as libmicrohttpd does. The input is a request
 * line, headers and a body. Whatever it is, there is one answer at most, of a documented status, with the
 * headers that every answer bears; JSON is JSON, and no path of this machine is in a refusal.
 * tests/serve/hostile.py sends bytes to the server itself. */
#include "fuzz_model.h"
#include "serve/handler.h"
#include <semaphore.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_HEADERS = 32 };

struct MHD_Connection {
    const char *names[MOST_HEADERS], *values[MOST_HEADERS];
    int n, answers;
    bool suspended;
    sem_t resumed;
};

struct MHD_Response {
    size_t n;
    const char *text;
    MHD_ContentReaderFreeCallback release;
    void *context;
    bool json, policy, etag;
};

/* ---- what the handler calls */

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c,
                                                        enum MHD_ConnectionInfoType what, ...) {
    (void)c, (void)what;
    return NULL;
}

int MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator visit,
                              void *context) {
    for (int i = 0; i < c->n; i++) (void)visit(context, kind, c->names[i], c->values[i]);
    return c->n;
}

static struct MHD_Response *respond(size_t n, void *text, MHD_ContentReaderFreeCallback release,
                                    void *context) {
    struct MHD_Response *r = malloc(sizeof *r);
    if (!r) abort();
    *r = (struct MHD_Response){.n = n, .text = text, .release = release, .context = context};
    return r;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t n, void *text, enum MHD_ResponseMemoryMode mode) {
    if (mode != MHD_RESPMEM_PERSISTENT) abort();
    return respond(n, text, NULL, NULL);
}

struct MHD_Response *MHD_create_response_from_buffer_with_free_callback_cls(
    size_t n, void *text, MHD_ContentReaderFreeCallback release, void *context) {
    return respond(n, text, release, context);
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *r, const char *name, const char *value) {
    if (strpbrk(value, "\r\n")) abort();
    r->json |= strcmp(name, "Content-Type") == 0 && strcmp(value, "application/json") == 0;
    r->policy |= strcmp(name, "Content-Security-Policy") == 0;
    r->etag |= strcmp(name, "ETag") == 0;
    return MHD_YES;
}

static void check_json(unsigned status, const struct MHD_Response *r) {
    bl_error err = {0};
    char *text = malloc(r->n + 1);
    if (!text) abort();
    memcpy(text, r->text, r->n);
    text[r->n] = '\0';
    bl_tree *tree = bl_tree_parse(text, "answer", &err);
    if (!tree || (status != 200 && strstr(text, fuzz_folder))) abort();
    bl_tree_free(tree);
    free(text);
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status, struct MHD_Response *r) {
    static const unsigned known[] = {200, 301, 304, 400, 403, 404, 405, 409,
                                     413, 414, 415, 421, 422, 500, 503};
    size_t i = 0;
    while (i < sizeof known / sizeof *known && known[i] != status) i++;
    if (i == sizeof known / sizeof *known || !r->policy || c->answers++) abort();
    if (r->json) check_json(status, r);
    else if (status >= 400) abort();
    else if (status != 301 && !r->etag) abort();
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *r) {
    if (r->release) r->release(r->context);
    free(r);
}

void MHD_suspend_connection(struct MHD_Connection *c) { c->suspended = true; }
void MHD_resume_connection(struct MHD_Connection *c) { sem_post(&c->resumed); }

/* ---- what calls the handler */

static bl_service service;
static bl_model *model;
static bl_corpus *corpus;

static void stop(void) {
    bl_jobs_stop(service.jobs);
    bl_jobs_free(service.jobs);
    bl_explorer_free(service.explorer);
    bl_model_free(model);
    bl_corpus_free(corpus);
}

static void start(void) {
    bl_error err = {0};
    bl_set_threads(1);
    model = fuzz_model();
    corpus = fuzz_stories();
    service.explorer = bl_explorer_new(model, corpus, NULL, &err);
    service.jobs = bl_jobs_new(&err);
    if (!service.explorer || !service.jobs) abort();
    if (!bl_hosts_publish(&service.hosts, "https://models.example.org/bi/lens", &err)) abort();
    atexit(stop);
}

/* The next line of *at, without its end; NULL where the text ends. */
static char *next_line(char **at, const char *end) {
    char *line = *at, *stop_at = line;
    if (line >= end) return NULL;
    while (stop_at < end && *stop_at != '\n') stop_at++;
    *at = stop_at < end ? stop_at + 1 : stop_at;
    *stop_at = '\0';
    if (stop_at > line && stop_at[-1] == '\r') stop_at[-1] = '\0';
    return line;
}

static void read_headers(struct MHD_Connection *c, char **at, const char *end) {
    for (char *line; (line = next_line(at, end)) && *line;) {
        char *colon = strchr(line, ':');
        if (!colon || c->n == MOST_HEADERS) continue;
        *colon++ = '\0';
        while (*colon == ' ' || *colon == '\t') colon++;
        c->names[c->n] = line;
        c->values[c->n++] = colon;
    }
}

/* The calls of one request, the body in pieces of `piece` bytes. */
static void serve(struct MHD_Connection *c, const char *method, const char *uri, const char *body,
                  size_t left, size_t piece) {
    enum MHD_Result go_on = MHD_YES;
    size_t none = 0;
    void *x = bl_handler_begin(&service, uri, c);
    if (!x) abort();
    go_on = bl_handler_handle(&service, c, uri, method, "HTTP/1.1", NULL, &none, &x);
    while (go_on == MHD_YES && !c->answers && left) {
        size_t n = piece < left ? piece : left, kept = n;
        go_on = bl_handler_handle(&service, c, uri, method, "HTTP/1.1", body, &n, &x);
        if (go_on == MHD_YES && n) abort();
        body += kept;
        left -= kept;
    }
    if (go_on == MHD_YES && !c->answers)
        go_on = bl_handler_handle(&service, c, uri, method, "HTTP/1.1", NULL, &none, &x);
    if (c->suspended) {
        while (sem_wait(&c->resumed) != 0) continue;
        go_on = bl_handler_handle(&service, c, uri, method, "HTTP/1.1", NULL, &none, &x);
    }
    if (go_on == MHD_YES && c->answers != 1) abort();
    bl_handler_end(&service, c, &x, MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct MHD_Connection c = {0};
    if (!service.jobs) start();
    if (fuzz_knows_folder(data, size)) return 0;
    char *text = malloc(size + 1), *at = text;
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    char *method = next_line(&at, text + size), *uri = method ? strchr(method, ' ') : NULL;
    if (uri) {
        *uri++ = '\0';
        uri[strcspn(uri, " ")] = '\0';
        read_headers(&c, &at, text + size);
        if (sem_init(&c.resumed, 0, 0) != 0) abort();
        serve(&c, method, uri, at, (size_t)(text + size - at), 1 + size % 97);
        sem_destroy(&c.resumed);
    }
    free(text);
    return 0;
}
