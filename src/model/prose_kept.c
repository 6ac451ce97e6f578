/* Prose of ids whose tokens hold the text's own blanks and capitals (BPE): what they decode to. */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/ids.h"
#include "model/prose.h"
#include "text/tokenizer/tokenizer_private.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

/* A NUL would end the text for whoever reads it as a string. */
static bool show_nuls(char **text, size_t n, bl_error *err) {
    bl_buffer shown = {0};
    if (strlen(*text) == n) return true;
    for (size_t i = 0; i <= n;) {
        size_t length = strlen(*text + i);
        bl_buffer_add(&shown, *text + i, length);
        i += length;
        if (i++ < n) bl_buffer_text(&shown, "\xEF\xBF\xBD");
    }
    free(*text);
    *text = bl_buffer_take(&shown, err);
    return *text != NULL;
}

char *bl_kept_prose(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err) {
    bl_ids kept = {0};
    char *text = NULL;
    size_t length;
    for (size_t i = 0; i < n; i++) {
        if (!bl_tokenizer_token(tokenizer, ids[i])) {
            bl_fail(err, BL_ERR_INPUT, "id %d is not in the vocabulary", (int)ids[i]);
            goto done;
        }
        if (!bl_is_frame(tokenizer, ids[i]) && !bl_ids_push(&kept, ids[i], err)) goto done;
    }
    text = bl_tokenizer_decode_n(tokenizer, kept.data, kept.n, &length, err);
    if (text && !show_nuls(&text, length, err)) text = NULL;
done:
    bl_ids_free(&kept);
    return text;
}

/* What has been read so far. */
typedef struct reading {
    bool open;    /* a quotation */
    bool ended;   /* the sentence; a closing quotation mark or bracket and white space may have followed */
    char last[4]; /* the letters of the word so far, as far as a title is long */
    size_t n_last;
} reading;

static bool is_title(const reading *r) {
    static const char *const titles[] = {"Mr", "Mrs", "Ms", "Dr", "mr", "mrs", "ms", "dr"};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strlen(titles[i]) == r->n_last && memcmp(titles[i], r->last, r->n_last) == 0) return true;
    return false;
}

static void read_point(reading *r, uint32_t point) {
    bool blank = bl_unicode_class(point) & BL_CLASS_SPACE, letter = bl_unicode_class(point) & BL_CLASS_WORD;
    if (point == '"') r->open = !r->open;
    else if (point == 0x201C) r->open = true;
    else if (point == 0x201D) r->open = false;
    else if (point == '!' || point == '?' || point == 0x2026 || (point == '.' && !is_title(r)))
        r->ended = true;
    else if (!blank && point != ')' && point != '\'' && point != 0x2019) r->ended = false;
    if (!letter) r->n_last = 0;
    else if (r->n_last < sizeof r->last) r->last[r->n_last++] = point < 128 ? (char)point : '?';
}

bool bl_kept_whole(const bl_tokenizer *tokenizer, const int32_t *ids, size_t *n, size_t least,
                   bl_error *err) {
    reading now = {0};
    size_t end = *n;
    for (size_t i = 0; i < *n; i++) {
        size_t length;
        if (bl_is_frame(tokenizer, ids[i])) continue;
        /* Decoded alone, a token may lose the blank that it begins with. */
        if (strncmp(bl_tokenizer_token(tokenizer, ids[i]), "\xE2\x96\x81", 3) == 0) now.n_last = 0;
        char *text = bl_tokenizer_decode_n(tokenizer, ids + i, 1, &length, err);
        if (!text) return false;
        for (size_t at = 0; at < length;) read_point(&now, bl_utf8_next(text, &at));
        free(text);
        if (now.ended && !now.open && i + 1 >= least) end = i + 1;
    }
    *n = end;
    return true;
}
