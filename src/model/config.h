/* config.json of the three generations of checkpoints (docs/specification.md, 2). */
#ifndef BL_MODEL_CONFIG_H
#define BL_MODEL_CONFIG_H
#include <bilens/model.h>
#include <jansson.h>

/* What config.json says about things that the tensors' presence decides. */
typedef enum bl_claim { BL_CLAIM_NOTHING, BL_CLAIM_NO, BL_CLAIM_YES } bl_claim;

typedef struct bl_config_claims {
    bl_claim bias_w, bias_p;
    const char *bias_key; /* the key that says so: "mlp_bias" or "bias" */
} bl_config_claims;

/* Reads `json`. `later` says that tensors are named mlp.p (told from the 2024-06 generation by nothing else).
 * n_vocab stays 0 when the config has none; bias_w, bias_p, norm_weights and tied are left false for the
 * loader to find out. `path` is for messages. */
bool bl_config_read(const json_t *json, const char *path, bool later, bl_config *config,
                    bl_config_claims *claims, bl_error *err);
#endif
