#include "linear/attend.h"

#if defined(__x86_64__)
static const bl_attend_kernel avx512 = {"AVX-512", bl_attend_avx512}, avx2 = {"AVX2", bl_attend_avx2};
#endif
static const bl_attend_kernel plain = {"portable", bl_attend_plain};

size_t bl_attend_all(const bl_attend_kernel *out[3]) {
    size_t n = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        out[n++] = &avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) out[n++] = &avx2;
#endif
    out[n++] = &plain;
    return n;
}

const bl_attend_kernel *bl_attend_best(void) {
    const bl_attend_kernel *all[3];
    bl_attend_all(all);
    return all[0];
}
