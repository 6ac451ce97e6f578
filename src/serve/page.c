#include "serve/page.h"
#include <string.h>

/* On a static site this file holds what the server would say (site.c); the page asks for it in any case. */
static const bl_page_file no_site = {"site.js", (const unsigned char *)"/* served live: no site data */\n",
                                     32, "\"none\""};

const bl_page_file *bl_page_find(const char *path) {
    if (path[0] != '/') return NULL;
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    for (const bl_page_file *f = bl_page_files; f->path; f++)
        if (strcmp(f->path, name) == 0) return f;
    return strcmp(name, no_site.path) == 0 ? &no_site : NULL;
}

const char *bl_page_type(const char *path) {
    static const char *const types[][2] = {{".html", "text/html; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".css", "text/css; charset=utf-8"},
                                           {".svg", "image/svg+xml"},
                                           {".png", "image/png"},
                                           {".ico", "image/x-icon"},
                                           {".woff2", "font/woff2"},
                                           {".json", "application/json"},
                                           {".webmanifest", "application/manifest+json"},
                                           {".txt", "text/plain; charset=utf-8"}};
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t m = strlen(types[i][0]);
        if (n > m && strcmp(path + n - m, types[i][0]) == 0) return types[i][1];
    }
    return "application/octet-stream";
}
