/* What the rooms below share about a transformer's layer as a bilinear map. */
#ifndef BL_DECOMPOSE_LAYER_H
#define BL_DECOMPOSE_LAYER_H
#include <bilens/decompose.h>

/* back [H, d]: row h is s v^T O_h V_h, what head h's source token is multiplied with. v [d] or longer. */
bool bl_heads_back(const bl_model *model, size_t layer, const float *v, float *back, bl_error *err);
#endif
