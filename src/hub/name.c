/* Names: of repositories and revisions, as users write them, and of files, as a server writes them. Every
 * name becomes part of a path on this disk, so that nothing passes that could leave the folder it belongs in.
 */
#include "hub/hub_private.h"
#include "base/error.h"
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STORIES "tinystories:"
#define STORIES_REPOSITORY "tdooms/TinyStories-"

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool bl_hub_is_hex(const char *text, size_t n) {
    return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

bool bl_hub_safe_path(const char *path) {
    size_t length = strlen(path);
    if (length == 0 || length > 1024) return false;
    for (const char *part = path;;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || n > 250 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        for (size_t i = 0; i < n; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '\\') return false;
        if (!part[n]) return true;
        part += n + 1;
    }
}

/* What is wrong with "owner/name", or NULL. The rules are the hub's own. */
static const char *repository_fault(const char *name) {
    const char *slash = strchr(name, '/');
    size_t length = strlen(name);
    if (!slash || strchr(slash + 1, '/')) return "owner/name was expected";
    if (length > 96) return "more than 96 characters";
    for (const char *c = name; *c; c++)
        if (!is_word(*c) && *c != '/') return "only letters, digits, '-', '_' and '.' may stand in it";
    if (slash == name || !slash[1]) return "owner/name was expected";
    if (strchr("-.", name[0]) || strchr("-.", slash[1]) || strchr("-.", slash[-1]) ||
        strchr("-.", name[length - 1]))
        return "owner and name neither begin nor end with '-' or '.'";
    if (strstr(name, "--") || strstr(name, "..")) return "'--' and '..' may not stand in it";
    if (length > 4 && strcmp(name + length - 4, ".git") == 0) return "it may not end in '.git'";
    return NULL;
}

static const char *revision_fault(const char *revision) {
    size_t length = strlen(revision);
    if (length == 0) return "it is empty";
    if (length >= sizeof((bl_hub_name *)0)->revision) return "it is too long";
    if (!bl_hub_safe_path(revision) || revision[0] == '-' || strpbrk(revision, " ~^:?*["))
        return "no branch, tag or commit has such a name";
    return NULL;
}

bool bl_hub_check_repository(const char *name, bl_error *err) {
    const char *fault = repository_fault(name);
    return !fault || bl_fail(err, BL_ERR_USAGE, "'%.200s' is no name on the hub: %s", name, fault);
}

bool bl_hub_check_revision(const char *revision, bl_error *err) {
    const char *fault = revision_fault(revision);
    return !fault || bl_fail(err, BL_ERR_USAGE, "'%.200s' is no revision: %s", revision, fault);
}

/* "1-1024-i5n": two numbers and perhaps a modifier. */
static const char *stories_fault(const char *text) {
    size_t layers = strspn(text, "0123456789");
    size_t width = layers && text[layers] == '-' ? strspn(text + layers + 1, "0123456789") : 0;
    const char *rest = text + layers + 1 + width;
    if (!width || (*rest && (*rest != '-' || !rest[1])))
        return "tinystories:LAYERS-WIDTH[-MODIFIER] was expected, as in tinystories:1-1024-i5n";
    return NULL;
}

/* What follows the scheme and the hub's host in an address, or NULL when `text` is none of the hub. */
static const char *after_host(const char *text) {
    static const char *const beginnings[] = {"https://", "http://", "git@", "ssh://git@", ""};
    static const char *const hosts[] = {"huggingface.co", "www.huggingface.co", "hf.co"};
    text += strspn(text, " \t\r\n");
    if (strncmp(text, "hf://", 5) == 0) return text + 5;
    for (size_t s = 0; s < sizeof beginnings / sizeof *beginnings; s++)
        for (size_t h = 0; h < sizeof hosts / sizeof *hosts; h++) {
            size_t n = strlen(beginnings[s]), m = strlen(hosts[h]);
            if (strncasecmp(text, beginnings[s], n) != 0 || strncasecmp(text + n, hosts[h], m) != 0) continue;
            const char *rest = text + n + m;
            if (*rest == ':') rest += 1 + strspn(rest + 1, "0123456789"); /* a port, or git@host: */
            bool git = rest[-1] == ':';
            if (*rest == '/') return rest + 1;
            if (git) return rest;
        }
    return NULL;
}

/* An address of another host: what to do about it is said. */
static bool is_address(const char *text) {
    return strncasecmp(text, "https://", 8) == 0 || strncasecmp(text, "http://", 7) == 0;
}

/* The next part of an address's path into out [size], %XX decoded; moves *at past it and its slash. */
static void next_part(const char **at, char *out, size_t size) {
    size_t n = 0;
    for (; **at && !strchr("/?#", **at); ++*at) {
        const char *code = *at + 1;
        bool coded = **at == '%' && isxdigit((unsigned char)code[0]) && isxdigit((unsigned char)code[1]);
        char digits[3] = {coded ? code[0] : '0', coded ? code[1] : '0', '\0'};
        if (n + 1 < size) out[n++] = coded ? (char)strtol(digits, NULL, 16) : **at;
        if (coded) *at += 2;
    }
    out[n] = '\0';
    if (**at == '/') ++*at;
}

/* Whether `word` is one of the list, which NULL ends. */
static bool one_of(const char *word, const char *const *list) {
    while (*list && strcmp(word, *list) != 0) list++;
    return *list;
}

/* "owner/name", "owner/name/tree/REVISION/…", "datasets/owner/name" as in the address of a page. */
static const char *parse_address(const char *path, bl_hub_name *name) {
    static const char *const others[] = {"spaces", "collections", "docs", "papers",
                                         "blog",   "posts",       "api",  NULL};
    static const char *const views[] = {"tree",    "blob", "resolve", "raw", "commit",
                                        "commits", "edit", "blame",   NULL};
    char owner[100], model[100], view[16];
    next_part(&path, owner, sizeof owner);
    if (one_of(owner, others)) return "it is the address of another kind of page than a model's";
    name->data = strcmp(owner, "datasets") == 0;
    if (name->data || strcmp(owner, "models") == 0) next_part(&path, owner, sizeof owner);
    next_part(&path, model, sizeof model);
    next_part(&path, view, sizeof view);
    size_t end = strlen(model); /* a space that was copied, too; the address that git clones */
    while (end > 0 && strchr(" \t\r\n", model[end - 1])) model[--end] = '\0';
    if (end > 4 && strcmp(model + end - 4, ".git") == 0) model[end - 4] = '\0';
    int length = snprintf(name->repository, sizeof name->repository, "%s/%s", owner, model);
    if (length < 0 || (size_t)length >= sizeof name->repository) return "more than 96 characters";
    const char *fault = repository_fault(name->repository);
    if (fault || !one_of(view, views)) return fault;
    next_part(&path, name->revision, sizeof name->revision);
    return revision_fault(name->revision);
}

/* Takes `text` apart; what is wrong, or NULL. */
static const char *parse(const char *text, bl_hub_name *name) {
    const char *path = after_host(text);
    if (path) {
        *name = (bl_hub_name){0};
        return parse_address(path, name);
    }
    if (is_address(text))
        return "it is an address at another host: set HF_ENDPOINT to that host's, and name owner/name";
    const char *at = strchr(text, '@');
    size_t length = at ? (size_t)(at - text) : strlen(text);
    bool stories = strncmp(text, STORIES, sizeof STORIES - 1) == 0;
    *name = (bl_hub_name){0};
    if (stories) text += sizeof STORIES - 1, length -= sizeof STORIES - 1;
    if (length > 96) return "more than 96 characters";
    snprintf(name->repository, sizeof name->repository, "%s%.*s", stories ? STORIES_REPOSITORY : "",
             (int)length, text);
    const char *fault = stories ? stories_fault(name->repository + sizeof STORIES_REPOSITORY - 1) : NULL;
    if (!fault) fault = repository_fault(name->repository);
    if (!fault && at) fault = revision_fault(at + 1);
    if (!fault && at) snprintf(name->revision, sizeof name->revision, "%s", at + 1);
    return fault;
}

bool bl_hub_is_name(const char *text) {
    bl_hub_name name;
    return strncmp(text, STORIES, sizeof STORIES - 1) == 0 || after_host(text) || is_address(text) ||
           parse(text, &name) == NULL;
}

bool bl_hub_parse(const char *text, bl_hub_name *name, bl_error *err) {
    const char *fault = parse(text, name);
    return !fault || bl_fail(err, BL_ERR_USAGE, "'%.200s' is no name on the hub: %s", text, fault);
}

bool bl_hub_matches(const char *pattern, const char *name) {
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '/') return strncmp(pattern, name, length) == 0;
    return fnmatch(pattern, name, 0) == 0;
}

bool bl_hub_wanted(const bl_hub_request *request, const char *name) {
    static const char *const model[] = {"config.json", "tokenizer.json", "model.safetensors.index.json",
                                        "*.safetensors"};
    if (request->n_patterns == 0 && strchr(name, '/')) return false;
    size_t n = request->n_patterns ? request->n_patterns : sizeof model / sizeof *model;
    const char *const *patterns = request->n_patterns ? request->patterns : model;
    for (size_t i = 0; i < n; i++)
        if (bl_hub_matches(patterns[i], name)) return true;
    return false;
}
