/* NFC, NFD, NFKC, NFKD: decompose every code point, put combining marks into canonical order, perhaps compose
 * again.
 *
 * utf8proc gives the decompositions, the combining classes and the composition. The Hugging Face library uses
 * tables of Unicode 9 instead: what was assigned later neither decomposes nor composes nor has a combining
 * class there. Three guards below give the same answer with any utf8proc from 2.8 (Unicode 15) on:
 * `unknown_then` for decompositions, `barrier` for compositions, and BL_CLASS_MARK (of Unicode 9) for
 * combining classes. The ordering is ours because utf8proc's is quadratic in a run of marks. */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/normalise.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <utf8proc.h>

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
bool bl_apply_normal_form(const bl_normaliser_step *step, const char *text, size_t n,
                          bl_normal_scratch *scratch, bl_buffer *out, bl_error *err) {
    bl_points *points = &scratch->points;
    bool composing = step->form & UTF8PROC_COMPOSE;
    for (size_t i = 0; i < n;) {
        size_t run = bl_ascii_run(text + i, n - i);
        bool more = i + run < n;
        size_t copied = more && composing && run > 0 ? run - 1 : run;
        bl_buffer_add(out, text + i, copied);
        if (out->failed)
            return bl_fail(err, BL_ERR_MEMORY, "out of memory while a text of %zu bytes was normalised", n);
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
