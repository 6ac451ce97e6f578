/* The essence of a report, and the table of a model's tensors. */
#include "report/plot.h"
#include "report/terminal.h"
#include "base/visible.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { TOKENS = 4, INPUTS = 3, NAME = 8 };

static size_t max_size(size_t a, size_t b) { return a > b ? a : b; }

static void print_model(bl_page *page, const bl_doc_info *info) {
    static const char *const keys[] = {"n_layer", "d_model", "d_hidden", "n_head", "n_vocab", "n_ctx"};
    char number[40];
    bl_page_bold(page);
    bl_page_token(page, bl_doc_short_name(info->model), 0);
    bl_page_plain(page);
    page->indent = 2;
    bl_page_words(page, info->generation ? ": generation " : ": ");
    bl_page_token(page, info->generation ? info->generation : info->kind, 40);
    bl_page_text(page, ",");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = bl_doc_setting_value(info, keys[i]);
        char text[64];
        if (!value) continue;
        snprintf(text, sizeof text, " %s\xC2\xA0%.20s,", keys[i], value);
        bl_page_words(page, text);
    }
    bl_page_words(page, " ");
    bl_page_words(page, bl_grouped(number, info->parameters));
    bl_page_words(page, " parameters");
    page->indent = 0;
    bl_page_newline(page);
}

/* " tree 1.57 climb 1.10 …": the first entries, each on its colour, in `columns`. */
static void print_entries(bl_page *page, const bl_doc_entry *entries, size_t n, double largest,
                          size_t columns) {
    size_t end = page->column + columns;
    for (size_t i = 0; i < n && i < TOKENS; i++) {
        char number[BL_NUMBER_SIZE];
        int decimals = bl_decimals(largest);
        bl_number(number, entries[i].value, decimals > 2 ? decimals - 2 : decimals, "-");
        size_t token = bl_visible_width(entries[i].token),
               need = (token > 12 ? 12 : token) + strlen(number) + 3;
        if (page->column + need > end) break;
        bl_page_level(page, bl_rdbu_level(entries[i].value, largest), false);
        bl_page_text(page, " ");
        bl_page_token(page, entries[i].token, 12);
        bl_page_text(page, " ");
        bl_page_text(page, number);
        bl_page_text(page, " ");
        bl_page_plain(page);
    }
    if (page->column < end) bl_page_spaces(page, end - page->column);
}

static void print_sources(bl_page *page, const bl_doc_vector *vector) {
    size_t width = page->width == 0 || page->width > 132 ? 132 : max_size(page->width, 40),
           half = (width - NAME - 4) / 2;
    bl_page_dim(page);
    bl_page_spaces(page, NAME + 1);
    bl_page_text(page, "highest");
    bl_page_spaces(page, half > 7 ? half - 7 + 2 : 2);
    bl_page_text(page, "lowest");
    bl_page_plain(page);
    bl_page_newline(page);
    for (size_t i = 0; i < vector->n_sources; i++) {
        const bl_doc_source *source = &vector->strongest[i];
        if (page->fold && i >= vector->n_strong && !source->single) continue;
        size_t columns = bl_page_token(page, source->name, NAME);
        bl_page_spaces(page, NAME + 1 - columns);
        if (source->single) {
            bl_doc_entry only = {"constant", source->value};
            print_entries(page, &only, 1, vector->largest, half);
        } else {
            print_entries(page, source->top, source->n_top, vector->largest, half);
            bl_page_spaces(page, 2);
            print_entries(page, source->bottom, source->n_bottom, vector->largest, half);
        }
        bl_page_newline(page);
    }
    bl_page_folded(page, vector);
}

/* "1.31 times as large as chance makes it (p 0.01); without it the loss … rises by 1.76 nats" */
static void print_verdict(bl_page *page, const bl_doc *doc, long index) {
    const json_t *place = bl_doc_chance(doc, index), *ablation = bl_doc_ablation(doc, index);
    const json_t *own = json_object_get(ablation, "own");
    char text[256];
    if (!place) return;
    snprintf(text, sizeof text, "%.2f times as large as chance makes it (p %.2g)",
             bl_tree_real(place, "ratio"), bl_tree_real(place, "p"));
    page->indent = 2;
    bl_page_words(page, text);
    if (bl_tree_real(own, "positions") > 0) {
        const json_t *interval = json_object_get(own, "interval");
        snprintf(text, sizeof text,
                 "; without it the loss at its own %.0f places rises by %.2f nats (95 %%: %.2f to %.2f)",
                 bl_tree_real(own, "positions"), bl_tree_real(own, "after") - bl_tree_real(own, "before"),
                 bl_tree_number(json_array_get(interval, 0)), bl_tree_number(json_array_get(interval, 1)));
        bl_page_words(page, text);
    }
    page->indent = 0;
    bl_page_newline(page);
}

static void print_vector(bl_page *page, const bl_doc *doc, const bl_doc_vector *vector) {
    const bl_doc_hits *hits = bl_doc_find_hits(doc->scan, vector->index);
    bl_page_newline(page);
    bl_page_vector_title(page, &doc->eigen->subject, vector->index, vector->eigenvalue);
    bl_page_words(page, vector->eigenvalue > 0   ? " (evidence for)"
                        : vector->eigenvalue < 0 ? " (evidence against)"
                                                 : " (no evidence)");
    bl_page_newline(page);
    bl_page_group(page, vector->first, vector->last);
    print_verdict(page, doc, vector->index);
    print_sources(page, vector);
    if (hits) bl_page_matches(page, hits, INPUTS);
}

/* Which layer: the table, as wide as the terminal is. */
static void print_layers(bl_page *page, const bl_doc *doc, const bl_terminal *terminal) {
    bl_error err = {0};
    if (!doc->layers) return;
    char *text = bl_layers_text(doc->layers, doc->layers_over, terminal, &err);
    bl_page_newline(page);
    bl_page_text(page, text ? text : "");
    page->text.failed = page->text.failed || !text;
    bl_page_newline(page);
    bl_free(text);
}

char *bl_report_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_REPORT, err);
    if (!doc) return NULL;
    bl_page page = bl_page_new(terminal);
    if (page.plain) bl_doc_plain(doc);
    char stories[40], positions[40], text[160];
    print_model(&page, doc->info);
    snprintf(text, sizeof text, "%s stories, %s positions of", bl_grouped(stories, doc->scan->stories),
             bl_grouped(positions, doc->scan->positions));
    bl_page_words(&page, text);
    page.indent = 2;
    for (size_t i = 0; i < doc->n_corpus; i++) {
        const char *name = bl_doc_short_name(doc->corpus[i]);
        if (!bl_page_room(&page, bl_visible_width(name) + 2)) bl_page_text(&page, " ");
        bl_page_token(&page, name, 0);
        if (i + 1 < doc->n_corpus) bl_page_text(&page, ",");
    }
    page.indent = 0;
    bl_page_newline(&page);
    bl_page_newline(&page);
    bl_page_spectrum(&page, doc->eigen);
    print_layers(&page, doc, terminal);
    bl_page_match_legend(&page);
    if (doc->eigen->linear) {
        bl_page_newline(&page);
        bl_page_linear_title(&page, doc->eigen->linear);
        print_sources(&page, doc->eigen->linear);
    }
    for (size_t i = 0; i < doc->eigen->n_vectors; i++) print_vector(&page, doc, &doc->eigen->vectors[i]);
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}

static void print_settings(bl_page *page, const char *title, const bl_doc_setting *settings, size_t n) {
    size_t columns = 0;
    if (n == 0) return;
    bl_page_newline(page);
    bl_page_bold(page);
    bl_page_text(page, title);
    bl_page_plain(page);
    bl_page_newline(page);
    for (size_t i = 0; i < n; i++) columns = max_size(columns, bl_visible_width(settings[i].key));
    if (columns > 32) columns = 32;
    for (size_t i = 0; i < n; i++) {
        bl_page_spaces(page, 2);
        bl_page_spaces(page, columns + 2 - bl_page_token(page, settings[i].key, columns));
        bl_page_token(page, settings[i].value, page->width > columns + 8 ? page->width - columns - 4 : 0);
        bl_page_newline(page);
    }
}

static uint64_t elements(const bl_doc_tensor *tensor) {
    uint64_t n = 1;
    for (size_t k = 0; k < tensor->n_dims; k++)
        if (__builtin_mul_overflow(n, tensor->shape[k], &n)) return UINT64_MAX;
    return n;
}

static void shape_text(const bl_doc_tensor *tensor, char out[200]) {
    size_t at = (size_t)snprintf(out, 200, "[");
    for (size_t k = 0; k < tensor->n_dims; k++)
        at += (size_t)snprintf(out + at, 200 - at, "%s%llu", k > 0 ? ", " : "",
                               (unsigned long long)tensor->shape[k]);
    snprintf(out + at, 200 - at, "]");
}

static void print_tensors(bl_page *page, const bl_doc_info *info) {
    char shape[200], number[40];
    size_t name = 6, across = 5;
    for (size_t i = 0; i < info->n_tensors; i++) {
        shape_text(&info->tensors[i], shape);
        name = max_size(name, bl_visible_width(info->tensors[i].name));
        across = max_size(across, strlen(shape));
    }
    size_t rest = across + 2 + 5 + 2 + 15;
    if (page->width > rest + 12 && name + 4 + rest > page->width) name = page->width - rest - 4;
    bl_page_newline(page);
    bl_page_bold(page);
    bl_page_print(page, "  Tensor%*s  Shape%*s  Dtype%*sElements", (int)(name - 6), "", (int)(across - 5), "",
                  9, "");
    bl_page_plain(page);
    bl_page_newline(page);
    for (size_t i = 0; i < info->n_tensors; i++) {
        const bl_doc_tensor *tensor = &info->tensors[i];
        shape_text(tensor, shape);
        bl_page_spaces(page, 2);
        bl_page_spaces(page, name + 2 - bl_page_token(page, tensor->name, name));
        bl_page_print(page, "%-*s  ", (int)across, shape);
        bl_page_spaces(page, 7 - bl_page_token(page, tensor->dtype, 6));
        bl_page_print(page, "%15s", bl_grouped(number, elements(tensor)));
        bl_page_newline(page);
    }
}

char *bl_info_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err) {
    bl_doc *doc = bl_doc_read(tree, BL_DOC_INFO, err);
    if (!doc) return NULL;
    bl_page page = bl_page_new(terminal);
    print_model(&page, doc->info);
    print_settings(&page, "Architecture", doc->info->facts, doc->info->n_facts);
    print_settings(&page, "config.json", doc->info->settings, doc->info->n_settings);
    print_tensors(&page, doc->info);
    bl_doc_free(doc);
    return bl_buffer_take(&page.text, err);
}
