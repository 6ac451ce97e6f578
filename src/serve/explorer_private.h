/* What the explorer's handlers share. */
#ifndef BL_SERVE_EXPLORER_PRIVATE_H
#define BL_SERVE_EXPLORER_PRIVATE_H
#include "atlas/reader.h"
#include "serve/explorer.h"
#include "result/results.h"
#include "serve/stories.h"
#include <pthread.h>

struct bl_explorer {
    const bl_model *model;       /* NULL of an image model, which is */
    const bl_image_model *image; /* … this, and then only images, corpus_name, info and answers are used */
    const bl_images *images;     /* NULL: none */
    bool site;                   /* a static site is being written */
    bl_atlas_reader *atlas;      /* NULL: none */
    const bl_dictionary *features; /* in which eigenvectors are read, too; NULL: none */
    bl_stories *stories;
    char *corpus_name;
    bl_tree *info;          /* the command line's info */
    char **names, **folded; /* [V] a token's text as UTF-8, and without case */
    bl_basis basis;         /* of directions, with its mean */
    float *mean;            /* [d] of the basis */
    bl_cache *eigens;       /* bl_decomposition */
    bl_cache *answers;      /* text */
    pthread_mutex_t
        decomposing; /* one at a time: a page asks for a spectrum and a scan of the same direction at once */
    pthread_mutex_t lock;     /* around null_models */
    bl_bilinear *null_models; /* [n_layer] drawn when they are asked for */
};

/* One request being answered. */
typedef struct bl_call {
    bl_explorer *explorer;
    const bl_request *request;
    bool (*cancelled)(void *context);
    void *context;
    /* Out, for a failure: */
    unsigned status;      /* 0: what the error's code stands for */
    const char *code;     /* NULL: the error code's name */
    const char *lost;     /* a token that is not in the vocabulary: the nearest ones are named */
    bl_direction *parsed; /* of the parameter direction, as long as the request */
    bl_error err;
} bl_call;

/* The handlers: an answer, or NULL with call->err filled in. */
bl_tree *bl_api_info(bl_call *call);
bl_tree *bl_api_tokens(bl_call *call);
bl_tree *bl_api_eigen(bl_call *call);
bl_tree *bl_api_scan(bl_call *call);
bl_tree *bl_api_heads(bl_call *call);
bl_tree *bl_api_sentence(bl_call *call);
bl_tree *bl_api_excited(bl_call *call);
bl_tree *bl_api_contributions(bl_call *call);
bl_tree *bl_api_explain(bl_call *call);
/* Those of image models. */
bl_tree *bl_api_image_info(bl_call *call);
bl_tree *bl_api_image_gallery(bl_call *call);
bl_tree *bl_api_image_eigen(bl_call *call);
bl_tree *bl_api_image_scan(bl_call *call);
bl_tree *bl_api_image_one(bl_call *call);
bl_tree *bl_api_image_explain(bl_call *call);
bl_tree *bl_api_readers(bl_call *call);
bl_tree *bl_api_similar(bl_call *call);
bl_tree *bl_api_evidence(bl_call *call);

/* What /api/info says, without a root's end: the static site adds to it. */
void bl_explorer_put_info(const bl_explorer *explorer, bl_builder *builder, bl_tree *root);
/* The row of a token in /api/tokens, with what it `reads`; `counts` [V] where there is no atlas, or NULL. */
void bl_explorer_put_row(const bl_explorer *explorer, bl_builder *builder, bl_tree *list, size_t id,
                         bool reads, const uint64_t *counts);

/* Refuses with a status and a code of its own; returns NULL. */
void *bl_call_refuse(bl_call *call, unsigned status, const char *code, const char *message);
/* The work's progress: cancels it when nobody waits. */
bl_progress bl_call_progress(bl_call *call);

#endif
