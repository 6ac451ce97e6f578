/* Allocation failure, at every call: for N = 1, 2, 3 … a piece of work runs with its Nth allocation
 * failing, until it runs without a failure. Each failed run must say so (BL_ERR_MEMORY and a message), leak
 * nothing, and leave no file behind. The AddressSanitizer build of the same test sees what a wrong clean-up
 * would touch. Allocations inside other shared libraries (OpenBLAS, cairo) do not fail here.
 * ctest: begins early 70 */
#include "support.h"
#include "base/memory.h"
#include "hub/hub_private.h"
#include "memory/failing.h"
#include "memory/tiny_model.h"
#include "serve/explorer.h"
#include "model/prose.h"
#include "text/tokenizer/tokenizer_private.h"
#include <dirent.h>
#include <dlfcn.h>

typedef struct work {
    char directory[128], corpus[128], lines[128], page[128],
        out[128]; /* lines: the corpus as .jsonl; out: a folder that must stay empty when work fails */
    const bl_model *model;
    const bl_eigen *eigen;
    bl_tree *report;    /* everything of one direction */
    char *json, *table; /* the report's */
} work;

typedef bool (*piece)(const work *w, bl_error *err);

static const char *const minus[] = {"run", "#4"};
static const bl_direction direction = {.token = "swim",
                                       .minus = minus,
                                       .n_minus = 2,
                                       .centre_unembedding = true};

static int count_files(const char *directory) {
    DIR *folder = opendir(directory);
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return n;
}

static void empty_out(const work *w) {
    char command[400];
    if (access(w->out, F_OK) == 0 && count_files(w->out) == 0) return;
    snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s'", w->out, w->out);
    assert_int_equal(system(command), 0);
}

/* Where in the library the failed allocation was asked for. */
static const char *site(void) {
    static char text[512];
    Dl_info info;
    if (!dladdr(failing_site(), &info)) return "?";
    snprintf(text, sizeof text, "addr2line -ife %s %#tx", info.dli_fname,
             (char *)failing_site() - (char *)info.dli_fbase - 1);
    return text;
}

/* Runs `run` with every allocation failing in turn; returns how many there were. `recovers`: it may find
 * another way, and then answers for the result itself. `step`: of slow work only every so-manieth allocation.
 */
static size_t exhaust(const char *name, const work *w, piece run, bool recovers, size_t step) {
    bl_error err = {0};
    assert_true(run(w, &err)); /* what is made once and kept for ever is made now */
    for (size_t n = 1;; n += step) {
        empty_out(w);
        err = (bl_error){0};
        failing_arm(n);
        bool ok = run(w, &err);
        bool fired = failing_disarm();
        if (failing_live() != 0)
            fail_msg("%s: allocation %zu failed (%s), %zu blocks leaked: %s", name, n, site(), failing_live(),
                     err.message);
        if (!fired) {
            if (!ok) fail_msg("%s: failed without a failing allocation: %s", name, err.message);
            empty_out(w);
            printf("%-24s %4zu allocations\n", name, n - step);
            return n - step;
        }
        if (ok && recovers) continue;
        if (ok) fail_msg("%s: allocation %zu failed (%s), and nobody noticed", name, n, site());
        if (err.code != BL_ERR_MEMORY || !err.message[0])
            fail_msg("%s: allocation %zu failed (%s), reported as %s: '%s'", name, n, site(),
                     bl_code_name(err.code), err.message);
        if (count_files(w->out) != 0)
            fail_msg("%s: allocation %zu failed (%s), and files were left behind", name, n, site());
    }
}

static bool load(const work *w, bl_error *err) {
    bl_model *model = bl_model_load(w->directory, err);
    bl_model_free(model);
    return model != NULL;
}

static bool tokenize(const work *w, bl_error *err) {
    static const char text[] = "The fishy f\u00efsh can [EOS] SWIM, ababab! 42";
    const bl_tokenizer *tokenizer = bl_model_tokenizer(w->model);
    bl_ids ids = {0};
    bool ok = bl_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, err);
    char *back = ok ? bl_tokenizer_decode(tokenizer, ids.data, ids.n, err) : NULL;
    bl_free(back);
    bl_ids_free(&ids);
    return back != NULL;
}

/* Byte-pair encoding: loading, words that the heap merges, prefixes, bytes, prose. */
static bool pair_encode(const char *json, bl_error *err) {
    static const char text[] =
        " The f\u00efsh  can't swim 42 <x> eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.";
    bl_ids ids = {0};
    bl_tokenizer *tokenizer = bl_tokenizer_load_memory("bpe", json, strlen(json), err);
    bool ok = tokenizer && bl_tokenizer_encode(tokenizer, text, sizeof text - 1, &ids, err);
    size_t n = ids.n;
    char *back = ok ? bl_tokenizer_decode(tokenizer, ids.data, ids.n, err) : NULL, *prose = NULL;
    if (back && bl_prose_whole(tokenizer, ids.data, &n, 0, err))
        prose = bl_tokenizer_prose(tokenizer, ids.data, n, true, err);
    ok = prose != NULL;
    bl_free(back);
    bl_free(prose);
    bl_ids_free(&ids);
    bl_tokenizer_free(tokenizer);
    return ok;
}

static bool bpe_of_bytes(const work *w, bl_error *err) {
    (void)w;
    return pair_encode("{\"added_tokens\":[{\"id\":9,\"content\":\"<x>\",\"single_word\":false,\"lstrip\":"
                       "false,\"rstrip\":false,"
                       "\"normalized\":true}],\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":"
                       "\"h\"},\"content\":\"e\"},"
                       "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},\"post_"
                       "processor\":{\"type\":\"ByteLevel\"},"
                       "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\","
                       "\"vocab\":{\"u\":0,\"\u0120\":1,"
                       "\"T\":2,\"e\":3,\"ee\":4,\"eeee\":5,\"\u00c4\":6,\"Te\":7,\"\u0120Te\":8},\"merges\":"
                       "[\"e e\",\"ee ee\",\"T e\","
                       "\"\u0120 Te\"]}}",
                       err);
}

static bool bpe_of_sentences(const work *w, bl_error *err) {
    (void)w;
    return pair_encode("{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"_\"},"
                       "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"split\":false},"
                       "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
                       "\"String\":\"_\"},\"content\":\" \"},"
                       "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "
                       "\",\"start\":1,\"stop\":0}]},"
                       "\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"fuse_unk\":true,\"byte_fallback\":"
                       "true,\"vocab\":{\"u\":0,\"_\":1,\"e\":2,"
                       "\"ee\":3,\"eeee\":4,\"<0xC3>\":5,\"<0xAF>\":6,\"_c\":7,\"c\":8},\"merges\":[[\"e\","
                       "\"e\"],[\"ee\",\"ee\"],[\"_\",\"c\"]]}}",
                       err);
}

static bool bpe_of_expressions(const work *w, bl_error *err) {
    (void)w;
    return pair_encode(
        "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'t)|[^\\\\s\\\\p{L}]?\\\\p{L}+|\\\\s+\"},"
        "\"behavior\":\"Isolated\"},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":"
        "false}]},\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"u\":0,"
        "\"\\u0000\":1,\"T\":2,\"e\":3,\"ee\":4,\"c\":5,\"c\\u0000\":6},"
        "\"merges\":[[\"e\",\"e\"],[\"c\",\"\\u0000\"]]}}",
        err);
}

static bool bpe_with_affixes(const work *w, bl_error *err) {
    (void)w;
    return pair_encode(
        "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"never\"},"
        "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
        "\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"continuing_subword_prefix\":\"##\",\"end_of_word_"
        "suffix\":\"$\","
        "\"ignore_merges\":true,\"vocab\":{\"u\":0,\"##e\":1,\"##ee\":2,\"##n$\":3,\"##c\":4},\"merges\":[\"#"
        "#e ##e\"]}}",
        err);
}

static bool find_direction(const work *w, bl_error *err) {
    float u[8];
    return bl_direction_vector(&direction, support_basis(w->model), u, err);
}

static bool decompose(const work *w, size_t k, bl_error *err) {
    const float u[8] = {1, -2, 3, 0.5F, 0, 1, 1, -1};
    bl_eigen *eigen = bl_eigen_new(w->model, bl_model_config(w->model)->n_layer - 1, u, k, err);
    bl_eigen_free(eigen);
    return eigen != NULL;
}
static bool decompose_all(const work *w, bl_error *err) { return decompose(w, 0, err); }
static bool decompose_ends(const work *w, bl_error *err) { return decompose(w, 2, err); }

static bool virtual_tokens(const work *w, bl_error *err) {
    float out[3 * 14];
    return bl_virtual_tokens(w->model, 0, bl_eigen_vector(w->eigen, -1), out, err);
}

static bool trace(const work *w, bl_error *err) {
    const int32_t ids[] = {1, 7, 8, 9, 10};
    bl_trace *trace = bl_trace_run(w->model, ids, 5, NULL, 0, err);
    bl_trace_free(trace);
    return trace != NULL;
}

static bool weights(const work *w, bl_error *err) {
    for (const char *const *name = bl_weight_array_names(); *name; name++) {
        bl_weight_array array;
        if (!bl_weight_array_get(w->model, *name, 0, &array, err)) return false;
        bl_weight_array_free(&array);
    }
    return true;
}

static bool files(const work *w, bl_error *err) {
    char path[300];
    bl_named_array array = {.name = "values",
                            .data = bl_eigen_values(w->eigen),
                            .n_dims = 1,
                            .shape = {bl_eigen_size(w->eigen)}},
                   back;
    float *data = NULL;
    bl_named_array arrays[3] = {array, array, array};
    arrays[1].name = "again";
    arrays[2].name = "and again";
    snprintf(path, sizeof path, "%s/values.npy", w->out);
    bool ok = bl_npy_write(path, &array, err) && bl_npy_read(path, &back, &data, err);
    bl_free(data);
    unlink(path);
    snprintf(path, sizeof path, "%s/values.safetensors", w->out);
    ok = ok && bl_safetensors_write(path, arrays, 3, err);
    unlink(path);
    return ok;
}

static bool evaluate(const work *w, bl_error *err) {
    const char *paths[] = {w->corpus, w->lines};
    bl_loss loss;
    bl_corpus *corpus = bl_corpus_open(paths, 2, err);
    bool ok = corpus && bl_model_eval(w->model, corpus, 0, (bl_progress){0}, &loss, err);
    bl_corpus_free(corpus);
    return ok;
}

static bool neighbours(const work *w, bl_error *err) {
    const char *path = w->corpus;
    const float v[8] = {1, -2, 3, 0.5F, 0, 1, 1, -1};
    bl_neighbours_options options = {.top = 2};
    bl_corpus *corpus = bl_corpus_open(&path, 1, err);
    bl_neighbours *found = corpus ? bl_neighbours_find(w->model, v, 1, 8, corpus, &options, err) : NULL;
    bl_corpus_free(corpus);
    bl_neighbours_free(found);
    return found != NULL;
}

/* A dictionary trained, read and measured; where the model is bilinear, a form and the table of all. */
static bool dictionary(const work *w, bl_error *err) {
    const char *path = w->corpus;
    char folder[200];
    bl_dictionary_train_options o;
    bl_dictionary_train_result result;
    size_t which = 1;
    snprintf(folder, sizeof folder, "%s-dictionary", w->directory);
    bl_dictionary_train_defaults(&o);
    o.corpus = bl_corpus_open(&path, 1, err);
    o.valid = o.corpus ? bl_corpus_open(&path, 1, err) : NULL;
    o.features = 4, o.k = 2, o.batch = 4, o.epochs = 1;
    o.output = folder;
    o.overwrite = true;
    bool ok = o.valid && bl_dictionary_train(w->model, &o, &result, err);
    bl_corpus_free(o.corpus);
    bl_corpus_free(o.valid);
    bl_dictionary *a = ok ? bl_dictionary_read(folder, 8, err) : NULL;
    ok = a != NULL;
    for (size_t table = 0; ok && table < 2 && bl_config_is_bilinear(bl_model_config(w->model)); table++) {
        bl_corpus *corpus = bl_corpus_open(&path, 1, err);
        bl_feature_options features = {.features = &which,
                                       .n_features = 1,
                                       .corpus = corpus,
                                       .table = table == 1};
        bl_features *found = corpus ? bl_features_of(w->model, a, a, &features, err) : NULL;
        ok = found != NULL;
        bl_features_free(found);
        bl_corpus_free(corpus);
    }
    bl_dictionary_free(a);
    return ok;
}

/* The whole report. */
static bl_tree *report_tree(const work *w, bl_error *err) {
    const char *path = w->corpus;
    const long indices[] = {-1, 0};
    const bl_question subject = {w->model, &direction, bl_eigen_layer(w->eigen)};
    bl_tree *info = NULL, *eigen = NULL, *found = NULL, *report = NULL;
    bl_corpus *corpus = bl_corpus_open(&path, 1, err);
    bl_scan *scan = corpus
                      ? bl_scan_run(w->model, w->eigen, indices, 2, corpus, &(bl_scan_options){.top = 2}, err)
                      : NULL;
    if (scan) info = bl_info_tree(w->model, err);
    if (info) eigen = bl_eigen_tree(&subject, w->eigen, indices, 2, err);
    if (eigen) found = bl_scan_tree(&subject, w->eigen, scan, indices, 2, err);
    if (found) report = bl_report_tree(info, eigen, found, &path, 1, err);
    bl_tree_free(info);
    bl_tree_free(eigen);
    bl_tree_free(found);
    bl_scan_free(scan);
    bl_corpus_free(corpus);
    return report;
}

/* The report is whole and the same, or there is none. */
static bool scan_and_report(const work *w, bl_error *err) {
    bl_tree *tree = report_tree(w, err);
    char *report = bl_tree_text(tree, err);
    bl_tree_free(tree);
    if (!report) return false;
    bool same = strcmp(report, w->json) == 0;
    bl_free(report);
    if (!same) snprintf(err->message, sizeof err->message, "the report differs");
    return same;
}

static bool same_file(const char *a, const char *b, const char *name) {
    char path[300];
    snprintf(path, sizeof path, "%s/%s", a, name);
    FILE *x = fopen(path, "rb");
    snprintf(path, sizeof path, "%s/%s", b, name);
    FILE *y = fopen(path, "rb");
    bool same = x && y;
    for (int c = 0; same && c != EOF;) same = (c = getc(x)) == getc(y);
    if (x) fclose(x);
    if (y) fclose(y);
    return same;
}

static bool learn_vocabulary(const work *w, bl_error *err) {
    const char *path = w->corpus;
    char out[300];
    snprintf(out, sizeof out, "%s/tokenizer.json", w->out);
    bl_corpus *corpus = bl_corpus_open(&path, 1, err);
    bool ok = corpus && bl_tokenizer_train(corpus, &(bl_wordpiece_options){.size = 34}, out, (bl_progress){0},
                                           NULL, err);
    bl_corpus_free(corpus);
    return ok;
}

static bool take_text(void *context, size_t i, const bl_generated *story, bl_error *err) {
    (void)context, (void)i, (void)err;
    return story->text != NULL;
}

static bool generate(const work *w, bl_error *err) {
    bl_generate_options options = {.temperature = 1, .top_k = 5, .capitals = true, .whole = true};
    bl_generated story;
    bool ok = bl_generate(w->model, "", &options, &story, (bl_progress){0}, err);
    if (ok) bl_generated_free(&story);
    return ok && bl_generate_stories(w->model, "", &options, 3, take_text, NULL, (bl_progress){0}, err);
}

/* The first time into `page`, the reference, later into `out`. */
static bool render(const work *w, bl_error *err) {
    char path[300];
    bool first = access(w->page, F_OK) != 0;
    snprintf(path, sizeof path, "%s/report", w->out);
    if (!bl_report_render(w->report, w->eigen, NULL, first ? w->page : path, err)) return false;
    if (first ||
        (same_file(path, w->page, "index.html") && same_file(path, w->page, "tables/virtual-tokens.csv")))
        return true;
    snprintf(err->message, sizeof err->message, "the page differs");
    return false;
}

/* A notebook's pieces, and a direction from a file. */
static bool notebook(const work *w, bl_error *err) {
    const long indices[] = {-1, 0};
    const float *u = bl_eigen_values(w->eigen);
    float again[16];
    char path[300];
    size_t d = bl_model_config(w->model)->d_model;
    snprintf(path, sizeof path, "%s/u.safetensors", w->directory);
    if (access(path, F_OK) != 0 && !bl_safetensors_write(path, &(bl_named_array){"u", u, 1, {d}}, 1, err))
        return false;
    if (!bl_direction_read(path, d, again, err)) return false;
    const bl_direction probe = {.vector = again, .name = "probe"};
    const bl_question subject = {w->model, &probe, bl_eigen_layer(w->eigen)};
    bl_tree *eigen = bl_eigen_tree(&subject, w->eigen, indices, 2, err);
    char *spectrum = eigen ? bl_spectrum_html(eigen, err) : NULL,
         *tokens = spectrum ? bl_virtual_tokens_html(eigen, err) : NULL;
    bl_tree *info = tokens ? bl_info_tree(w->model, err) : NULL;
    char *shown = info ? bl_info_html(info, err) : NULL;
    bool ok = shown != NULL;
    bl_tree_free(eigen);
    bl_free(spectrum);
    bl_free(tokens);
    bl_tree_free(info);
    bl_free(shown);
    return ok;
}

static char *table(const work *w, bl_error *err) {
    const bl_terminal terminal = {.colour = BL_COLOUR_24BIT, .width = 80};
    return bl_report_table(w->report, &terminal, err);
}

static bool show(const work *w, bl_error *err) {
    char *text = table(w, err);
    if (!text) return false;
    bool same = strcmp(text, w->table) == 0;
    bl_free(text);
    if (!same) snprintf(err->message, sizeof err->message, "the table differs");
    return same;
}

/* One request; false with BL_ERR_MEMORY when its answer says that there was no memory. */
static bool ask_explorer(bl_explorer *explorer, const char *path, const char *query, bl_error *err) {
    bl_request request = {.path = path};
    bl_answer answer = {0};
    bool ok = bl_request_add(&request, query, strlen(query), err);
    if (ok) {
        bl_explorer_answer(explorer, &request, NULL, NULL, &answer);
        ok = answer.status == 200;
        if (!ok) {
            err->code = answer.status == 503 ? BL_ERR_MEMORY : BL_ERR_INPUT;
            snprintf(err->message, sizeof err->message, "%s: %u %.300s", path, answer.status, answer.text);
        }
    }
    bl_answer_release(&answer);
    bl_request_free(&request);
    return ok;
}

static bool explore(const work *w, bl_error *err) {
    static const char *const requests[][2] = {{"/api/info", ""},
                                              {"/api/eigen", "token=swim&contrast=mean&eigs=-1"},
                                              {"/api/eigen", "token=swim&contrast=mean&eigs=-1&null=1"},
                                              {"/api/scan", "token=swim&minus=run&eigs=0&top=2&heads=1"},
                                              {"/api/tokens", "q=s&sort=id"},
                                              {"/api/sentence", "text=tom+swim"},
                                              {"/api/sentence/contributions", "text=tom+swim&token=swim"}};
    const char *path = w->corpus;
    bl_corpus *corpus = bl_corpus_open(&path, 1, err);
    bl_explorer *explorer = corpus ? bl_explorer_new(w->model, corpus, NULL, err) : NULL;
    bool ok = explorer != NULL;
    for (size_t i = 0; ok && i < sizeof requests / sizeof *requests; i++)
        ok = ask_explorer(explorer, requests[i][0], requests[i][1], err);
    bl_explorer_free(explorer);
    bl_corpus_free(corpus);
    return ok;
}

/* A model in the hub's cache (with an index: the later kind), and what the hub says of one. */
static bool look_into_cache(const work *w, bl_error *err) {
    char cache[160];
    snprintf(cache, sizeof cache, "%s-hub", w->directory);
    bl_hub_options options = {.cache = cache, .offline = true};
    bl_hub_request request = {.name = "a/b"};
    bl_hub_snapshot *snapshot = bl_hub_fetch(&request, &options, err);
    bool ok = snapshot && bl_hub_snapshot_n_files(snapshot) >= 3;
    bl_hub_snapshot_free(snapshot);
    return ok;
}

static bool read_list(const work *w, bl_error *err) {
    (void)w;
    static const char tree[] =
        "[{\"type\":\"file\",\"path\":\"b\",\"size\":3},{\"type\":\"file\",\"path\":\"a\",\"size\":1}]";
    bl_hub_request request = {.name = "a/b"};
    bl_hub_job job = {.request = &request, .name = "a/b", .revision = "main", .endpoint = "https://h"};
    bl_hub_snapshot *files = bl_alloc_zero(1, sizeof *files, err);
    bool ok = files && bl_hub_read_tree(tree, sizeof tree - 1, "here", files, err);
    char *revision = ok ? bl_hub_revision_url(&job, err) : NULL,
         *list = revision ? bl_hub_tree_url(&job, "0", err) : NULL;
    char *file = list ? bl_hub_resolve_url(&job, "0", "a b", err) : NULL,
         *next = file ? bl_hub_next_page("<x>; rel=\"next\"", err) : NULL;
    ok = next != NULL;
    bl_free(revision);
    bl_free(list);
    bl_free(file);
    bl_free(next);
    bl_hub_snapshot_free(files);
    return ok;
}

static void put_into_cache(const work *w) {
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    char command[1024];
    snprintf(command, sizeof command,
             "s='%s-hub/models--a--b'; mkdir -p \"$s/refs\" \"$s/snapshots\" && ln -s '%s' "
             "\"$s/snapshots/%s\" && printf %s >\"$s/refs/main\"",
             w->directory, w->directory, commit, commit);
    assert_int_equal(system(command), 0);
}

static void test_every_allocation(void **state) {
    (void)state;
    static const char *const kinds[N_TINY] = {"plain", "norm", "later"};
    const float u[8] = {1, -2, 3, 0.5F, 0, 1, 1, -1};
    bl_set_threads(1); /* so that the Nth allocation is the same one every time */
    work none = {.model = NULL};
    snprintf(none.out, sizeof none.out, "%s/none", support_temporary());
    empty_out(&none);
    assert_in_range(exhaust("hub's list", &none, read_list, false, 1), 10, 5000);
    assert_in_range(exhaust("BPE of bytes", &none, bpe_of_bytes, false, 1), 50, 5000);
    assert_in_range(exhaust("BPE of sentences", &none, bpe_of_sentences, false, 1), 50, 5000);
    assert_in_range(exhaust("BPE with affixes", &none, bpe_with_affixes, false, 1), 50, 5000);
    assert_in_range(exhaust("BPE of expressions", &none, bpe_of_expressions, true, 1), 50, 5000);
    for (int kind = 0; kind < N_TINY; kind++) {
        work w = {.model = NULL};
        bl_error err = {0};
        size_t step = kind == 0 ? 1 : 3; /* the later models' results are drawn in the same places */
        printf("-- %s\n", kinds[kind]);
        snprintf(w.directory, sizeof w.directory, "%s/%s", support_temporary(), kinds[kind]);
        snprintf(w.corpus, sizeof w.corpus, "%s/stories.txt", support_temporary());
        snprintf(w.lines, sizeof w.lines, "%s/stories.jsonl", support_temporary());
        snprintf(w.page, sizeof w.page, "%s/page-%s", support_temporary(), kinds[kind]);
        snprintf(w.out, sizeof w.out, "%s/out", support_temporary());
        assert_true(tiny_model_write(w.directory, (tiny_kind)kind) && tiny_corpus_write(w.corpus, false) &&
                    tiny_corpus_write(w.lines, true));
        empty_out(&w);
        assert_in_range(exhaust("load", &w, load, false, 1), 50, 5000);
        put_into_cache(&w);
        assert_in_range(exhaust("hub's cache", &w, look_into_cache, false, 1), 15, 5000);

        bl_model *model = bl_model_load(w.directory, &err);
        if (!model) fail_msg("%s", err.message);
        w.model = model;
        bl_eigen *eigen = bl_eigen_new(model, bl_model_config(model)->n_layer - 1, u, 0, &err);
        if (!eigen) fail_msg("%s", err.message);
        w.eigen = eigen;
        exhaust("tokenize", &w, tokenize, false, 1);
        exhaust("direction", &w, find_direction, false, 1);
        exhaust("all eigenpairs", &w, decompose_all, false, 1);
        exhaust("eigenpairs at the ends", &w, decompose_ends, false, 1);
        exhaust("virtual tokens", &w, virtual_tokens, false, 1);
        exhaust("trace", &w, trace, false, 1);
        exhaust("weight arrays", &w, weights, false, 1);
        exhaust("npy and safetensors", &w, files, false, 1);
        exhaust("eval", &w, evaluate, false, 1);
        exhaust("neighbours", &w, neighbours, false, 1);
        exhaust("dictionary", &w, dictionary, true, step); /* looking at a directory goes on without */
        if (kind == 0) exhaust("vocabulary", &w, learn_vocabulary, false, 1);
        exhaust("generate", &w, generate, false, 1);
        w.report = report_tree(&w, &err);
        w.json = bl_tree_text(w.report, &err);
        if (!w.json) fail_msg("%s", err.message);
        exhaust("scan and JSON", &w, scan_and_report, true, step);
        w.table = table(&w, &err);
        if (!w.table) fail_msg("%s", err.message);
        exhaust("terminal", &w, show, true, step);
        exhaust("render", &w, render, true, 17);
        exhaust("notebook", &w, notebook, true, step);
        exhaust("explorer", &w, explore, true, step);
        bl_free(w.json);
        bl_tree_free(w.report);
        bl_free(w.table);
        bl_eigen_free(eigen);
        bl_model_free(model);
    }
}

int main(void) {
    json_set_alloc_funcs(failing_malloc, failing_free);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
