/* excite: {"model", "layer", "text", "position", "token", "predictions": [{"token", "probability"}×10],
 * "excited": [{"direction", "index", "eigenvalue", "similarity", "activation"}]} */
#include "base/error.h"
#include "base/memory.h"
#include <bilens/excite.h>
#include <bilens/predict.h>
#include "result/results.h"
#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 10 };

/* Of the one position that p has. */
static void put_predictions(bl_builder *b, bl_tree *root, const bl_model *model, const bl_predictions *p) {
    bl_tree *list = bl_put_array(b, root, "predictions");
    for (size_t k = 0; k < p->top; k++) {
        const bl_predicted *best = &p->best[k];
        bl_tree *item = bl_put_object(b, list, NULL);
        bl_put_token(b, item, "token", model, best->id);
        bl_put_real(b, item, "probability", best->probability);
    }
}

static void put_excited(bl_builder *b, bl_tree *root, const bl_direction *directions, const bl_basis *basis,
                        const bl_excited *found, size_t n) {
    bl_tree *list = bl_put_array(b, root, "excited");
    for (size_t i = 0; i < n && !b->failed; i++) {
        bl_tree *item = bl_put_object(b, list, NULL);
        char *text = bl_direction_text(&directions[found[i].direction], basis, b->err);
        if (!text) b->failed = true;
        bl_put_text(b, item, "direction", text);
        bl_put_integer(b, item, "index", found[i].index);
        bl_put_real(b, item, "eigenvalue", (double)found[i].eigenvalue);
        bl_put_real(b, item, "similarity", (double)found[i].similarity);
        bl_put_real(b, item, "activation", (double)found[i].activation);
        if (found[i].group_last > found[i].group_first) {
            bl_tree *group = bl_put_array(b, item, "group");
            bl_put_count(b, group, NULL, found[i].group_first);
            bl_put_count(b, group, NULL, found[i].group_last);
        }
        bl_free(text);
    }
}

/* The predictions, each minus the mean of all, into directions and names [top]. */
static void predicted(const bl_predictions *p, bl_direction *directions, char (*names)[24]) {
    for (size_t i = 0; i < p->top; i++) {
        int32_t id = p->best[i].id;
        snprintf(names[i], sizeof *names, "#%d", (int)id);
        directions[i] = (bl_direction){.token = names[i], .minus_all = true};
    }
}

bl_tree *bl_excite_tree(const bl_model *model, const bl_excite_question *q, bl_error *err) {
    size_t d = bl_model_config(model)->d_model, n = bl_interaction_size(model), m, cells, found = 0;
    bl_basis basis = bl_model_basis_out(model);
    bl_builder b = {err, false};
    bl_direction own[SHOWN];
    char names[SHOWN][24];
    bl_tree *root = NULL;
    bl_predictions *p = bl_predict_at(model, q->ids, q->n, q->position, SHOWN, err);
    if (!p) return NULL;
    const bl_direction *directions = q->n_directions ? q->directions : own;
    m = q->n_directions ? q->n_directions : p->top;
    if (!bl_mul_size(m, d, &cells)) cells = SIZE_MAX;
    float *u = bl_alloc(cells, sizeof *u, err), *x = u ? bl_alloc(n, sizeof *x, err) : NULL;
    bl_excited *list = x ? bl_alloc(q->limit, sizeof *list, err) : NULL;
    bool ok = list && bl_mlp_input(model, q->layer, q->ids, q->n, q->position, x, err);
    if (ok && !q->n_directions) predicted(p, own, names);
    for (size_t i = 0; ok && i < m; i++) ok = bl_direction_vector(&directions[i], &basis, u + i * d, err);
    if (ok && bl_excited_directions(model, q->layer, u, m, x, q->limit, list, &found, err)) {
        root = bl_put_object(&b, NULL, NULL);
        bl_put_text(&b, root, "model", bl_model_name(model));
        bl_put_count(&b, root, "layer", q->layer);
        bl_put_text(&b, root, "text", q->text);
        bl_put_count(&b, root, "position", q->position);
        bl_put_token(&b, root, "token", model, q->ids[q->position]);
        put_predictions(&b, root, model, p);
        put_excited(&b, root, directions, &basis, list, found);
        bl_put_quality(&b, root, model, q->layer);
        root = bl_tree_built(&b, root);
    }
    free(u);
    free(x);
    free(list);
    bl_predictions_free(p);
    return root;
}
