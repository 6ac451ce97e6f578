/* The readers of the three parts of a result; used by document.c only. */
#ifndef BL_RESULT_DOCUMENT_PARTS_H
#define BL_RESULT_DOCUMENT_PARTS_H
#include "result/document.h"
#include "result/json_reader.h"

const bl_doc_info *bl_doc_read_info(bl_reader *reader, const json_t *json);
const bl_doc_eigen *bl_doc_read_eigen(bl_reader *reader, const json_t *json);
const bl_doc_scan *bl_doc_read_scan(bl_reader *reader, const json_t *json);
const bl_doc_heads *bl_doc_read_heads(bl_reader *reader, const json_t *json);
/* A source of a vector: the lists "top" and "bottom" of [token, value], or of [query, key, value], whose name
 * is "key … query"; vector->largest grows with it. */
bool bl_doc_read_source(bl_reader *reader, const json_t *json, bl_doc_source *source, bl_doc_vector *vector);
/* "model", "layer", "token", "minus", "direction". */
bool bl_doc_read_subject(bl_reader *reader, const json_t *json, bl_doc_subject *subject);
/* Turns the sign of a vector's virtual tokens: the lowest become the highest. */
void bl_doc_turn(bl_doc_vector *vector);
#endif
