#include "cli/arrays.h"
#include "cli/common.h"
#include "cli/verbs.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was traced, as docs/specification.md, 23 has it, or as lines. */
static char *summary(const common *c, const bl_model *model, const bl_ids *ids, const bl_named_array *arrays,
                     size_t n, bl_error *err) {
    char *text = NULL;
    json_t *points = json_array(), *tokens = json_array(), *numbers = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(points, array_json(&arrays[i]));
    for (size_t i = 0; i < ids->n; i++) {
        const char *token = bl_tokenizer_token(bl_model_tokenizer(model), ids->data[i]);
        json_array_append_new(tokens, json_string(token ? token : ""));
        json_array_append_new(numbers, json_integer(ids->data[i]));
    }
    json_t *json = json_pack("{s:s, s:o, s:o, s:o}", "file", c->output, "points", points, "ids", numbers,
                             "tokens", tokens);
    if (c->format == FORMAT_JSON) text = json_line(json);
    else text = array_lines(c->output, arrays, n);
    json_decref(json);
    if (!text) {
        err->code = BL_ERR_MEMORY;
        snprintf(err->message, sizeof err->message, "out of memory");
    }
    return text;
}

static char *trace(const common *c, const bl_model *model, const char *text, const text_list *points,
                   bl_error *err) {
    bl_ids ids = {0};
    bl_trace *trace = NULL;
    bl_named_array *arrays = NULL;
    char *out = NULL;
    size_t n_ctx = bl_model_config(model)->n_ctx;
    if (!bl_tokenizer_encode(bl_model_tokenizer(model), text, strlen(text), &ids, err)) goto done;
    if (ids.n > n_ctx) {
        note(c, "bilens: trace: the text has %zu tokens, the first n_ctx = %zu are used", ids.n, n_ctx);
        ids.n = n_ctx;
    }
    trace = bl_trace_run(model, ids.data, ids.n, points->n ? points->items : NULL, points->n, err);
    if (!trace) goto done;
    arrays = calloc(bl_trace_n(trace), sizeof *arrays);
    for (size_t i = 0; arrays && i < bl_trace_n(trace); i++) arrays[i] = bl_trace_array(trace, i);
    if (arrays && arrays_write(c->output, arrays, bl_trace_n(trace), err))
        out = summary(c, model, &ids, arrays, bl_trace_n(trace), err);
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
    if (!c.output) {
        status = fail_usage(self, "-o is missing: where to write the activations");
        goto done;
    }
    model = load_model(&c, &err);
    if (model && !text) text = input = read_stdin(&err);
    char *result = model && text ? trace(&c, model, text, &points, &err) : NULL;
    status = result ? write_stdout(self, result) : fail_with(self, &err);
    free(result);
done:
    free(input);
    bl_model_free(model);
    text_list_free(&points);
    common_free(&c);
    return status;
}

const verb verb_trace = {
    "trace", "activations at named points for a text, as safetensors or npy", run,
    "Runs the model on one text and keeps what is asked for. Shapes: q k v [H, T, k] (q, k after rotary), "
    "scores pattern [H, T, T], mlp_hidden [T, h],\n"
    "logits [T, V], all others [T, d]. attn_in and mlp_in are normed without the norm's weight, which is "
    "folded into the weights.",
    "  bilens trace models/ts-1-256 --text \"Tom likes to swim\" --points mlp_in,pattern.0 -o "
    "trace.safetensors\n"
    "  bilens trace models/ts-1-256 --text \"Tom likes to swim\" --points logits -o logits.npy\n"};
