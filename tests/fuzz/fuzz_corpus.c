/* A corpus from anyone, the first byte choosing the name it comes under: every story is well-formed UTF-8,
 * none is blank or leaves the file, and the end is an end or a failure with a message. Reading it twice gives
 * the same. */
#include "text/corpus/corpus_private.h"
#include "base/utf8.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decompression may make much of little: enough is enough. */
#define MAX_STORIES 100000

static uint64_t read_all(const char *name, const uint8_t *data, size_t size) {
    bl_error err = {0};
    bl_story story;
    uint64_t stories = 0, sum = 0, last = 0;
    bl_corpus *corpus = bl_corpus_open_memory(name, data, size, &err);
    if (!corpus) abort();
    corpus->max_story = (size_t)1 << 22;
    while (stories < MAX_STORIES && bl_corpus_next(corpus, &story, &err)) {
        size_t bad;
        if (story.length == 0 || story.line == 0 || (stories > 0 && story.byte_offset <= last) ||
            !bl_utf8_check(story.text, story.length, &bad))
            abort();
        for (size_t i = 0; i < story.length; i++) sum = sum * 31 + (unsigned char)story.text[i];
        last = story.byte_offset;
        stories++;
    }
    if (err.code == BL_OK && stories == 0) abort();
    if (err.code != BL_OK && err.message[0] == '\0') abort();
    uint64_t done, total;
    bl_corpus_position(corpus, &done, &total);
    if (done > total) abort();
    bl_corpus_free(corpus);
    return sum + stories + (uint64_t)err.code * 1000003;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"fuzz",           "fuzz.txt", "fuzz.jsonl", "fuzz.txt.gz",
                                        "fuzz.jsonl.zst", "-",        "fuzz.json"};
    if (size == 0) return 0;
    const char *name = names[data[0] % (sizeof names / sizeof *names)];
    if (read_all(name, data + 1, size - 1) != read_all(name, data + 1, size - 1)) abort();
    return 0;
}
