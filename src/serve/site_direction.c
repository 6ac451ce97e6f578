/* One direction of a static site, as short as its drawing allows: a spectrum as differences of 16-bit numbers
 * (error 1.5e-5 of the largest |lambda|), virtual tokens as ids with three significant digits, contributions
 * as whole numbers up to 250 (error 0.2 % of a match's largest). */
#include "serve/site_direction.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 250.0

/* "largest", "effective_rank", "constant", "groups", "spectrum" */
static void write_spectrum(const bl_eigen *eigen, bl_buffer *out) {
    const float *values = bl_eigen_values(eigen);
    size_t n = bl_eigen_size(eigen), first, last, groups = 0;
    double largest = fmax(fabs((double)values[0]), fabs((double)values[n - 1]));
    bl_buffer_print(out, "\"largest\":%.7g,\"effective_rank\":%.6g,\"constant\":%.7g,\"groups\":[", largest,
                    bl_eigen_effective_rank(eigen), (double)bl_eigen_constant(eigen));
    for (size_t i = 0; i < n; i = last + 1) {
        bl_eigen_group(eigen, i, &first, &last);
        if (last > first) bl_buffer_print(out, groups++ ? ",[%zu,%zu]" : "[%zu,%zu]", first, last);
    }
    bl_buffer_text(out, "],\"spectrum\":[");
    long before = 0;
    for (size_t i = 0; i < n; i++) {
        long at = largest > 0 ? lround((double)values[i] / largest * 32767) : 0;
        bl_buffer_print(out, i ? ",%ld" : "%ld", at - before);
        before = at;
    }
    bl_buffer_text(out, "]");
}

/* "words": for each source [[id, value, …] highest first, [id, value, …] lowest first]. */
static void write_words(const bl_look_words *words, bl_buffer *out) {
    bl_buffer_text(out, "\"words\":[");
    for (size_t i = 0; i < words->n; i++) {
        const bl_look_word *w = &words->list[i], *before = i ? w - 1 : NULL;
        bool source = !before || before->source != w->source, end = source || before->top != w->top;
        if (end && before) bl_buffer_text(out, source ? "]]," : "],");
        if (source) bl_buffer_text(out, "[");
        bl_buffer_text(out, end ? "[" : ",");
        bl_buffer_print(out, "%d,%.3g", (int)w->token, (double)w->value);
    }
    bl_buffer_text(out, words->n ? "]]]" : "]");
}

static bool refer(bl_site_stories *stories, const bl_match *match, bl_error *err) {
    size_t i = 0;
    while (i < stories->n && stories->list[i].story != match->story) i++;
    if (i < stories->n && stories->list[i].n >= match->n_ids) return true;
    int32_t *ids = bl_alloc(match->n_ids, sizeof *ids, err);
    if (!ids) return false;
    memcpy(ids, match->ids, match->n_ids * sizeof *ids);
    if (i == stories->n) {
        if (!bl_grow(&stories->list, &stories->capacity, stories->n + 1, sizeof *stories->list, err)) {
            free(ids);
            return false;
        }
        stories->n++;
        stories->list[i].ids = NULL;
    }
    free(stories->list[i].ids);
    stories->list[i].story = match->story;
    stories->list[i].ids = ids;
    stories->list[i].n = match->n_ids;
    return true;
}

/* [story, position, similarity, activation, bias, scale, [shares of position 0 … position, in units of
 * scale]] */
static void write_match(const bl_match *m, bl_buffer *out) {
    double most = 0;
    for (size_t p = 0; p <= m->position; p++) most = fmax(most, fabs((double)m->contributions[p]));
    bl_buffer_print(out, "[%zu,%zu,%.6g,%.6g,%.6g,%.6g,[", m->story, m->position, (double)m->similarity,
                    (double)m->activation, (double)m->bias, most / SHARE);
    for (size_t p = 0; p <= m->position; p++)
        bl_buffer_print(out, p ? ",%ld" : "%ld",
                        most > 0 ? lround((double)m->contributions[p] / most * SHARE) : 0);
    bl_buffer_text(out, "]]");
}

static bool write_vector(bl_explorer *e, int32_t id, long index, double eigenvalue, bl_site_stories *stories,
                         bl_buffer *out, bl_error *err) {
    bl_look_matches found = {0};
    bl_look_words words = {0};
    bool ok = bl_look_get_words(e->atlas, id, index, &words, err) &&
              bl_look_get_matches(e->atlas, id, index, (size_t)bl_look_get_facts(e->atlas)->top, &found, err);
    bl_buffer_print(out, "{\"index\":%ld,\"eigenvalue\":%.9g,\"bias\":%.6g,", index, eigenvalue,
                    (double)words.bias);
    write_words(&words, out);
    bl_buffer_text(out, ",\"matches\":[");
    for (size_t i = 0; ok && i < found.n; i++) {
        if (i) bl_buffer_text(out, ",");
        write_match(&found.list[i], out);
        ok = refer(stories, &found.list[i], err);
    }
    bl_buffer_text(out, "]}");
    bl_look_words_free(&words);
    bl_look_matches_free(&found);
    return ok;
}

bool bl_site_direction(bl_explorer *e, int32_t id, const bl_eigen *eigen, const bl_eigen *null_eigen,
                       bl_site_stories *stories, bl_buffer *out, bl_error *err) {
    const bl_look_direction *d = bl_look_get_direction(e->atlas, (size_t)id);
    long K = (long)bl_look_n_values(e->atlas) / 2;
    bool ok = true;
    bl_buffer_text(out, "{");
    if (eigen) write_spectrum(eigen, out);
    if (eigen && null_eigen) {
        bl_buffer_text(out, ",\"null\":{");
        write_spectrum(null_eigen, out);
        bl_buffer_text(out, "}");
    }
    bl_buffer_text(out, eigen ? ",\"vectors\":[" : "\"vectors\":[");
    for (long i = 0; ok && i < 2 * K; i++) { /* -1 … -K, 0 … K-1, as everywhere */
        long index = i < K ? -i - 1 : i - K;
        if (i) bl_buffer_text(out, ",");
        ok = write_vector(e, id, index, (double)d->values[index < 0 ? 2 * K + index : index], stories, out,
                          err);
    }
    bl_buffer_text(out, "]}");
    return ok;
}

static int by_story(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b; /* the first member */
    return (x > y) - (x < y);
}

void bl_site_stories_write(bl_site_stories *stories, bl_buffer *out) {
    if (stories->n) qsort(stories->list, stories->n, sizeof *stories->list, by_story);
    bl_buffer_text(out, "{");
    for (size_t i = 0; i < stories->n; i++) {
        bl_buffer_print(out, "%s\"%llu\":[", i ? "," : "", (unsigned long long)stories->list[i].story);
        for (size_t p = 0; p < stories->list[i].n; p++)
            bl_buffer_print(out, p ? ",%d" : "%d", (int)stories->list[i].ids[p]);
        bl_buffer_text(out, "]");
        free(stories->list[i].ids);
    }
    bl_buffer_text(out, "}");
    stories->n = 0;
}

void bl_site_stories_free(bl_site_stories *stories) {
    for (size_t i = 0; i < stories->n; i++) free(stories->list[i].ids);
    free(stories->list);
    *stories = (bl_site_stories){0};
}
