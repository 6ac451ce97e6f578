/* Comparing an ordinary model with what transformers makes of it in float64: logits and mlp_in of a text whose
 * ids are given, from whole stories and token by token. */
#ifndef BILENS_TESTS_GENERAL_H
#define BILENS_TESTS_GENERAL_H
#include "support.h"
#include "model/cached.h"
#include "model/model_private.h"

#define LIMIT 5e-4 /* of the largest magnitude at the position */

static double largest(const json_t *point) {
    double most = 0;
    json_t *entry;
    size_t i;
    json_array_foreach(json_object_get(point, "top"), i, entry)
        most = fmax(most, fabs(json_number_value(json_array_get(entry, 1))));
    json_array_foreach(json_object_get(point, "at"), i, entry)
        most = fmax(most, fabs(json_number_value(json_array_get(entry, 1))));
    return most;
}

/* The largest difference of [[id, value] ...] from a row, relative to `most`. */
static double difference(const json_t *entries, const float *row, double most) {
    double worst = 0;
    json_t *entry;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)entries, i, entry) {
        double wanted = json_number_value(json_array_get(entry, 1));
        worst = fmax(worst, fabs(wanted - (double)row[json_integer_value(json_array_get(entry, 0))]) / most);
    }
    return worst;
}

static void compare_logits(const char *name, const json_t *point, const float *row, const char *how) {
    double most = largest(point), worst = fmax(difference(json_object_get(point, "top"), row, most),
                                               difference(json_object_get(point, "at"), row, most));
    if (!(worst < LIMIT))
        fail_msg("%s, %s: logits at %d are off by %.3g", name, how,
                 (int)json_integer_value(json_object_get(point, "position")), worst);
}

static void compare_inputs(const char *name, const json_t *points, const bl_named_array *array) {
    json_t *point;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)points, i, point) {
        const json_t *values = json_object_get(point, "values");
        const float *row =
            array->data + (size_t)json_integer_value(json_object_get(point, "position")) * array->shape[1];
        double most = 0, worst = 0;
        assert_int_equal(json_array_size(values), array->shape[1]);
        for (size_t j = 0; j < array->shape[1]; j++) {
            double wanted = json_number_value(json_array_get(values, j));
            most = fmax(most, fabs(wanted));
            worst = fmax(worst, fabs(wanted - (double)row[j]));
        }
        if (!(worst < LIMIT * most))
            fail_msg("%s: %s is off by %.3g of %.3g", name, array->name, worst, most);
    }
}

static void compare_traced(const char *name, const bl_model *model, const json_t *golden, const int32_t *ids,
                           size_t n) {
    bl_error err = {0};
    json_t *point;
    size_t i;
    bl_trace *trace = bl_trace_run(model, ids, n, NULL, 0, &err);
    if (!trace) fail_msg("%s: %s", name, err.message);
    size_t compared = 0;
    for (size_t a = 0; a < bl_trace_n(trace); a++) {
        bl_named_array array = bl_trace_array(trace, a);
        const json_t *points = json_object_get(golden, array.name);
        if (!points) continue;
        compared++;
        if (strcmp(array.name, "logits") != 0) compare_inputs(name, points, &array);
        else
            json_array_foreach((json_t *)(uintptr_t)points, i, point) {
                size_t p = (size_t)json_integer_value(json_object_get(point, "position"));
                compare_logits(name, point, array.data + p * array.shape[1], "traced");
            }
    }
    assert_true(compared >= 2);
    bl_trace_free(trace);
}

/* The same logits token by token, with keys and values kept. */
static void compare_cached(const char *name, const bl_model *model, const json_t *golden, const int32_t *ids,
                           size_t n) {
    bl_error err = {0};
    json_t *point;
    size_t i;
    bl_cached *cached = bl_cached_new(model, 1, n, &err);
    assert_non_null(cached);
    bl_cached_begin(cached, 0);
    for (size_t p = 0; p < n; p++) {
        bl_cached_input input = {.slot = 0, .id = ids[p], .wanted = true};
        bl_cached_step(cached, &input, 1);
        json_array_foreach(json_object_get(golden, "logits"), i, point) {
            if ((size_t)json_integer_value(json_object_get(point, "position")) == p)
                compare_logits(name, point, input.logits, "token by token");
        }
    }
    bl_cached_free(cached);
}

/* The model at `path` and the golden numbers at `golden_path`. */
static void compare(const char *name, const char *path, const char *golden_path) {
    bl_error err = {0};
    bl_model *model = bl_model_load_weights(path, &err);
    if (!model) fail_msg("%s: %s", name, err.message);
    assert_int_equal(bl_model_n_warnings(model), 0);
    json_t *golden = support_json(golden_path), *trace = json_object_get(golden, "trace"),
           *list = json_object_get(trace, "ids");
    size_t n = json_array_size(list);
    int32_t *ids = malloc(n * sizeof *ids);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    compare_traced(name, model, trace, ids, n);
    compare_cached(name, model, trace, ids, n);
    free(ids);
    json_decref(golden);
    bl_model_free(model);
}
#endif
