/* The two hashes of the hub: SHA-256 of a large file's bytes, and what git calls a small file:
 *
 *   SHA-1("blob " size NUL bytes) */
#include "hub/network.h"
#include "base/error.h"
#include "base/memory.h"
#include <bilens/hub.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bl_digest {
    EVP_MD_CTX *context;
    char expected[65];
    uint64_t size;
};

bl_digest *bl_digest_new(const char *expected, uint64_t size, bl_error *err) {
    bl_digest *digest = bl_alloc_zero(1, sizeof *digest, err);
    if (!digest) return NULL;
    digest->context = EVP_MD_CTX_new();
    digest->size = size;
    snprintf(digest->expected, sizeof digest->expected, "%s", expected);
    if (digest->context && bl_digest_restart(digest, err)) return digest;
    if (!digest->context) bl_fail(err, BL_ERR_MEMORY, "out of memory while a hash was begun");
    bl_digest_free(digest);
    return NULL;
}

static bool failed(bl_error *err) {
    return bl_fail(err, BL_ERR_IO, "the cryptographic library refuses to compute a hash");
}

bool bl_digest_restart(bl_digest *digest, bl_error *err) {
    bool git = strlen(digest->expected) == 40;
    char head[64];
    if (EVP_DigestInit_ex(digest->context, git ? EVP_sha1() : EVP_sha256(), NULL) != 1) return failed(err);
    if (!git) return true;
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)digest->size);
    return bl_digest_add(digest, head, (size_t)n + 1, err);
}

bool bl_digest_add(bl_digest *digest, const void *data, size_t size, bl_error *err) {
    return EVP_DigestUpdate(digest->context, data, size) == 1 || failed(err);
}

bool bl_file_sha256(const char *path, char out[65], bl_error *err) {
    enum { PIECE = 1 << 18 };
    FILE *file = fopen(path, "rb");
    if (!file) return bl_fail(err, BL_ERR_INPUT, "%s: cannot be read: %s", path, strerror(errno));
    bl_digest *digest = bl_digest_new("", 0, err);
    char *piece = digest ? bl_alloc(PIECE, 1, err) : NULL;
    bool ok = piece != NULL;
    for (size_t n; ok && (n = fread(piece, 1, PIECE, file)) > 0;) ok = bl_digest_add(digest, piece, n, err);
    if (ok && ferror(file)) ok = bl_fail(err, BL_ERR_IO, "%s: reading failed: %s", path, strerror(errno));
    if (ok) bl_digest_agrees(digest, out);
    ok = ok && (out[0] || failed(err));
    free(piece);
    bl_digest_free(digest);
    fclose(file);
    return ok;
}

bool bl_digest_agrees(bl_digest *digest, char found[65]) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    found[0] = '\0';
    if (EVP_DigestFinal_ex(digest->context, bytes, &n) != 1) return false;
    for (unsigned i = 0; i < n && i < 32; i++) snprintf(found + 2 * (size_t)i, 3, "%02x", bytes[i]);
    return strcmp(found, digest->expected) == 0;
}

void bl_digest_free(bl_digest *digest) {
    if (!digest) return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}
