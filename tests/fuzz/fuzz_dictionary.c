/* A dictionary of features from anyone, in every layout: the first byte says which file or folder the rest is
 * (a folder's config, an empty line, its weights). Reading fails with a message that names what is wrong, or
 * gives features that are finite, of the sizes that the arrays have, and that take apart and put together any
 * vector. */
#include "fuzz_model.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *config, *weights; /* of a folder, or NULL and the file's name */
    const char *source;           /* what is opened */
} layouts[] = {{"scope/config.json", "scope/model.safetensors", "scope"},
               {"saelens/cfg.json", "saelens/sae_weights.safetensors", "saelens"},
               {"saelens/cfg.json", "saelens/sae_weights.safetensors", "saelens:in"},
               {"saelens/cfg.json", "saelens/sae_weights.safetensors", "saelens:out"},
               {NULL, "plain.safetensors", "plain.safetensors"},
               {NULL, "plain.safetensors", "plain.safetensors:W_dec"},
               {NULL, "plain.npy", "plain.npy"},
               {NULL, "plain.csv", "plain.csv"}};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts };

static void put(const char *name, const uint8_t *data, size_t size) {
    bl_error err = {0};
    if (!bl_file_write(fuzz_path(name), data, size, &err)) abort();
}

/* Where the weights begin: behind the first empty line, or at the end. */
static size_t second_part(const uint8_t *data, size_t size) {
    for (size_t i = 0; i + 1 < size; i++)
        if (data[i] == '\n' && data[i + 1] == '\n') return i + 2;
    return size;
}

/* Its numbers are finite, and a vector goes through it. */
static void use(const bl_dictionary *a) {
    const float *const parts[] = {a->encoder, a->decoder, a->offset, a->centre, a->threshold};
    const size_t counts[] = {a->F * a->d, a->F * a->d, a->F, a->d, a->threshold ? a->F : 0};
    for (size_t p = 0; p < 5; p++)
        for (size_t i = 0; i < counts[p]; i++)
            if (!isfinite(parts[p][i])) abort();
    if (a->F == 0 || a->d == 0 || !a->name) abort();
    if ((a->activation == BL_ACTIVATION_TOPK) != (a->k > 0) || a->k > a->F) abort();
    if ((a->activation == BL_ACTIVATION_JUMPRELU) != (a->threshold != NULL)) abort();
    float *x = calloc(a->d, sizeof *x), *hat = calloc(a->d, sizeof *hat);
    bool *active = calloc(a->F, sizeof *active);
    bl_error err = {0};
    size_t on = 0;
    if (!x || !hat || !active) abort();
    for (size_t i = 0; i < a->d; i++) x[i] = 1;
    if (!bl_dictionary_reconstruct(a, x, 1, hat, active, &err)) abort();
    for (size_t f = 0; f < a->F; f++) on += active[f];
    if (a->k && on > a->k) abort();
    free(x);
    free(hat);
    free(active);
}

/* What was read is written in both layouts and is the same again. */
static void write(const bl_dictionary *a) {
    for (size_t layout = 0; layout < 2; layout++) {
        bl_error err = {0};
        const char *folder = fuzz_path("written");
        if (!bl_dictionary_write(a, folder, (bl_dictionary_layout)layout, "m", "mlp_in", 0, &err)) abort();
        bl_dictionary *b = bl_dictionary_read(folder, a->d, &err);
        if (b && (b->F != a->F || b->k != a->k)) abort();
        if (!b && err.code != BL_ERR_INPUT) abort(); /* offsets may overflow */
        bl_dictionary_free(b);
        bl_remove_tree(folder);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || fuzz_knows_folder(data, size)) return 0;
    size_t which = data[0] % N_LAYOUTS, d = data[0] / N_LAYOUTS % 4;
    bl_error err = {0};
    data++;
    size--;
    size_t split = layouts[which].config ? second_part(data, size) : 0;
    if (layouts[which].config) {
        bl_make_directories(fuzz_path("scope"), &err);
        bl_make_directories(fuzz_path("saelens"), &err);
        put(layouts[which].config, data, split);
    }
    put(layouts[which].weights, data + split, size - split);
    bl_dictionary *a = bl_dictionary_read(fuzz_path(layouts[which].source), d, &err);
    if (!a && (err.code == BL_OK || !err.message[0])) abort();
    if (a && d && a->d != d) abort();
    if (a) use(a);
    if (a && a->activation == BL_ACTIVATION_TOPK) write(a);
    bl_dictionary_free(a);
    return 0;
}
