/* What turns a word into ids: WordPiece, or byte-pair encoding (bpe.h). A further model is one more
 * constructor and one more name in the table of tokenizer_json.c. */
#ifndef BL_TEXT_WORD_MODEL_H
#define BL_TEXT_WORD_MODEL_H
#include <bilens/text.h>

typedef struct bl_word_model {
    /* Appends the ids of a word of well-formed UTF-8, not an empty one. Safe to call from many threads. */
    bool (*encode)(const void *data, const char *word, size_t length, bl_ids *ids, bl_error *err);
    void (*free)(void *data);
    void *data;
    bool keeps_blanks; /* tokens hold the text's blanks and capitals: decoding gives prose */
} bl_word_model;

/* Zero-initialise, bl_wordpiece_add every string of the model's vocabulary, then bl_wordpiece_finish. */
typedef struct bl_wordpiece bl_wordpiece;
bl_wordpiece *bl_wordpiece_new(bl_error *err);
void bl_wordpiece_free(bl_wordpiece *wordpiece);
bool bl_wordpiece_add(bl_wordpiece *wordpiece, const char *token, size_t length, int32_t id, bl_error *err);
/* `prefix` marks pieces that continue a word ("##"); words of more than `max_chars` code points are unknown.
 * Takes the wordpiece over. */
bl_word_model bl_wordpiece_finish(bl_wordpiece *wordpiece, const char *prefix, size_t prefix_length,
                                  int32_t unknown, size_t max_chars);
#endif
