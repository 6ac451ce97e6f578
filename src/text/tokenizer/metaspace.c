/* Metaspace: blanks become a sign ("▁"), one is put before the text, and with `split` every sign begins a
 * word. */
#include "base/error.h"
#include "base/memory.h"
#include "text/tokenizer/pretokenise.h"

/* The piece with signs for blanks; NULL when memory is short. */
static bl_buffer *with_signs(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text,
                             size_t n) {
    const bl_short_text *sign = &step->sign;
    size_t blanks = 1, room;
    for (size_t i = 0; i < n; i++) blanks += text[i] == ' ';
    if (!bl_mul_size(blanks, sign->n, &room) || !bl_add_size(room, n, &room)) {
        bl_fail(rest->err, BL_ERR_MEMORY, "out of memory: a text of %zu bytes is too long", n);
        return NULL;
    }
    bl_buffer *out = bl_cutting_buffer(rest, 0, room);
    if (!out) return NULL;
    bool has_sign = text[0] == ' ' || (n >= sign->n && memcmp(text, sign->data, sign->n) == 0);
    bool prepend = step->prepend == BL_PREPEND_ALWAYS || (step->prepend == BL_PREPEND_FIRST && rest->first);
    if (prepend && !has_sign) memcpy(out->data, sign->data, out->n = sign->n);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ') {
            out->data[out->n++] = text[i];
            continue;
        }
        memcpy(out->data + out->n, sign->data, sign->n);
        out->n += sign->n;
    }
    return out;
}

static bool cut(const bl_pretokeniser_step *step, const bl_cutting *rest, const char *text, size_t n) {
    const bl_buffer *signs = with_signs(step, rest, text, n);
    if (!signs) return false;
    size_t begin = 0;
    for (size_t i = 1; step->split && i + step->sign.n <= signs->n; i++) {
        if (memcmp(signs->data + i, step->sign.data, step->sign.n) != 0) continue;
        if (!bl_hand_on(rest, signs->data + begin, i - begin)) return false;
        begin = i;
    }
    return bl_hand_on(rest, signs->data + begin, signs->n - begin);
}

bl_pretokeniser_step bl_pretokeniser_metaspace(bl_short_text sign, bl_prepend prepend, bool split) {
    return (bl_pretokeniser_step){.cut = cut, .sign = sign, .prepend = prepend, .split = split};
}
