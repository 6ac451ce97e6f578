/* What the explorer says about a text: the API's answers, and the static site's sentences. */
#ifndef BL_SERVE_SENTENCE_H
#define BL_SERVE_SENTENCE_H
#include "serve/explorer_private.h"
#include <bilens/text.h>

/* One logit to be accounted for. */
typedef struct bl_why {
    const bl_direction *direction;
    int32_t token; /* whose probability is given */
    size_t layer;
    const char *text;
    const bl_ids *ids; /* of `text` */
    size_t position;
    size_t most;       /* terms, */
    size_t word_terms; /* the first of which are split by word; 0: all */
    const long *eigs;
    size_t n_eigs; /* not 0: these terms */
} bl_why;

/* The text's tokens, 1 to n_ctx of them; to be freed with bl_ids_free. */
bool bl_sentence_read(const bl_model *model, const char *text, bl_ids *ids, bl_error *err);
/* {"ids", "tokens", "predictions"} */
bl_tree *bl_sentence_tree(const bl_explorer *explorer, const bl_ids *ids, bl_error *err);
/* {"position", "token", "directions"}: the eigenvectors of a layer of the atlas that the position excites
 * most. */
bl_tree *bl_excited_tree(const bl_explorer *explorer, bl_atlas_reader *atlas, const bl_ids *ids,
                         size_t position, size_t limit, bl_error *err);
/* bl_explain_tree with words, and "size", how many eigenvectors there are. */
bl_tree *bl_why_tree(const bl_explorer *explorer, const bl_why *why, bl_error *err);
#endif
