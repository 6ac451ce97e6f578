/* Appending to bl_ids. */
#ifndef BL_TEXT_IDS_H
#define BL_TEXT_IDS_H
#include "base/memory.h"
#include <bilens/text.h>

static inline bool bl_ids_push(bl_ids *ids, int32_t id, bl_error *err) {
    if (ids->n == ids->capacity && !bl_grow(&ids->data, &ids->capacity, ids->n + 1, sizeof *ids->data, err))
        return false;
    ids->data[ids->n++] = id;
    return true;
}
#endif
