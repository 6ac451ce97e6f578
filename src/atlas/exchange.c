#include "atlas/exchange.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

/* The tie rule: larger square first, then the lower story. */
static bool is_better(const bl_hit *a, const bl_hit *b) {
    float x = a->similarity * a->similarity, y = b->similarity * b->similarity;
    return x > y || (x == y && a->story < b->story);
}

static void insert(bl_hit *list, uint32_t *have, size_t top, const bl_hit *hit) {
    size_t at = *have;
    while (at > 0 && is_better(hit, &list[at - 1])) at--;
    if (at == top) return;
    if (*have < top) ++*have;
    memmove(list + at + 1, list + at, (*have - 1 - at) * sizeof *list);
    list[at] = *hit;
}

bool bl_hits_gather(const bl_ranks *ranks, const bl_hits *mine, bl_hits *all, bl_error *err) {
    size_t counts = mine->J * sizeof *mine->have, lists = mine->J * mine->top * sizeof *mine->list;
    bl_gathered got = {0};
    char *message = bl_alloc(counts + lists, 1, err);
    if (message) {
        memcpy(message, mine->have, counts);
        memcpy(message + counts, mine->list, lists);
    }
    bool ok = bl_ranks_agree(ranks, message != NULL, err) &&
              bl_ranks_gather(ranks, message, counts + lists, &got, err);
    for (int r = 0; ok && ranks->rank == 0 && r < ranks->size; r++) {
        const char *data = got.data + got.begin[r];
        for (size_t j = 0; j < mine->J; j++) {
            uint32_t have;
            memcpy(&have, data + j * sizeof have, sizeof have);
            for (size_t i = 0; i < have; i++) {
                bl_hit hit;
                memcpy(&hit, data + counts + (j * mine->top + i) * sizeof hit, sizeof hit);
                insert(all->list + j * mine->top, &all->have[j], mine->top, &hit);
            }
        }
    }
    bl_gathered_free(&got);
    free(message);
    return ok;
}

bool bl_hits_share(const bl_ranks *ranks, bl_hits *hits, bl_error *err) {
    return bl_ranks_share(ranks, hits->have, hits->J * sizeof *hits->have, err) &&
           bl_ranks_share(ranks, hits->list, hits->J * hits->top * sizeof *hits->list, err);
}
