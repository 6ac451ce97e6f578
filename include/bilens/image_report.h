/** @file image_report.h  Pictures and pages of image models (docs/specification.md, 20). */
#ifndef BILENS_IMAGE_REPORT_H
#define BILENS_IMAGE_REPORT_H

#include <bilens/image_result.h>
#include <bilens/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An eigen result for the terminal: figures, and each eigenvector with its picture where the terminal has
 * colours. Free
 *  with bl_free. */
BL_API char *bl_image_eigen_table(const bl_tree *eigen, const bl_terminal *terminal, bl_error *err);
/** The essence of a report. */
BL_API char *bl_image_report_table(const bl_tree *report, const bl_terminal *terminal, bl_error *err);

/** An eigen result's spectrum and pictures; the suffix decides: .svg, .png or .pdf. `options` may be NULL,
 * here and below. Atomic. */
BL_API bool bl_image_figure(const bl_tree *eigen, const bl_figure_options *options, const char *path,
                            bl_error *err);
/** Eight eigenvectors of every class, the four highest and the four lowest: `eigens` [C]. */
BL_API bool bl_image_gallery(const bl_image_model *model, bl_image_eigen *const *eigens,
                             const bl_figure_options *options, const char *path, bl_error *err);

/** Writes a report's JSON as `directory`/index.html with report.json and figures: the gallery of all classes
 * first, then
 *  the direction with its top images and its truncation curve. The folder appears as a whole, in the place
 * of an older
 *  report; another folder that is not empty is refused. */
BL_API bool bl_image_report_render(const bl_tree *report, const bl_image_model *model,
                                   bl_image_eigen *const *eigens, const bl_images *images,
                                   const bl_figure_options *figures, const char *directory, bl_error *err);

/** A study's table as a figure: accuracy and effective rank of every setting with its interval. Atomic. */
BL_API bool bl_image_study_figure(const bl_tree *study, const bl_figure_options *options, const char *path,
                                  bl_error *err);

#ifdef __cplusplus
}
#endif
#endif
