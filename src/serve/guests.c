#include "serve/guests.h"
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

struct bl_guest {
    bl_guests *guests;
    bl_guest *previous, *next;
    int socket;
    state state;
    time_t since;
    void *request;    /* begun, its headers not there yet; NULL: none */
    pthread_t thread; /* the web server's, in which it began */
};

struct bl_guests {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bl_guest *first;
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
    bl_guests *g = context;
    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        struct timespec until;
        time_t now = seconds();
        for (bl_guest *guest = g->first; guest; guest = guest->next) {
            time_t limit = guest->state == TAKING ? 10 * g->limit : g->limit;
            if (guest->state != WAITING && now - guest->since > limit)
                (void)shutdown(guest->socket, SHUT_RDWR);
        }
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&g->changed, &g->lock, &until);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

bl_guests *bl_guests_new(unsigned limit, size_t most, bl_error *err) {
    bl_guests *g = bl_alloc_zero(1, sizeof *g, err);
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

void bl_guests_free(bl_guests *g) {
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

/* Who has closed his sending side and who is gone look alike; the second is told by the probes that the
 * system sends, after about a minute. */
static void watch_silence(int socket) {
    int one = 1, idle = 10;
    (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
}

/* Under the lock. The list begins with the newest. */
static void close_slowest(bl_guests *g) {
    bl_guest *slowest = NULL;
    for (bl_guest *guest = g->first; guest; guest = guest->next)
        if (guest->state == SENDING && (!slowest || guest->since <= slowest->since)) slowest = guest;
    if (!slowest) return;
    (void)shutdown(slowest->socket, SHUT_RDWR);
    slowest->state = TAKING; /* not twice */
}

bl_guest *bl_guest_enter(bl_guests *g, int socket) {
    bl_guest *guest = bl_alloc_zero(1, sizeof *guest, NULL);
    if (!guest) return NULL;
    *guest = (bl_guest){.guests = g, .socket = socket, .since = seconds()};
    watch_silence(socket);
    pthread_mutex_lock(&g->lock);
    if (++g->n > g->most) close_slowest(g);
    guest->next = g->first;
    if (g->first) g->first->previous = guest;
    g->first = guest;
    pthread_mutex_unlock(&g->lock);
    return guest;
}

void bl_guest_leave(bl_guest *guest) {
    if (!guest) return;
    bl_guests *g = guest->guests;
    pthread_mutex_lock(&g->lock);
    if (guest->previous) guest->previous->next = guest->next;
    else g->first = guest->next;
    if (guest->next) guest->next->previous = guest->previous;
    g->n--;
    pthread_mutex_unlock(&g->lock);
    free(guest);
}

static void change(bl_guest *guest, state to) {
    if (!guest) return;
    pthread_mutex_lock(&guest->guests->lock);
    guest->state = to;
    guest->since = seconds();
    pthread_mutex_unlock(&guest->guests->lock);
}

void bl_guest_served(bl_guest *guest) { change(guest, WAITING); }
void bl_guest_answered(bl_guest *guest) { change(guest, TAKING); }
void bl_guest_done(bl_guest *guest) { change(guest, SENDING); }

bool bl_guest_gone(const bl_guest *guest, bool browser) {
    char byte;
    if (!guest) return false;
    ssize_t n = recv(guest->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return (n == 0 && browser) || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void set_request(bl_guest *guest, void *request) {
    if (!guest) return;
    pthread_mutex_lock(&guest->guests->lock);
    guest->request = request;
    guest->thread = pthread_self();
    pthread_mutex_unlock(&guest->guests->lock);
}

void bl_guest_begins(bl_guest *guest, void *request) { set_request(guest, request); }
void bl_guest_heard(bl_guest *guest) { set_request(guest, NULL); }

bool bl_guests_refuse(bl_guests *g, bool (*read)(void *request), const char *text, size_t n) {
    bl_guest *known = NULL, *only = NULL;
    size_t begun = 0;
    pthread_mutex_lock(&g->lock);
    for (bl_guest *guest = g->first; guest; guest = guest->next) {
        if (!guest->request || !pthread_equal(guest->thread, pthread_self())) continue;
        begun++;
        only = guest;
        if (read(guest->request)) known = guest;
    }
    if (!known && begun == 1) known = only;
    if (known) {
        known->request = NULL;
        (void)!send(known->socket, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)shutdown(known->socket, SHUT_WR);
    }
    pthread_mutex_unlock(&g->lock);
    return known != NULL;
}
