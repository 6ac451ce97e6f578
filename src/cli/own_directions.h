/* Many directions of one's own on the command line, alike in every verb: --directions and --names. */
#ifndef BL_CLI_OWN_DIRECTIONS_H
#define BL_CLI_OWN_DIRECTIONS_H
#include "cli/options.h"
#include <bilens/dictionary.h>

/* Zero-initialise; free with own_directions_free. */
typedef struct own_directions {
    const char *source, *names_file;
    bl_dictionary *given; /* whose encoder rows are the directions */
    text_list names;
    bl_basis basis; /* them, with their names if there are any */
} own_directions;

#define OWN_DIRECTIONS_OPTIONS(own)                                                                     \
    {"directions", OPTION_TEXT, &(own).source, "FILE",                                                  \
     "directions of your own, a row each of a matrix [F, d]: FILE.npy, FILE.csv or "                    \
     "FILE.safetensors[:TENSOR]; or the folder of a dictionary, whose encoder's rows are taken"},       \
    {                                                                                                   \
        "names", OPTION_TEXT, &(own).names_file, "FILE", "with --directions: their names, one per line" \
    }

/* -1, or the exit status of bad usage. */
int check_own_directions(const verb *self, const own_directions *own);
/* Reads both files for a model of width d. BL_ERR_INPUT when the widths or the number of names differ. */
bool read_own_directions(own_directions *own, size_t d, bl_error *err);
void own_directions_free(own_directions *own);
#endif
