/* The parts of the hub that need no network: names, patterns, addresses, the hub's JSON, and the cache looked
 * at offline. */
#include "support.h"
#include "hub/hub_private.h"
#include <sys/stat.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define OTHER "89abcdef0123456789abcdef0123456789abcdef"

static void names(void **state) {
    (void)state;
    static const struct {
        const char *text, *repository, *revision; /* repository NULL: refused */
    } cases[] = {{"tdooms/TinyStories-1-1024-i5n", "tdooms/TinyStories-1-1024-i5n", ""},
                 {"tinystories:1-1024-i5n", "tdooms/TinyStories-1-1024-i5n", ""},
                 {"tinystories:1-512-i", "tdooms/TinyStories-1-512-i", ""},
                 {"tinystories:2-256@v1", "tdooms/TinyStories-2-256", "v1"},
                 {"a/b@refs/pr/1", "a/b", "refs/pr/1"},
                 {"A_b.c-d/E.f_g-h@" COMMIT, "A_b.c-d/E.f_g-h", COMMIT},
                 {"https://huggingface.co/a/b", "a/b", ""},
                 {"https://huggingface.co/a/b/", "a/b", ""},
                 {"https://huggingface.co/a/b/tree/main", "a/b", "main"},
                 {"https://huggingface.co/a/b/tree/refs%2Fpr%2F1/folder?x=1", "a/b", "refs/pr/1"},
                 {"https://huggingface.co/a/b/blob/v1/config.json", "a/b", "v1"},
                 {"http://www.huggingface.co/a/b?library=x#top", "a/b", ""},
                 {"huggingface.co/a/b", "a/b", ""},
                 {"https://hf.co/a/b/discussions", "a/b", ""},
                 {"https://huggingface.co/datasets/a/b", "a/b", ""},
                 {"HTTPS://HuggingFace.co:443/a/b", "a/b", ""},
                 {" https://huggingface.co/a/b \n", "a/b", ""},
                 {"https://huggingface.co/a/b.git", "a/b", ""},
                 {"https://huggingface.co/models/a/b", "a/b", ""},
                 {"https://huggingface.co/a/b/commit/0123abc", "a/b", "0123abc"},
                 {"https://huggingface.co/a/b/raw/v1/config.json", "a/b", "v1"},
                 {"git@hf.co:a/b", "a/b", ""},
                 {"ssh://git@hf.co/a/b", "a/b", ""},
                 {"hf://a/b", "a/b", ""},
                 {"hf://datasets/a/b", "a/b", ""},
                 {.text = "https://huggingface.co/spaces/a/b"},
                 {.text = "https://huggingface.co/docs/hub"},
                 {.text = "https://huggingface.com/a/b"},
                 {.text = "hf.coa/b/c"},
                 {.text = "https://huggingface.co/a"},
                 {.text = "https://huggingface.co/"},
                 {.text = "https://huggingface.co/a/b/tree/"},
                 {.text = "https://huggingface.co/a/b/tree/%2e%2e"},
                 {.text = "https://huggingface.co/a/%2"},
                 {.text = "https://huggingface.co/a/%0a"},
                 {.text = "https://example.com/a/b"},
                 {.text = ""},
                 {.text = "/"},
                 {.text = "gpt2"},
                 {.text = "a/"},
                 {.text = "/a"},
                 {.text = "a/b/c"},
                 {.text = "./b"},
                 {.text = "../b"},
                 {.text = "a/.."},
                 {.text = "-a/b"},
                 {.text = "a/b-"},
                 {.text = "a-/b"},
                 {.text = "a/b..c"},
                 {.text = "a/b--c"},
                 {.text = "a/b.git"},
                 {.text = "a/b c"},
                 {.text = "a/b\n"},
                 {.text = "a/\xc3\xbc"},
                 {.text = "a/b@"},
                 {.text = "a/b@/x"},
                 {.text = "a/b@x/"},
                 {.text = "a/b@x/../y"},
                 {.text = "a/b@x//y"},
                 {.text = "a/b@.."},
                 {.text = "a/b@a b"},
                 {.text = "a/b@-f"},
                 {.text = "a/b@a\\b"},
                 {.text = "a/b@a:b"},
                 {.text = "a@b/c"},
                 {.text = "tinystories:1"},
                 {.text = "tinystories:"},
                 {.text = "tinystories:1-2-"},
                 {.text = "tinystories:-1-2"},
                 {.text = "tinystories:1-2x"},
                 {.text = "tinystories:1-2-a/b"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bl_hub_name name;
        bl_error err = {0};
        bool ok = bl_hub_parse(cases[i].text, &name, &err);
        if (ok != (cases[i].repository != NULL))
            fail_msg("'%s' was %s", cases[i].text, ok ? "accepted" : err.message);
        if (!ok) assert_error(err, BL_ERR_USAGE, "is no name on the hub");
        if (!ok) continue;
        assert_true(bl_hub_is_name(cases[i].text));
        assert_string_equal(name.repository, cases[i].repository);
        assert_string_equal(name.revision, cases[i].revision);
    }
    char longest[400];
    bl_hub_name name;
    memset(longest, 'a', sizeof longest);
    longest[399] = '\0';
    longest[1] = '/';
    assert_false(bl_hub_is_name(longest));
    longest[96] = '\0';
    assert_true(bl_hub_parse(longest, &name, NULL));
    longest[96] = 'a';
    longest[97] = '\0';
    assert_false(bl_hub_parse(longest, &name, NULL));
    assert_true(bl_hub_is_name("tinystories:nonsense")); /* meant as one: its error is the better answer */
    assert_false(bl_hub_is_name("/home/me/model"));
}

static void paths(void **state) {
    (void)state;
    static const char *const good[] = {"a",        "config.json", "data/a-b_c.d/e f+g%",
                                       "...",      "a/..b/c..",   ".gitattributes",
                                       "\xc3\xbc", "a:b"};
    static const char *const bad[] = {"",       "/",    "/a",   "a/",    "a//b", ".",
                                      "..",     "./a",  "a/.",  "a/./b", "../a", "a/..",
                                      "a/../b", "a\\b", "a\nb", "a\x7f", "\x01"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!bl_hub_safe_path(good[i])) fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bl_hub_safe_path(bad[i])) fail_msg("'%s' was believed", bad[i]);
    bl_hub_request request = {.name = "a/b"};
    assert_true(bl_hub_wanted(&request, "model-00001-of-00002.safetensors"));
    assert_true(bl_hub_wanted(&request, "model.safetensors.index.json"));
    assert_false(bl_hub_wanted(&request, "pytorch_model.bin"));
    assert_false(bl_hub_wanted(&request, "onnx/model.safetensors"));
    assert_false(bl_hub_wanted(&request, "README.md"));
    static const char *const patterns[] = {"*.md", "data/"};
    request.patterns = patterns;
    request.n_patterns = 2;
    assert_true(bl_hub_wanted(&request, "docs/README.md"));
    assert_true(bl_hub_wanted(&request, "data/x/y"));
    assert_false(bl_hub_wanted(&request, "config.json"));
    assert_false(bl_hub_wanted(&request, "database"));
}

static void check_url(char *url, const char *expected) {
    assert_string_equal(url, expected);
    bl_free(url);
}

static void addresses(void **state) {
    (void)state;
    bl_hub_request request = {.name = "a/b"};
    bl_hub_job job = {.request = &request, .name = "a/b", .revision = "refs/pr/1", .endpoint = "https://h"};
    check_url(bl_hub_revision_url(&job, NULL), "https://h/api/models/a/b/revision/refs%2Fpr%2F1");
    check_url(bl_hub_tree_url(&job, COMMIT, NULL), "https://h/api/models/a/b/tree/" COMMIT "?recursive=true");
    check_url(bl_hub_resolve_url(&job, COMMIT, "x y/\xc3\xbc?#%&.json", NULL),
              "https://h/a/b/resolve/" COMMIT "/x%20y/%C3%BC%3F%23%25%26.json");
    request.data = true;
    check_url(bl_hub_revision_url(&job, NULL), "https://h/api/datasets/a/b/revision/refs%2Fpr%2F1");
    check_url(bl_hub_resolve_url(&job, COMMIT, "x", NULL), "https://h/datasets/a/b/resolve/" COMMIT "/x");
    check_url(bl_hub_next_page("<https://h/a?b=c,d>; rel=\"next\"", NULL), "https://h/a?b=c,d");
    check_url(bl_hub_next_page("<https://h/1>; rel=\"prev\", <https://h/2>; rel=\"next\"", NULL),
              "https://h/2");
    static const char *const none[] = {
        "", "<", "<x", "<x>", "<https://h/1>; rel=\"prev\"", "rel=\"next\"", "<a>,<b>"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_null(bl_hub_next_page(none[i], NULL));
}

static void listing(void **state) {
    (void)state;
    static const char json[] = "[{\"type\":\"file\",\"path\":\"b\",\"size\":3,\"oid\":\"" COMMIT
                               "\"},{\"type\":\"directory\",\"path\":\"d\"},"
                               "{\"type\":\"file\",\"path\":\"a\",\"size\":130,\"oid\":\"" COMMIT
                               "\",\"lfs\":{\"size\":5000000000,\"oid\":\"" COMMIT
                               "0123456789abcdef01234567\"}},{\"type\":\"file\",\"path\":\"c\",\"size\":0}]";
    bl_hub_snapshot *files = calloc(1, sizeof *files);
    bl_error err = {0};
    char commit[41];
    if (!bl_hub_read_tree(json, strlen(json), "here", files, &err)) fail_msg("%s", err.message);
    bl_hub_sort(files);
    assert_int_equal(bl_hub_snapshot_n_files(files), 3);
    assert_string_equal(files->files[0].name, "a");
    assert_int_equal(files->files[0].size, 5000000000);
    assert_string_equal(files->files[0].hash, COMMIT "0123456789abcdef01234567");
    assert_string_equal(files->files[1].hash, COMMIT);
    assert_string_equal(files->files[2].hash, "");
    for (size_t n = 0; n < strlen(json); n++) /* cut anywhere */
        assert_false(bl_hub_read_tree(json, n, "here", files, &err));
    bl_hub_snapshot_free(files);
    assert_true(bl_hub_read_revision("{\"sha\":\"" COMMIT "\"}", strlen(COMMIT) + 10, "here", commit, &err));
    assert_string_equal(commit, COMMIT);
    static const char *const none[] = {"{}",
                                       "{\"sha\":1}",
                                       "{\"sha\":\"\"}",
                                       "{\"sha\":\"0123456789ABCDEF0123456789abcdef01234567\"}",
                                       "[]",
                                       "1",
                                       ""};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(bl_hub_read_revision(none[i], strlen(none[i]), "here", commit, &err));
    bl_hub_snapshot_free(NULL);
}

static void put(const char *cache, const char *path, const char *content) {
    char command[2048];
    snprintf(command, sizeof command,
             "f='%s/models--a--b/%s'; mkdir -p \"$(dirname \"$f\")\" && printf '%%s' '%s' >\"$f\"", cache,
             path, content);
    assert_int_equal(system(command), 0);
}

/* The cache as other programs may have left it: found where it is whole, refused in words where it is not. */
static void offline(void **state) {
    (void)state;
    char cache[256];
    bl_error err = {0};
    snprintf(cache, sizeof cache, "%s/hub", support_temporary());
    bl_hub_options options = {.cache = cache, .offline = true};
    bl_hub_request request = {.name = "a/b"};
    bl_hub_snapshot *snapshot;
    assert_null(bl_hub_fetch(&request, &options, &err));
    assert_error(err, BL_ERR_INPUT, "a/b is not in the cache");
    static const char *const no_commit[] = {"", "main", "../../../etc", COMMIT "0",
                                            "0123456789ABCDEF0123456789abcdef01234567"};
    for (size_t i = 0; i < sizeof no_commit / sizeof *no_commit; i++) {
        put(cache, "refs/main", no_commit[i]);
        assert_null(bl_hub_fetch(&request, &options, &err));
        assert_error(err, BL_ERR_INPUT, "a/b is not in the cache");
    }
    put(cache, "refs/main", COMMIT "\n");
    put(cache, "snapshots/" COMMIT "/config.json", "{}");
    put(cache, "snapshots/" COMMIT "/model.safetensors", "x");
    assert_null(bl_hub_fetch(&request, &options, &err));
    assert_error(err, BL_ERR_INPUT, "'tokenizer.json' of a/b is not in the cache");
    put(cache, "snapshots/" COMMIT "/tokenizer.json", "{}");
    put(cache, "snapshots/" COMMIT "/sub/x.txt", "deep");
    snapshot = bl_hub_fetch(&request, &options, &err);
    if (!snapshot) fail_msg("%s", err.message);
    assert_string_equal(bl_hub_snapshot_commit(snapshot), COMMIT);
    assert_int_equal(bl_hub_snapshot_n_files(snapshot), 3);
    assert_string_equal(bl_hub_snapshot_file(snapshot, 0).name, "config.json");
    assert_false(bl_hub_snapshot_file(snapshot, 0).fetched);
    assert_int_equal(access(bl_hub_snapshot_file(snapshot, 1).path, R_OK), 0);
    bl_hub_snapshot_free(snapshot);
    put(cache, "snapshots/" COMMIT "/model.safetensors.index.json",
        "{\"weight_map\":{\"t\":\"model-1.safetensors\"}}");
    assert_null(bl_hub_fetch(&request, &options, &err));
    assert_error(err, BL_ERR_INPUT, "'model-1.safetensors' of a/b");
    put(cache, "snapshots/" COMMIT "/model.safetensors.index.json", "nonsense");
    assert_null(bl_hub_fetch(&request, &options, &err));
    assert_error(err, BL_ERR_INPUT, "not valid JSON");
    static const char *const pattern = "*.txt";
    request.patterns = &pattern;
    request.n_patterns = 1;
    snapshot = bl_hub_fetch(&request, &options, &err);
    assert_non_null(snapshot);
    assert_string_equal(bl_hub_snapshot_file(snapshot, 0).name, "sub/x.txt");
    assert_int_equal(bl_hub_snapshot_file(snapshot, 0).size, 4);
    bl_hub_snapshot_free(snapshot);
    request.revision = OTHER;
    assert_null(bl_hub_fetch(&request, &options, &err));
    request.revision = "../x";
    assert_null(bl_hub_fetch(&request, &options, &err));
    assert_error(err, BL_ERR_USAGE, "is no revision");
    assert_null(bl_hub_fetch(&(bl_hub_request){.name = "../../etc"}, &options, &err));
    assert_error(err, BL_ERR_USAGE, "is no name on the hub");
    assert_null(bl_hub_fetch(&(bl_hub_request){.name = "a/b", .data = true}, &options, &err));
    assert_error(err, BL_ERR_USAGE, "which files of the data set");
    assert_null(bl_hub_fetch(&(bl_hub_request){.name = "a/b"}, &(bl_hub_options){.offline = true}, &err));
    assert_error(err, BL_ERR_USAGE, "no cache folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(paths),
                                       cmocka_unit_test(addresses), cmocka_unit_test(listing),
                                       cmocka_unit_test(offline)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
