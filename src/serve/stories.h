/* The explorer's stories: tokenised once, in the background, bounded. */
#ifndef BL_SERVE_STORIES_H
#define BL_SERVE_STORIES_H
#include "atlas/reader.h"

typedef struct bl_stories bl_stories;

/* Begins to read at most `most` stories (and about 32 million tokens) of `corpus`, which must live until
 * bl_stories_free. */
bl_stories *bl_stories_read(const bl_model *model, bl_corpus *corpus, size_t most, bl_error *err);
/* The atlas's own stories, there at once. */
bl_stories *bl_stories_of_atlas(const bl_model *model, bl_atlas_reader *reader, size_t most, bl_error *err);
/* Stops reading. */
void bl_stories_free(bl_stories *stories);
/* Everything, waiting until it is read; stays valid. Fails with what the reading failed with, or
 * BL_ERR_CANCELLED when it was stopped. */
bool bl_stories_get(bl_stories *stories, bl_token_stories *out, bl_error *err);
/* How many there are so far; whether that is all. */
size_t bl_stories_count(bl_stories *stories, bool *ready);
/* How often each token occurs, [V]; NULL as long as they are being read. */
const uint64_t *bl_stories_frequencies(bl_stories *stories);
/* Ends waiting and reading; nothing can be asked of them any more. */
void bl_stories_stop(bl_stories *stories);
#endif
