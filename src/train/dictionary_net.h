/* A TopK dictionary that is trained: its parameters, forward and backward pass (docs/specification.md, 17).
 *
 *   pre = E (x - c),  z = the k largest of pre where above 0,  xhat = z D + c,  loss = |x - xhat|^2
 */
#ifndef BL_TRAIN_DICTIONARY_NET_H
#define BL_TRAIN_DICTIONARY_NET_H
#include "linear/best.h"
#include "linear/product16.h"
#include "model/params.h"

typedef struct bl_dictionary_net {
    size_t F, d, k, rows;
    bool half; /* E (x - c) in bfloat16 */
    int threads;
    bl_params params;          /* encoder E [F, d], decoder D [F, d], centre c [d] */
    float *weights, *gradient; /* [params.total] */
    bl_factor encoder;         /* E^T as a right-hand factor */
    float *panels;
    float *x, *residual; /* [rows, d] x - c and 2 (xhat - x) scale */
    float *pre;          /* [threads, BLOCK, F] */
    bl_scored *best;     /* [threads, k] */
    size_t *active;      /* [rows] how many are active */
    uint32_t *feature;   /* [rows, k] which */
    float *z, *dz;       /* [rows, k] activations, and their gradient */
    size_t *begin;       /* [F + 1] of a feature's entries in `entry` */
    uint32_t *entry;     /* [rows k] places in feature, by feature, in the rows' order */
    float *dz_sum;       /* [F] of a feature's dz over all rows */
    double *losses;      /* [rows] */
} bl_dictionary_net;

/* Room for `rows` rows. bl_dictionary_net_free is due even when it fails. */
bool bl_dictionary_net_init(bl_dictionary_net *net, size_t F, size_t d, size_t k, size_t rows, bool half,
                            bl_error *err);
void bl_dictionary_net_free(bl_dictionary_net *net);
/* *loss = sum |x - xhat|^2 over the rows order[0 … n - 1] of `vectors` [, d]; the gradient of scale * the
 * sum. Neither depends on the number of threads. */
void bl_dictionary_net_run(bl_dictionary_net *net, const float *vectors, const uint32_t *order, size_t n,
                           float scale, double *loss);
/* Decoder rows get norm 1. */
void bl_dictionary_net_normalize(bl_dictionary_net *net);

static inline float *bl_dictionary_net_encoder(const bl_dictionary_net *net, float *base) {
    return base + net->params.list[0].offset;
}
static inline float *bl_dictionary_net_decoder(const bl_dictionary_net *net, float *base) {
    return base + net->params.list[1].offset;
}
static inline float *bl_dictionary_net_centre(const bl_dictionary_net *net, float *base) {
    return base + net->params.list[2].offset;
}
#endif
