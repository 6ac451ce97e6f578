/* Results as tables. Tokens are given as they are in the vocabulary, so that they can be read back. The last
 * column of an eigenvalue's rows, "group", is the run of degenerate eigenvalues that it belongs to, "16-47",
 * or empty: within one, only the span means anything. */
#include "result/document.h"
#include "base/buffer.h"
#include <bilens/result.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The last cell of a row. A text: some spreadsheets take 3-4 for a date. */
static void group_cell(bl_table *table, size_t first, size_t last) {
    char text[48];
    snprintf(text, sizeof text, "%zu-%zu", first, last);
    bl_table_text(table, last > first ? text : NULL);
}

bl_table *bl_rows_of_tensors(const bl_doc_info *info, bl_error *err) {
    bl_table *table = bl_table_new("name,dtype,shape", err);
    for (size_t i = 0; table && i < info->n_tensors; i++) {
        const bl_doc_tensor *tensor = &info->tensors[i];
        bl_buffer shape = {0};
        for (size_t k = 0; k < tensor->n_dims; k++)
            bl_buffer_print(&shape, "%s%" PRIu64, k > 0 ? " " : "", tensor->shape[k]);
        char *text = bl_buffer_take(&shape, err);
        bl_table_text(table, tensor->name);
        bl_table_text(table, tensor->dtype);
        bl_table_text(table, text);
        if (!text) {
            bl_table_free(table);
            return NULL;
        }
        free(text);
    }
    return table;
}

bl_table *bl_rows_of_spectrum(const bl_doc_eigen *eigen, bl_error *err) {
    bl_table *table = bl_table_new("index,eigenvalue,group", err);
    for (size_t i = 0, run = 0; table && i < eigen->size; i++) {
        while (run < eigen->n_runs && eigen->runs[run].last < i) run++;
        bool inside = run < eigen->n_runs && eigen->runs[run].first <= i;
        bl_table_integer(table, (int64_t)i);
        bl_table_real(table, eigen->values[i]);
        group_cell(table, inside ? eigen->runs[run].first : i, inside ? eigen->runs[run].last : i);
    }
    return table;
}

/* One entry: "side" is top, bottom or, for the constant, value. */
static void virtual_token(bl_table *table, const bl_doc_vector *vector, const char *source, const char *side,
                          size_t rank, const char *token, double value) {
    bl_table_integer(table, vector->index);
    bl_table_real(table, vector->eigenvalue);
    bl_table_text(table, source);
    bl_table_text(table, side);
    bl_table_integer(table, (int64_t)rank);
    bl_table_text(table, token);
    bl_table_real(table, value);
    group_cell(table, vector->first, vector->last);
}

bl_table *bl_rows_of_virtual_tokens(const bl_doc_eigen *eigen, bl_error *err) {
    bl_table *table = bl_table_new("vector,eigenvalue,source,side,rank,token,value,group", err);
    for (size_t i = 0; table && i < eigen->n_vectors; i++) {
        const bl_doc_vector *vector = &eigen->vectors[i];
        for (size_t k = 0; k < vector->n_sources; k++) {
            const bl_doc_source *source = &vector->sources[k];
            /* As the JSON has it, whichever way it is drawn. */
            int sign = vector->orientation;
            const bl_doc_entry *top = sign > 0 ? source->top : source->bottom,
                               *bottom = sign > 0 ? source->bottom : source->top;
            size_t n_top = sign > 0 ? source->n_top : source->n_bottom,
                   n_bottom = sign > 0 ? source->n_bottom : source->n_top;
            if (source->single)
                virtual_token(table, vector, source->name, "value", 0, NULL, sign * source->value);
            for (size_t r = 0; r < n_top; r++)
                virtual_token(table, vector, source->name, "top", r, top[r].token, sign * top[r].value);
            for (size_t r = 0; r < n_bottom; r++)
                virtual_token(table, vector, source->name, "bottom", r, bottom[r].token,
                              sign * bottom[r].value);
        }
    }
    return table;
}

/* A row per source word, and one of the constant's share, which has neither token nor position. */
static void match_rows(bl_table *table, const bl_doc_hits *hits, size_t rank) {
    const bl_doc_match *match = &hits->matches[rank];
    int sign = match->similarity < 0 ? -1 : 1; /* as the JSON has them */
    for (size_t i = 0; i <= match->position + (match->bias != 0); i++) {
        bool bias = i > match->position;
        bl_table_integer(table, hits->index);
        bl_table_real(table, hits->eigenvalue);
        bl_table_integer(table, (int64_t)rank);
        bl_table_integer(table, (int64_t)match->story);
        bl_table_integer(table, (int64_t)match->position);
        bl_table_real(table, match->activation);
        bl_table_real(table, hits->orientation * match->similarity);
        if (bias) bl_table_empty(table);
        else bl_table_integer(table, (int64_t)i);
        bl_table_text(table, bias ? NULL : match->tokens[i]);
        bl_table_real(table, sign * (bias ? match->bias : match->contributions[i]));
        group_cell(table, hits->first, hits->last);
    }
}

bl_table *bl_rows_of_inputs(const bl_doc_scan *scan, bl_error *err) {
    bl_table *table = bl_table_new("vector,eigenvalue,rank,story,position,activation,similarity,"
                                   "source_position,token,contribution,group",
                                   err);
    for (size_t i = 0; table && i < scan->n_vectors; i++)
        for (size_t rank = 0; rank < scan->vectors[i].n_matches; rank++)
            match_rows(table, &scan->vectors[i], rank);
    return table;
}

bl_table *bl_info_rows(const bl_tree *info, bl_error *err) {
    bl_doc *doc = bl_doc_read(info, BL_DOC_INFO, err);
    bl_table *table = doc ? bl_rows_of_tensors(doc->info, err) : NULL;
    bl_doc_free(doc);
    return table;
}

bl_table *bl_eigen_rows(const bl_tree *eigen, bl_error *err) {
    bl_doc *doc = bl_doc_read(eigen, BL_DOC_EIGEN, err);
    bl_table *table = doc ? bl_rows_of_virtual_tokens(doc->eigen, err) : NULL;
    bl_doc_free(doc);
    return table;
}

bl_table *bl_scan_rows(const bl_tree *scan, bl_error *err) {
    bl_doc *doc = bl_doc_read(scan, BL_DOC_SCAN, err);
    bl_table *table = doc ? bl_rows_of_inputs(doc->scan, err) : NULL;
    bl_doc_free(doc);
    return table;
}
