/* A fit's result (docs/specification.md, 19). */
#include <bilens/result.h>
#include <jansson.h>
#include <math.h>

bl_tree *bl_surrogate_tree(const bl_model *model, const bl_surrogate *s, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    bl_put_count(&b, root, "skip", 1);
    bl_tree *part = bl_put_object(&b, root, "fit");
    bl_put_count(&b, part, "stories", s->fit_stories);
    bl_put_count(&b, part, "positions", s->fit_positions);
    part = bl_put_object(&b, root, "valid");
    bl_put_count(&b, part, "stories", s->valid_stories);
    bl_put_count(&b, part, "positions", s->valid_positions);
    bl_put_real(&b, root, "loss", s->loss);
    bl_tree *layers = bl_put_array(&b, root, "layers");
    for (size_t i = 0; i < s->n; i++) {
        const bl_surrogate_layer *l = &s->layers[i];
        part = bl_put_object(&b, layers, NULL);
        bl_put_count(&b, part, "layer", l->layer);
        bl_put_real(&b, part, "r2_fit", l->r2_fit);
        bl_put_real(&b, part, "r2", l->r2);
        bl_put_real(&b, part, "r2_linear", l->r2_linear);
        bl_put_real(&b, part, "loss_mean", l->loss_mean);
        bl_put_real(&b, part, "loss_surrogate", l->loss_surrogate);
        bl_put_real(&b, part, "recovered", l->recovered);
    }
    if (!isnan(s->all_mean)) {
        part = bl_put_object(&b, root, "all");
        bl_put_real(&b, part, "loss_mean", s->all_mean);
        bl_put_real(&b, part, "loss_linear", s->all_linear);
        bl_put_real(&b, part, "loss_surrogate", s->all_surrogate);
    }
    return bl_tree_built(&b, root);
}

bl_table *bl_surrogate_rows(const bl_tree *tree, bl_error *err) {
    return bl_table_of(json_object_get(tree, "layers"), err);
}
