/* The most probable ids come out of a heap one by one, so that neither top_k nor top_p sorts the whole
 * vocabulary. */
#include "model/sampler.h"
#include "base/memory.h"
#include <math.h>
#include <stdlib.h>

typedef struct bl_choice choice;

bool bl_sampler_init(bl_sampler *self, const bl_generate_options *options, const bool *allowed, size_t V,
                     bl_error *err) {
    *self = (bl_sampler){.options = options, .allowed = allowed, .V = V};
    self->choices = bl_alloc(V, sizeof *self->choices, err);
    return self->choices != NULL;
}

void bl_sampler_free(bl_sampler *self) { free(self->choices); }

/* a before b: the larger value, of equals the lower id */
static bool before(const choice *a, const choice *b) {
    return a->value != b->value ? a->value > b->value : a->id < b->id;
}

static void sink(choice *heap, size_t n, size_t at) {
    choice entry = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &entry)) break;
        heap[at] = heap[child];
    }
    heap[at] = entry;
}

/* Takes the first out of a heap of n; it then stands behind the others. */
static choice pop(choice *heap, size_t n) {
    choice first = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = first;
    sink(heap, n - 1, 0);
    return first;
}

/* Draws among `kept` choices in proportion to their values. */
static int32_t draw(const choice *kept, size_t n, double sum, bl_random *random) {
    double left = bl_random_uniform(random) * sum;
    for (size_t i = 0; i + 1 < n; i++) {
        left -= (double)kept[i].value;
        if (left < 0) return kept[i].id;
    }
    return kept[n - 1].id;
}

/* The allowed ids and their logits; *best is the most probable. Returns how many, 0 when a logit is not
 * finite. */
static size_t gather(const bl_sampler *self, const float *logits, choice *best) {
    size_t n = 0;
    bool finite = true;
    for (size_t i = 0; i < self->V; i++) {
        if (!self->allowed[i]) continue;
        finite = finite && isfinite(logits[i]);
        self->choices[n] = (choice){logits[i], (int32_t)i};
        if (n == 0 || before(&self->choices[n], best)) *best = self->choices[n];
        n++;
    }
    return finite ? n : 0;
}

int32_t bl_sampler_draw(bl_sampler *self, const float *logits, bl_random *random) {
    const bl_generate_options *o = self->options;
    choice best = {0, -1};
    size_t n = gather(self, logits, &best);
    if (n == 0) return -1;
    if (!(o->temperature > 0)) return best.id;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        self->choices[i].value =
            (float)exp(((double)self->choices[i].value - (double)best.value) / o->temperature);
        sum += (double)self->choices[i].value;
    }
    bool some_k = o->top_k > 0 && o->top_k<n, some_p = o->top_p> 0 && o->top_p < 1;
    if (!some_k && !some_p) return draw(self->choices, n, sum, random);
    size_t most = some_k ? o->top_k : n, kept = 0;
    for (size_t i = n / 2; i-- > 0;) sink(self->choices, n, i);
    if (some_k) { /* top_p is of what top_k leaves */
        sum = 0;
        for (; kept < most; kept++) sum += (double)pop(self->choices, n - kept).value;
    }
    double enough = some_p ? o->top_p * sum : INFINITY, together = 0;
    size_t chosen = 0; /* what has come out stands at the end of the array, the most probable last */
    while (chosen < most && together < enough) {
        if (chosen == kept) pop(self->choices, n - kept), kept++;
        together += (double)self->choices[n - 1 - chosen++].value;
    }
    return draw(self->choices + n - chosen, chosen, together, random);
}
