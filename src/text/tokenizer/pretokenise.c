/* Cutting text into words by character class.
 *
 *   Punctuation      every punctuation character is a piece of its own
 *   Whitespace       the matches of \w+|[^\w\s]+
 *   WhitespaceSplit  what stands between white space
 *   Digits           every number character, or every run of them, is a piece of its own
 *
 * ByteLevel and Metaspace, which change the text as well, have files of their own. */
#include "text/tokenizer/pretokenise.h"
#include "base/memory.h"

bool bl_hand_on(const bl_cutting *rest, const char *text, size_t n) {
    if (n == 0) return true;
    if (rest->step == rest->pretokeniser->n) return rest->word(rest->context, text, n, rest->err);
    const bl_pretokeniser_step *step = &rest->pretokeniser->steps[rest->step];
    bl_cutting after = *rest;
    after.step++;
    return step->cut(step, &after, text, n);
}

bl_buffer *bl_cutting_buffer(const bl_cutting *rest, int which, size_t n) {
    bl_buffer *buffer = &rest->scratch->cuts[rest->step - 1][which];
    buffer->n = 0;
    return bl_grow(&buffer->data, &buffer->capacity, n, 1, rest->err) ? buffer : NULL;
}

/* Pieces: each character of the class alone, and what stands between them. */
static bool isolate(const bl_cutting *rest, const char *text, size_t n, unsigned class) {
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        if (!(bl_class_at(text, &i) & class)) continue;
        if (!bl_hand_on(rest, text + begin, at - begin) || !bl_hand_on(rest, text + at, i - at)) return false;
        begin = i;
    }
    return bl_hand_on(rest, text + begin, n - begin);
}

/* Pieces: maximal runs of equal (class & mask), those of class `dropped` left out. */
static bool runs(const bl_cutting *rest, const char *text, size_t n, unsigned mask, unsigned dropped) {
    size_t begin = 0;
    unsigned current = dropped;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        unsigned class = bl_class_at(text, &i) & mask;
        if (class == current) continue;
        if (current != dropped && !bl_hand_on(rest, text + begin, at - begin)) return false;
        begin = at, current = class;
    }
    return current == dropped || bl_hand_on(rest, text + begin, n - begin);
}

static bool punctuation(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text,
                        size_t n) {
    (void)step;
    return isolate(rest, text, n, BL_CLASS_PUNCTUATION);
}

static bool whitespace(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    (void)step;
    return runs(rest, text, n, BL_CLASS_WORD | BL_CLASS_SPACE, BL_CLASS_SPACE);
}

static bool whitespace_split(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text,
                             size_t n) {
    (void)step;
    return runs(rest, text, n, BL_CLASS_SPACE, BL_CLASS_SPACE);
}

static bool digits(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    if (step->individual) return isolate(rest, text, n, BL_CLASS_NUMERIC);
    return runs(rest, text, n, BL_CLASS_NUMERIC, ~0U);
}

bl_pretokeniser_step bl_pretokeniser_punctuation(void) { return (bl_pretokeniser_step){.cut = punctuation}; }
bl_pretokeniser_step bl_pretokeniser_whitespace(void) { return (bl_pretokeniser_step){.cut = whitespace}; }
bl_pretokeniser_step bl_pretokeniser_whitespace_split(void) {
    return (bl_pretokeniser_step){.cut = whitespace_split};
}
bl_pretokeniser_step bl_pretokeniser_digits(bool individual) {
    return (bl_pretokeniser_step){.cut = digits, .individual = individual};
}

bool bl_pretokenise(const bl_pretokeniser *pretokeniser, const char *text, size_t n, bool first,
                    bl_normal_scratch *scratch, bl_word_fn word, void *context, bl_error *err) {
    bl_cutting all = {.pretokeniser = pretokeniser,
                      .first = first,
                      .scratch = scratch,
                      .word = word,
                      .context = context,
                      .err = err};
    return bl_hand_on(&all, text, n);
}
