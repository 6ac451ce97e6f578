#include "cli/common.h"
#include "cli/verbs.h"

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    bl_error err = {0};
    const option table[] = {{0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = load_model(&c, &err);
    static const view how = {.table = bl_info_table, .rows = bl_info_rows};
    status = write_tree(self, &c, model ? bl_info_tree(model, &err) : NULL, &how, &err);
    bl_model_free(model);
    common_free(&c);
    return status;
}

const verb verb_info = {
    "info", "config, generation and parameter table of a model", run,
    "Loads the model, which checks every tensor's name, type and shape, and says what it is.",
    "  bilens info models/ts-1-256\n  bilens info models/ts-1-256 --format json | jq .parameters\n"};
