/* Normalisers: NFC, NFD, NFKC, NFKD, StripAccents, Lowercase, Prepend, Replace, in sequence.
 *
 * A step is a function from text to text, so a further normaliser is one more function and one more name in
 * the table of tokenizer_json.c. */
#ifndef BL_TEXT_NORMALISE_H
#define BL_TEXT_NORMALISE_H
#include "base/buffer.h"
#include "text/tokenizer/short_text.h"

/* Steps of one sequence, of normalisers or pre-tokenizers; nested sequences are flattened while loading. */
#define BL_MAX_STEPS 16

/* Code points of a stretch of text while it is decomposed, reordered, composed. */
typedef struct bl_points {
    int32_t *data, *sorted;
    size_t n, capacity, sorted_capacity;
} bl_points;

/* What normalising and cutting need besides their input, kept from call to call. Zero-initialise. */
typedef struct bl_normal_scratch {
    bl_buffer texts[2]; /* a step reads one and writes the other */
    bl_points points;
    bl_buffer cuts[BL_MAX_STEPS][2]; /* what a pre-tokenizer makes of a piece, and of a word in it */
} bl_normal_scratch;

typedef struct bl_normaliser_step bl_normaliser_step;
struct bl_normaliser_step {
    /* Appends the normalised text to `out`; false with the error set when memory is short. */
    bool (*apply)(const bl_normaliser_step *step, const char *text, size_t n, bl_normal_scratch *scratch,
                  bl_buffer *out, bl_error *err);
    int form;                       /* utf8proc options of the normal forms */
    bool keeps_ascii;               /* pure ASCII comes out as it went in */
    bool may_remove;                /* something of the text may leave no trace */
    bl_short_text pattern, content; /* Replace; Prepend has content only */
};

typedef struct bl_normaliser {
    bl_normaliser_step steps[BL_MAX_STEPS];
    size_t n;
} bl_normaliser;

bl_normaliser_step bl_normaliser_nfc(void);
bl_normaliser_step bl_normaliser_nfd(void);
bl_normaliser_step bl_normaliser_nfkc(void);
bl_normaliser_step bl_normaliser_nfkd(void);
bl_normaliser_step bl_normaliser_strip_accents(void);
bl_normaliser_step bl_normaliser_lowercase(void);
/* `content` before the text, unless that is empty. */
bl_normaliser_step bl_normaliser_prepend(bl_short_text content);
/* Every `pattern`, which is not empty, becomes `content`. */
bl_normaliser_step bl_normaliser_replace(bl_short_text pattern, bl_short_text content);

/* Normalises well-formed UTF-8. `*out` is `text` itself or lies in the scratch, valid until the scratch is
 * used again. */
bool bl_normalise(const bl_normaliser *normaliser, const char *text, size_t n, bl_normal_scratch *scratch,
                  const char **out, size_t *out_n, bl_error *err);
void bl_normal_scratch_free(bl_normal_scratch *scratch);

/* replace.c: appends the text with `new` for every `old`, which is not empty. */
void bl_add_replaced(bl_buffer *out, const char *text, size_t n, const char *old, size_t old_n,
                     const char *new, size_t new_n);

/* normal_forms.c: the apply function of the four normal forms. */
bool bl_apply_normal_form(const bl_normaliser_step *step, const char *text, size_t n,
                          bl_normal_scratch *scratch, bl_buffer *out, bl_error *err);
#endif
