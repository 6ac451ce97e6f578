/* What the networked half of the hub shares: a line (one thread's connection), one question on it, and the
 * answer. Needs libcurl. */
#ifndef BL_HUB_NETWORK_H
#define BL_HUB_NETWORK_H
#include "hub/hub_private.h"
#include <curl/curl.h>
#include <stdatomic.h>

/* What all lines of a call share. */
typedef struct bl_hub_workers {
    const bl_hub_job *job;
    bl_hub_snapshot *snapshot;
    atomic_bool stop;      /* something failed, or the user does not want any more: let go of everything */
    _Atomic uint64_t done; /* bytes that are here, of total */
    _Atomic size_t next, ended; /* files taken, lines that have ended */
    uint64_t total;
} bl_hub_workers;

typedef struct bl_hub_line {
    CURL *curl;
    const bl_hub_job *job;
    bl_hub_workers *workers;
    bool asks; /* on the calling thread, where the progress callback may be called */
    bl_error err;
} bl_hub_line;

/* The headers that matter. Those of the hub itself (commit, linked_…) are taken from its own host only and
 * kept over redirects. */
typedef struct bl_hub_answer {
    long status;
    char commit[64], linked_etag[128], etag[128];
    uint64_t linked_size;
    bool has_linked_size;
    char location[4096], link[4096], range[128];
    char error_code[64], error_message[256];
    int64_t length;     /* of the body as it was announced; -1 unknown */
    double retry_after; /* seconds; 0 = nothing was said */
    char *body;         /* what was not given to a sink; owned */
    size_t size;
} bl_hub_answer;

/* Takes the body of a 200 or 206. `begin` sees the headers first, once per attempt. Both return false, with
 * the error filled in, to stop. */
typedef struct bl_hub_sink {
    bool (*begin)(void *context, const bl_hub_answer *answer, bl_error *err);
    bool (*take)(void *context, const void *data, size_t size, bl_error *err);
    void *context;
} bl_hub_sink;

typedef struct bl_hub_question {
    const char *url;
    const char *file;        /* for messages; NULL when it is about the repository */
    bool head;               /* headers only, and a redirect to another host is the answer */
    uint64_t from;           /* the first byte wanted */
    const bl_hub_sink *sink; /* NULL: the body, at most HUB_LISTING_LIMIT, into the answer */
} bl_hub_question;

/* http.c. `*passing` says whether another attempt may help. */
bool bl_hub_line_open(bl_hub_line *line, bl_hub_workers *workers, bool asks, bl_error *err);
void bl_hub_line_close(bl_hub_line *line);
/* One attempt, redirects included. */
bool bl_hub_ask_once(bl_hub_line *line, const bl_hub_question *question, bl_hub_answer *answer, bool *passing,
                     bl_error *err);
/* The same, patiently. */
bool bl_hub_ask(bl_hub_line *line, const bl_hub_question *question, bl_hub_answer *answer, bl_error *err);
void bl_hub_answer_free(bl_hub_answer *answer);
/* Waits before attempt `attempt` (from 0) is repeated; false when there is none left (err stays) or the call
 * is over. */
bool bl_hub_pause(bl_hub_line *line, size_t attempt, const bl_hub_answer *answer, bl_error *err);
/* False, with BL_ERR_CANCELLED, once the call is over. */
bool bl_hub_goes_on(bl_hub_line *line, bl_error *err);
/* Sleeps, but not beyond the end of the call. */
bool bl_hub_sleep(bl_hub_line *line, double seconds, bl_error *err);
/* True when both addresses have the same scheme, host and port. */
bool bl_hub_same_origin(const char *a, const char *b);

/* refusal.c: a status that is no success, in words. Returns false. */
bool bl_hub_refused(const bl_hub_job *job, const char *file, const bl_hub_answer *answer, bool *passing,
                    bl_error *err);
/* A transport error in words. */
bool bl_hub_broken(const char *url, CURLcode code, const char *detail, bool *passing, bl_error *err);

/* digest.c: SHA-256 of a content (expected: 64 digits), or git's SHA-1 of it as a blob of `size` bytes (40
 * digits). */
typedef struct bl_digest bl_digest;
bl_digest *bl_digest_new(const char *expected, uint64_t size, bl_error *err);
/* Begins anew. */
bool bl_digest_restart(bl_digest *digest, bl_error *err);
bool bl_digest_add(bl_digest *digest, const void *data, size_t size, bl_error *err);
/* True if the content is the expected one; `found` gets its digits. Ends the digest until the next restart.
 */
bool bl_digest_agrees(bl_digest *digest, char found[65]);
void bl_digest_free(bl_digest *digest);

/* download.c: brings one file into the cache and sets its path. */
bool bl_hub_download(bl_hub_line *line, bl_hub_entry *file, bl_error *err);
/* True when the snapshot has the file, of the right size. */
bool bl_hub_have(const bl_hub_job *job, const char *commit, bl_hub_entry *file, bl_error *err);
#endif
