#include "cli/own_directions.h"
#include "base/error.h"
#include "cli/lines.h"
#include <stdlib.h>

int check_own_directions(const verb *self, const own_directions *own) {
    if (own->names_file && !own->source) return fail_usage(self, "--names goes with --directions FILE");
    return -1;
}

bool read_own_directions(own_directions *own, size_t d, bl_error *err) {
    own->given = bl_dictionary_read(own->source, d, err);
    if (!own->given) return false;
    own->basis = bl_dictionary_basis(own->given, true);
    if (!own->names_file) return true;
    if (!read_lines("--names", own->names_file, &own->names, err)) return false;
    own->basis.labels = (const char *const *)own->names.items;
    return own->names.n == own->given->F ||
           bl_fail(err, BL_ERR_INPUT,
                   "--names: %s has %zu lines, but there are %zu directions: one name per line is expected",
                   own->names_file, own->names.n, own->given->F);
}

void own_directions_free(own_directions *own) {
    bl_dictionary_free(own->given);
    text_list_free(&own->names);
}
