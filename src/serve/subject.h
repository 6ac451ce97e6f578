/* Which direction, which eigenvectors: the parameters that most requests share, and the decomposition they
 * ask for. */
#ifndef BL_SERVE_SUBJECT_H
#define BL_SERVE_SUBJECT_H
#include "serve/explorer_private.h"

enum { BL_MOST_INDICES = 64, BL_MOST_MINUS = 256 };

typedef enum bl_contrast { BL_CONTRAST_NONE, BL_CONTRAST_TOKENS, BL_CONTRAST_MEAN } bl_contrast;

/* The parameters token, minus, layer, contrast, centre, null of a request. */
typedef struct bl_topic {
    bl_direction direction;
    const char *minus[BL_MOST_MINUS];
    int32_t id;
    size_t layer;
    bl_contrast contrast;
    bool null_model;
} bl_topic;

#define BL_TOPIC_PARAMETERS "token minus* layer contrast centre null"

bool bl_topic_read(bl_call *call, bl_topic *topic);
/* Whether the direction is one that the atlas holds. */
bool bl_topic_in_atlas(const bl_explorer *explorer, const bl_topic *topic);
/* The parameter `name`, a list of eigenvectors; the default eight when there is none. */
bool bl_indices_read(bl_call *call, const char *name, long indices[BL_MOST_INDICES], size_t *n);
/* The decomposition with the eigenvectors wanted, held. NULL with call->err. */
bl_cached *bl_topic_eigen(bl_call *call, const bl_topic *topic, const long *indices, size_t n);
const bl_eigen *bl_cached_eigen(const bl_cached *cached);
/* u [d] of one token, the mean of all rows of W_U or nothing subtracted. */
bool bl_explorer_direction(const bl_explorer *explorer, int32_t id, bool minus_mean, bool centre, float *u,
                           bl_error *err);
/* For bl_cache_new. */
void bl_decomposition_free(void *decomposition);
/* "none", "tokens", "mean" */
const char *bl_contrast_name(bl_contrast contrast);
#endif
