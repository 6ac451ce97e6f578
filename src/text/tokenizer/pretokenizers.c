/* Cutting text into words.
 *
 *   Punctuation      at punctuation characters
 *   Whitespace       the matches of \w+|[^\w\s]+
 *   WhitespaceSplit  what stands between white space
 *   Digits           at number characters, each alone or runs of them
 *   Split            at a string or at the matches of a regular expression
 *   ByteLevel        words by GPT-2's expression, each written byte by byte in GPT-2's alphabet
 *   Metaspace        blanks become a sign ("▁"), one is put before the text, and with `split` every sign
 *                    begins a word
 */
#include "text/tokenizer/pretokenizers.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/unicode.h"
#include <string.h>

/* What a step needs besides its piece: the steps that are still to come, and where words go in the end. */
struct bl_cutting {
    const bl_pretokenizer *pretokenizer;
    size_t step; /* the next one */
    bool first;
    bl_scratch *scratch;
    bl_word_fn word;
    void *context;
    bl_error *err;
};

/* Hands a piece to the next step, or out; an empty one is dropped. */
static bool hand_on(const bl_cutting *rest, const char *text, size_t n) {
    if (n == 0) return true;
    if (rest->step == rest->pretokenizer->n) return rest->word(rest->context, text, n, rest->err);
    const bl_pretokenizer_step *step = &rest->pretokenizer->steps[rest->step];
    bl_cutting after = *rest;
    after.step++;
    return step->cut(step, &after, text, n);
}

/* The step's own buffer 0 or 1, emptied, with room for `n` bytes; NULL with the error set when memory is
 * short. */
static bl_buffer *own_buffer(const bl_cutting *rest, int which, size_t n) {
    bl_buffer *buffer = &rest->scratch->cuts[rest->step - 1][which];
    buffer->n = 0;
    return bl_grow(&buffer->data, &buffer->capacity, n, 1, rest->err) ? buffer : NULL;
}

/* The classes of the code point at text[*at]; moves *at past it. */
static inline unsigned class_at(const char *text, size_t *at) {
    unsigned char byte = (unsigned char)text[*at];
    if (byte < 128) return *at += 1, bl_ascii_class[byte];
    return bl_unicode_class_beyond_ascii(bl_utf8_next(text, at));
}

/* ---- Steps by character class, which most words go through ---- */

/* Pieces: each character of the step's class alone, and what stands between them. */
static bool cut_isolated(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text,
                         size_t n) {
    size_t begin = 0;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        if (!(class_at(text, &i) & step->class)) continue;
        if (!hand_on(rest, text + begin, at - begin) || !hand_on(rest, text + at, i - at)) return false;
        begin = i;
    }
    return hand_on(rest, text + begin, n - begin);
}

/* Pieces: maximal runs of characters that are alike in the step's classes, white space left out. */
static bool cut_runs(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text, size_t n) {
    size_t begin = 0;
    unsigned current = BL_CLASS_SPACE;
    for (size_t i = 0; i < n;) {
        size_t at = i;
        unsigned class = class_at(text, &i) & step->class;
        if (class == current) continue;
        if (current != BL_CLASS_SPACE && !hand_on(rest, text + begin, at - begin)) return false;
        begin = at, current = class;
    }
    return current == BL_CLASS_SPACE || hand_on(rest, text + begin, n - begin);
}

/* ---- Steps that cut at matches ---- */

/* The matches of one piece. `begin` and `end` are those of the last one found. */
struct bl_matches {
    const char *text;
    size_t n, begin, end;
    bl_regex_search search;
    bl_scratch *scratch;
    bl_error *err;
};

static bl_regex_found next_of_class(const bl_pretokenizer_step *step, bl_matches *m) {
    for (size_t at = m->end; at < m->n;) {
        m->begin = at;
        if (!(class_at(m->text, &at) & step->class)) continue;
        m->end = at;
        return BL_REGEX_FOUND;
    }
    return BL_REGEX_NONE;
}

static bl_regex_found next_string(const bl_pretokenizer_step *step, bl_matches *m) {
    const char *found = memmem(m->text + m->end, m->n - m->end, step->text.data, step->text.n);
    if (!found) return BL_REGEX_NONE;
    m->begin = (size_t)(found - m->text);
    m->end = m->begin + step->text.n;
    return BL_REGEX_FOUND;
}

static bl_regex_found next_of_regex(const bl_pretokenizer_step *step, bl_matches *m) {
    m->search.regex = step->regex;
    return bl_regex_next(&m->search, &m->scratch->regex, &m->begin, &m->end, m->err);
}

/* Pieces as they come, matches and what stands between them; one is held back until it is known whether the
 * next joins it. */
typedef struct grouping {
    const bl_pretokenizer_step *step;
    const bl_cutting *rest;
    const char *text;
    size_t begin, end; /* the piece held back */
    bool holds;
    bool match; /* the last one was a match */
} grouping;

static bool add_span(grouping *g, size_t begin, size_t end, bool match) {
    bl_behavior behavior = g->step->behavior;
    bool joins = false;
    match = match != g->step->invert;
    if (behavior == BL_REMOVED && match) return true;
    if (behavior == BL_CONTIGUOUS) joins = match == g->match;
    if (behavior == BL_MERGED_WITH_PREVIOUS) joins = match && !g->match;
    if (behavior == BL_MERGED_WITH_NEXT) joins = !match && g->match;
    g->match = match;
    if (g->holds && joins) {
        g->end = end;
        return true;
    }
    size_t held = g->begin, held_n = g->holds ? g->end - g->begin : 0;
    g->begin = begin, g->end = end, g->holds = true;
    return hand_on(g->rest, g->text + held, held_n);
}

static bool cut_at_matches(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text,
                           size_t n) {
    bl_matches m = {
        .text = text, .n = n, .search = {.text = text, .n = n}, .scratch = rest->scratch, .err = rest->err};
    grouping g = {.step = step, .rest = rest, .text = text};
    for (size_t done = 0;;) {
        bl_regex_found found = step->next(step, &m);
        if (found == BL_REGEX_FAILED) return false;
        size_t begin = found == BL_REGEX_FOUND ? m.begin : n;
        if (begin > done && !add_span(&g, done, begin, false)) return false;
        if (found == BL_REGEX_NONE) break;
        if (!add_span(&g, begin, m.end, true)) return false;
        done = m.end;
    }
    return hand_on(rest, text + g.begin, g.holds ? g.end - g.begin : 0);
}

/* ---- ByteLevel ----
 *
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * The expression is so regular that it is matched by hand: from a character's kind to the end of its run,
 * without trying alternatives again. That is some ten times faster than a library of regular expressions,
 * and its answer does not depend on the age of that library's Unicode tables. The tests hold it against
 * PCRE2 with the expression itself. */

/* Of which a character has one, or none. */
#define KINDS (BL_CLASS_LETTER | BL_CLASS_NUMBER | BL_CLASS_BLANK)

/* The length of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe, or 0. */
static size_t contraction(const char *text, size_t n) {
    if (n < 2) return 0;
    switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return n > 2 && text[2] == 'e' ? 3 : 0;
    case 'l': return n > 2 && text[2] == 'l' ? 3 : 0;
    default: return 0;
    }
}

/* The end of the match that begins at `begin`. White space leaves its last character to the word that
 * follows. */
static size_t match(const char *text, size_t begin, size_t n) {
    size_t known = text[begin] == '\'' ? contraction(text + begin, n - begin) : 0;
    if (known) return begin + known;
    size_t end = begin + (text[begin] == ' ' && begin + 1 < n), last = begin;
    unsigned kind = class_at(text, &end) & KINDS;
    if (kind != BL_CLASS_BLANK) {
        for (size_t next = end; next < n && (class_at(text, &next) & KINDS) == kind;) end = next;
        return end;
    }
    end = begin;
    for (size_t next = begin; next < n && class_at(text, &next) & BL_CLASS_BLANK; end = next) last = end;
    return end == n || last == begin ? end : last;
}

/* The word in GPT-2's alphabet, handed on. */
static bool spell(const bl_cutting *rest, const char *word, size_t n) {
    bl_buffer *spelled = own_buffer(rest, 1, 2 * n);
    if (!spelled) return false;
    char *to = spelled->data;
    for (size_t i = 0; i < n; i++) to += bl_utf8_put(bl_byte_to_point((unsigned char)word[i]), to);
    return hand_on(rest, spelled->data, (size_t)(to - spelled->data));
}

static bool cut_byte_level(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text,
                           size_t n) {
    if (step->prefix_space && text[0] != ' ') {
        bl_buffer *prefixed = own_buffer(rest, 0, n + 1);
        if (!prefixed) return false;
        prefixed->data[0] = ' ';
        memcpy(prefixed->data + 1, text, n);
        text = prefixed->data, n++;
    }
    if (!step->split) return spell(rest, text, n);
    for (size_t begin = 0, end; begin < n; begin = end) {
        end = match(text, begin, n);
        if (!spell(rest, text + begin, end - begin)) return false;
    }
    return true;
}

/* ---- Metaspace ---- */

/* The piece with signs for blanks; NULL when memory is short. */
static bl_buffer *with_signs(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text,
                             size_t n) {
    const bl_short_text *sign = &step->text;
    size_t blanks = 1, room;
    for (size_t i = 0; i < n; i++) blanks += text[i] == ' ';
    if (!bl_mul_size(blanks, sign->n, &room) || !bl_add_size(room, n, &room)) {
        bl_fail(rest->err, BL_ERR_MEMORY, "out of memory: a text of %zu bytes is too long", n);
        return NULL;
    }
    bl_buffer *out = own_buffer(rest, 0, room);
    if (!out) return NULL;
    bool has_sign = text[0] == ' ' || (n >= sign->n && memcmp(text, sign->data, sign->n) == 0);
    bool prepend = step->prepend == BL_PREPEND_ALWAYS || (step->prepend == BL_PREPEND_FIRST && rest->first);
    if (prepend && !has_sign) memcpy(out->data, sign->data, out->n = sign->n);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ') {
            out->data[out->n++] = text[i];
            continue;
        }
        memcpy(out->data + out->n, sign->data, sign->n);
        out->n += sign->n;
    }
    return out;
}

static bool cut_metaspace(const bl_pretokenizer_step *step, const bl_cutting *rest, const char *text,
                          size_t n) {
    const bl_buffer *signs = with_signs(step, rest, text, n);
    if (!signs) return false;
    return step->split ? cut_at_matches(step, rest, signs->data, signs->n)
                       : hand_on(rest, signs->data, signs->n);
}

/* ---- Reading ---- */

static bool read_behavior(const bl_node *node, bl_pretokenizer_step *step, bl_error *err) {
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext",
                                        "Contiguous"};
    int behavior = 0;
    if (!bl_node_choice(node, "behavior", names, 5, &behavior, err)) return false;
    step->behavior = (bl_behavior)behavior;
    return true;
}

/* Cutting at characters of a class. */
static bl_pretokenizer_step at_class(unsigned class, bl_behavior behavior) {
    return (bl_pretokenizer_step){.cut = behavior == BL_ISOLATED ? cut_isolated : cut_at_matches,
                                  .next = next_of_class,
                                  .class = class,
                                  .behavior = behavior};
}

static bool read_punctuation(const bl_node *node, void *to, bl_error *err) {
    bl_pretokenizer_step *step = to;
    step->behavior = BL_ISOLATED;
    if (json_object_get(node->json, "behavior") && !read_behavior(node, step, err)) return false;
    *step = at_class(BL_CLASS_PUNCTUATION, step->behavior);
    return true;
}

static bool read_whitespace(const bl_node *node, void *to, bl_error *err) {
    (void)node, (void)err;
    *(bl_pretokenizer_step *)to =
        (bl_pretokenizer_step){.cut = cut_runs, .class = BL_CLASS_WORD | BL_CLASS_SPACE};
    return true;
}

static bool read_whitespace_split(const bl_node *node, void *to, bl_error *err) {
    (void)node, (void)err;
    *(bl_pretokenizer_step *)to = (bl_pretokenizer_step){.cut = cut_runs, .class = BL_CLASS_SPACE};
    return true;
}

static bool read_digits(const bl_node *node, void *to, bl_error *err) {
    bool individual = false;
    if (!bl_node_bool(node, "individual_digits", &individual, err)) return false;
    *(bl_pretokenizer_step *)to = at_class(BL_CLASS_NUMERIC, individual ? BL_ISOLATED : BL_CONTIGUOUS);
    return true;
}

/* {"pattern": {"String" or "Regex": …}, "behavior", "invert"} */
static bool read_split(const bl_node *node, void *to, bl_error *err) {
    bl_pretokenizer_step *step = to;
    bl_node pattern = bl_node_member(node, "pattern"), regex = bl_node_member(&pattern, "Regex");
    bl_error why = {0};
    const char *expression;
    step->cut = cut_at_matches;
    if (!read_behavior(node, step, err) || !bl_node_flag(node, "invert", &step->invert, err) ||
        !bl_node_is_object(&pattern, err))
        return false;
    if (!regex.json) {
        step->next = next_string;
        if (!bl_node_text(&pattern, "String", &step->text, err)) return false;
        return step->text.n > 0 ||
               bl_fail(err, BL_ERR_UNSUPPORTED, "%s: %s: an empty pattern is not supported", node->file,
                       pattern.where);
    }
    step->next = next_of_regex;
    if (!bl_node_string(&pattern, "Regex", &expression, err)) return false;
    step->regex = bl_regex_new(expression, &why);
    return step->regex || bl_fail(err, why.code, "%s: %s: %s", node->file, regex.where, why.message);
}

static bool read_byte_level(const bl_node *node, void *to, bl_error *err) {
    bl_pretokenizer_step *step = to;
    *step = (bl_pretokenizer_step){.cut = cut_byte_level, .split = true};
    return bl_node_bool(node, "add_prefix_space", &step->prefix_space, err) &&
           bl_node_flag(node, "use_regex", &step->split, err);
}

static bool read_metaspace(const bl_node *node, void *to, bl_error *err) {
    bl_pretokenizer_step *step = to;
    *step =
        (bl_pretokenizer_step){.cut = cut_metaspace, .next = next_string, .behavior = BL_MERGED_WITH_NEXT};
    return bl_node_metaspace(node, &step->text, &step->prepend, &step->split, err);
}

/* "first" is a question about the input, which can be answered only while nothing of its beginning has been
 * removed or cut off. */
static bool check_first(const bl_node *node, const bl_normalizer *normalizer,
                        const bl_pretokenizer *pretokenizer, bl_error *err) {
    bool removed = false;
    for (size_t i = 0; i < normalizer->n; i++) removed |= normalizer->steps[i].may_remove;
    for (size_t i = 0; i < pretokenizer->n; i++)
        if (pretokenizer->steps[i].prepend == BL_PREPEND_FIRST && (i > 0 || removed))
            return bl_fail(err, BL_ERR_UNSUPPORTED,
                           "%s: %s: the prepend_scheme \"first\" is not supported behind another "
                           "pre-tokenizer, nor behind a normalizer that removes characters",
                           node->file, node->where);
    return true;
}

bool bl_read_pretokenizer(const bl_node *node, const bl_normalizer *normalizer, bl_pretokenizer *pretokenizer,
                          bl_error *err) {
    static const bl_component kinds[] = {
        {"Punctuation", read_punctuation},
        {"Whitespace", read_whitespace},
        {"WhitespaceSplit", read_whitespace_split},
        {"Digits", read_digits},
        {"Split", read_split},
        {"ByteLevel", read_byte_level},
        {"Metaspace", read_metaspace},
    };
    return bl_node_components(node, "pre-tokenizer", "pretokenizers", kinds, sizeof kinds / sizeof *kinds,
                              pretokenizer->steps, sizeof *pretokenizer->steps, &pretokenizer->n, err) &&
           check_first(node, normalizer, pretokenizer, err);
}

void bl_pretokenizer_free(bl_pretokenizer *pretokenizer) {
    for (size_t i = 0; i < pretokenizer->n; i++) bl_regex_free(pretokenizer->steps[i].regex);
}

bool bl_pretokenize(const bl_pretokenizer *pretokenizer, const char *text, size_t n, bool first,
                    bl_scratch *scratch, bl_word_fn word, void *context, bl_error *err) {
    bl_cutting all = {.pretokenizer = pretokenizer,
                      .first = first,
                      .scratch = scratch,
                      .word = word,
                      .context = context,
                      .err = err};
    return hand_on(&all, text, n);
}
