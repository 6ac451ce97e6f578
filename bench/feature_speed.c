/* The form of one feature in a large dictionary, as bench/dictionary.py asks: feature_speed FOLDER D H F, with one_{l,r,p,e,f}.f32 there.
 * Prints JSON {"seconds", "processor", "top": the strongest pair, "largest": the largest eigenvalue}. */
#include "evidence/features_private.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static float *take(const char *folder, const char *name, size_t count) {
    char path[512];
    float *out = malloc(count * sizeof *out);
    snprintf(path, sizeof path, "%s/one_%s.f32", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || !out || fread(out, sizeof *out, count, file) != count) exit(1);
    fclose(file);
    return out;
}

int main(int argc, char **argv) {
    if (argc != 5) return 2;
    size_t d = strtoul(argv[2], NULL, 10), h = strtoul(argv[3], NULL, 10), F = strtoul(argv[4], NULL, 10),
           which = 0;
    float *l = take(argv[1], "l", h * d), *r = take(argv[1], "r", h * d), *p = take(argv[1], "p", d * h);
    bl_bilinear map = {.l = {l, h, d, d}, .r = {r, h, d, d}, .p = {p, d, h, h}};
    bl_dictionary
        in = {.F = F, .d = d, .decoder = take(argv[1], "f", F * d), .centre = calloc(d, sizeof(float))},
        out = {.F = F, .d = d, .encoder = take(argv[1], "e", F * d), .offset = calloc(F, sizeof(float))};
    bl_feature_options o = {.features = &which, .n_features = 1, .most = 10};
    bl_feature_inputs none = {0};
    bl_features features = {0};
    bl_error err = {0};
    double begun = omp_get_wtime(), processor = (double)clock() / CLOCKS_PER_SEC;
    if (!bl_features_with_lists(&map, &in, &out, &o, &none, &features, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    double seconds = omp_get_wtime() - begun;
    const bl_feature *f = &features.list[0];
    printf("{\"seconds\": %.6g, \"processor\": %.6g, \"top\": %.9g, \"largest\": %.9g}\n", seconds,
           (double)clock() / CLOCKS_PER_SEC - processor, f->pairs.top[0].value,
           (double)f->eigenvalues[f->n - 1]);
    return 0;
}
