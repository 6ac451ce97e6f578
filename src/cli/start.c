/* What has to be settled before the libraries start: libgomp and OpenBLAS read their settings from the
 * environment, and reserve memory, before main. So this runs before their constructors do (.preinit_array).
 *
 * OMP_WAIT_POLICY: idle OpenMP threads spin by default. Beside any other busy process that costs up to a
 * hundredfold (seen: an eigendecomposition of 0.1 s took 15 s); waiting asleep costs nothing measurable.
 * OPENBLAS_CORETYPE: an OpenBLAS that is older than the processor falls back to kernels of 2004 (Prescott),
 * several times slower than what the processor can do: then the newest kernels that its instructions allow
 * are asked for.
 * OMP_DYNAMIC, OMP_MAX_ACTIVE_LEVELS=0: fewer threads than OpenBLAS counts with, for which it would wait for
 * ever. OMP_NUM_THREADS: no more than a limit on the address space has room for; OpenBLAS tries for ever to
 * get more.
 *
 * The array of the environment has no room for new entries, and the C library takes it as it is when main's
 * time comes. What is only to be added stands meanwhile in the place of an entry that no library reads
 * (lend), which is put back in main (give_back); otherwise the program starts itself again in the changed
 * environment, which costs as much as its start. */
#include "base/processors.h"
#include "cli/start.h"
#include <bilens/blas.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CORETYPE "OPENBLAS_CORETYPE"
#define MAX_ADDED 3

void start_again(char **argv, char **environment) {
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    execve(self, argv, environment); /* by its name, which is the process's name then */
    execve("/proc/self/exe", argv, environment);
}

/* The value of the variable if `entry` ("NAME=value") is it, or NULL. */
static const char *value_of(const char *entry, const char *name) {
    size_t n = strlen(name);
    return strncmp(entry, name, n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* Threads that the address space has room for; LONG_MAX without a limit. Ends the process if not even one
 * has. */
static long threads_with_room(void) {
    const char *option;
    uint64_t limit = bl_memory_limit(&option);
    long room = limit == UINT64_MAX ? LONG_MAX : bl_threads_in(limit);
    if (room > 0) return room;
    dprintf(STDERR_FILENO,
            "bilens: memory is limited to %llu MB, of which OpenBLAS alone reserves more: "
            "allow at least 500 (ulimit -%s 500000)\n",
            (unsigned long long)limit >> 20, option);
    _exit(1);
}

/* The kernels to ask for in place of `chosen`, as NAME=VALUE, or NULL where that is as good as it can be. */
static const char *newer_kernels(const char *chosen) {
#ifdef __x86_64__
    if (!chosen || strcasecmp(chosen, "Prescott") != 0) return NULL;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return NULL;
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    return avx512 ? CORETYPE "=SkylakeX" : CORETYPE "=Haswell";
#else
    (void)chosen;
    return NULL;
#endif
}

/* Entries of the environment that stood where others stand until main. */
static char *lent[MAX_ADDED];
static size_t n_lent;

/* Puts all of `added` in the places of entries that only shells read; false where there are too few. */
static bool lend(char **environment, char *const *added, size_t n) {
    static const char *const readers_are_shells[] = {"_", "OLDPWD", "SHLVL", "PWD", "LS_COLORS", "PS1"};
    char **places[MAX_ADDED];
    size_t found = 0;
    for (char **entry = environment; *entry && found < n; entry++)
        for (size_t i = 0; i < sizeof readers_are_shells / sizeof *readers_are_shells; i++)
            if (found < n && value_of(*entry, readers_are_shells[i])) places[found++] = entry;
    if (found < n) return false;
    for (size_t i = 0; i < n; i++) {
        lent[n_lent++] = *places[i];
        *places[i] = added[i];
    }
    return true;
}

static void give_back(void) {
    while (n_lent) putenv(lent[--n_lent]); /* as it was, on the stack of the process */
}

static void before_libraries(int argc, char **argv, char **environment) {
    (void)argc;
    size_t n = 0, kept = 0, n_added = 0;
    while (environment[n]) n++;
    char *changed[n + MAX_ADDED + 1], *added[MAX_ADDED];
    static char threads[48];
    long room = threads_with_room(), asked = LONG_MAX;
    bool drops = false, waits = false, kernels = false;
    for (size_t i = 0; i < n; i++) {
        const char *dynamic = value_of(environment[i], "OMP_DYNAMIC"),
                   *levels = value_of(environment[i], "OMP_MAX_ACTIVE_LEVELS"),
                   *number = value_of(environment[i], "OMP_NUM_THREADS");
        bool drop =
            (dynamic && strcasecmp(dynamic, "false") != 0) || (levels && strtol(levels, NULL, 10) < 1);
        if (number && strtol(number, NULL, 10) > 0) {
            asked = strtol(number, NULL, 10);
            drop = asked > room;
        }
        waits |= value_of(environment[i], "OMP_WAIT_POLICY") || value_of(environment[i], "GOMP_SPINCOUNT");
        kernels |= value_of(environment[i], CORETYPE) != NULL;
        drops |= drop;
        if (!drop) changed[kept++] = environment[i];
    }
    const char *newer = kernels ? NULL : newer_kernels(bl_blas_kernel_foreseen());
    if (!waits) added[n_added++] = (char *)(uintptr_t) "OMP_WAIT_POLICY=passive";
    if (newer) added[n_added++] = (char *)(uintptr_t)newer;
    if (room < asked) {
        snprintf(threads, sizeof threads, "OMP_NUM_THREADS=%ld", room);
        added[n_added++] = threads;
    }
    if (!drops && lend(environment, added, n_added)) return;
    memcpy(changed + kept, added, n_added * sizeof *added);
    changed[kept + n_added] = NULL;
    start_again(argv, changed); /* where it fails, things are only slower */
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **,
                                                                            char **) = before_libraries;

/* NOLINTBEGIN(bugprone-signal-handler): SIGILL comes from a kernel of OpenBLAS itself, so that no call of the
 * C library is interrupted, and the handler's work ends in another program. */

/* The kernels that come before those in use, newest first; all are in Debian's OpenBLAS for x86-64. */
static const char *older_kernel(void) {
    static const char *const kernels[] = {"Sapphirerapids", "Cooperlake", "SkylakeX", "Zen", "Haswell",
                                          "Sandybridge",    "Nehalem",    "Prescott", NULL};
    const char *now = bl_blas_kernel();
    for (size_t i = 0; kernels[i]; i++)
        if (strcasecmp(kernels[i], now) == 0)
            return strcmp(kernels[i], "Zen") == 0 ? "Sandybridge" : kernels[i + 1];
    return "Haswell";
}

static char **arguments; /* main's, for the handler */

static void with_older_kernels(const char *reason) {
    const char *older = older_kernel();
    if (!older) return;
    if (strcmp(older, "Zen") == 0) older = "Haswell"; /* the same, for another maker's processors */
    dprintf(STDERR_FILENO, "bilens: note: %s; going on with its %s kernels (OPENBLAS_CORETYPE)\n", reason,
            older);
    setenv("OPENBLAS_CORETYPE", older, 1);
    start_again(arguments, environ);
}

static void on_instruction(int number) {
    with_older_kernels("OpenBLAS's kernels use instructions that this processor does not have");
    signal(number, SIG_DFL);
}
/* NOLINTEND(bugprone-signal-handler) */

void start_checked(char **argv) {
    bl_error err = {0};
    arguments = argv;
    give_back();
    signal(SIGILL, on_instruction);
    bool right = bl_blas_check(&err);
    signal(SIGILL, SIG_DFL);
    if (right || err.code == BL_ERR_MEMORY) return;
    with_older_kernels(err.message);
    dprintf(STDERR_FILENO, "bilens: %s\n", err.message);
    _exit(1);
}
