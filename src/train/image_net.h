/* The network of image models: forward and backward over a batch (docs/specification.md, 20). */
#ifndef BL_TRAIN_IMAGE_NET_H
#define BL_TRAIN_IMAGE_NET_H
#include "linear/product16.h"
#include "model/params.h"
#include "subject/image_private.h"

/* What one batch is. */
typedef struct bl_image_batch {
    const bl_images *images;
    const uint32_t *order; /* [n] which images */
    size_t n;              /* B */
    size_t first; /* place of the first in the whole step: its noise does not depend on who computes it */
    float noise;  /* sigma; 0: none */
    uint64_t key; /* of the noise: seed and step */
    float scale;  /* of the gradient: 1 / images of the step */
} bl_image_batch;

/* One layer's state for the R images that are at hand. */
typedef struct bl_image_state {
    float *in;          /* [R, width] (the first layer without embedding reads x) */
    float *pre;         /* [R, ld_pre] L x beside R x; after the backward pass their gradient */
    bl_factor w_t, w_n; /* W [2h, width] both ways */
} bl_image_state;

typedef struct bl_image_net {
    bl_image_config config;
    bl_params params;          /* embed.weight, blocks.i.weight, blocks.i.bias, head.weight */
    float *weights, *gradient; /* [params.total] */
    size_t rows, ld_pre;       /* R: room for so many images at a time, */
    size_t images;             /* … in passes over so many */
    int threads;               /* … and so many threads' scratch */
    float *x, *hidden;         /* [R, n], [R, h] input of the head */
    float *first_gradient;     /* [R, d] loss's gradient with respect to h_0 */
    float *logits;             /* [R, C]; after the backward pass their gradient */
    bl_image_state *blocks;    /* [n_layer] */
    bl_factor embed_t, head_t, head_n;
    bool half;      /* the caller's: products of passes with a gradient in bfloat16 */
    double *losses; /* [images] */
    bool *right;    /* [images] */
    float *block, *panels, *scratch;
    size_t scratch_size;
} bl_image_net;

/* bl_image_net_free is due even when it fails. */
bool bl_image_net_init(bl_image_net *net, const bl_image_config *config, bl_error *err);
void bl_image_net_free(bl_image_net *net);
/* Every tensor uniform in +-1/sqrt(fan_in), a bias by its weight's; modular addition: blocks in +-1/sqrt(p),
 * and zeros where a split model does not read. */
void bl_image_net_randomize(bl_image_net *net, uint64_t seed);
/* Sum of the losses and number of right answers; with `backward` the gradient [params.total] of scale * the
 * sum. The result does not depend on the number of threads, but in its last bits where the BLAS multiplies
 * (linear/product.h). */
bool bl_image_net_run(bl_image_net *net, const bl_image_batch *batch, bool backward, double *loss,
                      size_t *right, bl_error *err);
/* Weight or gradient of parameter `i` of the table. */
static inline float *bl_image_net_at(const bl_image_net *net, float *base, size_t i) {
    return base + net->params.list[i].offset;
}
/* Copies the weights between the net and a model of its config. */
void bl_image_net_store(const bl_image_net *net, bl_image_model *model);
void bl_image_net_load(bl_image_net *net, const bl_image_model *model);
#endif
