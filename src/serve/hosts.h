/* Addresses to listen at, and the names under which a request may ask for this server.
 *
 * A page of another site can make its own name lead to 127.0.0.1 (DNS rebinding) and would then be of the
 * same origin as the explorer; its requests bear that name in Host, and so are refused. A port may differ: an
 * SSH tunnel has another one at the other end. */
#ifndef BL_SERVE_HOSTS_H
#define BL_SERVE_HOSTS_H
#include <bilens/base.h>

typedef struct bl_hosts {
    char name[256];  /* the address that was named, without case; "" = loopback only */
    char own[256];   /* this machine's name, when others are let in */
    bool any_number; /* listening everywhere: every numeric address is ours */
    /* Of --public-origin, without case; "" without: */
    char origin[300]; /* "https://example.org:8443", as a browser's Origin has it */
    char host[256];   /* "example.org:8443" */
    char prefix[256]; /* the path in front of ours, "/bilens" */
} bl_hosts;

/* Listening sockets for `address` (NULL: 127.0.0.1 and, if possible, ::1) into sockets [2]; returns how many,
 * 0 on failure. *port becomes the one that was got; *v6 [2] says which are IPv6. Fills in `hosts`. */
size_t bl_listen(const char *address, unsigned *port, int sockets[2], bool v6[2], bl_hosts *hosts,
                 bl_error *err);
/* Takes the address under which a reverse proxy shows this server, "https://example.org/bilens/"; `url` is
 * NULL without one. BL_ERR_USAGE when it is no such address. */
bool bl_hosts_publish(bl_hosts *hosts, const char *url, bl_error *err);
/* Whether the Host header's value is one of ours. */
bool bl_hosts_allow(const bl_hosts *hosts, const char *host);
/* Whether a page of `origin` (the header Origin) is our own, asked for as `host`. */
bool bl_hosts_own_page(const bl_hosts *hosts, const char *origin, const char *host);
/* A request's path without the public prefix: some proxies take it away, some leave it. */
const char *bl_hosts_path(const bl_hosts *hosts, const char *path);
#endif
