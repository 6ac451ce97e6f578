/* An atlas that somebody has changed. The first byte says how: 0, the input is the file; else it is a
 * list of changes to a whole one, each a table, a column, a row and a value of any type; odd, its facts
 * are sealed again, so that the checks behind the seal are reached. The second byte says which of the
 * readers gets it: it refuses the file with a message, or answers with JSON.
 *
 * SQLite takes its memory from one arena here: under the sanitizers most of the time went into that. */
#include "fuzz_model.h"
#include "atlas/atlas_private.h"
#include "atlas/database.h"
#include "atlas/foreign.h"
#include "atlas/reader.h"
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bl_model *model;
static char *whole;
static size_t whole_n;

/* ---- SQLite's memory: blocks of powers of two with their exponent in front, one list of free ones each */

typedef union block {
    union block *next;
    unsigned power;
    max_align_t align;
} block;

static block arena[(16 << 20) / sizeof(block)], *free_blocks[32];
static size_t arena_used;

static unsigned power_of(int n) {
    unsigned power = 5;
    while (((size_t)1 << power) - sizeof(block) < (size_t)n) power++;
    return power;
}

static void *take(int n) {
    unsigned power = power_of(n);
    block *b = free_blocks[power];
    if (b) {
        free_blocks[power] = b->next;
    } else {
        size_t blocks = ((size_t)1 << power) / sizeof(block);
        if (blocks > sizeof arena / sizeof *arena - arena_used) return NULL;
        b = arena + arena_used;
        arena_used += blocks;
    }
    b->power = power;
    return b + 1;
}

static void give_back(void *p) {
    block *b = (block *)p - 1;
    unsigned power = b->power;
    b->next = free_blocks[power];
    free_blocks[power] = b;
}

static int room(void *p) { return p ? (int)(((size_t)1 << ((block *)p - 1)->power) - sizeof(block)) : 0; }

static void *take_again(void *p, int n) {
    if (n <= room(p)) return p;
    void *q = take(n);
    if (q) {
        memcpy(q, p, (size_t)room(p));
        give_back(p);
    }
    return q;
}

static int round_up(int n) { return (int)(((size_t)1 << power_of(n)) - sizeof(block)); }
static int begin_memory(void *context) { return context ? SQLITE_ERROR : SQLITE_OK; }
static void end_memory(void *context) { (void)context; }

static void configure(void) {
    static const sqlite3_mem_methods memory = {take,     give_back,    take_again, room,
                                               round_up, begin_memory, end_memory, NULL};
    if (sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK) abort();
    if (sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK) abort();
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK) abort();
}

static void make_whole(void) {
    bl_error err = {0};
    bl_atlas_options options = {.pairs = 1, .top = 2, .virtual_tokens = 2};
    const char *path = fuzz_path("whole.db");
    bl_set_threads(1);
    model = fuzz_model();
    bl_corpus *corpus = fuzz_stories();
    if (!bl_atlas_run(model, corpus, path, &options, NULL, &err)) abort();
    bl_corpus_free(corpus);
    whole = bl_file_read(path, SIZE_MAX / 2, &whole_n, &err);
    if (!whole) abort();
}

typedef struct bytes {
    const uint8_t *at;
    size_t left;
} bytes;

static unsigned next(bytes *b) {
    if (!b->left) return 0;
    b->left--;
    return *b->at++;
}

/* The name in column `column` of the row with number `number` (wrapped) of a query. */
static bool pick(sqlite3 *db, const char *sql, unsigned number, int column, char out[64]) {
    sqlite3_stmt *s = NULL;
    unsigned n = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) return false;
    while (sqlite3_step(s) == SQLITE_ROW) n++;
    sqlite3_reset(s);
    for (unsigned i = 0; n && i <= number % n; i++) sqlite3_step(s);
    const char *text = n ? (const char *)sqlite3_column_text(s, column) : NULL;
    snprintf(out, 64, "%s", text ? text : "");
    sqlite3_finalize(s);
    return out[0] != '\0';
}

static void bind_value(sqlite3_stmt *s, bytes *b) {
    static const double reals[] = {0, -1, 1e308, -1e308, 1e-310, 0.5};
    static const int64_t wholes[] = {0, -1, 1, INT32_MAX, INT64_MAX, INT64_MIN, 100000, UINT32_MAX};
    unsigned kind = next(b), n;
    switch (kind % 6) {
    case 0: sqlite3_bind_null(s, 1); break;
    case 1: sqlite3_bind_int64(s, 1, wholes[next(b) % 8]); break;
    case 2: sqlite3_bind_double(s, 1, reals[next(b) % 6]); break;
    case 3: sqlite3_bind_int64(s, 1, (int8_t)next(b)); break;
    default:
        n = next(b);
        n = n < b->left ? n : (unsigned)b->left;
        if (kind % 6 == 4) sqlite3_bind_text(s, 1, (const char *)b->at, (int)n, SQLITE_TRANSIENT);
        else sqlite3_bind_blob(s, 1, b->at, (int)n, SQLITE_TRANSIENT);
        b->at += n;
        b->left -= n;
    }
}

static void change(const char *path, bytes *b, bool seal) {
    sqlite3 *db = NULL;
    bl_error err = {0};
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) abort();
    for (int i = 0; b->left && i < 16; i++) {
        char table[64], column[64], sql[400];
        sqlite3_stmt *s = NULL;
        if (!pick(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", next(b), 0, table))
            break;
        snprintf(sql, sizeof sql, "PRAGMA table_info(\"%s\")", table);
        if (!pick(db, sql, next(b), 1, column)) continue;
        snprintf(
            sql, sizeof sql,
            "UPDATE \"%s\" SET \"%s\" = ?1 WHERE \"%s\" IN (SELECT \"%s\" FROM \"%s\" LIMIT 1 OFFSET %u)",
            table, column, column, column, table, next(b));
        if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
            bind_value(s, b);
            sqlite3_step(s);
        }
        sqlite3_finalize(s);
    }
    if (seal) (void)bl_seal_facts(db, &err);
    sqlite3_close(db);
}

static void query(const char *path, const bl_atlas_query *what) {
    bl_error err = {0};
    bl_tree *tree = bl_atlas_tree(path, what, &err);
    if (!tree && (err.code == BL_OK || !err.message[0])) abort();
    char *text = tree ? bl_tree_text(tree, &err) : NULL;
    bl_tree *again = text ? bl_tree_parse(text, "answer", &err) : NULL;
    if (tree && !again) abort();
    bl_tree_free(again);
    bl_free(text);
    bl_tree_free(tree);
}

static void look_at(const char *path, int32_t first) {
    bl_error err = {0};
    bl_atlas_reader *reader = bl_atlas_reader_open(path, model, 0, &err);
    if (!reader) {
        if (err.code == BL_OK || !err.message[0]) abort();
        return;
    }
    const float *v;
    const bl_atlas_reader_pair *pairs;
    int32_t *ids = NULL;
    size_t n, *begin = NULL, V = bl_model_config(model)->n_vocab;
    (void)bl_atlas_reader_vectors(reader, &v, &pairs, &n, &err);
    if (bl_atlas_reader_stories(reader, 100, &ids, &begin, &n, &err)) {
        for (size_t i = 0; i < begin[n]; i++)
            if (ids[i] < 0 || (size_t)ids[i] >= V) abort();
    }
    bl_free(ids);
    bl_free(begin);
    for (int32_t token = first; token < (int32_t)V; token += 5) {
        bl_atlas_reader_matches matches;
        bl_atlas_reader_words words;
        if (bl_atlas_reader_get_matches(reader, token, -1, 4, &matches, &err))
            bl_atlas_reader_matches_free(&matches);
        if (bl_atlas_reader_get_words(reader, token, 0, &words, &err)) bl_atlas_reader_words_free(&words);
    }
    bl_atlas_reader_free(reader);
}

static void read_it(const char *path, unsigned how) {
    static const bl_atlas_query queries[] = {{.token = "swim"},
                                             {.sort = "largest", .limit = 3},
                                             {.eigenpairs = true, .limit = 3}};
    size_t n = sizeof queries / sizeof *queries;
    if (how % (n + 1) < n) query(path, &queries[how % (n + 1)]);
    else look_at(path, (int32_t)(how / (n + 1) % 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    if (size < 2) return 0;
    if (!model) {
        configure();
        make_whole();
    }
    const char *path = fuzz_path("changed.db");
    bytes b = {data + 2, size - 2};
    bool ok =
        data[0] ? bl_file_write(path, whole, whole_n, &err) : bl_file_write(path, data + 2, size - 2, &err);
    if (!ok) abort();
    if (data[0]) change(path, &b, data[0] & 1);
    read_it(path, data[1]);
    return 0;
}
