#include "serve/connections.h"
#include "base/error.h"
#include "base/memory.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

typedef enum state { SENDING, WAITING, TAKING } state;

struct bl_connection {
    bl_connections *connections;
    bl_connection *previous, *next;
    int socket;
    state state;
    time_t since;
};

struct bl_connections {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bl_connection *first;
    size_t n, most;
    time_t limit;
    bool stop;
};

static time_t seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Shutting a socket down wakes the web server, which then closes it. */
static void *watch(void *context) {
    bl_connections *g = context;
    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        struct timespec until;
        time_t now = seconds();
        for (bl_connection *connection = g->first; connection; connection = connection->next) {
            time_t limit = connection->state == TAKING ? 10 * g->limit : g->limit;
            if (connection->state != WAITING && now - connection->since > limit)
                (void)shutdown(connection->socket, SHUT_RDWR);
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&g->changed, &g->lock, &until);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

bl_connections *bl_connections_new(unsigned limit, size_t most, bl_error *err) {
    bl_connections *g = bl_alloc_zero(1, sizeof *g, err);
    if (!g) return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    g->limit = (time_t)limit;
    g->most = most;
    if (pthread_create(&g->thread, NULL, watch, g) == 0) return g;
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    free(g);
    return bl_fail_null(err, BL_ERR_MEMORY, "no thread can be started to watch over connections");
}

void bl_connections_free(bl_connections *g) {
    if (!g) return;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->changed);
    free(g);
}

/* A client that has closed its sending side looks like one that is gone; the probes that the system sends
 * tell the second, after about a minute. */
static void watch_silence(int socket) {
    int one = 1, idle = 10;
    (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
}

/* Under the lock. The list begins with the newest. */
static void close_slowest(bl_connections *g) {
    bl_connection *slowest = NULL;
    for (bl_connection *connection = g->first; connection; connection = connection->next)
        if (connection->state == SENDING && (!slowest || connection->since <= slowest->since))
            slowest = connection;
    if (!slowest) return;
    (void)shutdown(slowest->socket, SHUT_RDWR);
    slowest->state = TAKING; /* not twice */
}

bl_connection *bl_connection_open(bl_connections *g, int socket) {
    bl_connection *connection = bl_alloc_zero(1, sizeof *connection, NULL);
    if (!connection) return NULL;
    *connection = (bl_connection){.connections = g, .socket = socket, .since = seconds()};
    watch_silence(socket);
    pthread_mutex_lock(&g->lock);
    if (++g->n > g->most) close_slowest(g);
    connection->next = g->first;
    if (g->first) g->first->previous = connection;
    g->first = connection;
    pthread_mutex_unlock(&g->lock);
    return connection;
}

void bl_connection_close(bl_connection *connection) {
    if (!connection) return;
    bl_connections *g = connection->connections;
    pthread_mutex_lock(&g->lock);
    if (connection->previous) connection->previous->next = connection->next;
    else g->first = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    g->n--;
    pthread_mutex_unlock(&g->lock);
    free(connection);
}

static void change(bl_connection *connection, state to) {
    if (!connection) return;
    pthread_mutex_lock(&connection->connections->lock);
    connection->state = to;
    connection->since = seconds();
    pthread_mutex_unlock(&connection->connections->lock);
}

void bl_connection_working(bl_connection *connection) { change(connection, WAITING); }
void bl_connection_sending(bl_connection *connection) { change(connection, TAKING); }
void bl_connection_idle(bl_connection *connection) { change(connection, SENDING); }

bool bl_connection_is_gone(const bl_connection *connection, bool browser) {
    char byte;
    if (!connection) return false;
    ssize_t n = recv(connection->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return (n == 0 && browser) || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void bl_connections_refuse(bl_connections *g, int socket, const char *text, size_t n) {
    pthread_mutex_lock(&g->lock);
    for (bl_connection *connection = g->first; connection; connection = connection->next) {
        if (connection->socket != socket || connection->state == TAKING) continue;
        (void)!send(socket, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(socket, SHUT_WR);
    }
    pthread_mutex_unlock(&g->lock);
}
