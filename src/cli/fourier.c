/* bilens fourier: are the eigenvectors of modular addition Fourier modes? (docs/specification.md, 21) */
#include "base/error.h"
#include "cli/image_options.h"

static int run_fourier(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    index_list residues = {0};
    size_t permutations = 20, seed = 0, chosen[64] = {0, 1}, n = 2;
    bl_error err = {0};
    const option table[] = {{"residues", OPTION_INDICES, &residues, "C,C…",
                             "classes whose eigenvectors are shown (default 0,1)"},
                            {"permutations", OPTION_COUNT, &permutations, "N",
                             "null draws as a control (default 20)"},
                            {"seed", OPTION_COUNT, &seed, "N", "of the null draws (default 0)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bool ok = residues.n <= 64 || bl_fail(&err, BL_ERR_USAGE, "--residues: at most 64");
    for (size_t i = 0; ok && i < residues.n; i++) {
        chosen[i] = (size_t)residues.items[i];
        ok = residues.items[i] >= 0 || bl_fail(&err, BL_ERR_USAGE, "--residues are 0 or more");
        n = residues.n;
    }
    ok = ok && (c.model || bl_fail(&err, BL_ERR_USAGE,
                                   "which model? fourier needs a directory of a model of modular addition"));
    bl_fourier *f = NULL;
    if (ok && image_open_model(&c, &o, &err))
        f = bl_fourier_mark(o.model, chosen, n, permutations, seed, &err);
    bl_tree *tree = f ? bl_fourier_tree(o.model, f, &err) : NULL;
    bl_fourier_free(f);
    index_list_free(&residues);
    static const view how = {.rows = bl_fourier_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

const verb verb_fourier = {"fourier", "the mark of a model of modular addition", run_fourier,
                           "Are the eigenvectors Fourier modes? 'block' is the score: 1 exactly if they can "
                           "be chosen so; 'purity' is what a reader\n"
                           "sees, which equal eigenvalues of two frequencies spoil; 'explained' is the share "
                           "of the logits' variance in the exact\n"
                           "answer's form. Null draws stand beside block and purity.",
                           "  bilens fourier modular-59\n"};
