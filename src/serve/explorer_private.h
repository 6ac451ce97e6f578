/* What the explorer's handlers share. */
#ifndef BL_SERVE_EXPLORER_PRIVATE_H
#define BL_SERVE_EXPLORER_PRIVATE_H
#include "atlas/reader.h"
#include "serve/explorer.h"
#include "result/results.h"
#include "serve/stories.h"
#include <pthread.h>

/* What directions are called: text as UTF-8, and without case. */
typedef struct bl_names {
    char **text, **folded; /* [n] */
    size_t n;
} bl_names;

struct bl_explorer {
    const bl_model *model;       /* NULL of an image model, which is */
    const bl_image_model *image; /* … this, and then only images, corpus_name, info and answers are used */
    const bl_images *images;     /* NULL: none */
    bool site;                   /* a static site is being written */
    bl_atlas_reader *atlas;      /* its first layer; NULL: none */
    bl_atlas_reader **layers;    /* [n_layers] the atlas's layers */
    size_t n_layers;
    const bl_dictionary *features; /* in which eigenvectors are read, too; NULL: none */
    bl_stories *stories;
    char *corpus_name;
    bl_tree *info;      /* the command line's info */
    bl_names names;     /* [V] of tokens */
    bl_names own_names; /* of the atlas's own directions, which are no tokens */
    bl_basis basis;     /* of tokens, with its mean */
    bl_basis own;       /* the atlas's own directions; no rows where it has none */
    float *mean;        /* [d] of the basis */
    bl_cache *eigens;   /* bl_decomposition */
    bl_cache *answers;  /* text */
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
bl_tree *bl_api_directions(bl_call *call);
bl_tree *bl_api_features(bl_call *call);
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
bl_tree *bl_api_layers(bl_call *call);

/* What /api/info says, without a root's end: the static site adds to it. */
void bl_explorer_put_info(const bl_explorer *explorer, bl_builder *builder, bl_tree *root);
/* The atlas's layer `layer`; NULL: it does not have it. */
bl_atlas_reader *bl_explorer_layer(const bl_explorer *explorer, size_t layer);
/* The parameter layer as one of the atlas's, by default its first; NULL with call->err, and where there is no
 * atlas. */
bl_atlas_reader *bl_call_layer(bl_call *call);
/* Number of the atlas's own direction that the text "FILE:7" names; -1: none. */
long bl_explorer_find_own(const bl_explorer *explorer, const char *source);
/* "@FILE:7" of the atlas's own direction `id`. */
void bl_explorer_put_own(const bl_explorer *explorer, bl_builder *builder, bl_tree *at, size_t id);
/* The row of a direction with its figures in `atlas` and what it `reads`; without an atlas, of a token and
 * its `counts` [V], or NULL. */
void bl_explorer_put_row(const bl_explorer *explorer, bl_atlas_reader *atlas, bl_builder *builder,
                         bl_tree *list, size_t id, bool reads, const uint64_t *counts);

/* Refuses with a status and a code of its own; returns NULL. */
void *bl_call_refuse(bl_call *call, unsigned status, const char *code, const char *message);
/* The work's progress: cancels it when nobody waits. */
bl_progress bl_call_progress(bl_call *call);

#endif
