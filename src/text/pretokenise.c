/* Cutting text into words by character class.
 *
 *   Punctuation      every punctuation character is a piece of its own
 *   Whitespace       the matches of \w+|[^\w\s]+
 *   WhitespaceSplit  what stands between white space
 *   Digits           every number character, or every run of them, is a piece of its own */
#include "text/pretokenise.h"
#include "text/unicode.h"
#include "text/utf8.h"

/* The steps that are still to come, and where words go in the end. */
struct bl_cutting {
    const bl_pretokeniser *pretokeniser;
    size_t step;
    bl_word_fn word;
    void *context;
    bl_error *err;
};

/* Hands a piece to the next step, or out. */
static bool hand_on(const bl_cutting *rest, const char *text, size_t n) {
    if (n == 0) return true;
    if (rest->step == rest->pretokeniser->n) return rest->word(rest->context, text, n, rest->err);
    const bl_pretokeniser_step *step = &rest->pretokeniser->steps[rest->step];
    bl_cutting after = *rest;
    after.step++;
    return step->cut(step, &after, text, n);
}

static inline unsigned class_at(const char *text, size_t *at) {
    unsigned char byte = (unsigned char)text[*at];
    if (byte < 128) return *at += 1, bl_ascii_class[byte];
    return bl_unicode_class_beyond_ascii(bl_utf8_next(text, at));
}

/* Pieces: each character of the class alone, and what stands between them. */
static bool isolate(const bl_cutting *rest, const char *text, size_t n, unsigned class) {
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        if (!(class_at(text, &i) & class)) continue;
        if (!hand_on(rest, text + begin, at - begin) || !hand_on(rest, text + at, i - at)) return false;
        begin = i;
    }
    return hand_on(rest, text + begin, n - begin);
}

/* Pieces: maximal runs of equal (class & mask), those of class `dropped` left out. */
static bool runs(const bl_cutting *rest, const char *text, size_t n, unsigned mask, unsigned dropped) {
    size_t begin = 0;
    unsigned current = dropped;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        unsigned class = class_at(text, &i) & mask;
        if (class == current) continue;
        if (current != dropped && !hand_on(rest, text + begin, at - begin)) return false;
        begin = at, current = class;
    }
    return current == dropped || hand_on(rest, text + begin, n - begin);
}

static bool punctuation(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    (void)step;
    return isolate(rest, text, n, BL_CLASS_PUNCTUATION);
}

static bool whitespace(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    (void)step;
    return runs(rest, text, n, BL_CLASS_WORD | BL_CLASS_SPACE, BL_CLASS_SPACE);
}

static bool whitespace_split(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    (void)step;
    return runs(rest, text, n, BL_CLASS_SPACE, BL_CLASS_SPACE);
}

static bool digits(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    if (step->individual) return isolate(rest, text, n, BL_CLASS_NUMERIC);
    return runs(rest, text, n, BL_CLASS_NUMERIC, ~0U);
}

bl_pretokeniser_step bl_pretokeniser_punctuation(void) { return (bl_pretokeniser_step){.cut = punctuation}; }
bl_pretokeniser_step bl_pretokeniser_whitespace(void) { return (bl_pretokeniser_step){.cut = whitespace}; }
bl_pretokeniser_step bl_pretokeniser_whitespace_split(void) { return (bl_pretokeniser_step){.cut = whitespace_split}; }
bl_pretokeniser_step bl_pretokeniser_digits(bool individual) { return (bl_pretokeniser_step){.cut = digits, .individual = individual}; }

bool bl_pretokenise(const bl_pretokeniser *pretokeniser, const char *text, size_t n, bl_word_fn word, void *context, bl_error *err) {
    bl_cutting all = {.pretokeniser = pretokeniser, .word = word, .context = context, .err = err};
    return hand_on(&all, text, n);
}
