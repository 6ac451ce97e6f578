/* Ids as a reader expects text: pieces glued to words, punctuation where print puts it, quotation marks
 * opened and closed.
 *
 * WordPiece throws blanks and capitals away, so this is a matter of rules of English print (BPE keeps them:
 * prose_kept.c). They only choose blanks and capitals: the text gives the same words again when it is
 * tokenised. A blank stands between two words unless the left one is tight to its right, or the right one to
 * its left; the rules set these two flags. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/prose.h"
#include "text/tokenizer/tokenizer_private.h"
#include "text/tokenizer/unicode.h"
#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

typedef enum kind { WORD, DIGIT, END, PAUSE, CLOSER, OPENER, QUOTE, APOSTROPHE, DASH, OTHER } kind;

typedef struct word {
    size_t at, n; /* in the text of all words */
    kind kind;
    uint32_t point; /* its first code point */
    bool tight_left, tight_right;
    bool closes; /* a quotation mark that ends a quotation */
} word;

typedef struct words {
    bl_buffer text;
    word *list;
    size_t n, capacity;
} words;

static kind kind_of(uint32_t point) {
    switch (point) {
    case '.':
    case '!':
    case '?':
    case 0x2026: return END;
    case ',':
    case ';':
    case ':': return PAUSE;
    case ')':
    case ']':
    case '}':
    case '%':
    case 0x201D:
    case 0xBB: return CLOSER;
    case '(':
    case '[':
    case '{':
    case '$':
    case '#':
    case 0xA3:
    case 0x20AC:
    case 0x201C:
    case 0x2018:
    case 0xAB: return OPENER;
    case '"': return QUOTE;
    case '\'':
    case 0x2019: return APOSTROPHE;
    case '-':
    case '/':
    case 0x2013:
    case 0x2014: return DASH;
    default: break;
    }
    unsigned class = bl_unicode_class(point);
    return class & BL_CLASS_NUMERIC ? DIGIT : class & BL_CLASS_WORD ? WORD : OTHER;
}

static bool is(const words *all, size_t i, const char *text) {
    return i < all->n && all->list[i].n == strlen(text) &&
           memcmp(all->text.data + all->list[i].at, text, all->list[i].n) == 0;
}

static bool is_one_of(const words *all, size_t i, const char *const *names) {
    for (; *names; names++)
        if (is(all, i, *names)) return true;
    return false;
}

static bool is_kind(const words *all, size_t i, kind wanted) {
    return i < all->n && all->list[i].kind == wanted;
} /* i may be -1 */

static bool is_wordlike(const words *all, size_t i) {
    return is_kind(all, i, WORD) || is_kind(all, i, DIGIT);
}

static bool is_saying(const words *all, size_t i) {
    static const char *const verbs[] = {"said",      "says",      "asked",     "replied",  "shouted",
                                        "cried",     "yelled",    "called",    "added",    "thought",
                                        "smiled",    "exclaimed", "whispered", "answered", "screamed",
                                        "explained", NULL};
    return is_one_of(all, i, verbs);
}

static bool is_title(const words *all, size_t i) {
    static const char *const titles[] = {"mr", "mrs", "ms", "dr", NULL};
    return is_one_of(all, i, titles);
}

bool bl_is_frame(const bl_tokenizer *tokenizer, int32_t id) {
    if (id == tokenizer->eos) return true;
    for (size_t i = 0; i < tokenizer->before.n; i++)
        if (tokenizer->before.data[i] == id) return true;
    for (size_t i = 0; i < tokenizer->after.n; i++)
        if (tokenizer->after.data[i] == id) return true;
    return false;
}

/* What marks a token that continues a word. */
static bl_short_text prefix_of(const bl_tokenizer *tokenizer) {
    if (tokenizer->decoder.n > 0) return tokenizer->decoder.steps[0].pattern;
    return (bl_short_text){"##", 2};
}

/* Pieces glued to words. */
static bool gather(words *all, const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err) {
    const bl_short_text prefix = prefix_of(tokenizer);
    bool inside = false; /* a piece may be glued to the last word */
    for (size_t i = 0; i < n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids[i]);
        if (!token) return bl_fail(err, BL_ERR_INPUT, "id %d is not in the vocabulary", (int)ids[i]);
        if (bl_is_frame(tokenizer, ids[i])) {
            inside = false;
            continue;
        }
        bool continues = prefix.n && strncmp(token, prefix.data, prefix.n) == 0 && token[prefix.n];
        if (continues) token += prefix.n;
        size_t length = strlen(token), at = 0;
        if (length == 0) continue;
        if (!continues || !inside) {
            if (!bl_grow(&all->list, &all->capacity, all->n + 1, sizeof *all->list, err)) return false;
            uint32_t point = bl_utf8_next(token, &at);
            kind found = kind_of(point);
            if (at < length && found != WORD && found != DIGIT) found = OTHER; /* "[UNK]", a run of symbols */
            all->list[all->n++] = (word){.at = all->text.n, .kind = found, .point = point};
        }
        bl_buffer_add(&all->text, token, length);
        all->list[all->n - 1].n += length;
        inside = true;
    }
    return !all->text.failed || bl_fail(err, BL_ERR_MEMORY, "out of memory");
}

/* "don't", "o'clock": the apostrophe at i stands inside a word. */
static bool is_contraction(const words *all, size_t i) {
    static const char *const endings[] = {"s", "t", "m", "re", "ve", "ll", "d", NULL};
    if (is(all, i - 1, "o")) return is(all, i + 1, "clock");
    if (is(all, i - 1, "ma")) return is(all, i + 1, "am");
    return is_wordlike(all, i - 1) && is_one_of(all, i + 1, endings);
}

/* Behind the mark at i: `sue smiled and said, "`. What stands between is no quotation. */
static bool introduction_follows(const words *all, size_t i) {
    for (size_t j = i + 1; j < i + 7 && is_kind(all, j, WORD); j++)
        if (is_saying(all, j) && is_kind(all, j + 1, PAUSE) && is_kind(all, j + 2, QUOTE)) return true;
    return false;
}

/* A quotation mark that does not tell its side alternates. Models forget one now and then, hence: `said, "`
 * opens, and `." said` and `." sue said, "` close what went before, so that one slip does not turn all that
 * follow. */
static void set_quote(words *all, size_t i, bool *open) {
    word *w = &all->list[i];
    bool after_saying = i >= 2 && all->list[i - 1].kind == PAUSE && is_saying(all, i - 2);
    bool after_stop = i >= 1 && (all->list[i - 1].kind == PAUSE || all->list[i - 1].kind == END);
    bool before_saying =
        after_stop && !after_saying && (is_saying(all, i + 1) || introduction_follows(all, i));
    w->closes = before_saying || (*open && !after_saying) || (i > 0 && i + 1 == all->n);
    w->tight_left = w->closes;
    w->tight_right = !w->closes;
    *open = !w->closes;
}

/* An apostrophe: inside a word, a quotation in single marks, or a plural's ("the boys' toys"). */
static void set_apostrophe(words *all, size_t i, bool *open) {
    word *w = &all->list[i];
    const word *left = i ? w - 1 : NULL;
    if (is_contraction(all, i)) {
        w->tight_left = w->tight_right = true;
    } else if (*open) {
        w->closes = w->tight_left = true;
        *open = false;
    } else {
        bool plural = left && left->kind == WORD && all->text.data[left->at + left->n - 1] == 's',
             partner = false;
        for (size_t j = i + 1; !plural && !partner && j < all->n && j < i + 40; j++)
            partner = all->list[j].kind == APOSTROPHE && !is_contraction(all, j);
        *open = partner;
        w->tight_right = partner || !left;
        w->tight_left = !w->tight_right;
    }
}

/* A hyphen inside a word, or (before a word that begins a clause, unless as in "hide-and-seek") a dash
 * between words. */
static void set_dash(words *all, size_t i) {
    static const char *const clause[] = {"it",  "he",  "she", "they", "we", "i",   "you", "a", "an",
                                         "the", "and", "but", "or",   "as", "had", "was", NULL};
    word *w = &all->list[i];
    bool dash = is_one_of(all, i + 1, clause) && !is_kind(all, i + 2, DASH);
    bool between = is_wordlike(all, i - 1) && is_wordlike(all, i + 1) && !dash, em = w->point == 0x2014;
    w->tight_left =
        between || em || (is_kind(all, i - 1, DASH) && all->list[i - 1].point == w->point); /* "--" */
    w->tight_right = between || (em && is_wordlike(all, i + 1));
}

static void set_spaces(words *all) {
    bool open = false, open_single = false;
    for (size_t i = 0; i < all->n; i++) {
        word *w = &all->list[i];
        bool in_number = is_kind(all, i - 1, DIGIT) && is_kind(all, i + 1, DIGIT);
        switch (w->kind) {
        case DIGIT: w->tight_left = is_kind(all, i - 1, DIGIT); break;
        case END:
        case PAUSE:
            w->tight_left = true;
            w->tight_right = in_number && (w->point == '.' || w->point == ':'); /* 3.5, 10:30 */
            break;
        case CLOSER: w->tight_left = true; break;
        case OPENER:
            w->tight_right =
                (bl_unicode_class(w->point) & BL_CLASS_PUNCTUATION) || is_kind(all, i + 1, DIGIT);
            break;
        case QUOTE: set_quote(all, i, &open); break;
        case APOSTROPHE: set_apostrophe(all, i, &open_single); break;
        case DASH: set_dash(all, i); break;
        default: break;
        }
    }
}

/* After "no!" comes "he said" in small letters, but a new sentence in a capital. */
static bool saying_follows(const words *all, size_t i) {
    for (size_t j = i + 1; j < all->n && j < i + 5 && all->list[j].kind == WORD; j++)
        if (is_saying(all, j)) return true;
    return false;
}

/* Whether a sentence begins behind word i, if `begins` says whether one began before it. */
static bool begins_sentence(const words *all, size_t i, bool begins) {
    const word *w = &all->list[i];
    switch (w->kind) {
    case END:
        return w->point != 0x2026 && !w->tight_right &&
               !(w->point == '.' && (is(all, i - 1, ".") || is(all, i + 1, ".")));
    case QUOTE:
        if (w->closes) return begins && !(i > 0 && all->list[i - 1].point != '.' && saying_follows(all, i));
        return begins || i == 0 || is_kind(all, i - 1, PAUSE);
    case OPENER:
    case CLOSER:
    case APOSTROPHE: return begins;
    case DASH: return begins && i == 0;
    default: return false;
    }
}

static void add_capital(bl_buffer *out, const char *text, size_t n) {
    char first[4];
    size_t at = 0;
    uint32_t point = bl_utf8_next(text, &at), upper = (uint32_t)utf8proc_toupper((utf8proc_int32_t)point),
             lower[2];
    if (bl_unicode_lower(upper, lower) != 1 || lower[0] != point)
        upper = point; /* a capital that would not come back */
    bl_buffer_add(out, first, bl_utf8_put(upper, first));
    bl_buffer_add(out, text + at, n - at);
}

char *bl_tokenizer_prose(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool capitals,
                         bl_error *err) {
    if (!tokenizer) {
        bl_no_tokenizer(err);
        return NULL;
    }
    if (tokenizer->model.keeps_blanks) return bl_kept_prose(tokenizer, ids, n, err);
    words all = {0};
    bl_buffer out = {0};
    bool ok = gather(&all, tokenizer, ids, n, err), begins = true;
    if (ok) set_spaces(&all);
    for (size_t i = 0; ok && i < all.n; i++) {
        const word *w = &all.list[i];
        const char *text = all.text.data + w->at;
        bool capital = capitals && w->kind == WORD && (begins || is(&all, i, "i") || is_title(&all, i));
        if (i > 0 && !w->tight_left && !all.list[i - 1].tight_right) bl_buffer_text(&out, " ");
        if (capital) add_capital(&out, text, w->n);
        else bl_buffer_add(&out, text, w->n);
        begins = begins_sentence(&all, i, begins);
    }
    char *prose = ok ? bl_buffer_take(&out, err) : NULL;
    bl_buffer_free(&out);
    bl_buffer_free(&all.text);
    free(all.list);
    return prose;
}

/* Adds a token to the word that it ends or continues, kept as far as a title is long. */
static void extend_word(const bl_tokenizer *tokenizer, const char *token, char last[8]) {
    const bl_short_text prefix = prefix_of(tokenizer);
    size_t n = strlen(last);
    if (prefix.n && strncmp(token, prefix.data, prefix.n) == 0) token += prefix.n;
    else n = 0;
    while (*token && n < 7) last[n++] = *token++;
    last[n] = '\0';
}

bool bl_prose_whole(const bl_tokenizer *tokenizer, const int32_t *ids, size_t *n_ids, size_t least,
                    bl_error *err) {
    if (tokenizer->model.keeps_blanks) return bl_kept_whole(tokenizer, ids, n_ids, least, err);
    size_t n = *n_ids, end = n;
    bool open = false, ended = false;
    char last[8] = ""; /* before the token */
    for (size_t i = 0; i < n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids[i]);
        if (!token) token = "";
        bool quote = strcmp(token, "\"") == 0, stop = token[0] && !token[1] && strchr(".!?", token[0]);
        bool title = strcmp(last, "mr") == 0 || strcmp(last, "mrs") == 0 || strcmp(last, "ms") == 0 ||
                     strcmp(last, "dr") == 0;
        if (quote) open = !open;
        ended = (stop && !title) ||
                (quote && !open && ended); /* or: the sentence ended inside of the quotation */
        if (ended && !open && i + 1 >= least) end = i + 1;
        extend_word(tokenizer, token, last);
    }
    *n_ids = end;
    return true;
}
