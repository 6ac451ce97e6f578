/** @file result.h  Results as JSON (the contract of the command line) and as CSV. */
#ifndef BILENS_RESULT_H
#define BILENS_RESULT_H

#include <bilens/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What every direction's result names. */
typedef struct bl_subject {
    const bl_model *model;
    const bl_direction *direction;
    size_t layer;
} bl_subject;

/** JSON texts (compact, nine significant digits); free with bl_free. NULL on failure: BL_ERR_NUMERIC when a
 * result is no number, BL_ERR_USAGE when an index is not of the spectrum or its eigenvector was not computed.
 * Bytes of a token that are no UTF-8 become U+FFFD. `indices` as they were asked for (negative from the end),
 * the same for eigen and scan. */
BL_API char *bl_info_json(const bl_model *model, bl_error *err);
BL_API char *bl_eigen_json(const bl_subject *subject, const bl_eigen *eigen, const long *indices,
                           size_t n_indices, bl_error *err);
BL_API char *bl_scan_json(const bl_subject *subject, const bl_eigen *eigen, const bl_scan *scan,
                          const long *indices, size_t n_indices, bl_error *err);
/** One match, as in bl_scan_json's "matches". */
BL_API char *bl_match_json(const bl_model *model, const bl_match *match, bl_error *err);
/** The report's JSON: {"format": "bilens report 1", "version", "info": {…}, "eigen": {…}, "scan": {…},
 * "corpus": […]}. */
BL_API char *bl_report_json(const char *info, const char *eigen, const char *scan, const char *const *corpus,
                            size_t n_corpus, bl_error *err);

/** CSV (RFC 4180: header line, CRLF, text in quotes): a model's tensors; every virtual token of an eigen
 * result (vector, eigenvalue, source, side, rank, token, value); its spectrum (index, eigenvalue); every
 * contribution of a scan's matches. Free with bl_free. */
BL_API char *bl_info_csv(const char *json, bl_error *err);
BL_API char *bl_eigen_csv(const char *json, bl_error *err);
BL_API char *bl_spectrum_csv(const char *json, bl_error *err);
BL_API char *bl_scan_csv(const char *json, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
