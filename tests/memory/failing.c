#include "memory/failing.h"
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *pointer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *pointer);

#define SLOTS ((size_t)1 << 17) /* a power of two, many times what a tiny model needs */

static struct {
    pthread_mutex_t lock;
    bool armed, fired;
    size_t calls, nth, live;
    void *site;
    void *blocks[SLOTS]; /* open addressing; REMOVED keeps chains whole */
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char removed;
#define REMOVED ((void *)&removed)

static size_t slot_of(const void *pointer) {
    return (size_t)(((uintptr_t)pointer >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (SLOTS - 1);
}

/* True when this allocation must fail. */
static bool next_fails(void *site) {
    pthread_mutex_lock(&state.lock);
    bool fails = state.armed && ++state.calls == state.nth;
    if (fails) {
        state.fired = true;
        state.site = site;
    }
    pthread_mutex_unlock(&state.lock);
    return fails;
}

static void *remember(void *pointer) {
    pthread_mutex_lock(&state.lock);
    if (pointer && state.armed) {
        size_t i = slot_of(pointer), tried = 0;
        while (state.blocks[i] && state.blocks[i] != REMOVED && tried++ < SLOTS) i = (i + 1) & (SLOTS - 1);
        if (tried >= SLOTS) {
            fprintf(stderr, "failing.c: SLOTS is too small\n");
            abort();
        }
        state.blocks[i] = pointer;
        state.live++;
    }
    pthread_mutex_unlock(&state.lock);
    return pointer;
}

/* Blocks from before failing_arm, or from other libraries, are not known and do not count. */
static void forget(const void *pointer) {
    pthread_mutex_lock(&state.lock);
    if (pointer && state.armed)
        for (size_t i = slot_of(pointer), tried = 0; state.blocks[i] && tried < SLOTS;
             i = (i + 1) & (SLOTS - 1), tried++)
            if (state.blocks[i] == pointer) {
                state.blocks[i] = REMOVED;
                state.live--;
                break;
            }
    pthread_mutex_unlock(&state.lock);
}

void failing_arm(size_t nth) {
    pthread_mutex_lock(&state.lock);
    for (size_t i = 0; i < SLOTS; i++) state.blocks[i] = NULL;
    state.nth = nth;
    state.calls = state.live = 0;
    state.fired = false;
    state.armed = true;
    pthread_mutex_unlock(&state.lock);
}

bool failing_disarm(void) {
    state.armed = false;
    return state.fired;
}

size_t failing_live(void) { return state.live; }
void *failing_site(void) { return state.site; }

void *failing_malloc(size_t size) {
    return next_fails(__builtin_return_address(0)) ? NULL : remember(__real_malloc(size));
}
void failing_free(void *pointer) { __wrap_free(pointer); }

void *__wrap_malloc(size_t size) {
    return next_fails(__builtin_return_address(0)) ? NULL : remember(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
    return next_fails(__builtin_return_address(0)) ? NULL : remember(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return next_fails(__builtin_return_address(0)) ? NULL : remember(__real_aligned_alloc(alignment, size));
}

void *__wrap_realloc(void *pointer, size_t size) {
    if (next_fails(__builtin_return_address(0))) return NULL;
    forget(pointer); /* before: another thread may be given the old address */
    return remember(__real_realloc(pointer, size));
}

void __wrap_free(void *pointer) {
    forget(pointer);
    __real_free(pointer);
}
