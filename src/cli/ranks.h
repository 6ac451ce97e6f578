/* Under mpirun: this process as one of several ranks. Rank 0 alone speaks and writes. */
#ifndef BL_CLI_RANKS_H
#define BL_CLI_RANKS_H
#include "base/ranks.h"
#include "cli/options.h"

/* Whether mpirun (or another starter that Open MPI knows) started this process as one of several. A process
 * that one of those started in its turn is none of them, though it inherits their variables. */
bool ranks_started(void);
/* Whether this process has nothing to do: the command line is one whose work is not shared, and rank 0 does
 * it. Rank 0 is told that it works alone. */
bool ranks_idle(int argc, char **argv);
/* Joins them; alone it does nothing. All ranks but 0 fall silent; without --threads each takes its share of
 * the machine's cores. */
bool ranks_join(common *c, bl_error *err);
/* True on all ranks if `ok` is on all; else false on all, with the error of the first that failed. Called by
 * all. */
bool ranks_agree(bool ok, bl_error *err);
/* True for rank 0 and for a process that is alone. */
bool ranks_first(void);
#endif
