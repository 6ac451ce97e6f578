#include "cli/ranks.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bl_ranks ranks = {0, 1}; /* the process's own */

static long number(const char *variable) {
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 10) : 0;
}

bool ranks_started(void) { return number("OMPI_COMM_WORLD_SIZE") > 1; }

/* mpirun may have bound this rank to fewer cores than its share; that is the user's choice, or mpirun's, to
 * be told of. */
static void share_cores(common *c) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN), neighbours = number("OMPI_COMM_WORLD_LOCAL_SIZE");
    cpu_set_t allowed;
    long bound = sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : cores;
    long share = neighbours > 1 && cores > neighbours ? cores / neighbours : neighbours > 1 ? 1 : cores;
    if (c->threads) return;
    bl_set_threads((int)(bound < share ? bound : share));
    if (bound < share)
        note(c,
             "bilens: each rank is bound to %ld of %ld cores; its share is %ld, which 'mpirun --bind-to "
             "none' lets it have",
             bound, cores, share);
}

bool ranks_join(common *c, bl_error *err) {
    if (!ranks_started()) return true;
    if (!bl_ranks_join(&ranks, true, err)) return false;
    if (!ranks_first()) c->quiet = true;
    share_cores(c);
    return true;
}

bool ranks_agree(bool ok, bl_error *err) { return bl_ranks_agree(&ranks, ok, err); }

bool ranks_first(void) { return ranks.rank == 0; }
