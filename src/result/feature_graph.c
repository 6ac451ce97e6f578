/* Feature-to-feature weights for other programs (docs/specification.md, 17): the entries of the lists of
 * self-interactions and pairs, by the file's suffix
 *
 *   .safetensors   a sparse tensor: "index" [E, 3] = (a, b, c), b = c of a self-interaction, and "value" [E],
 *                  which is I_a[b, c]; "linear_index" [M, 2], "linear_value" [M]; "feature", "offset",
 *                  "constant" [n]
 *   .graphml       input features, pairs and output features as nodes
 *   .json          the same as an attribution graph of circuit-tracer (schema_version 1 of its graph files)
 *
 * Off the diagonal I is symmetric, so that a pair counts twice in the form: the weight from a pair's node to
 * its output feature is 2 I[b, c]. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include "format/safetensors.h"
#include <bilens/feature_result.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Entry i of a list: top, then those of bottom that are not among them. NULL behind the last. */
static const bl_feature_entry *entry(const bl_feature_list *list, size_t *i) {
    for (; *i < 2 * list->n; (*i)++) {
        const bl_feature_entry *e = *i < list->n ? &list->top[*i] : &list->bottom[*i - list->n];
        bool seen = false;
        for (size_t j = 0; *i >= list->n && j < list->n && !seen; j++)
            seen = list->top[j].b == e->b && list->top[j].c == e->c;
        if (seen) continue;
        (*i)++;
        return e;
    }
    return NULL;
}

static size_t count(const bl_feature_list *list) {
    size_t n = 0;
    for (size_t i = 0; entry(list, &i);) n++;
    return n;
}

/* ---- safetensors ---- */

/* An integer as the 32 bits that a file of type I32 gets. */
static float bits(size_t x) {
    int32_t number = (int32_t)x;
    float out;
    memcpy(&out, &number, sizeof out);
    return out;
}

static bool write_sparse(const bl_features *features, const char *path, bl_error *err) {
    size_t E = 0, M = 0, n = features->n, e = 0, m = 0;
    for (size_t f = 0; f < n; f++) {
        E += count(&features->list[f].self) + count(&features->list[f].pairs);
        M += count(&features->list[f].linear);
    }
    float *block = bl_alloc(4 * E + 3 * M + 3 * n, sizeof *block, err);
    if (!block) return false;
    float *index = block, *value = index + 3 * E, *at = value + E, *linear = at + 2 * M, *which = linear + M,
          *offset = which + n, *constant = offset + n;
    for (size_t f = 0; f < n; f++) {
        const bl_feature *a = &features->list[f];
        const bl_feature_list *lists[] = {&a->self, &a->pairs};
        const bl_feature_entry *x;
        for (size_t l = 0; l < 2; l++)
            for (size_t i = 0; (x = entry(lists[l], &i)) != NULL; e++) {
                index[3 * e] = bits(a->feature), index[3 * e + 1] = bits(x->b), index[3 * e + 2] = bits(x->c);
                value[e] = (float)x->value;
            }
        for (size_t i = 0; (x = entry(&a->linear, &i)) != NULL; m++) {
            at[2 * m] = bits(a->feature), at[2 * m + 1] = bits(x->b);
            linear[m] = (float)x->value;
        }
        which[f] = bits(a->feature);
        offset[f] = (float)a->offset;
        constant[f] = (float)a->constant;
    }
    const bl_named_array arrays[] = {{"constant", constant, 1, {n}},   {"feature", which, 1, {n}},
                                     {"index", index, 2, {E, 3}},      {"linear_index", at, 2, {M, 2}},
                                     {"linear_value", linear, 1, {M}}, {"offset", offset, 1, {n}},
                                     {"value", value, 1, {E}}};
    const bl_store stores[] = {BL_STORE_F32, BL_STORE_I32, BL_STORE_I32, BL_STORE_I32,
                               BL_STORE_F32, BL_STORE_F32, BL_STORE_F32};
    bool ok = bl_safetensors_write_each(path, arrays, stores, 7, err);
    free(block);
    return ok;
}

/* ---- graphs ---- */

/* Called for every node and edge of the graph; input features and pairs may come more than once. */
typedef struct graph_sink {
    void (*node)(void *context, int level, size_t number, const char *label);
    void (*edge)(void *context, int from, size_t source, int to, size_t target, double weight);
    void *context;
} graph_sink;

enum { INPUT, PAIR, OUTPUT };

/* Pairs are numbered b F + c. */
static void walk(const bl_features *features, size_t F, const graph_sink *sink) {
    char label[64];
    for (size_t f = 0; f < features->n; f++) {
        const bl_feature *a = &features->list[f];
        const bl_feature_entry *x;
        snprintf(label, sizeof label, "out %zu", a->feature);
        sink->node(sink->context, OUTPUT, a->feature, label);
        for (size_t i = 0; (x = entry(&a->self, &i)) != NULL;) {
            snprintf(label, sizeof label, "in %zu", x->b);
            sink->node(sink->context, INPUT, x->b, label);
            sink->edge(sink->context, INPUT, x->b, OUTPUT, a->feature, x->value);
        }
        for (size_t i = 0; (x = entry(&a->pairs, &i)) != NULL;) {
            size_t ends[] = {x->b, x->c}, pair = x->b * F + x->c;
            for (size_t k = 0; k < 2; k++) {
                snprintf(label, sizeof label, "in %zu", ends[k]);
                sink->node(sink->context, INPUT, ends[k], label);
            }
            snprintf(label, sizeof label, "in %zu x in %zu", x->b, x->c);
            sink->node(sink->context, PAIR, pair, label);
            for (size_t k = 0; k < 2; k++) sink->edge(sink->context, INPUT, ends[k], PAIR, pair, 1);
            sink->edge(sink->context, PAIR, pair, OUTPUT, a->feature, 2 * x->value);
        }
    }
}

static const char *const levels[] = {"in", "pair", "out"};

/* What has been written already: "in 12". */
static bool is_new(json_t *seen, const char *name, bool *failed) {
    if (json_object_get(seen, name)) return false;
    if (json_object_set_new(seen, name, json_true()) != 0) *failed = true;
    return true;
}

typedef struct graphml {
    bl_writer *writer;
    json_t *seen;
    bool failed; /* there was no memory */
    bool edges;  /* nodes come first, in a walk of their own */
} graphml;

static void graphml_node(void *context, int level, size_t number, const char *label) {
    graphml *g = context;
    char name[64];
    snprintf(name, sizeof name, "%s%zu", levels[level], number);
    if (!g->edges && is_new(g->seen, name, &g->failed))
        bl_writer_print(
            g->writer, "  <node id=\"%s\"><data key=\"kind\">%s</data><data key=\"label\">%s</data></node>\n",
            name, levels[level], label);
}

static void graphml_edge(void *context, int from, size_t source, int to, size_t target, double weight) {
    graphml *g = context;
    char name[96];
    snprintf(name, sizeof name, "%s%zu>%s%zu", levels[from], source, levels[to], target);
    if (g->edges && is_new(g->seen, name, &g->failed))
        bl_writer_print(g->writer,
                        "  <edge source=\"%s%zu\" target=\"%s%zu\"><data key=\"weight\">%.9g</data></edge>\n",
                        levels[from], source, levels[to], target, weight);
}

static bool write_graphml(const bl_features *features, size_t F, const char *path, bl_error *err) {
    graphml g = {.writer = bl_writer_open(path, err), .seen = json_object()};
    const graph_sink sink = {graphml_node, graphml_edge, &g};
    if (!g.writer || !g.seen) {
        bl_writer_abort(g.writer);
        json_decref(g.seen);
        return g.seen != NULL ? false : bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    bl_writer_print(g.writer, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                              "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
                              " <key id=\"kind\" for=\"node\" attr.name=\"kind\" attr.type=\"string\"/>\n"
                              " <key id=\"label\" for=\"node\" attr.name=\"label\" attr.type=\"string\"/>\n"
                              " <key id=\"weight\" for=\"edge\" attr.name=\"weight\" attr.type=\"double\"/>\n"
                              " <graph edgedefault=\"directed\">\n");
    walk(features, F, &sink);
    g.edges = true;
    walk(features, F, &sink);
    bl_writer_print(g.writer, " </graph>\n</graphml>\n");
    json_decref(g.seen);
    if (!g.failed) return bl_writer_commit(g.writer, err);
    bl_writer_abort(g.writer);
    return bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", path);
}

typedef struct tracer {
    json_t *nodes, *links, *seen;
    bool failed; /* there was no memory */
} tracer;

static void tracer_id(char out[64], int level, size_t number) {
    snprintf(out, 64, "%d_%zu_0", level, number);
}

static void push(tracer *t, json_t *list, json_t *value) {
    if (json_array_append_new(list, value) != 0) t->failed = true;
}

static void tracer_node(void *context, int level, size_t number, const char *label) {
    tracer *t = context;
    char id[64], js[64];
    tracer_id(id, level, number);
    snprintf(js, sizeof js, "%d_%zu-0", level, number);
    if (!is_new(t->seen, id, &t->failed)) return;
    json_int_t x = (json_int_t)level,
               y = (json_int_t)number; /* circuit-tracer's number of a feature: Cantor's pairing */
    push(t, t->nodes,
         json_pack("{s:s, s:I, s:s, s:i, s:s, s:f, s:b, s:i, s:i, s:s, s:s}", "node_id", id, "feature",
                   (x + y) * (x + y + 1) / 2 + y, "layer",
                   level == INPUT  ? "0"
                   : level == PAIR ? "1"
                                   : "2",
                   "ctx_idx", 0, "feature_type", "cross layer transcoder", "token_prob", 0.0,
                   "is_target_logit", 0, "run_idx", 0, "reverse_ctx_idx", 0, "jsNodeId", js, "clerp", label));
}

static void tracer_edge(void *context, int from, size_t source, int to, size_t target, double weight) {
    tracer *t = context;
    char a[64], b[64], both[136];
    tracer_id(a, from, source);
    tracer_id(b, to, target);
    snprintf(both, sizeof both, "%s>%s", a, b);
    if (is_new(t->seen, both, &t->failed))
        push(t, t->links, json_pack("{s:s, s:s, s:f}", "source", a, "target", b, "weight", weight));
}

static bool write_tracer(const bl_model *model, const bl_dictionary *in, const bl_dictionary *out,
                         const bl_features *features, const char *path, bl_error *err) {
    tracer t = {json_array(), json_array(), json_object(), false};
    const graph_sink sink = {tracer_node, tracer_edge, &t};
    walk(features, in->F, &sink);
    json_t *root =
        json_pack("{s:{s:s, s:s, s:[s, s], s:[s], s:s, s:i}, s:{s:[], s:[], s:s, s:s, s:s}, s:o, s:o}",
                  "metadata", "slug", "bilens-weights", "scan", bl_model_name(model), "transcoder_list",
                  in->name, out->name, "prompt_tokens", "(weights)", "prompt",
                  "weights of the layer, for no prompt", "schema_version", 1, "qParams", "pinnedIds",
                  "supernodes", "linkType", "both", "clickedId", "", "sg_pos", "", "nodes", t.nodes, "links",
                  t.links);
    json_decref(t.seen);
    char *text = t.failed ? NULL : bl_json_text(root, JSON_COMPACT | JSON_REAL_PRECISION(9), err);
    if (t.failed) bl_fail(err, BL_ERR_MEMORY, "%s: out of memory", path);
    bool ok = text && bl_text_write(path, text, err);
    json_decref(root);
    free(text);
    return ok;
}

static bool ends_with(const char *text, const char *suffix) {
    size_t n = strlen(text), m = strlen(suffix);
    return n > m && strcmp(text + n - m, suffix) == 0;
}

bool bl_features_check_weights(const char *path, bl_error *err) {
    static const char *const known[] = {".safetensors", ".graphml", ".json"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (ends_with(path, known[i])) return true;
    return bl_fail(err, BL_ERR_USAGE,
                   "%s: its suffix says no format: .safetensors, .graphml or .json (circuit-tracer)", path);
}

bool bl_features_write_weights(const bl_model *model, const bl_dictionary *in, const bl_dictionary *out,
                               const bl_features *features, const char *path, bl_error *err) {
    if (features->table)
        return bl_fail(err, BL_ERR_USAGE, "a table of features has no interactions: ask for their lists");
    if (!bl_features_check_weights(path, err)) return false;
    if (ends_with(path, ".safetensors")) return write_sparse(features, path, err);
    if (ends_with(path, ".graphml")) return write_graphml(features, in->F, path, err);
    return write_tracer(model, in, out, features, path, err);
}
