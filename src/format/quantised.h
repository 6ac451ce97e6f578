/* The quantised types of GGUF files: numbers in blocks of 32 or 256 that share scales. */
#ifndef BL_FORMAT_QUANTISED_H
#define BL_FORMAT_QUANTISED_H
#include "format/numbers.h"

extern const bl_number_type bl_type_q4_0, bl_type_q4_1, bl_type_q5_0, bl_type_q5_1, bl_type_q8_0,
    bl_type_q2_k, bl_type_q3_k, bl_type_q4_k, bl_type_q5_k, bl_type_q6_k, bl_type_iq4_nl;
#endif
