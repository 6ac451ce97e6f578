/* Which direction, which eigenvectors: the parameters that most requests share, and the decomposition they
 * ask for. */
#ifndef BL_SERVE_SUBJECT_H
#define BL_SERVE_SUBJECT_H
#include "serve/explorer_private.h"

enum { BL_MOST_INDICES = 64, BL_MOST_MINUS = 256 };

/* The parameters of a request that say which direction: `direction`, a text of the grammar, or token, minus,
 * contrast and centre; and layer, null. */
typedef struct bl_topic {
    bl_direction direction;
    const char *minus[BL_MOST_MINUS];
    int32_t id;
    size_t layer;
    bool null_model;
} bl_topic;

#define BL_TOPIC_PARAMETERS "direction token minus* layer contrast centre null"

bool bl_topic_read(bl_call *call, bl_topic *topic);
/* Whether the direction is one that the atlas holds. */
bool bl_topic_in_atlas(const bl_explorer *explorer, const bl_topic *topic);
/* The parameter `name`, a list of eigenvectors; the default eight when there is none. */
bool bl_indices_read(bl_call *call, const char *name, long indices[BL_MOST_INDICES], size_t *n);
/* The decomposition with the eigenvectors wanted, held. NULL with call->err. */
bl_cached *bl_topic_eigen(bl_call *call, const bl_topic *topic, const long *indices, size_t n);
const bl_eigen *bl_cached_eigen(const bl_cached *cached);
/* For bl_cache_new. */
void bl_decomposition_free(void *decomposition);
/* What is subtracted: "none", "tokens", "mean". */
const char *bl_contrast_name(const bl_direction *direction);
#endif
