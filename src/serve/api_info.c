/* GET /api/info, GET /api/tokens */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/explorer_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MOST_ROWS 1000000

static json_t *atlas_facts(const bl_explorer *e, bool *ok) {
    if (!e->atlas) return json_null();
    const bl_look_facts *f = bl_look_get_facts(e->atlas);
    json_t *out = json_object();
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {{"pairs", f->pairs},
                   {"top", f->top},
                   {"virtual_tokens", f->virtual_tokens},
                   {"layer", f->layer},
                   {"directions", f->directions},
                   {"seed", f->seed},
                   {"corpus_stories", f->stories},
                   {"corpus_positions", f->positions}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        bl_json_set(out, numbers[i].key, json_integer((json_int_t)numbers[i].value), ok);
    bl_json_set(out, "raw", json_boolean(f->raw), ok);
    bl_json_set(out, "centred", json_boolean(f->centred), ok);
    bl_json_set(out, "complete", json_boolean(f->complete), ok);
    return out;
}

static json_t *corpus_facts(const bl_explorer *e, bool *ok) {
    bool ready;
    json_t *out = json_object();
    size_t n = bl_stories_count(e->stories, &ready);
    json_t *name = json_string(e->corpus_name);
    bl_json_set(out, "stories", json_integer((json_int_t)n), ok);
    bl_json_set(out, "name", name ? name : json_string("?"), ok);
    bl_json_set(out, "ready", json_boolean(ready), ok);
    return out;
}

char *bl_api_info(bl_call *call) {
    const bl_explorer *e = call->explorer;
    bool ok = true;
    json_t *root = json_object(), *limits = json_object();
    bl_json_set(root, "version", json_string(bl_version()), &ok);
    bl_json_set(root, "atlas", atlas_facts(e, &ok), &ok);
    bl_json_set(root, "corpus", corpus_facts(e, &ok), &ok);
    bl_json_set(root, "server", json_boolean(!e->site), &ok);
    bl_json_set(root, "contrast_default",
                json_string(e->atlas && bl_look_get_facts(e->atlas)->raw ? "none" : "mean"), &ok);
    bl_json_set(limits, "text_tokens", json_integer((json_int_t)bl_model_config(e->model)->n_ctx), &ok);
    bl_json_set(limits, "body_bytes", json_integer(BL_SERVE_BODY), &ok);
    bl_json_set(limits, "eigenvectors", json_integer(64), &ok);
    bl_json_set(root, "limits", limits, &ok);
    char *text = bl_json_take(root, ok, &call->err);
    bl_buffer more = {0};
    bl_buffer_text(&more, "\"model\":");
    bl_buffer_text(&more, e->info);
    char *model = text ? bl_buffer_take(&more, &call->err) : NULL;
    bl_buffer_free(&more);
    if (!model) bl_free(text);
    char *out = model ? bl_json_more(text, model, &call->err) : NULL;
    bl_free(model);
    return out;
}

/* What a list may be sorted by; the figures' names are those of the views in docs/atlas.md. */
static const char *const figures[BL_LOOK_FIGURES] = {
    "largest",      "highest",      "lowest",      "effective_rank",      "share",      "constant",
    "null_largest", "null_highest", "null_lowest", "null_effective_rank", "null_share", "excess"};
enum { BY_TOKEN = -3, BY_ID = -2, BY_COUNT = -1 }; /* otherwise a figure */

typedef struct row {
    size_t id;
    int group; /* 0 the query itself, 1 begins with it, 2 holds it */
    double key;
} row;

typedef struct listing {
    const bl_explorer *explorer;
    const uint64_t *counts; /* NULL: not known (yet) */
    int by;
    bool descending;
    row *rows;
    size_t n;
} listing;

static uint64_t count_of(const listing *l, size_t id) {
    return l->explorer->atlas ? bl_look_get_direction(l->explorer->atlas, id)->count
         : l->counts          ? l->counts[id]
                              : 0;
}

static int compare(const void *a, const void *b, void *context) {
    const row *x = a, *y = b;
    const listing *l = context;
    if (x->group != y->group) return x->group < y->group ? -1 : 1;
    int order = 0;
    if (l->by == BY_TOKEN) order = strcmp(l->explorer->folded[x->id], l->explorer->folded[y->id]);
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
    l->counts = bl_stories_frequencies(e->stories);
    if (sort && strcmp(sort, "token") == 0) l->by = BY_TOKEN;
    else if (sort && strcmp(sort, "id") == 0) l->by = BY_ID;
    else if (sort ? strcmp(sort, "count") == 0 : bl_request_text(call->request, "q") != NULL)
        l->by = BY_COUNT;
    else if (!sort) l->by = e->atlas ? BL_LOOK_LARGEST : BY_ID;
    else
        for (l->by = 0; l->by < BL_LOOK_FIGURES && strcmp(figures[l->by], sort) != 0;) l->by++;
    if (l->by == BL_LOOK_FIGURES)
        return bl_fail(&call->err, BL_ERR_USAGE,
                       "cannot sort by '%.40s': there are token, id, count, largest, highest, lowest, "
                       "effective_rank, share, null_…, excess",
                       sort);
    if (l->by >= 0 && !e->atlas)
        return bl_call_refuse(call, 409, "no_atlas",
                              "sorting by what a direction's spectrum says needs an atlas: make one with "
                              "bilens atlas, and give it with --atlas"),
               false;
    if (!bl_request_flag(call->request, "ascending", &ascending, &call->err)) return false;
    l->descending =
        bl_request_text(call->request, "ascending") ? !ascending : l->by != BY_TOKEN && l->by != BY_ID;
    return true;
}

static bool collect(bl_call *call, listing *l) {
    const bl_explorer *e = call->explorer;
    const char *q = bl_request_text(call->request, "q");
    size_t V = bl_model_config(e->model)->n_vocab;
    utf8proc_uint8_t *folded = NULL;
    if (utf8proc_map((const utf8proc_uint8_t *)(q ? q : ""), 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_CASEFOLD) < 0)
        return bl_fail(&call->err, BL_ERR_MEMORY, "out of memory while a query was read");
    l->rows = bl_alloc(V, sizeof *l->rows, &call->err);
    for (size_t id = 0; l->rows && id < V; id++) {
        int group = group_of(e->folded[id], (const char *)folded);
        if (group < 0) continue;
        double key = l->by == BY_COUNT ? (double)count_of(l, id)
                   : l->by >= 0        ? bl_look_get_direction(e->atlas, id)->figures[l->by]
                                       : (double)id;
        l->rows[l->n++] = (row){id, group, key};
    }
    free(folded);
    if (l->rows) qsort_r(l->rows, l->n, sizeof *l->rows, compare, l);
    return l->rows != NULL;
}

static json_t *values_of(const float *values, size_t n, bool *ok) {
    if (!isfinite(values[0])) return json_null();
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) bl_json_append(out, bl_json_number((double)values[i]), ok);
    return out;
}

static json_t *write_row(const listing *l, size_t id, bool *ok) {
    const bl_explorer *e = l->explorer;
    json_t *out = json_object();
    bl_json_set(out, "id", json_integer((json_int_t)id), ok);
    bl_json_set(out, "token", bl_json_token(e, (int32_t)id), ok);
    if (e->atlas || l->counts) bl_json_set(out, "count", json_integer((json_int_t)count_of(l, id)), ok);
    if (!e->atlas) return out;
    const bl_look_direction *d = bl_look_get_direction(e->atlas, id);
    size_t n = bl_look_n_values(e->atlas);
    for (int i = 0; i < BL_LOOK_FIGURES; i++) bl_json_set(out, figures[i], bl_json_number(d->figures[i]), ok);
    bl_json_set(out, "values", values_of(d->values, n, ok), ok);
    bl_json_set(out, "null_values", values_of(d->null_values, n, ok), ok);
    return out;
}

char *bl_api_tokens(bl_call *call) {
    listing l = {.explorer = call->explorer};
    size_t limit, offset;
    bool ok =
        read_order(call, &l) && bl_request_count(call->request, "limit", 50, MOST_ROWS, &limit, &call->err) &&
        bl_request_count(call->request, "offset", 0, MOST_ROWS, &offset, &call->err) && collect(call, &l);
    char *text = NULL;
    if (ok) {
        json_t *root = json_object(), *rows = json_array();
        bl_json_set(root, "total", json_integer((json_int_t)l.n), &ok);
        for (size_t i = offset; i < l.n && i - offset < limit; i++)
            bl_json_append(rows, write_row(&l, l.rows[i].id, &ok), &ok);
        bl_json_set(root, "tokens", rows, &ok);
        text = bl_json_take(root, ok, &call->err);
    }
    free(l.rows);
    return text;
}
