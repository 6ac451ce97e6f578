/* Chance for an image model's class (docs/specification.md, 13 and 20): the block's rows of R and the entries
 * of the direction permuted. In pixel space L and R are first taken to the pixels, as the form is. */
#include "base/error.h"
#include "base/memory.h"
#include "linear/gemm.h"
#include "subject/image_private.h"
#include <bilens/image_evidence.h>
#include <stdlib.h>

/* out [h, m] = weight' [h, d'] factor^T [d', m], weight' with its bias as last column. */
static void through_pixels(bl_view weight, const float *bias, const float *factor, size_t m, float *out) {
    size_t d = weight.cols, width = d + (bias ? 1 : 0);
    bl_gemm_nt_pieces(weight.rows, m, d, weight.data, weight.stride, factor, width, out, m);
    for (size_t r = 0; bias && r < weight.rows; r++)
        for (size_t i = 0; i < m; i++) out[r * m + i] += bias[r] * factor[i * width + d];
}

/* The block's L and R on the m dimensions of pictures, biases within; memory is the caller's to free. */
static float *to_pixels(const bl_image_model *model, bl_bilinear *block, bl_error *err) {
    size_t m, h = block->l.rows, width = bl_bilinear_size(block);
    double *factor = bl_image_pixel_factor(model, &m, NULL, err);
    float *memory = factor ? bl_alloc(2 * h * m + m * width, sizeof *memory, err) : NULL;
    if (memory) {
        float *narrow = memory + 2 * h * m;
        for (size_t i = 0; i < m * width; i++) narrow[i] = (float)factor[i];
        through_pixels(block->l, block->l_bias, narrow, m, memory);
        through_pixels(block->r, block->r_bias, narrow, m, memory + h * m);
        block->l = (bl_view){memory, h, m, m};
        block->r = (bl_view){memory + h * m, h, m, m};
        block->l_bias = block->r_bias = NULL;
    }
    free(factor);
    return memory;
}

bool bl_image_chance(const bl_image_model *model, const float *u, size_t layer, bl_space space, size_t draws,
                     uint64_t seed, bl_progress progress, bl_chance *out, bl_error *err) {
    static const float one = 1;
    bl_bilinear block;
    float *memory = NULL;
    *out = (bl_chance){0};
    if (!bl_image_block(model, layer, &block, err)) return false;
    if (space == BL_SPACE_PIXEL && layer > 0)
        return bl_fail(err, BL_ERR_USAGE,
                       "--space pixel: the pixels are the input of layer 0, not of layer %zu", layer);
    if (space == BL_SPACE_PIXEL && !(memory = to_pixels(model, &block, err))) return false;
    block.p = (bl_view){u, 1, block.l.rows, block.l.rows}; /* the direction is the map's only output */
    bool ok = bl_chance_of(&block, &one, draws, seed, progress, out, err);
    free(memory);
    return ok;
}
