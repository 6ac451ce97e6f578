#include "base/error.h"
#include "cli/evidence.h"
#include "cli/terminal.h"
#include <stdio.h>
#include <stdlib.h>

bool evidence_model(evidence *e, bool last, bl_error *err) {
    e->model = load_model(&e->c, err);
    if (!e->model) return false;
    size_t n_layer = bl_model_config(e->model)->n_layer;
    if (e->d.layer == NO_LAYER) e->d.layer = last ? n_layer - 1 : 0;
    if (e->d.layer < n_layer) return true;
    return bl_fail(err, BL_ERR_USAGE, "layer %zu does not exist: the model's layers are 0 to %zu", e->d.layer,
                   n_layer - 1);
}

bool evidence_direction(evidence *e, bl_error *err) {
    size_t d = bl_model_config(e->model)->d_model;
    e->token = -1;
    e->u = calloc(d, sizeof *e->u);
    if (!e->u) {
        return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    bl_basis basis = bl_model_basis_out(e->model);
    if (!read_direction(&e->d, err)) return false;
    e->direction = as_direction(&e->d);
    if (!bl_direction_vector(&e->direction, &basis, e->u, err)) return false;
    if (!e->direction.token) return true;
    e->token = (int32_t)bl_basis_find(&basis, e->direction.token, err);
    return e->token >= 0;
}

bool evidence_corpus(evidence *e, bl_error *err) {
    e->corpus = open_corpus(&e->corpora, err);
    return e->corpus != NULL;
}

bl_question evidence_question(const evidence *e) {
    return (bl_question){e->model, &e->direction, e->d.layer};
}

bool evidence_counts(const char *name, const index_list *list, size_t **out, bl_error *err) {
    *out = calloc(list->n + 1, sizeof **out);
    if (!*out) {
        return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i] < 0)
            return bl_fail(err, BL_ERR_USAGE, "%s: %ld is not a whole number from 0", name, list->items[i]);
        (*out)[i] = (size_t)list->items[i];
    }
    return true;
}

void evidence_free(void *context) {
    evidence *e = context;
    bl_model_free(e->model);
    bl_corpus_free(e->corpus);
    corpus_options_free(&e->corpora);
    direction_options_free(&e->d);
    index_list_free(&e->numbers);
    free(e->u);
    common_free(&e->c);
}
