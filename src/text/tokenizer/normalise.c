/* Lower-casing, stripping of accents, and the running of a sequence of normalisers.
 * ASCII is the fast path: steps that leave it alone are skipped for a text of ASCII only, runs of it are
 * copied whole otherwise. */
#include "text/tokenizer/normalise.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <utf8proc.h>

static bool out_of_memory(size_t n, bl_error *err) {
    return bl_fail(err, BL_ERR_MEMORY, "out of memory while a text of %zu bytes was normalised", n);
}

/* Room for `n` more bytes; then data[n …] may be written directly. */
static bool reserve(bl_buffer *out, size_t n, bl_error *err) {
    size_t need;
    if (!bl_add_size(out->n, n, &need)) return out_of_memory(n, err);
    return bl_grow(&out->data, &out->capacity, need, 1, err);
}

static bool strip_accents(const bl_normaliser_step *step, const char *text, size_t n,
                          bl_normal_scratch *scratch, bl_buffer *out, bl_error *err) {
    (void)step, (void)scratch;
    if (!reserve(out, n, err)) return false;
    char *to = out->data + out->n;
    for (size_t i = 0; i < n;) {
        size_t run = bl_ascii_run(text + i, n - i);
        if (run) memcpy(to, text + i, run);
        to += run, i += run;
        if (i == n) break;
        size_t begin = i;
        if (bl_unicode_class(bl_utf8_next(text, &i)) & BL_CLASS_MARK) continue;
        memcpy(to, text + begin, i - begin);
        to += i - begin;
    }
    out->n = (size_t)(to - out->data);
    return true;
}

static bool lowercase(const bl_normaliser_step *step, const char *text, size_t n, bl_normal_scratch *scratch,
                      bl_buffer *out, bl_error *err) {
    (void)step, (void)scratch;
    /* UTF-8 grows by at most half when lower-cased: U+0130, two bytes, becomes three; U+023A and U+023E, two,
     * become three. */
    if (!reserve(out, n + n / 2, err)) return false;
    char *to = out->data + out->n;
    for (size_t i = 0; i < n;) {
        size_t run = bl_ascii_run(text + i, n - i);
        for (size_t end = i + run; i < end; i++) {
            unsigned char c = (unsigned char)text[i];
            *to++ = (char)(c + ((unsigned)(c - 'A') < 26U ? 32 : 0));
        }
        if (i == n) break;
        uint32_t lower[2];
        size_t count = bl_unicode_lower(bl_utf8_next(text, &i), lower);
        for (size_t j = 0; j < count; j++) to += bl_utf8_put(lower[j], to);
    }
    out->n = (size_t)(to - out->data);
    return true;
}

static bl_normaliser_step normal_form(int options) {
    return (bl_normaliser_step){.apply = bl_apply_normal_form,
                                .form = options | UTF8PROC_STABLE,
                                .keeps_ascii = true};
}

bl_normaliser_step bl_normaliser_nfc(void) { return normal_form(UTF8PROC_COMPOSE); }
bl_normaliser_step bl_normaliser_nfd(void) { return normal_form(UTF8PROC_DECOMPOSE); }
bl_normaliser_step bl_normaliser_nfkc(void) { return normal_form(UTF8PROC_COMPOSE | UTF8PROC_COMPAT); }
bl_normaliser_step bl_normaliser_nfkd(void) { return normal_form(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT); }
bl_normaliser_step bl_normaliser_strip_accents(void) {
    return (bl_normaliser_step){.apply = strip_accents, .keeps_ascii = true, .may_remove = true};
}
bl_normaliser_step bl_normaliser_lowercase(void) { return (bl_normaliser_step){.apply = lowercase}; }

bool bl_normalise(const bl_normaliser *normaliser, const char *text, size_t n, bl_normal_scratch *scratch,
                  const char **out, size_t *out_n, bl_error *err) {
    bool ascii = bl_ascii_run(text, n) == n;
    int next = 0;
    for (size_t i = 0; i < normaliser->n && n > 0; i++) {
        const bl_normaliser_step *step = &normaliser->steps[i];
        if (ascii && step->keeps_ascii) continue;
        bl_buffer *to = &scratch->texts[next];
        to->n = 0;
        if (!step->apply(step, text, n, scratch, to, err)) return false;
        text = to->data, n = to->n;
        next = !next;
    }
    *out = text, *out_n = n;
    return true;
}

void bl_normal_scratch_free(bl_normal_scratch *scratch) {
    bl_buffer_free(&scratch->texts[0]);
    bl_buffer_free(&scratch->texts[1]);
    for (size_t i = 0; i < BL_MAX_STEPS; i++) {
        bl_buffer_free(&scratch->cuts[i][0]);
        bl_buffer_free(&scratch->cuts[i][1]);
    }
    free(scratch->points.data);
    free(scratch->points.sorted);
    *scratch = (bl_normal_scratch){0};
}
