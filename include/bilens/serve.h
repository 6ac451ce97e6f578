/** @file serve.h  The explorer: a web page and a JSON API over one model (docs/api.md), served by the library
 * itself. */
#ifndef BILENS_SERVE_H
#define BILENS_SERVE_H

#include <bilens/dictionary.h>
#include <bilens/image.h>
#include <bilens/model.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BL_SERVE_PORT 8470  /**< bilens serve's default */
#define BL_SERVE_BODY 65536 /**< bytes that a request's body may have */

typedef struct bl_serve_options {
    const char *atlas;          /**< an atlas of this model, or NULL: everything is computed on demand */
    const bl_dictionary *basis; /**< of what the MLP reads: eigenvectors are read in its features, too. The
                                   caller's, until bl_server_free; or NULL */
    const char *corpus_name;    /**< what to call the corpus */
    size_t max_stories;         /**< of the corpus, kept as tokens; 0 = 20,000 */
    const char *address; /**< NULL: the loopback addresses 127.0.0.1 and, if possible, ::1. Anything else lets
                            others in */
    unsigned port;       /**< 0 = any that is free */
    const char *public_origin; /**< where a reverse proxy shows this server, "https://example.org/bilens", or
                                  NULL: its pages may ask, and requests in its name are answered */
} bl_serve_options;

typedef struct bl_server bl_server;

/** Starts serving, in threads of its own. `corpus` may be NULL with an atlas, whose stories are then used;
 * model and corpus must live until bl_server_free. Threads to compute with are those of the calling thread
 * (bl_set_threads). BL_ERR_INPUT when the atlas is another model's or the port is taken, BL_ERR_USAGE when
 * public_origin is no address. */
BL_API bl_server *bl_server_new(const bl_model *model, bl_corpus *corpus, const bl_serve_options *options,
                                bl_error *err);
/** The same for an image model: the gallery of its classes, their eigenvectors as pictures, and what an image
 * excites. `images` may be NULL: then there are no top images. Of the options: corpus_name (of the images),
 * address, port, public_origin. */
BL_API bl_server *bl_server_new_images(const bl_image_model *model, const bl_images *images,
                                       const bl_serve_options *options, bl_error *err);
/** Ends running work, closes connections, waits for the threads. NULL is allowed. */
BL_API void bl_server_free(bl_server *server);
/** "http://127.0.0.1:8470/", owned by the server. */
BL_API const char *bl_server_url(const bl_server *server);
/** The port in use, also where any free one was asked for. */
BL_API unsigned bl_server_port(const bl_server *server);

typedef struct bl_site_options {
    size_t shard;    /**< directions a data file; 0 = 64 */
    bool no_spectra; /**< only the eigenvalues that the atlas holds; otherwise every direction is decomposed
                        again for its whole spectrum */
    const char *const
        *sentences; /**< [n_sentences] texts of the view "Why this word?", which runs the model: what
                                     it says of them is computed beforehand. NULL: the beginnings of six
                                     stories of the atlas */
    size_t n_sentences;
    bl_progress progress;
} bl_site_options;

/** Writes the explorer's page over a finished atlas of `model` as static files into `directory`: to be opened
 * from disk, or served by any web server. The folder appears as a whole, in the place of an older site;
 * another folder that is not empty is refused (BL_ERR_INPUT). The same atlas gives the same bytes. Needs no
 * web server library. */
BL_API bool bl_site_write(const bl_model *model, const char *atlas, const char *directory,
                          const bl_site_options *options, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
