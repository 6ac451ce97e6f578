/* eigen: {"model", "layer", "token", "minus", "d_model", "eigenvalues": [ascending], "vectors": [{"index",
 * "eigenvalue", "sources": {"direct": {"top": [[token, value]…], "bottom": [[token, value]…, lowest
 * first]}, "head 0": {…}, …, "bias": {"value"}}}]}, optionally "size", "effective_rank", "constant",
 * "groups", "centred". */
#include "result/document_parts.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SIZE (1 << 20)
#define MAX_VECTORS 100000
#define MAX_SOURCES 100000
#define MAX_ENTRIES 10000
#define DEGENERATE 1e-5 /* gap, of the largest |lambda|, below which only a span means anything (4) */

static double larger(double largest, double value) { return fmax(largest, fabs(value)); }

/* The name of [token, value], or "key … query" of [query, key, value]; NULL: neither. */
static const char *entry_name(bl_reader *reader, const json_t *entry) {
    const char *first = json_string_value(json_array_get(entry, 0)),
               *second = json_string_value(json_array_get(entry, 1));
    if (json_array_size(entry) == 2) return first;
    if (json_array_size(entry) != 3 || !first || !second) return NULL;
    size_t size = strlen(first) + strlen(second) + 8;
    char *name = bl_reader_alloc(reader, size, 1);
    if (name) snprintf(name, size, "%s \xE2\x80\xA6 %s", second, first);
    return name;
}

/* [[token, value], …] */
static bool read_entries(bl_reader *reader, const json_t *json, const char *key, const bl_doc_entry **out,
                         size_t *n, double *largest) {
    const json_t *array = bl_reader_array(reader, json, key, MAX_ENTRIES, n);
    bl_doc_entry *entries = array ? bl_reader_alloc(reader, *n, sizeof *entries) : NULL;
    if (!entries) return false;
    size_t before = bl_reader_enter(reader, key);
    for (size_t i = 0; i < *n; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        const json_t *pair = json_array_get(array, i);
        const json_t *last = json_array_get(pair, json_array_size(pair) - 1);
        const char *name = entry_name(reader, pair);
        if (!name || !json_is_number(last)) return bl_reader_fail(reader, "[token, value] is expected");
        double value = json_number_value(last);
        if (!(fabs(value) < 1e38))
            return bl_reader_fail(reader, "%g is beyond the range of a 32-bit float", value);
        entries[i] = (bl_doc_entry){name, value};
        *largest = larger(*largest, value);
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    *out = entries;
    return true;
}

bool bl_doc_read_source(bl_reader *reader, const json_t *json, bl_doc_source *source, bl_doc_vector *vector) {
    return read_entries(reader, json, "top", &source->top, &source->n_top, &vector->largest) &&
           read_entries(reader, json, "bottom", &source->bottom, &source->n_bottom, &vector->largest);
}

static double strength(const bl_doc_source *source) {
    double most = 0;
    for (size_t i = 0; i < source->n_top; i++) most = larger(most, source->top[i].value);
    for (size_t i = 0; i < source->n_bottom; i++) most = larger(most, source->bottom[i].value);
    return most;
}

static int compare_strength(const void *a, const void *b) {
    const bl_doc_source *first = a, *second = b;
    if (first->single != second->single) return first->single ? 1 : -1;
    double more = first->single ? 0 : strength(first) - strength(second);
    if (more != 0) return more > 0 ? -1 : 1;
    return first->place < second->place ? -1 : 1;
}

/* Strong is what reaches half of the strongest; of those at most five, of all at least three. One source
 * alone is not worth folding. */
static bool sort_sources(bl_reader *reader, bl_doc_vector *vector) {
    enum { LEAST = 3, MOST = 5 };
    bl_doc_source *sorted = bl_reader_alloc(reader, vector->n_sources, sizeof *sorted);
    if (!sorted) return false;
    memcpy(sorted, vector->sources, vector->n_sources * sizeof *sorted);
    qsort(sorted, vector->n_sources, sizeof *sorted, compare_strength);
    vector->strongest = sorted;
    while (vector->n_single < vector->n_sources && sorted[vector->n_sources - 1 - vector->n_single].single)
        vector->n_single++;
    size_t n = vector->n_sources - vector->n_single, strong = 0;
    while (strong < n && strong < MOST &&
           (strong < LEAST || strength(&sorted[strong]) >= strength(&sorted[0]) / 2))
        strong++;
    vector->n_strong = n - strong == 1 ? n : strong;
    return true;
}

static bool read_sources(bl_reader *reader, const json_t *json, bl_doc_vector *vector) {
    const json_t *object = bl_reader_object(reader, json, "sources");
    size_t size = object ? json_object_size(object) : 0;
    if (object && size > MAX_SOURCES)
        return bl_reader_fail(reader, "sources: %zu of them, at most %d are expected", size, MAX_SOURCES);
    bl_doc_source *sources = object ? bl_reader_alloc(reader, size, sizeof *sources) : NULL;
    if (!sources) return false;
    size_t before = bl_reader_enter(reader, "sources");
    void *at = json_object_iter((json_t *)(uintptr_t)object);
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)object, at)) {
        const json_t *value = json_object_iter_value(at);
        bl_doc_source *source = &sources[vector->n_sources++];
        source->name = json_object_iter_key(at);
        source->place = vector->n_sources - 1;
        size_t inner = bl_reader_enter(reader, source->name);
        if (!json_is_object(value)) return bl_reader_fail(reader, "an object is expected");
        source->single = json_object_get(value, "value") != NULL;
        if (source->single) {
            if (!bl_reader_number(reader, value, "value", &source->value)) return false;
            vector->largest = larger(vector->largest, source->value);
        } else if (!bl_doc_read_source(reader, value, source, vector)) {
            return false;
        }
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    vector->sources = sources;
    return sort_sources(reader, vector);
}

/* The run of nearly equal eigenvalues around `position`. */
static bl_doc_run run_around(const bl_doc_eigen *eigen, double largest, size_t position) {
    bl_doc_run run = {position, position};
    while (run.first > 0 && eigen->values[run.first] - eigen->values[run.first - 1] < DEGENERATE * largest)
        run.first--;
    while (run.last + 1 < eigen->size &&
           eigen->values[run.last + 1] - eigen->values[run.last] < DEGENERATE * largest)
        run.last++;
    return run;
}

static double largest_eigenvalue(const bl_doc_eigen *eigen) {
    return larger(fabs(eigen->values[0]), eigen->values[eigen->size - 1]);
}

/* "groups": [[first, last], …] as written, which were found before rounding; else found again. */
static bool read_runs(bl_reader *reader, const json_t *json, bl_doc_eigen *eigen) {
    bl_doc_run *runs = bl_reader_alloc(reader, eigen->size / 2 + 1, sizeof *runs);
    if (!runs) return false;
    eigen->runs = runs;
    if (!json_object_get(json, "groups")) {
        double largest = largest_eigenvalue(eigen);
        for (size_t i = 0; i < eigen->size; i++) {
            bl_doc_run run = run_around(eigen, largest, i);
            if (run.last > run.first) runs[eigen->n_runs++] = run;
            i = run.last;
        }
        return true;
    }
    const json_t *array = bl_reader_array(reader, json, "groups", eigen->size / 2, &eigen->n_runs);
    if (!array) return false;
    for (size_t i = 0; i < eigen->n_runs; i++) {
        const json_t *pair = json_array_get(array, i);
        json_int_t first = json_integer_value(json_array_get(pair, 0)),
                   last = json_integer_value(json_array_get(pair, 1));
        json_int_t low = i > 0 ? (json_int_t)runs[i - 1].last + 1 : 0;
        if (json_array_size(pair) != 2 || first < low || last <= first || last >= (json_int_t)eigen->size)
            return bl_reader_fail(reader,
                                  "groups[%zu]: [first, last] with %lld <= first < last < %zu is expected", i,
                                  (long long)low, eigen->size);
        runs[i] = (bl_doc_run){(size_t)first, (size_t)last};
    }
    return true;
}

static void turn_entries(const bl_doc_entry *entries, size_t n) {
    bl_doc_entry *own = (bl_doc_entry *)(uintptr_t)entries; /* the reader's own memory */
    for (size_t i = 0; i < n; i++) own[i].value = -own[i].value;
}

void bl_doc_turn(bl_doc_vector *vector) {
    vector->orientation = -vector->orientation;
    for (size_t i = 0; i < vector->n_sources; i++) {
        bl_doc_source *source = (bl_doc_source *)(uintptr_t)&vector->sources[i];
        bl_doc_source before = *source;
        source->top = before.bottom;
        source->n_top = before.n_bottom;
        source->bottom = before.top;
        source->n_bottom = before.n_top;
        source->value = -before.value;
        turn_entries(source->top, source->n_top);
        turn_entries(source->bottom, source->n_bottom);
    }
    bl_doc_source *sorted = (bl_doc_source *)(uintptr_t)vector->strongest;
    for (size_t i = 0; i < vector->n_sources; i++) sorted[i] = vector->sources[sorted[i].place];
}

static bool read_vector(bl_reader *reader, const json_t *json, const bl_doc_eigen *eigen,
                        bl_doc_vector *vector) {
    json_int_t index, n = (json_int_t)eigen->size, position, sign = 1;
    if (!json_is_object(json)) return bl_reader_fail(reader, "an object is expected");
    if (!bl_reader_integer(reader, json, "index", -n, n - 1, &index) ||
        !bl_reader_number(reader, json, "eigenvalue", &vector->eigenvalue))
        return false;
    vector->index = (long)index;
    vector->position = (size_t)(index < 0 ? n + index : index);
    if (json_object_get(json, "position")) {
        if (!bl_reader_integer(reader, json, "position", 0, n - 1, &position)) return false;
        if ((size_t)position != vector->position)
            return bl_reader_fail(reader, "position: %lld, but index %lld of %lld is %zu",
                                  (long long)position, (long long)index, (long long)n, vector->position);
    }
    double expected = eigen->values[vector->position];
    if (fabs(expected - vector->eigenvalue) > 1e-3 * largest_eigenvalue(eigen))
        return bl_reader_fail(reader, "eigenvalue: %g, but eigenvalues[%zu] is %g", vector->eigenvalue,
                              vector->position, expected);
    vector->orientation = 1;
    vector->oriented = json_object_get(json, "orientation") != NULL;
    if (vector->oriented && !bl_reader_integer(reader, json, "orientation", -1, 1, &sign)) return false;
    if (vector->oriented && sign == 0) return bl_reader_fail(reader, "orientation: 1 or -1 is expected");
    vector->first = vector->last = vector->position;
    for (size_t i = 0; i < eigen->n_runs; i++)
        if (eigen->runs[i].first <= vector->position && vector->position <= eigen->runs[i].last) {
            vector->first = eigen->runs[i].first;
            vector->last = eigen->runs[i].last;
        }
    if (!read_sources(reader, json, vector)) return false;
    if (sign < 0) bl_doc_turn(vector);
    return true;
}

static bool read_spectrum(bl_reader *reader, const json_t *json, bl_doc_eigen *eigen) {
    json_int_t d = 0, size = 0;
    if (!bl_reader_integer(reader, json, "d_model", 1, MAX_SIZE, &d)) return false;
    if (!bl_reader_numbers(reader, json, "eigenvalues", MAX_SIZE, &eigen->values, &eigen->size)) return false;
    eigen->d_model = (size_t)d;
    if (eigen->size != eigen->d_model && eigen->size != eigen->d_model + 1)
        return bl_reader_fail(reader,
                              "eigenvalues: %zu of them, but d_model is %zu (one more only with biases)",
                              eigen->size, eigen->d_model);
    if (json_object_get(json, "size")) {
        if (!bl_reader_integer(reader, json, "size", 1, MAX_SIZE + 1, &size)) return false;
        if ((size_t)size != eigen->size)
            return bl_reader_fail(reader, "size: %lld, but there are %zu eigenvalues", (long long)size,
                                  eigen->size);
    }
    double squares = 0;
    for (size_t i = 0; i < eigen->size; i++) {
        if (i > 0 && eigen->values[i] < eigen->values[i - 1])
            return bl_reader_fail(reader, "eigenvalues[%zu]: smaller than the one before it", i);
        eigen->total += fabs(eigen->values[i]);
        squares += eigen->values[i] * eigen->values[i];
    }
    eigen->effective_rank = squares > 0 ? eigen->total * eigen->total / squares : 0;
    return true;
}

static bool read_extras(bl_reader *reader, const json_t *json, bl_doc_eigen *eigen) {
    if (json_object_get(json, "effective_rank") &&
        !bl_reader_number(reader, json, "effective_rank", &eigen->effective_rank))
        return false;
    if (json_object_get(json, "constant") && !bl_reader_number(reader, json, "constant", &eigen->constant))
        return false;
    const json_t *centred = json_object_get(json, "centred");
    if (centred && !json_is_boolean(centred))
        return bl_reader_fail(reader, "centred: true or false is expected");
    eigen->centred = json_is_true(centred);
    return true;
}

/* "linear": {"norm", "sources"} */
static bool read_linear(bl_reader *reader, const json_t *json, bl_doc_eigen *eigen) {
    const json_t *object = bl_reader_object(reader, json, "linear");
    bl_doc_vector *vector = object ? bl_reader_alloc(reader, 1, sizeof *vector) : NULL;
    if (!vector) return false;
    size_t before = bl_reader_enter(reader, "linear");
    vector->orientation = 1;
    vector->oriented = true; /* its sign means something */
    if (!bl_reader_number(reader, object, "norm", &vector->eigenvalue) ||
        !read_sources(reader, object, vector))
        return false;
    bl_reader_leave(reader, before);
    eigen->linear = vector;
    return true;
}

const bl_doc_eigen *bl_doc_read_eigen(bl_reader *reader, const json_t *json) {
    bl_doc_eigen *eigen = bl_reader_alloc(reader, 1, sizeof *eigen);
    if (!eigen || !bl_doc_read_subject(reader, json, &eigen->subject) ||
        !read_spectrum(reader, json, eigen) || !read_runs(reader, json, eigen) ||
        !read_extras(reader, json, eigen))
        return NULL;
    if (json_object_get(json, "linear") && !read_linear(reader, json, eigen)) return NULL;
    const json_t *array = bl_reader_array(reader, json, "vectors", MAX_VECTORS, &eigen->n_vectors);
    bl_doc_vector *vectors = array ? bl_reader_alloc(reader, eigen->n_vectors, sizeof *vectors) : NULL;
    if (!vectors) return NULL;
    size_t before = bl_reader_enter(reader, "vectors");
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        size_t inner = bl_reader_enter_element(reader, i);
        if (!read_vector(reader, json_array_get(array, i), eigen, &vectors[i])) return NULL;
        bl_reader_leave(reader, inner);
    }
    bl_reader_leave(reader, before);
    eigen->vectors = vectors;
    return eigen;
}
