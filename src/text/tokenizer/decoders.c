/* The decoders, each from all pieces to all pieces, as the Hugging Face library has them.
 *
 *   WordPiece     a blank before every piece but the first and those that continue a word
 *   ByteLevel     GPT-2's alphabet back to bytes, a piece of other characters as it is;
 *                 ill-formed UTF-8 becomes U+FFFD
 *   Metaspace     signs back to blanks
 *   Replace       one string for another, in every piece
 *   ByteFallback  runs of <0xNN> to text if they are text, to as many U+FFFD otherwise
 *   Fuse          all pieces to one
 *   Strip         a character off the ends of every piece */
#include "text/tokenizer/decoders.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/normalizers.h"
#include "text/tokenizer/pretokenizers.h"
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xEF\xBF\xBD"

void bl_pieces_free(bl_pieces *pieces) {
    bl_buffer_free(&pieces->text);
    free(pieces->ends);
    *pieces = (bl_pieces){0};
}

bool bl_pieces_end(bl_pieces *pieces, bl_error *err) {
    if (pieces->text.failed)
        return bl_fail(err, BL_ERR_MEMORY, "out of memory while %zu tokens were decoded", pieces->n);
    if (!bl_grow(&pieces->ends, &pieces->capacity, pieces->n + 1, sizeof *pieces->ends, err)) return false;
    pieces->ends[pieces->n++] = pieces->text.n;
    return true;
}

/* Piece i, `*n` bytes. */
static const char *piece_at(const bl_pieces *pieces, size_t i, size_t *n) {
    size_t begin = i ? pieces->ends[i - 1] : 0;
    *n = pieces->ends[i] - begin;
    return pieces->text.data ? pieces->text.data + begin : "";
}

/* Removes the blanks that the library's clean-up removes, as it does: one replacement after the other over
 * one piece. */
static void clean_up(bl_buffer *piece, bl_buffer *scratch) {
    static const char *const replacements[][2] = {
        {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
        {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (size_t i = 0; i < sizeof replacements / sizeof *replacements && piece->n > 0; i++) {
        const char *old = replacements[i][0], *new = replacements[i][1];
        scratch->n = 0;
        bl_add_replaced(scratch, piece->data, piece->n, old, strlen(old), new, strlen(new));
        bl_buffer kept = *piece;
        *piece = *scratch, *scratch = kept;
    }
}

static bool wordpiece(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    const bl_short_text *prefix = &step->pattern;
    bl_buffer piece = {0}, scratch = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < from->n; i++) {
        size_t n;
        const char *token = piece_at(from, i, &n);
        bool continues = i > 0 && n >= prefix->n && memcmp(token, prefix->data, prefix->n) == 0;
        piece.n = 0;
        if (i > 0 && !continues) bl_buffer_text(&piece, " ");
        bl_buffer_add(&piece, continues ? token + prefix->n : token, continues ? n - prefix->n : n);
        if (step->cleanup && !piece.failed) clean_up(&piece, &scratch);
        if (piece.failed || scratch.failed) ok = bl_fail(err, BL_ERR_MEMORY, "out of memory");
        if (ok) bl_buffer_add(&to->text, piece.data, piece.n);
        ok = ok && bl_pieces_end(to, err);
    }
    bl_buffer_free(&piece);
    bl_buffer_free(&scratch);
    return ok;
}

/* The bytes of a token in GPT-2's alphabet; the token itself if any of its characters is not of it. */
static void add_bytes(bl_buffer *out, const char *token, size_t n) {
    size_t before = out->n;
    for (size_t i = 0; i < n;) {
        int byte = bl_point_to_byte(bl_utf8_next(token, &i));
        char c = (char)byte;
        if (byte >= 0) {
            bl_buffer_add(out, &c, 1);
            continue;
        }
        out->n = before;
        bl_buffer_add(out, token, n);
        return;
    }
}

/* The bytes as text: each maximal beginning of a sequence that does not go on becomes one U+FFFD. */
static void add_lossy(bl_buffer *out, const char *bytes, size_t n) {
    for (size_t i = 0, bad; i < n;) {
        size_t sound = bl_utf8_check(bytes + i, n - i, &bad) ? n - i : bad;
        bl_buffer_add(out, bytes + i, sound);
        i += sound;
        if (i == n) break;
        bl_buffer_text(out, REPLACEMENT);
        i += bl_utf8_broken(bytes + i, n - i);
    }
}

static bool byte_level(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    (void)step;
    bl_buffer bytes = {0};
    for (size_t i = 0, n; i < from->n; i++) {
        const char *token = piece_at(from, i, &n);
        add_bytes(&bytes, token, n);
    }
    bool ok =
        !bytes.failed || bl_fail(err, BL_ERR_MEMORY, "out of memory while %zu tokens were decoded", from->n);
    if (ok) add_lossy(&to->text, bytes.data, bytes.n);
    ok = ok && bl_pieces_end(to, err);
    bl_buffer_free(&bytes);
    return ok;
}

static bool metaspace(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    for (size_t i = 0, n; i < from->n; i++) {
        const char *token = piece_at(from, i, &n);
        size_t blank = i == 0 && step->drop_first ? 0 : 1;
        bl_add_replaced(&to->text, token, n, step->pattern.data, step->pattern.n, " ", blank);
        if (!bl_pieces_end(to, err)) return false;
    }
    return true;
}

static bool replace(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    for (size_t i = 0, n; i < from->n; i++) {
        const char *token = piece_at(from, i, &n);
        bl_add_replaced(&to->text, token, n, step->pattern.data, step->pattern.n, step->content.data,
                        step->content.n);
        if (!bl_pieces_end(to, err)) return false;
    }
    return true;
}

static int hexadecimal(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte of "<0xNN>" or, since the library reads the number as Rust does, "<0x+N>"; -1 for other tokens. */
static int byte_of(const char *token, size_t n) {
    if (n != 6 || memcmp(token, "<0x", 3) != 0 || token[5] != '>') return -1;
    int high = token[3] == '+' ? 0 : hexadecimal(token[3]), low = hexadecimal(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Ends a run of bytes: one piece if they are text, a U+FFFD for each otherwise. */
static bool end_bytes(bl_buffer *bytes, bl_pieces *to, bl_error *err) {
    size_t bad;
    if (bytes->n == 0) return true;
    if (bytes->failed) return bl_fail(err, BL_ERR_MEMORY, "out of memory while tokens were decoded");
    if (bl_utf8_check(bytes->data, bytes->n, &bad)) {
        bl_buffer_add(&to->text, bytes->data, bytes->n);
        bytes->n = 0;
        return bl_pieces_end(to, err);
    }
    for (; bytes->n > 0; bytes->n--) {
        bl_buffer_text(&to->text, REPLACEMENT);
        if (!bl_pieces_end(to, err)) return false;
    }
    return true;
}

static bool byte_fallback(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    (void)step;
    bl_buffer bytes = {0};
    bool ok = true;
    for (size_t i = 0, n; ok && i < from->n; i++) {
        const char *token = piece_at(from, i, &n);
        int byte = byte_of(token, n);
        char c = (char)byte;
        if (byte >= 0) {
            bl_buffer_add(&bytes, &c, 1);
            continue;
        }
        ok = end_bytes(&bytes, to, err);
        if (ok) bl_buffer_add(&to->text, token, n);
        ok = ok && bl_pieces_end(to, err);
    }
    ok = ok && !bytes.failed && end_bytes(&bytes, to, err);
    if (bytes.failed) bl_fail(err, BL_ERR_MEMORY, "out of memory while %zu tokens were decoded", from->n);
    bl_buffer_free(&bytes);
    return ok;
}

static bool fuse(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    (void)step;
    bl_buffer_add(&to->text, from->text.data, from->text.n);
    return bl_pieces_end(to, err);
}

/* Of a piece that is shorter than the library asks for it removes what there is; there the library itself
 * fails. */
static bool strip(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err) {
    const bl_short_text *c = &step->content;
    for (size_t i = 0, n; i < from->n; i++) {
        const char *token = piece_at(from, i, &n);
        for (size_t k = 0; k < step->start && n >= c->n && memcmp(token, c->data, c->n) == 0; k++)
            token += c->n, n -= c->n;
        for (size_t k = 0; k < step->stop && n >= c->n && memcmp(token + n - c->n, c->data, c->n) == 0; k++)
            n -= c->n;
        bl_buffer_add(&to->text, token, n);
        if (!bl_pieces_end(to, err)) return false;
    }
    return true;
}

static bool read_wordpiece(const bl_node *node, void *to, bl_error *err) {
    bl_decoder_step *step = to;
    step->apply = wordpiece;
    return bl_node_text(node, "prefix", &step->pattern, err) &&
           bl_node_bool(node, "cleanup", &step->cleanup, err);
}

static bool read_byte_level(const bl_node *node, void *to, bl_error *err) {
    (void)node, (void)err;
    ((bl_decoder_step *)to)->apply = byte_level;
    return true;
}

static bool read_metaspace(const bl_node *node, void *to, bl_error *err) {
    bl_decoder_step *step = to;
    bl_prepend prepend;
    bool split;
    step->apply = metaspace;
    if (!bl_node_metaspace(node, &step->pattern, &prepend, &split, err)) return false;
    step->drop_first = prepend != BL_PREPEND_NEVER;
    return true;
}

static bool read_replace(const bl_node *node, void *to, bl_error *err) {
    bl_decoder_step *step = to;
    step->apply = replace;
    return bl_node_replace(node, &step->pattern, &step->content, err);
}

static bool read_byte_fallback(const bl_node *node, void *to, bl_error *err) {
    (void)node, (void)err;
    ((bl_decoder_step *)to)->apply = byte_fallback;
    return true;
}

static bool read_fuse(const bl_node *node, void *to, bl_error *err) {
    (void)node, (void)err;
    ((bl_decoder_step *)to)->apply = fuse;
    return true;
}

static bool read_strip(const bl_node *node, void *to, bl_error *err) {
    bl_decoder_step *step = to;
    bl_node start = bl_node_member(node, "start"), stop = bl_node_member(node, "stop");
    int64_t at_start, at_stop;
    if (!bl_node_character(node, "content", &step->content, err) ||
        !bl_node_integer(&start, INT64_MAX, &at_start, err) ||
        !bl_node_integer(&stop, INT64_MAX, &at_stop, err))
        return false;
    step->apply = strip;
    step->start = (size_t)at_start, step->stop = (size_t)at_stop;
    return true;
}

bool bl_read_decoder(const bl_node *node, bl_decoder *decoder, bl_error *err) {
    static const bl_component kinds[] = {
        {"WordPiece", read_wordpiece}, {"ByteLevel", read_byte_level},       {"Metaspace", read_metaspace},
        {"Replace", read_replace},     {"ByteFallback", read_byte_fallback}, {"Fuse", read_fuse},
        {"Strip", read_strip},
    };
    return bl_node_components(node, "decoder", "decoders", kinds, sizeof kinds / sizeof *kinds,
                              decoder->steps, sizeof *decoder->steps, &decoder->n, err);
}

bool bl_decoder_run(const bl_decoder *decoder, bl_pieces *pieces, bl_error *err) {
    bl_pieces other = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < decoder->n; i++) {
        other.text.n = other.n = 0;
        ok = decoder->steps[i].apply(&decoder->steps[i], pieces, &other, err);
        bl_pieces kept = *pieces;
        *pieces = other, other = kept;
    }
    bl_pieces_free(&other);
    return ok;
}
