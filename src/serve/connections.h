/* Open connections. One that sends its request, or takes its answer, too slowly is closed. A connection's
 * time without any byte is limited by the web server; one that sends a byte now and then is found here. */
#ifndef BL_SERVE_CONNECTIONS_H
#define BL_SERVE_CONNECTIONS_H
#include <bilens/base.h>

typedef struct bl_connections bl_connections;
typedef struct bl_connection bl_connection;

/* A request must be complete `seconds` after its connection, or after the answer before it; an answer must
 * be taken within ten times that. When more than `most` are open, the one that has been sending its request
 * for the longest time is closed. */
bl_connections *bl_connections_new(unsigned seconds, size_t most, bl_error *err);
/* All connections must be closed. */
void bl_connections_free(bl_connections *connections);
/* NULL when there is no memory: then its speed is not limited. */
bl_connection *bl_connection_open(bl_connections *connections, int socket);
/* Before the socket is closed. NULL is allowed, here and below. */
void bl_connection_close(bl_connection *connection);
/* The request is there and is being worked on, as long as that takes. */
void bl_connection_working(bl_connection *connection);
/* The answer is on its way. */
void bl_connection_sending(bl_connection *connection);
/* The answer was taken; the next request may come. */
void bl_connection_idle(bl_connection *connection);
/* Whether nobody is at the other end any more. A client that has closed its sending side may still want its
 * answer; a browser never does (`browser`). */
bool bl_connection_is_gone(const bl_connection *connection, bool browser);

/* Answers the request on `socket`, which the web server is about to refuse by itself: sends `text` [n] and
 * ends the socket's sending side, so that the web server's own page is lost. Nothing where an answer is on
 * its way already. */
void bl_connections_refuse(bl_connections *connections, int socket, const char *text, size_t n);
#endif
