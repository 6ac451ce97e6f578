/* The settings of the one block (docs/specification.md, 1 and 18) beyond bl_config's sizes: an architecture
 * fills them from config.json or from GGUF keys, and the forward pass reads nothing else. */
#ifndef BL_MODEL_PLAN_H
#define BL_MODEL_PLAN_H
#include <bilens/model.h>

typedef enum bl_rope_scaling {
    BL_ROPE_PLAIN,
    BL_ROPE_LINEAR,  /* frequency / factor */
    BL_ROPE_LLAMA3,  /* by wavelength: low, high, factor, original */
    BL_ROPE_YARN,    /* a ramp between frequency and frequency / factor */
    BL_ROPE_LONGROPE /* frequency / short_divisor[j], or / long_divisor[j] for stories longer than
                        `original` */
} bl_rope_scaling;

#define BL_ROPE_MOST 256 /* frequencies of a head */

typedef struct bl_rope_plan {
    bl_rope_scaling scaling;
    size_t rotated; /* elements of a head that turn; 0: none */
    double base, factor, low, high, original, magnitude;
    double beta_fast, beta_slow;
    bool whole_bounds; /* yarn: the ramp's bounds are rounded to whole dimensions */
    float short_divisor[BL_ROPE_MOST], long_divisor[BL_ROPE_MOST]; /* longrope; GGUF's rope_freqs in both */
} bl_rope_plan;

typedef enum bl_layer_flag {
    BL_LAYER_WINDOW = 1,     /* sees `window` keys only */
    BL_LAYER_LOCAL_ROPE = 2, /* turns by local_rope */
    BL_LAYER_NO_ROPE = 4     /* has no positions at all */
} bl_layer_flag;

#define BL_PLAN_LAYERS 1024 /* of models whose layers differ */

typedef struct bl_plan {
    bool layer_norm; /* LayerNorm instead of RMS */
    bool norm_bias;  /* its biases */
    bool post_norms; /* a norm behind attention and one behind the MLP */
    bool head_norms; /* a norm of every head of q and k */
    bool parallel;   /* the MLP reads x, not x + attention */
    bool positions;  /* learned, added to the embedding */
    float epsilon;
    float norm_offset; /* the norms' weights are this plus what is stored */
    float embedding_scale, score_scale;
    float score_cap, logit_cap; /* c tanh(x / c); 0: none */
    size_t window;              /* position q sees keys q - window < j <= q; 0: all */
    bl_rope_plan rope, local_rope;
    unsigned char layers[BL_PLAN_LAYERS]; /* bl_layer_flag of each */
    bool stored_offset;                   /* the file's norm weights already hold the offset (GGUF) */
    bool rotary_pairs;                    /* rows of q and k stand as adjacent pairs (GGUF's llama) */
} bl_plan;

/* bilens's own models: RMS norms with epsilon 1e-8, base 10000, nothing scaled. `config` is settled. */
void bl_plan_defaults(bl_plan *plan, const bl_config *config);
/* The flags of a layer. */
static inline unsigned bl_plan_layer(const bl_plan *plan, size_t layer) {
    return layer < BL_PLAN_LAYERS ? plan->layers[layer] : 0;
}
/* frequency [rotated / 2] and the factor of cos and sin, for stories of up to T positions. */
void bl_rope_frequencies(const bl_rope_plan *rope, size_t T, double *frequency, double *magnitude);
#endif
