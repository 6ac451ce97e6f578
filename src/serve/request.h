/* A request: a path and its parameters, decoded and checked. */
#ifndef BL_SERVE_REQUEST_H
#define BL_SERVE_REQUEST_H
#include <bilens/base.h>

typedef struct bl_parameter {
    const char *name, *value; /* UTF-8 without NUL */
} bl_parameter;

/* Zero-initialise; the path belongs to the caller. */
typedef struct bl_request {
    const char *path;
    bl_parameter *list;
    size_t n, capacity;
    char *storage[2]; /* decoded query, decoded body */
} bl_request;

/* Adds the parameters of a query or of a form's body (application/x-www-form-urlencoded), at most twice a
 * request. BL_ERR_USAGE when an escape is broken, when the result is no UTF-8 or holds NUL, or when there are
 * more than 256. */
bool bl_request_add(bl_request *request, const char *encoded, size_t n, bl_error *err);
void bl_request_free(bl_request *request);

/* BL_ERR_USAGE when a parameter is none of `known`, names between blanks; or when one that is no list is
 * given twice: lists are marked with a * behind the name, "token minus* layer". */
bool bl_request_check(const bl_request *request, const char *known, bl_error *err);
/* The value, NULL when it is not given. */
const char *bl_request_text(const bl_request *request, const char *name);
/* The values of a list from *at on, one per call; NULL at the end. */
const char *bl_request_next(const bl_request *request, const char *name, size_t *at);
/* A whole number from 0 to `most`, or `otherwise` when it is not given. */
bool bl_request_count(const bl_request *request, const char *name, size_t otherwise, size_t most, size_t *out,
                      bl_error *err);
/* "1" or "0"; false when it is not given. */
bool bl_request_flag(const bl_request *request, const char *name, bool *out, bl_error *err);
#endif
