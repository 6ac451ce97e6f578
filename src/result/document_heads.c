/* heads: {"distance", "heads": [{"head", "pattern": {"top": [[query, key, value]…], "bottom"}, "direction":
 * likewise, "query": {"query", "eigenvalues": [low, high], "vectors": [{"top": [[token, value]…],
 * "bottom"}×2]} or null}]}: heads of bilinear attention. */
#include "result/document_parts.h"
#include <math.h>

#define MAX_HEADS 4096
#define MAX_DISTANCE (1 << 24)

/* A table of one source from the object `key`. */
static bool read_pairs(bl_reader *reader, const json_t *json, const char *key, const char *name,
                       bl_doc_vector *out) {
    const json_t *part = bl_reader_object(reader, json, key);
    bl_doc_source *source = part ? bl_reader_alloc(reader, 1, sizeof *source) : NULL;
    if (!source) return false;
    size_t before = bl_reader_enter(reader, key);
    source->name = name;
    if (!bl_doc_read_source(reader, part, source, out)) return false;
    bl_reader_leave(reader, before);
    out->n_sources = 1;
    out->sources = source;
    return true;
}

static bool read_query(bl_reader *reader, const json_t *json, bl_doc_head *head) {
    static const char *const names[] = {"raises", "lowers"};
    if (json_is_null(json_object_get(json, "query"))) return true;
    const json_t *part = bl_reader_object(reader, json, "query");
    if (!part) return false;
    size_t before = bl_reader_enter(reader, "query"), n_values, n_vectors;
    const double *values;
    if (!bl_reader_text(reader, part, "query", &head->query) ||
        !bl_reader_numbers(reader, part, "eigenvalues", 2, &values, &n_values))
        return false;
    const json_t *vectors = bl_reader_array(reader, part, "vectors", 2, &n_vectors);
    if (!vectors) return false;
    if (n_values != 2 || n_vectors != 2) return bl_reader_fail(reader, "two eigenpairs are expected");
    head->values[0] = values[1];
    head->values[1] = values[0];
    bl_doc_source *sources = bl_reader_alloc(reader, 2, sizeof *sources);
    if (!sources) return false;
    for (size_t i = 0; i < 2; i++) {
        const json_t *vector = json_array_get(vectors, i);
        if (!json_is_object(vector)) return bl_reader_fail(reader, "vectors: objects are expected");
        sources[i].name = names[i];
        if (!bl_doc_read_source(reader, vector, &sources[i], &head->keys)) return false;
    }
    head->keys.n_sources = 2;
    head->keys.sources = sources;
    bl_reader_leave(reader, before);
    return true;
}

const bl_doc_heads *bl_doc_read_heads(bl_reader *reader, const json_t *json) {
    bl_doc_heads *out = bl_reader_alloc(reader, 1, sizeof *out);
    json_int_t distance;
    if (!out || !bl_reader_integer(reader, json, "distance", 1, MAX_DISTANCE, &distance)) return NULL;
    const json_t *list = bl_reader_array(reader, json, "heads", MAX_HEADS, &out->n);
    bl_doc_head *heads = list ? bl_reader_alloc(reader, out->n, sizeof *heads) : NULL;
    if (!heads) return NULL;
    out->distance = (size_t)distance;
    out->heads = heads;
    for (size_t i = 0; i < out->n; i++) {
        const json_t *head = json_array_get(list, i);
        json_int_t number;
        size_t before = bl_reader_enter_element(reader, i);
        if (!json_is_object(head)) {
            bl_reader_fail(reader, "an object is expected");
            return NULL;
        }
        if (!bl_reader_integer(reader, head, "head", 0, MAX_HEADS, &number) ||
            !read_pairs(reader, head, "pattern", "pattern", &heads[i].pattern) ||
            !read_pairs(reader, head, "direction", "direction", &heads[i].direction) ||
            !read_query(reader, head, &heads[i]))
            return NULL;
        heads[i].head = (size_t)number;
        bl_reader_leave(reader, before);
    }
    return out;
}
