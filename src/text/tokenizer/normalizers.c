/* The normalizers, and the running of a sequence of them.
 *
 * NFC, NFD, NFKC, NFKD: decompose every code point, put combining marks into canonical order, perhaps compose
 * again. utf8proc gives the decompositions, the combining classes and the composition. The Hugging Face
 * library uses tables of Unicode 9 instead: what was assigned later neither decomposes nor composes nor has a
 * combining class there. Three guards below give the same answer with any utf8proc from 2.8 (Unicode 15) on:
 * `unknown_then` for decompositions, `barrier` for compositions, and BL_CLASS_MARK (of Unicode 9) for
 * combining classes. The ordering is ours because utf8proc's is quadratic in a run of marks.
 *
 * ASCII is the fast path: steps that leave it alone are skipped for a text of ASCII only, and runs of it are
 * copied whole otherwise. */
#include "text/tokenizer/normalizers.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/unicode.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool out_of_memory(size_t n, bl_error *err) {
    return bl_fail(err, BL_ERR_MEMORY, "out of memory while a text of %zu bytes was normalized", n);
}

typedef struct range {
    int32_t first, last;
} range;

static bool within(const range *ranges, size_t n, int32_t point) {
    for (size_t i = 0; i < n; i++)
        if (point >= ranges[i].first && point <= ranges[i].last) return true;
    return false;
}

/* Code points with a decomposition that came after Unicode 9. */
static bool unknown_then(int32_t point) {
    static const range ranges[] = {
        {0x32FF, 0x32FF},   {0xA7F1, 0xA7F4},   {0xAB69, 0xAB69},   {0x105C9, 0x105C9}, {0x105E4, 0x105E4},
        {0x10781, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}, {0x11383, 0x11383}, {0x11385, 0x11385},
        {0x1138E, 0x1138E}, {0x11391, 0x11391}, {0x113C5, 0x113C8}, {0x11938, 0x11938}, {0x16121, 0x16128},
        {0x16D68, 0x16D6A}, {0x1CCD6, 0x1CCF9}, {0x1E030, 0x1E06D}, {0x1F16C, 0x1F16C}, {0x1FBF0, 0x1FBF9},
    };
    return point >= 0x32FF && within(ranges, sizeof ranges / sizeof *ranges, point);
}

/* Code points that take part in a composition that came after Unicode 9, and marks that came after it. In the
 * library's eyes they are plain starters, across which nothing is composed, so a text may be composed piece
 * by piece between them. */
static bool barrier(int32_t point) {
    static const range ranges[] = {
        {0x105D2, 0x105D2}, {0x105DA, 0x105DA}, {0x11382, 0x11391}, {0x113B8, 0x113C9},
        {0x11930, 0x11938}, {0x1611E, 0x16129}, {0x16D63, 0x16D6A},
    };
    if (point < 0x300) return false;
    if (utf8proc_get_property(point)->combining_class != 0)
        return !(bl_unicode_class((uint32_t)point) & BL_CLASS_MARK);
    return point >= 0x105D2 && within(ranges, sizeof ranges / sizeof *ranges, point);
}

static unsigned combining_class(int32_t point) {
    if (point < 0x300 || !(bl_unicode_class((uint32_t)point) & BL_CLASS_MARK)) return 0;
    return (unsigned)utf8proc_get_property(point)->combining_class;
}

static bool decompose(const char *text, size_t n, int options, bl_points *points, bl_error *err) {
    for (size_t i = 0; i < n;) {
        int32_t point = (int32_t)bl_utf8_next(text, &i);
        /* 32 is beyond any decomposition: the longest, U+FDFA, has 18 code points. */
        if (!bl_grow(&points->data, &points->capacity, points->n + 32, sizeof *points->data, err))
            return false;
        int32_t *to = points->data + points->n;
        int boundary = 0;
        utf8proc_ssize_t count = 1;
        to[0] = point;
        if (point >= 0xA0 && !unknown_then(point))
            count = utf8proc_decompose_char(point, to, 32, (utf8proc_option_t)options, &boundary);
        if (count < 0 || count > 32) to[0] = point, count = 1;
        points->n += (size_t)count;
    }
    return true;
}

/* Sorts a run of marks by combining class, stably: by insertion when it is short, by counting when it is
 * long. */
static bool sort_marks(int32_t *marks, size_t n, bl_points *points, bl_error *err) {
    if (n <= 24) {
        for (size_t i = 1; i < n; i++) {
            int32_t mark = marks[i];
            unsigned class = combining_class(mark);
            size_t j = i;
            for (; j > 0 && combining_class(marks[j - 1]) > class; j--) marks[j] = marks[j - 1];
            marks[j] = mark;
        }
        return true;
    }
    if (!bl_grow(&points->sorted, &points->sorted_capacity, n, sizeof *points->sorted, err)) return false;
    size_t begin[257] = {0};
    for (size_t i = 0; i < n; i++) begin[combining_class(marks[i]) + 1]++;
    for (size_t class = 1; class < 257; class ++) begin[class] += begin[class - 1];
    for (size_t i = 0; i < n; i++) points->sorted[begin[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, points->sorted, n * sizeof *marks);
    return true;
}

static bool reorder(bl_points *points, bl_error *err) {
    for (size_t i = 0; i < points->n;) {
        if (combining_class(points->data[i]) == 0) {
            i++;
            continue;
        }
        size_t begin = i;
        while (i < points->n && combining_class(points->data[i]) != 0) i++;
        if (i - begin > 1 && !sort_marks(points->data + begin, i - begin, points, err)) return false;
    }
    return true;
}

static void compose(bl_points *points, int options) {
    size_t kept = 0;
    for (size_t i = 0; i < points->n;) {
        size_t end = i;
        while (end < points->n && !barrier(points->data[end])) end++;
        utf8proc_ssize_t length = 0;
        if (end > i)
            length = utf8proc_normalize_utf32(points->data + i, (utf8proc_ssize_t)(end - i),
                                              (utf8proc_option_t)options);
        if (length < 0) length = (utf8proc_ssize_t)(end - i);
        memmove(points->data + kept, points->data + i, (size_t)length * sizeof *points->data);
        kept += (size_t)length;
        if (end < points->n) points->data[kept++] = points->data[end++];
        i = end;
    }
    points->n = kept;
}

static bool emit(const bl_points *points, bl_buffer *out, bl_error *err) {
    size_t bytes;
    if (!bl_mul_size(points->n, 4, &bytes) || !bl_add_size(bytes, out->n, &bytes))
        return bl_fail(err, BL_ERR_MEMORY, "out of memory: a text of %zu code points is too long", points->n);
    if (!bl_grow(&out->data, &out->capacity, bytes, 1, err)) return false;
    for (size_t i = 0; i < points->n; i++)
        out->n += bl_utf8_put((uint32_t)points->data[i], out->data + out->n);
    return true;
}

/* ASCII is copied run by run; a stretch of anything else goes through code points. When composing, the
 * stretch takes along the last ASCII character before it, which it may compose with. */
static bool normal_form(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
                        bl_buffer *out, bl_error *err) {
    bl_points *points = &scratch->points;
    bool composing = step->form & UTF8PROC_COMPOSE;
    for (size_t i = 0; i < n;) {
        size_t run = bl_ascii_run(text + i, n - i);
        bool more = i + run < n;
        size_t copied = more && composing && run > 0 ? run - 1 : run;
        bl_buffer_add(out, text + i, copied);
        if (out->failed) return out_of_memory(n, err);
        size_t begin = i + copied;
        i += run;
        while (i < n && ((unsigned char)text[i] & 0x80)) i++;
        points->n = 0;
        if (!decompose(text + begin, i - begin, step->form, points, err) || !reorder(points, err))
            return false;
        if (composing) compose(points, step->form);
        if (!emit(points, out, err)) return false;
    }
    return true;
}

/* Room for `n` more bytes; then data[n …] may be written directly. */
static bool reserve(bl_buffer *out, size_t n, bl_error *err) {
    size_t need;
    if (!bl_add_size(out->n, n, &need)) return out_of_memory(n, err);
    return bl_grow(&out->data, &out->capacity, need, 1, err);
}

static bool strip_accents(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
                          bl_buffer *out, bl_error *err) {
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

static bool lowercase(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
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

static bool prepend(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
                    bl_buffer *out, bl_error *err) {
    (void)scratch;
    bl_buffer_add(out, step->content.data, step->content.n);
    bl_buffer_add(out, text, n);
    return !out->failed || out_of_memory(n, err);
}

void bl_add_replaced(bl_buffer *out, const char *text, size_t n, const char *old, size_t old_n,
                     const char *new, size_t new_n) {
    const char *end = text + n, *found;
    for (; (found = memmem(text, (size_t)(end - text), old, old_n)); text = found + old_n) {
        bl_buffer_add(out, text, (size_t)(found - text));
        bl_buffer_add(out, new, new_n);
    }
    bl_buffer_add(out, text, (size_t)(end - text));
}

static bool replace(const bl_normalizer_step *step, const char *text, size_t n, bl_scratch *scratch,
                    bl_buffer *out, bl_error *err) {
    (void)scratch;
    bl_add_replaced(out, text, n, step->pattern.data, step->pattern.n, step->content.data, step->content.n);
    return !out->failed || out_of_memory(n, err);
}

static bool make_form(bl_normalizer_step *step, int options) {
    *step =
        (bl_normalizer_step){.apply = normal_form, .form = options | UTF8PROC_STABLE, .keeps_ascii = true};
    return true;
}

static bool read_nfc(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    return make_form(step, UTF8PROC_COMPOSE);
}

static bool read_nfd(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    return make_form(step, UTF8PROC_DECOMPOSE);
}

static bool read_nfkc(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    return make_form(step, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

static bool read_nfkd(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    return make_form(step, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
}

static bool read_strip_accents(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    *(bl_normalizer_step *)step =
        (bl_normalizer_step){.apply = strip_accents, .keeps_ascii = true, .may_remove = true};
    return true;
}

static bool read_lowercase(const bl_node *node, void *step, bl_error *err) {
    (void)node, (void)err;
    ((bl_normalizer_step *)step)->apply = lowercase;
    return true;
}

static bool read_prepend(const bl_node *node, void *to, bl_error *err) {
    bl_normalizer_step *step = to;
    step->apply = prepend;
    return bl_node_text(node, "prepend", &step->content, err);
}

static bool read_replace(const bl_node *node, void *to, bl_error *err) {
    bl_normalizer_step *step = to;
    step->apply = replace;
    if (!bl_node_replace(node, &step->pattern, &step->content, err)) return false;
    step->may_remove = step->content.n == 0;
    return true;
}

bool bl_read_normalizer(const bl_node *node, bl_normalizer *normalizer, bl_error *err) {
    static const bl_component kinds[] = {
        {"NFC", read_nfc},
        {"NFD", read_nfd},
        {"NFKC", read_nfkc},
        {"NFKD", read_nfkd},
        {"StripAccents", read_strip_accents},
        {"Lowercase", read_lowercase},
        {"Prepend", read_prepend},
        {"Replace", read_replace},
    };
    return bl_node_components(node, "normalizer", "normalizers", kinds, sizeof kinds / sizeof *kinds,
                              normalizer->steps, sizeof *normalizer->steps, &normalizer->n, err);
}

bool bl_normalize(const bl_normalizer *normalizer, const char *text, size_t n, bl_scratch *scratch,
                  const char **out, size_t *out_n, bl_error *err) {
    bool ascii = bl_ascii_run(text, n) == n;
    int next = 0;
    for (size_t i = 0; i < normalizer->n && n > 0; i++) {
        const bl_normalizer_step *step = &normalizer->steps[i];
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

void bl_scratch_free(bl_scratch *scratch) {
    bl_buffer_free(&scratch->texts[0]);
    bl_buffer_free(&scratch->texts[1]);
    for (size_t i = 0; i < BL_MAX_STEPS; i++) {
        bl_buffer_free(&scratch->cuts[i][0]);
        bl_buffer_free(&scratch->cuts[i][1]);
    }
    bl_regex_memory_free(scratch->regex);
    free(scratch->points.data);
    free(scratch->points.sorted);
    *scratch = (bl_scratch){0};
}
