/* Image models on the terminal. */
#include "base/error.h"
#include "base/memory.h"
#include "report/picture.h"
#include "report/plot.h"
#include <bilens/image_report.h>
#include <jansson.h>
#include <stdlib.h>

static void head(bl_page *page, const bl_tree *eigen) {
    const json_t *minus = json_object_get(eigen, "minus");
    bl_page_bold(page);
    if (json_is_string(json_object_get(eigen, "class")))
        bl_page_token(page, bl_tree_string(eigen, "class"), 0);
    else bl_page_token(page, bl_tree_string(eigen, "direction"), 0);
    bl_page_plain(page);
    for (size_t i = 0; i < json_array_size(minus); i++) {
        const char *text = json_string_value(json_array_get(minus, i));
        bl_page_text(page, i ? ", " : " minus the mean of ");
        bl_page_token(page, text ? text : "", 0);
    }
    bl_page_print(page, ", layer %.0f, %s space", bl_tree_real(eigen, "layer"),
                  bl_tree_string(eigen, "space"));
    bl_page_newline(page);
    bl_page_print(
        page,
        "%.0f eigenvalues, effective rank %.1f; the five largest have %.0f %% of the sum of |λ|, the ten "
        "largest %.0f %%",
        bl_tree_real(eigen, "size"), bl_tree_real(eigen, "effective_rank"),
        100 * bl_tree_real(eigen, "share5"), 100 * bl_tree_real(eigen, "share10"));
    bl_page_newline(page);
}

static void vectors(bl_page *page, const bl_tree *eigen) {
    const json_t *list = json_object_get(eigen, "vectors"), *shape = json_object_get(eigen, "shape");
    size_t sizes[3], n = 1;
    for (size_t i = 0; i < 3; i++) {
        sizes[i] = (size_t)bl_tree_number(json_array_get(shape, i));
        n *= sizes[i];
    }
    for (size_t j = 0; j < json_array_size(list); j++) {
        const json_t *v = json_array_get(list, j), *picture = json_object_get(v, "picture");
        double value = bl_tree_real(v, "eigenvalue");
        bl_page_newline(page);
        bl_page_print(page, "eigenvector %.0f  ", bl_tree_real(v, "index"));
        bl_page_sign(page, value >= 0);
        bl_page_print(page, "λ = %.5g", value);
        bl_page_plain(page);
        if (json_is_number(json_object_get(v, "norm")))
            bl_page_print(page, "  norm of its picture %.4g", bl_tree_real(v, "norm"));
        const json_t *mode = json_object_get(v, "mode");
        if (mode)
            bl_page_print(page, "  %.1f %% of it are cosines of frequency %.0f",
                          100 * bl_tree_real(mode, "share"), bl_tree_real(mode, "frequency"));
        bl_page_newline(page);
        double *values = json_array_size(picture) == n ? bl_alloc(n, sizeof *values, NULL) : NULL;
        for (size_t i = 0; values && i < n; i++) values[i] = bl_tree_number(json_array_get(picture, i));
        if (values)
            bl_picture_terminal(page,
                                &(bl_picture){values, {sizes[0], sizes[1], sizes[2]}, false, page->dark});
        free(values);
    }
}

char *bl_image_eigen_table(const bl_tree *eigen, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    head(&page, eigen);
    vectors(&page, eigen);
    return bl_buffer_take(&page.text, err);
}

char *bl_image_report_table(const bl_tree *report, const bl_terminal *terminal, bl_error *err) {
    bl_page page = bl_page_new(terminal);
    const json_t *eigen = json_object_get(report, "eigen"), *cut = json_object_get(report, "truncate");
    const json_t *list = json_object_get(eigen, "vectors"), *ranks = json_object_get(cut, "ranks");
    head(&page, eigen);
    for (size_t j = 0; j < json_array_size(list); j++) {
        const json_t *v = json_array_get(list, j);
        bl_page_print(&page, "eigenvector %3.0f  λ %10.5g", bl_tree_real(v, "index"),
                      bl_tree_real(v, "eigenvalue"));
        bl_page_newline(&page);
    }
    bl_page_print(&page, "accuracy with all eigenvectors %.2f %%",
                  100 * bl_tree_real(json_object_get(cut, "full"), "accuracy"));
    bl_page_newline(&page);
    for (size_t r = 0; r < json_array_size(ranks); r++) {
        const json_t *rank = json_array_get(ranks, r);
        bl_page_print(&page, "  %3.0f per class  %.2f %%", bl_tree_real(rank, "rank"),
                      100 * bl_tree_real(rank, "accuracy"));
        bl_page_newline(&page);
    }
    return bl_buffer_take(&page.text, err);
}
