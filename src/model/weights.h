/* Which tensors are a model's: those of a directory's model.safetensors, of the shards that its index names,
 * or of one GGUF file. Not tied to any architecture. */
#ifndef BL_MODEL_WEIGHTS_H
#define BL_MODEL_WEIGHTS_H
#include "format/numbers.h"
#include <bilens/format.h>

typedef struct bl_weight {
    const char *name, *type_name;
    const char *stored_name;    /* in a GGUF file; else the name */
    const bl_number_type *type; /* NULL: integers, which are no weights */
    size_t n_dims, shape[BL_MAX_DIMS], count;
    const unsigned char *data;
} bl_weight;

typedef struct bl_weights {
    bl_weight *list; /* in file order */
    size_t n;
    struct bl_safetensors **files;
    size_t n_files;
    struct bl_gguf *gguf; /* or NULL */
    char *names;          /* of a GGUF file's tensors, one behind the other */
} bl_weights;

/* model.safetensors counts where it is there, whatever an index says; else the shards of
 * model.safetensors.index.json, in which no tensor may stand twice. `name` is for messages. bl_weights_free
 * is due even when it fails; it accepts a zeroed struct. */
bool bl_weights_open(bl_weights *weights, const char *directory, const char *name, bl_error *err);
/* The tensors of a GGUF file, by their names in the Hugging Face layout. */
bool bl_weights_open_gguf(bl_weights *weights, const char *path, bl_error *err);
void bl_weights_free(bl_weights *weights);
/* The tensor of this name, or the one that __metadata__ says stands for it (safetensors' save_model writes
 * tied tensors once); NULL if there is none. */
const bl_weight *bl_weights_find(const bl_weights *weights, const char *name);
/* True if any tensor's name contains `part`. */
bool bl_weights_any(const bl_weights *weights, const char *part);
/* Its numbers in float32, out [count]; there must be a type. */
void bl_weight_read(const bl_weight *weight, float *out);
/* The numbers where they lie, if they are float32 and aligned; else NULL. They live as long as the
 * weights. */
const float *bl_weight_view(const bl_weight *weight);
#endif
