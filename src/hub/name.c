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

/* What follows the hub's host in an address, or NULL when `text` is none. */
static const char *after_host(const char *text) {
    static const char *const schemes[] = {"https://", "http://", ""}, *const hosts[] = {"huggingface.co/",
                                                                                        "www.huggingface.co/",
                                                                                        "hf.co/"};
    for (size_t s = 0; s < 3; s++)
        for (size_t h = 0; h < 3; h++) {
            size_t n = strlen(schemes[s]), m = strlen(hosts[h]);
            if (strncmp(text, schemes[s], n) == 0 && strncmp(text + n, hosts[h], m) == 0) return text + n + m;
        }
    return NULL;
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

/* "owner/name", "owner/name/tree/REVISION/…", "datasets/owner/name" as in the address of a page. */
static const char *parse_address(const char *path, bl_hub_name *name) {
    char owner[100], model[100], view[16];
    next_part(&path, owner, sizeof owner);
    name->data = strcmp(owner, "datasets") == 0;
    if (name->data) next_part(&path, owner, sizeof owner);
    next_part(&path, model, sizeof model);
    next_part(&path, view, sizeof view);
    int length = snprintf(name->repository, sizeof name->repository, "%s/%s", owner, model);
    if (length < 0 || (size_t)length >= sizeof name->repository) return "more than 96 characters";
    const char *fault = repository_fault(name->repository);
    if (fault || (strcmp(view, "tree") != 0 && strcmp(view, "blob") != 0 && strcmp(view, "resolve") != 0))
        return fault;
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
    return strncmp(text, STORIES, sizeof STORIES - 1) == 0 || after_host(text) || parse(text, &name) == NULL;
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
