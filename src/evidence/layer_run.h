/* One layer of a model while stories run through it: what its MLP reads and writes, and what follows from a
 * change of what it writes. Shared by every kind of evidence. */
#ifndef BL_EVIDENCE_LAYER_RUN_H
#define BL_EVIDENCE_LAYER_RUN_H
#include <bilens/decompose.h>
#include "linear/softmax.h"
#include "model/forward.h"

/* Stories as tokens, one behind the other: story i is ids[begin[i]] … ids[begin[i + 1] - 1], at most n_ctx
 * of them. A story of n tokens makes n - 1 predictions; those of story i begin at number first[i]. */
typedef struct bl_story_ids {
    int32_t *ids;
    size_t *begin; /* [n + 1] */
    size_t *first; /* [n + 1] */
    size_t n, longest;
} bl_story_ids;

/* Reads at most `most` stories (0 = all). BL_ERR_INPUT when there is nothing to predict. */
bool bl_story_ids_read(const bl_model *model, bl_corpus *corpus, size_t most, const bl_progress *progress,
                       bl_story_ids *out, bl_error *err);
void bl_story_ids_free(bl_story_ids *stories);
/* The tokens of story i; *n is their number. */
const int32_t *bl_story_ids_of(const bl_story_ids *stories, size_t i, size_t *n);

/* Scratch of one thread. The rows belong to the story that ran last. */
typedef struct bl_layer_run {
    const bl_model *model;
    bl_bilinear map; /* of the layer; filled where the model is bilinear */
    size_t layer, d, n;
    bl_workspace *workspace;
    /* [T, n] x' (about the map's origin), the MLP's input, with its constant 1 where there are biases */
    float *x;
    float *mid; /* [T, d] the stream before the MLP's output is added */
    float
        *y; /* [T, d] the MLP's output, b_p included, before a norm behind it; by bl_layer_run_logits only */
    float *end; /* [T, d] the stream behind the last layer; NULL but where a norm stands behind the MLP */
} bl_layer_run;

/* A site for each of bl_threads() threads, for stories of up to T tokens. Free with bl_layer_runs_free. */
bl_layer_run *bl_layer_runs_new(const bl_model *model, size_t layer, size_t T, bl_error *err);
void bl_layer_runs_free(bl_layer_run *sites);

/* Fills x and mid of a story of n tokens. */
bool bl_layer_run_inputs(bl_layer_run *site, const int32_t *ids, size_t n, bl_error *err);
/* Replaces rows of the MLP's output: y [n, d] as it is, to be changed in place. */
typedef void (*bl_layer_run_edit)(void *context, const bl_layer_run *site, bl_rows y);
/* Fills x, mid and y and gives the logits [n, V] (data NULL: out of memory). With `edit` the rest of the
 * model runs on with what it left; y is then the changed one. */
bl_view bl_layer_run_logits(bl_layer_run *site, const int32_t *ids, size_t n, bl_layer_run_edit edit,
                            void *context, bl_error *err);

/* y [rows, d] of x' [rows, n], whose constant coordinate need not be 1. work [2 rows, h]. */
void bl_layer_run_apply(const bl_bilinear *map, const float *x, size_t rows, float *work, float *y);

/* s of a final stream row [d]: logits = s W_U row. 1 without a final norm (docs/specification.md, 9). */
double bl_final_scale(const bl_model *model, const float *row);
/* The same of the sum of two rows. */
double bl_final_scale_of_sum(const bl_model *model, const float *a, const float *b);
/* out [H k] = s_i O_iᵀ u of a layer, u weighted by a norm behind attention: u . s_i O_i z_i = out . z, but
 * for that norm's scale. From the stored weights. */
bool bl_heads_read(const bl_model *model, size_t layer, const float *u, float *out, bl_error *err);
/* What a norm behind attention or the MLP multiplies its output's row [d] with; 1 without one. */
double bl_post_scale(const bl_model *model, const float *row);
/* What a change of u . y at position p comes to behind the last layer, all norms kept as they are there: s
 * times the scale of a norm behind the MLP. The run's layer is the last. */
double bl_layer_run_reach(const bl_layer_run *site, size_t p);
/* How much the logit of `token` falls when u . y of its own row falls by `fall`; through the cap on
 * logits. */
double bl_layer_run_fall(const bl_layer_run *site, size_t p, size_t token, double fall);
/* u [d] as the MLP's own output meets it: times the weight of a norm behind it. To be freed with free. */
float *bl_direction_written(const bl_model *model, size_t layer, const float *met, bl_error *err);
/* A copy of u [d] as the final norm lets it read the stream: centred over d where that is a LayerNorm. */
float *bl_direction_met(const bl_model *model, const float *u, bl_error *err);
/* False with BL_ERR_UNSUPPORTED where a norm behind the MLP makes what it adds no multiple of what it
 * writes, for `what` that has no way around it. */
bool bl_check_no_post_norm(const bl_model *model, const char *what, bl_error *err);
/* False with BL_ERR_USAGE unless `layer` is the model's last, for a verb or mode that `what` names. */
bool bl_check_last_layer(const bl_model *model, size_t layer, const char *what, bl_error *err);
#endif
