/* The vectors of one point of a model, sample by sample, whatever kind of model it is: a sample is a story
 * (a vector for each position >= 1) or a slice of images (a vector each). A kind is a table of functions. */
#ifndef BL_EVIDENCE_POINT_SOURCE_H
#define BL_EVIDENCE_POINT_SOURCE_H
#include "model/forward.h"
#include "text/corpus/batch.h"
#include <bilens/image.h>

/* A trace point of a transformer that holds a row of d numbers per position: resid_pre, attn_in, attn_out,
 * resid_mid, mlp_in, mlp_out, resid_post. */
typedef struct bl_site_point {
    const bl_model *model;
    bl_point point;
    size_t layer, d;
} bl_site_point;

/* BL_ERR_USAGE for a point or layer that does not exist, BL_ERR_UNSUPPORTED for one of another width. */
bool bl_site_point_find(const bl_model *model, const char *name, size_t layer, bl_site_point *out,
                        bl_error *err);

/* What the model makes of one sample, summed over its predictions. */
typedef struct bl_point_outcome {
    double loss, right; /* right: of images */
} bl_point_outcome;

/* `own` is the kind's. `thread` is below bl_threads(), and calls with different ones may run at once. */
typedef struct bl_point_kind {
    bool images;
    size_t (*rows)(const void *own, size_t i);
    bool (*fill)(void *own, size_t i, size_t thread, float *out, bl_error *err);
    /* with the point's vectors replaced by `rows`, or all by `mean` [d] where `rows` is NULL, or as it is */
    bool (*outcome)(void *own, size_t i, size_t thread, const float *rows, const float *mean,
                    bl_point_outcome *out, bl_error *err);
    uint64_t (*hash)(const void *own); /* of the samples' content */
    void (*free)(void *own);
} bl_point_kind;

/* Zero-initialise; free with bl_point_source_free. Nothing is taken over but the stories. */
typedef struct bl_point_source {
    const bl_point_kind *kind;
    void *own;
    size_t d;       /* width of the point */
    size_t n;       /* samples */
    size_t longest; /* vectors of the longest */
    size_t units;   /* stories or images */
} bl_point_source;

/* A point of a transformer; the stories become the source's own (and `stories` empty). */
bool bl_point_source_stories(bl_point_source *s, const bl_site_point *site, bl_samples *stories,
                             bl_error *err);

/* Which images of a set: all, or those that a run learns from or holds out where it has no others. */
typedef enum bl_image_part { BL_IMAGES_ALL, BL_IMAGES_LEARNT, BL_IMAGES_EVERY_TENTH } bl_image_part;

/* A point of an image model, "embed", "hidden" of a block or "logits"; a layer in the name, "hidden.0",
 * counts before `layer`. BL_ERR_USAGE where there is none, BL_ERR_INPUT where the part has no image. */
bool bl_point_source_images(bl_point_source *s, const bl_image_model *model, const char *point, size_t layer,
                            const bl_images *images, bl_image_part part, bl_error *err);

void bl_point_source_free(bl_point_source *s);

static inline size_t bl_point_rows(const bl_point_source *s, size_t i) { return s->kind->rows(s->own, i); }
#endif
