/** @file evidence.h  Results of explain.h, truncate.h, ablate.h, chance.h, pairs.h, hosvd.h and diff.h as
 * trees (docs/specification.md, 23) and as tables.
 *
 * Every tree is free'd with bl_tree_free, every table with bl_table_free. NULL on failure: BL_ERR_MEMORY.
 * Numbers that mean nothing (no own positions, no variance) are null. */
#ifndef BILENS_EVIDENCE_H
#define BILENS_EVIDENCE_H

#include <bilens/ablate.h>
#include <bilens/chance.h>
#include <bilens/diff.h>
#include <bilens/explain.h>
#include <bilens/head.h>
#include <bilens/hosvd.h>
#include <bilens/layers.h>
#include <bilens/pairs.h>
#include <bilens/result.h>
#include <bilens/truncate.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The account of `ids` [n], tokens of `text`. With options->words every term has "words": {"tokens":
 * [position + 1], "direct": […], "head 0": […], …, "bias"}, and each head among the parts has "words":
 * […]. */
BL_API bl_tree *bl_explain_tree(const bl_question *question, const char *text, const int32_t *ids,
                                const bl_account *account, bl_error *err);
/** A row per part of the account, and per word where it has words. */
BL_API bl_table *bl_explain_rows(const bl_tree *tree, bl_error *err);

/** {"model", "token", "minus", "direction", "stories", "positions", "own", "layers": [{"layer", with a
 * surrogate "r2", "r2_linear", "recovered", "mlp_own", "mlp_spread", "heads_own", "heads_spread", "head",
 * "head_own", "head_spread"}]}; the question's layer is not read. */
BL_API bl_tree *bl_layers_tree(const bl_question *question, const bl_layer_shares *shares, bl_error *err);
/** A row per layer. */
BL_API bl_table *bl_layers_rows(const bl_tree *tree, bl_error *err);

/** Loss against rank over all tokens, with the controls; of one direction on its own positions, with
 * correlation and R^2. */
BL_API bl_tree *bl_truncate_tree(const bl_model *model, const bl_truncation *curve, bl_error *err);
/** Of one direction on its own positions. Free with bl_tree_free. */
BL_API bl_tree *bl_truncate_token_tree(const bl_question *question, const bl_token_truncation *curve,
                                       bl_error *err);
/** Of either of the two. */
BL_API bl_table *bl_truncate_rows(const bl_tree *tree, bl_error *err);

/** `eigs` [n_eigs] as they were asked for. */
BL_API bl_tree *bl_ablate_tree(const bl_question *question, const long *eigs, size_t n_eigs,
                               const bl_ablate_options *options, const bl_ablation *result, bl_error *err);
/** A row per set of positions, and per control. */
BL_API bl_table *bl_ablate_rows(const bl_tree *tree, bl_error *err);

/** `calibration`: two numbers, the distances from uniform of a second draw's p-values for the first place
 * from the top and from the bottom; NULL: none. `indices` [n_indices]: which places. */
BL_API bl_tree *bl_null_tree(const bl_question *question, const bl_chance *chance, const long *indices,
                             size_t n_indices, const double *calibration, bl_error *err);
/** A row per place. */
BL_API bl_table *bl_null_rows(const bl_tree *tree, bl_error *err);

/** The pairs of tokens at both ends of the form between two paths. */
BL_API bl_tree *bl_pairs_tree(const bl_question *question, const bl_token_pairs_options *options,
                              const bl_token_pairs *pairs, bl_error *err);
/** Of a pairs or a head_pairs result. */
BL_API bl_table *bl_pairs_rows(const bl_tree *tree, bl_error *err);

/** bl_head_pairs: {"model", "layer", "head", "distance", "token", "minus", "direction", "top": [[query, key,
 * value]…], "bottom"}; `direction` NULL: of the pattern alone. */
BL_API bl_tree *bl_head_pairs_tree(const bl_head *head, const bl_direction *direction,
                                   const bl_token_pairs *pairs, bl_error *err);
/** bl_head_query_of token `query`: {"model", "layer", "head", "distance", "query", "eigenvalues": [low,
 * high], "vectors": [{"index": -1 | 0, "eigenvalue", "top": [[token, v·y]…], "bottom"}]}. */
BL_API bl_tree *bl_head_query_tree(const bl_head *head, size_t query, const bl_head_query *result,
                                   bl_error *err);
/** A row per token of both eigenvectors. Free with bl_table_free. */
BL_API bl_table *bl_head_query_rows(const bl_tree *tree, bl_error *err);
/** Every head of layer 0 at one distance, for the direction of a question: {"distance", "heads": [{"head",
 * "pattern": {"top", "bottom"}, "direction": {"top", "bottom"}, "query": as above or null}]}, k pairs at each
 * end. The query is the direction's own token; null when it is a vector. BL_ERR_UNSUPPORTED for softmax
 * attention, BL_ERR_USAGE for another layer. */
BL_API bl_tree *bl_heads_tree(const bl_question *question, size_t distance, size_t k, bl_error *err);

/** Decomposes each pattern's form, too. */
BL_API bl_tree *bl_hosvd_tree(const bl_model *model, size_t layer, const bl_hosvd *hosvd, bl_error *err);
/** A row per output direction. */
BL_API bl_table *bl_hosvd_rows(const bl_tree *tree, bl_error *err);

/** Two models' layers. tokens [n_tokens]: listed under "tokens", each by its text; `changed` > 0: so many
 * tokens of both vocabularies whose forms changed most, under "changed". `direction` not NULL: the
 * eigenvectors of Q_a - Q_b of that token, under "difference". */
typedef struct bl_diff_question {
    const bl_model *a, *b;
    size_t layer;
    const char *const *tokens;
    size_t n_tokens, changed;
    const bl_direction *direction;
    const long *indices; /**< eigenvectors of the difference */
    size_t n_indices;
} bl_diff_question;
/** BL_ERR_INPUT where the models differ in d_model, BL_ERR_USAGE for a token that one of them lacks. */
BL_API bl_tree *bl_diff_tree(const bl_diff_question *question, bl_error *err);
/** A row per number of the result. Free with bl_table_free. */
BL_API bl_table *bl_diff_rows(const bl_tree *tree, bl_error *err);

/** A training run over time: every model in the folder `directory`, or in its folder "snapshots", by name,
 * beside the last one: {"timeline", "layer", "snapshots": [{"snapshot", "frobenius", "similarity",
 * "tokens"}]}. BL_ERR_USAGE where there are not two of them, or no such layer. */
BL_API bl_tree *bl_timeline_tree(const char *directory, size_t layer, const char *const *tokens,
                                 size_t n_tokens, bl_progress progress, bl_error *err);
/** A row per number and snapshot. */
BL_API bl_table *bl_timeline_rows(const bl_tree *tree, bl_error *err);

/** The k tokens whose forms are most like the direction's u [d] by the Frobenius cosine, and the k most
 * opposed ones; each token's direction is W_U[t] minus the mean of all. */
BL_API bl_tree *bl_similar_tree(const bl_question *question, const float *u, size_t k, bl_error *err);
/** A row per token. */
BL_API bl_table *bl_similar_rows(const bl_tree *tree, bl_error *err);

/** What bl_matter_tree runs. Zero-initialise for the defaults. */
typedef struct bl_matter_options {
    const long *eigs;    /**< [n_eigs] judged by chance */
    const long *ablated; /**< [n_ablated] taken out of the model, each by itself */
    size_t n_eigs, n_ablated;
    size_t stories;  /**< of the corpus, its first ones; 0 = 48 (16 to 48 beyond 4 million parameters) */
    size_t controls; /**< of each kind per ablation; 0 = 5 */
    size_t draws;    /**< of the null model; 0 = 99 */
    uint64_t seed;
    bl_progress progress;
} bl_matter_options;

/** Whether a direction's eigenvectors matter, from the three kinds of evidence together: {"stories", "null":
 * as bl_null_tree, "truncate": as bl_truncate_token_tree (only of the last layer), "ablate": [bl_ablate_tree,
 * …]}. Reads the corpus's first stories once. Errors as those of the three. */
BL_API bl_tree *bl_matter_tree(const bl_question *question, bl_corpus *corpus,
                               const bl_matter_options *options, bl_error *err);
/** Puts "probability" and "rank" of the direction's token, and "total" = u . MLP(x), beside every input of a
 * scan's tree: what the model says where an eigenvector is excited. Nothing without a token. `n_vectors` as
 * bl_scan_run had it. */
BL_API bool bl_scan_add_told(bl_tree *tree, const bl_question *question, const bl_scan *scan,
                             size_t n_vectors, bl_error *err);
/** Puts it into a report under "evidence"; takes it. */
BL_API bool bl_report_add_evidence(bl_tree *report, bl_tree *evidence, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
