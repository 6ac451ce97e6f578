/** @file report.h  Rendering of results: terminal, figures, pages.
 *  It needs the trees and tables of result.h only, never a model. */
#ifndef BILENS_REPORT_H
#define BILENS_REPORT_H

#include <bilens/result.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a terminal shows things. */
typedef enum bl_colour { BL_COLOUR_NONE, BL_COLOUR_256, BL_COLOUR_24BIT } bl_colour;

typedef struct bl_terminal {
    bl_colour colour;
    size_t width; /**< columns; 0 = unlimited */
    bool dark;    /**< the background is dark: zero is drawn as that, not as white */
    bool fold;    /**< weak sources of virtual tokens are named in a line, not shown */
    bool plain;   /**< nothing marks degenerate eigenvalues */
} bl_terminal;

/** Text for people, as the paper's notebook shows it. `tree` is what result.h makes, or anyone: it is
 * checked, and BL_ERR_INPUT names the key that is wrong. Control characters and escape sequences in tokens
 * are made visible. `terminal` NULL: no colour, unlimited width. Free with bl_free. */
BL_API char *bl_info_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Of an eigen result: virtual tokens per eigenvector and source. */
BL_API char *bl_eigen_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Of a scan result: the top inputs, words on the colours of their contributions. */
BL_API char *bl_scan_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** The essence of a report: model, direction, spectrum in words, each eigenvector's strongest virtual tokens
 * and inputs. */
BL_API char *bl_report_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** An atlas's answer (bl_atlas_tree): a list of directions, or everything about one. */
BL_API char *bl_atlas_table(const bl_tree *answer, const bl_terminal *terminal, bl_error *err);
/** Evidence (evidence.h): an account, a truncation curve, an ablation. */
BL_API char *bl_explain_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Of a diff result. */
BL_API char *bl_diff_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Of a truncation curve, with its controls. */
BL_API char *bl_truncate_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Of an ablation beside its controls. */
BL_API char *bl_ablate_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** A bl_layers_tree. */
BL_API char *bl_layers_table(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** One line on what the surrogate behind a result is worth; empty for a result without one. */
BL_API char *bl_quality_line(const bl_tree *tree, const bl_terminal *terminal, bl_error *err);
/** Any table as aligned columns: texts to the left, numbers to the right. */
BL_API char *bl_table_shown(const bl_table *table, const bl_terminal *terminal, bl_error *err);
/** For LaTeX: any table as a tabular with booktabs; virtual tokens as one per eigenvector, values on their
 * colours (xcolor), weak sources left out; top inputs as running text, words on their colours. `how` NULL or
 * its `plain`. Free with bl_free. */
BL_API char *bl_table_latex(const bl_table *table, bl_error *err);
/** Of an eigen result. */
BL_API char *bl_eigen_latex(const bl_tree *tree, const bl_terminal *how, bl_error *err);
/** Of a scan result. */
BL_API char *bl_scan_latex(const bl_tree *tree, const bl_terminal *how, bl_error *err);
/** What a function above wrote for a terminal (24-bit or 256 colours) as an SVG drawing of the same
 * characters and colours, on white or, with `dark`, on a dark page. `text` NULL gives NULL. Free with
 * bl_free. */
BL_API char *bl_terminal_svg(const char *text, bool dark, bl_error *err);
/** Pieces of a page, for a notebook's cells: one `div` of class `bilens` each, with its own style that
 * touches nothing else, without script. The config and tensors of an info result; an eigen result's spectrum;
 * its tables of virtual tokens; a scan's matches. Free with bl_free. */
BL_API char *bl_info_html(const bl_tree *tree, bl_error *err);
/** An eigen result's spectrum as a drawing. */
BL_API char *bl_spectrum_html(const bl_tree *tree, bl_error *err);
/** An eigen result's tables of virtual tokens. */
BL_API char *bl_virtual_tokens_html(const bl_tree *tree, bl_error *err);
/** A scan result's matches. */
BL_API char *bl_scan_html(const bl_tree *tree, bl_error *err);

/** How a figure looks, wherever one is drawn; all zero is the figure's own way, and so is NULL for the whole
 * struct. */
typedef struct bl_figure_options {
    double width, height; /**< millimetres, 10 to 1000; 0: the figure's own. Of one alone the other follows in
                             proportion */
    double size;          /**< of text, in points, 3 to 72; 0: 10 */
    const char *font;  /**< family, as fontconfig knows it, which puts the nearest it has in the place of one
                             it lacks; NULL: sans-serif */
    const char *title; /**< above the figure; NULL: its own, "": none */
    bool no_marks;     /**< leave out what is marked: eigenvectors and degenerate groups, points of a curve,
                             numbers beside pictures and points */
    bool plain;        /**< leave out what marks degenerate eigenvalues, and nothing else */
    bool dark;         /**< light on dark: the hues stay, lightness is reversed */
} bl_figure_options;
/** Whether all numbers are in their ranges and a font has a name: BL_ERR_USAGE says what is not. The figures
 * ask, too; asked before the work, nothing is computed in vain. */
BL_API bool bl_figure_check(const bl_figure_options *options, bl_error *err);

/** The spectrum as a figure; the suffix decides: .svg, .png or .pdf. `tree` is bl_eigen_tree's; `options` may
 * be NULL. BL_ERR_USAGE for another suffix and for options that are bad or leave no room. Atomic. */
BL_API bool bl_spectrum_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                               bl_error *err);

/** Loss against rank, with its controls; `tree` is that of truncate (evidence.h). Otherwise as above. */
BL_API bool bl_truncate_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                               bl_error *err);

/** The cosines of a training run's snapshots with the last one; `tree` is that of diff --timeline. Otherwise
 * as above. */
BL_API bool bl_timeline_figure(const bl_tree *tree, const bl_figure_options *options, const char *path,
                               bl_error *err);

/** The loss curve of a training run, from its log.jsonl; the suffix of `path` decides: .svg, .png or .pdf.
 * Atomic. */
BL_API bool bl_loss_figure(const char *log, const char *path, bl_error *err);

/** The index page of many directions: the table of bl_rank_tree, in which a direction that has a "page" (a
 * relative address) links to it. Free with bl_free. */
BL_API char *bl_rank_html(const bl_tree *ranking, bl_error *err);

/** Whether a report may be written to `directory`: false with BL_ERR_INPUT when it is a file, or a folder
 * whose index.html is not a report's. bl_report_render asks, too; asked before the work, nothing is computed
 * in vain. */
BL_API bool bl_report_check_place(const char *directory, bl_error *err);

/** Renders a report's tree into `directory` (made if missing): index.html, figures/spectrum.{svg,png,pdf},
 * tables/ (CSV). With `eigen` also eigenvalues.npy [n] and eigenvectors.npy [n pairs, n] (NULL: these two are
 * left as they are). `figures` says how the figures look (NULL: as they are by default). report.json is
 * written last. Everything is made in a staging folder first (beside the directory, or inside it when it
 * exists): on failure nothing of an older report is touched. The same tree gives the same bytes. */
BL_API bool bl_report_render(const bl_tree *tree, const bl_eigen *eigen, const bl_figure_options *figures,
                             const char *directory, bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
