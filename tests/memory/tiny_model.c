#include "memory/tiny_model.h"
#include "base/random.h"
#include <bilens/bilens.h>
#include <stdio.h>
#include <sys/stat.h>

enum { V = 14, D = 8, HIDDEN = 6, MAX_TENSORS = 20, MAX_NUMBERS = 4096 };

static const char *const words[V] = {"[UNK]", "[BOS]", "[EOS]", "a",    "b",   "##a", "##b",
                                     "the",   "fish",  "can",   "swim", "run", ".",   "!"};

static const char *const configs[N_TINY] = {
    "{\"n_vocab\": 14, \"n_layer\": 1, \"n_head\": 2, \"d_model\": 8, \"d_hidden\": 6, \"n_ctx\": 16, "
    "\"normalization\": null, \"noise\": 0.33, "
    "\"mlp\": \"blp\", \"mlp_bias\": false}",
    "{\"n_vocab\": 14, \"n_layer\": 1, \"n_head\": 2, \"d_model\": 8, \"d_hidden\": 6, \"n_ctx\": 16, "
    "\"normalization\": \"rms\", \"noise\": 0.33, "
    "\"mlp\": \"blp\", \"mlp_bias\": false}",
    "{\"n_layer\": 2, \"n_head\": 2, \"n_ctx\": 16, \"d_model\": 8, \"d_hidden\": 6, \"bilinear\": true, "
    "\"gate\": null, \"bias\": true, "
    "\"normalization\": true}"};

typedef struct tensors {
    bl_named_array list[MAX_TENSORS];
    char names[MAX_TENSORS][48];
    float numbers[MAX_NUMBERS];
    size_t n, used;
    bl_random random;
} tensors;

static void add(tensors *t, const char *name, size_t rows, size_t cols) {
    bl_named_array *array = &t->list[t->n];
    snprintf(t->names[t->n], sizeof t->names[t->n], "%s", name);
    *array = (bl_named_array){t->names[t->n], t->numbers + t->used, cols ? 2 : 1, {rows, cols}};
    size_t count = rows * (cols ? cols : 1);
    for (size_t i = 0; i < count; i++) t->numbers[t->used++] = (float)bl_random_normal(&t->random);
    t->n++;
}

static void add_layer(tensors *t, size_t layer, const char *name, size_t rows, size_t cols) {
    char full[48];
    snprintf(full, sizeof full, "transformer.h.%zu.%s", layer, name);
    add(t, full, rows, cols);
}

static void fill(tensors *t, tiny_kind kind) {
    bool later = kind == TINY_LATER;
    *t = (tensors){.n = 0};
    bl_random_seed(&t->random, 1 + kind);
    add(t, "transformer.wte.weight", V, D);
    add(t, "lm_head.weight", V, D);
    if (kind == TINY_NORM) add(t, "transformer.n_f.norm.weight", D, 0);
    for (size_t layer = 0; layer < (later ? 2 : 1); layer++) {
        if (kind == TINY_NORM) add_layer(t, layer, "n1.norm.weight", D, 0);
        if (kind == TINY_NORM) add_layer(t, layer, "n2.norm.weight", D, 0);
        add_layer(t, layer, "attn.qkv.weight", 3 * D, D);
        add_layer(t, layer, "attn.o.weight", D, D);
        add_layer(t, layer, "mlp.w.weight", 2 * HIDDEN, D);
        add_layer(t, layer, later ? "mlp.p.weight" : "mlp.o.weight", D, HIDDEN);
        if (later) add_layer(t, layer, "mlp.w.bias", 2 * HIDDEN, 0);
        if (later) add_layer(t, layer, "mlp.p.bias", D, 0);
    }
}

/* Opens directory/name for writing. */
static FILE *create(const char *directory, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    if (!file) perror(path);
    return file;
}

static bool write_weights(const char *directory, const tensors *t, bool shards) {
    char path[512];
    bl_error err = {0};
    size_t half = shards ? t->n / 2 : t->n;
    snprintf(path, sizeof path, "%s/%s", directory, shards ? "model-1.safetensors" : "model.safetensors");
    bool ok = bl_safetensors_write(path, t->list, half, &err);
    if (shards) {
        snprintf(path, sizeof path, "%s/model-2.safetensors", directory);
        ok = ok && bl_safetensors_write(path, t->list + half, t->n - half, &err);
        FILE *file = create(directory, "model.safetensors.index.json");
        if (!file) return false;
        fprintf(file, "{\"weight_map\": {");
        for (size_t i = 0; i < t->n; i++)
            fprintf(file, "%s\"%s\": \"model-%d.safetensors\"", i ? ", " : "", t->list[i].name,
                    i < half ? 1 : 2);
        fprintf(file, "}}\n");
        fclose(file);
    }
    if (!ok) fprintf(stderr, "%s\n", err.message);
    return ok;
}

static bool write_tokenizer(const char *directory) {
    FILE *file = create(directory, "tokenizer.json");
    if (!file) return false;
    fprintf(file, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [");
    for (int i = 0; i < 3; i++)
        fprintf(file,
                "%s{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": "
                "false, \"normalized\": false, "
                "\"special\": true}",
                i ? ", " : "", i, words[i]);
    fprintf(file, "], \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFD\"}, "
                  "{\"type\": \"StripAccents\"}, "
                  "{\"type\": \"Lowercase\"}]}, \"pre_tokenizer\": {\"type\": \"Sequence\", "
                  "\"pretokenizers\": [{\"type\": \"Punctuation\", "
                  "\"behavior\": \"Isolated\"}, {\"type\": \"Whitespace\"}, {\"type\": \"Digits\", "
                  "\"individual_digits\": true}]}, "
                  "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
                  "{\"id\": \"[BOS]\", \"type_id\": 0}}, "
                  "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": "
                  "\"A\", \"type_id\": 0}}, "
                  "{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}], \"special_tokens\": {\"[BOS]\": "
                  "{\"id\": \"[BOS]\", \"ids\": [1], "
                  "\"tokens\": [\"[BOS]\"]}}}, \"decoder\": null, \"model\": {\"type\": \"WordPiece\", "
                  "\"unk_token\": \"[UNK]\", "
                  "\"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100, \"vocab\": {");
    for (int i = 0; i < V; i++) fprintf(file, "%s\"%s\": %d", i ? ", " : "", words[i], i);
    fprintf(file, "}}}\n");
    return fclose(file) == 0;
}

bool tiny_model_write(const char *directory, tiny_kind kind) {
    static tensors t;
    if (mkdir(directory, 0777) != 0) {
        perror(directory);
        return false;
    }
    FILE *file = create(directory, "config.json");
    if (!file) return false;
    fprintf(file, "%s\n", configs[kind]);
    fclose(file);
    fill(&t, kind);
    return write_weights(directory, &t, kind == TINY_LATER) && write_tokenizer(directory);
}

bool tiny_corpus_write(const char *path, bool jsonl) {
    static const char *const stories[] = {"The fish can swim.", "The fish can run! Ab ba.",
                                          "A fish. A b\u00e4 fish!"};
    FILE *file = fopen(path, "w");
    if (!file) return false;
    for (int i = 0; i < 3; i++)
        fprintf(file, jsonl ? "{\"text\": \"%s\"}\n" : "%s\n<|endoftext|>\n", stories[i]);
    return fclose(file) == 0;
}
