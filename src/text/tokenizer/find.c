/* Finding the token that a user means, and suggesting others when there is none. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/tokenizer/tokenizer_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SUGGESTIONS 3
#define MAX_QUERY 64 /* code points; nothing is suggested for longer ones */

/* Code points of the first MAX_QUERY + 1 of a string. */
static size_t points_of(const char *text, uint32_t *points) {
    size_t n = 0, length = strlen(text);
    for (size_t i = 0; i < length && n <= MAX_QUERY;) points[n++] = bl_utf8_next(text, &i);
    return n;
}

/* Levenshtein distance of a and b, or a number above `limit` as soon as it is known to be above. */
static size_t distance(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, size_t limit) {
    size_t row[MAX_QUERY + 2];
    if ((n_a > n_b ? n_a - n_b : n_b - n_a) > limit) return limit + 1;
    for (size_t j = 0; j <= n_b; j++) row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0], least = i;
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j], row[j] = best;
            if (best < least) least = best;
        }
        if (least > limit) return limit + 1;
    }
    return row[n_b];
}

/* The ids nearest to `token`, by distance, then by id; at most half of its characters may differ. */
static size_t nearest(const bl_tokenizer *tokenizer, const char *token, int32_t *ids) {
    uint32_t a[MAX_QUERY + 1], b[MAX_QUERY + 1];
    size_t distances[MAX_SUGGESTIONS], found = 0, n_a = points_of(token, a);
    if (n_a > MAX_QUERY) return 0;
    for (size_t id = 0; id < tokenizer->vocabulary.size; id++) {
        const char *other = bl_tokenizer_token(tokenizer, (int32_t)id);
        if (!other || !*other) continue;
        size_t n_b = points_of(other, b), limit = (n_a + 1) / 2;
        if (found == MAX_SUGGESTIONS && distances[found - 1] <= limit) limit = distances[found - 1] - 1;
        if (n_b > MAX_QUERY) continue;
        size_t d = distance(a, n_a, b, n_b, limit);
        if (d > limit) continue;
        size_t at = found < MAX_SUGGESTIONS ? found++ : found - 1;
        for (; at > 0 && distances[at - 1] > d; at--)
            distances[at] = distances[at - 1], ids[at] = ids[at - 1];
        distances[at] = d, ids[at] = (int32_t)id;
    }
    return found;
}

/* "#1234" as a number; -1 when it is not one. */
static long long number_after_hash(const char *token) {
    if (token[0] != '#' || token[1] == '\0' || strspn(token + 1, "0123456789") != strlen(token + 1))
        return -1;
    return strtoll(token + 1, NULL, 10);
}

/* A token of BPE with its blanks as a keyboard has them: " swim" for "Ġswim" or "▁swim". -1: none, or one
 * that needs no such help. */
static int32_t with_blanks(const bl_tokenizer *tokenizer, const char *token) {
    static const char *const signs[] = {"\xC4\xA0", "\xE2\x96\x81"};
    char spelled[200];
    int32_t id = -1;
    if (!tokenizer->model.keeps_blanks || !strchr(token, ' ') || 3 * strlen(token) >= sizeof spelled)
        return -1;
    for (size_t sign = 0; sign < sizeof signs / sizeof *signs && id < 0; sign++) {
        size_t n = 0;
        for (const char *c = token; *c; c++) {
            size_t length = *c == ' ' ? strlen(signs[sign]) : 1;
            memcpy(spelled + n, *c == ' ' ? signs[sign] : c, length);
            n += length;
        }
        spelled[n] = '\0';
        id = bl_tokenizer_id(tokenizer, spelled);
    }
    return id;
}

int32_t bl_tokenizer_find(const bl_tokenizer *tokenizer, const char *token, bl_error *err) {
    if (!tokenizer) {
        bl_no_tokenizer(err);
        return -1;
    }
    int32_t id = bl_tokenizer_id(tokenizer, token), ids[MAX_SUGGESTIONS];
    if (id < 0) id = with_blanks(tokenizer, token);
    if (id >= 0) return id;
    long long number = number_after_hash(token);
    if (number >= 0 && number < INT32_MAX && bl_tokenizer_token(tokenizer, (int32_t)number))
        return (int32_t)number;
    if (number >= 0) {
        bl_fail(err, BL_ERR_USAGE, "id %.24s is not in the vocabulary, which has %zu ids, #0 to #%zu", token,
                bl_tokenizer_size(tokenizer), bl_tokenizer_size(tokenizer) - 1);
        return -1;
    }
    size_t length = strlen(token), bad;
    if (!bl_utf8_check(token, length, &bad)) {
        bl_fail(err, BL_ERR_USAGE, "the token is not valid UTF-8 (byte 0x%02x at offset %zu)",
                (unsigned char)token[bad], bad);
        return -1;
    }
    int shown = (int)(length <= 100 ? length : bl_utf8_clip(token, 100));
    size_t n = nearest(tokenizer, token, ids);
    char list[512] = "";
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const char *other = bl_tokenizer_token(tokenizer, ids[i]);
        if (used + strlen(other) + sizeof "; nearest: " > sizeof list) continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "; nearest: ", other);
    }
    bl_fail(err, BL_ERR_USAGE,
            "\"%.*s%s\" is not in the vocabulary%s (a token may also be named by its id, as #1234)", shown,
            token, (size_t)shown < length ? "…" : "", list);
    return -1;
}

size_t bl_tokenizer_nearest(const bl_tokenizer *tokenizer, const char *token, int32_t *ids, size_t most) {
    int32_t found[MAX_SUGGESTIONS];
    size_t bad, n = 0;
    if (tokenizer && bl_utf8_check(token, strlen(token), &bad)) n = nearest(tokenizer, token, found);
    if (n > most) n = most;
    for (size_t i = 0; i < n; i++) ids[i] = found[i];
    return n;
}
