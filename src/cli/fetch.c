/* bilens fetch: brings a model or files of a data set from the hub into the cache. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/hub.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fetch_options {
    const char *revision;
    text_list files;
    bool data, list;
    size_t parallel, retries;
    double wait, timeout;
} fetch_options;

static bl_tree *as_tree(const bl_hub_name *name, const fetch_options *o, const bl_hub_snapshot *snapshot,
                        bl_error *err) {
    const char *directory = bl_hub_snapshot_directory(snapshot);
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "repository", name->repository);
    bl_put_text(&b, root, "type", o->data ? "dataset" : "model");
    bl_put_text(&b, root, "revision", name->revision[0] ? name->revision : "main");
    bl_put_text(&b, root, "commit", bl_hub_snapshot_commit(snapshot));
    if (directory) bl_put_text(&b, root, "directory", directory);
    bl_tree *files = bl_put_array(&b, root, "files");
    for (size_t i = 0; i < bl_hub_snapshot_n_files(snapshot); i++) {
        bl_hub_file file = bl_hub_snapshot_file(snapshot, i);
        bl_tree *item = bl_put_object(&b, files, NULL);
        bl_put_text(&b, item, "name", file.name);
        bl_put_count(&b, item, "size", file.size);
        if (!file.path) continue;
        bl_put_text(&b, item, "path", file.path);
        bl_put_flag(&b, item, "fetched", file.fetched);
    }
    return bl_tree_built(&b, root);
}

/* A size for people: "88.1 MB". */
static void print_size(uint64_t size, char out[24]) {
    if (size < 10000) snprintf(out, 24, "%llu B", (unsigned long long)size);
    else if (size < 1000000) snprintf(out, 24, "%.1f kB", (double)size / 1e3);
    else if (size < 10000000000) snprintf(out, 24, "%.1f MB", (double)size / 1e6);
    else snprintf(out, 24, "%.1f GB", (double)size / 1e9);
}

static char *as_table(const bl_hub_name *name, const bl_hub_snapshot *snapshot) {
    const char *directory = bl_hub_snapshot_directory(snapshot);
    char *text = NULL, size[24];
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out) return NULL;
    fprintf(out, "%s, commit %s\n", name->repository, bl_hub_snapshot_commit(snapshot));
    for (size_t i = 0; i < bl_hub_snapshot_n_files(snapshot); i++) {
        bl_hub_file file = bl_hub_snapshot_file(snapshot, i);
        print_size(file.size, size);
        fprintf(out, "%10s  %s%s\n", size, file.name,
                !directory     ? ""
                : file.fetched ? ""
                               : "  (was in the cache)");
    }
    if (directory) fprintf(out, "%s\n", directory);
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

static char *fetch(const common *c, fetch_options *o, bl_error *err) {
    bl_hub_name name;
    hub_settings settings = {0};
    char *text = NULL;
    bl_hub_snapshot *snapshot = NULL;
    if (!bl_hub_parse(c->model, &name, err) || !hub_settings_read(&settings, c->quiet, err)) goto done;
    if (o->revision) {
        if (name.revision[0] || strlen(o->revision) >= sizeof name.revision) {
            bl_fail(err, BL_ERR_USAGE,
                    name.revision[0] ? "two revisions: '%.200s' and --revision"
                                     : "--revision: too long after '%.200s'",
                    c->model);
            goto done;
        }
        snprintf(name.revision, sizeof name.revision, "%s", o->revision);
    }
    settings.options.list_only = o->list;
    settings.options.parallel = o->parallel;
    settings.options.retries = o->retries;
    settings.options.no_retries = o->retries == 0;
    settings.options.retry_wait = o->wait;
    settings.options.timeout = o->timeout;
    bl_hub_request request = {.name = name.repository,
                              .revision = name.revision,
                              .data = o->data || name.data,
                              .patterns = o->files.items,
                              .n_patterns = o->files.n};
    snapshot = bl_hub_fetch(&request, &settings.options, err);
    progress_end();
    if (snapshot && c->format == FORMAT_JSON)
        text = show_tree(c, as_tree(&name, o, snapshot, err), NULL, err);
    else if (snapshot) text = as_table(&name, snapshot);
    if (snapshot && !text && err->code == BL_OK) {
        bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
done:
    bl_hub_snapshot_free(snapshot);
    hub_settings_free(&settings);
    return text;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    fetch_options o = {.parallel = 4, .retries = 5, .wait = 1, .timeout = 30};
    bl_error err = {0};
    const option table[] = {
        {"revision", OPTION_TEXT, &o.revision, "R",
         "branch, tag or commit (default main); the same as owner/name@R"},
        {"data", OPTION_FLAG, &o.data, NULL, "a data set, not a model"},
        {"file", OPTION_FILES, &o.files, "PATTERN…",
         "these files instead of a model's; * matches slashes, too; 'folder/' is all below it"},
        {"list", OPTION_FLAG, &o.list, NULL, "say what the hub has, and fetch nothing"},
        {"parallel", OPTION_COUNT, &o.parallel, "N", "files at a time, 1 to 16 (default 4)"},
        {"retries", OPTION_COUNT, &o.retries, "N",
         "further attempts after a fault that may pass (default 5)"},
        {"retry-wait", OPTION_REAL, &o.wait, "S",
         "seconds before the first further attempt, doubled each time (default 1)"},
        {"timeout", OPTION_REAL, &o.timeout, "S",
         "seconds of silence after which a connection is given up (default 30)"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON, NULL, true);
    if (status >= 0) return status;
    if (!c.model) status = fail_usage(self, "which model? bilens fetch owner/name[@revision]");
    else if (o.parallel < 1 || o.parallel > 16) status = fail_usage(self, "--parallel: from 1 to 16");
    else if (!(o.wait > 0 && o.wait <= 3600) || !(o.timeout >= 1 && o.timeout <= 86400))
        status = fail_usage(self, "--retry-wait must be over 0 and --timeout at least 1, in seconds");
    else if (o.data && !o.files.n && !o.list)
        status = fail_usage(
            self, "--file PATTERN… is missing: which files of the data set? --list shows them, '*' is all");
    if (status < 0) {
        char *text = fetch(&c, &o, &err);
        status = text ? write_stdout(self, text) : fail_with(self, &err);
        free(text);
    }
    text_list_free(&o.files);
    common_free(&c);
    return status;
}

const verb verb_fetch = {
    "fetch", "download a model or data set from the Hugging Face hub into the cache", run,
    "Downloads what a model needs (config.json, tokenizer.json, *.safetensors and their index), or\n"
    "the files that --file names, in parallel. It resumes earlier attempts, and verifies size and\n"
    "hash of each file. The cache is that of the Python library huggingface_hub, HF_HOME/hub or\n"
    "HF_HUB_CACHE: each of the two uses what the other has downloaded. Every verb takes such a name\n"
    "as MODEL, and downloads it if it is not in the cache.\n\n"
    "HF_ENDPOINT is another hub's address. HF_TOKEN (or the file HF_TOKEN_PATH, HF_HOME/token) gives\n"
    "access to private and gated models. With HF_HUB_OFFLINE=1 the cache alone is used. SSL_CERT_FILE\n"
    "holds certificates to trust. docs/hub.md has the rest.",
    "  bilens fetch tdooms/TinyStories-1-1024-i5n\n"
    "  bilens fetch tinystories:1-512-i@main --list\n"
    "  bilens fetch --data tdooms/TinyStories-tokenized-4096 --file 'data/validation-*'\n"
    "  bilens info tinystories:1-1024-i5n\n"};
