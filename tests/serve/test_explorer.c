/* The explorer's answers: numbers equal to the command line's JSON, refusals with their status, bounded
 * caches. */
#include "support.h"
#include "serve/explorer.h"

static const char *const stories = TEST_DATA "/models/stories.txt";

typedef struct setting {
    bl_model *model;
    bl_corpus *corpus;
    bl_explorer *explorer;
    char atlas[300];
} setting;

static bl_corpus *open_stories(void) {
    bl_error err = {0};
    bl_corpus *corpus = bl_corpus_open(&stories, 1, &err);
    if (!corpus) fail_msg("%s", err.message);
    return corpus;
}

static setting begin(const char *name, bool atlas) {
    setting s = {.model = support_model(name), .corpus = open_stories()};
    bl_error err = {0};
    bl_serve_options options = {.corpus_name = "stories.txt"};
    if (atlas) {
        bl_atlas_options how = {.layer = bl_model_config(s.model)->n_layer - 1, .top = 3, .seed = 7};
        snprintf(s.atlas, sizeof s.atlas, "%s/%s.db", support_temporary(), name);
        if (!bl_atlas_run(s.model, s.corpus, s.atlas, &how, NULL, &err)) fail_msg("%s", err.message);
        bl_corpus_free(s.corpus);
        s.corpus = NULL;
        options.atlas = s.atlas;
    }
    s.explorer = bl_explorer_new(s.model, s.corpus, &options, &err);
    if (!s.explorer) fail_msg("%s", err.message);
    return s;
}

static void end(setting *s) {
    bl_explorer_free(s->explorer);
    bl_corpus_free(s->corpus);
    bl_model_free(s->model);
}

/* The answer to a query, which must have this status; an error must say `part`. */
static json_t *ask(const setting *s, const char *path, const char *query, unsigned status, const char *part) {
    bl_request request = {.path = path};
    bl_answer answer;
    bl_error err = {0};
    if (bl_request_add(&request, query, strlen(query), &err))
        bl_explorer_answer(s->explorer, &request, NULL, NULL, &answer);
    else bl_answer_error(&answer, 400, err.message);
    if (answer.status != status)
        fail_msg("%s?%s: %u, expected %u: %.300s", path, query, answer.status, status, answer.text);
    json_error_t where;
    json_t *json = json_loadb(answer.text, answer.n, 0, &where);
    if (!json) fail_msg("%s?%s: %s", path, query, where.text);
    if (status != 200) {
        const char *message = json_string_value(json_object_get(json_object_get(json, "error"), "message"));
        assert_non_null(message);
        if (!strstr(message, part)) fail_msg("%s?%s: '%s' does not mention '%s'", path, query, message, part);
    }
    bl_answer_release(&answer);
    bl_request_free(&request);
    return json;
}

static void refused(const setting *s, const char *path, const char *query, unsigned status,
                    const char *part) {
    json_decref(ask(s, path, query, status, part));
}

/* What the command line prints, without what the API adds. */
static void assert_same_json(json_t *ours, char *text) {
    static const char *const added[] = {"id", "contrast", "null", "largest", "source"};
    json_t *theirs = json_loads(text, 0, NULL);
    for (size_t i = 0; i < sizeof added / sizeof *added; i++) json_object_del(ours, added[i]);
    if (!json_equal(ours, theirs))
        fail_msg("differs from the command line's:\n%.500s\n%.500s", json_dumps(ours, 0), text);
    json_decref(theirs);
    json_decref(ours);
    bl_free(text);
}

static const char *const minus[] = {"run", "climb"};
static const long eigs[] = {-1, -2, 0};

static void test_equals_command_line(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias", "june", "later-bilinear"};
    for (size_t i = 0; i < 5; i++) {
        setting s = begin(models[i], false);
        size_t layer = bl_model_config(s.model)->n_layer - 1;
        char query[200];
        float u[64];
        bl_error err = {0};
        bl_direction direction = {.token = "swim", .minus = minus, .n_minus = 2};
        bl_question subject = {s.model, &direction, layer};
        assert_true(bl_direction_vector(&direction, support_basis(s.model), u, &err));
        bl_eigen *eigen = bl_eigen_new(s.model, layer, u, 4 > bl_interaction_size(s.model) / 8 ? 0 : 4, &err);
        snprintf(query, sizeof query, "token=swim&minus=run&minus=climb&layer=%zu&eigs=-1&eigs=-2&eigs=0",
                 layer);
        assert_same_json(ask(&s, "/api/eigen", query, 200, ""),
                         text_of(bl_eigen_tree(&subject, eigen, eigs, 3, &err)));
        bl_corpus *corpus = open_stories();
        bl_scan_options options = {.top = 2, .heads = true};
        bl_scan *scan = bl_scan_run(s.model, eigen, eigs, 3, corpus, &options, &err);
        strcat(query, "&top=2&heads=1");
        json_t *ours = ask(&s, "/api/scan", query, 200, "");
        assert_string_equal(json_string_value(json_object_get(ours, "source")), "scan");
        assert_string_equal(json_string_value(json_object_get(ours, "contrast")), "tokens");
        assert_same_json(ours, text_of(bl_scan_tree(&subject, eigen, scan, eigs, 3, &err)));
        bl_scan_free(scan);
        bl_corpus_free(corpus);
        bl_eigen_free(eigen);
        end(&s);
    }
}

/* [[…] …] of numbers: row r, column c. */
static double at(const json_t *rows, size_t r, size_t c) {
    return json_number_value(json_array_get(json_array_get(rows, r), c));
}

static double sum_of(const json_t *list) {
    double sum = 0;
    for (size_t i = 0; i < json_array_size(list); i++) sum += json_number_value(json_array_get(list, i));
    return sum;
}

static double key(const json_t *object, const char *name) {
    return json_number_value(json_object_get(object, name));
}

/* Rows of heads sum to contributions, and these with the bias to |similarity|. */
static void check_match(const json_t *match, size_t H) {
    const json_t *heads = json_object_get(match, "heads"), *shares = json_object_get(match, "contributions");
    size_t n = (size_t)key(match, "position") + 1;
    assert_int_equal(json_array_size(heads), 1 + H);
    assert_int_equal(json_array_size(shares), n);
    assert_int_equal(json_array_size(json_object_get(match, "tokens")), n);
    for (size_t p = 0; p < n; p++) {
        double sum = 0;
        for (size_t row = 0; row <= H; row++) sum += at(heads, row, p);
        assert_near(sum, json_number_value(json_array_get(shares, p)), 2e-6, 1);
    }
    assert_near(sum_of(shares) + key(match, "bias"), fabs(key(match, "similarity")), 2e-5,
                1 + fabs(key(match, "similarity")));
}

/* The atlas's matches are those of a scan; asked for by head, they are computed at its places. */
static void test_atlas_scan(void **state) {
    (void)state;
    const char *const models[] = {"plain", "norm", "bias"};
    for (size_t i = 0; i < 3; i++) {
        setting with = begin(models[i], true), without = begin(models[i], false);
        char query[100], by_head[120];
        snprintf(query, sizeof query, "token=swim&contrast=mean&eigs=-1&eigs=1&top=3&layer=%zu",
                 bl_model_config(with.model)->n_layer - 1);
        snprintf(by_head, sizeof by_head, "%s&heads=1", query);
        json_t *stored = ask(&with, "/api/scan", query, 200, ""),
               *fresh = ask(&without, "/api/scan", by_head, 200, ""),
               *places = ask(&with, "/api/scan", by_head, 200, "");
        assert_string_equal(json_string_value(json_object_get(stored, "source")), "atlas");
        assert_string_equal(json_string_value(json_object_get(fresh, "source")), "scan");
        assert_true(json_equal(json_object_get(stored, "positions"), json_object_get(fresh, "positions")));
        for (size_t j = 0; j < 2; j++)
            for (size_t m = 0; m < 3; m++) {
                json_t *found[3] = {stored, fresh, places};
                for (size_t k = 0; k < 3; k++)
                    found[k] = json_array_get(
                        json_object_get(json_array_get(json_object_get(found[k], "vectors"), j), "matches"),
                        m);
                for (size_t k = 0; k < 3; k++) {
                    assert_near(fabs(key(found[k], "similarity")), fabs(key(found[1], "similarity")), 1e-3,
                                1 + fabs(key(found[1], "similarity")));
                    assert_near(sum_of(json_object_get(found[k], "contributions")) + key(found[k], "bias"),
                                fabs(key(found[k], "similarity")), 2e-3, 1);
                }
                assert_null(json_object_get(found[0], "heads"));
                check_match(found[1], 2);
                check_match(found[2], 2);
            }
        json_decref(stored);
        json_decref(fresh);
        json_decref(places);
        end(&with);
        end(&without);
    }
}

/* A direction's text says what token, minus, contrast and centre say; no files. */
static void test_direction_text(void **state) {
    (void)state;
    static const char *const same[][2] = {{"direction=swim+-+mean(*)", "token=swim&contrast=mean"},
                                          {"direction=centred(swim+-+mean(run,big))",
                                           "token=swim&minus=big&minus=run&centre=1"}};
    setting s = begin("plain", false);
    for (size_t i = 0; i < 2; i++) {
        json_t *text = ask(&s, "/api/eigen", same[i][0], 200, ""),
               *parts = ask(&s, "/api/eigen", same[i][1], 200, "");
        assert_true(json_equal(json_object_get(text, "direction"), json_object_get(parts, "direction")));
        assert_true(json_equal(json_object_get(text, "eigenvalues"), json_object_get(parts, "eigenvalues")));
        json_decref(text);
        json_decref(parts);
    }
    json_decref(ask(&s, "/api/eigen", "direction=@probe.npy", 400, "no files here"));
    json_decref(ask(&s, "/api/eigen", "direction=swim&token=swim", 400, "direction says it all"));
    json_decref(ask(&s, "/api/eigen", "direction=swim+-+swum", 404, "not in the vocabulary"));
    json_decref(ask(&s, "/api/eigen", "direction=swim+-+", 400, "label is missing"));
    end(&s);
}

static void test_null_model(void **state) {
    (void)state;
    setting s = begin("plain", true); /* its seed is 7 */
    json_t *ours = ask(&s, "/api/eigen", "token=swim&null=1&eigs=-1", 200, "");
    bl_error err = {0};
    float u[16];
    bl_direction direction = {.token = "swim"};
    bl_bilinear map, draw;
    assert_true(bl_model_bilinear(s.model, 0, &map, &err) && bl_bilinear_null(&map, 7, &draw, NULL, &err));
    assert_true(bl_direction_vector(&direction, support_basis(s.model), u, &err));
    bl_eigen *eigen = bl_eigen_of(&draw, u, 0, &err);
    assert_non_null(eigen);
    assert_true(json_is_true(json_object_get(ours, "null")));
    for (size_t i = 0; i < 16; i++)
        assert_near(json_number_value(json_array_get(json_object_get(ours, "eigenvalues"), i)),
                    (double)bl_eigen_values(eigen)[i], 1e-5, key(ours, "largest"));
    json_decref(ours);
    bl_eigen_free(eigen);
    bl_bilinear_null_free(&draw);
    end(&s);
}

static void test_tokens(void **state) {
    (void)state;
    setting with = begin("plain", true), without = begin("plain", false);
    json_t *list = ask(&with, "/api/tokens", "q=W&limit=4", 200, ""), *rows = json_object_get(list, "tokens");
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "token")),
                        "w"); /* itself, then what begins with it */
    for (size_t i = 1; i < 4; i++) {
        const char *token = json_string_value(json_object_get(json_array_get(rows, i), "token"));
        assert_true(strncmp(token, "w", 1) == 0 || strncmp(token, "##w", 3) == 0);
    }
    json_decref(list);
    double last = 1e9;
    list = ask(&with, "/api/tokens", "limit=1000", 200, "");
    rows = json_object_get(list, "tokens");
    assert_int_equal(json_array_size(rows), key(list, "total"));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *values = json_object_get(row, "values");
        assert_true(key(row, "largest") <= last);
        last = key(row, "largest");
        assert_int_equal(json_array_size(values), 8);
        assert_near(fmax(fabs(json_number_value(json_array_get(values, 0))),
                         fabs(json_number_value(json_array_get(values, 7)))),
                    last, 1e-6, last);
        assert_near(key(row, "excess"), last / key(row, "null_largest"), 1e-6, key(row, "excess"));
    }
    json_decref(list);
    list = ask(&with, "/api/tokens", "sort=token&limit=2&offset=3", 200, "");
    rows = json_object_get(list, "tokens");
    assert_true(strcmp(json_string_value(json_object_get(json_array_get(rows, 0), "token")),
                       json_string_value(json_object_get(json_array_get(rows, 1), "token"))) < 0);
    json_decref(list);
    list = ask(&with, "/api/tokens", "least=3&whole=1&reads=1&limit=1000", 200, "");
    rows = json_object_get(list, "tokens");
    assert_true(json_array_size(rows) > 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i), *reads = json_object_get(row, "reads");
        const char *token = json_string_value(json_object_get(row, "token"));
        assert_true(key(row, "count") >= 3);
        assert_true(strspn(token, "abcdefghijklmnopqrstuvwxyz") == strlen(token));
        if (json_is_null(json_object_get(row, "largest"))) continue;
        assert_true(json_array_size(json_object_get(reads, "tokens")) > 0);
        assert_true(key(reads, "index") == (key(row, "highest") >= -key(row, "lowest") ? -1 : 0));
    }
    json_decref(list);
    refused(&without, "/api/tokens", "sort=largest", 409, "bilens atlas");
    refused(&without, "/api/sentence/excited", "text=tom", 409, "bilens atlas");
    refused(&with, "/api/tokens", "sort=beauty", 400, "cannot sort by 'beauty'");
    refused(&with, "/api/tokens", "limit=-1", 400, "limit: '-1'");
    refused(&with, "/api/tokens", "limit=99999999999999999999999", 400, "limit");
    list = ask(&without, "/api/tokens", "q=fish", 200, "");
    assert_null(json_object_get(json_array_get(json_object_get(list, "tokens"), 0), "largest"));
    json_decref(list);
    end(&with);
    end(&without);
}

/* Without a token: what is expected most, of which only as many terms as were asked for are split. */
static void check_guess(setting *s) {
    json_t *guess = ask(s, "/api/explain", "text=Tom+likes+to&words=1&most=3", 200, ""),
           *sentence = ask(s, "/api/sentence", "text=Tom+likes+to", 200, ""),
           *last = json_array_get(json_object_get(sentence, "predictions"), 3);
    assert_string_equal(json_string_value(json_object_get(guess, "token")),
                        json_string_value(
                            json_array_get(json_array_get(json_object_get(last, "top"), 0), 0)));
    const json_t *terms = json_object_get(json_object_get(guess, "mlp"), "terms");
    assert_non_null(json_object_get(json_array_get(terms, 0), "words"));
    assert_null(json_object_get(json_array_get(terms, 1), "words"));
    json_decref(guess);
    json_decref(sentence);
}

/* The parts sum to the logit, the terms to the MLP's part, a head's words to the head. */
static void check_account(setting *s) {
    json_t *account = ask(s, "/api/explain", "text=Tom+likes+to+swim&position=2&token=swim&minus=run&most=3",
                          200, ""),
           *parts = json_object_get(account, "parts"), *mlp = json_object_get(account, "mlp"), *item;
    double sum = 0, terms = key(mlp, "constant") + key(mlp, "rest");
    size_t i, j, split = 0;
    json_array_foreach(parts, i, item) {
        const json_t *words = json_object_get(item, "words"), *share;
        double whole = 0;
        sum += key(item, "value");
        if (!words) continue;
        assert_int_equal(json_array_size(words), 3);
        json_array_foreach(words, j, share) whole += json_number_value(share);
        assert_near(whole, key(item, "value"), 1e-6, 1);
        split++;
    }
    assert_true(split > 0);
    assert_near(sum, key(account, "logit"), 1e-5, 1);
    assert_int_equal(json_array_size(json_object_get(mlp, "terms")), 3);
    json_array_foreach(json_object_get(mlp, "terms"), i, item) {
        terms += key(item, "value");
        assert_non_null(json_object_get(item, "words"));
    }
    assert_near(terms, key(mlp, "total"), 1e-5, 1);
    assert_true(key(account, "size") >= 16);
    json_decref(account);
}

static void test_sentence(void **state) {
    (void)state;
    setting s = begin("bias", true);
    const char *const logits = "logits", *const inputs = "mlp_in.0", *text = "text=Tom+likes+to+swim";
    bl_ids ids = {0};
    bl_error err = {0};
    json_t *sentence = ask(&s, "/api/sentence", text, 200, ""),
           *predictions = json_object_get(sentence, "predictions");
    assert_true(bl_tokenizer_encode(bl_model_tokenizer(s.model), "Tom likes to swim", 17, &ids, &err));
    assert_int_equal(json_array_size(predictions), ids.n);
    bl_trace *trace = bl_trace_run(s.model, ids.data, ids.n, &logits, 1, &err);
    bl_named_array array = bl_trace_array(trace, 0);
    size_t V = array.shape[1];
    for (size_t p = 0; p < ids.n; p++) {
        const json_t *prediction = json_array_get(predictions, p),
                     *next = json_object_get(prediction, "next");
        const float *row = array.data + p * V;
        double sum = 0;
        size_t best = 0, rank = 1;
        for (size_t t = 0; t < V; t++) {
            sum += exp((double)row[t]);
            if (row[t] > row[best]) best = t;
            if (p + 1 < ids.n) rank += row[t] > row[ids.data[p + 1]];
        }
        assert_near(at(json_object_get(prediction, "top"), 0, 1), exp((double)row[best]) / sum, 1e-6, 1);
        if (p + 1 == ids.n) assert_true(json_is_null(next));
        else assert_near(key(next, "probability"), exp((double)row[ids.data[p + 1]]) / sum, 1e-6, 1);
        if (p + 1 < ids.n) assert_int_equal(key(next, "rank"), rank);
    }
    bl_trace_free(trace);
    json_decref(sentence);

    /* Every direction excited, by hand: the constant coordinate counts. */
    trace = bl_trace_run(s.model, ids.data, ids.n, &inputs, 1, &err);
    const float *x = bl_trace_array(trace, 0).data + 2 * 16;
    json_t *excited =
               ask(&s, "/api/sentence/excited", "text=Tom+likes+to+swim&position=2&limit=1000", 200, ""),
           *list = json_object_get(excited, "directions");
    assert_int_equal(json_array_size(list), 104 * 8);
    double last = 1e9;
    for (size_t i = 0; i < json_array_size(list); i += 50) {
        const json_t *item = json_array_get(list, i);
        char query[300];
        snprintf(query, sizeof query, "text=Tom+likes+to+swim&position=2&token=%%23%d&contrast=mean&index=%d",
                 (int)key(item, "id"), (int)key(item, "index"));
        json_t *match = ask(&s, "/api/sentence/contributions", query, 200, "");
        check_match(match, 2);
        assert_near(fabs(key(match, "similarity")), fabs(key(item, "similarity")), 2e-3,
                    1 + fabs(key(item, "similarity")));
        assert_near(key(item, "activation"), key(item, "eigenvalue") * pow(key(item, "similarity"), 2), 1e-5,
                    1);
        assert_true(fabs(key(item, "activation")) <= last);
        last = fabs(key(item, "activation"));
        json_decref(match);
    }
    assert_true(isfinite((double)x[0]));
    bl_trace_free(trace);
    json_decref(excited);
    bl_ids_free(&ids);
    check_account(&s);
    check_guess(&s);
    char longer[600] = "text=a";
    for (size_t i = 0; i < 100; i++) strcat(longer, "+swim");
    refused(&s, "/api/sentence", longer, 400, "reads at most 32");
    refused(&s, "/api/sentence", "", 400, "text is missing");
    refused(&s, "/api/sentence/contributions", "text=a&token=swim&position=2", 400, "position 2");
    refused(&s, "/api/explain", "text=a&token=swim&position=2", 400, "position 2");
    refused(&s, "/api/explain", "text=a&token=swim&eigs=999", 400, "999");
    refused(&s, "/api/explain", "token=swim", 400, "text is missing");
    end(&s);
}

static void test_refusals(void **state) {
    (void)state;
    setting s = begin("plain", false), later = begin("later-bilinear", false);
    json_t *lost = ask(&s, "/api/eigen", "token=swin", 404, "not in the vocabulary"),
           *nearest = json_object_get(json_object_get(lost, "error"), "nearest");
    assert_string_equal(json_string_value(json_array_get(nearest, 0)), "swim");
    json_decref(lost);
    refused(&s, "/api/eigen", "", 400, "token is missing");
    refused(&s, "/api/eigen", "tokn=swim", 400, "unknown parameter 'tokn'");
    refused(&s, "/api/eigen", "token=swim&token=run", 400, "given twice");
    refused(&s, "/api/eigen", "token=swim&minus=nothing", 404, "nothing");
    refused(&s, "/api/eigen", "token=%23104", 404, "104");
    refused(&s, "/api/eigen", "token=swim&layer=1", 400, "layer 1");
    refused(&s, "/api/eigen", "token=swim&layer=-1", 400, "layer: '-1'");
    refused(&s, "/api/eigen", "token=swim&eigs=16", 400, "eigenvector 16");
    refused(&s, "/api/eigen", "token=swim&eigs=-17", 400, "eigenvector -17");
    refused(&s, "/api/eigen", "token=swim&eigs=99999999999999999999", 400, "eigs");
    refused(&s, "/api/eigen", "token=swim&eigs=1e3", 400, "eigs: '1e3'");
    refused(&s, "/api/eigen", "token=swim&eigs=", 400, "eigs: ''");
    refused(&s, "/api/eigen", "token=swim&contrast=mean&minus=run", 400, "exclude");
    refused(&s, "/api/eigen", "token=swim&contrast=best", 400, "contrast: 'best'");
    refused(&s, "/api/eigen", "token=swim&null=2", 400, "null: '2'");
    refused(&s, "/api/eigen", "token=%ff", 400, "UTF-8");
    refused(&s, "/api/eigen", "token=%c0%80", 400, "UTF-8");
    refused(&s, "/api/eigen", "token=%00", 400, "NUL");
    refused(&s, "/api/eigen", "token=%4", 400, "escape");
    refused(&s, "/api/eigen", "token=%", 400, "escape");
    refused(&s, "/api/eigen", "token=%zz", 400, "escape");
    refused(&s, "/api/scan", "token=swim&top=0", 400, "top");
    refused(&s, "/api/scan", "token=swim&top=257", 400, "top");
    refused(&s, "/api/scan", "token=swim&heads=yes", 400, "heads");
    refused(&s, "/api/scan", "token=swim&heads=1&top=65", 400, "more than an answer holds");
    refused(&s, "/api/nothing", "", 404, "no such path");
    char many[4096] = "token=swim";
    for (size_t i = 0; i < 65; i++) strcat(many, "&eigs=1");
    refused(&s, "/api/eigen", many, 400, "more than 64");
    many[0] = '\0';
    for (size_t i = 0; i < 300; i++) strcat(many, "minus=run&");
    refused(&s, "/api/eigen", many, 400, "more than 256");
    end(&s);
    end(&later);
}

/* A model that cannot be decomposed can still be talked to. */
static void test_gated(void **state) {
    (void)state;
    setting s = begin("gelu", false);
    json_decref(ask(&s, "/api/info", "", 200, ""));
    json_decref(ask(&s, "/api/sentence", "text=Tom", 200, ""));
    refused(&s, "/api/eigen", "token=swim", 422, "gated");
    end(&s);
}

/* Equal questions have equal answers, from the cache or not; somebody gives up. */
static bool always(void *context) {
    (void)context;
    return true;
}

static void test_cache_and_cancel(void **state) {
    (void)state;
    setting s = begin("plain", false);
    json_t *first = ask(&s, "/api/eigen", "token=swim&eigs=-1", 200, "");
    for (int i = 0; i < 40; i++) {
        char query[64];
        snprintf(query, sizeof query, "token=%%23%d", 4 + i);
        json_decref(ask(&s, "/api/eigen", query, 200, ""));
    }
    json_t *second = ask(&s, "/api/eigen", "token=swim&eigs=-1", 200, ""),
           *third = ask(&s, "/api/eigen", "eigs=-1&token=%2362", 200, "");
    assert_true(json_equal(first, second));
    assert_true(json_equal(json_object_get(first, "eigenvalues"), json_object_get(third, "eigenvalues")));
    json_decref(first);
    json_decref(second);
    json_decref(third);
    bl_request request = {.path = "/api/scan"};
    bl_answer answer;
    assert_true(bl_request_add(&request, "token=swim", 10, NULL));
    bl_explorer_answer(s.explorer, &request, always, NULL, &answer);
    assert_int_equal(answer.status, 503);
    bl_answer_release(&answer);
    bl_request_free(&request);
    end(&s);
}

static size_t destroyed;
static void count_destroyed(void *value) {
    free(value);
    destroyed++;
}

static void test_cache_bound(void **state) {
    (void)state;
    bl_cache *cache = bl_cache_new(1000, count_destroyed, NULL);
    bl_cached *held = bl_cache_add(cache, "held", malloc(1), 200, NULL);
    destroyed = 0;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        bl_cache_release(bl_cache_add(cache, name, malloc(1), 200, NULL));
        assert_true(bl_cache_used(cache) <= 1000);
    }
    assert_int_equal(destroyed, 15); /* five are there; "held" is not, but is held */
    assert_null(bl_cache_find(cache, "held"));
    assert_non_null(bl_cached_value(held));
    bl_cache_release(held);
    assert_int_equal(destroyed, 16);
    bl_cached *last = bl_cache_find(cache, "19");
    assert_non_null(last);
    bl_cache_release(last);
    bl_cache_release(bl_cache_add(cache, "huge", malloc(1), 251, NULL)); /* more than a quarter */
    assert_null(bl_cache_find(cache, "huge"));
    bl_cache_free(cache);
    assert_int_equal(destroyed, 22);
}

static void test_foreign_atlas(void **state) {
    (void)state;
    setting s = begin("plain", true);
    bl_model *other = support_model("norm");
    bl_error err = {0};
    bl_serve_options options = {.atlas = s.atlas};
    assert_null(bl_explorer_new(other, NULL, &options, &err));
    assert_error(err, BL_ERR_INPUT, "an atlas of another model");
    options.atlas = stories;
    assert_null(bl_explorer_new(other, NULL, &options, &err));
    assert_error(err, BL_ERR_INPUT, "stories.txt");
    options.atlas = NULL;
    assert_null(bl_explorer_new(other, NULL, &options, &err));
    assert_error(err, BL_ERR_USAGE, "corpus");
    bl_model_free(other);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_equals_command_line),
                                       cmocka_unit_test(test_atlas_scan),
                                       cmocka_unit_test(test_null_model),
                                       cmocka_unit_test(test_direction_text),
                                       cmocka_unit_test(test_tokens),
                                       cmocka_unit_test(test_sentence),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_gated),
                                       cmocka_unit_test(test_cache_and_cancel),
                                       cmocka_unit_test(test_cache_bound),
                                       cmocka_unit_test(test_foreign_atlas)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
