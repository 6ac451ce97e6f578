/* SIGINT during a call of a program whose own handler has to wait for the call's end. Ours notes the signal
 * and hands it on: Python's handler, say, then raises KeyboardInterrupt as soon as the call has returned. */
#include "base/interrupt.h"
#include <signal.h>

static volatile sig_atomic_t noted;
static unsigned depth;
static struct sigaction before; /* the program's own, while depth > 0 and `installed` */
static bool installed;

static void on_interrupt(int number, siginfo_t *info, void *context) {
    noted = 1;
    if (before.sa_flags & SA_SIGINFO) before.sa_sigaction(number, info, context);
    else before.sa_handler(number);
}

static void install(void) {
    struct sigaction ours;
    if (sigaction(SIGINT, NULL, &before) != 0) return;
    if (!(before.sa_flags & SA_SIGINFO) && (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN))
        return;
    ours = before;
    ours.sa_flags = (before.sa_flags | SA_SIGINFO) & ~SA_RESTART; /* a read that waits must end */
    ours.sa_sigaction = on_interrupt;
    installed = sigaction(SIGINT, &ours, NULL) == 0;
}

/* A handler that the program has set meanwhile stays. */
static void restore(void) {
    struct sigaction now;
    if (sigaction(SIGINT, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_interrupt)
        sigaction(SIGINT, &before, NULL);
    installed = false;
}

void bl_interrupt_watch(bool on) {
    noted = 0;
    if (on && depth++ == 0) install();
    if (!on && depth > 0 && --depth == 0 && installed) restore();
}

void bl_interrupt_forget(void) { noted = 0; }

bool bl_interrupted(void) { return noted != 0; }
