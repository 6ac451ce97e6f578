#include "format/numbers.h"
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files of weights are little-endian");

static void read_f32(const unsigned char *from, size_t n, float *to) { memcpy(to, from, n * sizeof *to); }

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Without a branch, so that it is done in vectors. The exponent's bias grows from 15 to 127 by the product,
 * which also makes subnormal halves normal; infinity and NaN get the exponent that is all ones. */
static inline float from_half(uint16_t half) {
    uint32_t bits;
    float scaled = from_bits((uint32_t)(half & 0x7fff) << 13) * 0x1p112F;
    memcpy(&bits, &scaled, sizeof bits);
    bits |= (half & 0x7c00) == 0x7c00 ? 0x7f800000U : 0;
    return from_bits(bits | (uint32_t)(half & 0x8000) << 16);
}

static void read_f16(const unsigned char *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        to[i] = from_half(half);
    }
}

static void read_bf16(const unsigned char *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        memcpy(&half, from + 2 * i, sizeof half);
        to[i] = from_bits((uint32_t)half << 16);
    }
}

static void read_f64(const unsigned char *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) {
        double value;
        memcpy(&value, from + 8 * i, sizeof value);
        to[i] = (float)value;
    }
}

static void read_u8(const unsigned char *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i];
}

const bl_number_type bl_type_f32 = {"F32", 1, 4, read_f32}, bl_type_f16 = {"F16", 1, 2, read_f16},
                     bl_type_bf16 = {"BF16", 1, 2, read_bf16}, bl_type_f64 = {"F64", 1, 8, read_f64},
                     bl_type_u8 = {"U8", 1, 1, read_u8};
