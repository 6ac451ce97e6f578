#include "serve/guests.h"
#include "base/error.h"
#include "base/memory.h"
#include <errno.h>
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
};

struct bl_guests {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bl_guest *first;
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

bl_guests *bl_guests_new(unsigned limit, bl_error *err) {
    bl_guests *g = bl_alloc_zero(1, sizeof *g, err);
    if (!g) return NULL;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    g->limit = (time_t)limit;
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

bl_guest *bl_guest_enter(bl_guests *g, int socket) {
    bl_guest *guest = bl_alloc_zero(1, sizeof *guest, NULL);
    if (!guest) return NULL;
    *guest = (bl_guest){.guests = g, .socket = socket, .since = seconds()};
    pthread_mutex_lock(&g->lock);
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

bool bl_guest_gone(const bl_guest *guest) {
    char byte;
    if (!guest) return false;
    ssize_t n = recv(guest->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
