#include "base/error.h"
#include "base/threads.h"
#include "cli/arrays.h"
#include "cli/common.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is written without --tensors: all that is no bigger than the weights themselves. */
static const char *const usual[] = {"w_e", "w_u", "w_q", "w_k", "w_v", "w_o",
                                    "w_l", "w_r", "w_p", "ov",  "qk"};
enum { N_USUAL = sizeof usual / sizeof *usual };

typedef struct set {
    bl_weight_array *weights;
    bl_named_array *arrays;
    char (*names)[24];
    size_t n;
} set;

static void set_free(set *s) {
    for (size_t i = 0; i < s->n; i++) bl_weight_array_free(&s->weights[i]);
    free(s->weights);
    free(s->arrays);
    free(s->names);
}

static bool add(set *s, const bl_model *model, const char *name, size_t layer, bool numbered, bl_error *err) {
    if (!bl_go_on(err) || !bl_weight_array_get(model, name, layer, &s->weights[s->n], err)) return false;
    s->arrays[s->n] = s->weights[s->n].array;
    if (numbered) snprintf(s->names[s->n], sizeof *s->names, "%s.%zu", name, layer);
    else snprintf(s->names[s->n], sizeof *s->names, "%s", name);
    s->arrays[s->n].name = s->names[s->n];
    s->n++;
    return true;
}

/* Every name for layers first … last; w_e and w_u once. */
static bool collect(const common *c, set *s, const bl_model *model, const char *const *names, size_t n,
                    size_t first, size_t last, bl_error *err) {
    size_t most = n * (last - first + 1);
    s->weights = calloc(most, sizeof *s->weights);
    s->arrays = calloc(most, sizeof *s->arrays);
    s->names = calloc(most, sizeof *s->names);
    if (!s->weights || !s->arrays || !s->names) return false;
    for (size_t i = 0; i < n; i++) {
        bool global = strcmp(names[i], "w_e") == 0 || strcmp(names[i], "w_u") == 0;
        if (strcmp(names[i], "b") == 0)
            note(c, "b [d, n, n] takes %.2f GB a layer", (double)bl_weight_array_bytes(model, "b") / 1e9);
        for (size_t layer = first; layer <= (global ? first : last); layer++)
            if (!add(s, model, names[i], layer, !global, err)) return false;
    }
    return true;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    text_list tensors = {0};
    size_t layer = SIZE_MAX;
    bl_error err = {0};
    const option table[] = {{"tensors", OPTION_TOKENS, &tensors, "T,T…",
                             "of w_e w_u w_q w_k w_v w_o w_l w_r w_p ov qk (default: these), ove, b"},
                            {"layer", OPTION_COUNT, &layer, "N", "this layer only (default: all)"},
                            {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON,
                      "where to: FILE.safetensors, FILE.npy (one array) or a folder for .npy files", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    set s = {0};
    if (!c.output) {
        status = fail_usage(self, "-o is missing: where to write the arrays");
        goto done;
    }
    model = load_model(&c, &err);
    if (!model) {
        status = fail_with(self, &err);
        goto done;
    }
    const char *const *names = tensors.n ? tensors.items : usual;
    const char *plain[N_USUAL];
    size_t n = tensors.n ? tensors.n : N_USUAL, kept = 0;
    if (!tensors.n && bl_model_config(model)->plain) { /* a plain MLP has no w_r */
        for (size_t i = 0; i < N_USUAL; i++)
            if (strcmp(usual[i], "w_r") != 0) plain[kept++] = usual[i];
        names = plain;
        n = kept;
    }
    size_t last = layer == SIZE_MAX ? bl_model_config(model)->n_layer - 1 : layer,
           first = layer == SIZE_MAX ? 0 : layer;
    bool ok =
        collect(&c, &s, model, names, n, first, last, &err) && arrays_write(c.output, s.arrays, s.n, &err);
    if (!ok && err.code == BL_OK) bl_fail(&err, BL_ERR_MEMORY, "out of memory");
    if (!ok) {
        status = fail_with(self, &err);
        goto done;
    }
    status = arrays_tell(self, &c, s.arrays, s.n);
done:
    set_free(&s);
    bl_model_free(model);
    text_list_free(&tensors);
    common_free(&c);
    return status;
}

const verb verb_export = {"export", "weights as arrays for numpy and other programs", run,
                          "Writes weights in float32, norm weights folded in. Shapes: w_e w_u [V, d], w_q "
                          "w_k w_v [H, k, d], w_o [d, H, k], w_l w_r [h, d], w_p [d, h],\n"
                          "ov qk [H, d, d], ove [H, V, d], and, only if asked for by name, the third-order "
                          "tensor b [d, d, d], which is large.",
                          "  bilens export models/ts-1-256 -o weights.safetensors\n"
                          "  bilens export models/ts-1-256 --tensors ov --layer 0 -o ov.npy\n"};
