#include "cli/ranks.h"
#include <bilens/image.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bl_ranks ranks = {0, 1}; /* the process's own */

static long number(const char *variable) {
    const char *text = getenv(variable);
    return text ? strtol(text, NULL, 10) : 0;
}

/* Whether `name` begins with one of `list` (NULL-terminated). */
static bool begins(const char *name, const char *const *list) {
    for (; *list; list++)
        if (strncmp(name, *list, strlen(*list)) == 0) return true;
    return false;
}

/* Name and parent of a process, from /proc/PID/stat: "PID (NAME) STATE PARENT …". */
static bool process(long pid, char name[64], long *parent) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file) return false;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    char *open = strchr(line, '('), *close = strrchr(line, ')'), *end;
    if (!read || !open || !close || strlen(close) < 4) return false;
    *parent = strtol(close + 3, &end, 10); /* behind ") S" */
    if (end == close + 3) return false;
    snprintf(name, 64, "%.*s", (int)(close - open - 1), open + 1);
    return true;
}

/* Whether this process is a rank itself: mpirun's own child, or the child of a shell or the like that mpirun
 * started. What a program that is a rank starts in its turn inherits the variables, but the rank is taken. */
static bool is_rank(void) {
    static const char *const starters[] = {"mpi", "orte", "prte", "hydra", "srun", "slurmstepd", NULL};
    static const char *const wrappers[] = {"sh",   "bash",    "dash",    "zsh",      "ksh",  "env",
                                           "time", "timeout", "numactl", "nice",     "perf", "valgrind",
                                           "gdb",  "strace",  "taskset", "memcheck", NULL};
    char name[64];
    long pid = (long)getppid(), parent;
    for (int depth = 0; depth < 16 && pid > 1; depth++) {
        if (!process(pid, name, &parent)) return true; /* no /proc: as the variables say */
        if (begins(name, starters)) return true;
        if (!begins(name, wrappers)) return false;
        pid = parent;
    }
    return false;
}

bool ranks_started(void) {
    static int known = -1;
    if (known < 0) known = number("OMPI_COMM_WORLD_SIZE") > 1 && is_rank();
    return known > 0;
}

static bool is_among(const char *text, const char *const *list) {
    for (; *list; list++)
        if (strcmp(text, *list) == 0) return true;
    return false;
}

/* Whether the ranks share the work of this command line. */
static bool shares_work(int argc, char **argv) {
    static const char *const sharing[] = {"atlas", "features", "report", "scan", "train", NULL},
                             *const alone[] = {"--help", "-h", "--from", NULL};
    for (int i = 2; i < argc && strcmp(argv[1], "features") == 0; i++)
        if (strcmp(argv[i], "--all") == 0) return true;
    if (argc > 2 && strcmp(argv[1], "dictionary") == 0 && strcmp(argv[2], "train") == 0) return true;
    if (argc < 2 || !is_among(argv[1], sharing)) return false;
    if (strcmp(argv[1], "atlas") == 0 && argc > 2 && strcmp(argv[2], "query") == 0) return false;
    bool rows = false; /* a report on many directions is one process's */
    for (int i = 2; i < argc && strcmp(argv[1], "report") == 0; i++)
        rows = rows || strncmp(argv[i], "--directions", 12) == 0;
    if (rows) return false;
    bool train = strcmp(argv[1], "train") == 0; /* image models, too; their other verbs are one process's */
    for (int i = 2; i < argc; i++)
        if (!train && bl_image_is_model(argv[i])) return false;
    for (int i = 2; i < argc; i++)
        if (is_among(argv[i], alone) || strncmp(argv[i], "--from=", 7) == 0) return false;
    return true;
}

bool ranks_idle(int argc, char **argv) {
    if (!ranks_started() || shares_work(argc, argv)) return false;
    if (number("OMPI_COMM_WORLD_RANK") > 0) return true;
    if (argc > 1 && argv[1][0] != '-')
        fprintf(stderr,
                "bilens: rank 0 works alone: only atlas, dictionary train, features, report, scan and train "
                "share their work over ranks\n");
    return false;
}

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

bool ranks_first(void) {
    if (ranks.size > 1) return ranks.rank == 0;
    return !ranks_started() || number("OMPI_COMM_WORLD_RANK") == 0;
}
