/* What the terminal can show, the progress bar, and Ctrl-C. */
#ifndef BL_CLI_TERMINAL_H
#define BL_CLI_TERMINAL_H
#include <bilens/bilens.h>

/* The colours to use on standard output: `when` is NULL, "auto", "always", "256" or "never". False if it is
 * something else. */
bool terminal_colour(const char *when, bl_colour *colour);
/* Columns of standard output; 0 when it is no terminal. */
size_t terminal_width(void);
/* Whether the terminal says that its background is dark (COLORFGBG, as rxvt, konsole and others set it). */
bool terminal_dark(void);

/* Turns Ctrl-C, SIGTERM and SIGHUP into a request that progress callbacks and bl_set_stop's function answer
 * with "stop", so that work ends cleanly; a second one kills. */
void interrupt_catch(void);
/* True once Ctrl-C was pressed, for loops that have no progress callback. */
bool interrupt_requested(void);
/* Ends the process as the signal would have. */
_Noreturn void interrupt_die(void);

/* A progress bar on standard error, if that is a terminal and not `quiet`; it appears once the work takes
 * longer than half a second. Under mpirun, where there is no terminal, a line every five seconds. Without it
 * the callback still answers Ctrl-C. */
bl_progress progress_bar(bool quiet);
/* Wipes the bar. */
void progress_end(void);
#endif
