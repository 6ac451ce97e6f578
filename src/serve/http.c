/* The web server: libmicrohttpd around the explorer.
 *
 * One thread per listening socket does all input and output (loop.h). A request is looked at when its headers
 * are there (method, host, origin, sizes) and refused at once or read to its end; the page's files are
 * answered directly, the API's requests suspended, worked on by the threads of jobs.h, and resumed with their
 * answer. */
#include "base/error.h"
#include "base/memory.h"
#include "serve/handler.h"
#include "serve/connections.h"
#include "serve/hosts.h"
#include "serve/loop.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_CONNECTIONS 512
#define CROWDED 384 /* connections; from here on the slowest makes place for the next */
#define CONNECTION_MEMORY ((size_t)64 << 10) /* request line and headers must fit */
#define SILENCE 15U                          /* seconds without a byte */
#define PATIENCE 30U                         /* seconds for a whole request */

struct bl_server {
    bl_service service;
    struct MHD_Daemon *daemons[2];
    bl_loop *loops[2];
    size_t n_daemons;
    unsigned port;
    char url[300];
};

static void on_connection(void *context, struct MHD_Connection *mhd, void **connection,
                          enum MHD_ConnectionNotificationCode what) {
    bl_service *service = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *connection = info ? bl_connection_open(service->connections, info->connect_fd) : NULL;
    } else {
        bl_connection_close(*connection);
        *connection = NULL;
    }
}

/* What the web server says when it refuses a request, before it sends its page. */
static void on_log(void *context, const char *format, va_list arguments) {
    static const char refusal[] = "Error processing request (HTTP response code is %u";
    if (strncmp(format, refusal, sizeof refusal - 1) != 0) return;
    bl_handler_refuse(context, va_arg(arguments, unsigned));
}

static struct MHD_Daemon *start(bl_server *server, int socket, bool v6, bl_error *err) {
    unsigned flags = BL_LOOP_FLAGS | MHD_USE_ERROR_LOG | (v6 ? MHD_USE_IPv6 : 0U);
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, bl_handler_handle, &server->service,
                         MHD_OPTION_EXTERNAL_LOGGER, on_log, &server->service, MHD_OPTION_LISTEN_SOCKET,
                         socket, MHD_OPTION_URI_LOG_CALLBACK, bl_handler_begin, &server->service,
                         MHD_OPTION_NOTIFY_COMPLETED, bl_handler_end, &server->service,
                         MHD_OPTION_NOTIFY_CONNECTION, on_connection, &server->service,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
                         SILENCE, MHD_OPTION_END);
    if (!daemon) bl_fail(err, BL_ERR_IO, "the web server cannot be started");
    return daemon;
}

/* What is served: a model with its corpus, or an image model with its images. */
typedef struct subject {
    const bl_model *model;
    bl_corpus *corpus;
    const bl_image_model *image;
    const bl_images *images;
} subject;

static bl_explorer *explore(const subject *s, const bl_serve_options *options, bl_error *err) {
    return s->image ? bl_explorer_new_images(s->image, s->images, options, err)
                    : bl_explorer_new(s->model, s->corpus, options, err);
}

static bl_server *serve(const subject *s, const bl_serve_options *options, bl_error *err) {
    static const bl_serve_options defaults = {0};
    int sockets[2];
    bool v6[2];
    bl_error_clear(err);
    if (!options) options = &defaults;
    bl_server *server = bl_alloc_zero(1, sizeof *server, err);
    if (!server) return NULL;
    bl_service *service = &server->service;
    bool published = bl_hosts_publish(&service->hosts, options->public_origin, err);
    service->explorer = published ? explore(s, options, err) : NULL;
    service->jobs = service->explorer ? bl_jobs_new(err) : NULL;
    service->connections = service->jobs ? bl_connections_new(PATIENCE, CROWDED, err) : NULL;
    server->port = options->port;
    size_t n = service->connections
                 ? bl_listen(options->address, &server->port, sockets, v6, &service->hosts, err)
                 : 0;
    bool ok = n > 0;
    for (size_t i = 0; i < n; i++) {
        server->daemons[i] = server->n_daemons == i ? start(server, sockets[i], v6[i], err) : NULL;
        if (server->daemons[i]) server->loops[server->n_daemons++] = bl_loop_new(server->daemons[i], err);
        else close(sockets[i]);
        ok = ok && server->loops[i];
    }
    const char *shown = !options->address || service->hosts.any_number ? "127.0.0.1" : options->address;
    snprintf(server->url, sizeof server->url,
             strchr(shown, ':') ? "http://[%.250s]:%u/" : "http://%.250s:%u/", shown, server->port);
    if (ok) return server;
    bl_server_free(server);
    return NULL;
}

bl_server *bl_server_new(const bl_model *model, bl_corpus *corpus, const bl_serve_options *options,
                         bl_error *err) {
    return serve(&(subject){.model = model, .corpus = corpus}, options, err);
}

bl_server *bl_server_new_images(const bl_image_model *model, const bl_images *images,
                                const bl_serve_options *options, bl_error *err) {
    return serve(&(subject){.image = model, .images = images}, options, err);
}

const char *bl_server_url(const bl_server *server) { return server->url; }
unsigned bl_server_port(const bl_server *server) { return server->port; }

/* Suspended requests must be resumed before the web server is stopped: what runs is cancelled, what waits is
 * refused. */
void bl_server_free(bl_server *server) {
    if (!server) return;
    bl_service *service = &server->service;
    atomic_store(&service->stop, true);
    if (service->explorer) bl_explorer_stop(service->explorer);
    if (service->jobs) bl_jobs_stop(service->jobs);
    for (size_t i = 0; i < server->n_daemons; i++) {
        bl_loop_free(server->loops[i]);
        MHD_stop_daemon(server->daemons[i]);
    }
    bl_connections_free(service->connections);
    bl_jobs_free(service->jobs);
    bl_explorer_free(service->explorer);
    free(server);
}
