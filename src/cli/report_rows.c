/* bilens report --directions: a page for each of many directions, and an index of all. One direction is in
 * memory at a time; the folder appears as a whole. */
#include "cli/report_private.h"
#include "base/error.h"
#include "base/file.h"
#include "base/staging.h"
#include "base/threads.h"
#include "cli/terminal.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PAGES ((size_t)100)

/* "0-99", "3,7,10-12": marks those rows. */
static bool read_rows(const char *text, size_t F, bool *wanted, bl_error *err) {
    const char *at = text;
    do {
        char *end;
        bool number = *at >= '0' && *at <= '9';
        unsigned long long first = number ? strtoull(at, &end, 10) : 0, last = first;
        if (number && *end == '-') {
            number = end[1] >= '0' && end[1] <= '9';
            if (number) last = strtoull(end + 1, &end, 10);
        }
        if (!number || last < first || (*end && *end != ','))
            return bl_fail(err, BL_ERR_USAGE, "--rows: '%.60s' is not a list like 0-99 or 3,7,10-12", text);
        if (last >= F)
            return bl_fail(err, BL_ERR_USAGE, "--rows: there is no row %llu; the %zu rows count from 0", last,
                           F);
        for (size_t i = first; i <= last; i++) wanted[i] = true;
        at = *end ? end + 1 : end;
    } while (*at);
    return true;
}

/* Which rows get a page: those named, else the first of the ranking; rows that are all 0 never. */
static bool choose(const report_options *o, const bl_tree *ranking, bool *wanted, size_t *n, bl_error *err) {
    const json_t *row;
    size_t i;
    *n = 0;
    if (o->rows && !read_rows(o->rows, o->own.given->F, wanted, err)) return false;
    json_array_foreach(json_object_get(ranking, "directions"), i, row) {
        bool *mine = &wanted[(size_t)bl_tree_real(row, "row")], form = bl_tree_real(row, "largest") > 0;
        if (!o->rows) *mine = i < DEFAULT_PAGES;
        *mine = *mine && form;
        *n += *mine;
    }
    return *n > 0 || bl_fail(err, BL_ERR_INPUT,
                             "%s: the rows asked for are all 0: there is nothing to report", o->own.source);
}

/* Its parts go by the direction's name. */
static void set_label(bl_tree *report, const char *label) {
    static const char *const parts[] = {"eigen", "scan"};
    for (size_t i = 0; i < 2; i++) {
        json_t *text = json_string(label);
        if (text) json_object_set_new(json_object_get(report, parts[i]), "label", text);
    }
}

/* "@FILE:7", in quotes where the name needs them. */
static char *row_text(const char *source, size_t row, bl_error *err) {
    char *name = NULL;
    bl_basis none = {0};
    if (asprintf(&name, "%s:%zu", source, row) < 0) {
        bl_fail(err, BL_ERR_MEMORY, "out of memory");
        return NULL;
    }
    char *text = bl_direction_text(&(bl_direction){.source = name}, &none, err);
    free(name);
    return text;
}

/* One row's folder rows/NUMBER within the staging folder; says so in the ranking. */
static bool make_page(common *c, report_options *o, const bl_model *model, const char *staging, json_t *row,
                      bl_error *err) {
    size_t number = (size_t)bl_tree_real(row, "row");
    char name[64], page[80];
    bl_eigen *eigen = NULL;
    bl_tree *report = NULL;
    snprintf(name, sizeof name, "rows/%zu", number);
    snprintf(page, sizeof page, "%s/index.html", name);
    char *folder = bl_path_join(staging, name, err);
    char *text = folder ? row_text(o->own.source, number, err) : NULL;
    bool quiet = c->quiet;
    if (text) {
        o->direction.file = text;
        c->quiet = true; /* the rows have one bar */
        report = report_of(c, o, model, &eigen, err);
        c->quiet = quiet;
        bl_direction_free(o->direction.parsed);
        o->direction.parsed = NULL;
        o->direction.file = NULL;
    }
    const char *label = bl_tree_string(row, "name");
    if (report) set_label(report, *label ? label : text);
    bool ok = report && bl_report_render(report, eigen, &o->figure.how, folder, err);
    if (ok) json_object_set_new(row, "page", json_string(page));
    bl_tree_free(report);
    bl_eigen_free(eigen);
    free(folder);
    bl_free(text);
    return ok;
}

static bool write_index(const char *staging, const bl_tree *ranking, bl_error *err) {
    bl_table *rows = bl_rank_rows(ranking, err);
    char *texts[] = {rows ? bl_table_csv(rows, 0, err) : NULL, bl_tree_text(ranking, err),
                     bl_rank_html(ranking, err)};
    static const char *const names[] = {"ranking.csv", "ranking.json", "index.html"};
    bool ok = rows != NULL;
    for (size_t i = 0; i < 3; i++) {
        char *path = ok && texts[i] ? bl_path_join(staging, names[i], err) : NULL;
        ok = path && bl_text_write(path, texts[i], err);
        free(path);
    }
    for (size_t i = 0; i < 3; i++) bl_free(texts[i]);
    bl_table_free(rows);
    return ok;
}

/* Only an empty folder or an older index is replaced. */
static bool check_folder(const char *folder, bl_error *err) {
    char *mark = bl_path_join(folder, "ranking.json", err);
    bool ok =
        mark && (!bl_file_exists(folder) || bl_file_exists(mark) ||
                 bl_fail(err, BL_ERR_INPUT,
                         "%s: exists and is no report on many directions; name another folder", folder));
    free(mark);
    return ok;
}

static bool make_pages(common *c, report_options *o, const bl_model *model, const char *staging,
                       bl_tree *ranking, bl_error *err) {
    bool *wanted = calloc(o->own.given->F, sizeof *wanted), ok = wanted != NULL;
    size_t n = 0, done = 0, i;
    json_t *row;
    bl_progress progress = progress_bar(c->quiet);
    if (!ok) return bl_fail(err, BL_ERR_MEMORY, "out of memory");
    ok = choose(o, ranking, wanted, &n, err);
    json_array_foreach(json_object_get(ranking, "directions"), i, row) {
        if (ok) json_object_set_new(row, "page", json_null());
        if (!ok || !wanted[(size_t)bl_tree_real(row, "row")]) continue;
        ok =
            bl_progress_step(&progress, "pages", done++, n, err) && make_page(c, o, model, staging, row, err);
    }
    progress_end();
    free(wanted);
    if (ok && !o->rows && DEFAULT_PAGES < o->own.given->F)
        note(
            c,
            "bilens: report: pages of the %zu that stand out most of %zu directions; --rows A-B names others",
            n, o->own.given->F);
    return ok;
}

static bl_tree *rank_all(common *c, report_options *o, const bl_model *model, bl_error *err) {
    bl_rank_question question = {.model = model,
                                 .layer = o->direction.layer,
                                 .source = o->own.source,
                                 .u = o->own.given->encoder,
                                 .F = o->own.given->F,
                                 .names = o->own.basis.labels,
                                 .null_draws = o->null_draws,
                                 .progress = progress_bar(c->quiet)};
    bl_tree *ranking = bl_rank_tree(&question, err);
    progress_end();
    return ranking;
}

int report_rows(const verb *self, common *c, report_options *o, const char *folder) {
    bl_error err = {0};
    bl_staging staging = {0};
    bl_tree *ranking = NULL;
    bl_model *model = NULL;
    char *path = bl_trim_slashes(folder, "the report", &err);
    bool ok = path && check_folder(path, &err) && (model = load_model(c, &err)) != NULL &&
              read_own_directions(&o->own, bl_model_config(model)->d_model, &err) &&
              (ranking = rank_all(c, o, model, &err)) != NULL &&
              bl_staging_make(&staging, path, false, "the report", &err) &&
              make_pages(c, o, model, staging.path, ranking, &err) &&
              write_index(staging.path, ranking, &err) && bl_staging_place(&staging, path, &err);
    bl_staging_free(&staging, !ok);
    bl_model_free(model);
    free(path);
    if (!ok) {
        bl_tree_free(ranking);
        return fail_with(self, &err);
    }
    note(c, "%s/index.html is written: open it in a browser", folder);
    static const view how = {.rows = bl_rank_rows};
    return tell_tree(self, c, ranking, &how, &err);
}
