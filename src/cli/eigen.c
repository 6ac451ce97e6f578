#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

/* JSON text to what was asked for; frees `json`. */
static char *render(const common *c, char *json, bl_error *err) {
    if (c->format == FORMAT_JSON) return json;
    bl_terminal terminal = {.colour = c->colour, .width = c->width};
    char *text = c->format == FORMAT_CSV ? bl_eigen_csv(json, err) : bl_eigen_table(json, &terminal, err);
    bl_free(json);
    return text;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    direction_options d = {0};
    const char *plot = NULL;
    bl_error err = {0};
    const option table[] = {DIRECTION_OPTIONS(d), {"plot", OPTION_TEXT, &plot, "FILE", "also draw the spectrum: .svg, .png or .pdf"}, {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL, "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_eigen *eigen = NULL;
    if (!d.token) {
        status = fail_usage(self, "--token is missing: which output token's interaction matrix?");
        goto done;
    }
    model = load_model(&c, &err);
    if (model && choose_eigs(model, &d, &err)) eigen = decompose(model, &d, false, &err);
    bl_direction direction = as_direction(&d);
    bl_subject subject = {model, &direction, d.layer};
    char *json = eigen ? bl_eigen_json(&subject, eigen, d.eigs.items, d.eigs.n, &err) : NULL;
    if (json && plot && !bl_spectrum_figure(json, plot, &err)) {
        bl_free(json);
        json = NULL;
    }
    status = write_result(self, &c, json ? render(&c, json, &err) : NULL, &err);
done:
    bl_eigen_free(eigen);
    bl_model_free(model);
    direction_options_free(&d);
    common_free(&c);
    return status;
}

const verb verb_eigen = {
    "eigen", "spectrum and virtual-token tables of one direction", run,
    "Forms the interaction matrix Q of an output direction (never the whole tensor B), decomposes it, and shows each eigenvector in the tokens that\n"
    "the embedding (direct) and every attention head deliver: the ten highest and the ten lowest. A positive eigenvalue is evidence for the token,\n"
    "a negative one against it; an eigenvector's sign is arbitrary (its largest component is made positive).",
    "  bilens eigen models/ts-1-256 --token swim --minus run,climb,eat,see,smell,walk,fly,sit,sleep\n"
    "  bilens eigen models/ts-1-256 --token swim --eigs -1,0 --format json --plot spectrum.pdf\n"};
