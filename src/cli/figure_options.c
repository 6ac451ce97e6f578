#include "cli/figure_options.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_PER_MM (72 / 25.4)

/* A length above 0 in `unit`, "mm" or "pt", which stands where the text names none. */
static bool parse_length(const char *text, const char *unit, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || errno || !(value > 0)) return false;
    if (*end == '\0') end = (char *)(uintptr_t)unit;
    bool points = strcmp(end, "pt") == 0, wanted = strcmp(unit, "pt") == 0;
    if (!points && strcmp(end, "mm") != 0) return false;
    *out = points == wanted ? value : points ? value / POINTS_PER_MM : value * POINTS_PER_MM;
    return true;
}

int check_figure(const verb *self, figure_options *f, const char *by, bool drawn) {
    bl_error err = {0};
    const struct {
        const char *name, *text, *unit, *example;
        double *out;
    } lengths[] = {{"width", f->width, "mm", "85 (millimetres) or 240pt", &f->how.width},
                   {"height", f->height, "mm", "60 (millimetres) or 170pt", &f->how.height},
                   {"size", f->size, "pt", "8 (points)", &f->how.size}};
    bool any = f->how.font || f->how.title || f->how.no_marks || f->theme;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        if (!lengths[i].text) continue;
        any = true;
        if (!parse_length(lengths[i].text, lengths[i].unit, lengths[i].out))
            return fail_usage(self, "--%s: '%s' is not a length such as %s", lengths[i].name, lengths[i].text,
                              lengths[i].example);
    }
    f->how.dark = f->theme && strcmp(f->theme, "dark") == 0;
    if (f->theme && !f->how.dark && strcmp(f->theme, "light") != 0)
        return fail_usage(self, "--theme: '%s' is not one of light, dark", f->theme);
    if (any && !drawn)
        return fail_usage(self, "--width, --title and the like are of a figure: ask for one with %s", by);
    return bl_figure_check(&f->how, &err) ? -1 : fail_with(self, &err);
}
