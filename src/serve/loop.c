/* The web server's own loop handles all sockets that are ready in one call, and its log does not say which of
 * them it refuses. Here each that is ready has a call of its own. A call looks at every connection, which a
 * few hundred allow. */
#include "serve/loop.h"
#include "base/error.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <unistd.h>

struct bl_loop {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int wake; /* becomes readable at the end */
    atomic_bool stop;
};

/* For reading, for writing, exceptions. */
typedef struct sets {
    fd_set of[3];
} sets;

static _Thread_local int working_on = -1;
static _Thread_local bl_loop *current;

int bl_loop_socket(void) { return working_on; }

bl_loop *bl_loop_current(void) { return current; }

void bl_loop_wake(bl_loop *loop) {
    uint64_t one = 1;
    if (loop) (void)!write(loop->wake, &one, sizeof one);
}

static void empty(sets *s) {
    for (int i = 0; i < 3; i++) FD_ZERO(&s->of[i]);
}

static void run(bl_loop *loop, const sets *ready) {
    MHD_run_from_select(loop->daemon, &ready->of[0], &ready->of[1], &ready->of[2]);
}

/* The web server with nothing but what `ready` says of this socket; false when that is nothing. */
static bool run_one(bl_loop *loop, const sets *ready, int socket) {
    sets one;
    bool any = false;
    empty(&one);
    for (int i = 0; i < 3; i++) {
        if (!FD_ISSET(socket, &ready->of[i])) continue;
        FD_SET(socket, &one.of[i]);
        any = true;
    }
    if (!any) return false;
    working_on = socket;
    run(loop, &one);
    working_on = -1;
    return true;
}

static void *work(void *context) {
    bl_loop *loop = context;
    current = loop;
    while (!atomic_load(&loop->stop)) {
        sets ready;
        int most = loop->wake, n = 0;
        MHD_UNSIGNED_LONG_LONG milliseconds;
        struct timeval wait, *limit = NULL;
        empty(&ready);
        (void)MHD_get_fdset(loop->daemon, &ready.of[0], &ready.of[1], &ready.of[2], &most);
        FD_SET(loop->wake, &ready.of[0]);
        if (MHD_get_timeout(loop->daemon, &milliseconds) == MHD_YES) {
            wait = (struct timeval){(time_t)(milliseconds / 1000), (suseconds_t)(milliseconds % 1000 * 1000)};
            limit = &wait;
        }
        if (select(most + 1, &ready.of[0], &ready.of[1], &ready.of[2], limit) < 0) empty(&ready);
        uint64_t woken = 0;
        if (FD_ISSET(loop->wake, &ready.of[0])) (void)!read(loop->wake, &woken, sizeof woken);
        for (int i = 0; i <= most; i++)
            if (i != loop->wake) n += run_one(loop, &ready, i);
        empty(&ready);
        if (n == 0 || woken) run(loop, &ready); /* what was resumed, or was silent for too long */
    }
    return NULL;
}

bl_loop *bl_loop_new(struct MHD_Daemon *daemon, bl_error *err) {
    bl_loop *loop = bl_alloc_zero(1, sizeof *loop, err);
    if (!loop) return NULL;
    loop->daemon = daemon;
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool open = loop->wake >= 0 && loop->wake < FD_SETSIZE;
    if (open && pthread_create(&loop->thread, NULL, work, loop) == 0) return loop;
    if (loop->wake >= 0) close(loop->wake);
    free(loop);
    return bl_fail_null(err, BL_ERR_IO, "the web server's thread cannot be started");
}

void bl_loop_free(bl_loop *loop) {
    if (!loop) return;
    atomic_store(&loop->stop, true);
    bl_loop_wake(loop);
    pthread_join(loop->thread, NULL);
    close(loop->wake);
    free(loop);
}
