#include "scan/top.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

bool bl_top_init(bl_top *top, size_t most, bl_error *err) {
    *top = (bl_top){.most = most};
    top->list = bl_alloc_zero(most, sizeof *top->list, err);
    top->scored = bl_alloc(most, sizeof *top->scored, err);
    top->best = bl_best_begin(top->scored, most);
    if (top->list && top->scored) return true;
    bl_top_free(top);
    return false;
}

static void candidate_free(bl_candidate *candidate) {
    free(candidate->ids);
    free(candidate->contributions);
    free(candidate->heads);
    *candidate = (bl_candidate){0};
}

void bl_top_free(bl_top *top) {
    for (size_t i = 0; top->list && i < top->n; i++) candidate_free(&top->list[i]);
    free(top->list);
    free(top->scored);
    *top = (bl_top){0};
}

/* Fills a free place of the list. */
static bool fill(bl_candidate *place, uint64_t story, size_t position, float similarity, const int32_t *ids,
                 size_t n_ids, bl_error *err) {
    *place = (bl_candidate){.story = story, .position = position, .similarity = similarity, .n_ids = n_ids};
    place->ids = bl_alloc(n_ids, sizeof *ids, err);
    if (place->ids) memcpy(place->ids, ids, n_ids * sizeof *ids);
    return place->ids != NULL;
}

bool bl_top_offer(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                  size_t n_ids, bl_error *err) {
    size_t slot = bl_best_offer(&top->best, similarity * similarity, story);
    if (slot == BL_BEST_NONE) return true;
    candidate_free(&top->list[slot]);
    top->n = top->best.n;
    return fill(&top->list[slot], story, position, similarity, ids, n_ids, err);
}

bool bl_top_sort(bl_top *top, bl_error *err) {
    bl_candidate *sorted = bl_alloc(top->most, sizeof *sorted, err);
    if (!sorted) return false;
    bl_best_sort(&top->best);
    for (size_t i = 0; i < top->n; i++) sorted[i] = top->list[top->scored[i].slot];
    free(top->list);
    top->list = sorted;
    return true;
}

bool bl_top_append(bl_top *top, uint64_t story, size_t position, float similarity, const int32_t *ids,
                   size_t n_ids, bl_error *err) {
    return fill(&top->list[top->n++], story, position, similarity, ids, n_ids, err);
}
