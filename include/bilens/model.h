/** @file model.h  Checkpoints (docs/specification.md, 2), the exact forward pass (1) and its named trace
 * points. */
#ifndef BILENS_MODEL_H
#define BILENS_MODEL_H

#include <bilens/base.h>
#include <bilens/format.h>
#include <bilens/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a kind of model is stored: a row of the library's table of architectures. */
typedef struct bl_architecture bl_architecture;
/** What the block of an ordinary architecture does beyond the sizes (private). */
typedef struct bl_plan bl_plan;

/** A model's sizes and kind, from `config.json` and the presence of tensors. Zeroed fields are defaults where
 * a comment says so. */
typedef struct bl_config {
    const bl_architecture *architecture; /**< NULL: the generation 2024-05 */
    size_t n_vocab, n_layer, n_head, n_ctx, d_model, d_hidden;
    size_t n_kv_head; /**< key/value heads; query head i reads head i / (n_head / n_kv_head). 0: n_head */
    size_t head_dim;  /**< k, the width of a head. 0: d_model / n_head */
    bl_gate gate;
    bool plain;              /**< plain MLP P g(W y): w has h rows, no product */
    bool bias_w;             /**< mlp.w has a bias */
    bool bias_p;             /**< the MLP's output has a bias */
    bool bias_qkv, bias_o;   /**< attention has biases */
    bool normalization;      /**< a norm before attention, MLP and head */
    bool norm_weights;       /**< the norms have weights */
    bool tied;               /**< lm_head is wte */
    bool attention2;         /**< bilinear attention: the product of two patterns, no softmax */
    bool unscaled_attention; /**< scale_attn: false, s_i = 1 */
    float noise;             /**< training only */
    const bl_plan *plan;     /**< of a loaded model; NULL: bilens's own models */
} bl_config;

/** The row of this name: a generation ("2024-05", "2024-06", "later") or an architecture ("llama"); NULL if
 * there is none. */
BL_API const bl_architecture *bl_architecture_find(const char *name);
/** The generation of a bilinear checkpoint, "2024-05", "2024-06" or "later"; NULL for others. */
BL_API const char *bl_config_generation(const bl_config *config);
/** "bilinear", or the model_type of an ordinary model: "llama". */
BL_API const char *bl_config_architecture(const bl_config *config);

/** "none", "rms" or "layer": the kind of norm. */
BL_API const char *bl_config_norm(const bl_config *config);

/** "none", "relu", "silu", "gelu" or "gelu_tanh". */
BL_API const char *bl_gate_name(bl_gate gate);

/** True when every layer's MLP is bilinear, so that it can be decomposed exactly. */
BL_API bool bl_config_is_bilinear(const bl_config *config);

/** One tensor of the checkpoint as it was stored. */
typedef struct bl_tensor_info {
    const char *name;
    const char *dtype; /**< "F32", "F16", "BF16", "F64", "Q4_K" ... */
    size_t n_dims;
    size_t shape[BL_MAX_DIMS];
} bl_tensor_info;

/** One layer's weights in float32, norm weights folded into what reads them (docs/specification.md, 4). All
 * views belong to the model. */
typedef struct bl_layer {
    bl_view w_q, w_k,
        w_v; /**< [H k, d] each, rows head-major; n1 folded. Of fewer key/value heads than heads each
                                 stands once for every head that reads it */
    bl_view w_q2, w_k2;     /**< bilinear attention's second pattern [H k, d]; else data NULL */
    bl_view w_o;            /**< [d, H k], columns head-major */
    bl_view w_l;            /**< [h, d]; n2 folded. The only one of a plain MLP (W) */
    bl_view w_r;            /**< [h, d]; n2 folded; data NULL for a plain MLP */
    bl_view w_p;            /**< [d, h] */
    const float *b_l, *b_r; /**< [h] each or NULL */
    const float *b_p;       /**< [d] or NULL */
    const float *b_v;       /**< [H k] or NULL */
} bl_layer;

typedef struct bl_model bl_model;

/** Loads a model directory: `config.json`, `model.safetensors` (or shards), `tokenizer.json`. The files are
 * read into memory: what happens to them afterwards does not matter. Fails with a message that names the file
 * and the tensor or key. */
BL_API bl_model *bl_model_load(const char *directory, bl_error *err);
/** The same, under another name in messages and results: "tdooms/TinyStories-1-1024-i5n" for a folder of the
 * hub's cache. */
BL_API bl_model *bl_model_load_as(const char *directory, const char *name, bl_error *err);
/** Frees `model` and all that it holds. NULL is allowed. */
BL_API void bl_model_free(bl_model *model);

/** Sizes and settings; they live as long as the model. */
BL_API const bl_config *bl_model_config(const bl_model *model);
/** NULL where the directory has no tokenizer.json: its weights can be studied all the same, tokens are then
 * called by their numbers, "#12". */
BL_API const bl_tokenizer *bl_model_tokenizer(const bl_model *model);
/** The directory's name as it was given, or the name given to bl_model_load_as. */
BL_API const char *bl_model_name(const bl_model *model);
/** config.json as it was read (JSON text). */
BL_API const char *bl_model_config_json(const bl_model *model);

/** What is odd about a model that could be loaded, one sentence per entry: weights that are NaN or
 * infinite. */
BL_API size_t bl_model_n_warnings(const bl_model *model);
/** Sentence i < bl_model_n_warnings; the model's. */
BL_API const char *bl_model_warning(const bl_model *model, size_t i);

/** Makes the float32 views of one layer (SIZE_MAX: of none), of W_E and of W_U. A bilinear checkpoint has
 * them from the start; of an ordinary model they take memory of their own, and are NULL before. Safe from
 * several threads. */
BL_API bool bl_model_unfold(const bl_model *model, size_t layer, bl_error *err);

/** W_E [V, d]. */
BL_API bl_view bl_model_w_e(const bl_model *model);
/** W_U [V, d], n_f folded. The same memory as W_E when tied and not folded. */
BL_API bl_view bl_model_w_u(const bl_model *model);
/** Layer i's weights, i < n_layer. */
BL_API const bl_layer *bl_model_layer(const bl_model *model, size_t layer);
/** What scores are multiplied by: 1/sqrt(k) unless the architecture says otherwise. */
BL_API float bl_model_score_scale(const bl_model *model);
/** s_i of docs/specification.md, 1. */
BL_API float bl_model_attention_scale(const bl_model *model);
/** Number of parameters (rotary tables not counted, a tied head once). */
BL_API uint64_t bl_model_parameters(const bl_model *model);
/** The stored tensors, in file order. */
BL_API size_t bl_model_n_tensors(const bl_model *model);
/** Tensor i < bl_model_n_tensors; its name is the model's. */
BL_API bl_tensor_info bl_model_tensor_info(const bl_model *model, size_t i);

/** Mean loss (docs/specification.md, 7) and the number of predictions it is the mean of. */
typedef struct bl_loss {
    double loss;
    uint64_t predictions;
    uint64_t stories;
} bl_loss;

/** Cross-entropy over at most `max_stories` (0 = all) of `corpus`. Threads over stories; the sum does not
 * depend on their number. */
BL_API bool bl_model_eval(const bl_model *model, bl_corpus *corpus, size_t max_stories, bl_progress progress,
                          bl_loss *loss, bl_error *err);

/** Activations of one text at named points. */
typedef struct bl_trace bl_trace;

/** Runs the model on `ids` (n of them, at most n_ctx) and keeps the named points. A name is a point,
 * `mlp_in`, for every layer, or `mlp_in.0` for one. Points (per layer): resid_pre, attn_in, resid_mid,
 * mlp_in, mlp_out, resid_post [T, d]; q, k (after rotary), v [H, T, k]; scores (masked with -inf), pattern
 * [H, T, T]; attn_out [T, d] (before s_i); mlp_hidden [T, h]; and, without layer, logits [T, V]. attn_in and
 * mlp_in are N(x) without the norm's weight, which is folded into the weights that read them. NULL names =
 * all points. */
BL_API bl_trace *bl_trace_run(const bl_model *model, const int32_t *ids, size_t n, const char *const *names,
                              size_t n_names, bl_error *err);
/** Frees `trace` and all that it holds. NULL is allowed. */
BL_API void bl_trace_free(bl_trace *trace);
/** Number of arrays. */
BL_API size_t bl_trace_n(const bl_trace *trace);
/** The i-th array, named "mlp_in.0" or "logits"; owned by the trace. */
BL_API bl_named_array bl_trace_array(const bl_trace *trace, size_t i);

#ifdef __cplusplus
}
#endif
#endif
