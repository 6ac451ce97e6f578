#ifndef BL_DECOMPOSE_SURROGATE_PRIVATE_H
#define BL_DECOMPOSE_SURROGATE_PRIVATE_H
#include "model/model_private.h"
#include <bilens/surrogate.h>

/* Room for the layers' arrays; the layers' numbers are set. */
bl_surrogate *bl_surrogate_new(const bl_model *model, const size_t *layers, size_t n, bl_error *err);
/* What surrogate_map.c has made. */
void bl_surrogate_maps_free(bl_surrogate *surrogate);
#endif
