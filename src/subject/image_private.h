/* What a loaded image model holds. */
#ifndef BL_SUBJECT_IMAGE_PRIVATE_H
#define BL_SUBJECT_IMAGE_PRIVATE_H
#include <bilens/image.h>
#include <jansson.h>

/* One block: y = g(L x + l) * (R x + r). */
typedef struct bl_image_layer {
    float *w;    /* [2h, width]: L above R */
    float *bias; /* [2h]: l before r, or NULL */
} bl_image_layer;

struct bl_image_model {
    bl_image_config config;
    char *name, *config_json;
    char **labels;          /* [C] */
    float *w_e;             /* [d, n], NULL for modular addition */
    float *w_u;             /* [C, h] */
    bl_image_layer *layers; /* [n_layer] */
    char (*dtypes)[16];     /* [tensors] as stored; NULL: "F32" */
};

/* A model of `config` with weights allocated and not set, labels "0" … "C-1". For training. */
bl_image_model *bl_image_new(const bl_image_config *config, const char *name, bl_error *err);

/* The tensors in the order of the file. */
typedef struct bl_image_tensor {
    char name[40];
    float *data;
    size_t n_dims, rows, cols; /* cols = 1 for a vector */
    const char *dtype;         /* as stored: "F32", "F16" … */
} bl_image_tensor;
/* Number of tensors; `list` (NULL: only counts) has room for 2 + 2 n_layer. */
size_t bl_image_tensors(const bl_image_model *model, bl_image_tensor *list);

/* Pixels of a picture and number of classes (one more than the largest label) of a folder's images. */
bool bl_images_sizes(const char *directory, const char *split, size_t *n, size_t *classes, bl_error *err);

/* factor [m, d'], whose rows lead from the m dimensions that pictures can move the block's input in to that
 * input, and basis [m, n'] (may be NULL), those dimensions as orthonormal pictures; *basis is NULL where they
 * are the pixels themselves. E' = factor^T basis. Both are the caller's to free. */
double *bl_image_pixel_factor(const bl_image_model *model, size_t *m, float **basis, bl_error *err);

/* logits [B, C] from the inputs of block `layer` [B, width]; of `layer` = n_layer, the head's. */
bool bl_image_logits_of(const bl_image_model *model, const float *inputs, size_t B, size_t layer,
                        float *logits, bl_error *err);
/* Of the pictures and labels; the same for the same content. */
uint64_t bl_images_hash(const bl_images *images);
/* Fetches picture and label of image `i` into the cache, for a call that will need them soon. */
void bl_images_fetch(const bl_images *images, size_t i);

/* Loss of one image's logits [C], and whether its class has the largest, the first of equal ones. */
void bl_image_judge_one(const float *logits, size_t C, size_t label, double *loss, bool *right);
/* Losses and right answers of logits [B, C] of images first … first + B - 1. */
void bl_image_judge(const float *logits, size_t B, size_t C, const bl_images *images, size_t first,
                    double *losses, bool *right);

/* Reads and checks config.json's content. */
bool bl_image_config_read(const json_t *json, const char *path, bl_image_config *config, bl_error *err);
/* The shape that n pixels have where config.json says none. */
void bl_image_default_shape(size_t n, size_t shape[3]);
#endif
