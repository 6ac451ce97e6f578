/* How numbers stand in a file of weights: plain ones one by one, quantised ones in blocks that share a
 * scale. */
#ifndef BL_FORMAT_NUMBERS_H
#define BL_FORMAT_NUMBERS_H
#include <stddef.h>

typedef struct bl_number_type {
    const char *name;    /* "F32", "Q4_K" */
    size_t block, bytes; /* so many numbers stand in so many bytes */
    /* Converts n numbers, a multiple of `block`, to float32; `from` may have any alignment. */
    void (*read)(const unsigned char *from, size_t n, float *to);
} bl_number_type;

extern const bl_number_type bl_type_f32, bl_type_f16, bl_type_bf16, bl_type_f64, bl_type_u8;

/* The quantised types of GGUF files: numbers in blocks of 32 or 256 that share scales (quantised.c). */
extern const bl_number_type bl_type_q4_0, bl_type_q4_1, bl_type_q5_0, bl_type_q5_1, bl_type_q8_0,
    bl_type_q2_k, bl_type_q3_k, bl_type_q4_k, bl_type_q5_k, bl_type_q6_k, bl_type_iq4_nl;
#endif
