/* Addresses on the hub, and the hub's two JSON answers. Everything in these is a stranger's word: types,
 * sizes and names are looked at before anything is believed.
 *
 *   …/revision/REVISION      {"sha": COMMIT, …}
 *   …/tree/COMMIT            [{"type": "file", "path", "size", "oid": git's SHA-1, "lfs": {"oid": SHA-256,
 * "size"}}, {"type": "directory"}, …]
 *
 *   model      ENDPOINT/api/models/OWNER/NAME/revision/REVISION       data set: ENDPOINT/api/datasets/…
 *              ENDPOINT/api/models/OWNER/NAME/tree/COMMIT?recursive=true
 *              ENDPOINT/OWNER/NAME/resolve/COMMIT/FILE               
 * ENDPOINT/datasets/OWNER/NAME/resolve/…
 *
 * In an address everything that is not a letter, digit or one of -._~ is written as %XX; between the parts
 * of a file's name the slash stays, within a revision it does not. */
#include "hub/hub_private.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/error.h"
#include "format/json.h"
#include <stdio.h>
#include <string.h>

bool bl_hub_read_revision(const char *json, size_t size, const char *where, char commit[41], bl_error *err) {
    json_t *root = bl_json_parse(json, size, where, err);
    if (!root) return false;
    const char *sha = json_string_value(json_object_get(root, "sha"));
    bool ok = sha && bl_hub_is_hex(sha, 40);
    if (ok) memcpy(commit, sha, 41);
    else
        bl_fail(err, BL_ERR_IO,
                "%s: the answer names no commit (\"sha\" with 40 hexadecimal digits): is this a Hugging Face "
                "hub?",
                where);
    json_decref(root);
    return ok;
}

/* A whole number from 0; false for anything else. */
static bool read_size(const json_t *value, uint64_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *size = (uint64_t)json_integer_value(value);
    return true;
}

static bool read_file(const json_t *item, const char *where, bl_hub_snapshot *files, bl_error *err) {
    const char *name = json_string_value(json_object_get(item, "path")),
               *hash = json_string_value(json_object_get(item, "oid"));
    const json_t *lfs = json_object_get(item, "lfs");
    uint64_t size;
    bool large = json_is_object(lfs);
    if (large) hash = json_string_value(json_object_get(lfs, "oid"));
    if (!name || strlen(name) != json_string_length(json_object_get(item, "path")))
        return bl_fail(err, BL_ERR_IO, "%s: a file without a name in the list", where);
    if (!read_size(json_object_get(large ? lfs : item, "size"), &size))
        return bl_fail(err, BL_ERR_IO, "%s: file '%.200s' has no size", where, name);
    if (hash && !bl_hub_is_hex(hash, large ? 64 : 40))
        return bl_fail(err, BL_ERR_IO, "%s: file '%.200s' has a hash that is none: '%.80s'", where, name,
                       hash);
    if (files->n >= HUB_FILES_LIMIT)
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: more than %zu files", where, HUB_FILES_LIMIT);
    return bl_hub_add(files, name, size, hash ? hash : "", err) != NULL;
}

bool bl_hub_read_tree(const char *json, size_t size, const char *where, bl_hub_snapshot *files,
                      bl_error *err) {
    json_t *root = bl_json_parse(json, size, where, err), *item;
    size_t i;
    if (!root) return false;
    bool ok =
        json_is_array(root) ||
        bl_fail(err, BL_ERR_IO, "%s: the answer is no list of files: is this a Hugging Face hub?", where);
    json_array_foreach(root, i, item) {
        const char *type = json_string_value(json_object_get(item, "type"));
        if (ok && type && strcmp(type, "file") == 0) ok = read_file(item, where, files, err);
    }
    json_decref(root);
    return ok;
}

static void encode(bl_buffer *out, const char *text, bool keep_slash) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) || (keep_slash && c == '/');
        if (plain) bl_buffer_add(out, text, 1);
        else bl_buffer_print(out, "%%%02X", c);
    }
}

static const char *api(const bl_hub_job *job) { return job->request->data ? "datasets" : "models"; }

char *bl_hub_revision_url(const bl_hub_job *job, bl_error *err) {
    bl_buffer url = {0};
    bl_buffer_print(&url, "%s/api/%s/%s/revision/", job->endpoint, api(job), job->name);
    encode(&url, job->revision, false);
    return bl_buffer_take(&url, err);
}

char *bl_hub_tree_url(const bl_hub_job *job, const char *commit, bl_error *err) {
    bl_buffer url = {0};
    bl_buffer_print(&url, "%s/api/%s/%s/tree/%s?recursive=true", job->endpoint, api(job), job->name, commit);
    return bl_buffer_take(&url, err);
}

char *bl_hub_resolve_url(const bl_hub_job *job, const char *commit, const char *name, bl_error *err) {
    bl_buffer url = {0};
    bl_buffer_print(&url, "%s/%s%s/resolve/%s/", job->endpoint, job->request->data ? "datasets/" : "",
                    job->name, commit);
    encode(&url, name, true);
    return bl_buffer_take(&url, err);
}

char *bl_hub_next_page(const char *link, bl_error *err) {
    for (const char *part = link; (part = strchr(part, '<'));) {
        const char *end = strchr(part, '>');
        if (!end) return NULL;
        size_t rest = strcspn(end, ",");
        const char *rel = strstr(end, "rel=\"next\"");
        if (rel && rel < end + rest) return bl_strndup(part + 1, (size_t)(end - part - 1), err);
        part = end;
    }
    return NULL;
}
