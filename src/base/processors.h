/* How many threads there is room for. */
#ifndef BL_BASE_PROCESSORS_H
#define BL_BASE_PROCESSORS_H
#include <bilens/base.h>

/* Processors that this process may use: those it is bound to, or as many as a container's quota is worth,
 * rounded up. */
int bl_processors(void);
/* What the cgroups (version 1 and 2) under `root` ("": this machine's) are worth in processors; 0: no quota.
 * */
long bl_quota_processors(const char *root);
/* `wanted` threads, or fewer where OpenMP's thread limit, the system or the address space allow no more; at
 * least 1. Starts and ends as many threads. */
int bl_threads_possible(int wanted);
/* The bytes of the limit on address space or data, whichever is less (UINT64_MAX: none), and the letter
 * of the shell's ulimit that sets it. */
uint64_t bl_memory_limit(const char **option);
/* The threads for which an address space of so many bytes has room; 0: not even for one. */
long bl_threads_in(uint64_t address_space);
#endif
