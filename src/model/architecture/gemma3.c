/* Gemma 3 (text): Gemma 2's norms, norms of heads, and five layers with a window and a rotary base of their
 * own to one that sees everything (docs/specification.md, 18). */
#include "base/error.h"
#include "model/architecture/hugging_face.h"

static bool recognise(const json_t *json, const bl_weights *weights) {
    (void)weights;
    return bl_hf_is(json, "gemma3_text");
}

/* rope_parameters {"full_attention": {...}, "sliding_attention": {...}}, or rope_theta, rope_scaling and
 * rope_local_base_freq. */
static bool read_ropes(const bl_arch_reading *r) {
    const json_t *both = json_object_get(r->json, "rope_parameters"),
                 *full = json_object_get(both, "full_attention"),
                 *local = json_object_get(both, "sliding_attention");
    bl_rope_plan *rope = &r->plan->rope;
    *rope = (bl_rope_plan){.base = 1e6, .rotated = r->config->head_dim, .magnitude = 1};
    r->plan->local_rope = (bl_rope_plan){.base = 1e4, .rotated = r->config->head_dim, .magnitude = 1};
    return bl_read_number(r, "rope_theta", &rope->base) &&
           bl_hf_rope_of(r, json_object_get(r->json, "rope_scaling"), rope) && bl_hf_rope_of(r, full, rope) &&
           bl_read_number(r, "rope_local_base_freq", &r->plan->local_rope.base) &&
           bl_hf_rope_of(r, local, &r->plan->local_rope);
}

static bool read(const bl_arch_reading *r) {
    bool types;
    size_t every = 6;
    bl_arch_reading plain = *r;
    json_t *json = json_copy((json_t *)(uintptr_t)r->json); /* rope_parameters has another form here */
    if (!json) return bl_fail(r->err, BL_ERR_MEMORY, "out of memory");
    json_object_del(json, "rope_parameters");
    plain.json = json;
    bool ok = bl_gemma2_read(&plain, 0, 0);
    json_decref(json);
    if (!ok || !read_ropes(r) || !bl_hf_layer_types(r, &types) ||
        !bl_read_size(r, "sliding_window_pattern", false, &every))
        return false;
    r->plan->head_norms = true;
    for (size_t i = 0; i < r->config->n_layer; i++) {
        unsigned window = types ? bl_plan_layer(r->plan, i) & BL_LAYER_WINDOW
                                : (unsigned)((i + 1) % every != 0) * BL_LAYER_WINDOW;
        if (window && !bl_hf_flag(r, i, BL_LAYER_WINDOW | BL_LAYER_LOCAL_ROPE)) return false;
    }
    return true;
}

const bl_architecture bl_gemma3 = {.name = "gemma3_text",
                                   .recognise = recognise,
                                   .read = read,
                                   .list = bl_hf_list,
                                   .harmless = bl_hf_harmless};
