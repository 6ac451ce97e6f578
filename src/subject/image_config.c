/* config.json of image models (docs/specification.md, 20 and 21): the keys of the authors' directories, and
 * ours. Directories that the authors' code wrote hold dozens of further keys, which mean nothing here. Any
 * other key is refused, as it may change what the model computes. */
#include "base/error.h"
#include "model/architecture/bilinear.h"
#include "subject/image_private.h"
#include <math.h>
#include <string.h>

#define MAX_SIZE ((json_int_t)1 << 24) /* of n, h, C; their products are checked before allocation */

static const char *kind_of(const json_t *value) {
    static const char *const names[] = {"an object",     "a list", "a string", "an integer",
                                        "a real number", "true",   "false",    "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

static bool read_size(const json_t *json, const char *path, const char *key, size_t *out, bl_error *err) {
    const json_t *value = json_object_get(json, key);
    if (!value) return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" is missing", path, key);
    if (!json_is_integer(value))
        return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" must be an integer, found %s", path, key,
                       kind_of(value));
    json_int_t size = json_integer_value(value);
    if (size < 1 || size > MAX_SIZE)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" must be an integer from 1 to %lld, found %lld", path,
                       key, (long long)MAX_SIZE, (long long)size);
    *out = (size_t)size;
    return true;
}

/* Absent and null are false. */
static bool read_bool(const json_t *json, const char *path, const char *key, bool *out, bl_error *err) {
    const json_t *value = json_object_get(json, key);
    *out = json_is_true(value);
    if (!value || json_is_null(value) || json_is_boolean(value)) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: \"%s\" must be true or false, found %s", path, key,
                   kind_of(value));
}

static bool read_gate(const json_t *json, const char *path, bl_gate *gate, bl_error *err) {
    static const char *const names[] = {"relu", "silu", "gelu"};
    static const bl_gate gates[] = {BL_GATE_RELU, BL_GATE_SILU, BL_GATE_GELU};
    const json_t *value = json_object_get(json, "gate");
    *gate = BL_GATE_NONE;
    if (!value || json_is_null(value)) return true;
    const char *name = json_is_string(value) ? json_string_value(value) : "";
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *gate = gates[i];
        return true;
    }
    return bl_fail(err, BL_ERR_INPUT,
                   "%s: \"gate\" must be null, \"relu\", \"silu\" or \"gelu\", found %s %.40s", path,
                   kind_of(value), name);
}

void bl_image_default_shape(size_t n, size_t shape[3]) {
    size_t side = (size_t)lround(sqrt((double)n));
    shape[0] = shape[1] = 1;
    shape[2] = n;
    if (side * side == n) shape[1] = shape[2] = side;
    if (n == 3072) shape[0] = 3, shape[1] = shape[2] = 32;
}

static bool read_shape(const json_t *json, const char *path, size_t n, size_t shape[3], bl_error *err) {
    const json_t *value = json_object_get(json, "input_shape");
    bl_image_default_shape(n, shape);
    if (!value || json_is_null(value)) return true;
    if (!json_is_array(value) || json_array_size(value) != 3)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"input_shape\" must be [channels, rows, columns], found %s",
                       path, kind_of(value));
    size_t product = 1;
    for (size_t i = 0; i < 3 && product <= n; i++) { /* ends before the product can wrap */
        const json_t *item = json_array_get(value, i);
        json_int_t size = json_integer_value(item);
        if (!json_is_integer(item) || size < 1 || size > MAX_SIZE)
            return bl_fail(err, BL_ERR_INPUT, "%s: \"input_shape\" must hold three positive integers", path);
        shape[i] = (size_t)size;
        product *= shape[i];
    }
    return product == n ||
           bl_fail(err, BL_ERR_INPUT,
                   "%s: \"input_shape\" does not have the %zu pixels that \"d_input\" says", path, n);
}

static bool read_modular(const json_t *json, const char *path, bl_image_config *c, bl_error *err) {
    const json_t *operation = json_object_get(json, "operation");
    if (!read_size(json, path, "p", &c->p, err) || !read_bool(json, path, "split", &c->split, err))
        return false;
    if (c->p < 3 || c->p % 2 == 0)
        return bl_fail(err, BL_ERR_INPUT, "%s: \"p\" must be odd and at least 3, found %zu", path, c->p);
    if (operation && (!json_is_string(operation) || strcmp(json_string_value(operation), "add") != 0))
        return bl_fail(err, BL_ERR_UNSUPPORTED, "%s: \"operation\" must be \"add\"", path);
    if (c->d_input != 2 * c->p || c->d_output != c->p)
        return bl_fail(err, BL_ERR_INPUT,
                       "%s: with \"p\" %zu, \"d_input\" must be %zu and \"d_output\" %zu, found %zu and %zu",
                       path, c->p, 2 * c->p, c->p, c->d_input, c->d_output);
    if (c->n_layer != 1 || c->residual)
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: a model of modular addition has one block and no residual", path);
    return true;
}

static bool check_kind(const json_t *json, const char *path, bool *modular, bl_error *err) {
    const json_t *kind = json_object_get(json, "kind");
    const char *name = json_is_string(kind) ? json_string_value(kind) : "";
    *modular = strcmp(name, "modular") == 0;
    if (!kind || json_is_null(kind) || *modular || strcmp(name, "image") == 0) return true;
    return bl_fail(err, BL_ERR_INPUT, "%s: \"kind\" must be \"image\" or \"modular\", found %s %.40s", path,
                   kind_of(kind), name);
}

static bool check_keys(const json_t *json, const char *path, bl_error *err) {
    static const char *const honoured[] = {"kind",      "d_input", "d_hidden",   "d_output", "n_layer",
                                           "bias",      "gate",    "residual",   "p",        "split",
                                           "operation", "labels",  "input_shape"};
    static const char *const training[] = {"batch_size", "beta1",       "beta2",
                                           "betas",      "dataset",     "decay",
                                           "device",     "epochs",      "eps",
                                           "fraction",   "l2",          "lr",
                                           "name",       "noise",       "norm_weight_decay",
                                           "num_epochs", "optimizer",   "repo",
                                           "scheduler",  "seed",        "size",
                                           "steps",      "wandb",       "warmup",
                                           "wd",         "weight_decay"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        bool known = bl_key_is_harmless(key);
        for (size_t i = 0; i < sizeof honoured / sizeof *honoured; i++)
            known |= strcmp(key, honoured[i]) == 0;
        for (size_t i = 0; i < sizeof training / sizeof *training; i++)
            known |= strcmp(key, training[i]) == 0;
        if (known || json_is_null(value) || json_is_false(value)) continue;
        return bl_fail(err, BL_ERR_UNSUPPORTED,
                       "%s: the key \"%.60s\" is not one that bilens knows for an image model; it may change "
                       "what the model computes (remove it if it does not)",
                       path, key);
    }
    return true;
}

bool bl_image_config_read(const json_t *json, const char *path, bl_image_config *c, bl_error *err) {
    const struct {
        const char *key;
        size_t *to;
    } sizes[] = {{"d_input", &c->d_input},
                 {"d_hidden", &c->d_hidden},
                 {"d_output", &c->d_output},
                 {"n_layer", &c->n_layer}};
    bool modular;
    *c = (bl_image_config){0};
    if (!json_is_object(json))
        return bl_fail(err, BL_ERR_INPUT, "%s: a JSON object was expected, found %s", path, kind_of(json));
    if (!check_kind(json, path, &modular, err) || !check_keys(json, path, err)) return false;
    for (size_t i = 0; i < 4; i++)
        if (!read_size(json, path, sizes[i].key, sizes[i].to, err)) return false;
    if (!read_bool(json, path, "bias", &c->bias, err) ||
        !read_bool(json, path, "residual", &c->residual, err) || !read_gate(json, path, &c->gate, err))
        return false;
    if (modular && !read_modular(json, path, c, err)) return false;
    return read_shape(json, path, c->d_input, c->shape, err);
}
