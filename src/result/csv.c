/* Tables for spreadsheets: RFC 4180 (header line, CRLF, text always in quotes, quotes doubled). Tokens are
 * given as they are in the vocabulary, so that they can be read back. The last column of an eigenvalue's
 * rows, "group", is the run of degenerate eigenvalues that it belongs to, "16-47", or empty: within one, only
 * the span means anything. */
#include "result/csv.h"
#include "base/buffer.h"
#include "result/document.h"
#include <bilens/result.h>

static void text_field(bl_buffer *out, const char *text) {
    bl_buffer_text(out, "\"");
    for (; *text; text++) {
        if (*text == '"') bl_buffer_text(out, "\"");
        bl_buffer_add(out, text, 1);
    }
    bl_buffer_text(out, "\"");
}

static void end_line(bl_buffer *out) { bl_buffer_text(out, "\r\n"); }

/* The last field of a line. */
static void group_field(bl_buffer *out, size_t first, size_t last) {
    if (last > first)
        bl_buffer_print(out, ",\"%zu-%zu\"", first,
                        last); /* in quotes: some spreadsheets take 3-4 for a date */
    else bl_buffer_text(out, ",");
    end_line(out);
}

void bl_csv_tensors(bl_buffer *out, const bl_doc_info *info) {
    bl_buffer_text(out, "name,dtype,shape\r\n");
    for (size_t i = 0; i < info->n_tensors; i++) {
        const bl_doc_tensor *tensor = &info->tensors[i];
        text_field(out, tensor->name);
        bl_buffer_text(out, ",");
        text_field(out, tensor->dtype);
        bl_buffer_text(out, ",\"");
        for (size_t k = 0; k < tensor->n_dims; k++)
            bl_buffer_print(out, "%s%llu", k > 0 ? " " : "", (unsigned long long)tensor->shape[k]);
        bl_buffer_text(out, "\"");
        end_line(out);
    }
}

void bl_csv_spectrum(bl_buffer *out, const bl_doc_eigen *eigen) {
    bl_buffer_text(out, "index,eigenvalue,group\r\n");
    for (size_t i = 0, run = 0; i < eigen->size; i++) {
        while (run < eigen->n_runs && eigen->runs[run].last < i) run++;
        bool inside = run < eigen->n_runs && eigen->runs[run].first <= i;
        bl_buffer_print(out, "%zu,%.9g", i, eigen->values[i]);
        group_field(out, inside ? eigen->runs[run].first : i, inside ? eigen->runs[run].last : i);
    }
}

/* One entry: "side" is top, bottom or, for the constant, value. */
static void virtual_token(bl_buffer *out, const bl_doc_vector *vector, const char *source, const char *side,
                          size_t rank, const char *token, double value) {
    bl_buffer_print(out, "%ld,%.9g,", vector->index, vector->eigenvalue);
    text_field(out, source);
    bl_buffer_print(out, ",%s,%zu,", side, rank);
    text_field(out, token);
    bl_buffer_print(out, ",%.9g", value);
    group_field(out, vector->first, vector->last);
}

void bl_csv_virtual_tokens(bl_buffer *out, const bl_doc_eigen *eigen) {
    bl_buffer_text(out, "vector,eigenvalue,source,side,rank,token,value,group\r\n");
    for (size_t i = 0; i < eigen->n_vectors; i++) {
        const bl_doc_vector *vector = &eigen->vectors[i];
        for (size_t k = 0; k < vector->n_sources; k++) {
            const bl_doc_source *source = &vector->sources[k];
            if (source->single) virtual_token(out, vector, source->name, "value", 0, "", source->value);
            for (size_t r = 0; r < source->n_top; r++)
                virtual_token(out, vector, source->name, "top", r, source->top[r].token,
                              source->top[r].value);
            for (size_t r = 0; r < source->n_bottom; r++)
                virtual_token(out, vector, source->name, "bottom", r, source->bottom[r].token,
                              source->bottom[r].value);
        }
    }
}

static void match_lines(bl_buffer *out, const bl_doc_hits *hits, size_t rank) {
    const bl_doc_match *match = &hits->matches[rank];
    size_t lines = match->position + 1 + (match->bias != 0);
    for (size_t i = 0; i < lines; i++) {
        bool bias = i > match->position; /* the constant's share: no token, no position */
        bl_buffer_print(out, "%ld,%.9g,%zu,%zu,%zu,%.9g,%.9g,", hits->index, hits->eigenvalue, rank,
                        match->story, match->position, match->activation, match->similarity);
        if (!bias) bl_buffer_print(out, "%zu", i);
        bl_buffer_text(out, ",");
        text_field(out, bias ? "" : match->tokens[i]);
        bl_buffer_print(out, ",%.9g", bias ? match->bias : match->contributions[i]);
        group_field(out, hits->first, hits->last);
    }
}

void bl_csv_inputs(bl_buffer *out, const bl_doc_scan *scan) {
    bl_buffer_text(out, "vector,eigenvalue,rank,story,position,activation,similarity,source_position,token,"
                        "contribution,group\r\n");
    for (size_t i = 0; i < scan->n_vectors; i++)
        for (size_t rank = 0; rank < scan->vectors[i].n_matches; rank++)
            match_lines(out, &scan->vectors[i], rank);
}

char *bl_info_csv(const char *json, bl_error *err) {
    bl_doc *doc = bl_doc_read(json, BL_DOC_INFO, err);
    bl_buffer out = {0};
    if (!doc) return NULL;
    bl_csv_tensors(&out, doc->info);
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}

char *bl_eigen_csv(const char *json, bl_error *err) {
    bl_doc *doc = bl_doc_read(json, BL_DOC_EIGEN, err);
    bl_buffer out = {0};
    if (!doc) return NULL;
    bl_csv_virtual_tokens(&out, doc->eigen);
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}

char *bl_spectrum_csv(const char *json, bl_error *err) {
    bl_doc *doc = bl_doc_read(json, BL_DOC_EIGEN, err);
    bl_buffer out = {0};
    if (!doc) return NULL;
    bl_csv_spectrum(&out, doc->eigen);
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}

char *bl_scan_csv(const char *json, bl_error *err) {
    bl_doc *doc = bl_doc_read(json, BL_DOC_SCAN, err);
    bl_buffer out = {0};
    if (!doc) return NULL;
    bl_csv_inputs(&out, doc->scan);
    bl_doc_free(doc);
    return bl_buffer_take(&out, err);
}
