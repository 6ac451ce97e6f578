/* From a corpus to a WordPiece tokenizer.json: count the words, learn the pieces, write.
 *
 * The pieces are those of the Hugging Face library's trainer: every character is a piece (`c` at the
 * beginning of a word, `##c` inside); then again and again the most frequent pair of neighbouring pieces
 * becomes a piece, and is joined wherever it stands. Only the words that hold the pair are touched, and only
 * the counts of the pairs beside it change, so a merge costs what it changes. Ids: special tokens, characters
 * by code point, `##` characters by code point, joined pieces in the order in which they were found. Among
 * equally frequent pairs the one of lower ids comes first, there as here; but there the ids of the `##`
 * characters follow a hash table's order, which differs from run to run, so that a few ties fall otherwise
 * each time. Here they do not.
 *
 * Words of more than LONGEST characters become [UNK] whatever the vocabulary. Their characters are kept, as
 * in the library; no pair is learned from them, and their number is part of the summary. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "text/corpus/batch.h"
#include "text/tokenizer/pair_queue.h"
#include "text/tokenizer/tokenizer_private.h"
#include <bilens/tokenizer_train.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "##"
#define PREFIX_BYTES (sizeof PREFIX - 1)
#define LONGEST 100
#define STORIES_AT_ONCE ((size_t)2048)

static const char *const special[] = {"[UNK]", "[BOS]", "[EOS]"};
enum { SPECIAL = sizeof special / sizeof *special };

/* ---- The tokenizer.json around the pieces, in the very bytes in which the library saves it ---- */

static const char before_vocabulary[] =
    "  \"normalizer\": {\n    \"type\": \"Sequence\",\n    \"normalizers\": [\n"
    "      {\n        \"type\": \"NFD\"\n      },\n"
    "      {\n        \"type\": \"StripAccents\"\n      },\n"
    "      {\n        \"type\": \"Lowercase\"\n      }\n    ]\n  },\n"
    "  \"pre_tokenizer\": {\n    \"type\": \"Sequence\",\n    \"pretokenizers\": [\n"
    "      {\n        \"type\": \"Punctuation\",\n        \"behavior\": \"Isolated\"\n      },\n"
    "      {\n        \"type\": \"Whitespace\"\n      },\n"
    "      {\n        \"type\": \"Digits\",\n        \"individual_digits\": true\n      }\n    ]\n  },\n"
    "  \"post_processor\": {\n    \"type\": \"TemplateProcessing\",\n    \"single\": [\n"
    "      {\n        \"SpecialToken\": {\n          \"id\": \"[BOS]\",\n          \"type_id\": 0\n        "
    "}\n      },\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"A\",\n          \"type_id\": 0\n        }\n      "
    "}\n    ],\n    \"pair\": [\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"A\",\n          \"type_id\": 0\n        }\n      "
    "},\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"B\",\n          \"type_id\": 1\n        }\n      "
    "}\n    ],\n"
    "    \"special_tokens\": {\n      \"[BOS]\": {\n        \"id\": \"[BOS]\",\n        \"ids\": [\n         "
    " 1\n        ],\n"
    "        \"tokens\": [\n          \"[BOS]\"\n        ]\n      }\n    }\n  },\n"
    "  \"decoder\": null,\n";

static void add_string(bl_buffer *out, const char *text, size_t n) {
    bl_buffer_text(out, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') bl_buffer_print(out, "\\%c", c);
        else if (c < 0x20) bl_buffer_print(out, "\\u%04x", c);
        else bl_buffer_add(out, text + i, 1);
    }
    bl_buffer_text(out, "\"");
}

static char *write_json(const bl_string_table *pieces, size_t *size, bl_error *err) {
    bl_buffer out = {0};
    size_t length;
    bl_buffer_text(
        &out,
        "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n");
    for (size_t i = 0; i < SPECIAL; i++) {
        bl_buffer_print(&out, "    {\n      \"id\": %zu,\n      \"content\": ", i);
        const char *text = bl_string_table_text(pieces, i, &length);
        add_string(&out, text, length);
        bl_buffer_print(&out,
                        ",\n      \"single_word\": false,\n      \"lstrip\": false,\n      \"rstrip\": "
                        "false,\n      \"normalized\": false,\n"
                        "      \"special\": true\n    }%s\n",
                        i + 1 < SPECIAL ? "," : "");
    }
    bl_buffer_text(&out, "  ],\n");
    bl_buffer_text(&out, before_vocabulary);
    bl_buffer_print(&out,
                    "  \"model\": {\n    \"type\": \"WordPiece\",\n    \"unk_token\": \"[UNK]\",\n    "
                    "\"continuing_subword_prefix\": \"%s\",\n",
                    PREFIX);
    bl_buffer_print(&out, "    \"max_input_chars_per_word\": %d,\n    \"vocab\": {", LONGEST);
    for (size_t i = 0; i < pieces->n; i++) {
        const char *text = bl_string_table_text(pieces, i, &length);
        bl_buffer_text(&out, i ? ",\n      " : "\n      ");
        add_string(&out, text, length);
        bl_buffer_print(&out, ": %zu", i);
    }
    bl_buffer_text(&out, "\n    }\n  }\n}");
    *size = out.n;
    return bl_buffer_take(&out, err);
}

static bool enter_special(bl_string_table *pieces, bl_error *err) {
    uint32_t id;
    for (size_t i = 0; i < SPECIAL; i++)
        if (!bl_string_table_put(pieces, special[i], strlen(special[i]), &id, err)) return false;
    return true;
}

/* A tokenizer of the special tokens only: what the words of the corpus are cut by. */
static bl_tokenizer *cutter(bl_error *err) {
    bl_string_table pieces = {0};
    bl_tokenizer *tokenizer = NULL;
    size_t size;
    char *json = enter_special(&pieces, err) ? write_json(&pieces, &size, err) : NULL;
    if (json) tokenizer = bl_tokenizer_load_memory("the new tokenizer", json, size, err);
    free(json);
    bl_string_table_free(&pieces);
    return tokenizer;
}

/* ---- How often each word stands in the corpus ----
 *
 * A batch of stories is read, each thread counts into its own tables, the tables are added up in the end:
 * only different words are kept, some ten thousand in a corpus of stories, whatever its length. */

typedef struct counts {
    bl_string_table strings;
    uint64_t *count; /* [strings.n] */
    size_t capacity;
} counts;

static bool count(counts *to, const char *string, size_t length, uint64_t n, bl_error *err) {
    uint32_t number;
    size_t before = to->strings.n;
    if (!bl_grow(&to->count, &to->capacity, before + 1, sizeof *to->count, err)) return false;
    if (!bl_string_table_put(&to->strings, string, length, &number, err)) return false;
    if (number == before) to->count[number] = 0;
    to->count[number] += n;
    return true;
}

static bool add_counts(counts *sum, const counts *part, bl_error *err) {
    for (size_t i = 0; i < part->strings.n; i++) {
        size_t length;
        const char *string = bl_string_table_text(&part->strings, i, &length);
        if (!count(sum, string, length, part->count[i], err)) return false;
    }
    return true;
}

static void free_counts(counts *all) {
    bl_string_table_free(&all->strings);
    free(all->count);
}

/* The words of a corpus, or one thread's part of them. */
typedef struct tally {
    counts words;      /* of at most LONGEST characters */
    counts characters; /* of longer words: `c` or `##c` */
    uint64_t n_words, n_long;
    bl_scratch scratch;
} tally;

static bool on_word(void *context, const char *word, size_t length, bl_error *err) {
    tally *self = context;
    char piece[PREFIX_BYTES + 4] = PREFIX;
    self->n_words++;
    if (length <= LONGEST || bl_utf8_count(word, length) <= LONGEST)
        return count(&self->words, word, length, 1, err);
    self->n_long++;
    for (size_t at = 0; at < length;) {
        size_t begin = at;
        bl_utf8_next(word, &at);
        memcpy(piece + PREFIX_BYTES, word + begin, at - begin);
        size_t skip = begin ? 0 : PREFIX_BYTES;
        if (!count(&self->characters, piece + skip, PREFIX_BYTES - skip + at - begin, 1, err)) return false;
    }
    return true;
}

typedef struct counting {
    tally *tallies; /* one per thread */
    bl_batch batch;
    const bl_tokenizer *cutter;
} counting;

static bool count_story(void *context, size_t i, size_t thread, bl_error *err) {
    counting *self = context;
    tally *to = &self->tallies[thread];
    const bl_batch *batch = &self->batch;
    return bl_tokenizer_words(self->cutter, batch->text + batch->begin[i],
                              batch->begin[i + 1] - batch->begin[i], &to->scratch, on_word, to, err);
}

static bool count_batches(counting *self, bl_corpus *corpus, const bl_progress *progress, uint64_t *stories,
                          bl_error *err) {
    for (;;) {
        uint64_t read, total;
        bl_corpus_position(corpus, &read, &total);
        if (!bl_progress_step(progress, "counting words", read, total, err)) return false;
        if (!bl_batch_read(&self->batch, corpus, STORIES_AT_ONCE, err)) return false;
        if (self->batch.n == 0) return true;
        *stories += self->batch.n;
        if (!bl_parallel(self->batch.n, count_story, self, err)) return false;
    }
}

static void free_tally(tally *t) {
    free_counts(&t->words);
    free_counts(&t->characters);
    bl_scratch_free(&t->scratch);
}

/* Counts the words of the rest of the corpus. The order of the words depends on the number of threads, the
 * counts do not. */
static bool count_words(tally *all, bl_corpus *corpus, const bl_progress *progress, uint64_t *stories,
                        bl_error *err) {
    size_t threads = (size_t)bl_threads();
    bl_tokenizer *tokenizer = cutter(err);
    counting self = {.cutter = tokenizer};
    self.tallies = tokenizer ? bl_alloc_zero(threads, sizeof *self.tallies, err) : NULL;
    bool ok = self.tallies && count_batches(&self, corpus, progress, stories, err);
    for (size_t t = 0; self.tallies && t < threads; t++) {
        tally *part = &self.tallies[t];
        ok = ok && add_counts(&all->words, &part->words, err) &&
             add_counts(&all->characters, &part->characters, err);
        all->n_words += part->n_words;
        all->n_long += part->n_long;
        free_tally(part);
    }
    free(self.tallies);
    bl_batch_free(&self.batch);
    bl_tokenizer_free(tokenizer);
    return ok;
}

/* ---- Learning the pieces ---- */

typedef struct character {
    uint32_t point;
    uint64_t count;
    bool inside; /* somewhere it does not begin a word */
} character;

typedef struct learner {
    const tally *corpus;
    bl_string_table *pieces;
    character *alphabet; /* by code point */
    size_t n_alphabet;
    uint32_t *symbols; /* pieces of all words, word w from begin[w], length[w] of them */
    size_t *begin;
    uint32_t *length;
    bl_pairs pairs;
} learner;

static int by_point(const void *a, const void *b) {
    uint32_t x = ((const character *)a)->point, y = ((const character *)b)->point;
    return x < y ? -1 : x > y;
}

/* The most frequent first; equally frequent ones by code point. */
static int by_count(const void *a, const void *b) {
    uint64_t x = ((const character *)a)->count, y = ((const character *)b)->count;
    return x > y ? -1 : x < y ? 1 : by_point(a, b);
}

static void count_characters(const tally *corpus, character *all) {
    size_t length;
    for (size_t w = 0; w < corpus->words.strings.n; w++) {
        const char *word = bl_string_table_text(&corpus->words.strings, w, &length);
        for (size_t at = 0; at < length;) {
            bool inside = at > 0;
            character *c = &all[bl_utf8_next(word, &at)];
            c->count += corpus->words.count[w];
            c->inside = c->inside || inside;
        }
    }
    for (size_t i = 0; i < corpus->characters.strings.n; i++) {
        const char *piece = bl_string_table_text(&corpus->characters.strings, i, &length);
        bool inside = length > PREFIX_BYTES && memcmp(piece, PREFIX, PREFIX_BYTES) == 0;
        size_t at = inside ? PREFIX_BYTES : 0;
        character *c = &all[bl_utf8_next(piece, &at)];
        c->count += corpus->characters.count[i];
        c->inside = c->inside || inside;
    }
}

static bool find_alphabet(learner *self, size_t limit, bl_error *err) {
    enum { POINTS = 0x110000 };
    size_t n = 0;
    character *all = bl_alloc_zero(POINTS, sizeof *all, err);
    if (!all) return false;
    count_characters(self->corpus, all);
    for (uint32_t point = 0; point < POINTS; point++) {
        if (!all[point].count) continue;
        all[n] = all[point];
        all[n++].point = point;
    }
    if (limit && n > limit) {
        qsort(all, n, sizeof *all, by_count);
        n = limit;
        qsort(all, n, sizeof *all, by_point);
    }
    self->alphabet = bl_alloc(n, sizeof *self->alphabet, err);
    if (self->alphabet) memcpy(self->alphabet, all, n * sizeof *all);
    self->n_alphabet = n;
    free(all);
    return self->alphabet != NULL;
}

static bool enter_characters(learner *self, bl_error *err) {
    uint32_t id;
    char text[PREFIX_BYTES + 4] = PREFIX;
    if (!enter_special(self->pieces, err)) return false;
    for (size_t inside = 0; inside < 2; inside++) {
        for (size_t i = 0; i < self->n_alphabet; i++) {
            if (inside && !self->alphabet[i].inside) continue;
            size_t n = bl_utf8_put(self->alphabet[i].point, text + PREFIX_BYTES);
            const char *piece = inside ? text : text + PREFIX_BYTES;
            if (!bl_string_table_put(self->pieces, piece, inside ? PREFIX_BYTES + n : n, &id, err))
                return false;
        }
    }
    return true;
}

/* Words as characters; one outside the alphabet is left out, as the library does it. */
static bool spell_words(learner *self, bl_error *err) {
    const bl_string_table *words = &self->corpus->words.strings;
    size_t n_symbols = 0, bytes = words->n ? words->begin[words->n] : 0;
    char piece[PREFIX_BYTES + 4] = PREFIX;
    self->symbols = bl_alloc(bytes, sizeof *self->symbols, err);
    self->begin = bl_alloc(words->n, sizeof *self->begin, err);
    self->length = bl_alloc(words->n, sizeof *self->length, err);
    if (!self->symbols || !self->begin || !self->length) return false;
    for (size_t w = 0; w < words->n; w++) {
        size_t length;
        const char *word = bl_string_table_text(words, w, &length);
        self->begin[w] = n_symbols;
        for (size_t at = 0; at < length;) {
            bool inside = at > 0;
            size_t n = bl_utf8_put(bl_utf8_next(word, &at), piece + PREFIX_BYTES);
            const char *text = inside ? piece : piece + PREFIX_BYTES;
            if (bl_string_table_find(self->pieces, text, inside ? PREFIX_BYTES + n : n,
                                     &self->symbols[n_symbols]))
                n_symbols++;
        }
        self->length[w] = (uint32_t)(n_symbols - self->begin[w]);
    }
    return true;
}

static bool count_pairs(learner *self, bl_error *err) {
    for (size_t w = 0; w < self->corpus->words.strings.n; w++) {
        const uint32_t *s = self->symbols + self->begin[w];
        for (size_t i = 0; i + 1 < self->length[w]; i++)
            if (!bl_pairs_change(&self->pairs, s[i], s[i + 1], (uint32_t)w,
                                 (int64_t)self->corpus->words.count[w], err))
                return false;
    }
    return bl_pairs_queue(&self->pairs, err);
}

/* The piece that left and right make together, new or (reached by another way) not. */
static bool joined_piece(bl_string_table *pieces, uint32_t left, uint32_t right, uint32_t *id,
                         bl_error *err) {
    char text[PREFIX_BYTES + 4 * LONGEST];
    size_t n, n_right;
    const char *a = bl_string_table_text(pieces, left, &n),
               *b = bl_string_table_text(pieces, right, &n_right);
    memcpy(text, a, n);
    memcpy(text + n, b + PREFIX_BYTES, n_right - PREFIX_BYTES); /* a right piece always continues a word */
    return bl_string_table_put(pieces, text, n + n_right - PREFIX_BYTES, id, err);
}

/* Joins (left, right) wherever it stands in word w, from the left. */
static bool join_in_word(learner *self, uint32_t w, uint32_t left, uint32_t right, uint32_t piece,
                         bl_error *err) {
    uint32_t *s = self->symbols + self->begin[w], n = self->length[w], out = 0;
    int64_t count = (int64_t)self->corpus->words.count[w];
    bool ok = true;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i] != left || i + 1 >= n || s[i + 1] != right) {
            s[out++] = s[i];
            continue;
        }
        if (out > 0)
            ok = ok && bl_pairs_change(&self->pairs, s[out - 1], left, w, -count, err) &&
                 bl_pairs_change(&self->pairs, s[out - 1], piece, w, count, err);
        if (i + 2 < n)
            ok = ok && bl_pairs_change(&self->pairs, right, s[i + 2], w, -count, err) &&
                 bl_pairs_change(&self->pairs, piece, s[i + 2], w, count, err);
        s[out++] = piece;
        i++;
    }
    self->length[w] = out;
    return ok;
}

/* Joins the pair in all its words, which it then no longer has. It keeps its count, as in the library: should
 * it form again (its left or right piece reached by another way), it is soon joined again, and makes no new
 * piece. */
static bool join(learner *self, bl_pair *pair, bl_error *err) {
    uint32_t left = pair->left, right = pair->right, *words = pair->words, piece;
    size_t n = pair->n_words;
    pair->words = NULL;
    pair->n_words = pair->capacity = 0;
    bool ok = joined_piece(self->pieces, left, right, &piece, err);
    for (size_t i = 0; ok && i < n; i++) ok = join_in_word(self, words[i], left, right, piece, err);
    free(words);
    return ok && bl_pairs_queue(&self->pairs, err);
}

/* No pair is left to join; `rare`: only pairs that are too rare. */
static bool fail_small(const learner *self, size_t size, bool rare, bl_error *err) {
    char why[160] = "";
    if (self->corpus->n_long)
        snprintf(why, sizeof why,
                 " (%llu of its %llu words are longer than %d characters, and become [UNK]: put blanks or "
                 "line breaks into them)",
                 (unsigned long long)self->corpus->n_long, (unsigned long long)self->corpus->n_words,
                 LONGEST);
    return bl_fail(
        err, BL_ERR_INPUT,
        "the corpus gives a vocabulary of %zu, not of %zu: choose at most so many%s, or add text%s",
        self->pieces->n, size, rare ? ", or a lower minimum frequency" : "", why);
}

static bool learn(learner *self, const bl_wordpiece_options *options, const bl_progress *progress,
                  bl_wordpiece_summary *summary, bl_error *err) {
    size_t characters = self->pieces->n - SPECIAL;
    if (self->pieces->n > options->size)
        return bl_fail(err, BL_ERR_USAGE,
                       "a vocabulary of %zu is too small: the corpus has %zu characters, which make %zu "
                       "pieces (some only begin words), and with the %d special "
                       "tokens that is %zu; choose at least so many, or keep fewer characters",
                       options->size, self->n_alphabet, characters, SPECIAL, self->pieces->n);
    if (!spell_words(self, err) || !count_pairs(self, err)) return false;
    while (self->pieces->n < options->size) {
        bl_pair *pair = bl_pairs_pop(&self->pairs);
        if (!pair || (uint64_t)pair->count < options->min_frequency)
            return fail_small(self, options->size, pair != NULL, err);
        summary->least = (uint64_t)pair->count;
        if (!join(self, pair, err)) return false;
        if (!bl_progress_step(progress, "joining pieces", self->pieces->n, options->size, err)) return false;
    }
    summary->alphabet = self->n_alphabet;
    summary->characters = characters;
    summary->size = self->pieces->n;
    return true;
}

/* Fills in the summary's alphabet, characters, size, least. */
static bool learn_pieces(const tally *corpus, const bl_wordpiece_options *options,
                         const bl_progress *progress, bl_string_table *pieces, bl_wordpiece_summary *summary,
                         bl_error *err) {
    learner self = {.corpus = corpus, .pieces = pieces};
    bool ok = find_alphabet(&self, options->limit_alphabet, err) && enter_characters(&self, err) &&
              learn(&self, options, progress, summary, err);
    bl_pairs_free(&self.pairs);
    free(self.alphabet);
    free(self.symbols);
    free(self.begin);
    free(self.length);
    return ok;
}

bool bl_tokenizer_train(bl_corpus *corpus, const bl_wordpiece_options *options, const char *path,
                        bl_progress progress, bl_wordpiece_summary *summary, bl_error *err) {
    bl_error_clear(err);
    if (options->size > BL_MAX_VOCABULARY)
        return bl_fail(err, BL_ERR_USAGE, "a vocabulary of %zu is too large: at most %zu", options->size,
                       BL_MAX_VOCABULARY);
    tally all = {0};
    bl_string_table pieces = {0};
    bl_wordpiece_summary found = {0};
    size_t size = 0;
    char *json = NULL;
    bool ok = count_words(&all, corpus, &progress, &found.stories, err) &&
              learn_pieces(&all, options, &progress, &pieces, &found, err) &&
              (json = write_json(&pieces, &size, err)) != NULL && bl_file_write(path, json, size, err);
    found.words = all.n_words;
    found.too_long = all.n_long;
    found.distinct = all.words.strings.n;
    if (ok && summary) *summary = found;
    free(json);
    bl_string_table_free(&pieces);
    free_tally(&all);
    return ok;
}
