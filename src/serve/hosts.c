#include "serve/hosts.h"
#include "base/error.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 256

/* A listening socket; -1 with errno. */
static int listen_at(const struct sockaddr *address, socklen_t length) {
    int one = 1, s = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) return -1;
    (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->sa_family == AF_INET6) (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(s, address, length) == 0 && listen(s, BACKLOG) == 0) return s;
    int failure = errno;
    close(s);
    errno = failure;
    return -1;
}

static unsigned port_of(int s) {
    struct sockaddr_storage at = {0};
    socklen_t length = sizeof at;
    if (getsockname(s, (struct sockaddr *)&at, &length) != 0) return 0;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    memcpy(&four, &at, sizeof four);
    memcpy(&six, &at, sizeof six);
    return ntohs(at.ss_family == AF_INET6 ? six.sin6_port : four.sin_port);
}

static size_t fail(const char *address, unsigned port, bl_error *err) {
    if (errno == EADDRINUSE)
        bl_fail(err, BL_ERR_INPUT,
                "port %u of %.100s is taken by another program: choose another one (0 = any that is free)",
                port, address);
    else if (errno == EACCES)
        bl_fail(err, BL_ERR_INPUT, "port %u of %.100s may not be used: choose one from 1024", port, address);
    else
        bl_fail(err, BL_ERR_INPUT, "port %u of %.100s cannot be listened at: %s", port, address,
                strerror(errno));
    return 0;
}

static size_t listen_loopback(unsigned *port, int sockets[2], bool v6[2], bl_error *err) {
    struct sockaddr_in four = {.sin_family = AF_INET,
                               .sin_port = htons((in_port_t)*port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sockets[0] = listen_at((const struct sockaddr *)&four, sizeof four);
    if (sockets[0] < 0) return fail("127.0.0.1", *port, err);
    *port = port_of(sockets[0]);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons((in_port_t)*port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    sockets[1] =
        listen_at((const struct sockaddr *)&six, sizeof six); /* a machine without IPv6 does without */
    v6[0] = false;
    v6[1] = true;
    return sockets[1] < 0 ? 1 : 2;
}

static bool is_any(const struct sockaddr *a) {
    if (a->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static void lower(char *text) {
    for (; *text; text++) *text = (char)tolower((unsigned char)*text);
}

static size_t listen_named(const char *address, unsigned *port, int sockets[2], bool v6[2], bl_hosts *hosts,
                           bl_error *err) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    char service[16];
    size_t n = 0;
    snprintf(service, sizeof service, "%u", *port);
    int code = getaddrinfo(address, service, &hints, &found);
    if (code != 0) {
        bl_fail(err, BL_ERR_INPUT, "address '%.100s': %s", address, gai_strerror(code));
        return 0;
    }
    errno = 0;
    for (struct addrinfo *a = found; a && n < 2; a = a->ai_next) {
        if (n == 1 && a->ai_family == found->ai_family) continue;
        sockets[n] = listen_at(a->ai_addr, a->ai_addrlen);
        if (sockets[n] < 0) continue;
        v6[n] = a->ai_family == AF_INET6;
        hosts->any_number = hosts->any_number || is_any(a->ai_addr);
        n++;
        *port = port_of(sockets[0]);
        if (strcmp(service, "0") == 0) break; /* the other one would get another port */
    }
    freeaddrinfo(found);
    snprintf(hosts->name, sizeof hosts->name, "%s", address);
    if (gethostname(hosts->own, sizeof hosts->own - 1) != 0) hosts->own[0] = '\0';
    lower(hosts->name);
    lower(hosts->own);
    return n ? n : fail(address, *port, err);
}

size_t bl_listen(const char *address, unsigned *port, int sockets[2], bool v6[2], bl_hosts *hosts,
                 bl_error *err) {
    hosts->name[0] = hosts->own[0] = '\0';
    hosts->any_number = false;
    if (*port > 65535) {
        bl_fail(err, BL_ERR_USAGE, "port %u does not exist: 0 … 65535", *port);
        return 0;
    }
    return address ? listen_named(address, port, sockets, v6, hosts, err)
                   : listen_loopback(port, sockets, v6, err);
}

static bool is_port(const char *text) {
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 5 && text[n] == '\0' && strtoul(text, NULL, 10) <= 65535;
}

/* The characters of a name or number, with a port or without: "example.org:8443", "[::1]". */
static bool is_authority(const char *text, size_t n) {
    static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789-._", six[] = "0123456789abcdef:.";
    size_t at = 0;
    if (n > 0 && text[0] == '[') {
        at = 1 + strspn(text + 1, six);
        if (at == 1 || at >= n || text[at++] != ']') return false;
    } else {
        at = strspn(text, name);
        if (at == 0) return false;
    }
    if (at >= n) return at == n;
    return text[at] == ':' && is_port(text + at + 1);
}

/* "example.org:443" of https is "example.org": what a browser writes. */
static void drop_default_port(char *host, bool secure) {
    const char *port = secure ? ":443" : ":80";
    size_t n = strlen(host), m = strlen(port);
    if (n > m && strcmp(host + n - m, port) == 0) host[n - m] = '\0';
}

bool bl_hosts_publish(bl_hosts *hosts, const char *url, bl_error *err) {
    static const char schemes[][9] = {"http://", "https://"};
    hosts->origin[0] = hosts->host[0] = hosts->prefix[0] = '\0';
    if (!url) return true;
    bool secure = strncasecmp(url, schemes[1], 8) == 0, plain = strncasecmp(url, schemes[0], 7) == 0;
    const char *host = url + (secure ? 8 : 7), *path = secure || plain ? host + strcspn(host, "/?#") : url;
    size_t n = secure || plain ? (size_t)(path - host) : 0, length = strlen(path);
    while (length > 0 && path[length - 1] == '/') length--;
    bool fits = n > 0 && n < sizeof hosts->host && length < sizeof hosts->prefix;
    if (fits) {
        memcpy(hosts->host, host, n);
        hosts->host[n] = '\0';
        lower(hosts->host);
        memcpy(hosts->prefix, path, length);
        hosts->prefix[length] = '\0';
    }
    if (!fits || !is_authority(hosts->host, n) || strpbrk(hosts->prefix, "?#%\\ \"<>") ||
        strstr(hosts->prefix, "//") || strstr(hosts->prefix, "/."))
        return bl_fail(err, BL_ERR_USAGE,
                       "'%.200s' is not an address such as https://example.org or "
                       "https://example.org/bilens",
                       url);
    drop_default_port(hosts->host, secure);
    snprintf(hosts->origin, sizeof hosts->origin, "%s%s", schemes[secure], hosts->host);
    return true;
}

/* Whether `host`, a Host header's value, is the public one; its default port may be written. */
static bool is_public(const bl_hosts *hosts, const char *host) {
    char name[256];
    if (!hosts->host[0] || strlen(host) >= sizeof name) return false;
    snprintf(name, sizeof name, "%s", host);
    lower(name);
    drop_default_port(name, strncmp(hosts->origin, "https:", 6) == 0);
    return strcmp(name, hosts->host) == 0;
}

bool bl_hosts_own_page(const bl_hosts *hosts, const char *origin, const char *host) {
    static const char scheme[] = "http://";
    if (hosts->origin[0] && strcasecmp(origin, hosts->origin) == 0) return true;
    return !is_public(hosts, host) && strncasecmp(origin, scheme, 7) == 0 &&
           strcasecmp(origin + 7, host) == 0;
}

const char *bl_hosts_path(const bl_hosts *hosts, const char *path) {
    size_t n = strlen(hosts->prefix);
    return n > 0 && strncmp(path, hosts->prefix, n) == 0 && path[n] == '/' ? path + n : path;
}

bool bl_hosts_allow(const bl_hosts *hosts, const char *host) {
    char name[256];
    unsigned char number[16];
    if (is_public(hosts, host)) return true;
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end || strlen(host) >= sizeof name) return false;
    bool six = host[0] == '[';
    const char *begin = six ? host + 1 : host, *rest = six ? end + 1 : end;
    if (*rest && (*rest != ':' || !is_port(rest + 1))) return false;
    memcpy(name, begin, (size_t)(end - begin));
    name[end - begin] = '\0';
    lower(name);
    if (six) {
        if (inet_pton(AF_INET6, name, number) != 1) return false;
        if (strcmp(name, "::1") == 0 || hosts->any_number) return true;
        return hosts->name[0] && strcmp(name, hosts->name) == 0;
    }
    if (strcmp(name, "127.0.0.1") == 0 || strcmp(name, "localhost") == 0) return true;
    if (!name[0] || !hosts->name[0]) return false;
    if (hosts->any_number && inet_pton(AF_INET, name, number) == 1) return true;
    return strcmp(name, hosts->name) == 0 || strcmp(name, hosts->own) == 0;
}
