/* Writes a model directory with random weights, N(0, 0.02^2) as the training starts with, for measuring at a
 * size of which no checkpoint is at hand.
 *
 *     random_model DIRECTORY TOKENIZER.json [d_model d_hidden n_head n_layer n_vocab]
 * Default: the size of the paper's model, 1024 3072 8 1 4096.
 */
#include "base/file.h"
#include "base/random.h"
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float *draw(bl_random *random, size_t count) {
    float *data = malloc(count * sizeof *data);
    for (size_t i = 0; data && i < count; i++) data[i] = (float)(0.02 * bl_random_normal(random));
    return data;
}

int main(int argc, char **argv) {
    bl_error err = {0};
    if (argc < 3) {
        fprintf(stderr,
                "usage: random_model DIRECTORY TOKENIZER.json [d_model d_hidden n_head n_layer n_vocab]\n");
        return 2;
    }
    size_t size[] = {1024, 3072, 8, 1, 4096};
    for (int i = 3; i < argc && i < 8; i++) size[i - 3] = strtoul(argv[i], NULL, 10);
    size_t d = size[0], h = size[1], layers = size[3], V = size[4], n = 0;
    bl_named_array *arrays = calloc(2 + 4 * layers, sizeof *arrays);
    char(*names)[64] = calloc(4 * layers, sizeof *names);
    bl_random random;
    bl_random_seed(&random, 1);
    arrays[n++] = (bl_named_array){"transformer.wte.weight", draw(&random, V * d), 2, {V, d}};
    for (size_t i = 0; i < layers; i++) {
        const char *const parts[] = {"attn.qkv", "attn.o", "mlp.w", "mlp.o"};
        const size_t rows[] = {3 * d, d, 2 * h, d}, cols[] = {d, d, d, h};
        for (size_t j = 0; j < 4; j++, n++) {
            snprintf(names[4 * i + j], sizeof *names, "transformer.h.%zu.%s.weight", i, parts[j]);
            arrays[n] =
                (bl_named_array){names[4 * i + j], draw(&random, rows[j] * cols[j]), 2, {rows[j], cols[j]}};
        }
    }
    arrays[n++] = (bl_named_array){"lm_head.weight", draw(&random, V * d), 2, {V, d}};
    char path[4096], config[512];
    size_t length;
    snprintf(config, sizeof config,
             "{\"n_vocab\": %zu, \"n_layer\": %zu, \"n_head\": %zu, \"d_model\": %zu, \"d_hidden\": %zu, "
             "\"n_ctx\": 256, \"normalization\": null, "
             "\"noise\": 0.33, \"mlp\": \"blp\", \"mlp_bias\": false, \"modifier\": null}\n",
             V, layers, size[2], d, h);
    char *tokenizer = bl_file_read(argv[2], (size_t)1 << 28, &length, &err);
    bool ok = tokenizer && bl_make_directories(argv[1], &err);
    snprintf(path, sizeof path, "%s/tokenizer.json", argv[1]);
    ok = ok && bl_file_write(path, tokenizer, length, &err);
    snprintf(path, sizeof path, "%s/config.json", argv[1]);
    ok = ok && bl_file_write(path, config, strlen(config), &err);
    snprintf(path, sizeof path, "%s/model.safetensors", argv[1]);
    ok = ok && bl_safetensors_write(path, arrays, n, &err);
    if (!ok) fprintf(stderr, "random_model: %s\n", err.message);
    for (size_t i = 0; i < n; i++) free((void *)(uintptr_t)arrays[i].data);
    free(arrays);
    free(names);
    free(tokenizer);
    return ok ? 0 : 1;
}
