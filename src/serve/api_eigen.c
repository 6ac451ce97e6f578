/* GET /api/eigen, GET /api/scan: the command line's JSON, with more keys.
 *
 * A scan that the atlas has is not made again: places and contributions come from it (16-bit numbers there),
 * and by head they are computed afresh at its places. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "serve/subject.h"
#include <bilens/report.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_TOP 256
#define MOST_MATCHES 2048 /* of all eigenvectors together: what an answer may weigh */
#define MOST_BY_HEAD 512

/* "contrast", "null", "id": what the topic is. */
static char *with_topic(char *json, const bl_topic *t, const char *more, bl_error *err) {
    char text[256];
    snprintf(text, sizeof text, "\"id\":%d,\"contrast\":\"%s\",\"null\":%s%s", (int)t->id,
             bl_contrast_name(&t->direction), t->null_model ? "true" : "false", more);
    return bl_json_more(json, text, err);
}

char *bl_api_eigen(bl_call *call) {
    bl_topic t;
    long indices[BL_MOST_INDICES];
    size_t n;
    if (!bl_topic_read(call, &t) || !bl_indices_read(call, "eigs", indices, &n)) return NULL;
    bl_cached *held = bl_topic_eigen(call, &t, indices, n);
    if (!held) return NULL;
    const bl_eigen *eigen = bl_cached_eigen(held);
    bl_subject subject = {call->explorer->model, &t.direction, t.layer};
    char more[64], *json = bl_eigen_json(&subject, eigen, indices, n, &call->err);
    const float *values = bl_eigen_values(eigen);
    snprintf(more, sizeof more, ",\"largest\":%.9g",
             fmax(fabs((double)values[0]), fabs((double)values[bl_eigen_size(eigen) - 1])));
    bl_cache_release(held);
    return with_topic(json, &t, more, &call->err);
}

/* What a scan asks for. */
typedef struct wish {
    bl_topic topic;
    long indices[BL_MOST_INDICES];
    size_t n, top, stories;
    bool heads;
} wish;

static bool read_wish(bl_call *call, wish *w) {
    return bl_topic_read(call, &w->topic) && bl_indices_read(call, "eigs", w->indices, &w->n) &&
           bl_request_count(call->request, "top", 8, MOST_TOP, &w->top, &call->err) &&
           bl_request_count(call->request, "stories", 0, SIZE_MAX / 2, &w->stories, &call->err) &&
           bl_request_flag(call->request, "heads", &w->heads, &call->err) &&
           (w->top > 0 || bl_fail(&call->err, BL_ERR_USAGE, "top must be at least 1")) &&
           (w->n * w->top <= (w->heads ? MOST_BY_HEAD : MOST_MATCHES) ||
            bl_fail(
                &call->err, BL_ERR_USAGE,
                "%zu eigenvectors with %zu matches each are more than an answer holds: %d in all, %d by head",
                w->n, w->top, MOST_MATCHES, MOST_BY_HEAD));
}

/* Whether the atlas has these matches: its direction, its eigenvectors, no more of them than it kept. */
static bool atlas_has(const bl_explorer *e, const wish *w) {
    if (!bl_topic_in_atlas(e, &w->topic) || w->stories) return false;
    const bl_look_facts *f = bl_look_get_facts(e->atlas);
    long K = (long)bl_look_n_values(e->atlas) / 2;
    if (w->top > f->top && f->stories > f->top) return false;
    for (size_t j = 0; j < w->n; j++)
        if (w->indices[j] < -K || w->indices[j] >= K) return false;
    return true;
}

static bool write_matches(bl_call *call, const bl_match *list, size_t n, bl_buffer *out) {
    for (size_t i = 0; i < n; i++) {
        char *json = bl_match_json(call->explorer->model, &list[i], &call->err);
        if (!json) return false;
        bl_buffer_text(out, i ? "," : "");
        bl_buffer_text(out, json);
        bl_free(json);
    }
    return true;
}

/* The stored matches of vector j, or the same places with contributions by head. */
static bool atlas_vector(bl_call *call, const wish *w, const bl_eigen *eigen, size_t j, bl_buffer *out) {
    bl_look_matches found;
    bl_scan *scan = NULL;
    bl_place *places = NULL;
    if (!bl_look_get_matches(call->explorer->atlas, w->topic.id, w->indices[j], w->top, &found, &call->err))
        return false;
    bool ok = true;
    if (w->heads && found.n) {
        places = bl_alloc(found.n, sizeof *places, &call->err);
        for (size_t i = 0; places && i < found.n; i++)
            places[i] = (bl_place){.story = found.list[i].story,
                                   .position = found.list[i].position,
                                   .ids = found.list[i].ids,
                                   .n_ids = found.list[i].n_ids};
        bl_scan_options options = {.exact_path = true, .heads = true, .progress = bl_call_progress(call)};
        scan = places ? bl_scan_places(call->explorer->model, eigen, &w->indices[j], 1, places, found.n,
                                       &options, &call->err)
                      : NULL;
        ok = scan != NULL;
        for (size_t i = 0; ok && i < found.n; i++) found.list[i] = bl_scan_match(scan, 0, i);
    }
    size_t size = bl_eigen_size(eigen),
           at = w->indices[j] < 0 ? size - (size_t)-w->indices[j] : (size_t)w->indices[j];
    bl_buffer_print(out, "%s{\"index\":%ld,\"eigenvalue\":%.9g,\"matches\":[", j ? "," : "", w->indices[j],
                    (double)bl_eigen_values(eigen)[at]);
    ok = ok && write_matches(call, found.list, found.n, out);
    bl_buffer_text(out, "]}");
    bl_scan_free(scan);
    free(places);
    bl_look_matches_free(&found);
    return ok;
}

static char *atlas_scan(bl_call *call, const wish *w, const bl_eigen *eigen, const bl_subject *subject) {
    const bl_look_facts *f = bl_look_get_facts(call->explorer->atlas);
    bl_buffer out = {0};
    char *text = NULL, *head = bl_eigen_json(subject, eigen, NULL, 0,
                                             &call->err); /* for "model" … "minus" as they are everywhere */
    json_t *root = head ? json_loads(head, 0, NULL) : NULL;
    bl_free(head);
    static const char *const gone[] = {"d_model",  "centred",     "size",   "effective_rank",
                                       "constant", "eigenvalues", "groups", "vectors"};
    for (size_t i = 0; root && i < sizeof gone / sizeof *gone; i++) json_object_del(root, gone[i]);
    bool ok = root != NULL;
    bl_json_set(root, "stories", json_integer((json_int_t)f->stories), &ok);
    bl_json_set(root, "positions", json_integer((json_int_t)f->positions), &ok);
    head = bl_json_take(root, ok, &call->err);
    bl_buffer_text(&out, "\"vectors\":[");
    ok = head != NULL;
    for (size_t j = 0; ok && j < w->n; j++) ok = atlas_vector(call, w, eigen, j, &out);
    bl_buffer_text(&out, "]");
    if (ok) text = bl_buffer_take(&out, &call->err);
    bl_buffer_free(&out);
    if (!text) bl_free(head);
    char *json = text ? bl_json_more(head, text, &call->err) : NULL;
    bl_free(text);
    return json;
}

static char *fresh_scan(bl_call *call, const wish *w, const bl_eigen *eigen, const bl_subject *subject) {
    bl_token_stories stories;
    if (!bl_stories_get(call->explorer->stories, &stories, &call->err)) return NULL;
    bl_scan_options options = {.top = w->top,
                               .max_stories = w->stories,
                               .progress = bl_call_progress(call),
                               .heads = w->heads};
    bl_scan *scan =
        bl_scan_run_tokens(call->explorer->model, eigen, w->indices, w->n, &stories, &options, &call->err);
    char *json = scan ? bl_scan_json(subject, eigen, scan, w->indices, w->n, &call->err) : NULL;
    bl_scan_free(scan);
    return json;
}

char *bl_api_scan(bl_call *call) {
    wish w;
    if (!read_wish(call, &w)) return NULL;
    bl_cached *held = bl_topic_eigen(call, &w.topic, w.indices, w.n);
    if (!held) return NULL;
    bl_subject subject = {call->explorer->model, &w.topic.direction, w.topic.layer};
    bool stored = atlas_has(call->explorer, &w);
    char *json = (stored ? atlas_scan : fresh_scan)(call, &w, bl_cached_eigen(held), &subject);
    bl_cache_release(held);
    return with_topic(json, &w.topic, stored ? ",\"source\":\"atlas\"" : ",\"source\":\"scan\"", &call->err);
}
