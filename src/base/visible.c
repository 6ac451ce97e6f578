#include "base/visible.h"
#include "base/error.h"
#include "base/spelling.h"
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#define REPLACEMENT 0xFFFD
#define DOTTED_CIRCLE "\xE2\x97\x8C"
#define ELLIPSIS "\xE2\x80\xA6"

/* One character's picture: `text` (NUL-terminated) and its columns. */
typedef struct picture {
    char text[24];
    size_t columns;
} picture;

/* Decodes the character at `text` (not its end); returns the bytes it takes, at least 1. */
static size_t decode(const char *text, utf8proc_int32_t *character) {
    size_t left = strnlen(text, 4);
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, character);
    if (n > 0) return (size_t)n;
    *character = REPLACEMENT;
    return 1;
}

static size_t encode(utf8proc_int32_t character, char *out) {
    utf8proc_ssize_t n = utf8proc_encode_char(character, (utf8proc_uint8_t *)out);
    out[n] = '\0';
    return (size_t)n;
}

static bool has_no_picture(utf8proc_category_t category) {
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_CS || category == UTF8PROC_CATEGORY_CO ||
           category == UTF8PROC_CATEGORY_CN || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static picture picture_of(utf8proc_int32_t character, bool first) {
    picture made = {.columns = 1};
    utf8proc_category_t category = utf8proc_category(character);
    if (character < 0x20) {
        encode(0x2400 + character, made.text);
    } else if (character == 0x7F) {
        encode(0x2421, made.text);
    } else if (has_no_picture(category)) {
        made.columns = (size_t)snprintf(made.text, sizeof made.text, "<U+%04X>", (unsigned)character);
    } else {
        int columns = utf8proc_charwidth(character);
        bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_ME ||
                    category == UTF8PROC_CATEGORY_MC;
        if (first && mark) memcpy(made.text, DOTTED_CIRCLE, sizeof DOTTED_CIRCLE);
        encode(character, made.text + strlen(made.text));
        made.columns = columns > 0 ? (size_t)columns : 0;
        if (first && mark) made.columns += 1;
    }
    return made;
}

size_t bl_visible_width(const char *text) {
    char room[BL_SPELLED];
    size_t columns = 0;
    text = bl_spelled(text, room);
    for (const char *at = text; *at;) {
        utf8proc_int32_t character;
        bool first = at == text;
        at += decode(at, &character);
        columns += picture_of(character, first).columns;
    }
    return columns;
}

/* Gives `put` one picture after the other; returns the columns. */
static size_t each_picture(const char *text, size_t width, void (*put)(void *context, const char *picture),
                           void *context) {
    char room[BL_SPELLED];
    text = bl_spelled(text, room);
    bool cut = width > 0 && bl_visible_width(text) > width;
    size_t columns = 0;
    for (const char *at = text; *at;) {
        utf8proc_int32_t character;
        bool first = at == text;
        at += decode(at, &character);
        picture next = picture_of(character, first);
        if (cut && columns + next.columns > width - 1) break;
        put(context, next.text);
        columns += next.columns;
    }
    if (cut) {
        put(context, ELLIPSIS);
        columns++;
    }
    return columns;
}

static void put_buffer(void *context, const char *text) { bl_buffer_text(context, text); }

size_t bl_visible_add(bl_buffer *out, const char *text, size_t width) {
    return each_picture(text, width, put_buffer, out);
}

typedef struct place {
    char *out;
    size_t left; /* the NUL included */
} place;

static void put_place(void *context, const char *text) {
    place *p = context;
    size_t n = strlen(text);
    if (n >= p->left) p->left = 1; /* nothing more: a later, shorter picture would not follow this one */
    else {
        memcpy(p->out, text, n + 1);
        p->out += n;
        p->left -= n;
    }
}

void bl_visible_copy(char *out, size_t size, const char *text, size_t width) {
    place p = {out, size};
    if (size == 0) return;
    *out = '\0';
    (void)each_picture(text, width, put_place, &p);
}

/* The length of a colour sequence at `text`; 0 when there is none. */
static size_t colour_length(const char *text) {
    if (text[0] != '\033' || text[1] != '[') return 0;
    size_t n = 2 + strspn(text + 2, "0123456789;");
    return text[n] == 'm' ? n + 1 : 0;
}

/* Characters that can reorder, hide or command what stands around them. */
static bool commands(utf8proc_int32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == REPLACEMENT || c == 0x061C || c == 0x200E ||
           c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void bl_visible_terminal(bl_buffer *out, const char *text) {
    while (*text) {
        utf8proc_int32_t character;
        size_t n = colour_length(text);
        bool exact = n > 0 || *text == '\n' || *text == '\t';
        if (!n) n = decode(text, &character);
        if (exact || !commands(character)) bl_buffer_add(out, text, n);
        else bl_buffer_text(out, picture_of(character, false).text);
        text += n;
    }
}

void bl_visible_html(bl_buffer *out, const char *text) {
    bl_buffer seen = {0};
    bl_visible_add(&seen, text, 0);
    if (seen.failed) out->failed = true;
    for (size_t i = 0; i < seen.n; i++) {
        char c = seen.data[i];
        if (c == '&') bl_buffer_text(out, "&amp;");
        else if (c == '<') bl_buffer_text(out, "&lt;");
        else if (c == '>') bl_buffer_text(out, "&gt;");
        else if (c == '"') bl_buffer_text(out, "&quot;");
        else if (c == '\'') bl_buffer_text(out, "&#39;");
        else bl_buffer_add(out, &c, 1);
    }
    bl_buffer_free(&seen);
}
