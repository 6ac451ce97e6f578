/* Tokenizers by the megabyte: encodes the stories of a corpus again and again on one thread, and checks that
 * every run gives the same ids.
 *
 *   tokenizer_speed TOKENIZER.json CORPUS [RUNS]
 *
 * Prints name,megabytes,tokens,seconds,megabytes_per_second of the best run, in processor time of this
 * thread; then the seconds that loading took, and that a word of a million letters takes. */
#include <bilens/bilens.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct stories {
    char *text;
    size_t *ends;
    size_t n;
} stories;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "tokenizer_speed: %s\n", what);
    exit(1);
}

static stories read_stories(const char *path) {
    bl_error err = {0};
    bl_story story;
    stories all = {0};
    size_t bytes = 0;
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    if (!corpus) fail(err.message);
    while (bl_corpus_next(corpus, &story, &err)) {
        all.text = realloc(all.text, bytes + story.length);
        all.ends = realloc(all.ends, (all.n + 1) * sizeof *all.ends);
        if (!all.text || !all.ends) fail("out of memory");
        memcpy(all.text + bytes, story.text, story.length);
        all.ends[all.n++] = bytes += story.length;
    }
    if (err.code || !all.n) fail(err.message);
    bl_corpus_free(corpus);
    return all;
}

/* The number of tokens of all stories, and a sum that changes with any of them. */
static size_t encode_all(const bl_tokenizer *tokenizer, const stories *all, bl_ids *ids, uint64_t *sum) {
    bl_error err = {0};
    size_t tokens = 0, begin = 0;
    *sum = 0;
    for (size_t i = 0; i < all->n; begin = all->ends[i++]) {
        if (!bl_tokenizer_encode(tokenizer, all->text + begin, all->ends[i] - begin, ids, &err))
            fail(err.message);
        for (size_t k = 0; k < ids->n; k++) *sum = (*sum ^ (uint64_t)ids->data[k]) * UINT64_C(0x100000001B3);
        tokens += ids->n;
    }
    return tokens;
}

static double long_word(const bl_tokenizer *tokenizer, bl_ids *ids) {
    enum { LENGTH = 1000000 };
    bl_error err = {0};
    char *word = malloc(LENGTH);
    if (!word) fail("out of memory");
    memset(word, 'a', LENGTH);
    double start = now();
    if (!bl_tokenizer_encode(tokenizer, word, LENGTH, ids, &err)) fail(err.message);
    free(word);
    return now() - start;
}

int main(int argc, char **argv) {
    if (argc < 3) fail("usage: tokenizer_speed TOKENIZER.json CORPUS [RUNS]");
    bl_error err = {0};
    bl_ids ids = {0};
    long runs = argc > 3 ? strtol(argv[3], NULL, 10) : 5;
    double start = now(), best = 0;
    bl_tokenizer *tokenizer = bl_tokenizer_load(argv[1], &err);
    if (!tokenizer) fail(err.message);
    double loading = now() - start;
    stories all = read_stories(argv[2]);
    uint64_t sum, first = 0;
    size_t tokens = 0;
    for (long i = 0; i < runs; i++) {
        start = now();
        tokens = encode_all(tokenizer, &all, &ids, &sum);
        double seconds = now() - start;
        if (i == 0 || seconds < best) best = seconds;
        if (i == 0) first = sum;
        if (sum != first) fail("two runs gave different ids");
    }
    double megabytes = all.ends ? (double)all.ends[all.n - 1] / 1e6 : 0;
    printf("name,megabytes,tokens,seconds,megabytes_per_second\n%s,%.2f,%zu,%.4f,%.1f\n", argv[1], megabytes,
           tokens, best, megabytes / best);
    printf("loading,,,%.4f,\n", loading);
    printf("a word of a million letters,1,,%.4f,\n", long_word(tokenizer, &ids));
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
    free(all.text);
    free(all.ends);
    return 0;
}
