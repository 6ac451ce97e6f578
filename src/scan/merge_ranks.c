/* Merging by the tie rule (bl_top_offer) makes the result independent of which rank found what.
 *
 * Lists travel as: for each j how many matches; for each of them a head, then its tokens or its
 * contributions. All parts are multiples of four bytes, so that tokens and numbers are aligned where they
 * arrive. */
#include "scan/top.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <stdlib.h>
#include <string.h>

typedef struct head {
    uint64_t story, position;
    float similarity;
    uint32_t n_ids;
} head;

static bool offer_all(bl_top *tops, size_t J, const char *data, bl_error *err) {
    for (size_t j = 0; j < J; j++) {
        uint64_t n;
        memcpy(&n, data, sizeof n);
        data += sizeof n;
        for (uint64_t i = 0; i < n; i++) {
            head h;
            memcpy(&h, data, sizeof h);
            const int32_t *ids = (const int32_t *)(const void *)(data + sizeof h);
            data += sizeof h + h.n_ids * sizeof *ids;
            if (!bl_top_offer(&tops[j], h.story, (size_t)h.position, h.similarity, ids, h.n_ids, err))
                return false;
        }
    }
    return true;
}

static void tops_free(bl_top *tops, size_t J) {
    for (size_t j = 0; tops && j < J; j++) bl_top_free(&tops[j]);
    free(tops);
}

bool bl_tops_merge(const bl_ranks *ranks, bl_top *tops, size_t J, bl_error *err) {
    if (ranks->size == 1) return true;
    bl_buffer mine = {0};
    bl_gathered all = {0};
    bl_top *merged = bl_alloc_zero(J, sizeof *merged, err);
    bool ok = merged != NULL;
    for (size_t j = 0; j < J; j++) {
        uint64_t n = tops[j].n;
        bl_buffer_add(&mine, (const char *)&n, sizeof n);
        for (size_t i = 0; i < n; i++) {
            const bl_candidate *c = &tops[j].list[i];
            head h = {c->story, c->position, c->similarity, (uint32_t)c->n_ids};
            bl_buffer_add(&mine, (const char *)&h, sizeof h);
            bl_buffer_add(&mine, (const char *)c->ids, c->n_ids * sizeof *c->ids);
        }
        ok = ok && bl_top_init(&merged[j], tops[j].most, err);
    }
    if (ok && mine.failed) ok = bl_fail(err, BL_ERR_MEMORY, "out of memory");
    ok = bl_ranks_agree(ranks, ok, err) && bl_ranks_gather_all(ranks, mine.data, mine.n, &all, err);
    for (int r = 0; ok && r < ranks->size; r++) ok = offer_all(merged, J, all.data + all.begin[r], err);
    ok = bl_ranks_agree(ranks, ok, err) && merged;
    for (size_t j = 0; ok && j < J; j++) {
        bl_top old = tops[j];
        tops[j] = merged[j];
        merged[j] = old;
    }
    tops_free(merged, J);
    bl_buffer_free(&mine);
    bl_gathered_free(&all);
    return ok;
}

static const char *take(const char *data, float *out, size_t n) {
    memcpy(out, data, n * sizeof *out);
    return data + n * sizeof *out;
}

/* What belongs to rank r's lists, out of its bytes. */
static bool take_contributions(const bl_ranks *ranks, int r, bl_top *tops, size_t J, size_t rows,
                               const char *data, bl_error *err) {
    for (size_t j = (size_t)r; j < J; j += (size_t)ranks->size)
        for (size_t i = 0; i < tops[j].n; i++) {
            bl_candidate *c = &tops[j].list[i];
            size_t n = c->position + 1;
            c->contributions = bl_alloc(n, sizeof *c->contributions, err);
            if (rows) c->heads = bl_alloc(rows * n, sizeof *c->heads, err);
            if (!c->contributions || (rows && !c->heads)) return false;
            data = take(take(data, &c->bias, 1), c->contributions, n);
            if (rows) data = take(data, c->heads, rows * n);
        }
    return true;
}

bool bl_tops_share_contributions(const bl_ranks *ranks, bl_top *tops, size_t J, size_t rows, bl_error *err) {
    if (ranks->size == 1) return true;
    bl_buffer mine = {0};
    bl_gathered all = {0};
    for (size_t j = (size_t)ranks->rank; j < J; j += (size_t)ranks->size)
        for (size_t i = 0; i < tops[j].n; i++) {
            const bl_candidate *c = &tops[j].list[i];
            bl_buffer_add(&mine, (const char *)&c->bias, sizeof c->bias);
            bl_buffer_add(&mine, (const char *)c->contributions,
                          (c->position + 1) * sizeof *c->contributions);
            if (rows)
                bl_buffer_add(&mine, (const char *)c->heads, rows * (c->position + 1) * sizeof *c->heads);
        }
    bool ok = !mine.failed || bl_fail(err, BL_ERR_MEMORY, "out of memory");
    ok = bl_ranks_agree(ranks, ok, err) && bl_ranks_gather_all(ranks, mine.data, mine.n, &all, err);
    for (int r = 0; ok && r < ranks->size; r++)
        if (r != ranks->rank) ok = take_contributions(ranks, r, tops, J, rows, all.data + all.begin[r], err);
    bl_buffer_free(&mine);
    bl_gathered_free(&all);
    return bl_ranks_agree(ranks, ok, err);
}
