/* What the verbs of evidence do alike: a direction with its options, the stories it is measured on. */
#ifndef BL_CLI_EVIDENCE_H
#define BL_CLI_EVIDENCE_H
#include "cli/direction_options.h"
#include "cli/common.h"
#include "cli/output.h"

/* A question about one direction. Zero-initialise; free with evidence_free. A verb's own options stand in a
 * struct that begins with it. */
typedef struct evidence {
    common c;
    direction_options d;
    corpus_options corpora;
    size_t stories, seed;
    index_list numbers; /* of an option of the verb's own */
    bl_model *model;
    bl_corpus *corpus;
    float *u;      /* [d] */
    int32_t token; /* whose predictions are its own; -1: a vector */
    bl_direction direction;
} evidence;

#define NO_LAYER SIZE_MAX /* --layer was not given */

#define EVIDENCE_DIRECTION(e) DIRECTION_OPTIONS((e).d)
#define EVIDENCE_CORPUS(e)                                                   \
    CORPUS_OPTIONS((e).corpora, CORPUS_FORMATS "; - is standard input"), {   \
        "stories", OPTION_COUNT, &(e).stories, "N", "read at most N stories" \
    }
#define EVIDENCE_LAYER(e, text) \
    { "layer", OPTION_COUNT, &(e).d.layer, "N", text }
#define EVIDENCE_SEED(e) \
    { "seed", OPTION_COUNT, &(e).seed, "N", "random seed of every draw (default 0)" }

/* Sets --layer's default, then the model: `last` or the first. */
bool evidence_model(evidence *e, bool last, bl_error *err);
/* Reads the direction: u, token. After evidence_model. */
bool evidence_direction(evidence *e, bl_error *err);
/* Opens the corpus that was named, or the embedded default. */
bool evidence_corpus(evidence *e, bl_error *err);
bl_question evidence_question(const evidence *e);
/* Whole numbers from 0 of an index list; false with BL_ERR_USAGE for a negative one. Free with free. */
bool evidence_counts(const char *name, const index_list *list, size_t **out, bl_error *err);
void evidence_free(void *evidence);
#endif
