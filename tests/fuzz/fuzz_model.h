/* A tiny model, its corpus and a folder for what a target writes, made once per process and removed at its
 * end. */
#ifndef BL_TESTS_FUZZ_MODEL_H
#define BL_TESTS_FUZZ_MODEL_H
#include "base/file.h"
#include "memory/tiny_model.h"
#include <bilens/bilens.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static char fuzz_folder[64];

static inline void fuzz_remove_folder(void) { bl_remove_tree(fuzz_folder); }

/* "FOLDER/name", valid until the next call but three. */
static inline const char *fuzz_path(const char *name) {
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    if (!fuzz_folder[0]) {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s/bilens-fuzz-XXXXXX",
                 bl_is_directory("/dev/shm") ? "/dev/shm" : "/tmp");
        if (!mkdtemp(fuzz_folder)) abort();
        atexit(fuzz_remove_folder);
    }
    snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder, name);
    return path;
}

/* Whether the input itself holds the folder's name, which libFuzzer learns from comparisons. */
static inline bool fuzz_knows_folder(const uint8_t *data, size_t size) {
    size_t n = strlen(fuzz_folder);
    for (size_t i = 0; n && i + n <= size; i++)
        if (memcmp(data + i, fuzz_folder, n) == 0) return true;
    return false;
}

static inline bl_model *fuzz_model(void) {
    bl_error err = {0};
    if (!tiny_model_write(fuzz_path("model"), TINY_PLAIN)) abort();
    bl_model *model = bl_model_load(fuzz_path("model"), &err);
    if (!model) abort();
    return model;
}

static inline bl_corpus *fuzz_stories(void) {
    bl_error err = {0};
    const char *path = fuzz_path("stories.txt");
    if (!tiny_corpus_write(path, false)) abort();
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    if (!corpus) abort();
    return corpus;
}
#endif
