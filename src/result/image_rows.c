/* Results of image models as tables. */
#include <bilens/image_result.h>
#include <jansson.h>
#include <math.h>

/* A row of numbers of the same object, by their keys. */
static void reals(bl_table *rows, const bl_tree *object, const char *const *keys, size_t n) {
    for (size_t i = 0; i < n; i++) bl_table_real(rows, bl_tree_real(object, keys[i]));
}

static int64_t whole(const bl_tree *object, const char *key) { return (int64_t)bl_tree_real(object, key); }

bl_table *bl_image_info_rows(const bl_tree *info, bl_error *err) {
    bl_table *rows = bl_table_new("tensor,rows,columns,dtype", err);
    const json_t *list = json_object_get(info, "tensors");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i), *shape = json_object_get(t, "shape");
        bl_table_text(rows, bl_tree_string(t, "name"));
        bl_table_integer(rows, (int64_t)bl_tree_number(json_array_get(shape, 0)));
        if (json_array_size(shape) > 1)
            bl_table_integer(rows, (int64_t)bl_tree_number(json_array_get(shape, 1)));
        else bl_table_empty(rows);
        bl_table_text(rows, bl_tree_string(t, "dtype"));
    }
    return rows;
}

bl_table *bl_image_eval_rows(const bl_tree *eval, bl_error *err) {
    bl_table *rows = bl_table_new("loss,accuracy,predictions", err);
    bl_table_real(rows, bl_tree_real(eval, "loss"));
    bl_table_real(rows, bl_tree_real(eval, "accuracy"));
    bl_table_integer(rows, whole(eval, "predictions"));
    return rows;
}

bl_table *bl_image_eigen_rows(const bl_tree *eigen, bl_error *err) {
    static const char *const keys[] = {"eigenvalue", "norm", "constant"};
    bl_table *rows = bl_table_new("vector,eigenvalue,norm,constant", err);
    const json_t *list = json_object_get(eigen, "vectors");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        bl_table_integer(rows, whole(v, "index"));
        reals(rows, v, keys, 3);
    }
    return rows;
}

bl_table *bl_image_scan_rows(const bl_tree *scan, bl_error *err) {
    bl_table *rows = bl_table_new("vector,eigenvalue,rank,image,label,predicted,similarity,activation", err);
    const json_t *list = json_object_get(scan, "vectors");
    for (size_t j = 0; j < json_array_size(list); j++) {
        const json_t *v = json_array_get(list, j), *matches = json_object_get(v, "matches");
        for (size_t i = 0; i < json_array_size(matches); i++) {
            const json_t *m = json_array_get(matches, i);
            bl_table_integer(rows, whole(v, "index"));
            bl_table_real(rows, bl_tree_real(v, "eigenvalue"));
            bl_table_integer(rows, (int64_t)i);
            bl_table_integer(rows, whole(m, "image"));
            bl_table_text(rows, bl_tree_string(m, "label"));
            bl_table_text(rows, bl_tree_string(m, "predicted"));
            bl_table_real(rows, bl_tree_real(m, "similarity"));
            bl_table_real(rows, bl_tree_real(m, "activation"));
        }
    }
    return rows;
}

bl_table *bl_image_truncate_rows(const bl_tree *truncation, bl_error *err) {
    static const char *const keys[] = {"loss", "accuracy", "kept"};
    bl_table *rows = bl_table_new("rank,loss,accuracy,kept", err);
    const json_t *list = json_object_get(truncation, "ranks");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *r = json_array_get(list, i);
        bl_table_integer(rows, whole(r, "rank"));
        reals(rows, r, keys, 3);
    }
    const json_t *full = json_object_get(truncation, "full");
    bl_table_text(rows, "all");
    reals(rows, full, keys, 2);
    bl_table_real(rows, 1);
    return rows;
}

bl_table *bl_image_atlas_rows(const bl_tree *atlas, bl_error *err) {
    static const char *const keys[] = {"highest", "lowest", "largest", "effective_rank", "share5", "share10"};
    bl_table *rows =
        bl_table_new("class,class_index,highest,lowest,largest,effective_rank,share5,share10", err);
    const json_t *list = json_object_get(atlas, "classes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        bl_table_text(rows, bl_tree_string(c, "class"));
        bl_table_integer(rows, whole(c, "class_index"));
        reals(rows, c, keys, 6);
    }
    return rows;
}

bl_table *bl_image_explain_rows(const bl_tree *explanation, bl_error *err) {
    static const char *const ends[] = {"highest", "lowest"}, *const keys[] = {"eigenvalue", "similarity",
                                                                              "contribution"};
    bl_table *rows =
        bl_table_new("class,logit,direct,total,end,index,eigenvalue,similarity,contribution", err);
    const json_t *list = json_object_get(explanation, "classes");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *c = json_array_get(list, k);
        for (size_t side = 0; side < 2; side++) {
            const json_t *terms = json_object_get(c, ends[side]);
            for (size_t i = 0; i < json_array_size(terms); i++) {
                const json_t *t = json_array_get(terms, i);
                bl_table_text(rows, bl_tree_string(c, "class"));
                bl_table_real(rows, bl_tree_real(c, "logit"));
                bl_table_real(rows, bl_tree_real(c, "direct"));
                bl_table_real(rows, bl_tree_real(c, "total"));
                bl_table_text(rows, ends[side]);
                bl_table_integer(rows, whole(t, "index"));
                reals(rows, t, keys, 3);
            }
        }
    }
    return rows;
}

bl_table *bl_image_hosvd_rows(const bl_tree *hosvd, bl_error *err) {
    bl_table *rows = bl_table_new("component,value,share of energy,effective_rank", err);
    const json_t *list = json_object_get(hosvd, "components");
    double energy = bl_tree_real(hosvd, "energy");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *c = json_array_get(list, i);
        double value = bl_tree_real(c, "value");
        bl_table_integer(rows, whole(c, "index"));
        bl_table_real(rows, value);
        bl_table_real(rows, energy > 0 ? value * value / energy : (double)NAN);
        bl_table_real(rows, bl_tree_real(c, "effective_rank"));
    }
    return rows;
}

bl_table *bl_image_diff_rows(const bl_tree *diff, bl_error *err) {
    bl_table *rows = bl_table_new("class,frobenius,gaussian,rank,a,b,matched,by_rank", err);
    const json_t *list = json_object_get(diff, "classes");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *c = json_array_get(list, k), *matched = json_object_get(c, "matched");
        for (size_t i = 0; i < json_array_size(matched); i++) {
            const json_t *m = json_array_get(matched, i);
            bl_table_text(rows, bl_tree_string(c, "class"));
            bl_table_real(rows, bl_tree_real(c, "frobenius"));
            bl_table_real(rows, bl_tree_real(c, "gaussian"));
            bl_table_integer(rows, whole(m, "rank"));
            bl_table_integer(rows, whole(m, "a"));
            bl_table_integer(rows, whole(m, "b"));
            bl_table_real(rows, bl_tree_real(m, "cosine"));
            bl_table_real(rows, bl_tree_number(json_array_get(json_object_get(c, "by_rank"), i)));
        }
    }
    return rows;
}

bl_table *bl_image_describe_rows(const bl_tree *description, bl_error *err) {
    static const char *const ends[] = {"top", "bottom"};
    bl_table *rows = bl_table_new("end,row,column,value", err);
    for (size_t side = 0; side < 2; side++) {
        const json_t *list = json_object_get(description, ends[side]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *e = json_array_get(list, i), *index = json_object_get(e, "index");
            bl_table_text(rows, ends[side]);
            bl_table_integer(rows, (int64_t)bl_tree_number(json_array_get(index, 0)));
            if (json_array_size(index) > 1)
                bl_table_integer(rows, (int64_t)bl_tree_number(json_array_get(index, 1)));
            else bl_table_empty(rows);
            bl_table_real(rows, bl_tree_real(e, "value"));
        }
    }
    return rows;
}

bl_table *bl_image_trace_rows(const bl_tree *trace, bl_error *err) {
    bl_table *rows = bl_table_new("point,index,value", err);
    const json_t *list = json_object_get(trace, "points");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i), *values = json_object_get(p, "values");
        for (size_t j = 0; j < json_array_size(values); j++) {
            bl_table_text(rows, bl_tree_string(p, "name"));
            bl_table_integer(rows, (int64_t)j);
            bl_table_real(rows, bl_tree_number(json_array_get(values, j)));
        }
    }
    return rows;
}

/* The two rows of one strength. */
static void mask_rows(bl_table *rows, const bl_tree *mask) {
    static const char *const names[] = {"accuracy", "as_class"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *m = json_object_get(mask, names[i]), *p = json_object_get(m, "permuted");
        bl_table_real(rows, bl_tree_real(mask, "strength"));
        bl_table_text(rows, i ? "other classes called this class" : "accuracy");
        bl_table_real(rows, bl_tree_real(m, "before"));
        bl_table_real(rows, bl_tree_real(m, "after"));
        bl_table_real(rows, bl_tree_real(p, "mean"));
        bl_table_real(rows, bl_tree_real(p, "sd"));
    }
}

bl_table *bl_mask_rows(const bl_tree *mask, bl_error *err) {
    bl_table *rows = bl_table_new("strength,measure,before,after,permuted mean,permuted sd", err);
    const json_t *curve = json_object_get(mask, "curve");
    for (size_t i = 0; i < json_array_size(curve); i++) mask_rows(rows, json_array_get(curve, i));
    if (!curve) mask_rows(rows, mask);
    return rows;
}

bl_table *bl_fourier_rows(const bl_tree *f, bl_error *err) {
    static const char *const keys[] = {"accuracy", "loss", "units", "explained", "block", "purity"};
    bl_table *rows = bl_table_new("measure,value,null", err);
    for (size_t i = 0; i < 6; i++) {
        bl_table_text(rows, keys[i]);
        bl_table_real(rows, bl_tree_real(f, keys[i]));
        if (i < 4) bl_table_empty(rows);
        else bl_table_real(rows, bl_tree_real(json_object_get(f, "null"), keys[i]));
    }
    const json_t *list = json_object_get(f, "frequencies");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char name[64];
        const json_t *row = json_array_get(list, i);
        snprintf(name, sizeof name, "share of frequency %.0f", bl_tree_number(json_array_get(row, 0)));
        bl_table_text(rows, name);
        bl_table_real(rows, bl_tree_number(json_array_get(row, 1)));
        bl_table_empty(rows);
    }
    return rows;
}
