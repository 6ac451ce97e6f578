/* bilens: dispatches to the verbs. */
#include "base/error.h"
#include "cli/help.h"
#include "cli/image.h"
#include "cli/ranks.h"
#include "cli/start.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/prctl.h>

#define VERB_ADDRESS(name) &verb_##name,
static const verb *const verbs[] = {VERBS(VERB_ADDRESS)};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        help_program(stderr, HELP_TEXT, verbs, N_VERBS);
        return 2;
    }
    help_form form = HELP_TEXT;
    bool formed = strncmp(argv[1], "--help=", 7) == 0 && help_form_find(argv[1] + 7, &form);
    if (formed || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help_program(stdout, form, verbs, N_VERBS);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        int threads = bl_set_threads(0);
        printf("bilens %s\n%s, %d thread%s\n", bl_version(), bl_blas_name(), threads,
               threads == 1 ? "" : "s");
        return 0;
    }
    const char *refused;
    const verb *image = image_verb(argv[1], argc - 2, argv + 2, &refused);
    if (image) return image->run(argc - 2, argv + 2, image);
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(argv[1], verbs[i]->name) != 0) continue;
        if (!refused) return verbs[i]->run(argc - 2, argv + 2, verbs[i]);
        return fail_usage(
            verbs[i],
            "MODEL is an image model: %s; these verbs work: %s, serve, dictionary, mask, fourier (of "
            "modular addition)",
            refused, image_verb_names());
    }
    char name[256];
    bl_escape(argv[1], name, sizeof name);
    fprintf(stderr, "bilens: there is no verb '%s'; see 'bilens --help'\n", name);
    return 2;
}

/* What was printed is there: a help text or a version on a full disk is no success. */
static int flush(int status) {
    errno = 0;
    if (status != 0 || (fflush(stdout) == 0 && !ferror(stdout))) return status;
    if (errno == EPIPE) return 141;
    fprintf(stderr, "bilens: writing to standard output failed: %s\n", strerror(errno ? errno : EIO));
    return 1;
}

/* No help text fills it: what fails is then the flush at the end, whose errno says why. */
static char output_buffer[1 << 16];

int main(int argc, char **argv) {
    setvbuf(stdout, output_buffer, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, sizeof output_buffer);
    prctl(PR_SET_NAME, "bilens"); /* not "exe", after starting again */
    start_checked(argv);          /* may start the program again: before anything is said */
    interrupt_catch();
    if (ranks_idle(argc, argv)) return 0;
    return flush(dispatch(argc, argv));
}
