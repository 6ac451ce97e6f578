/* CSV round trip: what a strict RFC 4180 reader gets is what the JSON holds, tokens byte for byte. */
#include "report_support.h"

/* Reads one field at *at into `out`; *end is ',' or '\n' (for CRLF) or '\0'. Anything that RFC 4180 does not
 * allow fails. */
static void read_field(const char **at, char *out, size_t size, char *end) {
    const char *c = *at;
    size_t n = 0;
    bool quoted = *c == '"';
    if (quoted) c++;
    for (;; c++) {
        if (quoted && *c == '"') {
            c++;
            if (*c != '"') break;
        } else if (!quoted && (*c == ',' || *c == '\r')) {
            break;
        }
        assert_true(*c != '\0' && (quoted || (*c != '"' && *c != '\n')));
        assert_true(n + 1 < size);
        out[n++] = *c;
    }
    out[n] = '\0';
    if (*c == ',') {
        *end = ',';
        c++;
    } else {
        assert_memory_equal(c, "\r\n", 2);
        *end = '\n';
        c += 2;
    }
    *at = c;
}

typedef struct row {
    size_t n;
    char fields[12][256];
} row;

static void read_row(const char **at, row *out) {
    char end = ',';
    for (out->n = 0; end == ','; out->n++) {
        assert_true(out->n < 12);
        read_field(at, out->fields[out->n], sizeof *out->fields, &end);
    }
}

static void assert_row(const char **at, const char *joined) {
    row got;
    char text[512] = "";
    read_row(at, &got);
    for (size_t i = 0; i < got.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? "," : "", got.fields[i]);
    assert_string_equal(text, joined);
}

static double number(const char *text) {
    char *end;
    double value = strtod(text, &end);
    assert_true(end != text && *end == '\0');
    return value;
}

static bl_table *spectrum_rows(const char *json) {
    bl_doc *doc = read_doc(json, BL_DOC_EIGEN, NULL);
    bl_table *rows = bl_rows_of_spectrum(doc->eigen, NULL);
    bl_doc_free(doc);
    return rows;
}

static void test_spectrum(void **state) {
    (void)state;
    char *json = report_part("eigen"), *csv = csv_of(spectrum_rows(json));
    const char *at = csv;
    json_t *root = json_loads(json, 0, NULL), *values = json_object_get(root, "eigenvalues");
    assert_non_null(csv);
    assert_row(&at, "index,eigenvalue,group");
    for (size_t i = 0; i < json_array_size(values); i++) {
        row got;
        read_row(&at, &got);
        assert_int_equal(got.n, 3);
        assert_int_equal((size_t)number(got.fields[0]), i);
        assert_near(number(got.fields[1]), json_number_value(json_array_get(values, i)), 1e-8, 1);
        assert_string_equal(got.fields[2], i == 15 || i == 16 ? "15-16" : ""); /* the fixture's group */
    }
    assert_int_equal(*at, '\0');
    json_decref(root);
    free(csv);
    free(json);
}

/* One side of one source against its lines. */
static void check_side(const char **at, json_t *vector, const char *source, const char *side,
                       json_t *entries) {
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry) {
        row got;
        read_row(at, &got);
        assert_int_equal(got.n, 8);
        assert_int_equal((long)number(got.fields[0]), json_integer_value(json_object_get(vector, "index")));
        assert_string_equal(got.fields[2], source);
        assert_string_equal(got.fields[3], side);
        assert_int_equal((size_t)number(got.fields[4]), i);
        assert_string_equal(got.fields[5], json_string_value(json_array_get(entry, 0)));
        assert_near(number(got.fields[6]), json_number_value(json_array_get(entry, 1)), 1e-8, 1);
        assert_string_equal(got.fields[7], number(got.fields[0]) == 15 ? "15-16" : "");
    }
}

static void test_virtual_tokens(void **state) {
    (void)state;
    char *json = report_part("eigen"), *csv = csv_of(bl_eigen_rows(tree_of(json), NULL));
    const char *at = csv, *name;
    json_t *root = json_loads(json, 0, NULL), *vector, *source;
    size_t i;
    assert_non_null(csv);
    assert_row(&at, "vector,eigenvalue,source,side,rank,token,value,group");
    json_array_foreach(json_object_get(root, "vectors"), i, vector) {
        json_object_foreach(json_object_get(vector, "sources"), name, source) {
            if (json_object_get(source, "value")) {
                row got;
                read_row(&at, &got);
                assert_string_equal(got.fields[3], "value");
                assert_near(number(got.fields[6]), json_number_value(json_object_get(source, "value")), 1e-8,
                            1);
            } else {
                check_side(&at, vector, name, "top", json_object_get(source, "top"));
                check_side(&at, vector, name, "bottom", json_object_get(source, "bottom"));
            }
        }
    }
    assert_int_equal(*at, '\0');
    json_decref(root);
    free(csv);
    free(json);
}

static void test_inputs(void **state) {
    (void)state;
    char *json = report_part("scan"), *csv = csv_of(bl_scan_rows(tree_of(json), NULL));
    const char *at = csv;
    json_t *root = json_loads(json, 0, NULL), *hits, *match, *token;
    size_t i, rank, p;
    assert_non_null(csv);
    assert_row(&at, "vector,eigenvalue,rank,story,position,activation,similarity,source_position,token,"
                    "contribution,group");
    json_array_foreach(json_object_get(root, "vectors"), i, hits) {
        json_array_foreach(json_object_get(hits, "matches"), rank, match) {
            double sum = 0;
            row got;
            json_array_foreach(json_object_get(match, "tokens"), p, token) {
                read_row(&at, &got);
                assert_int_equal(got.n, 11);
                assert_int_equal((size_t)number(got.fields[2]), rank);
                assert_int_equal((size_t)number(got.fields[7]), p);
                assert_string_equal(got.fields[8], json_string_value(token));
                sum += number(got.fields[9]);
                assert_string_equal(got.fields[10], number(got.fields[0]) == 15 ? "15-16" : "");
            }
            read_row(&at, &got); /* the constant's share */
            assert_string_equal(got.fields[7], "");
            sum += number(got.fields[9]);
            assert_near(sum, fabs(number(got.fields[6])), 1e-5, 1); /* contributions sum to the similarity */
        }
    }
    assert_int_equal(*at, '\0');
    json_decref(root);
    free(csv);
    free(json);
}

static void test_tensors(void **state) {
    (void)state;
    char *json = report_part("info"), *csv = csv_of(bl_info_rows(tree_of(json), NULL));
    const char *at = csv;
    assert_non_null(csv);
    assert_row(&at, "name,dtype,shape");
    assert_row(&at, "transformer.wte.weight,F32,300 24");
    assert_row(&at, "evil\033]0;x\007<b>,BF16,24");
    assert_int_equal(*at, '\0');
    free(csv);
    free(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spectrum), cmocka_unit_test(test_virtual_tokens),
                                       cmocka_unit_test(test_inputs), cmocka_unit_test(test_tensors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
