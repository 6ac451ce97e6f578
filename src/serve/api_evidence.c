/* GET /api/evidence: whether an eigenvector matters, measured on the explorer's stories. */
#include "base/buffer.h"
#include "base/error.h"
#include "serve/requested.h"
#include <bilens/evidence.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_STORIES = 1000 };

/* Whether `token` is among the predicted ones of a story. */
static bool has_token(const bl_token_stories *stories, size_t i, int32_t token) {
    for (size_t p = stories->begin[i] + 1; p < stories->begin[i + 1]; p++)
        if (stories->ids[p] == token) return true;
    return false;
}

static bool add_story(bl_call *call, const bl_token_stories *stories, size_t i, bl_buffer *out) {
    char *text =
        bl_tokenizer_decode(bl_model_tokenizer(call->explorer->model), stories->ids + stories->begin[i],
                            stories->begin[i + 1] - stories->begin[i], &call->err);
    if (!text) return false;
    bl_buffer_text(out, text);
    bl_buffer_text(out, "\n<|endoftext|>\n");
    bl_free(text);
    return true;
}

/* At most `most` stories as the text of a .txt corpus: those that hold the token, then the first others. */
static char *text_of(bl_call *call, int32_t token, size_t most, size_t *size) {
    bl_token_stories stories;
    bl_buffer out = {0};
    size_t n = 0;
    if (!bl_stories_get(call->explorer->stories, &stories, &call->err)) return NULL;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < stories.n && n < most; i++) {
            if (has_token(&stories, i, token) != (pass == 0)) continue;
            if (!add_story(call, &stories, i, &out)) {
                bl_buffer_free(&out);
                return NULL;
            }
            n++;
        }
    *size = out.n;
    return bl_buffer_take(&out, &call->err);
}

bl_tree *bl_api_evidence(bl_call *call) {
    bl_requested t;
    long eigs[BL_MOST_INDICES];
    size_t n, stories, controls, size = 0;
    bl_corpus *corpus = NULL;
    bl_tree *tree = NULL;
    if (!bl_requested_read(call, &t) || !bl_indices_read(call, "eigs", eigs, &n) ||
        !bl_request_count(call->request, "stories", 48, MOST_STORIES, &stories, &call->err) ||
        !bl_request_count(call->request, "controls", 5, 100, &controls, &call->err))
        return NULL;
    if (!stories || !controls)
        return bl_fail_null(&call->err, BL_ERR_USAGE, "stories and controls must be at least 1");
    char *text = text_of(call, t.own ? -1 : t.id, stories, &size);
    if (text) corpus = bl_corpus_open_memory("stories.txt", text, size, &call->err);
    if (corpus) {
        bl_question question = {call->explorer->model, &t.direction, t.layer};
        bl_matter_options options = {.eigs = eigs,
                                     .n_eigs = n,
                                     .ablated = eigs,
                                     .n_ablated = n < 2 ? n : 2,
                                     .stories = stories,
                                     .controls = controls,
                                     .progress = bl_call_progress(call)};
        tree = bl_matter_tree(&question, corpus, &options, &call->err);
    }
    bl_corpus_free(corpus);
    bl_free(text);
    return tree;
}
