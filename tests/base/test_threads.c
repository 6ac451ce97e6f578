/* Threads where there are few: containers' quotas, limits, and after a fork. */
#include "support.h"
#include "base/processors.h"
#include "base/threads.h"
#include "linear/gemm.h"
#include <omp.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A file under a root of its own. */
static void put(const char *root, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(full, 0777);
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static long quota(const char *cgroup, const char *path, const char *text, const char *path2,
                  const char *text2) {
    static int made;
    char root[128];
    snprintf(root, sizeof root, "%s/root%d", support_temporary(), made++);
    mkdir(root, 0777);
    if (cgroup) put(root, "/proc/self/cgroup", cgroup);
    if (path) put(root, path, text);
    if (path2) put(root, path2, text2);
    return bl_quota_processors(root);
}

static void quotas(void **state) {
    (void)state;
    assert_int_equal(quota(NULL, NULL, NULL, NULL, NULL), 0);
    assert_int_equal(quota("0::/\n", NULL, NULL, NULL, NULL), 0);
    assert_int_equal(quota("0::/\n", "/sys/fs/cgroup/cpu.max", "max 100000\n", NULL, NULL), 0);
    assert_int_equal(quota("0::/\n", "/sys/fs/cgroup/cpu.max", "200000 100000\n", NULL, NULL), 2);
    assert_int_equal(quota("0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max", "250000 100000\n", NULL, NULL), 3);
    assert_int_equal(quota("0::/a/b\n", "/sys/fs/cgroup/a/b/cpu.max", "max 100000\n",
                           "/sys/fs/cgroup/a/cpu.max", "50000 100000\n"),
                     1);
    assert_int_equal(quota("4:cpu,cpuacct:/d\n1:name=systemd:/\n", "/sys/fs/cgroup/cpu/d/cpu.cfs_quota_us",
                           "400000\n", "/sys/fs/cgroup/cpu/d/cpu.cfs_period_us", "100000\n"),
                     4);
    assert_int_equal(quota("4:cpuset:/d\n", "/sys/fs/cgroup/cpu/d/cpu.cfs_quota_us", "400000\n",
                           "/sys/fs/cgroup/cpu/d/cpu.cfs_period_us", "100000\n"),
                     0);
    assert_int_equal(quota("4:cpuacct,cpu:/\n", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n",
                           "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
                     0);
    assert_int_equal(quota("0::/\n", "/sys/fs/cgroup/cpu.max", "nonsense", NULL, NULL), 0);
}

static void address_space(void **state) {
    (void)state;
    assert_int_equal(bl_threads_in(0), 0);
    assert_int_equal(bl_threads_in((uint64_t)400 << 20), 0);
    assert_int_equal(bl_threads_in((uint64_t)500 << 20), 1);
    assert_true(bl_threads_in((uint64_t)4 << 30) >= 8);
}

/* A product that OpenBLAS shares out among threads, twice that of one column. */
static bool product_is_right(void) {
    enum { N = 256 };
    static float a[N * N], c[N * N];
    for (size_t i = 0; i < N * N; i++) a[i] = 1;
    bl_gemm_nt(N, N, N, 2, a, N, a, N, 0, c, N);
    for (size_t i = 0; i < N * N; i++)
        if (c[i] != 2.0F * N) return false;
    return true;
}

static bool item(void *context, size_t i, size_t thread, bl_error *err) {
    (void)thread, (void)err;
    ((char *)context)[i] = 1;
    return true;
}

/* A child that a parent with a pool of threads made must not wait for the pool's threads, which it does not
 * have. */
static void after_a_fork(void **state) {
    (void)state;
    bl_set_threads(2);
    for (int round = 0; round < 2; round++) {
        assert_true(product_is_right());
        pid_t child = fork();
        if (child == 0) {
            char done[64] = {0};
            alarm(60);
            bool ok = product_is_right() && bl_parallel(64, item, done, NULL);
            for (size_t i = 0; i < sizeof done; i++) ok = ok && done[i];
            _exit(ok ? 0 : 1);
        }
        int status = -1;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_true(product_is_right());
}

/* The number that is promised is the number that comes, even where OpenMP was told to give what it likes. */
static void promised(void **state) {
    (void)state;
    int team = 0;
    omp_set_dynamic(1);
    omp_set_max_active_levels(0);
    int n = bl_set_threads(2);
#pragma omp parallel
#pragma omp single
    team = omp_get_num_threads();
    assert_int_equal(team, n);
    assert_true(product_is_right());
    bl_set_threads(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quotas), cmocka_unit_test(address_space),
                                       cmocka_unit_test(after_a_fork), cmocka_unit_test(promised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
