/* The explorer where bilens is built without libmicrohttpd (BILENS_SERVE=OFF): it says so. Compiled instead
 * of what serves; writing a static site needs no server. */
#include "base/error.h"
#include <bilens/serve.h>

bl_server *bl_server_new(const bl_model *model, bl_corpus *corpus, const bl_serve_options *options,
                         bl_error *err) {
    (void)model, (void)corpus, (void)options;
    return bl_fail_null(err, BL_ERR_UNSUPPORTED,
                        "this bilens was built without a web server: install libmicrohttpd's development "
                        "files (Debian: libmicrohttpd-dev) and build it again");
}

/* What follows is never reached: there is no server. */
void bl_server_free(bl_server *server) { (void)server; }

const char *bl_server_url(const bl_server *server) {
    (void)server;
    return "";
}

unsigned bl_server_port(const bl_server *server) {
    (void)server;
    return 0;
}
