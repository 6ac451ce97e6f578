/* One request and its answer: what is refused and why, and the headers that every answer bears. */
#include "serve/handler.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/loop.h"
#include "serve/page.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MOST_URL 8192 /* characters of path and query; longer texts are for POST */
#define SWALLOWED \
    ((size_t)1 << 20) /* bytes of a body that is too long, read so that its sender sees the answer */

typedef struct exchange {
    bl_job job; /* first */
    bl_service *service;
    struct MHD_Connection *mhd;
    bl_connection *connection;
    bl_loop *loop;
    char *uri, *body;
    size_t body_n, body_capacity;
    bl_request request;
    bl_answer answer;
    bool seen, answered; /* headers; answer made */
    bool swallow;        /* the body is read, but not kept */
    bool browser;        /* by what it calls itself */
} exchange;

void *bl_handler_begin(void *service, const char *uri, struct MHD_Connection *connection) {
    exchange *x = bl_alloc_zero(1, sizeof *x, NULL);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!x) return NULL;
    x->service = service;
    x->mhd = connection;
    x->loop = bl_loop_current();
    x->connection = info ? info->socket_context : NULL;
    x->uri = bl_strdup(bl_hosts_path(&x->service->hosts, uri), NULL);
    return x;
}

void bl_handler_end(void *service, struct MHD_Connection *connection, void **context,
                    enum MHD_RequestTerminationCode why) {
    exchange *x = *context;
    (void)service, (void)connection, (void)why;
    *context = NULL;
    if (!x) return;
    bl_connection_idle(x->connection);
    bl_request_free(&x->request);
    bl_answer_release(&x->answer);
    free(x->body);
    free(x->uri);
    free(x);
}

/* What every answer bears. Scripts, styles and data come from here only; nothing may be framed, sniffed or
 * embedded elsewhere. */
static const char *const common_headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src "
     "'self'; "
     "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"}};
enum { N_COMMON = sizeof common_headers / sizeof *common_headers };

static void add_common(struct MHD_Response *response) {
    for (size_t i = 0; i < N_COMMON; i++)
        (void)MHD_add_response_header(response, common_headers[i][0], common_headers[i][1]);
}

static enum MHD_Result send_response(exchange *x, unsigned status, struct MHD_Response *response) {
    if (!response) return MHD_NO;
    add_common(response);
    enum MHD_Result result = MHD_queue_response(x->mhd, status, response);
    MHD_destroy_response(response);
    bl_connection_sending(x->connection);
    return result;
}

static void release(void *context) {
    bl_answer *answer = context;
    bl_answer_release(answer);
    free(answer);
}

/* Sends x->answer, which then belongs to the response. */
static enum MHD_Result send_answer(exchange *x) {
    bl_answer *answer = bl_alloc(1, sizeof *answer, NULL);
    if (!answer) return MHD_NO;
    *answer = x->answer;
    x->answer = (bl_answer){0};
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(answer->n, (void *)(uintptr_t)answer->text,
                                                               release, answer);
    unsigned status = answer->status;
    if (!response) {
        release(answer);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == 405) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST");
    if (status == 503) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    return send_response(x, status, response);
}

static enum MHD_Result refuse(exchange *x, unsigned status, const char *message) {
    bl_answer_release(&x->answer);
    bl_answer_error(&x->answer, status, message);
    return send_answer(x);
}

/* The only value of a header; NULL when there is none. More than one: *count. */
typedef struct header {
    const char *name, *value;
    size_t count;
} header;

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
    header *h = context;
    (void)kind;
    if (strcasecmp(name, h->name) == 0) {
        h->value = value ? value : "";
        h->count++;
    }
    return MHD_YES;
}

static header find_header(struct MHD_Connection *connection, const char *name) {
    header h = {.name = name};
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &h);
    return h;
}

/* A page of another origin may neither post here nor make requests of the API; a browser says so in these
 * headers. */
static bool is_foreign(exchange *x, const char *host, bool api) {
    header origin = find_header(x->mhd, "Origin"), site = find_header(x->mhd, "Sec-Fetch-Site");
    if (origin.count > 1 || (origin.count && !bl_hosts_own_page(&x->service->hosts, origin.value, host)))
        return true;
    return api && site.count &&
           (site.count > 1 || (strcmp(site.value, "same-origin") != 0 && strcmp(site.value, "none") != 0));
}

/* The body's length as the headers have it: false when it is too long to be read even for nothing. */
static bool length_is_bearable(exchange *x) {
    header length = find_header(x->mhd, "Content-Length");
    if (!length.count) return true;
    errno = 0;
    unsigned long long n = strtoull(length.value, NULL, 10);
    if (errno || n > SWALLOWED) return false;
    if (n > BL_SERVE_BODY) x->swallow = true;
    return true;
}

static bool is_form(exchange *x) {
    static const char form[] = "application/x-www-form-urlencoded";
    header type = find_header(x->mhd, "Content-Type");
    return type.count == 1 && strncasecmp(type.value, form, sizeof form - 1) == 0 &&
           strchr("; \t", type.value[sizeof form - 1]);
}

/* Two lengths, or a length beside chunks: a proxy in front may take the other one, and see the next request
 * where this one has a body. */
static bool length_is_ambiguous(exchange *x) {
    header length = find_header(x->mhd, "Content-Length"), coding = find_header(x->mhd, "Transfer-Encoding");
    return length.count + coding.count > 1 || (coding.count && strcasecmp(coding.value, "chunked") != 0);
}

static bool is_browser(exchange *x) {
    header agent = find_header(x->mhd, "User-Agent");
    return agent.count && strncmp(agent.value, "Mozilla/", 8) == 0;
}

/* Headers are there. MHD_YES with x->answered false to go on reading. */
static enum MHD_Result look_at(exchange *x, const char *method) {
    x->seen = true;
    if (!x->uri) return refuse(x, 503, "out of memory");
    bool api = strncmp(x->uri, "/api/", 5) == 0, post = strcmp(method, "POST") == 0;
    bool read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    header host = find_header(x->mhd, "Host");
    x->answered = true;
    x->browser = is_browser(x);
    if (!read && !post) return refuse(x, 405, "only GET, HEAD and POST are known here");
    if (strlen(x->uri) > MOST_URL)
        return refuse(x, 414,
                      "the address is longer than 8192 characters: longer texts can be sent with POST");
    if (host.count != 1) return refuse(x, 400, "a request needs one Host header");
    if (!bl_hosts_allow(&x->service->hosts, host.value))
        return refuse(
            x, 421,
            "this server does not answer under that name: use the address that bilens serve printed, or "
            "start it with --public-origin URL when a proxy shows it under another one");
    if (is_foreign(x, host.value, api))
        return refuse(x, 403,
                      "pages of another origin may not ask this server; when a proxy shows it under another "
                      "address, start it with --public-origin URL");
    if (length_is_ambiguous(x)) return refuse(x, 400, "a body needs one length: Content-Length or chunks");
    if (!length_is_bearable(x)) return refuse(x, 413, "a body may have 65536 bytes");
    if (post && !api) return refuse(x, 405, "files are only for GET and HEAD");
    if (post && !x->swallow && !is_form(x))
        return refuse(x, 415, "a body must be application/x-www-form-urlencoded");
    x->answered = false;
    return MHD_YES;
}

static enum MHD_Result take_body(exchange *x, const char *data, size_t *n) {
    x->body_n += *n;
    if (x->body_n > BL_SERVE_BODY) x->swallow = true;
    if (x->body_n > SWALLOWED) return MHD_NO; /* without a length said before: the connection ends */
    if (!x->swallow) {
        if (!bl_grow(&x->body, &x->body_capacity, x->body_n, 1, NULL)) return MHD_NO;
        memcpy(x->body + x->body_n - *n, data, *n);
    }
    *n = 0;
    return MHD_YES;
}

/* Whether an If-None-Match list holds the tag. */
static bool matches(const char *list, const char *etag) {
    return strcmp(list, "*") == 0 || strstr(list, etag) != NULL;
}

static enum MHD_Result send_file(exchange *x, const char *path) {
    const bl_page_file *file = bl_page_find(path);
    if (!file) return refuse(x, 404, "there is no such page");
    header known = find_header(x->mhd, "If-None-Match");
    bool same = known.count == 1 && matches(known.value, file->etag);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(same ? 0 : file->size, (void *)(uintptr_t)file->data,
                                        MHD_RESPMEM_PERSISTENT);
    if (!response) return MHD_NO;
    if (!same)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, bl_page_type(file->path));
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    return send_response(x, same ? 304 : 200, response);
}

/* "/bilens" to "/bilens/", without which the page's own addresses lead elsewhere. */
static enum MHD_Result send_onward(exchange *x) {
    char where[sizeof x->service->hosts.prefix + 2];
    snprintf(where, sizeof where, "%s/", x->service->hosts.prefix);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (response) (void)MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, where);
    return send_response(x, MHD_HTTP_MOVED_PERMANENTLY, response);
}

static bool nobody_waits(void *context) {
    const exchange *x = context;
    return atomic_load(&x->service->stop) || bl_connection_is_gone(x->connection, x->browser);
}

/* The answer is there. x may be gone afterwards. */
static void resume(exchange *x) {
    bl_loop *loop = x->loop;
    x->answered = true;
    MHD_resume_connection(x->mhd);
    bl_loop_wake(loop);
}

/* In one of the jobs' threads. */
static void run(bl_job *job) {
    exchange *x = (exchange *)job;
    if (nobody_waits(x)) bl_answer_error(&x->answer, 503, "the request was given up");
    else bl_explorer_answer(x->service->explorer, &x->request, nobody_waits, x, &x->answer);
    resume(x);
}

static enum MHD_Result dispatch(exchange *x) {
    bl_error err = {0};
    bl_effort effort;
    char *query = strchr(x->uri, '?');
    if (query) *query++ = '\0';
    x->request.path = x->uri;
    if (x->swallow) return refuse(x, 413, "a body may have 65536 bytes");
    if ((query && !bl_request_add(&x->request, query, strlen(query), &err)) ||
        !bl_request_add(&x->request, x->body, x->body_n, &err))
        return refuse(x, err.code == BL_ERR_MEMORY ? 503 : 400, err.message);
    if (strcmp(x->uri, x->service->hosts.prefix) == 0 && *x->uri) return send_onward(x);
    if (strncmp(x->uri, "/api/", 5) != 0) return send_file(x, x->uri);
    if (!bl_explorer_route(x->service->explorer, x->uri, &effort))
        return refuse(x, 404, "there is no such path in the API: see docs/api.md");
    bl_connection_working(x->connection);
    x->job.run = run;
    MHD_suspend_connection(x->mhd);
    if (bl_jobs_add(x->service->jobs, effort, &x->job)) return MHD_YES;
    bl_answer_error(&x->answer, 503, "the server is busy: try again");
    resume(x);
    return MHD_YES;
}

enum MHD_Result bl_handler_handle(void *service, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
    exchange *x = *context;
    (void)service, (void)connection, (void)url, (void)version;
    if (!x) return MHD_NO;
    if (x->answered) return x->answer.text ? send_answer(x) : MHD_NO;
    if (!x->seen) return look_at(x, method);
    if (*upload_size) return take_body(x, upload, upload_size);
    return dispatch(x);
}

void bl_handler_refuse(bl_service *service, unsigned status) {
    static const struct {
        unsigned status;
        const char *phrase, *message;
    } known[] = {{400, "Bad Request", "this is no HTTP request, or its Content-Length is not a number"},
                 {413, "Content Too Large", "a body may have 65536 bytes"},
                 {414, "URI Too Long", "the address is longer than 8192 characters"},
                 {431, "Request Header Fields Too Large", "the headers are longer than 65536 bytes"},
                 {505, "HTTP Version Not Supported", "only HTTP/1.0 and HTTP/1.1 are known here"}};
    bl_answer answer = {0};
    bl_buffer out = {0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].status != status) continue;
        bl_answer_error(&answer, status, known[i].message);
        bl_buffer_print(&out, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: %zu\r\n", status,
                        known[i].phrase, answer.n);
        bl_buffer_text(&out, "Content-Type: application/json\r\nCache-Control: no-store\r\n");
        for (size_t k = 0; k < N_COMMON; k++)
            bl_buffer_print(&out, "%s: %s\r\n", common_headers[k][0], common_headers[k][1]);
        bl_buffer_print(&out, "\r\n%s", answer.text);
        if (!out.failed) bl_connections_refuse(service->connections, bl_loop_socket(), out.data, out.n);
    }
    bl_buffer_free(&out);
    bl_answer_release(&answer);
}
