/** @file base.h  Errors, array views, progress: what every room of the library shares.
 *
 *  Conventions of the whole library
 *  - A function that can fail takes `bl_error *err` last (NULL is allowed) and returns NULL or false on
 * failure.
 *  - Nothing prints, exits or reads the environment.
 *  - Who creates frees, with the matching `_free`; every `_free` accepts NULL.
 *  - Handles are immutable after creation and may be shared between threads unless a comment says otherwise.
 *  - Matrices are row-major float32. Shapes are written in the letters of the specification:
 *    V vocabulary, d d_model, h d_hidden, H heads, k = d/H head width, T positions.
 */
#ifndef BILENS_BASE_H
#define BILENS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BL_API __attribute__((visibility("default")))
#define BL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define BL_API
#define BL_PRINTF(f, a)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Kinds of failure. The command line exits with 2 for usage, input and unsupported, with 1 for the others.
 */
typedef enum bl_code {
    BL_OK = 0,
    BL_ERR_USAGE,       /**< an argument is wrong: unknown token, index out of range, bad option */
    BL_ERR_INPUT,       /**< a file that was given is missing, unreadable or malformed, or an output cannot be
                           created */
    BL_ERR_UNSUPPORTED, /**< valid, but bilens cannot do it: a gated MLP asked for its eigenvectors */
    BL_ERR_IO,          /**< reading or writing failed while working: disk full, I/O error */
    BL_ERR_MEMORY,      /**< an allocation failed */
    BL_ERR_NUMERIC,     /**< LAPACK did not converge, a value became NaN */
    BL_ERR_CANCELLED    /**< the progress callback asked to stop */
} bl_code;

/** What went wrong, in one sentence that names the thing, what was found, and what was expected. No
 * allocation. */
typedef struct bl_error {
    bl_code code;
    char message[1024];
} bl_error;

/** The code's name, e.g. "input". Never NULL. */
BL_API const char *bl_code_name(bl_code code);

/** A read-only row-major matrix that somebody else owns: element (r, c) is `data[r * stride + c]`. */
typedef struct bl_view {
    const float *data;
    size_t rows, cols, stride;
} bl_view;

/** The function g of a gated or plain MLP; NONE: bilinear. */
typedef enum bl_gate { BL_GATE_NONE, BL_GATE_RELU, BL_GATE_SILU, BL_GATE_GELU, BL_GATE_GELU_TANH } bl_gate;

/** Called now and then from long work, always from the calling thread or with the library's lock held.
 *  `phase` is a short name, `done` of `total` (0 = unknown) in the phase's own unit. Return false to stop the
 * work: the function then fails with BL_ERR_CANCELLED and leaves no half-written file. */
typedef bool (*bl_progress_fn)(void *context, const char *phase, uint64_t done, uint64_t total);

typedef struct bl_progress {
    bl_progress_fn report; /**< NULL: silent */
    void *context;
} bl_progress;

/** Says whether the work is to end; called from any thread. */
typedef bool (*bl_stop_fn)(void);

/** Sets a function that is asked between the pieces of any work, by any thread, and when a signal interrupts
 * a wait: true ends the work with BL_ERR_CANCELLED. It must be quick and safe to call from several threads
 * at once. NULL: nobody is asked. Process-wide. For programs that are ended by signals; progress callbacks
 * go on as well. */
BL_API void bl_set_stop(bl_stop_fn asked);

/** From bl_interrupt_watch(true) to the same with false SIGINT ends any work that is under way, as
 * bl_set_stop's function does, and then goes to the handler that the program has; a program without one
 * is left as it is. For programs whose own handler runs only after a call has returned, as Python's does.
 * Pairs may be nested; one thread makes them. Each call forgets a SIGINT of before. Process-wide. */
BL_API void bl_interrupt_watch(bool on);

/** Forgets a SIGINT that has been dealt with otherwise, in a progress callback for example. */
BL_API void bl_interrupt_forget(void);

/** The library's version, e.g. "0.1.0". */
BL_API const char *bl_version(void);

/** Threads for the library and its BLAS; 0 = all cores. Process-wide. Returns the number in force. */
BL_API int bl_set_threads(int threads);

/** Frees memory that a bilens function returned as a plain pointer (char *, float *). NULL is allowed. */
BL_API void bl_free(void *pointer);

#ifdef __cplusplus
}
#endif
#endif
