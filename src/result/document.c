/* The whole of a result: parsing, the parts, and what must agree between them. */
#include "result/document.h"
#include "base/error.h"
#include "result/document_parts.h"
#include <locale.h>
#include <math.h>
#include <string.h>

#define MAX_FILES 100000
#define MAX_LAYERS 100000

/* What bl_doc_free releases. While a document is open its thread writes numbers with a decimal point,
 * whatever the locale. */
typedef struct holder {
    void *blocks;
    locale_t before, point;
} holder;

static void enter_locale(holder *held) {
    locale_t copy = duplocale(uselocale((locale_t)0));
    if (!copy) return;
    held->point = newlocale(LC_NUMERIC_MASK, "C", copy);
    if (!held->point) freelocale(copy);
    else held->before = uselocale(held->point);
}

void bl_doc_free(bl_doc *doc) {
    if (!doc) return;
    holder held = *(holder *)doc->private;
    if (held.point) {
        uselocale(held.before);
        freelocale(held.point);
    }
    bl_reader_release(held.blocks); /* the document itself among them */
}

void bl_doc_plain(bl_doc *doc) {
    bl_doc_eigen *eigen = (bl_doc_eigen *)(uintptr_t)doc->eigen; /* the reader's own memory */
    bl_doc_scan *scan = (bl_doc_scan *)(uintptr_t)doc->scan;
    for (size_t i = 0; eigen && i < eigen->n_vectors; i++) {
        bl_doc_vector *vector = (bl_doc_vector *)(uintptr_t)&eigen->vectors[i];
        vector->first = vector->last = vector->position;
    }
    for (size_t i = 0; scan && i < scan->n_vectors; i++) {
        bl_doc_hits *hits = (bl_doc_hits *)(uintptr_t)&scan->vectors[i];
        hits->first = hits->last;
    }
    if (!eigen) return;
    eigen->n_runs = 0;
    eigen->plain = true;
}

/* "token", or "direction" where token is null: of "@folder/file.npy" the file. */
static bool read_name(bl_reader *reader, const json_t *json, bl_doc_subject *subject) {
    subject->vector = json_is_null(json_object_get(json, "token"));
    if (!subject->vector) return bl_reader_text(reader, json, "token", &subject->token);
    if (json_is_string(json_object_get(json, "label")))
        return bl_reader_text(reader, json, "label", &subject->token);
    if (!bl_reader_text(reader, json, "direction", &subject->token)) return false;
    subject->token += *subject->token == '@';
    const char *end = subject->token + strcspn(subject->token, ":");
    for (const char *at = subject->token; at + 1 < end; at++)
        if (*at == '/') subject->token = at + 1;
    return true;
}

bool bl_doc_read_subject(bl_reader *reader, const json_t *json, bl_doc_subject *subject) {
    json_int_t layer = 0;
    bool ok = bl_reader_text(reader, json, "model", &subject->model) &&
              bl_reader_integer(reader, json, "layer", 0, 65535, &layer) &&
              read_name(reader, json, subject) &&
              bl_reader_texts(reader, json, "minus", 1 << 20, &subject->minus, &subject->n_minus);
    subject->layer = (size_t)layer;
    const json_t *quality = json_object_get(json, "surrogate");
    subject->surrogate = json_is_object(quality);
    subject->r2 = bl_tree_real(quality, "r2");
    subject->r2_linear = bl_tree_real(quality, "r2_linear");
    subject->recovered = bl_tree_real(quality, "recovered");
    return ok;
}

const char *bl_doc_short_name(const char *path) {
    const char *last = strrchr(path, '/'), *first = strchr(path, '/');
    bool file = path[0] == '/' || path[0] == '.' || first != last;
    return last && file && last[1] != '\0' ? last + 1 : path;
}

const bl_doc_hits *bl_doc_find_hits(const bl_doc_scan *scan, long index) {
    for (size_t i = 0; scan && i < scan->n_vectors; i++)
        if (scan->vectors[i].index == index) return &scan->vectors[i];
    return NULL;
}

const bl_tree *bl_doc_chance(const bl_doc *doc, long index) {
    const json_t *place;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(doc->evidence, "null"), "places"), i, place)
        if (bl_tree_real(place, "index") == (double)index) return place;
    return NULL;
}

const bl_tree *bl_doc_ablation(const bl_doc *doc, long index) {
    const json_t *ablation;
    size_t i;
    json_array_foreach(json_object_get(doc->evidence, "ablate"), i, ablation) {
        const json_t *eigs = json_object_get(ablation, "eigs");
        if (json_array_size(eigs) == 1 && bl_tree_number(json_array_get(eigs, 0)) == (double)index)
            return ablation;
    }
    return NULL;
}

const char *bl_doc_setting_value(const bl_doc_info *info, const char *key) {
    for (size_t i = 0; i < info->n_facts; i++)
        if (strcmp(info->facts[i].key, key) == 0) return info->facts[i].value;
    for (size_t i = 0; i < info->n_settings; i++)
        if (strcmp(info->settings[i].key, key) == 0) return info->settings[i].value;
    return NULL;
}

/* The scan of a report must speak of the decomposition of the same report. */
static bool check_agreement(bl_reader *reader, const bl_doc_eigen *eigen, const bl_doc_scan *scan) {
    size_t before = bl_reader_enter(reader, "scan");
    if (strcmp(eigen->subject.token, scan->subject.token) != 0 ||
        eigen->subject.vector != scan->subject.vector || eigen->subject.layer != scan->subject.layer)
        return bl_reader_fail(reader, "token and layer differ from those of eigen");
    double largest = fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1]));
    for (size_t i = 0; i < scan->n_vectors; i++) {
        const bl_doc_hits *hits = &scan->vectors[i];
        const bl_doc_vector *found = NULL;
        for (size_t j = 0; !found && j < eigen->n_vectors; j++)
            if (eigen->vectors[j].index == hits->index) found = &eigen->vectors[j];
        if (!found)
            return bl_reader_fail(reader, "vectors[%zu].index: %ld is not among eigen.vectors", i,
                                  hits->index);
        if (fabs(found->eigenvalue - hits->eigenvalue) > 1e-3 * largest)
            return bl_reader_fail(reader, "vectors[%zu].eigenvalue: %g, but eigen has %g for index %ld", i,
                                  hits->eigenvalue, found->eigenvalue, hits->index);
    }
    bl_reader_leave(reader, before);
    return true;
}

/* The virtual tokens of vectors whose inputs are at the other end, turned as those are. */
static void orient(const bl_doc_eigen *eigen, const bl_doc_scan *scan) {
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        bl_doc_vector *vector = (bl_doc_vector *)(uintptr_t)&eigen->vectors[i]; /* the reader's own memory */
        const bl_doc_hits *hits = bl_doc_find_hits(scan, vector->index);
        if (!hits || !hits->n_matches) continue;
        vector->oriented = true;
        if (hits->orientation != vector->orientation) bl_doc_turn(vector);
    }
}

static bool read_report(bl_reader *reader, const json_t *root, bl_doc *doc) {
    const char *format;
    if (!bl_reader_text(reader, root, "format", &format)) return false;
    if (strcmp(format, "bilens report 1") != 0)
        return bl_reader_fail(reader,
                              "format: \"bilens report 1\" is expected; this may be another program's file");
    const json_t *part;
    size_t before;
    if (!bl_reader_text(reader, root, "version", &doc->version)) return false;
    if (json_object_get(root, "blas") && !bl_reader_text(reader, root, "blas", &doc->blas)) return false;
    if (!(part = bl_reader_object(reader, root, "info"))) return false;
    before = bl_reader_enter(reader, "info");
    if (!(doc->info = bl_doc_read_info(reader, part))) return false;
    bl_reader_leave(reader, before);
    if (!(part = bl_reader_object(reader, root, "eigen"))) return false;
    before = bl_reader_enter(reader, "eigen");
    if (!(doc->eigen = bl_doc_read_eigen(reader, part))) return false;
    bl_reader_leave(reader, before);
    if (!(part = bl_reader_object(reader, root, "scan"))) return false;
    before = bl_reader_enter(reader, "scan");
    if (!(doc->scan = bl_doc_read_scan(reader, part))) return false;
    bl_reader_leave(reader, before);
    if (json_object_get(root, "heads")) {
        if (!(part = bl_reader_object(reader, root, "heads"))) return false;
        before = bl_reader_enter(reader, "heads");
        if (!(doc->heads = bl_doc_read_heads(reader, part))) return false;
        bl_reader_leave(reader, before);
    }
    if (json_object_get(root, "layers") &&
        !(doc->layers = bl_reader_array(reader, root, "layers", MAX_LAYERS, &doc->n_layers)))
        return false;
    if (json_object_get(root, "layers_over") &&
        !(doc->layers_over = bl_reader_object(reader, root, "layers_over")))
        return false;
    if (json_object_get(root, "origin") && !(doc->origin = bl_reader_object(reader, root, "origin")))
        return false;
    if (json_object_get(root, "evidence") && !(doc->evidence = bl_reader_object(reader, root, "evidence")))
        return false;
    if (!check_agreement(reader, doc->eigen, doc->scan)) return false;
    orient(doc->eigen, doc->scan);
    return bl_reader_texts(reader, root, "corpus", MAX_FILES, &doc->corpus, &doc->n_corpus);
}

static bool read_kind(bl_reader *reader, const json_t *root, bl_doc_kind kind, bl_doc *doc) {
    if (!json_is_object(root)) return bl_reader_fail(reader, "an object is expected");
    switch (kind) {
    case BL_DOC_INFO: doc->info = bl_doc_read_info(reader, root); return doc->info != NULL;
    case BL_DOC_EIGEN: doc->eigen = bl_doc_read_eigen(reader, root); return doc->eigen != NULL;
    case BL_DOC_SCAN: doc->scan = bl_doc_read_scan(reader, root); return doc->scan != NULL;
    default: return read_report(reader, root, doc);
    }
}

bl_doc *bl_doc_read(const bl_tree *tree, bl_doc_kind kind, bl_error *err) {
    bl_reader reader = {.err = err};
    bl_doc *doc = bl_reader_alloc(&reader, 1, sizeof *doc);
    holder *held = doc ? bl_reader_alloc(&reader, 1, sizeof *held) : NULL;
    if (!held || !(doc->version = "", read_kind(&reader, tree, kind, doc))) {
        bl_reader_release(reader.blocks);
        return NULL;
    }
    *held = (holder){.blocks = reader.blocks};
    enter_locale(held);
    doc->private = held;
    return doc;
}
