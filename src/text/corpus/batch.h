/* A batch of stories: read by one thread, tokenised by many. */
#ifndef BL_TEXT_BATCH_H
#define BL_TEXT_BATCH_H
#include <bilens/text.h>

/* Zero-initialise; reuse for the next batch; free with bl_batch_free. */
typedef struct bl_batch {
    char *text; /* all stories one behind the other */
    size_t text_capacity;
    size_t *begin; /* [n + 1] into text */
    size_t begin_capacity;
    uint64_t *number; /* [n] the stories' places in the corpus (bl_story.number) */
    size_t number_capacity;
    bl_ids *ids; /* [n] filled by bl_batch_encode */
    size_t ids_capacity, ids_made;
    size_t n;
} bl_batch;

/* Reads up to `most` stories or about 4 MB of text. Returns false on failure; n = 0 at the end of the corpus.
 */
bool bl_batch_read(bl_batch *batch, bl_corpus *corpus, size_t most, bl_error *err);
/* Tokens of story i, truncated to n_ctx. Different stories may be encoded by different threads at once. */
bool bl_batch_encode(bl_batch *batch, size_t i, const bl_tokenizer *tokenizer, size_t n_ctx, bl_error *err);
void bl_batch_free(bl_batch *batch);
#endif
