#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include <bilens/basis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t bl_basis_size(const bl_basis *basis) { return basis->vectors.rows; }
size_t bl_basis_width(const bl_basis *basis) { return basis->vectors.cols; }

/* Its own label, or NULL. */
static const char *own_label(const bl_basis *basis, size_t i) {
    if (basis->labels) return basis->labels[i];
    return basis->tokenizer && i <= INT32_MAX ? bl_tokenizer_token(basis->tokenizer, (int32_t)i) : NULL;
}

bool bl_basis_used(const bl_basis *basis, size_t i) {
    return (!basis->labels && !basis->tokenizer) || own_label(basis, i) != NULL;
}

size_t bl_basis_n_used(const bl_basis *basis) {
    size_t n = 0;
    for (size_t i = 0; i < basis->vectors.rows; i++) n += bl_basis_used(basis, i);
    return n;
}

const char *bl_basis_label(const bl_basis *basis, size_t i, char *space) {
    const char *label = own_label(basis, i);
    if (label) return label;
    snprintf(space, BL_LABEL_SPACE, "#%zu", i);
    return space;
}

/* The number that `text` is, with or without '#'; -1 when it is none. */
static long number_of(const char *text) {
    const char *digits = text + (*text == '#');
    size_t n = strlen(digits);
    return n > 0 && n < 19 && strspn(digits, "0123456789") == n ? strtol(digits, NULL, 10) : -1;
}

static long find_token(const bl_basis *basis, const char *text, bl_error *err) {
    int32_t id = bl_tokenizer_find(basis->tokenizer, text, err);
    if (id < 0) return -1;
    if ((size_t)id < basis->vectors.rows) return id;
    bl_fail(err, BL_ERR_USAGE, "token '%s' has id %d, but the model's vocabulary has %zu", text, (int)id,
            basis->vectors.rows);
    return -1;
}

/* "there are 0, 1, 2, …" */
static void suggest(const bl_basis *basis, const char *text, bl_error *err) {
    enum { SHOWN = 20 };
    size_t n = bl_basis_size(basis), shown = n < SHOWN ? n : SHOWN;
    char space[BL_LABEL_SPACE];
    bl_buffer list = {0};
    for (size_t i = 0; i < shown; i++)
        bl_buffer_print(&list, "%s%.40s", i ? ", " : "", bl_basis_label(basis, i, space));
    if (shown < n) bl_buffer_print(&list, ", … (%zu in all)", n);
    char *names = bl_buffer_take(&list, err);
    if (names) bl_fail(err, BL_ERR_USAGE, "there is no %s '%.100s'; there are %s", basis->name, text, names);
    free(names);
}

/* Labels that differ only in capitals, or in a hyphen for a blank: "ankle-boot" is "Ankle boot". */
static bool alike(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        char x = *a == '-' || *a == '_' ? ' ' : *a;
        char y = *b == '-' || *b == '_' ? ' ' : *b;
        if (x >= 'A' && x <= 'Z') x = (char)(x - 'A' + 'a');
        if (y >= 'A' && y <= 'Z') y = (char)(y - 'A' + 'a');
        if (x != y) return false;
    }
    return *a == *b;
}

/* The label itself, else the only one that is alike; -1 when there is none. */
static long find_own(const bl_basis *basis, const char *text) {
    long found = -1;
    size_t n = 0;
    for (size_t i = 0; i < basis->vectors.rows; i++)
        if (basis->labels[i] && strcmp(basis->labels[i], text) == 0) return (long)i;
    for (size_t i = 0; i < basis->vectors.rows; i++) {
        if (!basis->labels[i] || !alike(basis->labels[i], text)) continue;
        found = (long)i;
        n++;
    }
    return n == 1 ? found : -1;
}

static long find_label(const bl_basis *basis, const char *text, bl_error *err) {
    if (!basis->labels && basis->tokenizer) return find_token(basis, text, err);
    long own = basis->labels ? find_own(basis, text) : -1;
    if (own >= 0) return own;
    long number = number_of(text);
    if (number >= 0 && (size_t)number < basis->vectors.rows) return number;
    suggest(basis, text, err);
    return -1;
}

/* `text` behind "class:", or NULL where it does not begin so. */
static const char *without_name(const bl_basis *basis, const char *text) {
    size_t n = basis->name ? strlen(basis->name) : 0;
    return n > 0 && strncmp(text, basis->name, n) == 0 && text[n] == ':' ? text + n + 1 : NULL;
}

long bl_basis_find(const bl_basis *basis, const char *text, bl_error *err) {
    bl_error_clear(err);
    const char *rest = without_name(basis, text);
    bl_error none = {0};
    long whole = rest ? find_label(basis, text, &none) : -1; /* a label may look like that */
    return whole >= 0 ? whole : find_label(basis, rest ? rest : text, err);
}

bool bl_basis_mean(const bl_basis *basis, float *mean, bl_error *err) {
    size_t d = basis->vectors.cols, used = bl_basis_n_used(basis);
    double *sums = bl_alloc_zero(d, sizeof *sums, err);
    if (!sums) return false;
    for (size_t i = 0; i < basis->vectors.rows; i++) {
        const float *row = basis->vectors.data + i * basis->vectors.stride;
        if (!bl_basis_used(basis, i)) continue;
        for (size_t e = 0; e < d; e++) sums[e] += (double)row[e];
    }
    for (size_t e = 0; e < d; e++) mean[e] = (float)(sums[e] / (double)(used ? used : 1));
    free(sums);
    return true;
}
