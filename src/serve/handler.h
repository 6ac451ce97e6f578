/* One request and its answer, as the web server calls back for it. */
#ifndef BL_SERVE_HANDLER_H
#define BL_SERVE_HANDLER_H
#include "serve/explorer.h"
#include "serve/connections.h"
#include "serve/hosts.h"
#include "serve/jobs.h"
#include <microhttpd.h>
#include <stdatomic.h>

/* What all requests share. */
typedef struct bl_service {
    bl_explorer *explorer;
    bl_jobs *jobs;
    bl_connections *connections;
    bl_hosts hosts;
    atomic_bool stop;
} bl_service;

/* MHD_OPTION_URI_LOG_CALLBACK: the request line is there. */
void *bl_handler_begin(void *service, const char *uri, struct MHD_Connection *connection);
/* The access handler: headers, pieces of the body, its end; and once more when the answer is there. */
enum MHD_Result bl_handler_handle(void *service, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **exchange);
/* The web server is about to refuse the request on bl_loop_socket by itself, with a page of its own: sends
 * the documented JSON in its place. */
void bl_handler_refuse(bl_service *service, unsigned status);
/* MHD_OPTION_NOTIFY_COMPLETED. */
void bl_handler_end(void *service, struct MHD_Connection *connection, void **exchange,
                    enum MHD_RequestTerminationCode why);
#endif
