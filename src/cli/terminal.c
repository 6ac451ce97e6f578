#include "cli/terminal.h"
#include "cli/ranks.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* mpirun gives its ranks a terminal of its own, whatever its own output goes to. */
static bool on_terminal(void) { return isatty(STDOUT_FILENO) && !ranks_started(); }

bool terminal_colour(const char *when, bl_colour *colour) {
    const char *term = getenv("TERM"), *deep = getenv("COLORTERM"), *no = getenv("NO_COLOR");
    *colour = BL_COLOUR_NONE;
    if (when && strcmp(when, "never") == 0) return true;
    if (when && strcmp(when, "256") == 0) {
        *colour = BL_COLOUR_256;
        return true;
    }
    bool always = when && strcmp(when, "always") == 0;
    if (when && !always && strcmp(when, "auto") != 0) return false;
    if (always) *colour = BL_COLOUR_24BIT;
    if (always || (no && *no) || !on_terminal() || !term || strcmp(term, "dumb") == 0) return true;
    bool direct = strstr(term, "direct") != NULL ||
                  (deep && (strcmp(deep, "truecolor") == 0 || strcmp(deep, "24bit") == 0));
    bool many = strstr(term, "256color") != NULL;
    *colour = direct ? BL_COLOUR_24BIT : many ? BL_COLOUR_256 : BL_COLOUR_NONE;
    return true;
}

size_t terminal_width(void) {
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    if (!on_terminal()) return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    long n = columns ? strtol(columns, NULL, 10) : 0;
    return n > 0 && n < 100000 ? (size_t)n : 80;
}

bool terminal_dark(void) {
    const char *colours = getenv("COLORFGBG"), *last = colours ? strrchr(colours, ';') : NULL;
    if (!last || last[1] < '0' || last[1] > '9') return false;
    long background = strtol(last + 1, NULL, 10);
    return background < 7 || background == 8;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    interrupted = number;
    signal(number, SIG_DFL);
}

/* Without SA_RESTART: a read that waits for a pipe must end. A SIGHUP that the user has asked to ignore
 * (nohup) stays ignored; SIGINT does not: a shell's script starts its background jobs with it ignored, and
 * they must end all the same. */
static void catch_signal(int number) {
    struct sigaction now, caught = {.sa_handler = on_interrupt};
    if (sigaction(number, NULL, &now) != 0) return;
    if (number == SIGHUP && now.sa_handler == SIG_IGN) return;
    sigemptyset(&caught.sa_mask);
    sigaction(number, &caught, NULL);
}

void interrupt_catch(void) {
    catch_signal(SIGINT);
    catch_signal(SIGTERM);
    catch_signal(SIGHUP); /* the terminal was closed */
    bl_set_stop(interrupt_requested);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is seen as a failed write, */
    signal(SIGXFSZ, SIG_IGN); /* and so is a limit on the size of files */
}

bool interrupt_requested(void) { return interrupted != 0; }

void interrupt_die(void) {
    int number = interrupted ? interrupted : SIGINT;
    signal(number, SIG_DFL);
    raise(number);
    _exit(128 + number);
}

/* The bar is the process's own, like the terminal it is drawn on. */
static struct {
    bool shown, drawn,
        lines; /* lines: one now and then instead of a bar, as mpirun's ranks have no terminal */
    struct timespec start, last;
    char phase[32];
} bar;

static double seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

static void draw(const char *phase, uint64_t done, uint64_t total, double seconds) {
    char blocks[31] = "";
    if (!total) {
        fprintf(stderr, "\r\033[K%s %llu", phase, (unsigned long long)done);
        bar.drawn = true;
        return;
    }
    double share = done < total ? (double)done / (double)total : 1.0;
    for (size_t i = 0; i < 30; i++) blocks[i] = (double)i < share * 30 ? '#' : '.';
    fprintf(stderr, "\r\033[K%s [%s] %3.0f %%", phase, blocks, 100 * share);
    if (share > 0.01) fprintf(stderr, "  %.0f s left", seconds / share * (1 - share));
    bar.drawn = true;
}

static void print_line(const char *phase, uint64_t done, uint64_t total, double seconds) {
    double share = total && done < total ? (double)done / (double)total : 1.0;
    if (!total) fprintf(stderr, "%s %llu\n", phase, (unsigned long long)done);
    else if (share > 0.01)
        fprintf(stderr, "%s %.0f %%, %.0f s left\n", phase, 100 * share, seconds / share * (1 - share));
    else fprintf(stderr, "%s %.0f %%\n", phase, 100 * share);
}

static bool on_progress(void *context, const char *phase, uint64_t done, uint64_t total) {
    (void)context;
    if (interrupted) return false;
    if (!bar.shown) return true;
    if (strcmp(bar.phase, phase) != 0) {
        snprintf(bar.phase, sizeof bar.phase, "%s", phase);
        clock_gettime(CLOCK_MONOTONIC, &bar.start);
        bar.last = bar.start;
    }
    double seconds = seconds_since(&bar.start);
    if (seconds < 0.5 || seconds_since(&bar.last) < (bar.lines ? 5 : 0.1)) return true;
    clock_gettime(CLOCK_MONOTONIC, &bar.last);
    if (bar.lines) print_line(phase, done, total, seconds);
    else draw(phase, done, total, seconds);
    return true;
}

bl_progress progress_bar(bool quiet) {
    bool terminal = isatty(STDERR_FILENO);
    bar.shown = !quiet && (terminal || ranks_started());
    bar.lines = !terminal;
    bar.phase[0] = '\0';
    return (bl_progress){on_progress, NULL};
}

void progress_end(void) {
    if (bar.drawn) fprintf(stderr, "\r\033[K");
    bar.drawn = false;
}
