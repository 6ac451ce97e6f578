/* How a figure looks, on the command line: the same options in every verb that draws one. */
#ifndef BL_CLI_FIGURE_OPTIONS_H
#define BL_CLI_FIGURE_OPTIONS_H
#include "cli/options.h"

typedef struct figure_options {
    const char *width, *height, *size, *theme;
    bl_figure_options how; /* all of them, once check_figure has read them */
} figure_options;

#define FIGURE_OPTIONS(f)                                                                                  \
    {"width", OPTION_TEXT, &(f).width, "MM",                                                               \
     "of the figure, in millimetres, or in points as 240pt; the height follows in proportion"},            \
        {"height", OPTION_TEXT, &(f).height, "MM", "of the figure, in the same way"},                      \
        {"font", OPTION_TEXT, &(f).how.font, "NAME", "of the figure, as fontconfig knows it: serif, …"},   \
        {"size", OPTION_TEXT, &(f).size, "PT", "of the figure's text, in points (default 10)"},            \
        {"title", OPTION_TEXT, &(f).how.title, "TEXT", "above the figure, instead of its own; '': none"},  \
        {"no-marks", OPTION_FLAG, &(f).how.no_marks, NULL,                                                 \
         "leave out what the figure marks: eigenvectors, degenerate groups, points, numbers of pictures"}, \
    {                                                                                                      \
        "theme", OPTION_TEXT, &(f).theme, "T", "of the figure: light (default) or dark"                    \
    }

/* Reads them. `drawn`: whether a figure is drawn at all, which the option `by` asks for. -1 to go on, else
 * the exit status of bad usage. */
int check_figure(const verb *self, figure_options *f, const char *by, bool drawn);
#endif
