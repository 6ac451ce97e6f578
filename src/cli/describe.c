#include "cli/common.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct describe_options {
    const char *tensor, *npy;
    size_t k;
    direction_options direction;
} describe_options;

/* The array to describe and what to free behind it. */
typedef struct subject {
    bl_weight_array weight;
    float *data;
    bl_named_array array;
    const char *axes[BL_MAX_DIMS];
} subject;

static bool get_interaction(const bl_model *model, direction_options *d, subject *s, bl_error *err) {
    size_t n = bl_interaction_size(model);
    if (!read_direction(d, err)) return false;
    bl_direction direction = as_direction(d);
    bl_basis basis = bl_model_basis_out(model);
    float *u = calloc(bl_model_config(model)->d_model, sizeof *u);
    s->data = calloc(n * n, sizeof *s->data);
    bool ok = u && s->data && bl_direction_vector(&direction, &basis, u, err) &&
              bl_interaction_matrix(model, d->layer, u, s->data, err);
    free(u);
    s->array = (bl_named_array){"q", s->data, 2, {n, n}};
    s->axes[0] = s->axes[1] = "d_model";
    return ok;
}

static bool get_virtual_tokens(const bl_model *model, direction_options *d, subject *s, bl_error *err) {
    const bl_config *config = bl_model_config(model);
    if (!d->eigs.n && !choose_eigs(model, d, err)) return false;
    bl_eigen *eigen = decompose(model, d, false, err);
    if (!eigen) return false;
    s->data = calloc((1 + config->n_head) * config->n_vocab, sizeof *s->data);
    bool ok =
        s->data && bl_virtual_tokens(model, d->layer, bl_eigen_vector(eigen, d->eigs.items[0]), s->data, err);
    bl_eigen_free(eigen);
    s->array = (bl_named_array){"virtual_tokens", s->data, 2, {1 + config->n_head, config->n_vocab}};
    s->axes[0] = "source";
    s->axes[1] = "token";
    return ok;
}

static bool get_subject(const bl_model *model, describe_options *o, subject *s, bl_error *err) {
    static const char *const plain[] = {"axis 0", "axis 1", "axis 2", "axis 3",
                                        "axis 4", "axis 5", "axis 6", "axis 7"};
    if (o->npy) {
        for (size_t i = 0; i < BL_MAX_DIMS; i++) s->axes[i] = plain[i];
        return bl_array_read(o->npy, &s->array, &s->data, err);
    }
    if (!o->tensor) return false;
    if (strcmp(o->tensor, "q") == 0) return get_interaction(model, &o->direction, s, err);
    if (strcmp(o->tensor, "virtual_tokens") == 0) return get_virtual_tokens(model, &o->direction, s, err);
    if (!bl_weight_array_get(model, o->tensor, o->direction.layer, &s->weight, err)) return false;
    s->array = s->weight.array;
    memcpy(s->axes, s->weight.axes, sizeof s->axes);
    return true;
}

/* One index as a reader wants it: a token's string, a source's name, or the number. */
static json_t *label(const bl_model *model, const char *axis, size_t index) {
    const char *token = model && strcmp(axis, "token") == 0
                          ? bl_tokenizer_token(bl_model_tokenizer(model), (int32_t)index)
                          : NULL;
    if (token) return json_string(token);
    if (strcmp(axis, "source") == 0)
        return index ? json_sprintf("head %zu", index - 1) : json_string("direct");
    return json_integer((json_int_t)index);
}

static json_t *entries_json(const bl_model *model, const subject *s, const bl_entry *entries, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array();
        for (size_t axis = 0; axis < s->array.n_dims; axis++)
            json_array_append_new(row, label(model, s->axes[axis], entries[i].index[axis]));
        json_array_append_new(row, json_real((double)entries[i].value));
        json_array_append_new(list, row);
    }
    return list;
}

static void add_cell(char *line, size_t size, const json_t *cell, const char *separator) {
    size_t n = strlen(line);
    if (json_is_string(cell)) snprintf(line + n, size - n, "%-16s%s", json_string_value(cell), separator);
    else snprintf(line + n, size - n, "%-16lld%s", (long long)json_integer_value(cell), separator);
}

/* Descending throughout, as the notebook's describe: the k largest, then the k smallest with the least last.
 */
static char *as_table(const json_t *json, bool csv) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (!out) return NULL;
    const json_t *axes = json_object_get(json, "axes"),
                 *lists[] = {json_object_get(json, "top"), json_object_get(json, "bottom")};
    for (size_t i = 0; i < json_array_size(axes); i++)
        fprintf(out, csv ? "%s," : "%-16s ", json_string_value(json_array_get(axes, i)));
    fprintf(out, csv ? "value\r\n" : "value\n");
    for (int side = 0; side < 2; side++)
        for (size_t r = 0; r < json_array_size(lists[side]); r++) {
            const json_t *row = json_array_get(lists[side], side ? json_array_size(lists[side]) - 1 - r : r);
            size_t n = json_array_size(row) - 1;
            for (size_t i = 0; i < n; i++) {
                const json_t *cell = json_array_get(row, i);
                const char *token = json_string_value(cell);
                char line[256] = "";
                if (csv && token) {
                    fputc('"', out);
                    for (; *token; token++) fprintf(out, *token == '"' ? "\"\"" : "%c", *token);
                    fputs("\",", out);
                } else if (csv) {
                    fprintf(out, "%lld,", (long long)json_integer_value(cell));
                } else {
                    add_cell(line, sizeof line, cell, " ");
                    for (char *at = line; *at; at++) /* a vocabulary may hold control characters */
                        if ((unsigned char)*at < 32 || *at == 127) *at = '?';
                    fputs(line, out);
                }
            }
            fprintf(out, csv ? "%.9g\r\n" : "%+.6f\n", json_real_value(json_array_get(row, n)));
        }
    if (fclose(out) == 0) return text;
    free(text);
    return NULL;
}

static char *describe(const common *c, const bl_model *model, const describe_options *o, const subject *s,
                      bl_error *err) {
    bl_entry *entries = calloc(2 * o->k, sizeof *entries);
    size_t n = entries ? bl_describe(&s->array, o->k, entries, entries + o->k) : 0;
    json_t *axes = json_array(), *shape = json_array();
    for (size_t i = 0; i < s->array.n_dims; i++) {
        json_array_append_new(axes, json_string(s->axes[i]));
        json_array_append_new(shape, json_integer((json_int_t)s->array.shape[i]));
    }
    json_t *json = json_pack("{s:s*, s:s, s:I, s:o, s:o, s:o, s:o}", "model", c->model, "tensor",
                             o->npy ? o->npy : o->tensor, "layer", (json_int_t)o->direction.layer, "shape",
                             shape, "axes", axes, "top", entries_json(model, s, entries, n), "bottom",
                             entries_json(model, s, entries + o->k, n));
    char *text = NULL;
    if (json && c->format == FORMAT_JSON) {
        char *compact = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
        if (compact && asprintf(&text, "%s\n", compact) < 0) text = NULL;
        free(compact);
    } else if (json) {
        text = as_table(json, c->format == FORMAT_CSV);
    }
    json_decref(json);
    free(entries);
    if (!text) {
        err->code = BL_ERR_MEMORY;
        snprintf(err->message, sizeof err->message, "out of memory");
    }
    return text;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    describe_options o = {.k = 10};
    bl_error err = {0};
    const option table[] = {
        {"tensor", OPTION_TEXT, &o.tensor, "NAME",
         "w_e w_u w_q w_k w_v w_o w_l w_r w_p ov qk ove b, or of a direction: q, virtual_tokens"},
        {"npy", OPTION_TEXT, &o.npy, "FILE",
         "describe this array instead of a model's tensor: FILE.npy or FILE.safetensors[:TENSOR]"},
        {"k", OPTION_COUNT, &o.k, "K", "entries at each end (default 10)"},
        DIRECTION_OPTIONS(o.direction),
        {0}};
    int status = options_parse(argc, argv, self, &c, table, FORMATS_ALL,
                               "write to this file instead of standard output", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    subject s = {0};
    bool directed = o.tensor && (strcmp(o.tensor, "q") == 0 || strcmp(o.tensor, "virtual_tokens") == 0);
    if (!o.tensor == !o.npy) status = fail_usage(self, "give one of --tensor NAME and --npy FILE");
    else if (directed)
        status = check_direction(self, &o.direction, "q and virtual_tokens are a direction's.");
    if (status < 0 && (o.k < 1 || o.k > 1000000)) status = fail_usage(self, "-k must be from 1 to 1000000");
    if (status >= 0) goto done;
    if (!o.npy) model = load_model(&c, &err);
    bool ok = (o.npy || model) && get_subject(model, &o, &s, &err);
    if (!ok && err.code == BL_OK)
        err.code = BL_ERR_MEMORY, snprintf(err.message, sizeof err.message, "out of memory");
    status = write_result(self, &c, ok ? describe(&c, model, &o, &s, &err) : NULL, &err);
done:
    bl_weight_array_free(&s.weight);
    bl_free(s.data);
    bl_model_free(model);
    direction_options_free(&o.direction);
    common_free(&c);
    return status;
}

const verb verb_describe = {
    "describe", "the largest and smallest entries of any weight-derived tensor", run,
    "Lists the k largest and the k smallest entries with their place: token strings on a vocabulary axis, "
    "numbers on the others. Norm weights are\n"
    "folded into the matrices that read them.",
    "  bilens describe models/ts-1-256 --tensor ov -k 5\n"
    "  bilens describe models/ts-1-256 --tensor virtual_tokens --token swim --eigs -1 -k 20\n"
    "  bilens describe --npy eigenvectors.npy\n"};
