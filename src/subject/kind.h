/* What a kind of subject must be able to do. `own` is what its `load` or `take` made. */
#ifndef BL_SUBJECT_KIND_H
#define BL_SUBJECT_KIND_H
#include <bilens/subject.h>

typedef struct bl_subject_kind {
    const char *name;
    bool (*recognises)(const char *directory);           /* NULL: whatever no other kind does */
    void *(*load)(const char *directory, bl_error *err); /* the loaded model */
    void (*unload)(void *model);                         /* one that `load` made */
    void *(*take)(const void *model, bl_error *err);     /* what is kept beside it: own */
    void (*free)(void *own);
    const char *(*title)(const void *model);
    size_t (*n_layers)(const void *model);
    bool (*map)(const void *model, size_t layer, bl_bilinear *out, bl_error *err);
    bl_basis (*basis_out)(const void *own);
    bl_basis (*basis_in)(const void *own);
    bl_path *(*paths)(const void *own, size_t layer, size_t *n, bl_error *err);
    void *(*runner_new)(const void *model, size_t layer, bl_error *err);
    void (*runner_free)(void *runner);
    bl_view (*inputs)(const void *model, void *runner, size_t layer, const bl_sample *sample, bl_error *err);
} bl_subject_kind;

extern const bl_subject_kind bl_transformer_kind, bl_image_kind;
#endif
