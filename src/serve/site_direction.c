/* One direction of a static site, as short as its drawing allows: a spectrum as differences of 16-bit numbers
 * (error 1.5e-5 of the largest |lambda|), virtual tokens as ids with three significant digits, contributions
 * as whole numbers up to 250 (error 0.2 % of a match's largest). */
#include "serve/site_direction.h"
#include "base/error.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 250.0

/* A number with so many significant digits: what a data file has to carry. */
static double rounded(double value, int digits) {
    if (value == 0 || !isfinite(value)) return value;
    double scale = pow(10, digits - 1 - (int)floor(log10(fabs(value))));
    return isfinite(scale) ? round(value * scale) / scale : value;
}

/* "largest", "effective_rank", "constant", "groups", "spectrum" */
static void put_spectrum(const bl_eigen *eigen, bl_builder *b, bl_tree *at) {
    const float *values = bl_eigen_values(eigen);
    size_t n = bl_eigen_size(eigen), first, last;
    double largest = fmax(fabs((double)values[0]), fabs((double)values[n - 1]));
    bl_put_real(b, at, "largest", rounded(largest, 7));
    bl_put_real(b, at, "effective_rank", rounded(bl_eigen_effective_rank(eigen), 6));
    bl_put_real(b, at, "constant", rounded((double)bl_eigen_constant(eigen), 7));
    bl_tree *groups = bl_put_array(b, at, "groups");
    for (size_t i = 0; i < n; i = last + 1) {
        bl_eigen_group(eigen, i, &first, &last);
        if (last == first) continue;
        bl_tree *group = bl_put_array(b, groups, NULL);
        bl_put_count(b, group, NULL, first);
        bl_put_count(b, group, NULL, last);
    }
    bl_tree *spectrum = bl_put_array(b, at, "spectrum");
    long before = 0;
    for (size_t i = 0; i < n; i++) {
        long here = largest > 0 ? lround((double)values[i] / largest * 32767) : 0;
        bl_put_integer(b, spectrum, NULL, here - before);
        before = here;
    }
}

/* "words": for each source [[id, value, …] highest first, [id, value, …] lowest first]. */
static void put_words(const bl_atlas_reader_words *words, bl_builder *b, bl_tree *at) {
    bl_tree *list = bl_put_array(b, at, "words"), *source = NULL, *end = NULL;
    for (size_t i = 0; i < words->n; i++) {
        const bl_atlas_reader_word *w = &words->list[i], *before = i ? w - 1 : NULL;
        bool begins = !before || before->source != w->source;
        if (begins) source = bl_put_array(b, list, NULL);
        if (begins || before->top != w->top) end = bl_put_array(b, source, NULL);
        bl_put_integer(b, end, NULL, w->token);
        bl_put_real(b, end, NULL, rounded((double)w->value, 3));
    }
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
static void put_match(const bl_match *m, bl_builder *b, bl_tree *list) {
    double most = 0;
    for (size_t p = 0; p <= m->position; p++) most = fmax(most, fabs((double)m->contributions[p]));
    bl_tree *match = bl_put_array(b, list, NULL);
    bl_put_count(b, match, NULL, m->story);
    bl_put_count(b, match, NULL, m->position);
    bl_put_real(b, match, NULL, rounded((double)m->similarity, 6));
    bl_put_real(b, match, NULL, rounded((double)m->activation, 6));
    bl_put_real(b, match, NULL, rounded((double)m->bias, 6));
    bl_put_real(b, match, NULL, rounded(most / SHARE, 6));
    bl_tree *shares = bl_put_array(b, match, NULL);
    for (size_t p = 0; p <= m->position; p++)
        bl_put_integer(b, shares, NULL, most > 0 ? lround((double)m->contributions[p] / most * SHARE) : 0);
}

static bool put_vector(bl_atlas_reader *atlas, int32_t id, long index, double eigenvalue,
                       bl_site_stories *stories, bl_builder *b, bl_tree *list, bl_error *err) {
    bl_atlas_reader_matches found = {0};
    bl_atlas_reader_words words = {0};
    bool ok = bl_atlas_reader_get_words(atlas, id, index, &words, err) &&
              bl_atlas_reader_get_matches(atlas, id, index, (size_t)bl_atlas_reader_get_facts(atlas)->top,
                                          &found, err);
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_integer(b, out, "index", index);
    bl_put_real(b, out, "eigenvalue", eigenvalue);
    bl_put_real(b, out, "bias", rounded((double)words.bias, 6));
    bl_atlas_reader_put_evidence(atlas, id, index, b, out);
    put_words(&words, b, out);
    bl_tree *matches = bl_put_array(b, out, "matches");
    for (size_t i = 0; ok && i < found.n; i++) {
        put_match(&found.list[i], b, matches);
        ok = refer(stories, &found.list[i], err);
    }
    bl_atlas_reader_words_free(&words);
    bl_atlas_reader_matches_free(&found);
    return ok;
}

bool bl_site_direction(bl_atlas_reader *atlas, int32_t id, const bl_eigen *eigen, const bl_eigen *null_eigen,
                       bl_site_stories *stories, bl_builder *b, bl_tree *at, bl_error *err) {
    const bl_atlas_reader_direction *d = bl_atlas_reader_get_direction(atlas, (size_t)id);
    long K = (long)bl_atlas_reader_n_values(atlas) / 2;
    bool ok = true;
    if (eigen) put_spectrum(eigen, b, at);
    if (eigen && null_eigen) put_spectrum(null_eigen, b, bl_put_object(b, at, "null"));
    bl_tree *vectors = bl_put_array(b, at, "vectors");
    for (long i = 0; ok && i < 2 * K; i++) { /* -1 … -K, 0 … K-1, as everywhere */
        long index = i < K ? -i - 1 : i - K;
        ok = put_vector(atlas, id, index, (double)d->values[index < 0 ? 2 * K + index : index], stories, b,
                        vectors, err);
    }
    return ok;
}

static int by_story(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b; /* the first member */
    return (x > y) - (x < y);
}

void bl_site_stories_put(bl_site_stories *stories, bl_builder *b, bl_tree *at) {
    char name[32];
    if (stories->n) qsort(stories->list, stories->n, sizeof *stories->list, by_story);
    for (size_t i = 0; i < stories->n; i++) {
        snprintf(name, sizeof name, "%llu", (unsigned long long)stories->list[i].story);
        bl_put_integers(b, at, name, stories->list[i].ids, stories->list[i].n);
    }
}

void bl_site_stories_free(bl_site_stories *stories) {
    for (size_t i = 0; i < stories->n; i++) free(stories->list[i].ids);
    free(stories->list);
    *stories = (bl_site_stories){0};
}
