/* The paper's splitter, and running one. */
#include "text/tokenizer/splitter.h"

bl_splitter bl_splitter_seed(void) {
    bl_splitter seed = {.normaliser.n = 3, .pretokeniser.n = 3};
    seed.normaliser.steps[0] = bl_normaliser_nfd();
    seed.normaliser.steps[1] = bl_normaliser_strip_accents();
    seed.normaliser.steps[2] = bl_normaliser_lowercase();
    seed.pretokeniser.steps[0] = bl_pretokeniser_punctuation();
    seed.pretokeniser.steps[1] = bl_pretokeniser_whitespace();
    seed.pretokeniser.steps[2] = bl_pretokeniser_digits(true);
    return seed;
}

bool bl_splitter_words(const bl_splitter *splitter, const char *text, size_t n, bl_normal_scratch *scratch,
                       bl_word_fn word, void *context, bl_error *err) {
    const char *normal;
    size_t normal_n;
    if (!bl_normalise(&splitter->normaliser, text, n, scratch, &normal, &normal_n, err)) return false;
    return bl_pretokenise(&splitter->pretokeniser, normal, normal_n, true, scratch, word, context, err);
}
