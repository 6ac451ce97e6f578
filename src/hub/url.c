/* Addresses on the hub. Everything that is not a letter, digit or one of -._~ is written as %XX; between the
 * parts of a file's name the slash stays, within a revision it does not.
 *
 *   model      ENDPOINT/api/models/OWNER/NAME/revision/REVISION              data set
 * ENDPOINT/api/datasets/…
 *              ENDPOINT/api/models/OWNER/NAME/tree/COMMIT?recursive=true                …
 *              ENDPOINT/OWNER/NAME/resolve/COMMIT/FILE ENDPOINT/datasets/OWNER/NAME/resolve/… */
#include "hub/hub_private.h"
#include "base/buffer.h"
#include "base/memory.h"
#include <string.h>

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
