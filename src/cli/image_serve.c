/* bilens serve of an image model: the gallery of its classes first. */
#include "cli/image_options.h"
#include "cli/serve.h"
#include <string.h>

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    image_options o = {.d.layer = SIZE_MAX};
    bl_serve_options s = {0};
    size_t port = BL_SERVE_PORT;
    bool show = false;
    bl_error err = {0};
    const option table[] = {IMAGES_OPTIONS(o), SERVE_OPTIONS(s, port, show), {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_NONE, NULL, true);
    if (status >= 0) return status;
    bl_server *server = NULL;
    if (port > 65535) {
        status = fail_usage(self, "--port: %zu is not a valid port (1 to 65535, or 0 for any)", port);
    } else {
        s.port = (unsigned)port;
        const char *slash = o.images_path ? strrchr(o.images_path, '/') : NULL;
        s.corpus_name = slash && slash[1] ? slash + 1 : o.images_path;
        bool ok = image_open_model(&c, &o, &err);
        bool wanted = ok && (o.images_path || bl_image_config_of(o.model)->p);
        if (wanted) ok = image_open_images(&o, &err);
        if (ok) server = bl_server_new_images(o.model, o.images, &s, &err);
        status = server ? serve_until_end(self, &c, server, bl_image_name(o.model), &s, show)
                        : fail_with(self, &err);
    }
    bl_server_free(server);
    image_options_free(&o);
    common_free(&c);
    return status;
}

const verb image_serve_verb = {
    "serve", "the explorer of an image model", run,
    "Serves a page at 127.0.0.1 (and ::1): the gallery of all classes, each class's eigenvectors as pictures "
    "with their top images,\n"
    "and why an image gets its logits. Without --images there are no top images. The API is documented in "
    "docs/api.md.",
    "  bilens serve fashion-64 --images /usr/share/datasets/fashion-mnist --open\n"};
