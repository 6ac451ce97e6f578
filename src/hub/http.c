/* One request with libcurl. Redirects are followed by hand, so that the token goes to the endpoint's scheme,
 * host and port and to no other, an encrypted address never leads to an unencrypted one, and ten are enough.
 * What may pass (a cut connection, silence, 408, 429, 5xx) is tried again after wait, 2 wait, 4 wait …
 * seconds, or after what Retry-After asks for. */
#include "hub/network.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { REDIRECTS = 10 };
#define PATIENCE 300.0 /* a Retry-After beyond it ends the call */

/* One response: what the callbacks see. */
typedef struct response {
    bl_hub_line *line;
    const bl_hub_question *question;
    bl_hub_answer *answer;
    bl_buffer body;
    bool ours;       /* from the endpoint itself */
    bool begun;      /* the sink has seen the headers */
    bool halted;     /* err is filled in by a callback */
    bool silent;     /* … because nothing came any more */
    curl_off_t seen; /* bytes, up and down, */
    double since;    /* and when they were that many */
    bl_error *err;
} response;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void global_init(void) { (void)curl_global_init(CURL_GLOBAL_DEFAULT); }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

bool bl_hub_line_open(bl_hub_line *line, bl_hub_workers *workers, bool asks, bl_error *err) {
    pthread_once(&once, global_init);
    *line = (bl_hub_line){.job = workers->job, .workers = workers, .asks = asks, .curl = curl_easy_init()};
    return line->curl || bl_fail(err, BL_ERR_MEMORY, "libcurl could not be started");
}

void bl_hub_line_close(bl_hub_line *line) {
    if (line->curl) curl_easy_cleanup(line->curl);
    line->curl = NULL;
}

void bl_hub_answer_free(bl_hub_answer *answer) {
    free(answer->body);
    answer->body = NULL;
}

bool bl_hub_goes_on(bl_hub_line *line, bl_error *err) {
    if (atomic_load(&line->workers->stop)) return bl_fail(err, BL_ERR_CANCELLED, "interrupted");
    return !line->asks || bl_progress_step(&line->job->options->progress, "asking the hub", 0, 1, err);
}

bool bl_hub_sleep(bl_hub_line *line, double seconds, bl_error *err) {
    const struct timespec step = {0, 50000000};
    for (double end = now() + seconds; now() < end; nanosleep(&step, NULL))
        if (!bl_hub_goes_on(line, err)) return false;
    return bl_hub_goes_on(line, err);
}

bool bl_hub_pause(bl_hub_line *line, size_t attempt, const bl_hub_answer *answer, bl_error *err) {
    const bl_hub_options *options = line->job->options;
    size_t retries = options->no_retries ? 0 : options->retries ? options->retries : 5;
    double wait = options->retry_wait > 0 ? options->retry_wait : 1;
    if (attempt >= retries) return false;
    for (size_t i = 0; i < attempt && wait < 30; i++) wait *= 2;
    if (wait > 30) wait = 30;
    if (answer && answer->retry_after > PATIENCE) return false;
    if (answer && answer->retry_after > wait) wait = answer->retry_after;
    bl_error over;
    if (bl_hub_sleep(line, wait, &over)) return true;
    if (err) *err = over;
    return false;
}

/* The address's scheme, host and port, to be compared. */
static bool origin(const char *url, char out[512]) {
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok) ok = snprintf(out, 512, "%s://%s:%s", scheme, host, port) < 512;
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return ok;
}

bool bl_hub_same_origin(const char *a, const char *b) {
    char one[512], other[512];
    return origin(a, one) && origin(b, other) && strcasecmp(one, other) == 0;
}

/* Where a Location leads from `url`; a new string. */
static char *follow(const char *url, const char *location, bl_error *err) {
    CURLU *parts = curl_url();
    char *whole = NULL, *scheme = NULL, *copy = NULL;
    bool ok = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_set(parts, CURLUPART_URL, location, CURLU_DISALLOW_USER) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
    if (!ok || (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
        bl_fail(err, BL_ERR_IO, "%.300s leads to '%.300s', which is no http or https address", url, location);
    else if (strncasecmp(url, "https:", 6) == 0 && strcmp(scheme, "https") != 0)
        bl_fail(err, BL_ERR_IO, "%.300s leads to an address without encryption, '%.300s': refused", url,
                location);
    else copy = bl_strdup(whole, err);
    curl_free(whole);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return copy;
}

/* If `line` is the header `name`, its value without white space and, if `quoted`, without W/ and quotation
 * marks. */
static bool header(const char *line, size_t n, const char *name, bool quoted, char *out, size_t room) {
    size_t length = strlen(name);
    if (n <= length || strncasecmp(line, name, length) != 0 || line[length] != ':') return false;
    const char *value = line + length + 1, *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    while (end > value && strchr(" \t\r\n", end[-1])) end--;
    if (quoted && end - value > 2 && strncmp(value, "W/", 2) == 0) value += 2;
    if (quoted && end - value >= 2 && *value == '"' && end[-1] == '"') value++, end--;
    if ((size_t)(end - value) >= room) return false; /* too long to be true */
    memcpy(out, value, (size_t)(end - value));
    out[end - value] = '\0';
    return true;
}

static size_t on_header(char *data, size_t one, size_t n, void *context) {
    response *r = context;
    bl_hub_answer *a = r->answer;
    char text[64];
    n *= one;
    if (n > 5 && strncmp(data, "HTTP/", 5) == 0) { /* a proxy's answer or a 100 may have come before */
        a->location[0] = a->link[0] = a->range[0] = a->error_code[0] = a->error_message[0] = a->etag[0] =
            '\0';
        return n;
    }
    (void)(header(data, n, "Location", false, a->location, sizeof a->location) ||
           header(data, n, "Content-Range", false, a->range, sizeof a->range));
    if (!r->ours) return n;
    if (header(data, n, "X-Linked-Size", false, text, sizeof text)) {
        char *end;
        a->linked_size = strtoull(text, &end, 10);
        a->has_linked_size = *text >= '0' && *text <= '9' && !*end;
    }
    (void)(header(data, n, "X-Repo-Commit", false, a->commit, sizeof a->commit) ||
           header(data, n, "X-Linked-Etag", true, a->linked_etag, sizeof a->linked_etag) ||
           header(data, n, "ETag", true, a->etag, sizeof a->etag) ||
           header(data, n, "Link", false, a->link, sizeof a->link) ||
           header(data, n, "X-Error-Code", false, a->error_code, sizeof a->error_code) ||
           header(data, n, "X-Error-Message", false, a->error_message, sizeof a->error_message));
    return n;
}

/* Once a response with a body to keep: the sink looks at the headers. */
static bool begin(response *r) {
    curl_off_t length = -1;
    curl_easy_getinfo(r->line->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    r->answer->length = length;
    r->begun = true;
    if (r->question->sink->begin(r->question->sink->context, r->answer, r->err)) return true;
    r->halted = true;
    return false;
}

static size_t on_body(char *data, size_t one, size_t n, void *context) {
    response *r = context;
    const bl_hub_sink *sink = r->question->sink;
    n *= one;
    curl_easy_getinfo(r->line->curl, CURLINFO_RESPONSE_CODE, &r->answer->status);
    if (sink && (r->answer->status == 200 || r->answer->status == 206)) {
        if (!r->begun && !begin(r)) return 0;
        r->halted = !sink->take(sink->context, data, n, r->err);
        return r->halted ? 0 : n;
    }
    if (r->body.n + n > HUB_LISTING_LIMIT) {
        bl_fail(r->err, BL_ERR_IO, "%.300s: the answer is longer than %zu bytes", r->question->url,
                HUB_LISTING_LIMIT);
        r->halted = true;
        return 0;
    }
    bl_buffer_add(&r->body, data, n);
    return r->body.failed ? 0 : n;
}

static double timeout_of(const bl_hub_line *line) {
    return line->job->options->timeout > 0 ? line->job->options->timeout : 30;
}

/* Called at least every second. */
static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up) {
    (void)down_total, (void)up_total;
    response *r = context;
    double time = now();
    if (r->halted) return 1;
    if (down + up != r->seen) {
        r->seen = down + up;
        r->since = time;
    }
    r->silent = time - r->since > timeout_of(r->line);
    r->halted = r->silent || !bl_hub_goes_on(r->line, r->err);
    if (r->silent)
        bl_fail(r->err, BL_ERR_IO, "%.300s fell silent: no byte in %g seconds", r->question->url,
                timeout_of(r->line));
    return r->halted ? 1 : 0;
}

/* Sets the handle up for one hop; the headers to be freed after it. */
static struct curl_slist *set_up(bl_hub_line *line, const char *url, response *r, char *detail) {
    CURL *curl = line->curl;
    const bl_hub_options *o = line->job->options;
    char range[64];
    struct curl_slist *headers =
        curl_slist_append(NULL, "Accept-Encoding: identity"); /* sizes and ranges are those of the file */
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "bilens/" BILENS_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(timeout_of(line) * 1000));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, r);
    if (o->ca_file && *o->ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file);
    if (r->question->head) curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    if (r->question->from) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)r->question->from);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
    if (r->ours && o->token && *o->token) {
        bl_buffer bearer = {0};
        bl_buffer_print(&bearer, "Authorization: Bearer %s", o->token);
        char *text = bl_buffer_take(&bearer, NULL);
        if (text) headers = curl_slist_append(headers, text);
        free(text);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    return headers;
}

/* One hop. */
static bool hop(bl_hub_line *line, const char *url, response *r, bool *passing) {
    char detail[CURL_ERROR_SIZE] = "";
    curl_off_t retry = 0;
    bl_hub_answer *a = r->answer;
    struct curl_slist *headers = set_up(line, url, r, detail);
    CURLcode code = curl_easy_perform(line->curl);
    curl_easy_getinfo(line->curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_easy_getinfo(line->curl, CURLINFO_RETRY_AFTER, &retry);
    a->retry_after = retry > 0 ? (double)retry : 0;
    curl_easy_setopt(line->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    *passing = r->silent;
    if (r->halted) return false;
    if (r->body.failed) return bl_fail(r->err, BL_ERR_MEMORY, "out of memory while %.300s was read", url);
    if (code != CURLE_OK) return bl_hub_broken(url, code, detail, passing, r->err);
    bool kept = r->question->sink && (a->status == 200 || a->status == 206);
    return !kept || r->begun || begin(r); /* an empty file has headers only */
}

bool bl_hub_ask_once(bl_hub_line *line, const bl_hub_question *question, bl_hub_answer *answer, bool *passing,
                     bl_error *err) {
    bool ok = false;
    char *url = bl_strdup(question->url, err);
    memset(answer, 0, sizeof *answer);
    answer->length = -1;
    *passing = false;
    for (int redirects = 0; url; redirects++) {
        response r = {.line = line,
                      .question = question,
                      .answer = answer,
                      .err = err,
                      .since = now(),
                      .ours = bl_hub_same_origin(url, line->job->endpoint)};
        ok = hop(line, url, &r, passing);
        bool moved = ok && answer->status >= 301 && answer->status <= 308 && answer->status != 304 &&
                     answer->location[0];
        if (!moved) {
            answer->size = r.body.n;
            if (ok && r.body.n) answer->body = bl_buffer_take(&r.body, err);
            bl_buffer_free(&r.body);
            break;
        }
        bl_buffer_free(&r.body);
        char *next = redirects < REDIRECTS ? follow(url, answer->location, err) : NULL;
        if (redirects >= REDIRECTS)
            bl_fail(err, BL_ERR_IO, "%.300s: led on more than %d times, last to '%.300s'", question->url,
                    REDIRECTS, answer->location);
        ok = next != NULL;
        if (next && question->head &&
            !bl_hub_same_origin(next, line->job->endpoint)) { /* the hub has said what it knows */
            free(next);
            free(url);
            return true;
        }
        free(url);
        url = next;
    }
    free(url);
    if (ok && answer->status != 200 && answer->status != 206)
        ok = bl_hub_refused(line->job, question->file, answer, passing, err);
    if (!ok) bl_hub_answer_free(answer);
    return ok;
}

bool bl_hub_ask(bl_hub_line *line, const bl_hub_question *question, bl_hub_answer *answer, bl_error *err) {
    bool passing;
    for (size_t attempt = 0;; attempt++) {
        if (bl_hub_ask_once(line, question, answer, &passing, err)) return true;
        if (!passing || !bl_hub_pause(line, attempt, answer, err)) return false;
    }
}
