/* A batch of stories: read by one thread, tokenised by many. And stories as tokens, kept. */
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
/* Tokens of all stories, threads over stories. BL_ERR_INPUT without a tokenizer: what names only weights
 * reads no text. */
bool bl_batch_encode_all(bl_batch *batch, const bl_tokenizer *tokenizer, size_t n_ctx, bl_error *err);
void bl_batch_free(bl_batch *batch);

/* Stories as tokens, one behind the other: story i is ids[begin[i]] … ids[begin[i + 1] - 1].
 * Zero-initialise; free with bl_samples_free. */
typedef struct bl_samples {
    int32_t *ids;
    size_t *begin; /* [n + 1], once there is a story */
    size_t n, longest;
    size_t ids_capacity, begin_capacity;
} bl_samples;

/* One more story. */
bool bl_samples_add(bl_samples *samples, const int32_t *ids, size_t n, bl_error *err);
/* At most `most` (0 = all) stories of a corpus, each cut at n_ctx. */
bool bl_samples_read(bl_samples *samples, bl_corpus *corpus, const bl_tokenizer *tokenizer, size_t n_ctx,
                     size_t most, const bl_progress *progress, bl_error *err);
/* The tokens of story i; *n is their number. */
const int32_t *bl_samples_get(const bl_samples *samples, size_t i, size_t *n);
void bl_samples_free(bl_samples *samples);
#endif
