/* The readers of the three parts of a result; used by document.c only. */
#ifndef BL_RESULT_DOCUMENT_PARTS_H
#define BL_RESULT_DOCUMENT_PARTS_H
#include "result/document.h"
#include "result/reader.h"

const bl_doc_info *bl_doc_read_info(bl_reader *reader, const json_t *json);
const bl_doc_eigen *bl_doc_read_eigen(bl_reader *reader, const json_t *json);
const bl_doc_scan *bl_doc_read_scan(bl_reader *reader, const json_t *json);
/* "model", "layer", "token", "minus", "direction". */
bool bl_doc_read_subject(bl_reader *reader, const json_t *json, bl_doc_subject *subject);
/* Turns the sign of a vector's virtual tokens: the lowest become the highest. */
void bl_doc_turn(bl_doc_vector *vector);
#endif
