/* What an architecture is: how config.json (or GGUF keys) and the names and shapes of tensors say what the
 * one block is to do. One row per architecture, one file per row in architecture/; adding one touches its
 * file and one line of the list in architecture.c. */
#ifndef BL_MODEL_ARCHITECTURE_H
#define BL_MODEL_ARCHITECTURE_H
#include "model/params.h"
#include "model/plan.h"
#include "model/weights.h"
#include <jansson.h>

/* One config.json being read. */
typedef struct bl_arch_reading {
    const json_t *json;
    const char *path; /* for messages */
    const bl_weights *weights;
    bl_config *config; /* to fill in */
    bl_plan *plan;     /* its defaults are those of bl_plan_defaults but for the sizes */
    bl_error *err;
} bl_arch_reading;

struct bl_architecture {
    const char *name;       /* "llama", "bilinear" */
    const char *generation; /* of bilens's own checkpoints, "2024-05"; else NULL */
    /* Whether config.json and the tensors are of this kind; the first row that says so reads them. */
    bool (*recognise)(const json_t *json, const bl_weights *weights);
    bool (*read)(const bl_arch_reading *r);
    /* Names and shapes of all parameters, in the order of the file. */
    void (*list)(bl_params *params, const bl_config *config);
    /* Whether a tensor of the file that is no parameter may be there (buffers). NULL: none. */
    bool (*harmless)(const bl_config *config, const char *name);
    /* s_i of the specification, 1. NULL: 1. */
    float (*attention_scale)(const bl_config *config);
    /* Training's side; NULL where bilens does not train the kind. Whether files of this kind can say
     * `config`: */
    bool (*check)(const bl_config *config, bl_error *err);
    /* ... and config.json's keys beside the sizes. */
    json_t *(*write)(const bl_config *config);
};

/* The ones that training writes. */
extern const bl_architecture bl_bilinear_2024_05, bl_bilinear_2024_06, bl_bilinear_later;

/* The row that recognises a model; NULL with an error that names its model_type. */
const bl_architecture *bl_architecture_of(const json_t *json, const char *path, const bl_weights *weights,
                                          bl_error *err);
/* Fills in what is 0: the architecture (2024-05), key/value heads, head width. */
void bl_config_settle(bl_config *config);
/* s_i. */
float bl_config_attention_scale(const bl_config *config);

/* Reading a JSON object, every message with the path, the key, what was expected and what was found. A
 * missing key is no error where `required` is false: *out keeps its value. */
bool bl_read_size(const bl_arch_reading *r, const char *key, bool required, size_t *out);
bool bl_read_number(const bl_arch_reading *r, const char *key, double *out);
/* true, false or absent/null, which leaves *out as it is. */
bool bl_read_flag(const bl_arch_reading *r, const char *key, bool *out);
/* A JSON value's type in words. */
const char *bl_json_kind(const json_t *value);
#endif
