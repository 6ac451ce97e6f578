/* A bounded cache: the least recently used goes first. What somebody holds stays until it is released, in the
 * cache or not. */
#ifndef BL_SERVE_CACHE_H
#define BL_SERVE_CACHE_H
#include <bilens/base.h>

typedef struct bl_cache bl_cache;
typedef struct bl_cached bl_cached;

/* At most `bytes` of values, of which none is larger than a quarter (larger ones are not kept). */
bl_cache *bl_cache_new(size_t bytes, void (*destroy)(void *value), bl_error *err);
/* Nothing may be held any more. */
void bl_cache_free(bl_cache *cache);
/* The value under `key`, held; NULL when there is none. */
bl_cached *bl_cache_find(bl_cache *cache, const char *key);
/* Takes `value` (destroyed on failure) in the place of an older one; held. */
bl_cached *bl_cache_add(bl_cache *cache, const char *key, void *value, size_t bytes, bl_error *err);
void *bl_cached_value(const bl_cached *cached);
/* NULL is allowed. */
void bl_cache_release(bl_cached *cached);
/* Bytes of all values in the cache. */
size_t bl_cache_used(bl_cache *cache);
#endif
