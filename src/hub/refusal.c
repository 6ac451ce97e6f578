/* What went wrong on the network, in words that say what to do. The hub answers 401 for what is not there,
 * too, as long as no token is given (what is private must not be told from what is missing), and says more in
 * X-Error-Code and X-Error-Message. */
#include "hub/network.h"
#include "base/error.h"
#include <string.h>

#define TOKEN "a token (HF_TOKEN, or 'hf auth login')"

static bool is_code(const bl_hub_answer *answer, const char *code) {
    return strcmp(answer->error_code, code) == 0;
}

static bool gated(const bl_hub_job *job, const bl_hub_answer *answer, bl_error *err) {
    const char *kind = job->request->data ? "datasets/" : "";
    if (job->options->token && answer->status == 403)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s '%s' is gated, and the token's account has no access yet: ask for it at %s/%s%s",
                       job->kind, job->name, job->endpoint, kind, job->name);
    return bl_fail(err, BL_ERR_INPUT, "%s '%s' is gated: accept its terms at %s/%s%s, then give " TOKEN,
                   job->kind, job->name, job->endpoint, kind, job->name);
}

static bool no_repository(const bl_hub_job *job, const bl_hub_answer *answer, bl_error *err) {
    const char *message = answer->error_message;
    if (job->options->token && (strstr(message, "nvalid credentials") || strstr(message, "nvalid username") ||
                                strstr(message, "token")))
        return bl_fail(err, BL_ERR_INPUT, "%s refuses the token (status %ld: %s)", job->endpoint,
                       answer->status, message);
    if (job->options->token)
        return bl_fail(err, BL_ERR_INPUT, "%s has no %s '%s' (status %ld), or the token has no access to it",
                       job->endpoint, job->kind, job->name, answer->status);
    return bl_fail(err, BL_ERR_INPUT,
                   "%s has no %s '%s' (status %ld), or it is private: look at the name, or give " TOKEN,
                   job->endpoint, job->kind, job->name, answer->status);
}

bool bl_hub_refused(const bl_hub_job *job, const char *file, const bl_hub_answer *answer, bool *passing,
                    bl_error *err) {
    long status = answer->status;
    const char *said = answer->error_message, *colon = *said ? ": " : "";
    *passing =
        status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
    if (is_code(answer, "GatedRepo")) return gated(job, answer, err);
    if (is_code(answer, "RevisionNotFound"))
        return bl_fail(err, BL_ERR_INPUT, "%s '%s' has no revision '%s'", job->kind, job->name,
                       job->revision);
    if (is_code(answer, "EntryNotFound") || (status == 404 && file && !is_code(answer, "RepoNotFound")))
        return bl_fail(err, BL_ERR_INPUT, "%s '%s' has no file '%s' (status %ld)", job->kind, job->name,
                       file ? file : "?", status);
    if (is_code(answer, "RepoNotFound") || status == 401 || status == 404)
        return no_repository(job, answer, err);
    if (status == 403)
        return bl_fail(err, BL_ERR_INPUT, "%s refuses access to %s '%s' (status 403%s%s)", job->endpoint,
                       job->kind, job->name, colon, said);
    if (status == 429 && answer->retry_after > 0)
        return bl_fail(err, BL_ERR_IO, "%s: too many requests (status 429%s%s): it asks to wait %.0f seconds",
                       job->endpoint, colon, said, answer->retry_after);
    if (status == 429)
        return bl_fail(err, BL_ERR_IO, "%s: too many requests (status 429%s%s): try again later%s",
                       job->endpoint, colon, said, job->options->token ? "" : ", or with " TOKEN);
    return bl_fail(err, BL_ERR_IO, "%s answers with status %ld%s%s, asked for %s%s'%s'", job->endpoint,
                   status, colon, said, file ? file : job->kind, file ? " of " : " ", job->name);
}

bool bl_hub_broken(const char *url, CURLcode code, const char *detail, bool *passing, bl_error *err) {
    const char *why = detail && *detail ? detail : curl_easy_strerror(code);
    *passing = false;
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return bl_fail(err, BL_ERR_IO,
                       "%.300s: its certificate is not trusted: %s. Nothing was sent. A proxy's own "
                       "authority can be named in SSL_CERT_FILE",
                       url, why);
    case CURLE_SSL_CACERT_BADFILE:
        return bl_fail(err, BL_ERR_INPUT, "the file of trusted certificates cannot be used: %s", why);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        *passing = code == CURLE_COULDNT_CONNECT;
        return bl_fail(
            err, BL_ERR_IO,
            "%.300s cannot be reached: %s. What is in the cache works without a network (HF_HUB_OFFLINE=1)",
            url, why);
    case CURLE_OPERATION_TIMEDOUT:
        *passing = true;
        return bl_fail(err, BL_ERR_IO, "%.300s fell silent: %s", url, why);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return bl_fail(err, BL_ERR_INPUT, "%.300s is no http or https address", url);
    case CURLE_OUT_OF_MEMORY: return bl_fail(err, BL_ERR_MEMORY, "out of memory on the network");
    default: *passing = true; return bl_fail(err, BL_ERR_IO, "%.300s: the connection broke: %s", url, why);
    }
}
