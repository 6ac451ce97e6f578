/* The tables as CSV, from a document that is already read. */
#ifndef BL_RESULT_CSV_H
#define BL_RESULT_CSV_H
#include "base/buffer.h"
#include "result/document.h"

void bl_csv_tensors(bl_buffer *out, const bl_doc_info *info);
void bl_csv_spectrum(bl_buffer *out, const bl_doc_eigen *eigen);
void bl_csv_virtual_tokens(bl_buffer *out, const bl_doc_eigen *eigen);
void bl_csv_inputs(bl_buffer *out, const bl_doc_scan *scan);
#endif
