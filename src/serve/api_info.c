/* GET /api/info, GET /api/tokens */
#include "base/error.h"
#include "base/memory.h"
#include "serve/explorer_private.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MOST_ROWS 1000000

static void put_atlas(const bl_explorer *e, bl_builder *b, bl_tree *root) {
    if (!e->atlas) {
        bl_put_null(b, root, "atlas");
        return;
    }
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(e->atlas);
    bl_tree *out = bl_put_object(b, root, "atlas");
    bl_put_count(b, out, "pairs", f->pairs);
    bl_put_count(b, out, "top", f->top);
    bl_put_count(b, out, "virtual_tokens", f->virtual_tokens);
    bl_put_count(b, out, "layer", f->layer);
    bl_put_count(b, out, "directions", f->directions);
    bl_put_count(b, out, "seed", f->seed);
    bl_put_count(b, out, "corpus_stories", f->stories);
    bl_put_count(b, out, "corpus_positions", f->positions);
    bl_put_flag(b, out, "raw", f->raw);
    bl_put_flag(b, out, "centred", f->centred);
    bl_put_flag(b, out, "complete", f->complete);
    bl_tree *layers = bl_put_array(b, out, "layers");
    for (size_t i = 0; i < f->n_layers; i++) bl_put_count(b, layers, NULL, f->layers[i]);
    bl_put_text(b, out, "source", f->source);
}

void bl_explorer_put_info(const bl_explorer *e, bl_builder *b, bl_tree *root) {
    bool ready;
    size_t n = bl_stories_count(e->stories, &ready);
    bl_put_text(b, root, "version", bl_version());
    put_atlas(e, b, root);
    bl_tree *corpus = bl_put_object(b, root, "corpus");
    bl_put_count(b, corpus, "stories", n);
    bl_put_text(b, corpus, "name", e->corpus_name);
    bl_put_flag(b, corpus, "ready", ready);
    bl_put_flag(b, root, "server", !e->site);
    const bl_atlas_reader_facts *f = e->atlas ? bl_atlas_reader_get_facts(e->atlas) : NULL;
    bl_put_text(b, root, "contrast_default", f && f->raw && !f->source ? "none" : "mean");
    if (e->features) {
        bl_tree *basis = bl_put_object(b, root, "basis");
        bl_put_text(b, basis, "dictionary", e->features->name);
        bl_put_count(b, basis, "features", e->features->F);
    }
    if (bl_model_surrogate(e->model)) bl_put_layers(b, bl_put_object(b, root, "surrogate"), e->model, NULL);
    bl_tree *limits = bl_put_object(b, root, "limits");
    bl_put_count(b, limits, "text_tokens", bl_model_config(e->model)->n_ctx);
    bl_put_count(b, limits, "body_bytes", BL_SERVE_BODY);
    bl_put_count(b, limits, "eigenvectors", 64);
    bl_put_tree(b, root, "model", json_incref(e->info));
}

bl_tree *bl_api_info(bl_call *call) {
    bl_builder b = {&call->err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_explorer_put_info(call->explorer, &b, root);
    return bl_tree_built(&b, root);
}

/* What a list may be sorted by; the figures' names are those of the views in docs/atlas.md. */
static const char *const figures[BL_ATLAS_READER_FIGURES] = {"largest",      "highest",
                                                             "lowest",       "effective_rank",
                                                             "share",        "constant",
                                                             "null_largest", "null_highest",
                                                             "null_lowest",  "null_effective_rank",
                                                             "null_share",   "excess",
                                                             "effect",       "q"};
enum { BY_TOKEN = -3, BY_ID = -2, BY_COUNT = -1 }; /* otherwise a figure */

typedef struct row {
    size_t id;
    int group; /* 0 the query itself, 1 begins with it, 2 holds it */
    double key;
} row;

typedef struct listing {
    const bl_explorer *explorer;
    bl_atlas_reader *atlas; /* with the directions' figures; NULL: none */
    const bl_names *names;
    bool own;               /* the atlas's own directions, not tokens */
    const uint64_t *counts; /* NULL: not known (yet) */
    int by;
    bool descending;
    row *rows;
    size_t n;
} listing;

static uint64_t count_of(const listing *l, size_t id) {
    return l->atlas ? bl_atlas_reader_get_direction(l->atlas, id)->count : l->counts ? l->counts[id] : 0;
}

static int compare(const void *a, const void *b, void *context) {
    const row *x = a, *y = b;
    const listing *l = context;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    int order = 0;
    if (l->by == BY_TOKEN) order = strcmp(l->names->folded[x->id], l->names->folded[y->id]);
    else if (isnan(x->key) != isnan(y->key))
        return isnan(x->key) ? 1 : -1; /* what is not known comes last, either way */
    else order = (x->key > y->key) - (x->key < y->key);
    if (order) return l->descending ? -order : order;
    return (x->id > y->id) - (x->id < y->id);
}

/* Marks with which vocabularies begin pieces of words, or words. */
static const char *without_mark(const char *text) {
    static const char *const marks[] = {"##", "\xc4\xa0", "\xc4\xa1", "\xe2\x96\x81",
                                        " "}; /* ##, Ġ as it is and folded, ▁ */
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t n = strlen(marks[i]);
        if (strncmp(text, marks[i], n) == 0 && text[n]) return text + n;
    }
    return text;
}

/* The group of a token for a query without case; -1 when it does not match. */
static int group_of(const char *token, const char *query) {
    size_t n = strlen(query);
    const char *word = without_mark(token);
    if (n == 0) return 1;
    if (strcmp(token, query) == 0) return 0;
    if (strncmp(token, query, n) == 0 || strncmp(word, query, n) == 0) return 1;
    return strstr(token, query) ? 2 : -1;
}

static bool read_order(bl_call *call, listing *l) {
    const bl_explorer *e = call->explorer;
    const char *sort = bl_request_text(call->request, "sort");
    bool ascending = false;
    if (!l->own) l->counts = bl_stories_frequencies(e->stories);
    if (sort && strcmp(sort, "token") == 0) l->by = BY_TOKEN;
    else if (sort && strcmp(sort, "id") == 0) l->by = BY_ID;
    else if (sort ? strcmp(sort, "count") == 0 : bl_request_text(call->request, "q") != NULL)
        l->by = BY_COUNT;
    else if (!sort) l->by = l->atlas ? BL_ATLAS_READER_LARGEST : BY_ID;
    else
        for (l->by = 0; l->by < BL_ATLAS_READER_FIGURES && strcmp(figures[l->by], sort) != 0;) l->by++;
    if (l->by == BL_ATLAS_READER_FIGURES)
        return bl_fail(&call->err, BL_ERR_USAGE,
                       "cannot sort by '%.40s': there are token, id, count, largest, highest, lowest, "
                       "effective_rank, share, null_…, excess",
                       sort);
    if (l->by >= 0 && !l->atlas)
        return bl_call_refuse(call, 409, "no_atlas",
                              "sorting by what a direction's spectrum says needs an atlas: make one with "
                              "bilens atlas, and give it with --atlas"),
               false;
    if (!bl_request_flag(call->request, "ascending", &ascending, &call->err)) return false;
    l->descending =
        bl_request_text(call->request, "ascending") ? !ascending : l->by != BY_TOKEN && l->by != BY_ID;
    return true;
}

/* Whether a token can stand as a word of its own: letters only, and with the mark of a word's beginning where
 * the vocabulary has such marks. */
static bool is_whole(const bl_explorer *e, size_t id, bool marked) {
    const char *text = e->names.text[id], *word = without_mark(text);
    utf8proc_int32_t c;
    if (strncmp(text, "##", 2) == 0 || (marked && word == text) || !*word) return false;
    for (const char *at = word; *at;) {
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &c);
        utf8proc_category_t kind = n > 0 ? utf8proc_category(c) : UTF8PROC_CATEGORY_CN;
        if (kind < UTF8PROC_CATEGORY_LU || kind > UTF8PROC_CATEGORY_LO) return false;
        at += n;
    }
    return true;
}

/* Does the vocabulary mark where words begin (byte-level BPE, SentencePiece)? */
static bool has_marks(const bl_explorer *e) {
    size_t V = bl_model_config(e->model)->n_vocab, n = 0;
    for (size_t id = 0; id < V; id++)
        n += strncmp(e->names.text[id], "##", 2) != 0 && without_mark(e->names.text[id]) != e->names.text[id];
    return n > V / 20;
}

static bool collect(bl_call *call, listing *l) {
    const bl_explorer *e = call->explorer;
    const char *q = bl_request_text(call->request, "q");
    size_t n = l->names->n;
    utf8proc_uint8_t *folded = NULL;
    bool whole, marked = has_marks(e);
    size_t least;
    if (!bl_request_flag(call->request, "whole", &whole, &call->err) ||
        !bl_request_count(call->request, "least", 0, SIZE_MAX / 2, &least, &call->err))
        return false;
    if (utf8proc_map((const utf8proc_uint8_t *)(q ? q : ""), 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_CASEFOLD) < 0)
        return bl_fail(&call->err, BL_ERR_MEMORY, "out of memory while a query was read");
    l->rows = bl_alloc(n, sizeof *l->rows, &call->err);
    for (size_t id = 0; l->rows && id < n; id++) {
        int group = group_of(l->names->folded[id], (const char *)folded);
        if (group < 0 || (l->own && !bl_atlas_reader_get_direction(l->atlas, id)->there)) continue;
        if (!l->own && ((whole && !is_whole(e, id, marked)) || count_of(l, id) < least)) continue;
        double key = l->by == BY_COUNT ? (double)count_of(l, id)
                   : l->by >= 0        ? bl_atlas_reader_get_direction(l->atlas, id)->figures[l->by]
                                       : (double)id;
        l->rows[l->n++] = (row){id, group, key};
    }
    free(folded);
    if (l->rows) qsort_r(l->rows, l->n, sizeof *l->rows, compare, l);
    return l->rows != NULL;
}

/* null when they are not known yet */
static void put_values(bl_builder *b, bl_tree *at, const char *key, const float *values, size_t n) {
    if (isfinite(values[0])) bl_put_reals(b, at, key, values, n);
    else bl_put_null(b, at, key);
}

/* "reads": the strongest virtual tokens of the direction's strongest eigenvector, and the source that has
 * them. */
static void put_reads(const bl_explorer *e, bl_atlas_reader *atlas, bl_builder *b, bl_tree *at, size_t id) {
    enum { SHOWN = 3 };
    const bl_atlas_reader_direction *d = bl_atlas_reader_get_direction(atlas, id);
    long index = d->figures[BL_ATLAS_READER_HIGHEST] >= -d->figures[BL_ATLAS_READER_LOWEST] ? -1 : 0;
    bl_atlas_reader_words words;
    bl_error failure = {0};
    if (!d->there || b->failed) return;
    if (!bl_atlas_reader_get_words(atlas, (int32_t)id, index, &words, &failure)) {
        bl_builder_fail(b, failure.code, "%s", failure.message);
        return;
    }
    size_t best = 0;
    for (size_t i = 1; i < words.n; i++) /* the first of an end is its strongest */
        if (fabsf(words.list[i].value) > fabsf(words.list[best].value)) best = i;
    if (words.n) {
        const bl_atlas_reader_word *first = &words.list[best];
        char source[32] = "direct";
        if (first->source > 0) snprintf(source, sizeof source, "head %d", (int)first->source - 1);
        bl_tree *reads = bl_put_object(b, at, "reads");
        bl_put_integer(b, reads, "index", index);
        bl_put_text(b, reads, "source", source);
        bl_tree *tokens = bl_put_array(b, reads, "tokens");
        for (size_t i = best; i < words.n && i < best + SHOWN; i++)
            if (words.list[i].source == first->source && words.list[i].top == first->top)
                bl_put_token(b, tokens, NULL, e->model, words.list[i].token);
    }
    bl_atlas_reader_words_free(&words);
}

void bl_explorer_put_row(const bl_explorer *e, bl_atlas_reader *atlas, bl_builder *b, bl_tree *list,
                         size_t id, bool reads, const uint64_t *counts) {
    bool own = atlas && bl_atlas_reader_get_facts(atlas)->source;
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_count(b, out, "id", id);
    bl_put_text(b, out, "token", (own ? e->own_names : e->names).text[id]);
    if (!atlas) {
        if (counts) bl_put_count(b, out, "count", counts[id]);
        return;
    }
    const bl_atlas_reader_direction *d = bl_atlas_reader_get_direction(atlas, id);
    size_t n = bl_atlas_reader_n_values(atlas);
    if (own) bl_explorer_put_own(e, b, out, id);
    else bl_put_count(b, out, "count", d->count);
    for (int i = 0; i < BL_ATLAS_READER_FIGURES; i++) bl_put_real(b, out, figures[i], d->figures[i]);
    put_values(b, out, "values", d->values, n);
    put_values(b, out, "null_values", d->null_values, n);
    if (reads) put_reads(e, atlas, b, out, id);
}

/* Of tokens, or of the atlas's own directions. */
static bl_tree *list_rows(bl_call *call, bl_atlas_reader *atlas, bool own) {
    const bl_explorer *e = call->explorer;
    listing l = {.explorer = e, .atlas = atlas, .own = own, .names = own ? &e->own_names : &e->names};
    size_t limit, offset;
    bool reads;
    bl_builder b = {&call->err, false};
    bl_tree *root = NULL;
    if (read_order(call, &l) && bl_request_flag(call->request, "reads", &reads, &call->err) &&
        bl_request_count(call->request, "limit", 50, MOST_ROWS, &limit, &call->err) &&
        bl_request_count(call->request, "offset", 0, MOST_ROWS, &offset, &call->err) && collect(call, &l)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_count(&b, root, "total", l.n);
        bl_tree *rows = bl_put_array(&b, root, "tokens");
        for (size_t i = offset; i < l.n && i - offset < limit; i++)
            bl_explorer_put_row(l.explorer, l.atlas, &b, rows, l.rows[i].id, reads, l.counts);
        root = bl_tree_built(&b, root);
    }
    free(l.rows);
    return root;
}

bl_tree *bl_api_tokens(bl_call *call) {
    return list_rows(call, call->explorer->own_names.n ? NULL : call->explorer->atlas, false);
}

bl_tree *bl_api_directions(bl_call *call) {
    bl_atlas_reader *atlas = bl_call_layer(call);
    if (!atlas && call->err.code != BL_OK) return NULL;
    return list_rows(call, atlas, call->explorer->own_names.n > 0);
}
