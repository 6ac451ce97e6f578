/* Which layer to look at first (docs/specification.md, 9 and 19): what each adds to a direction, beside what
 * its surrogate is worth. */
#include <bilens/evidence.h>
#include "result/results.h"
#include <jansson.h>
#include <math.h>

static void put_part(bl_builder *b, bl_tree *at, const char *own, const char *spread, bl_layer_part part) {
    bl_put_real(b, at, own, part.own);
    bl_put_real(b, at, spread, part.spread);
}

void bl_put_layers(bl_builder *b, bl_tree *at, const bl_model *model, const bl_layer_shares *shares) {
    const bl_surrogate *s = bl_model_surrogate(model);
    bl_tree *layers = bl_put_array(b, at, "layers");
    for (size_t i = 0; i < bl_model_config(model)->n_layer; i++) {
        const bl_surrogate_layer *l = s ? bl_surrogate_of(s, i, NULL) : NULL;
        if (!l && !shares) continue;
        bl_tree *out = bl_put_object(b, layers, NULL);
        bl_put_count(b, out, "layer", i);
        if (s) {
            bl_put_real(b, out, "r2", l ? l->r2 : NAN);
            bl_put_real(b, out, "r2_linear", l ? l->r2_linear : NAN);
            bl_put_real(b, out, "recovered", l ? l->recovered : NAN);
        }
        if (!shares) continue;
        const bl_layer_share *share = &shares->layers[i];
        put_part(b, out, "mlp_own", "mlp_spread", share->mlp);
        put_part(b, out, "heads_own", "heads_spread", share->heads);
        bl_put_count(b, out, "head", share->best);
        put_part(b, out, "head_own", "head_spread", share->head);
    }
}

static void put_counts(bl_builder *b, bl_tree *at, const bl_layer_shares *shares) {
    bl_put_count(b, at, "stories", shares->stories);
    bl_put_count(b, at, "positions", shares->positions);
    bl_put_count(b, at, "own", shares->own);
}

bl_tree *bl_layers_tree(const bl_question *question, const bl_layer_shares *shares, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(question->model));
    bl_put_asked(&b, root, question);
    put_counts(&b, root, shares);
    bl_put_layers(&b, root, question->model, shares);
    return bl_tree_built(&b, root);
}

bl_table *bl_layers_rows(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "layers"), err);
}

bool bl_report_add_layers(bl_tree *report, const bl_model *model, const bl_layer_shares *shares,
                          bl_error *err) {
    bl_builder b = {err, false};
    const bl_surrogate *s = bl_model_surrogate(model);
    if (bl_model_config(model)->n_layer < 2 || (!shares && (!s || s->n < 2))) return true;
    bl_put_layers(&b, report, model, shares);
    if (shares) put_counts(&b, bl_put_object(&b, report, "layers_over"), shares);
    return !b.failed;
}
