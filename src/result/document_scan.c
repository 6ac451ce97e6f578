/* scan: {"model", "layer", "token", "minus", "stories", "positions", "vectors": [{"index", "eigenvalue",
 * "matches": [{"story", "position", "token", "activation", "similarity", "contributions": [position+1],
 * "tokens": [position+1], "next": [<= 3]}]}]}, optionally "bias" and "probability", "rank", "total" (of a
 * report: what the model says there) and, of a vector, "group": [first, last]. */
#include "result/document_parts.h"
#include <math.h>
#include <string.h>

#define MAX_POSITION (1 << 24)
#define MAX_COUNT INT64_MAX
#define MAX_LIST 1000000

/* What the model says there, in a report. */
static bool read_told(bl_reader *reader, const json_t *json, bl_doc_match *match) {
    json_int_t rank;
    if (!bl_reader_integer(reader, json, "rank", 1, MAX_COUNT, &rank) ||
        !bl_reader_number(reader, json, "probability", &match->probability) ||
        !bl_reader_number(reader, json, "total", &match->total))
        return false;
    match->rank = rank;
    return true;
}

static bool read_match(bl_reader *reader, const json_t *json, uint64_t stories, bl_doc_match *match) {
    json_int_t story, position;
    size_t n_contributions, n_tokens;
    const char *token;
    if (!json_is_object(json)) return bl_reader_fail(reader, "an object is expected");
    if (!bl_reader_integer(reader, json, "story", 0, stories > 0 ? (json_int_t)(stories - 1) : 0, &story) ||
        !bl_reader_integer(reader, json, "position", 0, MAX_POSITION, &position) ||
        !bl_reader_text(reader, json, "token", &token) ||
        !bl_reader_number(reader, json, "activation", &match->activation) ||
        !bl_reader_number(reader, json, "similarity", &match->similarity) ||
        !bl_reader_numbers(reader, json, "contributions", MAX_POSITION, &match->contributions,
                           &n_contributions) ||
        !bl_reader_texts(reader, json, "tokens", MAX_POSITION, &match->tokens, &n_tokens) ||
        !bl_reader_texts(reader, json, "next", 3, &match->next, &match->n_next))
        return false;
    match->story = (size_t)story;
    match->position = (size_t)position;
    if (n_contributions != match->position + 1)
        return bl_reader_fail(reader, "contributions: %zu of them, position + 1 = %zu are expected",
                              n_contributions, match->position + 1);
    if (n_tokens != match->position + 1)
        return bl_reader_fail(reader, "tokens: %zu of them, position + 1 = %zu are expected", n_tokens,
                              match->position + 1);
    if (strcmp(token, match->tokens[match->position]) != 0)
        return bl_reader_fail(reader, "token: not the last one of tokens");
    if (json_object_get(json, "bias") && !bl_reader_number(reader, json, "bias", &match->bias)) return false;
    if (json_object_get(json, "rank") && !read_told(reader, json, match)) return false;
    for (size_t i = 0; i < n_contributions; i++)
        match->largest = fmax(match->largest, fabs(match->contributions[i]));
    return true;
}

/* The vector's group of degenerate eigenvalues, where it is in one. */
static bool read_group(bl_reader *reader, const json_t *json, bl_doc_hits *hits) {
    const json_t *pair = json_object_get(json, "group");
    if (!pair) return true;
    json_int_t first = json_integer_value(json_array_get(pair, 0)),
               last = json_integer_value(json_array_get(pair, 1));
    if (json_array_size(pair) != 2 || first < 0 || last <= first || last > 1 << 21)
        return bl_reader_fail(reader, "group: [first, last] with 0 <= first < last is expected");
    hits->first = (size_t)first;
    hits->last = (size_t)last;
    return true;
}

/* Which end the inputs are at, and all signs so that it is the positive one. The JSON's contributions sum to
 * |similarity|; here they sum to the oriented similarity. */
static void orient(bl_doc_hits *hits, bl_doc_match *matches) {
    double positive = 0, negative = 0;
    for (size_t i = 0; i < hits->n_matches; i++)
        *(matches[i].similarity < 0 ? &negative : &positive) += fabs(matches[i].activation);
    hits->orientation = negative > positive ? -1 : 1;
    hits->share = positive + negative > 0 ? fmax(positive, negative) / (positive + negative) : 1;
    for (size_t i = 0; i < hits->n_matches; i++) {
        double *contributions = (double *)(uintptr_t)matches[i].contributions; /* the reader's own memory */
        matches[i].similarity *= hits->orientation;
        if (!(matches[i].similarity < 0)) continue;
        matches[i].bias = -matches[i].bias;
        for (size_t k = 0; k <= matches[i].position; k++) contributions[k] = -contributions[k];
    }
}

static bool read_hits(bl_reader *reader, const json_t *json, uint64_t stories, bl_doc_hits *hits) {
    json_int_t index;
    if (!json_is_object(json)) return bl_reader_fail(reader, "an object is expected");
    if (!bl_reader_integer(reader, json, "index", -(1 << 21), 1 << 21, &index) ||
        !bl_reader_number(reader, json, "eigenvalue", &hits->eigenvalue) || !read_group(reader, json, hits))
        return false;
    hits->index = (long)index;
    const json_t *array = bl_reader_array(reader, json, "matches", MAX_LIST, &hits->n_matches);
    bl_doc_match *matches = array ? bl_reader_alloc(reader, hits->n_matches, sizeof *matches) : NULL;
    if (!matches) return false;
    size_t before = bl_reader_enter(reader, "matches");
    for (size_t i = 0; i < hits->n_matches; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!read_match(reader, json_array_get(array, i), stories, &matches[i])) return false;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    orient(hits, matches);
    hits->matches = matches;
    return true;
}

const bl_doc_scan *bl_doc_read_scan(bl_reader *reader, const json_t *json) {
    bl_doc_scan *scan = bl_reader_alloc(reader, 1, sizeof *scan);
    json_int_t stories = 0, positions = 0;
    if (!scan || !bl_doc_read_subject(reader, json, &scan->subject) ||
        !bl_reader_integer(reader, json, "stories", 0, MAX_COUNT, &stories) ||
        !bl_reader_integer(reader, json, "positions", 0, MAX_COUNT, &positions))
        return NULL;
    scan->stories = (uint64_t)stories;
    scan->positions = (uint64_t)positions;
    const json_t *array = bl_reader_array(reader, json, "vectors", MAX_LIST, &scan->n_vectors);
    bl_doc_hits *vectors = array ? bl_reader_alloc(reader, scan->n_vectors, sizeof *vectors) : NULL;
    if (!vectors) return NULL;
    size_t before = bl_reader_enter(reader, "vectors");
    for (size_t i = 0; i < scan->n_vectors; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!read_hits(reader, json_array_get(array, i), scan->stories, &vectors[i])) return NULL;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    scan->vectors = vectors;
    return scan;
}
