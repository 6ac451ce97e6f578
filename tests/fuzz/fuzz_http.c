/* Bytes from anyone to a running server: the connection ends, and what came back is nothing or begins like
 * HTTP; JSON is JSON. Afterwards an honest request is answered. */
#include "fuzz_model.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bl_server *server;
static char answer[1 << 20];

static bl_model *model;
static bl_corpus *corpus;

static void stop(void) {
    bl_server_free(server);
    bl_model_free(model);
    bl_corpus_free(corpus);
}

/* Sends, ends the sending side, reads to the end; bytes read. */
static size_t exchange(const void *data, size_t size) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)bl_server_port(server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    if (s < 0 || connect(s, (const struct sockaddr *)&to, sizeof to) != 0) abort();
    for (size_t sent = 0; sent < size;) {
        ssize_t got = send(s, (const char *)data + sent, size - sent, MSG_NOSIGNAL);
        if (got <= 0) break; /* it has answered and closed already */
        sent += (size_t)got;
    }
    (void)shutdown(s, SHUT_WR);
    for (ssize_t got; n < sizeof answer - 1 && (got = recv(s, answer + n, sizeof answer - 1 - n, 0)) > 0;)
        n += (size_t)got;
    answer[n] = '\0';
    close(s);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char honest[] = "GET /api/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    static unsigned runs;
    bl_error err = {0};
    if (!server) {
        bl_set_threads(1);
        model = fuzz_model();
        corpus = fuzz_stories();
        server = bl_server_new(model, corpus, NULL, &err);
        if (!server) abort();
        atexit(stop);
    }
    size_t n = exchange(data, size);
    if (n && strncmp(answer, "HTTP/1.", 7) != 0) abort();
    if (n && strstr(answer, fuzz_folder) && strncmp(answer, "HTTP/1.1 200", 12) != 0) abort();
    if (++runs % 64 == 0 &&
        (exchange(honest, sizeof honest - 1) == 0 || strncmp(answer, "HTTP/1.1 200", 12) != 0))
        abort();
    return 0;
}
