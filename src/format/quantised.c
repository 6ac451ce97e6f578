/* From blocks to numbers, in the very float32 operations of gguf-py's dequantize: a product and a sum are
 * two statements, so that no compiler fuses them into one rounding.
 *
 * d and m are half-precision scales, q the small integers:
 *
 *   Q4_0, Q5_0, Q8_0   d (q - 8), d (q - 16), d q                  blocks of 32
 *   Q4_1, Q5_1         d q + m
 *   IQ4_NL             d v[q], of a fixed table
 *   Q2_K, Q4_K, Q5_K   (d s) q - (m t), s and t for 16 or 32 of    blocks of 256
 *   Q3_K, Q6_K         (d s) q, q with its offset taken off
 *
 * In blocks of 32, byte j holds the low four bits of numbers j and j + 16. In blocks of 256, a byte holds
 * the bits of numbers that lie 32 apart. */
#include "format/numbers.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static float half(const unsigned char *at) {
    float value;
    bl_type_f16.read(at, 1, &value);
    return value;
}

/* The low or high four bits of number i < 32 at qs [16]. */
static inline unsigned nibble(const unsigned char *qs, size_t i) {
    return i < 16 ? qs[i] & 15U : qs[i - 16] >> 4;
}

static void read_q4_0(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 18) {
        float d = half(block);
        for (size_t i = 0; i < 32; i++) to[i] = d * (float)((int)nibble(block + 2, i) - 8);
    }
}

static void read_q4_1(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 20) {
        float d = half(block), m = half(block + 2);
        for (size_t i = 0; i < 32; i++) {
            float product = d * (float)nibble(block + 4, i);
            to[i] = product + m;
        }
    }
}

/* The five bits of number i: the fifth stands in a word of its own. */
static inline unsigned five_bits(const unsigned char *high, const unsigned char *low, size_t i) {
    return nibble(low, i) | ((unsigned)high[i / 8] >> i % 8 & 1U) << 4;
}

static void read_q5_0(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 22) {
        float d = half(block);
        for (size_t i = 0; i < 32; i++) to[i] = d * (float)((int)five_bits(block + 2, block + 6, i) - 16);
    }
}

static void read_q5_1(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 24) {
        float d = half(block), m = half(block + 2);
        for (size_t i = 0; i < 32; i++) {
            float product = d * (float)five_bits(block + 4, block + 8, i);
            to[i] = product + m;
        }
    }
}

static void read_q8_0(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 34) {
        float d = half(block);
        for (size_t i = 0; i < 32; i++) to[i] = (float)(int8_t)block[2 + i] * d;
    }
}

static void read_iq4_nl(const unsigned char *from, size_t n, float *to) {
    static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};
    for (const unsigned char *block = from; n > 0; n -= 32, to += 32, block += 18) {
        float d = half(block);
        for (size_t i = 0; i < 32; i++) to[i] = d * (float)values[nibble(block + 2, i)];
    }
}

/* Two bits of number i < 256: 128 numbers share 32 bytes. */
static inline unsigned two_bits(const unsigned char *qs, size_t i) {
    return (unsigned)qs[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3U;
}

/* scales [16], qs [64], d, m */
static void read_q2_k(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 256, to += 256, block += 84) {
        float d = half(block + 80), m = half(block + 82);
        for (size_t i = 0; i < 256; i++) {
            float scale = d * (float)(block[i / 16] & 15U), least = m * (float)(block[i / 16] >> 4);
            float product = scale * (float)two_bits(block + 16, i);
            to[i] = product - least;
        }
    }
}

/* Scale i < 16, six bits: the low four in bytes 0 to 7, the high two in bytes 8 to 11. */
static inline int q3_scale(const unsigned char *scales, size_t i) {
    unsigned low = i < 8 ? scales[i] & 15U : (unsigned)scales[i - 8] >> 4;
    unsigned high = (unsigned)scales[8 + i % 4] >> i / 4 * 2 & 3U;
    return (int)(low | high << 4) - 32;
}

/* high [32], a bit that is 0 takes four off; qs [64], scales [12], d */
static void read_q3_k(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 256, to += 256, block += 110) {
        float d = half(block + 108);
        for (size_t i = 0; i < 256; i++) {
            float scale = d * (float)q3_scale(block + 96, i / 16);
            int high = block[i % 32] >> i / 32 & 1;
            to[i] = scale * (float)((int)two_bits(block + 32, i) - (high ? 0 : 4));
        }
    }
}

/* Scale and least of the 32 numbers i < 8, six bits each, in 12 bytes. */
static inline void q4_scales(const unsigned char *at, size_t i, unsigned *scale, unsigned *least) {
    if (i < 4) {
        *scale = at[i] & 63U, *least = at[i + 4] & 63U;
        return;
    }
    *scale = (at[i + 4] & 15U) | (unsigned)(at[i - 4] >> 6) << 4;
    *least = (unsigned)at[i + 4] >> 4 | (unsigned)(at[i] >> 6) << 4;
}

/* d, m, scales [12], high bits [32] (Q5_K), qs [128]: 64 numbers share 32 bytes */
static void read_q45_k(const unsigned char *from, size_t n, float *to, bool five) {
    for (const unsigned char *block = from; n > 0; n -= 256, to += 256, block += five ? 176 : 144) {
        float d = half(block), m = half(block + 2);
        const unsigned char *high = block + 16, *qs = five ? high + 32 : high;
        for (size_t g = 0; g < 8; g++) {
            unsigned s, t;
            q4_scales(block + 4, g, &s, &t);
            float scale = d * (float)s, least = m * (float)t;
            for (size_t j = 0; j < 32; j++) {
                unsigned q = (unsigned)qs[g / 2 * 32 + j] >> g % 2 * 4 & 15U;
                if (five) q |= (high[j] >> g & 1U) << 4;
                float product = scale * (float)q;
                to[32 * g + j] = product - least;
            }
        }
    }
}

static void read_q4_k(const unsigned char *from, size_t n, float *to) { read_q45_k(from, n, to, false); }
static void read_q5_k(const unsigned char *from, size_t n, float *to) { read_q45_k(from, n, to, true); }

/* low [128]: 128 numbers share 64 bytes; high [64]; scales [16]; d */
static void read_q6_k(const unsigned char *from, size_t n, float *to) {
    for (const unsigned char *block = from; n > 0; n -= 256, to += 256, block += 210) {
        float d = half(block + 208);
        for (size_t i = 0; i < 256; i++) {
            unsigned low = (unsigned)block[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15U;
            unsigned high = two_bits(block + 128, i);
            float scale = d * (float)(int8_t)block[192 + i / 16];
            to[i] = scale * (float)((int)(low | high << 4) - 32);
        }
    }
}

const bl_number_type bl_type_q4_0 = {"Q4_0", 32, 18, read_q4_0}, bl_type_q4_1 = {"Q4_1", 32, 20, read_q4_1},
                     bl_type_q5_0 = {"Q5_0", 32, 22, read_q5_0}, bl_type_q5_1 = {"Q5_1", 32, 24, read_q5_1},
                     bl_type_q8_0 = {"Q8_0", 32, 34, read_q8_0}, bl_type_q2_k = {"Q2_K", 256, 84, read_q2_k},
                     bl_type_q3_k = {"Q3_K", 256, 110, read_q3_k},
                     bl_type_q4_k = {"Q4_K", 256, 144, read_q4_k},
                     bl_type_q5_k = {"Q5_K", 256, 176, read_q5_k},
                     bl_type_q6_k = {"Q6_K", 256, 210, read_q6_k},
                     bl_type_iq4_nl = {"IQ4_NL", 32, 18, read_iq4_nl};
