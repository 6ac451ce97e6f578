/* What features one by one and the table of all have in common. */
#ifndef BL_EVIDENCE_FEATURES_PRIVATE_H
#define BL_EVIDENCE_FEATURES_PRIVATE_H
#include "evidence/feature_inputs.h"

/* The ranks asked for, or the standard ones; *n of them. */
const size_t *bl_feature_ranks(const bl_feature_options *options, size_t *n);
/* Eigenpairs at each end of a spectrum of n that hold the largest of any rank asked for; 0: all. */
size_t bl_feature_pairs(const bl_feature_options *options, size_t n);
/* Feature a's figures without any list; order [n] becomes its places by falling |lambda~|, of those whose
 * eigenvectors were computed. */
void bl_feature_figures(const bl_bilinear *map, const bl_dictionary *out, size_t a, const bl_eigen *eigen,
                        size_t *order, bl_feature *f);

/* The asked features one after the other, with all their lists. */
bool bl_features_with_lists(const bl_bilinear *map, const bl_dictionary *in, const bl_dictionary *out,
                            const bl_feature_options *options, const bl_feature_inputs *inputs,
                            bl_features *features, bl_error *err);
/* feature_table.c. A row per feature into features->list. */
bool bl_feature_table(const bl_bilinear *map, const bl_dictionary *out, const bl_feature_options *options,
                      const bl_feature_inputs *inputs, bl_features *features, bl_error *err);
#endif
