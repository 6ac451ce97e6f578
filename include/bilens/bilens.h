/** @file bilens.h  The whole library, in the order in which one needs it.
 *
 *  A first program (error handling left out):
 *
 *      bl_model *model = bl_model_load("models/ts-1-256", NULL);
 *      bl_direction direction = {.token = "swim"};
 *      bl_basis tokens = bl_model_basis_out(model);
 *      float u[256];
 *      bl_direction_vector(&direction, &tokens, u, NULL);
 *      bl_eigen *eigen = bl_eigen_new(model, 0, u, 0, NULL);
 *      printf("%g\n", bl_eigen_values(eigen)[0]);
 *      bl_eigen_free(eigen);
 *      bl_model_free(model);
 *
 *  In the order in which one meets them:
 *
 *  base.h               errors, progress                  format.h     array files
 *  text.h               tokenizers and corpora            model.h      checkpoints and the forward pass
 *  bilinear.h           the map by itself                 eigen.h      eigenpairs of a form
 *  basis.h              named vectors, paths              direction.h  what is asked, as text
 *  decompose.h          a model's layer, virtual tokens   scan.h       top inputs
 *  neighbours.h         what a vector looks like in context
 *  predict.h, excite.h  a text's predictions, and which eigenvectors a place excites
 *  layers.h             which layer to look at first
 *  explain.h, truncate.h, ablate.h, chance.h, pairs.h, hosvd.h, diff.h    evidence; evidence.h: as results
 *  head.h               one head of bilinear attention by itself
 *  tree.h, result.h     results as JSON and tables        report.h     tables, figures, pages
 *  atlas.h              every direction in one database   serve.h      the explorer
 *  hub.h                the Hugging Face hub              train.h      training
 *  tokenizer_train.h    a vocabulary of one's own         generate_model.h     letting a model write
 *  subject.h            what is studied: a transformer, images, alike
 *  dictionary.h, features.h, feature_result.h             dictionaries of features
 *  dictionary_eval.h, dictionary_train.h                  how good one is; training one
 *  image.h, image_train.h, study.h, image_evidence.h, image_result.h, image_report.h    models of images
 */
#ifndef BILENS_H
#define BILENS_H
#include <bilens/ablate.h>
#include <bilens/atlas.h>
#include <bilens/base.h>
#include <bilens/bilinear.h>
#include <bilens/blas.h>
#include <bilens/chance.h>
#include <bilens/decompose.h>
#include <bilens/dictionary.h>
#include <bilens/dictionary_eval.h>
#include <bilens/dictionary_train.h>
#include <bilens/diff.h>
#include <bilens/eigen.h>
#include <bilens/evidence.h>
#include <bilens/excite.h>
#include <bilens/explain.h>
#include <bilens/layers.h>
#include <bilens/feature_result.h>
#include <bilens/features.h>
#include <bilens/format.h>
#include <bilens/generate_model.h>
#include <bilens/head.h>
#include <bilens/hosvd.h>
#include <bilens/hub.h>
#include <bilens/image.h>
#include <bilens/image_evidence.h>
#include <bilens/surrogate.h>
#include <bilens/image_report.h>
#include <bilens/image_result.h>
#include <bilens/image_train.h>
#include <bilens/model.h>
#include <bilens/neighbour_result.h>
#include <bilens/neighbours.h>
#include <bilens/pairs.h>
#include <bilens/predict.h>
#include <bilens/report.h>
#include <bilens/result.h>
#include <bilens/scan.h>
#include <bilens/serve.h>
#include <bilens/study.h>
#include <bilens/subject.h>
#include <bilens/text.h>
#include <bilens/tokenizer_train.h>
#include <bilens/train.h>
#include <bilens/tree.h>
#include <bilens/truncate.h>
#endif
