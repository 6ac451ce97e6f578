/** @file explain.h  Why this word: a logit as a sum that is exact (docs/specification.md, 9).
 *
 *      logit(u) = s u . x_L = s [u . x_0 + sum over heads u . (s_i O_i z_i) + sum over layers u . y_i +
 * biases]
 *      s u . y  = s (u . b_p + shift |x'|^2) + sum_n s lambda~_n (v_n . x')^2             the opened layer's
 * MLP
 *
 * s is the final norm's scale at the position, frozen: it depends on every part and is treated as a constant.
 *
 *      bl_account account;
 *      if (!bl_account_of(model, ids, n, &options, &account, &err)) …
 *      account.parts[i].name, account.parts[i].value;   they sum to account.logit
 *      account.terms[i];                                with account.constant they sum to account.total
 *      bl_account_free(&account); */
#ifndef BILENS_EXPLAIN_H
#define BILENS_EXPLAIN_H

#include <bilens/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bl_explain_options {
    const float *u;   /**< [d] the direction */
    int32_t token;    /**< whose probability and rank are given; -1: none */
    size_t layer;     /**< whose MLP is opened */
    size_t position;  /**< 0 … n-1: the prediction made there, of the token after it */
    const long *eigs; /**< [n_eigs] show these terms; n_eigs 0: the `most` largest */
    size_t n_eigs;
    size_t most;       /**< more than there are: all */
    bool words;        /**< split each term shown by word and head; */
    size_t word_terms; /**< with `words`: only so many of them, the first; 0 = all */
    size_t
        predictions; /**< so many of the most probable next tokens get an account of their own, at most 10 */
} bl_explain_options;

/** One part of the residual stream and what it adds to the logit. */
typedef struct bl_account_part {
    char name[64]; /**< "embedding", "layer 0 head 3", "layer 0 mlp", "bias" */
    double value;
    double *words; /**< of a head, with options' `words`: [position + 1] what it brought from each word, which
                      sum to `value`; else NULL */
} bl_account_part;

/** One eigenvector's part of the opened MLP. */
typedef struct bl_account_term {
    size_t index;      /**< 0 … n-1 of the ascending spectrum */
    double eigenvalue; /**< raw */
    double similarity; /**< v . x', v with its largest component positive */
    double value;      /**< s lambda~ (v . x')^2 */
    /** With `words`: shares of `similarity`, [1 + H, position + 1], or NULL: row 0 the word itself (its
     * embedding and what other layers wrote there), row 1 + h what head h of the opened layer brought from
     * each word. They and `bias` sum to the similarity. A word's share of the value is value * share /
     * similarity. */
    double *words;
    double bias; /**< the constant coordinate's share of `similarity` */
} bl_account_term;

/** One of the most probable next tokens. */
typedef struct bl_account_prediction {
    int32_t token;
    double probability, logit;
    struct bl_account *account; /**< of its own logit, not a contrast; NULL if it was not asked for */
} bl_account_prediction;

typedef struct bl_account {
    size_t layer, position, n_heads;
    double logit, scale;
    double probability; /**< of the token; NaN without one */
    size_t rank;        /**< 1 = most probable; 0 without a token */
    size_t n_parts;
    bl_account_part *parts; /**< [n_parts] they sum to `logit` */
    double total, shift, constant,
        rest; /**< constant + terms + rest = total, the opened layer's part; with a surrogate … */
    double linear, remainder; /**< … + its linear part + what it leaves of the MLP = total; else 0 */
    size_t n_terms;
    bl_account_term *terms;             /**< [n_terms] by falling |value|, ties: lower index */
    size_t n_predictions;               /**< 10, or V if that is less */
    bl_account_prediction *predictions; /**< most probable first; equal logits: lower id */
} bl_account;

/** The account of one position of a text `ids` [n], n at most n_ctx. BL_ERR_USAGE for a position, layer or
 * index that does not exist; BL_ERR_UNSUPPORTED for an MLP that is not bilinear. Free with bl_account_free.
 * */
BL_API bool bl_account_of(const bl_model *model, const int32_t *ids, size_t n,
                          const bl_explain_options *options, bl_account *out, bl_error *err);
/** Frees what `account` holds, not the struct itself. NULL is allowed. */
BL_API void bl_account_free(bl_account *account);

/** What the model says at an input of an eigenvector. */
typedef struct bl_told {
    double probability; /**< of the token, as what comes next */
    size_t rank;        /**< 1 = most probable; equal logits: lower id */
    double total;       /**< u . MLP(x), of all eigenvectors together */
} bl_told;

/** out [n] of the inputs `matches` [n] that a scan found for direction u [d] of `layer`, whose token is
 * `token`. BL_ERR_USAGE for a token that does not exist. */
BL_API bool bl_told_of(const bl_model *model, size_t layer, const float *u, int32_t token,
                       const bl_match *matches, size_t n, bl_told *out, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
