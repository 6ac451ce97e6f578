/* The study of docs/specification.md, 20: every noise and decay with several seeds, what each model came to,
 * and how alike the seeds' eigenvectors are, beside those of unlike classes. */
#include <bilens/study.h>
#include "base/error.h"
#include "base/memory.h"
#include <bilens/image_evidence.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOLDER = 400 };

/* Adds a class's figures in one space to the means over C classes. */
static bool add_class(const bl_image_model *model, size_t k, size_t space, bl_study_run_figures *to,
                      bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    double rank, five, ten, n = (double)c->d_output;
    bl_image_eigen *eigen = bl_image_eigen_of_class(model, k, false, c->n_layer - 1,
                                                    space ? BL_SPACE_PIXEL : BL_SPACE_EMBED, err);
    if (!eigen) return false;
    bl_image_eigen_figures(eigen, &rank, &five, &ten);
    to->effective_rank[space] += rank / n;
    to->share5[space] += five / n;
    to->share10[space] += ten / n;
    bl_image_eigen_free(eigen);
    return true;
}

static bool measure_forms(const bl_image_model *model, bl_study_run_figures *to, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    size_t spaces = c->n_layer == 1 ? 2 : 1;
    for (size_t i = 0; i < spaces * c->d_output; i++)
        if (!add_class(model, i % c->d_output, i / c->d_output, to, err)) return false;
    return true;
}

static bool measure_accuracy(const bl_image_model *model, const bl_images *images, bl_study_run_figures *to,
                             bl_error *err) {
    static const size_t ranks[BL_STUDY_RANKS] = {10, 20};
    bl_image_score score;
    if (!bl_image_eval(model, images, &score, NULL, err)) return false;
    to->accuracy = score.accuracy;
    bl_image_truncation *t =
        bl_image_truncate(model, images, ranks, BL_STUDY_RANKS, BL_SPACE_EMBED, true, err);
    for (size_t i = 0; i < BL_STUDY_RANKS; i++)
        to->truncated[i] = t && i < t->n_ranks ? t->ranks[i].score.accuracy : (double)NAN;
    bl_image_truncation_free(t);
    return t != NULL;
}

static bool measure(const char *folder, const char *images_path, bl_study_run_figures *to, bl_error *err) {
    bl_image_model *model = bl_image_load(folder, err);
    bl_images *images = model ? bl_images_open(model, images_path, NULL, "test", err) : NULL;
    bool ok = images && measure_accuracy(model, images, to, err) && measure_forms(model, to, err);
    bl_images_free(images);
    bl_image_free(model);
    return ok;
}

static void folder_of(char out[FOLDER], const bl_study_options *o, const bl_study_setting *s, size_t seed) {
    snprintf(out, FOLDER, "%.300s/noise-%g-decay-%g-seed-%zu", o->output, s->noise, s->decay, seed);
}

static bool run_one(const bl_study_options *o, bl_study_setting *s, size_t i, bl_error *err) {
    char folder[FOLDER];
    bl_study_run_figures *run = &s->runs[i];
    bl_image_train_options train = *o->recipe;
    bl_image_train_result result;
    run->seed = 42 + i;
    folder_of(folder, o, s, (size_t)run->seed);
    train.noise = s->noise;
    train.decay = s->decay;
    train.seed = run->seed;
    train.images = o->images;
    train.output = folder;
    train.resume = true;
    if (!bl_image_train_run(&train, &result, err) || !measure(folder, o->images, run, err)) return false;
    if (o->done) o->done(o->context, s, run);
    return true;
}

static bl_image_diff *diff_of(const char *a, const char *b, bl_error *err) {
    bl_image_model *x = bl_image_load(a, err), *y = x ? bl_image_load(b, err) : NULL;
    bl_image_diff *diff = y ? bl_image_diff_make(x, y, 10, err) : NULL;
    bl_image_free(x);
    bl_image_free(y);
    return diff;
}

static bool compare_seeds(const bl_study_options *o, bl_study_setting *s, bl_error *err) {
    char a[FOLDER], b[FOLDER];
    double pairs = (double)o->seeds * (double)(o->seeds - 1) / 2;
    for (size_t k = 0; k < BL_STUDY_TOP; k++) s->matched[k] = s->other_class[k] = 0;
    for (size_t i = 0; i < o->seeds; i++)
        for (size_t j = i + 1; j < o->seeds; j++) {
            folder_of(a, o, s, (size_t)s->runs[i].seed);
            folder_of(b, o, s, (size_t)s->runs[j].seed);
            bl_image_diff *diff = diff_of(a, b, err);
            if (!diff) return false;
            double n = pairs * (double)diff->C;
            for (size_t at = 0; at < diff->C * BL_STUDY_TOP; at++) {
                size_t c = at / BL_STUDY_TOP, k = at % BL_STUDY_TOP;
                s->matched[k] += diff->same[c].matched[k] / n;
                s->other_class[k] += diff->other[c].matched[k] / n;
            }
            bl_image_diff_free(diff);
        }
    return true;
}

static bool check(const bl_study_options *o, bl_error *err) {
    if (!o->images) return bl_fail(err, BL_ERR_USAGE, "which images? Give a folder with --images DIR");
    if (!o->output) return bl_fail(err, BL_ERR_USAGE, "where do the models go? Give a folder with -o DIR");
    if (o->seeds == 0 || o->seeds > BL_STUDY_SEEDS)
        return bl_fail(err, BL_ERR_USAGE, "--seeds is 1 to %d", BL_STUDY_SEEDS);
    if (o->n_noise == 0 || o->n_decay == 0)
        return bl_fail(err, BL_ERR_USAGE, "a study needs at least one value of noise and one of decay");
    return true;
}

bl_study *bl_study_run(const bl_study_options *o, bl_error *err) {
    size_t n;
    if (!check(o, err)) return NULL;
    if (!bl_mul_size(o->n_noise, o->n_decay, &n) || n > BL_STUDY_SETTINGS) {
        bl_fail(err, BL_ERR_USAGE, "a study has at most %d settings", BL_STUDY_SETTINGS);
        return NULL;
    }
    bl_study *study = bl_alloc_zero(1, sizeof *study, err);
    if (study) study->settings = bl_alloc_zero(n, sizeof *study->settings, err);
    if (!study || !study->settings) {
        bl_study_free(study);
        return NULL;
    }
    study->n_settings = n;
    study->seeds = o->seeds;
    study->one_block = o->recipe->model.n_layer == 1;
    for (size_t i = 0; i < n; i++) {
        bl_study_setting *s = &study->settings[i];
        s->noise = o->noise[i / o->n_decay];
        s->decay = o->decay[i % o->n_decay];
        bool ok = true;
        for (size_t k = 0; ok && k < o->seeds; k++) ok = run_one(o, s, k, err);
        for (size_t k = 0; k < BL_STUDY_TOP; k++) s->matched[k] = s->other_class[k] = (double)NAN;
        if (ok && study->one_block && o->seeds > 1) ok = compare_seeds(o, s, err);
        if (ok) continue;
        bl_study_free(study);
        return NULL;
    }
    return study;
}

void bl_study_free(bl_study *study) {
    if (study) free(study->settings);
    free(study);
}
