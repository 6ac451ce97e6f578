/** @file blas.h  The BLAS underneath: which it is, and whether it computes what it should.
 *
 * OpenBLAS chooses its kernels by the processor. Kernels older than a processor have given wrong products on
 * it, or ended the program. So the library checks once, at its first model or decomposition, and refuses to
 * compute with kernels that are wrong. */
#ifndef BILENS_BLAS_H
#define BILENS_BLAS_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Compares some products and an eigenproblem with plain loops: the first call does (about 2 ms), later ones
 * repeat its answer. False with BL_ERR_UNSUPPORTED, which names the kernel and what was wrong.
 * Thread-safe. */
BL_API bool bl_blas_check(bl_error *err);

/** The BLAS and its kernel, e.g. "OpenBLAS 0.3.21 (SkylakeX)". Never NULL. */
BL_API const char *bl_blas_name(void);
/** The kernel alone, e.g. "SkylakeX", as OPENBLAS_CORETYPE has it. Never NULL. */
BL_API const char *bl_blas_kernel(void);
/** The kernel that OpenBLAS is going to choose, for a program that wants to ask for another one before the
 * libraries start (in .preinit_array, where no constructor has run yet); NULL with another BLAS. Not for a
 * process that computes already. */
BL_API const char *bl_blas_kernel_foreseen(void);

#ifdef __cplusplus
}
#endif
#endif
