/* Routes, answers, and what all handlers write alike. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "serve/explorer_private.h"
#include "serve/requested.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct route {
    const char *path;
    bl_effort effort;
    bool keep; /* answers depend on nothing but the parameters */
    const char *parameters;
    bl_tree *(*handle)(bl_call *call);
} route;

static const route routes[] = {
    {"/api/info", BL_EFFORT_QUICK, false, "", bl_api_info},
    {"/api/tokens", BL_EFFORT_QUICK, false, "q sort ascending limit offset least whole reads", bl_api_tokens},
    {"/api/directions", BL_EFFORT_QUICK, false, "q sort ascending limit offset least whole reads layer",
     bl_api_directions},
    {"/api/eigen", BL_EFFORT_MEDIUM, true, BL_REQUESTED_PARAMETERS " eigs*", bl_api_eigen},
    {"/api/scan", BL_EFFORT_LONG, true, BL_REQUESTED_PARAMETERS " eigs* top stories heads", bl_api_scan},
    {"/api/heads", BL_EFFORT_LONG, true, BL_REQUESTED_PARAMETERS " distance k", bl_api_heads},
    {"/api/sentence", BL_EFFORT_MEDIUM, true, "text story", bl_api_sentence},
    {"/api/sentence/excited", BL_EFFORT_MEDIUM, true, "text story position limit layer", bl_api_excited},
    {"/api/sentence/contributions", BL_EFFORT_MEDIUM, true, BL_REQUESTED_PARAMETERS " text position index",
     bl_api_contributions},
    {"/api/evidence", BL_EFFORT_LONG, true, BL_REQUESTED_PARAMETERS " eigs* stories controls",
     bl_api_evidence},
    {"/api/layers", BL_EFFORT_LONG, true, BL_REQUESTED_PARAMETERS " stories", bl_api_layers},
    {"/api/features", BL_EFFORT_LONG, true, BL_REQUESTED_PARAMETERS " k", bl_api_features},
    {"/api/readers", BL_EFFORT_QUICK, true, "token source limit layer", bl_api_readers},
    {"/api/similar", BL_EFFORT_MEDIUM, true, BL_REQUESTED_PARAMETERS " k", bl_api_similar},
    {"/api/explain", BL_EFFORT_MEDIUM, true, BL_REQUESTED_PARAMETERS " text story position most eigs* words",
     bl_api_explain},
};

static const route image_routes[] = {
    {"/api/info", BL_EFFORT_QUICK, false, "", bl_api_image_info},
    {"/api/gallery", BL_EFFORT_MEDIUM, true, "space raw layer", bl_api_image_gallery},
    {"/api/eigen", BL_EFFORT_MEDIUM, true, "class minus* direction space layer eigs*", bl_api_image_eigen},
    {"/api/scan", BL_EFFORT_LONG, true, "class minus* direction space layer eigs* top", bl_api_image_scan},
    {"/api/image", BL_EFFORT_QUICK, false, "image", bl_api_image_one},
    {"/api/explain", BL_EFFORT_MEDIUM, true, "image classes top space", bl_api_image_explain},
};

static const route *find_route(const bl_explorer *e, const char *path) {
    const route *table = e->image ? image_routes : routes;
    size_t n = e->image ? sizeof image_routes / sizeof *routes : sizeof routes / sizeof *routes;
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].path, path) == 0) return &table[i];
    return NULL;
}

bool bl_explorer_route(const bl_explorer *explorer, const char *path, bl_effort *effort) {
    const route *r = find_route(explorer, path);
    if (r) *effort = r->effort;
    return r != NULL;
}

void *bl_call_refuse(bl_call *call, unsigned status, const char *code, const char *message) {
    call->status = status;
    call->code = code;
    return bl_fail_null(&call->err, BL_ERR_USAGE, "%s", message);
}

static bool go_on(void *context, const char *phase, uint64_t done, uint64_t total) {
    const bl_call *call = context;
    (void)phase, (void)done, (void)total;
    return !call->cancelled || !call->cancelled(call->context);
}

bl_progress bl_call_progress(bl_call *call) { return (bl_progress){go_on, call}; }

static unsigned status_of(bl_code code) {
    switch (code) {
    case BL_ERR_USAGE:
    case BL_ERR_INPUT: return 400;
    case BL_ERR_UNSUPPORTED: return 422;
    case BL_ERR_MEMORY:
    case BL_ERR_CANCELLED: return 503;
    default: return 500;
    }
}

static void fill_error(bl_answer *answer, unsigned status, const char *code, const char *message,
                       const bl_explorer *e, const char *lost) {
    bl_error err = {0};
    bl_builder b = {&err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *error = bl_put_object(&b, root, "error");
    bl_put_text(&b, error, "code", code);
    bl_put_text(&b, error, "message", message);
    if (lost) {
        int32_t ids[3];
        size_t n = bl_tokenizer_nearest(bl_model_tokenizer(e->model), lost, ids, 3);
        bl_put_tokens(&b, error, "nearest", e->model, ids, n);
    }
    bl_tree *tree = bl_tree_built(&b, root);
    *answer = (bl_answer){.status = status, .owned = bl_tree_text(tree, &err)};
    bl_tree_free(tree);
    answer->text =
        answer->owned ? answer->owned : "{\"error\": {\"code\": \"memory\", \"message\": \"out of memory\"}}";
    answer->n = strlen(answer->text);
}

void bl_answer_error(bl_answer *answer, unsigned status, const char *message) {
    static const struct {
        unsigned status;
        const char *code;
    } codes[] = {{400, "usage"},       {403, "forbidden"}, {404, "not_found"}, {405, "method"},
                 {408, "timeout"},     {413, "too_large"}, {414, "too_large"}, {415, "media_type"},
                 {421, "misdirected"}, {431, "too_large"}, {505, "usage"},     {503, "busy"}};
    const char *code = "error";
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == status) code = codes[i].code;
    fill_error(answer, status, code, message, NULL, NULL);
}

void bl_answer_release(bl_answer *answer) {
    bl_cache_release(answer->cached);
    bl_free(answer->owned);
    *answer = (bl_answer){0};
}

/* The path with its parameters, as they came. */
static char *key_of(const bl_request *request, bl_error *err) {
    bl_buffer out = {0};
    bl_buffer_text(&out, request->path);
    for (size_t i = 0; i < request->n; i++) { /* control characters do not occur in names that are known */
        bl_buffer_print(&out, "\n%s=", request->list[i].name);
        for (const char *c = request->list[i].value; *c; c++)
            bl_buffer_add(&out, *c == '\n' ? "\n\n" : c, *c == '\n' ? 2 : 1);
    }
    return bl_buffer_take(&out, err);
}

static void use_cached(bl_answer *answer, bl_cached *cached) {
    const char *text = bl_cached_value(cached);
    *answer = (bl_answer){.status = 200, .text = text, .n = strlen(text), .cached = cached};
}

/* A message that begins with the model's name, which may be a path of the server: its last part is enough. */
static const char *without_folder(const bl_explorer *e, const char *message) {
    const char *name = e->model ? bl_model_name(e->model) : "", *slash = strrchr(name, '/');
    bool begins = slash && strncmp(message, name, strlen(name)) == 0;
    return begins ? message + (slash + 1 - name) : message;
}

static void fail(bl_answer *answer, bl_call *call) {
    if (call->explorer->atlas && bl_atlas_reader_is_own(call->explorer->atlas, &call->err)) {
        call->status = 0;
        call->code = NULL;
    }
    unsigned status = call->status ? call->status : status_of(call->err.code);
    fill_error(answer, status, call->code ? call->code : bl_code_name(call->err.code),
               without_folder(call->explorer, call->err.message), call->explorer, call->lost);
}

/* How many of `threads` an answer is computed with: the page asks for all about a sentence at once. */
static int share_of(const route *r, int threads) {
    bl_tree *(*const together[])(bl_call *) = {bl_api_sentence, bl_api_excited, bl_api_explain};
    for (size_t i = 0; i < 3; i++)
        if (r->handle == together[i]) return (threads + 2) / 3;
    return threads;
}

void bl_explorer_answer(bl_explorer *explorer, const bl_request *request, bool (*cancelled)(void *context),
                        void *context, bl_answer *answer) {
    bl_call call = {.explorer = explorer, .request = request, .cancelled = cancelled, .context = context};
    const route *r = find_route(explorer, request->path);
    if (!r) {
        bl_answer_error(answer, 404, "there is no such path");
        return;
    }
    char *key = NULL, *text = NULL;
    bl_cached *found = NULL;
    if (!bl_request_check(request, r->parameters, &call.err)) goto failed;
    if (r->keep) {
        key = key_of(request, &call.err);
        if (!key) goto failed;
        found = bl_cache_find(explorer->answers, key);
    }
    if (!found) {
        int threads = bl_threads();
        omp_set_num_threads(share_of(r, threads)); /* this thread's own number */
        bl_tree *tree = r->handle(&call);
        omp_set_num_threads(threads);
        text = bl_tree_text(tree, &call.err);
        bl_tree_free(tree);
        if (!text) goto failed;
        if (r->keep) found = bl_cache_add(explorer->answers, key, text, strlen(text) + 1, &call.err);
        else *answer = (bl_answer){.status = 200, .text = text, .n = strlen(text), .owned = text};
        if (r->keep && !found) goto failed;
    }
    if (found) use_cached(answer, found);
    free(key);
    bl_direction_free(call.parsed);
    return;
failed:
    free(key);
    fail(answer, &call);
    bl_direction_free(call.parsed);
}
