/* A static site's texts: everything that the view "Why this word?" asks a server, computed beforehand. */
#ifndef BL_SERVE_SITE_SENTENCE_H
#define BL_SERVE_SITE_SENTENCE_H
#include "serve/explorer_private.h"

/* The beginnings of the atlas's first stories, `most` of them at most: *texts [*n], each and the list to be
 * freed with bl_site_texts_free. */
bool bl_site_texts(bl_explorer *explorer, size_t most, char ***texts, size_t *n, bl_error *err);
void bl_site_texts_free(char **texts, size_t n);
/* {"sentence": as /api/sentence, "excited": [as /api/sentence/excited, per position], "why": {"position
 * token": as /api/explain, "position token rival": …}} of the likeliest tokens at each position, and of the
 * likeliest rather than each other one. `layer` is one of the explorer's. */
bl_tree *bl_site_sentence(const bl_explorer *explorer, bl_atlas_reader *layer, const char *text,
                          bl_error *err);
#endif
