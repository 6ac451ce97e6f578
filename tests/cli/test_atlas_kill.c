/* bilens atlas is killed at random moments of its run and started again until it is through: every table is,
 * bit for bit, what an uninterrupted run writes. BILENS_KILLS=20 kills as often (4 by default),
 * BILENS_KILL_WHOLE=1 takes the whole of the embedded default instead of a part. ctest: slow */
#include "support.h"
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

static char whole[256], killed[256];

static pid_t start(const char *path) {
    static char *const part[] = {"--frequent", "400", "--stories", "60", NULL};
    char *arguments[16] = {getenv("BILENS"), "atlas", "--quiet", "-o", (char *)(uintptr_t)path};
    for (size_t i = 0; part[i] && !getenv("BILENS_KILL_WHOLE"); i++) arguments[5 + i] = part[i];
    pid_t child = fork();
    if (child != 0) return child;
    if (!arguments[0]) _exit(125);
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execv(arguments[0], arguments);
    _exit(127);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The child's wait status; -1 when it is still at work at the time `until`. */
static int wait_until(pid_t child, double until) {
    const struct timespec little = {0, 2000000};
    int status;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (now() >= until) return -1;
        nanosleep(&little, NULL);
    }
    return status;
}

static int64_t number(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

static void compare_tables(void) {
    const char *const tables[] = {"meta",           "token",          "story",          "direction",
                                  "null_direction", "eigenpair",      "null_eigenpair", "virtual_token",
                                  "top_input",      "effect",         "null_effect",    "chance",
                                  "calibration",    "null_statistic", "scan_state",     "sqlite_master"};
    sqlite3 *db;
    char sql[512];
    assert_int_equal(sqlite3_open_v2(whole, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    snprintf(sql, sizeof sql, "ATTACH '%s' AS other", killed);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const char *columns =
            i + 1 < sizeof tables / sizeof *tables ? "*" : "type, name, sql"; /* not where its pages lie */
        snprintf(sql, sizeof sql,
                 "SELECT (SELECT count(*) FROM main.%s) - (SELECT count(*) FROM other.%s)"
                 " + 2 * (SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM other.%s))",
                 tables[i], tables[i], columns, tables[i], columns, tables[i]);
        if (number(db, sql) != 0) fail_msg("table %s differs", tables[i]);
    }
    assert_true(number(db, "SELECT count(*) FROM top_input") > 0 &&
                number(db, "SELECT value = 5 FROM meta WHERE key = 'phase'"));
    sqlite3_close(db);
}

/* And the file itself, to the byte. */
static void compare_files(void) {
    char command[1024];
    compare_tables();
    snprintf(command, sizeof command, "cmp '%s' '%s'", whole, killed);
    assert_int_equal(system(command), 0);
}

static void test_kill(void **state) {
    (void)state;
    const char *text = getenv("BILENS_KILLS");
    int kills = text ? (int)strtol(text, NULL, 10) : 4, done = 0, status = -1, phases[6] = {0};
    unsigned seed = (unsigned)getpid();
    snprintf(whole, sizeof whole, "%s/whole.db", support_temporary());
    snprintf(killed, sizeof killed, "%s/killed.db", support_temporary());
    double begun = now();
    status = wait_until(start(whole), INFINITY);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    double seconds = now() - begun,
           step = 2 * seconds / (kills + 1); /* so that the kills spread over the run */
    while (done < kills) {
        seed = seed * 1664525U + 1013904223U;
        pid_t child = start(killed);
        status = wait_until(child, now() + step * (0.2 + (double)(seed >> 8) / 16777216.0));
        if (status >= 0) { /* it was through before its kill: compared, and anew */
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            compare_files();
            unlink(killed);
            continue;
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        done++;
        sqlite3 *db;
        if (sqlite3_open_v2(killed, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
            number(db, "SELECT count(*) FROM sqlite_master WHERE name = 'meta'"))
            phases[number(db, "SELECT value FROM meta WHERE key = 'phase'")]++;
        sqlite3_close(db);
    }
    status = wait_until(start(killed), INFINITY);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    compare_files();
    fprintf(stderr,
            "killed %d times in a run of %.1f s: %d while reading, %d decomposing, %d null model, %d "
            "scanning, %d explaining, %d at the end; "
            "the same bytes\n",
            done, seconds, phases[0], phases[1], phases[2], phases[3], phases[4], phases[5]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
