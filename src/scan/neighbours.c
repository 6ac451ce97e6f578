/* Contextual neighbours: MLP inputs by their cosine with a vector (docs/specification.md, 6). The scan asks
 * what excites an eigenvector most, and long inputs win; the cosine asks what it looks like.
 *
 * Threads over stories of the exact forward pass; what a story gives is offered in the stories' order. Ranks
 * take a group of stories each in turn, and offer all groups: so every rank ends with the same lists. */
#include <bilens/neighbours.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/ranks.h"
#include "base/threads.h"
#include "linear/best.h"
#include "linear/gemm.h"
#include "model/forward.h"
#include "text/corpus/batch.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUP ((size_t)64)  /* stories between two steps of the progress */
#define BEFORE ((size_t)56) /* bytes of text before the word, and behind it */
#define AFTER ((size_t)40)

/* The best place of one story for one vector at one end. */
typedef struct place {
    float cosine, similarity;
    size_t position; /* 0: none */
} place;

typedef struct search {
    const bl_model *model;
    const bl_neighbours_options *options;
    const float *vectors; /* [J, width] */
    float *norms;         /* [J] */
    size_t J, width, d;
    bl_samples stories;
    bl_workspace **workspaces; /* [threads] */
    size_t threads;
    float *dots;     /* [threads, longest, J] */
    place *places;   /* [GROUP, J, 2] */
    size_t first;    /* story of item 0 */
    bl_scored *heap; /* [J, 2, top] */
    bl_best *best;   /* [J, 2] */
    place *kept;     /* [J, 2, top] by slot */
    bl_ranks ranks;
} search;

static void search_free(search *s) {
    for (size_t t = 0; s->workspaces && t < s->threads; t++) bl_workspace_free(s->workspaces[t]);
    free(s->workspaces);
    free(s->norms);
    free(s->dots);
    free(s->places);
    free(s->heap);
    free(s->best);
    free(s->kept);
    bl_samples_free(&s->stories);
}

static void *room(size_t a, size_t b, size_t size, bl_error *err) {
    size_t count;
    if (!bl_mul_size(a, b, &count)) count = SIZE_MAX;
    return bl_alloc_zero(count, size, err);
}

static bool search_init(search *s, size_t top, bl_error *err) {
    s->threads = (size_t)bl_threads();
    s->workspaces = room(s->threads, 1, sizeof(bl_workspace *), err);
    s->norms = room(s->J, 1, sizeof *s->norms, err);
    s->dots = room(s->threads * s->stories.longest, s->J, sizeof *s->dots, err);
    s->places = room(GROUP * 2, s->J, sizeof *s->places, err);
    s->heap = room(2 * s->J, top, sizeof *s->heap, err);
    s->best = room(2, s->J, sizeof *s->best, err);
    s->kept = room(2 * s->J, top, sizeof *s->kept, err);
    if (!s->workspaces || !s->norms || !s->dots || !s->places || !s->heap || !s->best || !s->kept)
        return false;
    for (size_t t = 0; t < s->threads; t++)
        if (!(s->workspaces[t] = bl_workspace_new(s->model, err))) return false;
    for (size_t i = 0; i < 2 * s->J; i++) s->best[i] = bl_best_begin(s->heap + i * top, top);
    for (size_t j = 0; j < s->J; j++) {
        double sum = 0;
        for (size_t c = 0; c < s->width; c++)
            sum += (double)s->vectors[j * s->width + c] * (double)s->vectors[j * s->width + c];
        s->norms[j] = (float)sqrt(sum);
        if (!(sum > 0) || !isfinite(sum))
            return bl_fail(err, BL_ERR_USAGE, "vector %zu is zero or not finite: it has no direction", j);
    }
    return true;
}

static bool story(void *context, size_t i, size_t thread, bl_error *err) {
    const search *s = context;
    size_t n, J = s->J, d = s->d;
    const int32_t *ids = bl_samples_get(&s->stories, s->first + i, &n);
    float *dots = s->dots + thread * s->stories.longest * J;
    place *places = s->places + i * 2 * J;
    memset(places, 0, 2 * J * sizeof *places);
    if (n < 2) return true;
    bl_view x = bl_forward_mlp_in(s->model, s->workspaces[thread], ids, n, s->options->layer, NULL, err);
    if (!x.data) return false;
    bl_gemm_nt(n, J, d, 1.0F, x.data, x.stride, s->vectors, s->width, 0.0F, dots, J);
    for (size_t p = 1; p < n; p++) {
        double size = s->width > d ? 1 : 0;
        for (size_t c = 0; c < d; c++)
            size += (double)x.data[p * x.stride + c] * (double)x.data[p * x.stride + c];
        float scale = size > 0 ? (float)(1 / sqrt(size)) : 0;
        for (size_t j = 0; j < J; j++) {
            float dot = dots[p * J + j] + (s->width > d ? s->vectors[j * s->width + d] : 0),
                  cosine = dot * scale / s->norms[j];
            place *high = &places[2 * j], *low = high + 1;
            if (high->position == 0 || cosine > high->cosine) *high = (place){cosine, dot, p};
            if (low->position == 0 || cosine < low->cosine) *low = (place){cosine, dot, p};
        }
    }
    return true;
}

/* What n stories from `first` on gave, places [n, J, 2], in their order. */
static void offer(search *s, const char *places, size_t first, size_t n, size_t top) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < 2 * s->J; j++) {
            place p;
            memcpy(&p, places + (i * 2 * s->J + j) * sizeof p, sizeof p);
            if (p.position == 0) continue;
            size_t slot = bl_best_offer(&s->best[j], j % 2 ? -p.cosine : p.cosine, first + i);
            if (slot != BL_BEST_NONE) s->kept[j * top + slot] = p;
        }
}

/* How many stories the group from `first` on has. */
static size_t group_size(const search *s, size_t first) {
    size_t left = first < s->stories.n ? s->stories.n - first : 0;
    return left < GROUP ? left : GROUP;
}

/* A group per rank from story `at` on. */
static bool compare(search *s, size_t at, size_t top, bl_error *err) {
    bl_gathered all = {0};
    s->first = at + (size_t)s->ranks.rank * GROUP;
    size_t count = group_size(s, s->first);
    bool ok = bl_progress_step(&s->options->progress, "comparing", at, s->stories.n, err) &&
              bl_parallel(count, story, s, err);
    if (s->ranks.size == 1) {
        if (ok) offer(s, (const char *)s->places, at, count, top);
        return ok;
    }
    ok = bl_ranks_agree(&s->ranks, ok, err) &&
         bl_ranks_gather_all(&s->ranks, s->places, count * 2 * s->J * sizeof *s->places, &all, err);
    for (int r = 0; ok && r < s->ranks.size; r++) {
        size_t first = at + (size_t)r * GROUP;
        offer(s, all.data + all.begin[r], first, group_size(s, first), top);
    }
    bl_gathered_free(&all);
    return ok;
}

/* ---- words ---- */

/* Whether a word goes on over this byte: letters, digits, apostrophes and all that is not ASCII. */
static bool in_word(char c) { return isalnum((unsigned char)c) || c == '\'' || (unsigned char)c >= 0x80; }

/* Text from `begin` to `end`, its white space one blank each. */
static char *excerpt(const char *text, size_t begin, size_t end, bl_error *err) {
    while (begin < end && ((unsigned char)text[begin] & 0xC0) == 0x80) begin++; /* a whole character */
    while (end > begin && ((unsigned char)text[end] & 0xC0) == 0x80) end--;
    char *out = bl_strndup(text + begin, end - begin, err);
    for (char *c = out; c && *c; c++)
        if (isspace((unsigned char)*c)) *c = ' ';
    return out;
}

/* The word of token `p` of the story, and what stands around it. */
static bool put_text(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, size_t p, bl_neighbour *out,
                     bl_error *err) {
    size_t end = p + 16 < n ? p + 16 : n, begin = p > 24 ? p - 24 : 1; /* position 0 is [BOS] */
    char *text = bl_tokenizer_prose(tokenizer, ids + begin, end - begin, false, err);
    char *left = bl_tokenizer_prose(tokenizer, ids + begin, p - begin, false, err);
    char *upto = bl_tokenizer_prose(tokenizer, ids + begin, p + 1 - begin, false, err);
    bool ok = text && left && upto;
    if (ok) {
        size_t length = strlen(text), a = strlen(left), z = strlen(upto);
        if (a > length) a = length;
        if (z > length) z = length;
        while (a < z && isspace((unsigned char)text[a])) a++;
        while (a > 0 && a < length && in_word(text[a]) && in_word(text[a - 1])) a--;
        while (z > a && z < length && in_word(text[z - 1]) && in_word(text[z])) z++;
        size_t from = a > BEFORE ? a - BEFORE : 0, to = length - z > AFTER ? z + AFTER : length;
        while (from > 0 && from < a && text[from - 1] != ' ') from++; /* whole words */
        while (to < length && to > z && text[to] != ' ') to--;
        out->before = excerpt(text, from, a, err);
        out->word = excerpt(text, a, z, err);
        out->after = excerpt(text, z, to, err);
        ok = out->before && out->word && out->after;
    }
    bl_free(text);
    bl_free(left);
    bl_free(upto);
    return ok;
}

/* One end of vector j's list into *list [*count]. */
static bool put_list(search *s, size_t j, size_t end, size_t top, bl_neighbour **list, size_t *count,
                     bl_error *err) {
    bl_best *best = &s->best[2 * j + end];
    bl_best_sort(best);
    *list = bl_alloc_zero(best->n, sizeof **list, err);
    for (size_t i = 0; *list && i < best->n; i++) {
        const place *p = &s->kept[(2 * j + end) * top + best->list[i].slot];
        size_t n;
        const int32_t *ids = bl_samples_get(&s->stories, (size_t)best->list[i].id, &n);
        *count = i + 1;
        (*list)[i] = (bl_neighbour){.story = (size_t)best->list[i].id,
                                    .position = p->position,
                                    .id = ids[p->position],
                                    .cosine = p->cosine,
                                    .similarity = p->similarity};
        if (!put_text(bl_model_tokenizer(s->model), ids, n, p->position, &(*list)[i], err)) return false;
    }
    return *list != NULL;
}

static bool collect(search *s, size_t top, bl_neighbours *out, bl_error *err) {
    for (size_t j = 0; j < s->J; j++) {
        bl_neighbour_list *list = &out->list[j];
        out->n = j + 1;
        if (!put_list(s, j, 0, top, &list->top, &list->n_top, err) ||
            !put_list(s, j, 1, top, &list->bottom, &list->n_bottom, err))
            return false;
    }
    return true;
}

/* Ranks that read other stories would mix them. */
static bool same_stories(const search *s, bl_error *err) {
    uint64_t mine[2] = {s->stories.n, 0}, first[2];
    for (size_t i = 0; i < s->stories.n; i++) {
        size_t n;
        const int32_t *ids = bl_samples_get(&s->stories, i, &n);
        mine[1] = bl_hash(mine[1], ids, n * sizeof *ids);
    }
    memcpy(first, mine, sizeof first);
    bool ok = bl_ranks_share(&s->ranks, first, sizeof first, err);
    if (ok && memcmp(first, mine, sizeof first) != 0)
        ok = bl_fail(err, BL_ERR_INPUT, "the corpus is not the one that rank 0 reads");
    return bl_ranks_agree(&s->ranks, ok, err);
}

static void count_positions(const bl_samples *stories, bl_neighbours *out) {
    out->stories = stories->n;
    for (size_t i = 0; i < stories->n; i++) {
        size_t length = stories->begin[i + 1] - stories->begin[i];
        out->positions += length ? length - 1 : 0;
    }
}

bl_neighbours *bl_neighbours_find(const bl_model *model, const float *vectors, size_t n, size_t width,
                                  bl_corpus *corpus, const bl_neighbours_options *options, bl_error *err) {
    const bl_config *c = bl_model_config(model);
    size_t top = options->top ? options->top : 8;
    search s = {
        .model = model, .options = options, .vectors = vectors, .J = n, .width = width, .d = c->d_model};
    bl_error_clear(err);
    if (options->layer >= c->n_layer)
        return bl_fail_null(err, BL_ERR_USAGE, "layer %zu does not exist: %s has 0 to %zu", options->layer,
                            bl_model_name(model), c->n_layer - 1);
    if (width != c->d_model && width != c->d_model + 1)
        return bl_fail_null(err, BL_ERR_USAGE, "vectors of %zu numbers: this model's MLP reads %zu", width,
                            c->d_model);
    if (!bl_ranks_join(&s.ranks, options->distributed, err)) return NULL;
    bl_neighbours *out = bl_alloc_zero(1, sizeof *out, err);
    if (out) out->list = bl_alloc_zero(n, sizeof *out->list, err);
    bool ok = out && out->list &&
              bl_samples_read(&s.stories, corpus, bl_model_tokenizer(model), c->n_ctx, options->max_stories,
                              &options->progress, err) &&
              search_init(&s, top, err);
    ok = bl_ranks_agree(&s.ranks, ok, err) && same_stories(&s, err);
    for (size_t at = 0; ok && at < s.stories.n; at += (size_t)s.ranks.size * GROUP)
        ok = compare(&s, at, top, err);
    ok = ok && out && out->list;
    if (ok) count_positions(&s.stories, out);
    ok = ok && collect(&s, top, out, err);
    search_free(&s);
    if (ok) return out;
    bl_neighbours_free(out);
    return NULL;
}

static void list_free(bl_neighbour *list, size_t n) {
    for (size_t i = 0; list && i < n; i++) {
        free(list[i].before);
        free(list[i].word);
        free(list[i].after);
    }
    free(list);
}

void bl_neighbours_free(bl_neighbours *a) {
    if (!a) return;
    for (size_t j = 0; a->list && j < a->n; j++) {
        list_free(a->list[j].top, a->list[j].n_top);
        list_free(a->list[j].bottom, a->list[j].n_bottom);
    }
    free(a->list);
    free(a);
}
