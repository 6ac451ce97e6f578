/* Normalizers: NFC, NFD, NFKC, NFKD, StripAccents, Lowercase, Prepend, Replace, in sequence: from text to
 * text. A further one is a function and a row in the table of normalizers.c. */
#ifndef BL_TEXT_NORMALIZERS_H
#define BL_TEXT_NORMALIZERS_H
#include "base/buffer.h"
#include "text/tokenizer/json_node.h"

/* Code points of a stretch of text while it is decomposed, reordered, composed. */
typedef struct bl_points {
    int32_t *data, *sorted;
    size_t n, capacity, sorted_capacity;
} bl_points;

/* What normalizing and cutting need besides their input, kept from call to call: one per thread.
 * Zero-initialise; free with bl_scratch_free. */
typedef struct bl_scratch {
    bl_buffer texts[2]; /* a step reads one and writes the other */
    bl_points points;
    bl_buffer cuts[BL_MAX_STEPS][2]; /* what a pre-tokenizer makes of a piece, and of a word in it */
    void *regex;                     /* regex.c's, or NULL */
} bl_scratch;

void bl_scratch_free(bl_scratch *scratch);

typedef struct bl_normalizer_step bl_normalizer_step;
struct bl_normalizer_step {
    /* Appends the normalized text to `out`; false with the error set when memory is short. */
    bool (*apply)(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
                  bl_buffer *out, bl_error *err);
    int form;                       /* the normal forms: utf8proc's options */
    bool keeps_ascii;               /* pure ASCII comes out as it went in */
    bool may_remove;                /* something of the text may leave no trace */
    bl_short_text pattern, content; /* Replace; Prepend has content only */
};

/* A plain value. Without any step the text stays as it is. */
typedef struct bl_normalizer {
    bl_normalizer_step steps[BL_MAX_STEPS];
    size_t n;
} bl_normalizer;

bool bl_read_normalizer(const bl_node *node, bl_normalizer *normalizer, bl_error *err);

/* Normalizes well-formed UTF-8. `*out` is `text` itself or lies in the scratch, valid until the scratch is
 * used again. */
bool bl_normalize(const bl_normalizer *normalizer, const char *text, size_t n, bl_scratch *scratch,
                  const char **out, size_t *out_n, bl_error *err);

/* Appends the text with `new` for every `old`, which is not empty. */
void bl_add_replaced(bl_buffer *out, const char *text, size_t n, const char *old, size_t old_n,
                     const char *new, size_t new_n);
#endif
