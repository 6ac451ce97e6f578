/* bilens: dispatches to the verbs. */
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const verb *const verbs[] = {&verb_report,   &verb_info, &verb_eigen, &verb_scan,      &verb_describe, &verb_trace, &verb_export,
                                    &verb_tokenize, &verb_eval, &verb_train, &verb_tokenizer, &verb_generate, &verb_atlas};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void print_help(FILE *out) {
    fprintf(out,
            "bilens %s: what the MLPs of a bilinear language model compute, from its weights alone\n\n"
            "usage: bilens VERB [MODEL] [options]\n\nverbs:\n",
            bl_version());
    for (size_t i = 0; i < N_VERBS; i++) fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(
        out,
        "\n'bilens VERB --help' explains a verb with an example. Exit status: 0 done, 1 failed while working, 2 bad usage or bad input.\n\n"
        "example:\n  bilens report models/ts-1-256 --corpus stories.txt --token swim --minus run,climb,eat -o report-swim\n");
}

/* Idle OpenMP threads spin by default. Beside any other busy process that costs up to a hundredfold (seen: an eigendecomposition of 0.1 s
 * took 15 s), waiting asleep costs nothing measurable; but libgomp reads its settings before main, so the program starts itself again. */
static void sleep_when_idle(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    setenv("OMP_WAIT_POLICY", "passive", 1);
    execv("/proc/self/exe", argv); /* where it fails, things are only slower */
}

int main(int argc, char **argv) {
    sleep_when_idle(argv);
    interrupt_catch();
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("bilens %s\n", bl_version());
        return 0;
    }
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], verbs[i]->name) == 0) return verbs[i]->run(argc - 2, argv + 2, verbs[i]);
    fprintf(stderr, "bilens: there is no verb '%s'; see 'bilens --help'\n", argv[1]);
    return 2;
}
