/* One direction of a static site as compact JSON: what web/site_format.js makes the shapes of eigen and scan
 * from. */
#ifndef BL_SERVE_SITE_DIRECTION_H
#define BL_SERVE_SITE_DIRECTION_H
#include "serve/explorer_private.h"

/* Stories that a file's directions refer to, and how much of each they need. */
typedef struct bl_site_stories {
    struct {
        uint64_t story;
        int32_t *ids; /* [n] owned */
        size_t n;
    } * list;
    size_t n, capacity;
} bl_site_stories;

/* Puts the direction of token `id` into the object `at`: "spectrum", "largest", "effective_rank", "constant",
 * "groups", "null": {…}, "vectors": […]. eigen and null_eigen are NULL where spectra are left out.
 * Matches add what they need to `stories`. */
bool bl_site_direction(bl_atlas_reader *atlas, int32_t id, const bl_eigen *eigen, const bl_eigen *null_eigen,
                       bl_site_stories *stories, bl_builder *builder, bl_tree *at, bl_error *err);
/* "17": [ids], …, ascending. */
void bl_site_stories_put(bl_site_stories *stories, bl_builder *builder, bl_tree *at);
void bl_site_stories_free(bl_site_stories *stories);
#endif
