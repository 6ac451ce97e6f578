/* Which direction, which eigenvectors: the parameters that most requests share, and the decomposition they
 * ask for. */
#ifndef BL_SERVE_REQUESTED_H
#define BL_SERVE_REQUESTED_H
#include "serve/explorer_private.h"

enum { BL_MOST_INDICES = 64, BL_MOST_MINUS = 256 };

/* The parameters of a request that say which direction: `direction`, a text of the grammar, or token, minus,
 * contrast and centre; and layer, null. */
typedef struct bl_requested {
    bl_direction direction;
    const char *minus[BL_MOST_MINUS];
    bool own;   /* one of the atlas's own directions, which is no token; */
    int32_t id; /* its number there, otherwise the token's */
    size_t layer;
    bool null_model;
} bl_requested;

#define BL_REQUESTED_PARAMETERS "direction token minus* layer contrast centre null"

bool bl_requested_read(bl_call *call, bl_requested *requested);
/* The same; without `direction` and `token` it is of the token `otherwise`, unless that is NULL. */
bool bl_requested_read_or(bl_call *call, const char *otherwise, bl_requested *requested);
/* The layer of the atlas that holds the direction; NULL: none does. */
bl_atlas_reader *bl_requested_atlas(const bl_explorer *explorer, const bl_requested *requested);
/* The parameter `name`, a list of eigenvectors; the default eight when there is none. */
bool bl_indices_read(bl_call *call, const char *name, long indices[BL_MOST_INDICES], size_t *n);
/* The decomposition with the eigenvectors wanted, held. NULL with call->err. */
bl_cached *bl_requested_eigen(bl_call *call, const bl_requested *requested, const long *indices, size_t n);
const bl_eigen *bl_cached_eigen(const bl_cached *cached);
/* For bl_cache_new. */
void bl_decomposition_free(void *decomposition);
/* What is subtracted: "none", "tokens", "mean". */
const char *bl_contrast_name(const bl_direction *direction);
#endif
