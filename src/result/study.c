/* A study of image models as a tree and as a table: every measure with its mean, standard deviation and
 * interval over seeds. */
#include <bilens/image_result.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>

/* A measure is a double within bl_study_run_figures; pixel space exists for models of one block only. */
static const struct measure {
    const char *key;
    size_t offset;
    bool pixel;
} measures[] = {
    {"accuracy", offsetof(bl_study_run_figures, accuracy), false},
    {"effective_rank", offsetof(bl_study_run_figures, effective_rank[0]), false},
    {"effective_rank_pixel", offsetof(bl_study_run_figures, effective_rank[1]), true},
    {"share5", offsetof(bl_study_run_figures, share5[0]), false},
    {"share10", offsetof(bl_study_run_figures, share10[0]), false},
    {"share5_pixel", offsetof(bl_study_run_figures, share5[1]), true},
    {"share10_pixel", offsetof(bl_study_run_figures, share10[1]), true},
    {"accuracy_rank10", offsetof(bl_study_run_figures, truncated[0]), false},
    {"accuracy_rank20", offsetof(bl_study_run_figures, truncated[1]), false},
};
enum { N_MEASURES = sizeof measures / sizeof *measures };

static const char *const similarity_keys[] = {"matched", "other_class"};

/* Half of the 95 % interval of a mean over n values, in standard errors (Student). */
static double student(size_t n) {
    static const double t95[] = {0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262};
    return n <= sizeof t95 / sizeof *t95 ? t95[n - 1] : 1.96;
}

static double value_of(const bl_study_run_figures *run, const struct measure *m) {
    return *(const double *)(const void *)((const char *)run + m->offset);
}

static void put_spread(bl_builder *b, bl_tree *at, const struct measure *m, const bl_study_setting *s,
                       size_t n) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += value_of(&s->runs[i], m) / (double)n;
    for (size_t i = 0; i < n; i++) {
        double off = value_of(&s->runs[i], m) - mean;
        square += off * off;
    }
    double sd = n > 1 ? sqrt(square / (double)(n - 1)) : (double)NAN;
    bl_tree *out = bl_put_object(b, at, m->key);
    bl_put_real(b, out, "mean", mean);
    bl_put_real(b, out, "sd", sd);
    bl_put_real(b, out, "interval", n > 1 ? student(n) * sd / sqrt((double)n) : (double)NAN);
}

static void put_setting(bl_builder *b, bl_tree *list, const bl_study *study, const bl_study_setting *s) {
    bl_tree *out = bl_put_object(b, list, NULL);
    bl_put_real(b, out, "noise", s->noise);
    bl_put_real(b, out, "decay", s->decay);
    bl_put_count(b, out, "runs", study->seeds);
    for (size_t i = 0; i < N_MEASURES; i++)
        if (study->one_block || !measures[i].pixel) put_spread(b, out, &measures[i], s, study->seeds);
    if (!study->one_block) return;
    bl_tree *seeds = bl_put_object(b, out, "seeds");
    const double *const lists[] = {s->matched, s->other_class};
    for (size_t i = 0; i < 2; i++) {
        bl_tree *to = bl_put_array(b, seeds, similarity_keys[i]);
        for (size_t k = 0; k < BL_STUDY_TOP && study->seeds > 1; k++) bl_put_real(b, to, NULL, lists[i][k]);
    }
}

bl_tree *bl_study_tree(const bl_study *study, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *list = bl_put_array(&b, root, "settings");
    for (size_t i = 0; i < study->n_settings; i++) put_setting(&b, list, study, &study->settings[i]);
    return bl_tree_built(&b, root);
}

static void begin_row(bl_table *rows, const bl_tree *setting, const char *measure) {
    bl_table_real(rows, bl_tree_real(setting, "noise"));
    bl_table_real(rows, bl_tree_real(setting, "decay"));
    bl_table_integer(rows, (int64_t)bl_tree_real(setting, "runs"));
    bl_table_text(rows, measure);
}

/* Pairs of seeds are no samples of their own: they have no interval. */
static void add_similarity(bl_table *rows, const bl_tree *setting) {
    for (size_t k = 0; k < 2; k++) {
        const json_t *list = json_object_get(json_object_get(setting, "seeds"), similarity_keys[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            char name[40];
            snprintf(name, sizeof name, "cosine_%s_%zu", similarity_keys[k], i + 1);
            begin_row(rows, setting, name);
            bl_table_real(rows, bl_tree_number(json_array_get(list, i)));
            bl_table_empty(rows);
            bl_table_empty(rows);
        }
    }
}

bl_table *bl_study_rows(const bl_tree *study, bl_error *err) {
    bl_table *rows = bl_table_new("noise,decay,runs,measure,mean,sd,interval", err);
    const bl_tree *list = json_object_get(study, "settings");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const bl_tree *s = json_array_get(list, i);
        for (size_t k = 0; k < N_MEASURES; k++) {
            const bl_tree *m = json_object_get(s, measures[k].key);
            if (!m) continue;
            begin_row(rows, s, measures[k].key);
            bl_table_real(rows, bl_tree_real(m, "mean"));
            bl_table_real(rows, bl_tree_real(m, "sd"));
            bl_table_real(rows, bl_tree_real(m, "interval"));
        }
        add_similarity(rows, s);
    }
    return rows;
}
