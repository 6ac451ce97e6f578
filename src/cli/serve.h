/* What serving a language model and serving an image model do alike. */
#ifndef BL_CLI_SERVE_H
#define BL_CLI_SERVE_H
#include "cli/common.h"
#include <bilens/serve.h>

/* Options of every server. */
#define SERVE_OPTIONS(o, port, show)                                                                  \
    {"port", OPTION_COUNT, &(port), "N", "port to listen at (default 8470; 0 = any that is free)"},   \
        {"address", OPTION_TEXT, &(o).address, "A",                                                   \
         "listen at this address, for others to see, instead of at 127.0.0.1 and ::1"},               \
        {"public-origin", OPTION_TEXT, &(o).public_origin, "URL",                                     \
         "the address under which a reverse proxy shows this server, as https://example.org/bilens"}, \
    {                                                                                                 \
        "open", OPTION_FLAG, &(show), NULL, "open the page in the browser"                            \
    }

/* Prints the address and serves until Ctrl-C or SIGTERM. Returns the exit status. */
int serve_until_end(const verb *self, const common *c, const bl_server *server, const char *model,
                    const bl_serve_options *o, bool show);
#endif
