/* The verbs of image models and models of modular addition (docs/specification.md, 20 and 21). main.c calls
 * these where MODEL is such a directory; each has the name of its language model's verb. */
#include "base/error.h"
#include "cli/arrays.h"
#include "cli/figure_options.h"
#include "cli/image.h"
#include "cli/image_options.h"
#include "cli/terminal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run_info(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    bl_error err = {0};
    const option table[] = {{0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_tree *tree = image_open_model(&c, &o, &err) ? bl_image_info_tree(o.model, &err) : NULL;
    static const view how = {.rows = bl_image_info_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_eval(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    bool with_logits = false;
    bl_error err = {0};
    const option table[] = {IMAGES_OPTIONS(o),
                            {"logits", OPTION_FLAG, &with_logits, NULL,
                             "every image's label, prediction and logits, too"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_image_score score;
    float *logits = NULL;
    bool ok = image_open_model(&c, &o, &err) && image_open_images(&o, &err);
    if (ok && with_logits) {
        logits = calloc(bl_images_count(o.images) * bl_image_config_of(o.model)->d_output, sizeof *logits);
        if (!logits) ok = bl_fail(&err, BL_ERR_MEMORY, "out of memory");
    }
    ok = ok && bl_image_eval(o.model, o.images, &score, logits, &err);
    bl_tree *tree = ok ? bl_image_eval_tree(o.model, o.images, &score, logits, &err) : NULL;
    free(logits);
    static const view how = {.rows = bl_image_eval_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

/* eigenvectors [J, width], eigenvalues [m], direction [h], pictures [J, n]; of a .npy the pictures, or the
 * eigenvectors where there are none. */
static int write_image_arrays(const verb *self, common *c, image_options *o, bl_error *err) {
    const bl_image_eigen *e = o->eigen;
    size_t J = o->d.eigs.n;
    float *vectors = calloc(J * e->width, sizeof *vectors), *pictures = calloc(J * e->n, sizeof *pictures);
    bool ok = vectors && pictures;
    if (!ok) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t j = 0; ok && j < J; j++) {
        size_t at = (size_t)bl_image_eigen_at(e, o->d.eigs.items[j], err);
        memcpy(vectors + j * e->width, e->vectors + at * e->width, e->width * sizeof *vectors);
        if (e->pictures) memcpy(pictures + j * e->n, e->pictures + at * e->n, e->n * sizeof *pictures);
    }
    const bl_named_array arrays[] = {{"pictures", pictures, 2, {J, e->n}},
                                     {"eigenvectors", vectors, 2, {J, e->width}},
                                     {"eigenvalues", e->values, 1, {e->size}},
                                     {"direction", o->u, 1, {bl_image_config_of(o->model)->d_hidden}}};
    const bl_named_array *first = arrays + (e->pictures ? 0 : 1);
    size_t n = arrays_single(c->output) ? 1 : (size_t)(arrays + 4 - first);
    int status =
        ok && arrays_write(c->output, first, n, err) ? arrays_tell(self, c, first, n) : fail_with(self, err);
    free(vectors);
    free(pictures);
    return status;
}

/* The end of a verb whose options were refused. */
static int stop(common *c, image_options *o, int status) {
    image_options_free(o);
    common_free(c);
    return status;
}

static int run_eigen(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    const char *plot = NULL;
    figure_options figure = {0};
    bl_error err = {0};
    const option table[] = {CLASS_OPTIONS(o),
                            {"plot", OPTION_OUTPUT, &plot, "FILE",
                             "also draw the spectrum and the pictures: .svg, .png or .pdf"},
                            FIGURE_OPTIONS(figure),
                            {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                      "write to this file instead of standard output; FILE.npy: the pictures [J, n]; "
                      "FILE.safetensors: all arrays",
                      true);
    if (status < 0) status = check_figure(self, &figure, "--plot", plot != NULL || c.format == FORMAT_SVG);
    if (status >= 0) return stop(&c, &o, status);
    bl_tree *tree = NULL;
    if (image_open_model(&c, &o, &err) && image_decompose(&o, &err)) {
        bl_image_question q = image_question_of(&o);
        tree = bl_image_eigen_tree(&q, &err);
    }
    if (tree && plot && !bl_image_figure(tree, &figure.how, plot, &err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    static const view how = {.table = bl_image_eigen_table, .rows = bl_image_eigen_rows};
    if (!tree || !arrays_named(c.output)) return image_end(self, &c, &o, tree, &how, &err);
    status = write_image_arrays(self, &c, &o, &err);
    bl_tree_free(tree);
    image_options_free(&o);
    common_free(&c);
    return status;
}

static int run_null(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t draws = 99, seed = 0;
    bl_error err = {0};
    const option table[] = {CLASS_OPTIONS(o),
                            {"draws", OPTION_COUNT, &draws, "R", "draws of the null model (default 99)"},
                            {"seed", OPTION_COUNT, &seed, "N", "of the draws (default 0)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_tree *tree = NULL;
    bl_chance chance = {0};
    if (image_open_model(&c, &o, &err) && image_decompose(&o, &err) &&
        bl_image_chance(o.model, o.u, o.d.layer, o.space, draws, seed, progress_bar(c.quiet), &chance,
                        &err)) {
        note_dead(&c, (double)chance.dead);
        bl_image_question q = image_question_of(&o);
        tree = bl_image_null_tree(&q, &chance, &err);
    }
    bl_chance_free(&chance);
    static const view how = {.rows = bl_null_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_scan(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t top = 8;
    bl_error err = {0};
    const option table[] = {CLASS_OPTIONS(o),
                            IMAGES_OPTIONS(o),
                            {"top", OPTION_COUNT, &top, "N", "images per eigenvector (default 8)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_tree *tree = NULL;
    bl_image_scan *scan = NULL;
    if (image_open_model(&c, &o, &err) && image_decompose(&o, &err) && image_open_images(&o, &err))
        scan = bl_image_scan_run(o.model, o.eigen, o.d.eigs.items, o.d.eigs.n, o.images, top, &err);
    if (scan) {
        bl_image_question q = image_question_of(&o);
        tree = bl_image_scan_tree(&q, scan, bl_images_count(o.images), &err);
    }
    bl_image_scan_free(scan);
    static const view how = {.rows = bl_image_scan_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_truncate(int argc, char **argv, const verb *self) {
    static const long standard[] = {0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64};
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    index_list asked = {0};
    bl_error err = {0};
    const option table[] = {
        IMAGES_OPTIONS(o),
        SPACE_OPTION(o),
        RAW_OPTION(o),
        {"ranks", OPTION_INDICES, &asked, "K,K…",
         "numbers of eigenvectors per class (default 0,1,2,3,4,5,6,8,10,12,16,20,24,32,64)"},
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    size_t n = asked.n ? asked.n : sizeof standard / sizeof *standard, *ranks = calloc(n, sizeof *ranks);
    bool ok = ranks != NULL;
    if (!ok) bl_fail(&err, BL_ERR_MEMORY, "out of memory");
    for (size_t i = 0; ok && i < n; i++) {
        long rank = asked.n ? asked.items[i] : standard[i];
        if (rank < 0) ok = bl_fail(&err, BL_ERR_USAGE, "--ranks are 0 or more");
        ranks[i] = (size_t)rank;
    }
    bl_image_truncation *t = NULL;
    if (ok && image_open_model(&c, &o, &err) && image_open_images(&o, &err))
        t = bl_image_truncate(o.model, o.images, ranks, n, o.space, o.raw, &err);
    bl_tree *tree = t ? bl_image_truncate_tree(o.model, t, o.space, o.raw, &err) : NULL;
    bl_image_truncation_free(t);
    free(ranks);
    index_list_free(&asked);
    static const view how = {.rows = bl_image_truncate_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

/* All classes of one layer. */
static bl_image_eigen **decompose_all(const image_options *o, bl_error *err) {
    size_t C = bl_image_config_of(o->model)->d_output;
    bl_image_eigen **eigens = calloc(C + 1, sizeof *eigens);
    bool ok = eigens != NULL;
    if (!ok) bl_fail(err, BL_ERR_MEMORY, "out of memory");
    for (size_t k = 0; ok && k < C; k++) {
        eigens[k] = bl_image_eigen_of_class(o->model, k, !o->raw, o->d.layer, o->space, err);
        ok = eigens[k] != NULL;
    }
    if (ok) return eigens;
    for (size_t k = 0; eigens && k < C; k++) bl_image_eigen_free(eigens[k]);
    free(eigens);
    return NULL;
}

static int run_atlas(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    bl_error err = {0};
    const char *gallery = NULL;
    figure_options figure = {0};
    const option table[] = {SPACE_OPTION(o),
                            RAW_OPTION(o),
                            {"layer", OPTION_COUNT, &o.d.layer, "N",
                             "block that is decomposed (default: the last)"},
                            {"gallery", OPTION_OUTPUT, &gallery, "FILE",
                             "also draw eight eigenvectors of every class: .svg, .png or .pdf"},
                            FIGURE_OPTIONS(figure),
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status < 0)
        status = check_figure(self, &figure, "--gallery", gallery != NULL || c.format == FORMAT_SVG);
    if (status >= 0) return stop(&c, &o, status);
    bl_image_eigen **eigens = image_open_model(&c, &o, &err) ? decompose_all(&o, &err) : NULL;
    bl_tree *tree = eigens ? bl_image_atlas_tree(o.model, eigens, o.space, o.raw, &err) : NULL;
    if (tree && gallery && !bl_image_gallery(o.model, eigens, &figure.how, gallery, &err)) {
        bl_tree_free(tree);
        tree = NULL;
    }
    for (size_t k = 0; eigens && eigens[k]; k++) bl_image_eigen_free(eigens[k]);
    free(eigens);
    static const view how = {.rows = bl_image_atlas_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_explain(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t image = 0, classes = 3, top = 8;
    bl_error err = {0};
    const option table[] = {IMAGES_OPTIONS(o),
                            SPACE_OPTION(o),
                            {"image", OPTION_COUNT, &image, "I", "which image, from 0 (default 0)"},
                            {"classes", OPTION_COUNT, &classes, "N", "classes of highest logit (default 3)"},
                            {"top", OPTION_COUNT, &top, "N", "terms at each end (default 8)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_image_explanation *e = NULL;
    if (image_open_model(&c, &o, &err) && image_open_images(&o, &err))
        e = bl_image_explain(o.model, o.images, image, o.space, classes, top, &err);
    bl_tree *tree = e ? bl_image_explain_tree(o.model, e, o.space, &err) : NULL;
    bl_image_explanation_free(e);
    static const view how = {.rows = bl_image_explain_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_hosvd(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t k = 8;
    bl_error err = {0};
    const option table[] = {{"k", OPTION_COUNT, &k, "N", "components (default 8)"}, {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_tree *tree = image_open_model(&c, &o, &err) ? bl_image_hosvd_tree(o.model, k, &err) : NULL;
    static const view how = {.rows = bl_image_hosvd_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_diff(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t top = 10;
    bl_error err = {0};
    const option table[] = {{"top", OPTION_COUNT, &top, "K",
                             "eigenvectors of largest |eigenvalue| (default 10)"},
                            {0}};
    /* the second model stands behind the first */
    const char *second = NULL;
    for (int i = 1; !second && i < argc; i++)
        if (argv[i][0] != '-' && argv[0][0] != '-' && (i == 1 || bl_image_is_model(argv[i]))) {
            second = argv[i];
            memmove(argv + i, argv + i + 1, (size_t)(argc - i) * sizeof *argv);
            argc--;
        }
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_image_model *other = NULL;
    bl_image_diff *diff = NULL;
    if (!second) bl_fail(&err, BL_ERR_USAGE, "two image models are compared: bilens diff A B");
    else if (image_open_model(&c, &o, &err) && (other = bl_image_load(second, &err)) &&
             image_warn(&c, other, &err))
        diff = bl_image_diff_make(o.model, other, top, &err);
    bl_tree *tree = diff ? bl_image_diff_tree(o.model, other, diff, &err) : NULL;
    bl_image_diff_free(diff);
    bl_image_free(other);
    static const view how = {.rows = bl_image_diff_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_report(int argc, char **argv, const verb *self) {
    static const size_t ranks[] = {0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64};
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    figure_options figure = {0};
    size_t top = 8;
    bl_error err = {0};
    const option table[] = {CLASS_OPTIONS(o),
                            IMAGES_OPTIONS(o),
                            {"top", OPTION_COUNT, &top, "N", "images per eigenvector (default 8)"},
                            FIGURE_OPTIONS(figure),
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON,
                               "the report's folder (default report-CLASS)", true);
    if (status < 0) status = check_figure(self, &figure, "a report", true);
    if (status >= 0) return stop(&c, &o, status);
    bl_image_scan *scan = NULL;
    bl_image_truncation *cut = NULL;
    bl_image_eigen **eigens = NULL;
    bl_tree *tree = NULL;
    if (image_open_model(&c, &o, &err) && image_decompose(&o, &err) && image_open_images(&o, &err) &&
        (scan = bl_image_scan_run(o.model, o.eigen, o.d.eigs.items, o.d.eigs.n, o.images, top, &err)) &&
        (cut = bl_image_truncate(o.model, o.images, ranks, sizeof ranks / sizeof *ranks, o.space, false,
                                 &err)) &&
        (eigens = decompose_all(&o, &err))) {
        bl_image_question q = image_question_of(&o);
        tree = bl_image_report_tree(&q, scan, cut, o.images, &err);
        char folder[300];
        snprintf(folder, sizeof folder, "report-%.250s", o.d.token ? o.d.token : "direction");
        for (char *at = folder; *at; at++)
            if (*at == '/' || *at == ' ') *at = '-';
        if (tree && !bl_image_report_render(tree, o.model, eigens, o.images, &figure.how,
                                            c.output ? c.output : folder, &err)) {
            bl_tree_free(tree);
            tree = NULL;
        }
        if (tree) note(&c, "wrote %s/index.html", c.output ? c.output : folder);
        c.output = NULL;
    }
    for (size_t k = 0; eigens && eigens[k]; k++) bl_image_eigen_free(eigens[k]);
    free(eigens);
    bl_image_scan_free(scan);
    bl_image_truncation_free(cut);
    static const view how = {.table = bl_image_report_table};
    return image_end(self, &c, &o, tree, &how, &err);
}

/* E, U, L, R and biases of a block as arrays; those that are not there are left out. Returns their number. */
static size_t weight_arrays(const image_options *o, bl_named_array out[6], bl_error *err) {
    bl_view e = bl_image_w_e(o->model), u = bl_image_w_u(o->model);
    bl_bilinear block;
    size_t n = 0;
    if (!bl_image_block(o->model, o->d.layer, &block, err)) return 0;
    if (e.data) out[n++] = (bl_named_array){"w_e", e.data, 2, {e.rows, e.cols}};
    out[n++] = (bl_named_array){"w_u", u.data, 2, {u.rows, u.cols}};
    out[n++] = (bl_named_array){"w_l", block.l.data, 2, {block.l.rows, block.l.cols}};
    out[n++] = (bl_named_array){"w_r", block.r.data, 2, {block.r.rows, block.r.cols}};
    if (block.l_bias) out[n++] = (bl_named_array){"b_l", block.l_bias, 1, {block.l.rows}};
    if (block.r_bias) out[n++] = (bl_named_array){"b_r", block.r_bias, 1, {block.r.rows}};
    return n;
}

/* Those of `arrays` that `names` lists (all when it is empty), moved to the front; 0 with the error filled
 * in. */
static size_t pick(bl_named_array *arrays, size_t n, const text_list *names, bl_error *err) {
    bl_named_array found[6];
    if (names->n == 0) return n;
    for (size_t i = 0; i < names->n; i++) {
        size_t at = 0;
        while (at < n && strcmp(arrays[at].name, names->items[i]) != 0) at++;
        if (at == n || i >= 6) {
            bl_fail(err, BL_ERR_USAGE, "unknown tensor '%.60s'; this model has w_e, w_u, w_l, w_r, b_l, b_r",
                    names->items[i]);
            return 0;
        }
        found[i] = arrays[at];
    }
    memcpy(arrays, found, names->n * sizeof *arrays);
    return names->n;
}

static int run_export(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    text_list names = {0};
    bl_error err = {0};
    bl_named_array arrays[6];
    const option table[] = {{"tensors", OPTION_TOKENS, &names, "NAME,…",
                             "w_e, w_u, w_l, w_r, b_l, b_r (default: all)"},
                            {"layer", OPTION_COUNT, &o.d.layer, "N", "block (default: the last)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_NONE,
                               "FILE.safetensors, or FILE.npy for one tensor", true);
    if (status >= 0) return status;
    size_t n = 0;
    if (!c.output) bl_fail(&err, BL_ERR_USAGE, "where to? Give a file with -o");
    else if (image_open_model(&c, &o, &err)) n = weight_arrays(&o, arrays, &err);
    if (n) n = pick(arrays, n, &names, &err);
    if (n > 1 && arrays_single(c.output)) {
        bl_fail(&err, BL_ERR_USAGE,
                "a .npy file holds one array; name it with --tensors, or write a .safetensors file");
        n = 0;
    }
    status = n && arrays_write(c.output, arrays, n, &err) ? arrays_tell(self, &c, arrays, n)
                                                          : fail_with(self, &err);
    text_list_free(&names);
    image_options_free(&o);
    common_free(&c);
    return status;
}

static int run_describe(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    text_list names = {0};
    size_t k = 10;
    bl_error err = {0};
    bl_named_array arrays[6];
    const option table[] = {{"tensor", OPTION_TOKENS, &names, "NAME", "w_e, w_u, w_l, w_r, b_l or b_r"},
                            {"layer", OPTION_COUNT, &o.d.layer, "N", "block (default: the last)"},
                            {"k", OPTION_COUNT, &k, "N", "entries at each end (default 10)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, image_to_file, true);
    if (status >= 0) return status;
    bl_tree *tree = NULL;
    size_t n = 0;
    if (names.n != 1)
        bl_fail(&err, BL_ERR_USAGE, "which tensor? Give --tensor w_e, w_u, w_l, w_r, b_l or b_r");
    else if (image_open_model(&c, &o, &err)) n = weight_arrays(&o, arrays, &err);
    if (n) n = pick(arrays, n, &names, &err);
    if (n) tree = bl_image_describe_tree(o.model, o.d.layer, &arrays[0], k, &err);
    text_list_free(&names);
    static const view how = {.rows = bl_image_describe_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

static int run_trace(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    size_t image = 0;
    bl_error err = {0};
    const option table[] = {IMAGES_OPTIONS(o),
                            {"image", OPTION_COUNT, &image, "I", "which image, from 0 (default 0)"},
                            {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write the arrays: FILE.safetensors (embed, hidden.0 …, logits)", true);
    if (status >= 0) return status;
    bl_image_trace *trace = NULL;
    if (image_open_model(&c, &o, &err) && image_open_images(&o, &err))
        trace = bl_image_trace_run(o.model, o.images, image, &err);
    if (trace && c.output) {
        status = arrays_write(c.output, trace->arrays, trace->n, &err)
                   ? arrays_tell(self, &c, trace->arrays, trace->n)
                   : fail_with(self, &err);
        bl_image_trace_free(trace);
        image_options_free(&o);
        common_free(&c);
        return status;
    }
    bl_tree *tree = trace ? bl_image_trace_tree(o.model, trace, image, &err) : NULL;
    bl_image_trace_free(trace);
    static const view how = {.rows = bl_image_trace_rows};
    return image_end(self, &c, &o, tree, &how, &err);
}

/* What each verb does with an image model. */
static const verb image_verbs[] = {
    {"info", "config and tensors of an image model", run_info,
     "Shows what config.json says and the tensors with their shapes.", "  bilens info fashion-64\n"},
    {"eval", "loss and accuracy of an image model", run_eval,
     "Cross-entropy in nats and the share of right answers over a set of images; of modular addition over "
     "all pairs.",
     "  bilens eval fashion-64 --images /usr/share/datasets/fashion-mnist\n"},
    {"eigen", "spectrum and pictures of one class", run_eigen,
     "Forms the interaction matrix of an output class, decomposes it, and shows each eigenvector as the "
     "picture that the\n"
     "embedding makes of it. A positive eigenvalue speaks for the class. In --space pixel the form itself is "
     "taken to the\n"
     "pixels first: the same function, another spectrum, whose eigenvectors are orthogonal pictures.",
     "  bilens eigen fashion-64 --class ankle-boot --minus all\n"
     "  bilens eigen fashion-64 --class 5 --space pixel --eigs -1,-2,0 --plot boot.pdf\n"},
    {"scan", "images that excite the eigenvectors of a class", run_scan,
     "For each eigenvector the images of largest squared similarity.",
     "  bilens scan fashion-64 --class sneaker --images /usr/share/datasets/fashion-mnist --eigs -1,0\n"},
    {"null", "how large eigenvalues are by chance", run_null,
     "Compares each place of a class's spectrum with the same place of null models, whose rows of R and "
     "entries of the class row are\npermuted.",
     "  bilens null fashion-64 --class sneaker --minus all --draws 199\n"},
    {"truncate", "accuracy against rank", run_truncate,
     "Every class's form is cut to its K eigenvectors of largest |eigenvalue|, classes centred unless --raw.",
     "  bilens truncate fashion-64 --images /usr/share/datasets/fashion-mnist --ranks 1,5,10,20\n"},
    {"atlas", "the spectra of all classes, and their gallery", run_atlas,
     "One row per class; --gallery draws eight eigenvectors of each.",
     "  bilens atlas fashion-64 --gallery gallery.png\n"},
    {"explain", "why an image gets its logits", run_explain,
     "The highest logits of one image as exact sums over eigenvectors.",
     "  bilens explain fashion-64 --images /usr/share/datasets/fashion-mnist --image 17\n"},
    {"hosvd", "output directions by energy", run_hosvd,
     "Patterns over classes, by the energy of their forms. Compare squared values.",
     "  bilens hosvd fashion-64\n"},
    {"diff", "how alike two image models are", run_diff,
     "Class by class in pixels: whole forms, subspaces, matched eigenvectors; 'other' is the same between "
     "unlike classes.",
     "  bilens diff seed-42 seed-43 --top 10\n"},
    {"report", "everything about one class as a page", run_report,
     "Writes a folder with index.html: the gallery of all classes, the class's eigenvectors with their top "
     "images, accuracy\n"
     "against rank.",
     "  bilens report fashion-64 --class ankle-boot --minus all --images /usr/share/datasets/fashion-mnist "
     "-o report-boot\n"},
    {"export", "weights of an image model", run_export, "Writes w_e, w_u, w_l, w_r and biases.",
     "  bilens export fashion-64 -o weights.safetensors\n"},
    {"describe", "largest and smallest entries of a weight", run_describe,
     "Shows where a weight is largest and smallest.", "  bilens describe fashion-64 --tensor w_e -k 5\n"},
    {"trace", "one image's values along the model", run_trace, "embed, hidden.0 and so on, logits.",
     "  bilens trace fashion-64 --images /usr/share/datasets/fashion-mnist --image 3 -o "
     "trace.safetensors\n"}};

extern const verb image_train_verb, image_serve_verb, image_dictionary_verb;

/* The first argument that names an image model and is no option's value but MODEL. */
static bool names_image_model(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0 || (i > 0 && strcmp(argv[i - 1], "-o") == 0)) continue;
        if (argv[i][0] != '-' && bl_image_is_model(argv[i])) return true;
    }
    return false;
}

static bool has_option(int argc, char **argv, const char *name) {
    size_t n = strlen(name);
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], name, n) == 0 && (argv[i][n] == '\0' || argv[i][n] == '=')) return true;
    return false;
}

const char *image_verb_names(void) {
    static char names[256];
    size_t n = 0;
    for (size_t i = 0; i < sizeof image_verbs / sizeof *image_verbs && n < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "", image_verbs[i].name);
    return names;
}

/* Why a verb does not work on image models. */
static const char *reason(const char *name) {
    static const char *const reasons[][2] = {
        {"ablate",
         "ablation compares a token's own positions with all others of a text, and an image has one "
         "prediction, in which all classes compete; truncate keeps the largest eigenvectors of "
         "every class, explain shows what each adds to a logit"},
        {"pairs", "pairs are of two tokens of a vocabulary; 'eigen --space pixel' gives the form in pixels"},
        {"similar", "there are as few directions as classes; hosvd and diff compare their forms"},
        {"features",
         "it compares a form with what a feature does along a text; 'dictionary train' learns "
         "features of an image model, and 'eigen --direction feature:12@DICT' shows the form of one"},
        {"surrogate", "its blocks are bilinear, or (with a gate) only eval works"},
        {"excite", "it reads no text; 'explain --image' shows which eigenvectors an image excites"},
        {"tokenize", "it reads no text"},
        {"generate", "it writes no text"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(name, reasons[i][0]) == 0) return reasons[i][1];
    return "this verb is for language models";
}

const verb *image_verb(const char *name, int argc, char **argv, const char **refused) {
    static const char *const never[] = {"train", "tokenizer", "fetch", "mask", "fourier", "study"};
    *refused = NULL;
    if (strcmp(name, "train") == 0 &&
        (has_option(argc, argv, "--images") || has_option(argc, argv, "--modular")))
        return &image_train_verb;
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (strcmp(name, never[i]) == 0) return NULL;
    if (!names_image_model(argc, argv)) return NULL;
    if (strcmp(name, "serve") == 0) return &image_serve_verb;
    if (strcmp(name, "dictionary") == 0) return &image_dictionary_verb;
    for (size_t i = 0; i < sizeof image_verbs / sizeof *image_verbs; i++)
        if (strcmp(name, image_verbs[i].name) == 0) return &image_verbs[i];
    *refused = reason(name);
    return NULL;
}
