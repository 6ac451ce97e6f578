/** @file dictionary.h  Dictionaries of features: SAEs, transcoders, one's own directions
 * (docs/specification.md, 17).
 *
 *      bl_dictionary *dictionary = bl_dictionary_read("sae-dir", 256, &err);
 *
 *  Of every layout the same remains: pre_a(x) = e_a . x + o_a, and x ~ sum_b z_b f_b + c.
 */
#ifndef BILENS_DICTIONARY_H
#define BILENS_DICTIONARY_H

#include <bilens/basis.h>

#ifdef __cplusplus
extern "C" {
#endif

/** When a feature is active: pre > 0; pre > threshold and pre > 0; among the k largest of its position and
 * pre > 0. */
typedef enum bl_activation { BL_ACTIVATION_RELU, BL_ACTIVATION_JUMPRELU, BL_ACTIVATION_TOPK } bl_activation;

/** F features of width d. Immutable once it is made; all arrays belong to it. */
typedef struct bl_dictionary {
    char *name; /**< what it was read from */
    size_t F, d;
    bl_activation activation;
    size_t k;         /**< of TOPK */
    float *encoder;   /**< [F, d] rows e_a */
    float *offset;    /**< [F] o_a */
    float *decoder;   /**< [F, d] rows f_b; the encoder itself in a plain matrix */
    float *centre;    /**< [d] c */
    float *threshold; /**< [F] of JUMPRELU, else NULL */
} bl_dictionary;

/** Reads a folder in the authors' layout (config.json, model.safetensors) or SAELens's (cfg.json,
 *  sae_weights.safetensors), or a plain matrix [F, d]: FILE.npy, FILE.csv, FILE.safetensors[:TENSOR]. Of a
 *  transcoder in SAELens's layout DIR:in is what it reads (its encoder, and when a feature is active) and
 *  DIR:out what it writes (its decoder as a plain matrix). `d` = 0 takes any width. BL_ERR_INPUT for a width,
 *  shape or number that is wrong, BL_ERR_UNSUPPORTED, naming the key, for what would change the meaning. Free
 *  with bl_dictionary_free. */
BL_API bl_dictionary *bl_dictionary_read(const char *source, size_t d, bl_error *err);
/** Frees `dictionary` and all that it holds. NULL is allowed. */
BL_API void bl_dictionary_free(bl_dictionary *dictionary);
/** Whether `source` is a folder, or a folder with the side of a transcoder, rather than a file. */
BL_API bool bl_dictionary_is_folder(const char *source);

typedef enum bl_dictionary_layout { BL_LAYOUT_SCOPE, BL_LAYOUT_SAELENS } bl_dictionary_layout;
/** Writes a TOPK dictionary of `model` at `point` of `layer` ("mlp_in", 0) as a folder in one of both
 * layouts. Atomic file by
 *  file, its config last. */
BL_API bool bl_dictionary_write(const bl_dictionary *dictionary, const char *directory,
                                bl_dictionary_layout layout, const char *model, const char *point,
                                size_t layer, bl_error *err);

/** pre [m, F] of x [m, d]. */
BL_API void bl_dictionary_pre(const bl_dictionary *dictionary, const float *x, size_t m, float *pre);
/** active [m, F] of pre [m, F]. Of equal pre-activations the lower feature is among the k largest. */
BL_API bool bl_dictionary_active(const bl_dictionary *dictionary, const float *pre, size_t m, bool *active,
                                 bl_error *err);

/** xhat [m, d] = sum_b z_b f_b + c of x [m, d], z_b the pre-activation where b is active, else 0. `active`
 * [m, F] says which are, or NULL. Several threads may call it at once. */
BL_API bool bl_dictionary_reconstruct(const bl_dictionary *dictionary, const float *x, size_t m, float *xhat,
                                      bool *active, bl_error *err);

/** Its decoder rows as a basis "feature"; of `encoder` its encoder rows. The dictionary must outlive it. */
BL_API bl_basis bl_dictionary_basis(const bl_dictionary *dictionary, bool encoder);

#ifdef __cplusplus
}
#endif
#endif
