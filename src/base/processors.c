/* How many threads there is room for: processors, the quota of a container, the system's limits on threads
 * and on the address space.
 *
 * A container's quota (cgroup) gives processor time, not processors: 2.5 of 64 processors' time are worth
 * three threads; 64 would be stopped for most of each period, and whoever waits for them, too. */
#include "base/processors.h"
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* The first line of `root``folder`/`name` into line; false when there is none. */
static bool read_line(const char *root, const char *folder, const char *name, char line[512]) {
    char path[1024];
    int n = snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
    if (n < 0 || (size_t)n >= sizeof path) return false;
    FILE *file = fopen(path, "re");
    bool read = file && fgets(line, 512, file);
    if (file) fclose(file);
    return read;
}

/* ceil(quota / period); 0 without a quota. */
static long rounded(double quota, double period) {
    if (!(quota > 0) || !(period > 0) || quota / period > 1e6) return 0;
    long n = (long)(quota / period);
    return (double)n < quota / period ? n + 1 : n;
}

/* Version 2: "max 100000" or "250000 100000". */
static long quota_2(const char *root, const char *folder) {
    char line[512];
    char *end;
    if (!read_line(root, folder, "cpu.max", line)) return 0;
    double quota = strtod(line, &end); /* 0 of "max" */
    return rounded(quota, strtod(end, NULL));
}

/* Version 1: -1 is no quota. */
static long quota_1(const char *root, const char *folder) {
    char line[512], other[512];
    if (!read_line(root, folder, "cpu.cfs_quota_us", line) ||
        !read_line(root, folder, "cpu.cfs_period_us", other))
        return 0;
    return rounded(strtod(line, NULL), strtod(other, NULL));
}

/* The least quota of `folder` and the folders above it, below `mount`. */
static long least_quota(const char *root, const char *mount, char *folder,
                        long (*quota)(const char *, const char *)) {
    char path[1024];
    long least = 0;
    for (;;) {
        snprintf(path, sizeof path, "%s%s", mount, folder);
        long n = quota(root, path);
        if (n > 0 && (least == 0 || n < least)) least = n;
        char *slash = strrchr(folder, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Whether "cpu" is one of the comma-separated `names`. */
static bool names_cpu(const char *names) {
    for (const char *at = names; (at = strstr(at, "cpu")); at += 3)
        if ((at == names || at[-1] == ',') && (at[3] == '\0' || at[3] == ',')) return true;
    return false;
}

long bl_quota_processors(const char *root) {
    char path[1024], line[512];
    long least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) { /* "0::/folder" or "4:cpu,cpuacct:/folder" */
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':'), *folder = names ? strchr(names + 1, ':') : NULL;
        if (!folder) continue;
        *folder++ = '\0';
        if (strcmp(folder, "/") == 0) *folder = '\0';
        long n = 0;
        if (names[1] == '\0') n = least_quota(root, "/sys/fs/cgroup", folder, quota_2);
        else if (names_cpu(names + 1)) n = least_quota(root, "/sys/fs/cgroup/cpu", folder, quota_1);
        if (n > 0 && (least == 0 || n < least)) least = n;
    }
    if (file) fclose(file);
    return least;
}

/* OpenBLAS reserves address space per thread, and waits for ever where it gets none: two buffers of 128 MB
 * per thread that calls it; the C library's heap and the stack of a further thread come on top. What the
 * work itself takes is left free before a second thread is counted. */
#define FIRST_MB 470
#define WORK_MB 530
#define THREAD_MB 330

long bl_threads_in(uint64_t address_space) {
    uint64_t mb = address_space >> 20;
    if (mb < FIRST_MB) return 0;
    return mb < FIRST_MB + WORK_MB ? 1 : 1 + (long)((mb - FIRST_MB - WORK_MB) / THREAD_MB);
}

uint64_t bl_memory_limit(const char **option) {
    struct rlimit space, data;
    uint64_t limit = UINT64_MAX;
    *option = "v";
    if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) limit = space.rlim_cur;
    if (getrlimit(RLIMIT_DATA, &data) != 0 || data.rlim_cur == RLIM_INFINITY || data.rlim_cur >= limit)
        return limit;
    *option = "d";
    return data.rlim_cur;
}

static void *wait_for(void *lock) {
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

/* How many of n threads, this one included, the system lets live at once. libgomp ends the process where it
 * gets fewer than it asks for. */
static int startable(int n) {
    pthread_t others[256];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int started = 0;
    if (n > 256) n = 256;
    pthread_mutex_lock(&lock);
    while (started < n - 1 && pthread_create(&others[started], NULL, wait_for, &lock) == 0) started++;
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < started; i++) pthread_join(others[i], NULL);
    return started + 1;
}

int bl_threads_possible(int wanted) {
    const char *option;
    uint64_t limit = bl_memory_limit(&option);
    if (wanted < 1) wanted = 1;
    if (wanted > omp_get_thread_limit()) wanted = omp_get_thread_limit();
    if (limit != UINT64_MAX) {
        long room = bl_threads_in(limit);
        if (room < wanted) wanted = room < 1 ? 1 : (int)room;
    }
    return wanted > 1 ? startable(wanted) : 1;
}

int bl_processors(void) {
    long quota = bl_quota_processors("");
    int processors = omp_get_num_procs();
    return quota > 0 && quota < processors ? (int)quota : processors;
}
