/* The explorer without HTTP: requests in, JSON out. One per model; requests may come from many threads at
 * once. */
#ifndef BL_SERVE_EXPLORER_H
#define BL_SERVE_EXPLORER_H
#include "serve/cache.h"
#include "serve/request.h"
#include <bilens/serve.h>

typedef struct bl_explorer bl_explorer;

/* Keeps pointers to the model and the corpus. Of the options: atlas, corpus_name, max_stories. */
bl_explorer *bl_explorer_new(const bl_model *model, bl_corpus *corpus, const bl_serve_options *options,
                             bl_error *err);
/* The same of an image model; `images` may be NULL. */
bl_explorer *bl_explorer_new_images(const bl_image_model *model, const bl_images *images,
                                    const bl_serve_options *options, bl_error *err);
void bl_explorer_free(bl_explorer *explorer);
/* Lets waiting requests fail, from now on. */
void bl_explorer_stop(bl_explorer *explorer);

/* How long a request may take: at once from memory; for a decomposition or a forward pass; for a scan of the
 * corpus. Each kind has threads of its own, so that none waits for a slower one. */
typedef enum bl_effort { BL_EFFORT_QUICK, BL_EFFORT_MEDIUM, BL_EFFORT_LONG, BL_EFFORTS } bl_effort;

/* An answer: JSON, or an error as JSON. */
typedef struct bl_answer {
    unsigned status; /* of HTTP */
    const char *text;
    size_t n;
    char *owned;       /* what text points to, or */
    bl_cached *cached; /* where it is kept */
} bl_answer;

/* Whether the path is one of the API's; *effort what a request to it may take. */
bool bl_explorer_route(const bl_explorer *explorer, const char *path, bl_effort *effort);
/* Always gives an answer, to be released (text NULL only when there is no memory left at all). `cancelled`
 * may be NULL: it is asked now and then during long work whether nobody waits any more. */
void bl_explorer_answer(bl_explorer *explorer, const bl_request *request, bool (*cancelled)(void *context),
                        void *context, bl_answer *answer);
void bl_answer_release(bl_answer *answer);
/* {"error": {"code", "message"}}; the code's name is the status's. */
void bl_answer_error(bl_answer *answer, unsigned status, const char *message);
#endif
