#include "scan/top.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

bool bl_top_init(bl_top *top, size_t most, bl_error *err) {
    *top = (bl_top){.most = most};
    top->list = bl_alloc_zero(most, sizeof *top->list, err);
    return top->list != NULL;
}

static void candidate_free(bl_candidate *candidate) {
    free(candidate->ids);
    free(candidate->contributions);
    free(candidate->heads);
}

void bl_top_free(bl_top *top) {
    for (size_t i = 0; top->list && i < top->n; i++) candidate_free(&top->list[i]);
    free(top->list);
    *top = (bl_top){0};
}

bool bl_top_offer(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                  size_t n_ids, bl_error *err) {
    float square = similarity * similarity;
    size_t at = top->n;
    for (; at > 0; at--) {
        const bl_candidate *other = &top->list[at - 1];
        float others = other->similarity * other->similarity;
        if (square < others || (square == others && story > other->story)) break;
    }
    if (at == top->most) return true;
    int32_t *copy = bl_alloc(n_ids, sizeof *copy, err);
    if (!copy) return false;
    memcpy(copy, ids, n_ids * sizeof *copy);
    if (top->n == top->most) candidate_free(&top->list[--top->n]);
    memmove(top->list + at + 1, top->list + at, (top->n - at) * sizeof *top->list);
    top->list[at] = (bl_candidate){
        .story = story, .position = position, .similarity = similarity, .ids = copy, .n_ids = n_ids};
    top->n++;
    return true;
}

bool bl_top_append(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                   size_t n_ids, bl_error *err) {
    int32_t *copy = bl_alloc(n_ids, sizeof *copy, err);
    if (!copy) return false;
    memcpy(copy, ids, n_ids * sizeof *copy);
    top->list[top->n++] = (bl_candidate){
        .story = story, .position = position, .similarity = similarity, .ids = copy, .n_ids = n_ids};
    return true;
}
