/* Contextual neighbours as a tree and as a table (docs/specification.md, 6). */
#include "result/results.h"
#include <bilens/neighbour_result.h>
#include <jansson.h>

static void put_end(bl_builder *b, bl_tree *at, const char *key, const bl_model *model,
                    const bl_neighbour *list, size_t n) {
    bl_tree *out = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *row = bl_put_object(b, out, NULL);
        bl_put_count(b, row, "story", list[i].story);
        bl_put_count(b, row, "position", list[i].position);
        bl_put_token(b, row, "token", model, list[i].id);
        bl_put_text(b, row, "word", list[i].word);
        bl_put_real(b, row, "cosine", (double)list[i].cosine);
        bl_put_real(b, row, "similarity", (double)list[i].similarity);
        bl_put_text(b, row, "before", list[i].before);
        bl_put_text(b, row, "after", list[i].after);
    }
}

void bl_put_neighbours(bl_builder *b, bl_tree *at, const bl_model *model, const bl_neighbours *found,
                       size_t j) {
    const bl_neighbour_list *list = &found->list[j];
    bl_tree *out = bl_put_object(b, at, "neighbours");
    put_end(b, out, "top", model, list->top, list->n_top);
    put_end(b, out, "bottom", model, list->bottom, list->n_bottom);
}

bl_tree *bl_neighbours_tree(const bl_question *question, const bl_eigen *eigen, const long *indices,
                            const bl_neighbours *found, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_count(&b, root, "stories", found->stories);
    bl_put_count(&b, root, "positions", found->positions);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < found->n; j++) {
        size_t place = (size_t)(indices[j] < 0 ? (long)bl_eigen_size(eigen) + indices[j] : indices[j]);
        bl_tree *row = bl_put_object(&b, vectors, NULL);
        bl_put_integer(&b, row, "index", indices[j]);
        bl_put_real(&b, row, "eigenvalue", (double)bl_eigen_values(eigen)[place]);
        bl_put_neighbours(&b, row, question->model, found, j);
    }
    return bl_tree_built(&b, root);
}

bl_tree *bl_feature_neighbours_tree(const bl_model *model, size_t layer, const bl_dictionary *dictionary,
                                    const size_t *features, const bl_neighbours *found, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    bl_put_count(&b, root, "layer", layer);
    bl_put_text(&b, root, "dictionary", dictionary->name);
    bl_put_count(&b, root, "stories", found->stories);
    bl_put_count(&b, root, "positions", found->positions);
    bl_tree *vectors = bl_put_array(&b, root, "vectors");
    for (size_t j = 0; j < found->n; j++) {
        bl_tree *row = bl_put_object(&b, vectors, NULL);
        bl_put_count(&b, row, "feature", features[j]);
        bl_put_neighbours(&b, row, model, found, j);
    }
    return bl_tree_built(&b, root);
}

bl_table *bl_neighbours_rows(const bl_tree *tree, bl_error *err) {
    static const char *const ends[] = {"top", "bottom"};
    bl_table *rows = bl_table_new("vector,end,cosine,similarity,before,word,after,token,story,position", err);
    const bl_tree *vectors = json_object_get(tree, "vectors");
    for (size_t j = 0; j < json_array_size(vectors); j++) {
        const bl_tree *vector = json_array_get(vectors, j);
        const char *key = json_object_get(vector, "feature") ? "feature" : "index";
        for (size_t e = 0; e < 2; e++) {
            const bl_tree *list = json_object_get(json_object_get(vector, "neighbours"), ends[e]);
            for (size_t i = 0; i < json_array_size(list); i++) {
                const bl_tree *place = json_array_get(list, i);
                bl_table_integer(rows, (int64_t)bl_tree_real(vector, key));
                bl_table_text(rows, ends[e]);
                bl_table_real(rows, bl_tree_real(place, "cosine"));
                bl_table_real(rows, bl_tree_real(place, "similarity"));
                bl_table_text(rows, bl_tree_string(place, "before"));
                bl_table_text(rows, bl_tree_string(place, "word"));
                bl_table_text(rows, bl_tree_string(place, "after"));
                bl_table_text(rows, bl_tree_string(place, "token"));
                bl_table_integer(rows, (int64_t)bl_tree_real(place, "story"));
                bl_table_integer(rows, (int64_t)bl_tree_real(place, "position"));
            }
        }
    }
    return rows;
}
