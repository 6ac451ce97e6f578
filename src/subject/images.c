/* Sets of images (docs/specification.md, 20): four MNIST files of a folder, or one file of images and one of
 * labels. Bytes stay bytes and become numbers, divided by 255, when a batch is asked for. */
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/threads.h"
#include "format/idx.h"
#include "format/npy.h"
#include "linear/softmax.h"
#include "subject/image_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bl_images {
    size_t count, n, p;   /* p: pairs of residues mod p instead of stored pictures */
    unsigned char *bytes; /* [count, n], or NULL */
    float *floats;        /* [count, n], or NULL */
    uint32_t *labels;     /* [count] */
};

/* An array of either kind of file; exactly one of bytes and floats is set. */
typedef struct array {
    unsigned char *bytes;
    float *floats;
    bool whole; /* the file's numbers are integers */
    size_t n_dims, shape[BL_MAX_DIMS];
} array;

static bool has_suffix(const char *name, const char *suffix) {
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

static bool read_array(const char *path, array *a, bl_error *err) {
    *a = (array){0};
    if (has_suffix(path, ".npy")) {
        bl_named_array found;
        char kind;
        if (!bl_npy_read_kind(path, &found, &a->floats, &kind, err)) return false;
        a->whole = kind != 'f';
        a->n_dims = found.n_dims;
        memcpy(a->shape, found.shape, sizeof a->shape);
        return true;
    }
    bl_idx idx;
    if (!bl_idx_read(path, &idx, err)) return false;
    a->bytes = idx.data;
    a->whole = true;
    a->n_dims = idx.n_dims;
    memcpy(a->shape, idx.shape, sizeof a->shape);
    return true;
}

/* Takes the array's data over. Integers of a .npy file are bytes if they lie in 0 … 255. */
static bool take_pictures(bl_images *images, array *a, const char *path, bl_error *err) {
    size_t n = 1;
    for (size_t i = 1; i < a->n_dims; i++)
        if (!bl_mul_size(n, a->shape[i], &n)) n = SIZE_MAX;
    if (a->n_dims < 2 || n != images->n)
        return bl_fail(err, BL_ERR_INPUT, "%s: its pictures have %zu numbers, the model's have %zu", path,
                       a->n_dims < 2 ? 0 : n, images->n);
    images->count = a->shape[0];
    if (images->count == 0) return bl_fail(err, BL_ERR_INPUT, "%s: holds no images", path);
    for (size_t i = 0; a->floats && i < images->count * n; i++) {
        if (!isfinite(a->floats[i]))
            return bl_fail(err, BL_ERR_INPUT, "%s: image %zu holds a number that is not finite", path, i / n);
        if (a->whole && (a->floats[i] < 0 || a->floats[i] > 255))
            return bl_fail(err, BL_ERR_INPUT, "%s: image %zu holds %g; integers must be 0 to 255", path,
                           i / n, (double)a->floats[i]);
        if (a->whole) a->floats[i] /= 255.0F;
    }
    images->bytes = a->bytes;
    images->floats = a->floats;
    a->bytes = NULL;
    a->floats = NULL;
    return true;
}

static bool take_labels(bl_images *images, const array *a, size_t C, const char *path, const char *pictures,
                        bl_error *err) {
    if (a->n_dims != 1 || !a->whole)
        return bl_fail(err, BL_ERR_INPUT, "%s: labels are integers along one axis, found %s along %zu", path,
                       a->whole ? "integers" : "floats", a->n_dims);
    if (a->shape[0] != images->count)
        return bl_fail(err, BL_ERR_INPUT, "%s has %zu labels, but %s has %zu images", path, a->shape[0],
                       pictures, images->count);
    images->labels = bl_alloc(images->count, sizeof *images->labels, err);
    if (!images->labels) return false;
    for (size_t i = 0; i < images->count; i++) {
        double label = a->bytes ? (double)a->bytes[i] : (double)a->floats[i];
        if (!(label >= 0 && label < (double)C))
            return bl_fail(err, BL_ERR_INPUT, "%s: label %zu is %g, but the classes are 0 to %zu", path, i,
                           label, C - 1);
        images->labels[i] = (uint32_t)label;
    }
    return true;
}

static bool fill(bl_images *images, size_t C, const char *pictures, const char *labels, bl_error *err) {
    array a, b = {0};
    bool ok = read_array(pictures, &a, err) && take_pictures(images, &a, pictures, err) &&
              read_array(labels, &b, err) && take_labels(images, &b, C, labels, pictures, err);
    free(a.bytes);
    free(a.floats);
    free(b.bytes);
    free(b.floats);
    return ok;
}

/* directory/PREFIX-KIND-ubyte, or that with .gz; NULL with the error filled in. Free it. */
static char *find_file(const char *directory, const char *prefix, const char *kind, bl_error *err) {
    static const char *const endings[] = {"", ".gz"};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%s-ubyte%s", prefix, kind, endings[i]);
        char *path = bl_path_join(directory, name, err);
        if (!path || bl_file_exists(path)) return path;
        free(path);
    }
    return bl_fail_null(err, BL_ERR_INPUT, "%s: there is no %s-%s-ubyte and no %s-%s-ubyte.gz in it",
                        directory, prefix, kind, prefix, kind);
}

bl_images *bl_images_open(const bl_image_model *model, const char *path, const char *labels,
                          const char *split, bl_error *err) {
    const bl_image_config *c = bl_image_config_of(model);
    const char *prefix = !split || strcmp(split, "test") == 0 ? "t10k"
                       : strcmp(split, "train") == 0          ? "train"
                                                              : NULL;
    char *pictures = NULL, *classes = NULL;
    bool ok = false;
    bl_error_clear(err);
    if (!prefix)
        return bl_fail_null(err, BL_ERR_USAGE, "split '%.40s': \"test\" or \"train\" is expected", split);
    bl_images *images = bl_alloc_zero(1, sizeof *images, err);
    if (!images) return NULL;
    images->n = c->d_input;
    if (labels && bl_is_directory(path)) {
        bl_fail(err, BL_ERR_USAGE, "%s is a folder, which brings its own labels: leave the labels out", path);
    } else if (labels) {
        ok = fill(images, c->d_output, path, labels, err);
    } else if (!bl_is_directory(path)) {
        if (access(path, F_OK) == 0)
            bl_fail(err, BL_ERR_USAGE, "%s is a file of images: name its file of labels, too", path);
        else bl_fail(err, BL_ERR_INPUT, "%s: cannot open: %s", path, strerror(errno));
    } else {
        pictures = find_file(path, prefix, "images-idx3", err);
        classes = pictures ? find_file(path, prefix, "labels-idx1", err) : NULL;
        ok = classes && fill(images, c->d_output, pictures, classes, err);
    }
    free(pictures);
    free(classes);
    if (ok) return images;
    bl_images_free(images);
    return NULL;
}

bool bl_images_sizes(const char *directory, const char *split, size_t *n, size_t *classes, bl_error *err) {
    const char *prefix = strcmp(split, "test") == 0 ? "t10k" : "train";
    char *pictures = find_file(directory, prefix, "images-idx3", err);
    char *labels = pictures ? find_file(directory, prefix, "labels-idx1", err) : NULL;
    bl_idx a = {0}, b = {0};
    bool ok = labels && bl_idx_read_shape(pictures, &a, err) && bl_idx_read(labels, &b, err);
    if (ok && (a.n_dims < 2 || b.n_dims != 1 || a.shape[0] == 0 || b.count == 0))
        ok = bl_fail(err, BL_ERR_INPUT, "%s: holds no images with labels", directory);
    *n = 1;
    *classes = 1;
    for (size_t i = 1; ok && i < a.n_dims; i++) *n *= a.shape[i]; /* at most a.count */
    for (size_t i = 0; ok && i < b.count; i++)
        if (b.data[i] >= *classes) *classes = (size_t)b.data[i] + 1;
    bl_idx_free(&a);
    bl_idx_free(&b);
    free(pictures);
    free(labels);
    return ok;
}

bl_images *bl_images_pairs(size_t p, bl_error *err) {
    bl_images *images = bl_alloc_zero(1, sizeof *images, err);
    size_t count;
    if (!images) return NULL;
    if (!bl_mul_size(p, p, &count)) count = SIZE_MAX;
    *images = (bl_images){.count = count, .n = 2 * p, .p = p};
    images->labels = bl_alloc(count, sizeof *images->labels, err);
    if (!images->labels) {
        bl_images_free(images);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) images->labels[i] = (uint32_t)((i / p + i % p) % p);
    return images;
}

void bl_images_free(bl_images *images) {
    if (!images) return;
    free(images->bytes);
    free(images->floats);
    free(images->labels);
    free(images);
}

size_t bl_images_count(const bl_images *images) { return images->count; }
size_t bl_images_label(const bl_images *images, size_t i) { return images->labels[i]; }

uint64_t bl_images_hash(const bl_images *images) {
    uint64_t hash = bl_hash(0, images->labels, images->count * sizeof *images->labels);
    size_t cells = images->count * images->n;
    if (images->bytes) hash = bl_hash(hash, images->bytes, cells);
    if (images->floats) hash = bl_hash(hash, images->floats, cells * sizeof *images->floats);
    return hash;
}

/* Images in random order lie where no processor guesses. */
void bl_images_fetch(const bl_images *images, size_t i) {
    size_t n = images->n;
    __builtin_prefetch(images->labels + i);
    for (size_t at = 0; images->bytes && at < n; at += 64) __builtin_prefetch(images->bytes + i * n + at);
    for (size_t at = 0; images->floats && at < n; at += 16) __builtin_prefetch(images->floats + i * n + at);
}

void bl_images_rows(const bl_images *images, size_t first, size_t count, float *out) {
    size_t n = images->n;
    if (images->floats) memcpy(out, images->floats + first * n, count * n * sizeof *out);
    for (size_t i = 0; images->bytes && i < count * n; i++)
        out[i] = (float)images->bytes[first * n + i] * (1.0F / 255.0F);
    if (!images->p) return;
    memset(out, 0, count * n * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i * n + (first + i) / images->p] = 1;
        out[i * n + images->p + (first + i) % images->p] = 1;
    }
}

#define SLICE ((size_t)256) /* images that one item of the parallel loop scores */

typedef struct eval_work {
    const bl_image_model *model;
    const bl_images *images;
    float *logits;  /* [count, C] */
    double *losses; /* [count] */
    bool *right;    /* [count] */
} eval_work;

/* The loss of each image and whether the largest logit, the first of equal ones, is its class. */
void bl_image_judge_one(const float *logits, size_t C, size_t label, double *loss, bool *right) {
    size_t best = 0;
    for (size_t c = 1; c < C; c++)
        if (logits[c] > logits[best]) best = c;
    *loss = bl_log_sum_exp_exact(logits, C) - (double)logits[label];
    *right = best == label;
}

void bl_image_judge(const float *logits, size_t B, size_t C, const bl_images *images, size_t first,
                    double *losses, bool *right) {
    for (size_t b = 0; b < B; b++)
        bl_image_judge_one(logits + b * C, C, bl_images_label(images, first + b), &losses[b], &right[b]);
}

static bool eval_slice(void *context, size_t i, size_t thread, bl_error *err) {
    const eval_work *w = context;
    size_t first = i * SLICE, left = w->images->count - first, B = left < SLICE ? left : SLICE;
    size_t n = w->images->n, C = bl_image_config_of(w->model)->d_output;
    (void)thread;
    float *x = bl_alloc(B * n, sizeof *x, err);
    if (!x) return false;
    bl_images_rows(w->images, first, B, x);
    bool ok = bl_image_logits(w->model, x, B, w->logits + first * C, err);
    if (ok)
        bl_image_judge(w->logits + first * C, B, C, w->images, first, w->losses + first, w->right + first);
    free(x);
    return ok;
}

bool bl_image_eval(const bl_image_model *model, const bl_images *images, bl_image_score *score, float *logits,
                   bl_error *err) {
    size_t count = images->count, C = bl_image_config_of(model)->d_output, cells, hits = 0;
    bl_error_clear(err);
    *score = (bl_image_score){.predictions = count};
    if (!bl_mul_size(count, C, &cells)) cells = SIZE_MAX;
    float *own = logits ? NULL : bl_alloc(cells, sizeof *own, err);
    double *losses = bl_alloc(count, sizeof *losses, err);
    bool *right = bl_alloc(count, sizeof *right, err);
    float *all = logits ? logits : own;
    eval_work w = {model, images, all, losses, right};
    bool ok = w.logits && losses && right && bl_parallel((count + SLICE - 1) / SLICE, eval_slice, &w, err);
    for (size_t i = 0; ok && i < count; i++) {
        score->loss += losses[i] / (double)count;
        hits += right[i];
    }
    score->accuracy = (double)hits / (double)count;
    free(own);
    free(losses);
    free(right);
    return ok;
}
