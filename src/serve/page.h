/* The explorer's page: the files of web/, embedded (cmake/embed.cmake). Nothing is ever read from disk, so no
 * path can lead elsewhere. */
#ifndef BL_SERVE_PAGE_H
#define BL_SERVE_PAGE_H
#include <stdbool.h>
#include <stddef.h>

typedef struct bl_page_file {
    const char *path; /* below web/, "index.html" */
    const unsigned char *data;
    size_t size;
    const char *etag; /* "\"…\"", of the content */
} bl_page_file;

/* Ends with a NULL path; made at build time. */
extern const bl_page_file bl_page_files[];

/* The file that a request's path names, "/" being index.html; NULL when there is none. */
const bl_page_file *bl_page_find(const char *path);
/* Content type by the name's end. */
const char *bl_page_type(const char *path);
#endif
