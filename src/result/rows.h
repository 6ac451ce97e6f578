/* Tables of a document that is already read. NULL with BL_ERR_MEMORY. */
#ifndef BL_RESULT_ROWS_H
#define BL_RESULT_ROWS_H
#include "result/document.h"
#include <bilens/tree.h>

bl_table *bl_rows_of_tensors(const bl_doc_info *info, bl_error *err);
bl_table *bl_rows_of_spectrum(const bl_doc_eigen *eigen, bl_error *err);
bl_table *bl_rows_of_virtual_tokens(const bl_doc_eigen *eigen, bl_error *err);
bl_table *bl_rows_of_inputs(const bl_doc_scan *scan, bl_error *err);
#endif
