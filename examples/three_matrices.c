/* Decomposes three random matrices L, R, P in a basis of labelled vectors: no model, no file.
 *
 *     cc three_matrices.c $(pkg-config --cflags --libs bilens) -o three_matrices && ./three_matrices "red -
 * mean(*)" */
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdlib.h>

enum { IN = 8, HIDDEN = 24, OUT = 4 };

static void fill(float *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = (float)rand() / (float)RAND_MAX - 0.5F;
}

int main(int argc, char **argv) {
    static float l[HIDDEN * IN], r[HIDDEN * IN], p[OUT * HIDDEN], colours[3 * OUT], notes[5 * IN], u[OUT],
        out[5];
    static const char *const colour[] = {"red", "green", "blue"}, *const note[] = {"c", "d", "e", "f", "g"};
    bl_error err = {0};
    fill(l, HIDDEN * IN), fill(r, HIDDEN * IN), fill(p, OUT * HIDDEN), fill(colours, 3 * OUT),
        fill(notes, 5 * IN);

    bl_bilinear map = {.l = {l, HIDDEN, IN, IN}, .r = {r, HIDDEN, IN, IN}, .p = {p, OUT, HIDDEN, HIDDEN}};
    bl_basis written = {.name = "token", .vectors = {colours, 3, OUT, OUT}, .labels = colour};
    bl_basis read = {.name = "token", .vectors = {notes, 5, IN, IN}, .labels = note};
    bl_path direct = {.name = "direct", .scale = 1};

    bl_direction *direction = bl_direction_parse(argc > 1 ? argv[1] : "red - blue", &err);
    bl_eigen *eigen = NULL;
    if (direction && bl_direction_vector(direction, &written, u, &err)) eigen = bl_eigen_of(&map, u, 0, &err);
    for (long n = 0; eigen && n < IN; n++) {
        if (!bl_readout(&read, &direct, 1, bl_eigen_vector(eigen, n), out, &err)) break;
        printf("%+.4f", (double)bl_eigen_values(eigen)[n]);
        for (size_t i = 0; i < 5; i++) printf("  %s %+.3f", note[i], (double)out[i]);
        printf("\n");
    }
    if (err.code) fprintf(stderr, "%s\n", err.message);
    bl_eigen_free(eigen);
    bl_direction_free(direction);
    return err.code != BL_OK;
}
