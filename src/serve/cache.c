#include "serve/cache.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct bl_cached {
    bl_cache *cache;
    bl_cached *next; /* more recently used first */
    char *key;
    void *value;
    size_t bytes, holders;
    bool inside; /* in the cache's list */
};

struct bl_cache {
    pthread_mutex_t lock;
    bl_cached *first;
    size_t bytes, used;
    void (*destroy)(void *value);
};

static void destroy(bl_cached *c) {
    c->cache->destroy(c->value);
    free(c->key);
    free(c);
}

bl_cache *bl_cache_new(size_t bytes, void (*destroy_value)(void *value), bl_error *err) {
    bl_cache *cache = bl_alloc_zero(1, sizeof *cache, err);
    if (!cache) return NULL;
    pthread_mutex_init(&cache->lock, NULL);
    cache->bytes = bytes;
    cache->destroy = destroy_value;
    return cache;
}

/* Takes *link out of the list; destroyed unless somebody holds it. */
static void drop(bl_cache *cache, bl_cached **link) {
    bl_cached *c = *link;
    *link = c->next;
    cache->used -= c->bytes;
    c->inside = false;
    if (!c->holders) destroy(c);
}

void bl_cache_free(bl_cache *cache) {
    if (!cache) return;
    while (cache->first) drop(cache, &cache->first);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

static bl_cached **find(bl_cache *cache, const char *key) {
    bl_cached **link = &cache->first;
    while (*link && strcmp((*link)->key, key) != 0) link = &(*link)->next;
    return link;
}

bl_cached *bl_cache_find(bl_cache *cache, const char *key) {
    pthread_mutex_lock(&cache->lock);
    bl_cached **link = find(cache, key), *c = *link;
    if (c) { /* to the front */
        *link = c->next;
        c->next = cache->first;
        cache->first = c;
        c->holders++;
    }
    pthread_mutex_unlock(&cache->lock);
    return c;
}

bl_cached *bl_cache_add(bl_cache *cache, const char *key, void *value, size_t bytes, bl_error *err) {
    bl_cached *c = bl_alloc_zero(1, sizeof *c, err);
    char *copy = c ? bl_strdup(key, err) : NULL;
    if (!copy) {
        free(c);
        cache->destroy(value);
        return NULL;
    }
    *c = (bl_cached){.cache = cache, .key = copy, .value = value, .bytes = bytes, .holders = 1};
    pthread_mutex_lock(&cache->lock);
    bl_cached **older = find(cache, key);
    if (*older) drop(cache, older);
    if (bytes <= cache->bytes / 4) {
        while (cache->first && cache->used + bytes > cache->bytes) {
            bl_cached **last = &cache->first;
            while ((*last)->next) last = &(*last)->next;
            drop(cache, last);
        }
        c->next = cache->first;
        cache->first = c;
        cache->used += bytes;
        c->inside = true;
    }
    pthread_mutex_unlock(&cache->lock);
    return c;
}

void *bl_cached_value(const bl_cached *cached) { return cached->value; }

void bl_cache_release(bl_cached *cached) {
    if (!cached) return;
    bl_cache *cache = cached->cache;
    pthread_mutex_lock(&cache->lock);
    if (--cached->holders == 0 && !cached->inside) destroy(cached);
    pthread_mutex_unlock(&cache->lock);
}

size_t bl_cache_used(bl_cache *cache) {
    pthread_mutex_lock(&cache->lock);
    size_t used = cache->used;
    pthread_mutex_unlock(&cache->lock);
    return used;
}
