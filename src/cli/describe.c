#include "base/error.h"
#include "cli/direction_options.h"
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
    if (!d->eigs.n && !choose_eigs(bl_interaction_size(model), d, err)) return false;
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
static void put_label(bl_builder *b, bl_tree *row, const bl_model *model, const char *axis, size_t index) {
    char head[32];
    snprintf(head, sizeof head, "head %zu", index - 1);
    if (strcmp(axis, "source") == 0) bl_put_text(b, row, NULL, index ? head : "direct");
    else if (model && strcmp(axis, "token") == 0 &&
             bl_tokenizer_token(bl_model_tokenizer(model), (int32_t)index))
        bl_put_token(b, row, NULL, model, (int64_t)index);
    else bl_put_count(b, row, NULL, index);
}

static void put_entries(bl_builder *b, bl_tree *at, const char *key, const bl_model *model, const subject *s,
                        const bl_entry *entries, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *row = bl_put_array(b, list, NULL);
        for (size_t axis = 0; axis < s->array.n_dims; axis++)
            put_label(b, row, model, s->axes[axis], entries[i].index[axis]);
        bl_put_real(b, row, NULL, (double)entries[i].value);
    }
}

static bl_tree *describe(const common *c, const bl_model *model, const describe_options *o, const subject *s,
                         bl_error *err) {
    bl_builder b = {err, false};
    bl_entry *entries = calloc(2 * o->k, sizeof *entries);
    size_t n = 0;
    if (!entries) bl_builder_fail(&b, BL_ERR_MEMORY, "out of memory");
    else if (!bl_describe(&s->array, o->k, entries, entries + o->k, &n, err)) b.failed = true;
    bl_tree *root = bl_put_object(&b, NULL, NULL), *list;
    if (c->model) bl_put_text(&b, root, "model", c->model);
    bl_put_text(&b, root, "tensor", o->npy ? o->npy : o->tensor);
    bl_put_count(&b, root, "layer", o->direction.layer);
    list = bl_put_array(&b, root, "shape");
    for (size_t i = 0; i < s->array.n_dims; i++) bl_put_count(&b, list, NULL, s->array.shape[i]);
    list = bl_put_array(&b, root, "axes");
    for (size_t i = 0; i < s->array.n_dims; i++) bl_put_text(&b, list, NULL, s->axes[i]);
    put_entries(&b, root, "top", model, s, entries, n);
    put_entries(&b, root, "bottom", model, s, entries + o->k, n);
    free(entries);
    return bl_tree_built(&b, root);
}

/* "axis 0,axis 1,…,value"; freed with free. */
static char *columns_of(const json_t *axes) {
    char *names = strdup("value");
    for (size_t i = json_array_size(axes); names && i-- > 0;) {
        char *longer = NULL;
        if (asprintf(&longer, "%s,%s", json_string_value(json_array_get(axes, i)), names) < 0) longer = NULL;
        free(names);
        names = longer;
    }
    return names;
}

/* Descending throughout, as the notebook's describe: the k largest, then the k smallest with the least last.
 * */
static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    const json_t *lists[] = {json_object_get(tree, "top"), json_object_get(tree, "bottom")};
    char *columns = columns_of(json_object_get(tree, "axes"));
    bl_table *rows = bl_table_new(columns ? columns : "value", err);
    if (!columns) bl_table_fail(rows);
    free(columns);
    for (int side = 0; side < 2; side++)
        for (size_t r = 0; r < json_array_size(lists[side]); r++) {
            const json_t *row = json_array_get(lists[side], side ? json_array_size(lists[side]) - 1 - r : r);
            size_t n = json_array_size(row);
            for (size_t i = 0; i < n; i++) {
                const json_t *cell = json_array_get(row, i);
                if (i + 1 == n) bl_table_real(rows, bl_tree_number(cell));
                else if (json_is_string(cell)) bl_table_text(rows, json_string_value(cell));
                else bl_table_integer(rows, json_integer_value(cell));
            }
        }
    return rows;
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
        EIGENVECTOR_OPTIONS(o.direction),
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
    if (!ok && err.code == BL_OK) bl_fail(&err, BL_ERR_MEMORY, "out of memory");
    static const view how = {.rows = rows_of};
    status = write_tree(self, &c, ok ? describe(&c, model, &o, &s, &err) : NULL, &how, &err);
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
