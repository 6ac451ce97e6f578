#include "cli/evidence.h"
#include "cli/verbs.h"

typedef struct asked {
    evidence e; /* first */
    size_t k;
} asked;

static bl_tree *hosvd_of(void *context, bl_error *err) {
    asked *a = context;
    evidence *e = &a->e;
    bl_bilinear map;
    bl_hosvd hosvd = {0};
    bl_tree *tree = NULL;
    if (evidence_model(e, false, err) && bl_model_bilinear(e->model, e->d.layer, &map, err) &&
        bl_hosvd_of(&map, a->k, &hosvd, err))
        tree = bl_hosvd_tree(e->model, e->d.layer, &hosvd, err);
    bl_hosvd_free(&hosvd);
    return tree;
}

static int check(const verb *self, void *context) {
    const asked *a = context;
    return a->k ? -1 : fail_usage(self, "-k: at least one output direction");
}

static int run(int argc, char **argv, const verb *self) {
    asked a = {.k = 8};
    const option table[] = {EVIDENCE_LAYER(a.e, "layer whose MLP is decomposed (default 0)"),
                            {"k", OPTION_COUNT, &a.k, "N", "output directions shown (default 8)"},
                            SURROGATE_OPTION(a.e.c),
                            {0}};
    static const verb_work work = {check, hosvd_of, evidence_free, {.rows = bl_hosvd_rows}};
    return verb_run(argc, argv, self, &a.e.c, table, &a, &work);
}

const verb verb_hosvd = {
    "hosvd", "a layer's output directions by energy", run,
    "Decomposes the third-order tensor of a layer along its output (higher-order SVD) without forming "
    "it: orthogonal\n"
    "output directions by falling energy, each with its spectrum and the tokens it writes to. share: "
    "the direction's part\n"
    "of the layer's energy.",
    "  bilens hosvd -k 4\n"
    "  bilens hosvd models/ts-1-256 --layer 0 --format json\n"};
