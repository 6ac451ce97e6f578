/* The spectrum's figure from a document that is already read. */
#ifndef BL_REPORT_FIGURE_H
#define BL_REPORT_FIGURE_H
#include "result/document.h"

/* The suffix of `path` decides: .svg, .png or .pdf; the same eigenvalues give the same bytes. BL_ERR_USAGE
 * for another suffix. */
bool bl_figure_write(const bl_doc_eigen *eigen, const char *path, bl_error *err);
#endif
