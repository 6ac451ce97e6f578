#include "atlas/exchange.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

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
                bl_hits_offer(all, j, &hit);
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
