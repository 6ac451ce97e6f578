/* Corpora: every form of file, compression, standard input, places in the file, and stories that fall on the
 * buffers' edges. */
#include "support.h"
#include "text/corpus/corpus_private.h"
#include <fcntl.h>
#include <pthread.h>
#include <zlib.h>
#include <zstd.h>

typedef struct bytes {
    char *data;
    size_t n;
} bytes;

static bytes plain(const char *text) { return (bytes){strdup(text), strlen(text)}; }

/* One gzip member, or one zstd frame, of what is given; frees it. */
static bytes gzip(bytes from) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    bytes to = {malloc(from.n + 1000), 0};
    stream.next_in = (unsigned char *)from.data, stream.avail_in = (unsigned)from.n;
    stream.next_out = (unsigned char *)to.data, stream.avail_out = (unsigned)from.n + 1000;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    to.n = stream.total_out;
    deflateEnd(&stream);
    free(from.data);
    return to;
}

static bytes zstd(bytes from) {
    size_t room = ZSTD_compressBound(from.n);
    bytes to = {malloc(room), 0};
    to.n = ZSTD_compress(to.data, room, from.data, from.n, 3);
    assert_false(ZSTD_isError(to.n));
    free(from.data);
    return to;
}

static bytes joined(bytes a, bytes b) {
    bytes both = {malloc(a.n + b.n), a.n + b.n};
    memcpy(both.data, a.data, a.n);
    memcpy(both.data + a.n, b.data, b.n);
    free(a.data), free(b.data);
    return both;
}

/* Writes a file into the test's folder, frees the bytes, returns the path (a buffer for each `which`). */
static const char *file(int which, const char *name, bytes content) {
    static char paths[4][256];
    snprintf(paths[which], sizeof paths[which], "%s/%s", support_temporary(), name);
    FILE *out = fopen(paths[which], "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(content.data, 1, content.n, out), content.n);
    fclose(out);
    free(content.data);
    return paths[which];
}

/* Reads everything; the stories joined by "|" must be `wanted`. */
static void stories_of(bl_corpus *corpus, const char *wanted) {
    char all[1024] = "";
    bl_error err = {0};
    bl_story story;
    assert_non_null(corpus);
    while (bl_corpus_next(corpus, &story, &err)) {
        assert_true(strlen(all) + story.length + 2 < sizeof all);
        snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s|", (int)story.length, story.text);
    }
    if (err.code) fail_msg("%s", err.message);
    assert_string_equal(all, wanted);
    assert_false(bl_corpus_next(corpus, &story, &err)); /* the end stays the end */
    assert_int_equal(err.code, BL_OK);
    bl_corpus_free(corpus);
}

static void stories_of_paths(const char *const *paths, size_t n, const char *wanted) {
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(paths, n, &err);
    if (!corpus) fail_msg("%s", err.message);
    stories_of(corpus, wanted);
}

static void stories_of_file(const char *name, bytes content, const char *wanted) {
    const char *path = file(0, name, content);
    stories_of_paths(&path, 1, wanted);
}

static void stories_of_memory(const char *name, bytes content, const char *wanted) {
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open_memory(name, content.data, content.n, &err);
    if (!corpus) fail_msg("%s", err.message);
    stories_of(corpus, wanted);
    free(content.data);
}

#define TXT                                                                         \
    "\n One \n\tline.\n<|endoftext|>\n\xC2\xA0Two\xE3\x80\x80\x1C<|endoftext|> \n " \
    "<|endoftext|><|endoftext|>Three"
#define TXT_STORIES "One \n\tline.|Two|Three|"
#define JSONL                                                                                        \
    "{\"text\": \" One \", \"n\": 1}\n\n{\"text\": \"\"}\r\n  {\"text\": \" \\n\\u00a0\"}\n{\"a\": " \
    "{\"text\": 1}, \"text\": \"Tw\\u00f6\"}"
#define JSONL_STORIES " One |Tw\xC3\xB6|"

static void formats(void **state) {
    (void)state;
    stories_of_file("a.txt", plain(TXT), TXT_STORIES);
    stories_of_file("a.txt.gz", gzip(plain(TXT)), TXT_STORIES);
    stories_of_file("a.txt.zst", zstd(plain(TXT)), TXT_STORIES);
    stories_of_file("a.jsonl", plain(JSONL), JSONL_STORIES);
    stories_of_file("a.jsonl.gz", gzip(plain(JSONL)), JSONL_STORIES);
    stories_of_file("a.jsonl.zst", zstd(plain(JSONL)), JSONL_STORIES);
    stories_of_file("b.jsonl", plain(JSONL "\n"), JSONL_STORIES);
    stories_of_file("b.txt", plain(TXT "<|endoftext|>\n"), TXT_STORIES);
    stories_of_file("half.txt", plain("a<|endoftext|b<|endof<|endoftext|>c"), "a<|endoftext|b<|endof|c|");
}

/* Where the name does not tell, the content does: compression always, the format when the suffix is neither
 * .txt nor .jsonl. */
static void sniffing(void **state) {
    (void)state;
    stories_of_file("stories", plain(TXT), TXT_STORIES);
    stories_of_file("lines", plain(JSONL), JSONL_STORIES);
    stories_of_file("blank first", plain(" \n\t" JSONL), JSONL_STORIES);
    stories_of_file("stories.dat", gzip(plain(TXT)), TXT_STORIES);
    stories_of_file("lines.gz", gzip(plain(JSONL)), JSONL_STORIES);
    stories_of_file("lines.zst", zstd(plain(JSONL)), JSONL_STORIES);
    stories_of_file("really-gzip.txt", gzip(plain(TXT)), TXT_STORIES);
    stories_of_file("really-zstd.jsonl", zstd(plain(JSONL)), JSONL_STORIES);
    stories_of_file("brace.txt", plain("{\"text\": \"a\"}"), "{\"text\": \"a\"}|"); /* the name says so */
    stories_of_file(".txt", plain("{x"), "{x|");
}

static void byte_order_mark(void **state) {
    (void)state;
    stories_of_file("bom.txt", plain("\xEF\xBB\xBFOne<|endoftext|>\xEF\xBB\xBFTwo"),
                    "One|\xEF\xBB\xBFTwo|"); /* only at the beginning */
    stories_of_file("bom.jsonl", plain("\xEF\xBB\xBF" JSONL), JSONL_STORIES);
    stories_of_file("bom", plain("\xEF\xBB\xBF" JSONL), JSONL_STORIES);
    stories_of_file("bom.txt.gz", gzip(plain("\xEF\xBB\xBFOne")), "One|");
}

/* Members and frames follow each other as if they were one; gzip's zero padding is no error. */
static void concatenated(void **state) {
    (void)state;
    stories_of_file("two.txt.gz", joined(gzip(plain("One<|endof")), gzip(plain("text|>Two"))), "One|Two|");
    stories_of_file("two.txt.zst", joined(zstd(plain("One<|endof")), zstd(plain("text|>Two"))), "One|Two|");
    stories_of_file("empty-member.txt.gz",
                    joined(joined(gzip(plain("One")), gzip(plain(""))), gzip(plain(" more"))), "One more|");
    bytes zeros = {calloc(1, 700), 700};
    stories_of_file("padded.txt.gz", joined(gzip(plain("One")), zeros), "One|");
    bytes skippable = {malloc(13), 13};
    memcpy(skippable.data, "\x52\x2A\x4D\x18\x05\x00\x00\x00hello", 13);
    stories_of_file("skippable.txt.zst", joined(skippable, zstd(plain("One"))), "One|");
}

static void several_files(void **state) {
    (void)state;
    const char *paths[] = {file(0, "1.txt", plain(TXT)), file(1, "2.jsonl.gz", gzip(plain(JSONL))),
                           file(2, "3.txt", plain(" \n")), file(3, "4.txt.zst", zstd(plain("Four")))};
    stories_of_paths(paths, 4,
                     TXT_STORIES JSONL_STORIES "Four|"); /* a file without a story among others is no error */
}

static void places(void **state) {
    (void)state;
    const char *paths[] = {file(0, "1.txt", plain("\xEF\xBB\xBF\n One\n<|endoftext|>\n\nTwo<|endoftext|>")),
                           file(1, "2.jsonl", plain("\n" JSONL))};
    static const struct {
        int path;
        uint64_t offset;
        size_t line;
    } wanted[] = {{0, 5, 2}, {0, 24, 5}, {1, 1, 2}, {1, 66, 6}};
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open(paths, 2, &err);
    assert_non_null(corpus);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bl_corpus_next(corpus, &story, &err));
        assert_string_equal(story.path, paths[wanted[i].path]);
        assert_int_equal(story.byte_offset, wanted[i].offset);
        assert_int_equal(story.line, wanted[i].line);
    }
    assert_false(bl_corpus_next(corpus, &story, NULL));
    bl_corpus_free(corpus);
    bl_corpus_free(NULL);
}

static void positions(void **state) {
    (void)state;
    bytes content = gzip(plain(TXT));
    uint64_t size = content.n, done, total;
    const char *paths[] = {file(0, "1.txt.gz", content), file(1, "2.txt", plain("abc"))};
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open(paths, 2, &err);
    assert_non_null(corpus);
    bl_corpus_position(corpus, &done, &total);
    assert_true(done == 0 && total == size + 3);
    assert_true(bl_corpus_next(corpus, &story, &err));
    bl_corpus_position(corpus, &done, &total);
    assert_true(done > 0 && done <= size && total == size + 3);
    while (bl_corpus_next(corpus, &story, &err)) {}
    bl_corpus_position(corpus, &done, &total);
    assert_true(done == size + 3 && total == size + 3);
    bl_corpus_free(corpus);
}

/* Stories of every length around the reads' size, so that separators, lines and characters are cut by every
 * edge there is. */
static void buffer_edges(void **state) {
    (void)state;
    const size_t edge = 1 << 16;
    for (size_t length = edge - 40; length < edge + 8; length++) {
        bytes text = {malloc(3 * edge + 64), 0};
        memset(text.data, 'a', length);
        memcpy(text.data + length - 2, "\xC3\xA9", 2);
        text.n = length;
        memcpy(text.data + text.n, "<|endoftext|>", 13), text.n += 13;
        memset(text.data + text.n, 'b', 2 * edge), text.n += 2 * edge;
        memcpy(text.data + text.n, "<|endoftext|>c", 14), text.n += 14;
        bl_error err = {0};
        bl_story story;
        bool compressed = length % 4 == 0;
        if (compressed) text = length % 8 ? gzip(text) : zstd(text);
        bl_corpus *corpus = bl_corpus_open_memory("edge", text.data, text.n, &err);
        assert_non_null(corpus);
        assert_true(bl_corpus_next(corpus, &story, &err) && story.length == length &&
                    story.text[length - 1] == '\xA9' && story.text[0] == 'a');
        assert_true(bl_corpus_next(corpus, &story, &err) && story.length == 2 * edge &&
                    story.byte_offset == length + 13);
        for (size_t i = 0; i < story.length; i++) assert_true(story.text[i] == 'b');
        assert_true(bl_corpus_next(corpus, &story, &err) && story.length == 1 && story.text[0] == 'c');
        assert_false(bl_corpus_next(corpus, &story, &err));
        assert_int_equal(err.code, BL_OK);
        bl_corpus_free(corpus);
        free(text.data);
    }
}

/* Many stories through a small window: memory stays that of the longest story, not that of the corpus. */
static void bounded_memory(void **state) {
    (void)state;
    const size_t stories = 20000;
    bytes text = {malloc(stories * 1013), 0};
    for (size_t i = 0; i < stories; i++) {
        memset(text.data + text.n, 'a' + (int)(i % 26), 1000), text.n += 1000;
        memcpy(text.data + text.n, "<|endoftext|>", 13), text.n += 13;
    }
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open_memory("many.txt", text.data, text.n, &err);
    size_t n = 0;
    for (; bl_corpus_next(corpus, &story, &err); n++)
        if (story.length != 1000 || story.text[999] != 'a' + (char)(n % 26))
            fail_msg("story %zu is wrong", n);
    assert_int_equal(n, stories);
    assert_true(corpus->window.capacity <= 1 << 18);
    bl_corpus_free(corpus);
    free(text.data);
}

typedef struct feeding {
    bytes content;
    int end;
    bool failed;
} feeding;

static void *feed(void *context) {
    feeding *self = context;
    for (size_t i = 0; i < self->content.n; i += 3) {
        size_t n = self->content.n - i < 3 ? self->content.n - i : 3;
        if (write(self->end, self->content.data + i, n) != (ssize_t)n) self->failed = true;
    }
    close(self->end);
    return NULL;
}

/* Reads standard input, a pipe through which `content` comes in small pieces. */
static void through_pipe(bytes content, const char *wanted) {
    int ends[2], kept = dup(STDIN_FILENO);
    pthread_t thread;
    assert_int_equal(pipe(ends), 0);
    feeding feeder = {.content = content, .end = ends[1]};
    assert_int_equal(pthread_create(&thread, NULL, feed, &feeder), 0);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    const char *path = "-";
    stories_of_paths(&path, 1, wanted);
    pthread_join(thread, NULL);
    dup2(kept, STDIN_FILENO);
    close(kept);
    assert_false(feeder.failed);
    free(content.data);
}

static void standard_input(void **state) {
    (void)state;
    through_pipe(plain(TXT), TXT_STORIES);
    through_pipe(plain(JSONL), JSONL_STORIES);
    through_pipe(gzip(plain(TXT)), TXT_STORIES);
    through_pipe(zstd(plain(JSONL)), JSONL_STORIES);
    through_pipe(joined(gzip(plain("One<|endof")), gzip(plain("text|>Two"))), "One|Two|");
    through_pipe(plain("a"), "a|");
}

static void from_memory(void **state) {
    (void)state;
    stories_of_memory("m.txt", plain(TXT), TXT_STORIES);
    stories_of_memory("m", zstd(plain(JSONL)), JSONL_STORIES);
    stories_of_memory("m.jsonl.gz", gzip(plain(JSONL)), JSONL_STORIES);
}

static const char *key; /* --text-key of the next corpus */

/* Reads everything; the stories and their numbers as "0:One|2:Two|", or the error's message. */
static const char *read_numbered(const char *name, const char *content) {
    static char all[2048];
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open_memory(name, content, strlen(content), &err);
    if (!corpus) fail_msg("%s", err.message);
    assert_true(bl_corpus_text_key(corpus, key, &err));
    all[0] = '\0';
    while (bl_corpus_next(corpus, &story, &err))
        snprintf(all + strlen(all), sizeof all - strlen(all), "%d:%.*s|", (int)story.number,
                 (int)story.length, story.text);
    if (err.code) {
        assert_int_equal(err.code, BL_ERR_INPUT);
        snprintf(all, sizeof all, "%s", err.message);
    }
    bl_corpus_free(corpus);
    return all;
}

static void numbered(const char *name, const char *content, const char *wanted) {
    assert_string_equal(read_numbered(name, content), wanted);
}

static void refused(const char *name, const char *content, const char *part) {
    const char *message = read_numbered(name, content);
    if (!strstr(message, part)) fail_msg("%s: '%s' is not in: %s", name, part, message);
}

/* Blank entries have a number, empty lines and a blank last piece have none. */
static void numbers(void **state) {
    (void)state;
    numbered("a.txt", "<|endoftext|>a<|endoftext|> <|endoftext|>\nb<|endoftext|>\n", "1:a|3:b|");
    numbered("a.jsonl", "{\"text\":\"\"}\n{\"text\":\"a\"}\n\n{\"text\":\" \"}\n{\"text\":\"b\"}",
             "1:a|3:b|");
    numbered("a.json", "[\"\", \"a\", {\"text\": \"\\n\"}, \"b\"]", "1:a|3:b|");
    const char *paths[] = {file(0, "1.txt", plain("a<|endoftext|> <|endoftext|>\n")),
                           file(1, "2.txt", plain("b"))};
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open(paths, 2, &err);
    assert_true(bl_corpus_next(corpus, &story, &err) && story.number == 0);
    assert_true(bl_corpus_next(corpus, &story, &err) && story.number == 2);
    bl_corpus_free(corpus);
}

static void arrays(void **state) {
    (void)state;
    numbered("a.json", " [ \"One\" ,\n{\"n\": [1, {\"text\": \"]\"}], \"text\" : \"T\\\"w,o\"} ] \n",
             "0:One|1:T\"w,o|");
    numbered("-", "[{\"text\": \"a\"}]", "0:a|");
    numbered("a.jsonl", "[\"a\", \"b\"]", "0:a|1:b|");
    numbered("a.txt", "[\"a\", \"b\"]", "0:[\"a\", \"b\"]|");
    numbered("-", "[Scene 1] A wood.", "0:[Scene 1] A wood.|");
    numbered("a.jsonl", "\"a\"\n\"b\"\n", "0:a|1:b|");
    refused("a.json", "[]", "no story");
    refused("a.json", "[\"a\"", "the end of the entry");
    refused("a.json", "[\"a\" \"b\"]", "a.json:1:");
    refused("a.json", "[\"a\"] x", "the end of the file was expected");
    refused("a.json", "[\"a\",\n{\"text\": \"b]", "a.json:2: not a JSON array");
    refused("a.json", "[1]", "not a JSON array");
    refused("a.json", "[\"a\", 7]", "neither a text");
    refused("a.json", "Once", "not a JSON array");
}

static void other_numbers(void **state) {
    (void)state;
    numbered(
        "a.jsonl",
        "{\"id\": 1208925819614629174706176, \"text\": \"a 1e999 NaN\"}\n{\"s\": NaN, \"t\": [-Infinity, 1e999, -0.5e-3], "
        "\"text\": \"b \\\" NaN\"}\n{\"text\": \"c\", \"x\": Infinity}",
        "0:a 1e999 NaN|1:b \" NaN|2:c|");
    refused("a.jsonl", "{\"x\": 01, \"text\": \"a\"}", "a.jsonl:1: not valid JSON");
    refused("a.jsonl", "{\"x\": Nan, \"text\": \"a\"}", "not valid JSON");
    refused("a.jsonl", "{\"text\": NaN}", "\"text\" is not a string");
}

static void text_keys(void **state) {
    (void)state;
    refused("a.jsonl", "{\"story\": \"a\"}", "--text-key story");
    refused("a.jsonl", "{\"id\": \"x\", \"content\": \"a\"}", "--text-key content");
    refused("a.jsonl", "{\"id\": \"x\", \"prose\": \"a longer one\"}", "--text-key prose");
    refused("a.jsonl", "{\"id\": 1}", "the key \"text\" is missing");
    refused("a.jsonl", "{\n\"text\": \"a\"\n}", "one line");
    key = "story";
    numbered("a.jsonl", "{\"story\": \"a\", \"text\": 1}", "0:a|");
    numbered("a.json", "[{\"story\": \"a\"}]", "0:a|");
    refused("a.jsonl", "{\"text\": \"a\"}", "--text-key text");
    key = NULL;
}

static void other_kinds(void **state) {
    (void)state;
    refused("a.csv", "id,words\n1,a\n", "CSV");
    refused("a.tsv.gz", "x", "not gzip");
    refused("-", "id,\"Text\"\r\n1,a\r\n", "CSV");
    refused("a.txt", "text\tlabel\nOnce\t1\n", "CSV");
    numbered("-", "Text, he said\nand more", "0:Text, he said\nand more|");
    refused("a.txt", "PAR1....", "parquet");
    refused("a.txt", "PK\3\4....", "zip");
    refused("a.xz",
            "\xFD"
            "7zXZ",
            "xz -d"); /* cut behind its mark's letters */
    refused("a.bz2", "BZh91AY&SY...", "bzip2");
    refused("a.txt", "<!DOCTYPE html><p>", "HTML");
    refused("a.txt", "version https://git-lfs.github.com/spec/v1\n", "git lfs pull");
    refused("a.txt", "\xFF\xFEO", "UTF-16");
    char tar[1024] = "a.txt";
    memcpy(tar + 257, "ustar", 5);
    bytes archive = gzip((bytes){memcpy(malloc(sizeof tar), tar, sizeof tar), sizeof tar});
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open_memory("a.tar.gz", archive.data, archive.n, &err);
    assert_false(bl_corpus_next(corpus, &story, &err));
    assert_non_null(strstr(err.message, "tar -xf"));
    bl_corpus_free(corpus);
    free(archive.data);
}

/* A folder on standard input opens, but cannot be read. */
static void read_errors(void **state) {
    (void)state;
    int kept = dup(STDIN_FILENO), folder = open("/", O_RDONLY);
    dup2(folder, STDIN_FILENO);
    const char *path = "-";
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open(&path, 1, &err);
    assert_true(!corpus || !bl_corpus_next(corpus, &story, &err));
    assert_true(err.code != BL_OK);
    assert_non_null(strstr(err.message, "directory"));
    bl_corpus_free(corpus);
    dup2(kept, STDIN_FILENO);
    close(kept), close(folder);
}

static void notes(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        bool note;
    } cases[] = {{"a.txt", "0123456789 0123456789 0123456789", true},
                 {"a.txt", "0123456789 0123456789<|endoftext|> 0123456789", false},
                 {"a.txt", "0123", false},
                 {"a.jsonl", "{\"text\": \"0123456789 0123456789 0123456789\"}", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_error err = {0};
        bl_story story;
        bl_corpus *corpus = bl_corpus_open_memory(cases[i].name, cases[i].text, strlen(cases[i].text), &err);
        while (bl_corpus_next(corpus, &story, &err)) {}
        const char *note = bl_corpus_note(corpus, 2);
        assert_int_equal(note != NULL, cases[i].note);
        assert_true(!note || (strstr(note, "endoftext") && strstr(note, "one story")));
        bl_corpus_free(corpus);
    }
}

/* A NUL is a character like any other. */
static void nul_characters(void **state) {
    (void)state;
    bl_error err = {0};
    bl_story story;
    bl_corpus *corpus = bl_corpus_open_memory("nul.jsonl", "{\"text\": \"a\\u0000b\"}", 20, &err);
    assert_true(bl_corpus_next(corpus, &story, &err));
    assert_true(story.length == 3 && memcmp(story.text, "a\0b", 3) == 0);
    bl_corpus_free(corpus);
    corpus = bl_corpus_open_memory("nul.txt", "a\0b", 3, &err);
    assert_true(bl_corpus_next(corpus, &story, &err));
    assert_true(story.length == 3 && memcmp(story.text, "a\0b", 3) == 0);
    bl_corpus_free(corpus);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),        cmocka_unit_test(sniffing),      cmocka_unit_test(byte_order_mark),
        cmocka_unit_test(concatenated),   cmocka_unit_test(several_files), cmocka_unit_test(places),
        cmocka_unit_test(positions),      cmocka_unit_test(buffer_edges),  cmocka_unit_test(bounded_memory),
        cmocka_unit_test(standard_input), cmocka_unit_test(from_memory),   cmocka_unit_test(nul_characters),
        cmocka_unit_test(numbers),        cmocka_unit_test(arrays),        cmocka_unit_test(other_numbers),
        cmocka_unit_test(text_keys),      cmocka_unit_test(other_kinds),   cmocka_unit_test(read_errors),
        cmocka_unit_test(notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
