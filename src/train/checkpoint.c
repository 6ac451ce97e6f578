/* The file: "bilens checkpoint 1\n", padding to 24 bytes; the JSON's length (8 bytes, little-endian); a JSON
 * object {"run", "state"}, padded with blanks to a multiple of 64; weights, m, v as float32; a 64-bit hash of
 * all that stands before. It is read only on machines of the same byte order (base/format assert
 * little-endian), and it is hostile input all the same. */
#include "train/checkpoint.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "bilens checkpoint 1\n\0\0\0\0"
#define MAGIC_SIZE ((size_t)24)
#define HEADER_LIMIT ((uint64_t)1 << 20)

/* A running hash over 64-bit words; `size` is a multiple of 8 in all calls but the last. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size) {
    const unsigned char *at = data;
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
        hash ^= hash >> 29;
    }
    for (; size > 0; size--, at++) hash = (hash ^ *at) * UINT64_C(0x100000001b3);
    return hash;
}

static const char *schedule_name(bl_schedule schedule) {
    static const char *const names[] = {"cosine", "linear", "constant"};
    return names[schedule];
}

const char *bl_precision_name(bl_precision precision) {
    return precision == BL_PRECISION_BF16 ? "bf16" : "f32";
}

json_t *bl_run_description(const bl_train_options *o, const bl_config *c, uint64_t steps, uint64_t hash,
                           bl_precision precision, uint64_t start) {
    char corpus[20], from[20];
    snprintf(corpus, sizeof corpus, "%016llx", (unsigned long long)hash);
    snprintf(from, sizeof from, "%016llx", (unsigned long long)start);
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:f, s:I, "
                  "s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:s, s:I, s:I, s:s, s:s, s:[fff]}",
                  "corpus", corpus, "generation", bl_config_generation(c), "vocabulary",
                  (json_int_t)c->n_vocab, "layers", (json_int_t)c->n_layer, "heads", (json_int_t)c->n_head,
                  "ctx", (json_int_t)c->n_ctx, "d-model", (json_int_t)c->d_model, "d-hidden",
                  (json_int_t)c->d_hidden, "gate", bl_gate_name(c->gate), "plain", c->plain, "bias-w",
                  c->bias_w, "bias-p", c->bias_p, "norm", c->normalization, "norm-weights", c->norm_weights,
                  "tied", c->tied, "noise", (double)c->noise, "batch", (json_int_t)o->batch, "accumulate",
                  (json_int_t)o->accumulate, "lr", o->lr, "lr-end", o->lr_end, "beta1", o->beta1, "beta2",
                  o->beta2, "epsilon", o->epsilon, "decay", o->decay, "clip", o->clip, "warmup",
                  (json_int_t)o->warmup, "schedule", schedule_name(o->schedule), "steps",
                  (json_int_t)(o->schedule == BL_SCHEDULE_CONSTANT ? 0 : steps), "seed", (json_int_t)o->seed,
                  "precision", bl_precision_name(precision), "from", from, "anneal", o->anneal.from,
                  o->anneal.to, o->anneal.share);
    if (json && c->attention2) json_object_set_new(json, "attention2", json_true());
    return json;
}

bool bl_checkpoint_write(const char *path, const json_t *description, const bl_train_state *state,
                         const bl_train_arrays *arrays, bl_error *err) {
    const float *parts[] = {arrays->weights, arrays->m, arrays->v};
    bl_writer *writer = NULL;
    char *text = NULL;
    bool ok = false;
    json_t *header =
        json_pack("{s:O, s:{s:I, s:I, s:I, s:I, s:I, s:f, s:i, s:i, s:b, s:o}}", "run", description, "state",
                  "step", (json_int_t)state->step, "position", (json_int_t)state->position, "tokens",
                  (json_int_t)state->tokens, "predictions", (json_int_t)state->predictions, "log_bytes",
                  (json_int_t)state->log_bytes, "seconds", state->seconds, "threads", state->threads, "ranks",
                  state->ranks, "evaluation_due", state->evaluation_due, "valid_loss",
                  state->valid_loss == state->valid_loss ? json_real(state->valid_loss) : json_null());
    text = bl_json_text(header, JSON_COMPACT | JSON_REAL_PRECISION(17), err);
    if (!text) goto done;
    size_t length = strlen(text);
    uint64_t padded = length + (64 - (MAGIC_SIZE + 8 + length) % 64) % 64, hash;
    char *whole = bl_alloc(padded, 1, err);
    if (!whole) goto done;
    memcpy(whole, text, length);
    memset(whole + length, ' ', padded - length);
    free(text);
    text = whole;
    writer = bl_writer_open(path, err);
    if (!writer) goto done;
    bl_writer_write(writer, MAGIC, MAGIC_SIZE);
    bl_writer_write(writer, &padded, sizeof padded);
    bl_writer_write(writer, text, padded);
    hash = hash_bytes(hash_bytes(hash_bytes(0, MAGIC, MAGIC_SIZE), &padded, sizeof padded), text, padded);
    for (size_t i = 0; i < 3; i++) {
        bl_writer_write(writer, parts[i], arrays->total * sizeof(float));
        hash = hash_bytes(hash, parts[i], arrays->total * sizeof(float));
    }
    bl_writer_write(writer, &hash, sizeof hash);
    ok = bl_writer_commit(writer, err);
done:
    free(text);
    json_decref(header);
    return ok;
}

/* The first key whose value differs. */
static bool same_run(const char *path, const json_t *stored, const json_t *wanted, bl_error *err) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, value) {
        const json_t *other = json_object_get(stored, key);
        bool numbers = json_is_number(value) && json_is_number(other);
        if (numbers ? json_number_value(value) == json_number_value(other) : json_equal(value, other))
            continue;
        if (strcmp(key, "corpus") == 0)
            return bl_fail(err, BL_ERR_USAGE,
                           "%s: is of a run on other text or with another tokenizer: resume with the same "
                           "--corpus and --tokenizer, or "
                           "choose another directory",
                           path);
        char *was = other ? bl_json_text(other, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9), NULL) : NULL;
        char *now = bl_json_text(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9), NULL);
        bl_fail(err, BL_ERR_USAGE,
                "%s: is of another run: its \"%s\" is %s, now it would be %s; resume with the same options, "
                "or choose another directory",
                path, key, was ? was : "missing", now ? now : "?");
        free(was);
        free(now);
        return false;
    }
    return true;
}

static bool read_state(const json_t *json, bl_train_state *state) {
    json_int_t step, position, tokens, predictions, log_bytes;
    json_t *valid;
    int due = 0;
    if (json_unpack((json_t *)(uintptr_t)json, "{s:I, s:I, s:I, s:I, s:I, s:F, s?i, s?i, s?b, s:o}", "step",
                    &step, "position", &position, "tokens", &tokens, "predictions", &predictions, "log_bytes",
                    &log_bytes, "seconds", &state->seconds, "threads", &state->threads, "ranks",
                    &state->ranks, "evaluation_due", &due, "valid_loss", &valid) != 0)
        return false;
    if (step < 0 || position < 0 || tokens < 0 || predictions < 0 || log_bytes < 0) return false;
    state->evaluation_due = due != 0;
    state->step = (uint64_t)step;
    state->position = (uint64_t)position;
    state->tokens = (uint64_t)tokens;
    state->predictions = (uint64_t)predictions;
    state->log_bytes = (uint64_t)log_bytes;
    state->valid_loss = json_is_number(valid) ? json_number_value(valid) : (double)NAN;
    return true;
}

/* The JSON at the head of a checkpoint; *length: its bytes. */
static json_t *read_header(const char *path, const bl_content *map, uint64_t *length, bl_error *err) {
    *length = 0;
    if (map->size >= MAGIC_SIZE + 8) memcpy(length, map->data + MAGIC_SIZE, 8);
    if (map->size < MAGIC_SIZE + 8 || memcmp(map->data, MAGIC, MAGIC_SIZE) != 0 || *length > HEADER_LIMIT ||
        *length > map->size - MAGIC_SIZE - 8)
        return bl_fail_null(err, BL_ERR_INPUT, "%s: is no checkpoint of bilens, or was cut short", path);
    return bl_json_parse((const char *)map->data + MAGIC_SIZE + 8, (size_t)*length, path, err);
}

bool bl_checkpoint_precision(const char *path, bl_precision *precision) {
    bl_content map;
    uint64_t length;
    if (!bl_file_exists(path) || !bl_content_read(path, &map, NULL)) return false;
    json_t *header = read_header(path, &map, &length, NULL);
    const char *name = json_string_value(json_object_get(json_object_get(header, "run"), "precision"));
    if (name) *precision = strcmp(name, "bf16") == 0 ? BL_PRECISION_BF16 : BL_PRECISION_F32;
    bool found = name != NULL;
    json_decref(header);
    bl_content_free(&map);
    return found;
}

bool bl_checkpoint_read(const char *path, const json_t *description, bl_train_state *state,
                        const bl_train_arrays *arrays, bl_error *err) {
    bl_content map;
    json_t *header = NULL;
    bool ok = false;
    uint64_t length, hash, stored;
    size_t bytes = arrays->total * sizeof(float);
    if (!bl_content_read(path, &map, err)) return false;
    header = read_header(path, &map, &length, err);
    if (!header || !same_run(path, json_object_get(header, "run"), description, err)) goto done;
    size_t begin = MAGIC_SIZE + 8 + (size_t)length;
    if (map.size - begin != 3 * bytes + 8) {
        bl_fail(err, BL_ERR_INPUT,
                "%s: has %zu bytes, a checkpoint of this run has %zu: it was cut short or is damaged", path,
                map.size, begin + 3 * bytes + 8);
        goto done;
    }
    hash = hash_bytes(hash_bytes(hash_bytes(0, map.data, MAGIC_SIZE), &length, 8), map.data + MAGIC_SIZE + 8,
                      (size_t)length);
    for (size_t i = 0; i < 3; i++) hash = hash_bytes(hash, map.data + begin + i * bytes, bytes);
    memcpy(&stored, map.data + map.size - 8, 8);
    if (stored != hash || !read_state(json_object_get(header, "state"), state)) {
        bl_fail(err, BL_ERR_INPUT, "%s: is damaged: its content does not agree with its checksum", path);
        goto done;
    }
    memcpy(arrays->weights, map.data + begin, bytes);
    memcpy(arrays->m, map.data + begin + bytes, bytes);
    memcpy(arrays->v, map.data + begin + 2 * bytes, bytes);
    ok = true;
done:
    json_decref(header);
    bl_content_free(&map);
    return ok;
}
