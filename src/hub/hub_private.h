/* What the files of the hub share: a job (what is fetched from where), the list of its files, and the rooms
 * of the cache.
 *
 *   name.c      names, and which file names may be believed          api.c       addresses, the hub's JSON
 *   cache.c     the layout on disk
 *   snapshot.c  the public face; what is looked up in the cache only
 *   http.c      one request: redirects, token, retries                refusal.c   the hub's refusals in words
 *   digest.c    the two hashes                                        download.c  one file
 *   online.c    revision, list, all files in parallel */
#ifndef BL_HUB_HUB_PRIVATE_H
#define BL_HUB_HUB_PRIVATE_H
#include <bilens/hub.h>

#define HUB_ENDPOINT "https://huggingface.co"
#define HUB_LISTING_LIMIT ((size_t)64 << 20) /* bytes of one JSON answer */
#define HUB_FILES_LIMIT ((size_t)100000)

/* One file of the repository: what the hub says of it, and where it stands here. */
typedef struct bl_hub_entry {
    char *name;
    char *path; /* in the snapshot; NULL until it is there */
    uint64_t size;
    char hash[65]; /* 40 digits: git's SHA-1 of a blob; 64: SHA-256; "" unknown */
    bool fetched;
} bl_hub_entry;

struct bl_hub_snapshot {
    char *directory;
    char commit[41];
    bl_hub_entry *files;
    size_t n, capacity;
};

/* Everything about one call of bl_hub_fetch that stays as it is. */
typedef struct bl_hub_job {
    const bl_hub_request *request;
    const bl_hub_options *options;
    const char *name, *revision, *kind; /* revision never empty; kind "model" or "data set" */
    const char *endpoint;               /* without a slash at its end */
    char *endpoint_storage;
    char *store; /* CACHE/models--owner--name */
    char *locks; /* CACHE/.locks/models--owner--name */
} bl_hub_job;

/* name.c */
bool bl_hub_check_repository(const char *name, bl_error *err);
bool bl_hub_check_revision(const char *revision, bl_error *err);
/* True for a relative path of plain components: no "..", no backslash, no control character, not too long. */
bool bl_hub_safe_path(const char *path);
/* True for exactly n digits 0-9a-f. */
bool bl_hub_is_hex(const char *text, size_t n);
/* True if the request's patterns (or the default) want the file. */
bool bl_hub_wanted(const bl_hub_request *request, const char *name);
/* The i-th pattern against a name. */
bool bl_hub_matches(const char *pattern, const char *name);

/* cache.c */
bool bl_hub_store(bl_hub_job *job, bl_error *err);
/* The commit of job->revision as the cache knows it, "" when it does not. False when memory ran out. */
bool bl_hub_cached_commit(const bl_hub_job *job, char commit[41], bl_error *err);
/* STORE/snapshots/COMMIT, STORE/snapshots/COMMIT/NAME, STORE/blobs/HASH; free with bl_free. */
char *bl_hub_snapshot_path(const bl_hub_job *job, const char *commit, const char *name, bl_error *err);
char *bl_hub_blob_path(const bl_hub_job *job, const char *hash, const char *suffix, bl_error *err);
/* Makes STORE/snapshots/COMMIT/NAME point to the file's blob, with a relative link; whoever reads sees the
 * old or the new one. */
bool bl_hub_link(const bl_hub_job *job, const char *commit, const bl_hub_entry *file, bl_error *err);
/* STORE/refs/REVISION = COMMIT, unless the revision is the commit. */
bool bl_hub_write_ref(const bl_hub_job *job, const char *commit, bl_error *err);
/* Folders, and CACHEDIR.TAG so that backups leave the cache out. */
bool bl_hub_prepare_cache(const bl_hub_job *job, bl_error *err);
/* All files below STORE/snapshots/COMMIT into the snapshot. */
bool bl_hub_scan(const bl_hub_job *job, const char *commit, bl_hub_snapshot *snapshot, bl_error *err);
/* What a model that lies in `directory` lacks (to be freed), or NULL when it is whole or memory ran out (then
 * *err is filled in). */
char *bl_hub_model_lacks(const char *directory, bl_error *err);

/* Bytes of the snapshot's files that lie in the cache as incomplete blobs. */
uint64_t bl_hub_begun(const bl_hub_job *job, const bl_hub_snapshot *snapshot);

/* snapshot.c */
bl_hub_entry *bl_hub_add(bl_hub_snapshot *snapshot, const char *name, uint64_t size, const char *hash,
                         bl_error *err);
void bl_hub_sort(bl_hub_snapshot *snapshot);
/* Leaves the files that the request wants. */
void bl_hub_keep_wanted(const bl_hub_job *job, bl_hub_snapshot *snapshot);
/* The pattern that no file of the snapshot answers to, or NULL. */
const char *bl_hub_unanswered(const bl_hub_job *job, const bl_hub_snapshot *snapshot);

/* listing.c: the JSON of the hub, hostile until looked at. `where` is for messages. */
bool bl_hub_read_revision(const char *json, size_t size, const char *where, char commit[41], bl_error *err);
/* One page of the list of files, appended. */
bool bl_hub_read_tree(const char *json, size_t size, const char *where, bl_hub_snapshot *files,
                      bl_error *err);

/* url.c; free with bl_free. */
char *bl_hub_revision_url(const bl_hub_job *job, bl_error *err);
char *bl_hub_tree_url(const bl_hub_job *job, const char *commit, bl_error *err);
char *bl_hub_resolve_url(const bl_hub_job *job, const char *commit, const char *name, bl_error *err);
/* The address in `Link: <…>; rel="next"`, NULL without an error when there is none. */
char *bl_hub_next_page(const char *link, bl_error *err);

/* The list of the hub's files in `snapshot`, reduced to those that are wanted, all of them in the cache
 * afterwards. */
bool bl_hub_online(const bl_hub_job *job, bl_hub_snapshot *snapshot, bl_error *err);
#endif
