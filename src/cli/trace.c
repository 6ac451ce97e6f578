#include "base/memory.h"
#include "cli/lines.h"
#include "cli/arrays.h"
#include "cli/common.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 8 }; /* values of a row on a terminal */

/* The least, mean and largest value, and the root of the mean square. */
static void put_statistics(bl_builder *b, bl_tree *at, const bl_named_array *array) {
    double least = INFINITY, most = -INFINITY, sum = 0, squares = 0;
    size_t n = 1;
    for (size_t k = 0; k < array->n_dims; k++) n *= array->shape[k];
    for (size_t i = 0; i < n; i++) {
        double value = (double)array->data[i];
        least = value < least ? value : least;
        most = value > most ? value : most;
        sum += value;
        squares += value * value;
    }
    bl_put_real(b, at, "least", least);
    bl_put_real(b, at, "mean", sum / (double)n);
    bl_put_real(b, at, "most", most);
    bl_put_real(b, at, "rms", sqrt(squares / (double)n));
}

static void put_values(bl_builder *b, bl_tree *at, const bl_named_array *array) {
    size_t n = 1;
    for (size_t k = 0; k < array->n_dims; k++) n *= array->shape[k];
    bl_put_reals(b, at, "values", array->data, n);
}

/* What was traced: {"file", "points": [{"name", "shape", "least", "mean", "most", "rms"}], "ids", "tokens"}.
 * Without a file the points have their "values", row-major. */
static bl_tree *summary(const common *c, const bl_model *model, const bl_ids *ids,
                        const bl_named_array *arrays, size_t n, bool values, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    if (c->output) bl_put_text(&b, root, "file", c->output);
    bl_tree *points = put_arrays(&b, root, "points", arrays, n);
    for (size_t i = 0; i < n; i++) {
        put_statistics(&b, json_array_get(points, i), &arrays[i]);
        if (values) put_values(&b, json_array_get(points, i), &arrays[i]);
    }
    bl_put_integers(&b, root, "ids", ids->data, ids->n);
    bl_put_tokens(&b, root, "tokens", model, ids->data, ids->n);
    return bl_tree_built(&b, root);
}

static size_t size_at(const json_t *shape, size_t from_behind) {
    return (size_t)json_integer_value(json_array_get(shape, json_array_size(shape) - 1 - from_behind));
}

/* The first values of each row of a point: [T, n], or [H, T, n]. */
static void value_rows(bl_table *rows, const bl_tree *tree, const bl_tree *point, size_t columns) {
    const json_t *shape = json_object_get(point, "shape"), *values = json_object_get(point, "values");
    bool heads = json_array_size(shape) == 3;
    size_t n = size_at(shape, 0), T = size_at(shape, 1), lines = json_array_size(values) / n;
    for (size_t i = 0; i < lines; i++) {
        bl_table_text(rows, bl_tree_string(point, "name"));
        if (heads) bl_table_integer(rows, (int64_t)(i / T));
        else bl_table_empty(rows);
        bl_table_integer(rows, (int64_t)(i % T));
        bl_table_text(rows, json_string_value(json_array_get(json_object_get(tree, "tokens"), i % T)));
        for (size_t k = 0; k < columns; k++)
            if (k < n) bl_table_real(rows, json_number_value(json_array_get(values, i * n + k)));
            else bl_table_empty(rows);
    }
}

static bl_table *values_of(const bl_tree *tree, bl_error *err) {
    static const char names[] = "point,head,position,token,0,1,2,3,4,5,6,7";
    const json_t *points = json_object_get(tree, "points"), *point;
    size_t i, columns = 1;
    char used[sizeof names];
    json_array_foreach(points, i, point) {
        size_t n = size_at(json_object_get(point, "shape"), 0);
        columns = n > columns ? n : columns;
    }
    if (columns > SHOWN) columns = SHOWN;
    snprintf(used, sizeof used, "%.*s", (int)(sizeof names - 1 - 2 * (SHOWN - columns)), names);
    bl_table *rows = bl_table_new(used, err);
    json_array_foreach(points, i, point) value_rows(rows, tree, point, columns);
    return rows;
}

static bl_table *rows_of(const bl_tree *tree, bl_error *err) {
    if (json_object_get(json_array_get(json_object_get(tree, "points"), 0), "values"))
        return values_of(tree, err);
    static const char *const numbers[] = {"least", "mean", "most", "rms"};
    bl_table *rows = bl_table_new("point,shape,least,mean,most,rms", err);
    size_t i;
    const json_t *point;
    json_array_foreach(json_object_get(tree, "points"), i, point) {
        bl_table_text(rows, bl_tree_string(point, "name"));
        bl_table_json(rows, json_object_get(point, "shape"));
        for (size_t k = 0; k < 4; k++) bl_table_real(rows, bl_tree_real(point, numbers[k]));
    }
    return rows;
}

static bl_tree *trace(const common *c, const bl_model *model, const char *text, const text_list *points,
                      bl_error *err) {
    bl_ids ids = {0};
    bl_trace *trace = NULL;
    bl_named_array *arrays = NULL;
    bl_tree *out = NULL;
    size_t n_ctx = bl_model_config(model)->n_ctx, n;
    if (!bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), &ids, err)) goto done;
    if (ids.n > n_ctx) {
        note(c, "bilens: trace: the text has %zu tokens, the first n_ctx = %zu are used", ids.n, n_ctx);
        ids.n = n_ctx;
    }
    trace = bl_trace_run(model, ids.data, ids.n, points->n ? points->items : NULL, points->n, err);
    if (!trace) goto done;
    n = bl_trace_n(trace);
    arrays = bl_alloc(n, sizeof *arrays, err);
    if (!arrays) goto done;
    for (size_t i = 0; i < n; i++) arrays[i] = bl_trace_array(trace, i);
    if (!c->output || arrays_write(c->output, arrays, n, err))
        out = summary(c, model, &ids, arrays, n, !c->output && (points->n || c->format == FORMAT_JSON), err);
done:
    free(arrays);
    bl_trace_free(trace);
    bl_ids_free(&ids);
    return out;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    const char *text = NULL;
    char *input = NULL;
    text_list points = {0};
    bl_error err = {0};
    const option table[] = {
        {"text", OPTION_TEXT, &text, "TEXT", "the text (default: standard input)"},
        {"points", OPTION_TOKENS, &points, "P,P…",
         "resid_pre attn_in q k v scores pattern attn_out resid_mid mlp_in mlp_hidden mlp_out resid_post "
         "(.layer), logits; default all"},
        {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_TABLE | FORMATS_JSON,
                      "where to: FILE.safetensors, FILE.npy (one point) or a folder for .npy files", true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    model = load_model(&c, &err);
    if (model && !text) text = input = read_stdin(NULL, &err);
    static const view how = {.rows = rows_of};
    bl_tree *tree = model && text ? trace(&c, model, text, &points, &err) : NULL;
    status = tell_tree(self, &c, tree, &how, &err);
    if (status == 0 && c.output) note(&c, "%s is written", c.output);
    else if (status == 0 && c.format == FORMAT_TABLE)
        note(&c, points.n ? "shown: the first values of each row; all of them: --format json, or -o FILE"
                          : "--points P,P shows values of these points; -o FILE writes all");
    free(input);
    bl_model_free(model);
    text_list_free(&points);
    common_free(&c);
    return status;
}

const verb verb_trace = {
    "trace", "activations at named points for a text, as safetensors or npy", run,
    "Runs the model on one text and keeps what is asked for. Without -o the values of --points are shown.\n"
    "Shapes: q k v [H, T, k] (q, k after rotary), "
    "scores pattern [H, T, T], mlp_hidden [T, h],\n"
    "logits [T, V], all others [T, d]. attn_in and mlp_in are normed without the norm's weight, which is "
    "folded into the weights.",
    "  bilens trace --text \"Tom likes to swim\" --points pattern.0\n"
    "  bilens trace models/ts-1-256 --text \"Tom likes to swim\" --points mlp_in,pattern.0 -o "
    "trace.safetensors\n"
    "  bilens trace models/ts-1-256 --text \"Tom likes to swim\" --points logits -o logits.npy\n"};
