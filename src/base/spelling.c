/* A byte-level vocabulary writes each of the 256 bytes as one character: those with a picture (21-7E,
 * A1-AC, AE-FF) as themselves, the others in their order as U+0100, U+0101, … U+0143. */
#include "base/spelling.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#define DOT "\xC2\xB7"
#define RETURN "\xE2\x86\xB5"

/* The byte that a character stands for; -1: none. */
static int byte_of(int32_t c) {
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xFF && c != 0xAD)) return c;
    if (c >= 0x100 && c <= 0x120) return c - 0x100;
    if (c >= 0x121 && c <= 0x142) return c - 0x121 + 0x7F;
    return c == 0x143 ? 0xAD : -1;
}

/* The bytes of a byte-level token, n of them; 0 where it is none. */
static size_t bytes_of(const char *text, size_t length, unsigned char out[BL_SPELLED]) {
    bool marked = false;
    size_t n = 0;
    for (size_t at = 0; at < length;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(length - at), &c);
        int byte = used > 0 ? byte_of(c) : -1;
        bool control = byte < 0x20 || byte == 0x7F;
        if (byte < 0 || (control && byte != '\t' && byte != '\n' && byte != '\r')) return 0;
        marked = marked || c >= 0x100;
        out[n++] = (unsigned char)byte;
        at += (size_t)used;
    }
    return marked ? n : 0;
}

static bool is_utf8(const unsigned char *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t used = utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(n - at), &c);
        if (used <= 0) return false;
        at += (size_t)used;
    }
    return true;
}

/* `sign` becomes a dot wherever it stands, the end of a line an arrow. False where there is no room. */
static bool dotted(const char *text, size_t n, const char *sign, char room[BL_SPELLED]) {
    size_t out = 0, width = strlen(sign);
    for (size_t at = 0; at < n;) {
        bool is = n - at >= width && memcmp(text + at, sign, width) == 0;
        const char *by = is ? DOT : text[at] == '\n' ? RETURN : NULL;
        size_t used = is ? width : 1, made = by ? strlen(by) : 1;
        if (out + made >= BL_SPELLED) return false;
        memcpy(room + out, by ? by : text + at, made);
        out += made;
        at += used;
    }
    room[out] = '\0';
    return true;
}

const char *bl_spelled(const char *text, char room[BL_SPELLED]) {
    static const char blank[] = "\xE2\x96\x81";
    unsigned char bytes[BL_SPELLED];
    size_t length = strnlen(text, BL_SPELLED), n;
    if (length == BL_SPELLED) return text;
    if (strstr(text, blank)) return dotted(text, length, blank, room) ? room : text;
    n = bytes_of(text, length, bytes);
    if (!n || !is_utf8(bytes, n)) return text;
    return dotted((const char *)bytes, n, " ", room) ? room : text;
}
