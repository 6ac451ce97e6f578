/* A report's folder from its JSON.
 *
 * Everything is made in a staging folder first: beside the folder when that does not exist yet (then one
 * rename makes it appear), inside it, under a hidden name, when it does (the folder may be a mount point, so
 * that a rename from beside would fail). Only when all of it is written is it moved over the older files,
 * report.json last. A failure before that leaves an older report as it was. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"
#include "result/document.h"
#include "report/plot.h"
#include "report/html.h"
#include <bilens/format.h>
#include <bilens/report.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const folders[] = {"figures", "tables"};

/* In the order in which they are moved. */
static const char *const files[] = {"figures/spectrum.svg",
                                    "figures/spectrum.png",
                                    "figures/spectrum.pdf",
                                    "tables/spectrum.csv",
                                    "tables/virtual-tokens.csv",
                                    "tables/top-inputs.csv",
                                    "tables/tensors.csv",
                                    "eigenvalues.npy",
                                    "eigenvectors.npy",
                                    "index.html",
                                    "report.json"};
enum { N_FOLDERS = sizeof folders / sizeof *folders, N_FILES = sizeof files / sizeof *files };

static bool write_text(const char *staging, const char *name, const char *text, size_t n, bl_error *err) {
    char *path = bl_path_join(staging, name, err);
    bool ok = path && bl_file_write(path, text, n, err);
    free(path);
    return ok;
}

/* Takes the table. */
static bool write_table(const char *staging, const char *name, bl_table *table, bl_error *err) {
    char *text = table ? bl_table_csv(table, 0, err) : NULL;
    bool ok = text && write_text(staging, name, text, strlen(text), err);
    bl_table_free(table);
    bl_free(text);
    return ok;
}

static bool write_tables(const bl_doc *doc, const char *staging, bl_error *err) {
    return write_table(staging, "tables/spectrum.csv", bl_rows_of_spectrum(doc->eigen, err), err) &&
           write_table(staging, "tables/virtual-tokens.csv", bl_rows_of_virtual_tokens(doc->eigen, err),
                       err) &&
           write_table(staging, "tables/top-inputs.csv", bl_rows_of_inputs(doc->scan, err), err) &&
           write_table(staging, "tables/tensors.csv", bl_rows_of_tensors(doc->info, err), err);
}

static bool write_figures(const bl_doc *doc, const bl_figure_options *how, const char *staging,
                          bl_error *err) {
    static const char *const names[] = {"figures/spectrum.svg", "figures/spectrum.png",
                                        "figures/spectrum.pdf"};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++) {
        char *path = bl_path_join(staging, names[i], err);
        ok = path && bl_figure_write(doc->eigen, how, path, err);
        free(path);
    }
    return ok;
}

static bool write_array(const char *staging, const char *name, bl_named_array array, bl_error *err) {
    char *path = bl_path_join(staging, name, err);
    bool ok = path && bl_npy_write(path, &array, err);
    free(path);
    return ok;
}

/* eigenvalues [n]; eigenvectors [pairs computed, n], one per row, ascending. */
static bool write_arrays(const bl_eigen *eigen, const char *staging, bl_error *err) {
    size_t n = bl_eigen_size(eigen), rows = 0, count;
    for (size_t i = 0; i < n; i++) rows += bl_eigen_vector(eigen, (long)i) != NULL;
    if (!bl_mul_size(rows, n, &count))
        return bl_fail(err, BL_ERR_MEMORY, "eigenvectors do not fit this machine's memory");
    float *vectors = bl_alloc(count, sizeof *vectors, err);
    if (!vectors) return false;
    rows = 0;
    for (size_t i = 0; i < n; i++) {
        const float *v = bl_eigen_vector(eigen, (long)i);
        if (v) memcpy(vectors + rows++ * n, v, n * sizeof *v);
    }
    bool ok = write_array(staging, "eigenvalues.npy",
                          (bl_named_array){.data = bl_eigen_values(eigen), .n_dims = 1, .shape = {n}}, err) &&
              write_array(staging, "eigenvectors.npy",
                          (bl_named_array){.data = vectors, .n_dims = 2, .shape = {rows, n}}, err);
    free(vectors);
    return ok;
}

/* Everything into the staging folder. */
static bool make_all(bl_doc *doc, const bl_tree *tree, const bl_eigen *eigen, const bl_figure_options *how,
                     const char *staging, bl_error *err) {
    for (size_t i = 0; i < N_FOLDERS; i++) {
        char *path = bl_path_join(staging, folders[i], err);
        bool ok = path && bl_make_directories(path, err);
        free(path);
        if (!ok) return false;
    }
    if (!write_tables(doc, staging, err)) return false;
    if (how && how->plain) bl_doc_plain(doc);
    if (!write_figures(doc, how, staging, err) || (eigen && !write_arrays(eigen, staging, err))) return false;
    char *page = bl_html_page(doc, err);
    bool ok = page && write_text(staging, "index.html", page, strlen(page), err);
    free(page);
    char *text = ok ? bl_tree_text(tree, err) : NULL;
    ok = text && write_text(staging, "report.json", text, strlen(text), err);
    bl_free(text);
    return ok;
}

/* A folder stands where a file goes, or a file where a folder goes: found before anything is moved. */
static bool check_targets(const char *directory, bl_error *err) {
    bool ok = true;
    for (size_t i = 0; ok && i < N_FOLDERS + N_FILES; i++) {
        bool folder = i < N_FOLDERS;
        char *path = bl_path_join(directory, folder ? folders[i] : files[i - N_FOLDERS], err);
        ok = path != NULL;
        if (ok && folder && bl_file_exists(path) && !bl_is_directory(path))
            ok = bl_fail(err, BL_ERR_INPUT, "%s: a file stands where the report's folder goes", path);
        if (ok && !folder && bl_is_directory(path))
            ok = bl_fail(err, BL_ERR_INPUT, "%s: a folder stands where the report's file goes", path);
        free(path);
    }
    return ok;
}

/* A page without a report.json beside it is somebody else's. */
static bool check_owner(const char *directory, bl_error *err) {
    char *page = bl_path_join(directory, "index.html", err),
         *report = page ? bl_path_join(directory, "report.json", err) : NULL;
    bool ok = report != NULL;
    if (ok && bl_file_exists(page) && !bl_file_exists(report))
        ok = bl_fail(err, BL_ERR_INPUT,
                     "%s: a page that is not a report's (there is no report.json beside it) is "
                     "not replaced: name another folder",
                     page);
    free(page);
    free(report);
    return ok;
}

/* Moves the finished files over the older ones. */
static bool move_all(const char *staging, const char *directory, bl_error *err) {
    bool ok = check_targets(directory, err);
    for (size_t i = 0; ok && i < N_FOLDERS; i++) {
        char *path = bl_path_join(directory, folders[i], err);
        ok = path && bl_make_directories(path, err);
        free(path);
    }
    for (size_t i = 0; ok && i < N_FILES; i++) {
        char *from = bl_path_join(staging, files[i], err),
             *to = from ? bl_path_join(directory, files[i], err) : NULL;
        ok = from && to;
        if (ok && bl_file_exists(from) && rename(from, to) != 0)
            ok = bl_fail(err, BL_ERR_IO, "%s: cannot be replaced: %s", to, strerror(errno));
        free(from);
        free(to);
    }
    return ok;
}

bool bl_report_check_place(const char *directory, bl_error *err) {
    return bl_directory_or_none(directory, "a report", err) && check_owner(directory, err);
}

bool bl_report_render(const bl_tree *tree, const bl_eigen *eigen, const bl_figure_options *figures,
                      const char *directory, bl_error *err) {
    bool ok = false, exists = false;
    bl_staging staging = {0};
    char *path = bl_trim_slashes(directory, "the report", err);
    /* Rendered is what report.json says, to its last digit: rendering that again gives the same bytes. */
    char *text = path ? bl_tree_text(tree, err) : NULL;
    bl_tree *written = text ? bl_tree_parse(text, "the report", err) : NULL;
    bl_doc *doc = written ? bl_doc_read(written, BL_DOC_REPORT, err) : NULL;
    bl_free(text);
    if (!doc) goto done;
    exists = bl_file_exists(path);
    if (!bl_report_check_place(path, err)) goto done;
    if (!bl_staging_make(&staging, path, exists, "the report", err) ||
        !make_all(doc, written, eigen, figures, staging.path, err))
        goto done;
    if (exists) ok = move_all(staging.path, path, err);
    else
        ok = rename(staging.path, path) == 0 ||
             bl_fail(err, BL_ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
done:
    bl_staging_free(&staging, exists || !ok);
    free(path);
    bl_doc_free(doc);
    bl_tree_free(written);
    return ok;
}
