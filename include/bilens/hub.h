/** @file hub.h  Models and data sets of the Hugging Face hub: their names, the cache on disk, and fetching
 * what is not in it (docs/hub.md).
 *
 *      bl_hub_options options = {.cache = "/home/me/.cache/huggingface/hub"};
 *      bl_hub_request request = {.name = "tdooms/TinyStories-1-1024-i5n"};
 *      bl_hub_snapshot *snapshot = bl_hub_fetch(&request, &options, &err);
 *      bl_model *model = bl_model_load(bl_hub_snapshot_directory(snapshot), &err);
 *
 *  The cache has the layout of the Python library huggingface_hub; what either brings, the other finds.
 */
#ifndef BILENS_HUB_H
#define BILENS_HUB_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A repository and a revision of it. */
typedef struct bl_hub_name {
    char repository[128]; /**< "owner/name" */
    char revision[256];   /**< branch, tag or commit; "" when none was given */
    bool data;            /**< an address of a data set was given */
} bl_hub_name;

/** True if `text` has the form of a hub name: `owner/name`, `owner/name@revision`, an address as a browser
 * shows it (https://huggingface.co/owner/name, also with /tree/REVISION or a slash behind it), as git
 * clones it (also git@hf.co:owner/name) or as hf://owner/name, or
 * `tinystories:1-1024-i5n[@revision]`, which is tdooms/TinyStories-1-1024-i5n (n_layer, d_model, modifier).
 * Looks at the text only: a folder of that name may exist, too. */
BL_API bool bl_hub_is_name(const char *text);

/** Takes such a text apart. BL_ERR_USAGE, with what is wrong about it. */
BL_API bool bl_hub_parse(const char *text, bl_hub_name *name, bl_error *err);

/** Where and how. Zero-initialise for the defaults; nothing is read from the environment (but libcurl knows
 * http_proxy and the like). */
typedef struct bl_hub_options {
    const char *cache; /**< the folder with models--…; required. By convention $HF_HUB_CACHE, $HF_HOME/hub,
                          ~/.cache/huggingface/hub */
    const char *endpoint; /**< NULL = https://huggingface.co */
    const char *token;    /**< sent to `endpoint` and to no other host; NULL = none */
    const char *ca_file;  /**< certificates to trust, PEM; NULL = the system's */
    bool offline;         /**< look into the cache only */
    bool prefer_cache;    /**< ask the hub only when the cache lacks something that was asked for */
    bool list_only;       /**< what the hub has: nothing is downloaded, no file of the snapshot has a path */
    size_t parallel;      /**< files at a time; 0 = 4, at most 16 */
    size_t retries; /**< further attempts after a passing fault; 0 = 5. Each megabyte gained makes it start
                       anew */
    bool no_retries;
    double retry_wait;    /**< seconds before the first further attempt, doubled each time (a server's
                             Retry-After goes first); 0 = 1 */
    double timeout;       /**< seconds without a byte after which a connection counts as dead; 0 = 30 */
    uint64_t max_bytes;   /**< refuse when what is missing is larger altogether; 0 = 1 TiB */
    bl_progress progress; /**< phase "fetching", in bytes */
} bl_hub_options;

/** What. Zero-initialise. */
typedef struct bl_hub_request {
    const char *name;            /**< "owner/name", as in bl_hub_name */
    const char *revision;        /**< branch, tag or commit; NULL or "" = main */
    bool data;                   /**< a data set, not a model */
    const char *const *patterns; /**< [n_patterns] of file names, shell wildcards; * matches slashes, too;
                                    "folder/" is all below it */
    size_t n_patterns;           /**< 0 = what a model needs: config.json, tokenizer.json, *.safetensors and
                                  * model.safetensors.index.json of           the topmost folder. Of a
                                  * data set patterns are
                                  * required */
} bl_hub_request;

/** A file of a snapshot. Strings belong to the snapshot. */
typedef struct bl_hub_file {
    const char *name; /**< within the repository, with slashes */
    const char *path; /**< on disk; NULL after list_only */
    uint64_t size;
    bool fetched; /**< came over the network just now; false: it was in the cache */
} bl_hub_file;

typedef struct bl_hub_snapshot bl_hub_snapshot;

/** Finds the files in the cache or fetches what is missing: in parallel, going on where an earlier attempt
 * stopped, each verified by its size and hash before it gets its place. BL_ERR_INPUT: no such repository,
 * revision or file, no access, offline and not in the cache; BL_ERR_IO: network or disk failed while working
 * (the same call goes on); BL_ERR_CANCELLED. Several processes, of this and other programs, may fetch into
 * one cache. Free with bl_hub_snapshot_free. */
BL_API bl_hub_snapshot *bl_hub_fetch(const bl_hub_request *request, const bl_hub_options *options,
                                     bl_error *err);
/** Frees `snapshot` and all that it holds. NULL is allowed. */
BL_API void bl_hub_snapshot_free(bl_hub_snapshot *snapshot);

/** The folder with the files, to be given to bl_model_load. NULL after list_only. */
BL_API const char *bl_hub_snapshot_directory(const bl_hub_snapshot *snapshot);
/** The commit that the revision means: 40 hexadecimal digits. */
BL_API const char *bl_hub_snapshot_commit(const bl_hub_snapshot *snapshot);
/** Files of the model that the snapshot lists. */
BL_API size_t bl_hub_snapshot_n_files(const bl_hub_snapshot *snapshot);
/** File i, i < n_files; in the order of their names. */
BL_API bl_hub_file bl_hub_snapshot_file(const bl_hub_snapshot *snapshot, size_t i);

/** SHA-256 of a file's bytes, as 64 hexadecimal digits: what the hub names a large file by, and sha256sum
 * prints. */
BL_API bool bl_file_sha256(const char *path, char out[65], bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
