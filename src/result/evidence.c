/* Results of the evidence room as trees: keys in the contract's order, what is beyond it behind them. */
#include <bilens/evidence.h>
#include "base/memory.h"
#include "result/results.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pair_of_reals(bl_builder *b, bl_tree *at, const char *key, double first, double second) {
    bl_tree *pair = bl_put_array(b, at, key);
    bl_put_real(b, pair, NULL, first);
    bl_put_real(b, pair, NULL, second);
}

/* ---- explain ---- */

static void put_words(bl_builder *b, bl_tree *at, const bl_model *model, const int32_t *ids,
                      const bl_account *account, const bl_account_term *term) {
    size_t width = account->position + 1;
    char name[32] = "direct";
    bl_tree *words = bl_put_object(b, at, "words");
    bl_put_tokens(b, words, "tokens", model, ids, width);
    for (size_t h = 0; h <= account->n_heads; h++) {
        if (h) snprintf(name, sizeof name, "head %zu", h - 1);
        bl_tree *row = bl_put_array(b, words, name);
        for (size_t j = 0; j < width; j++) bl_put_real(b, row, NULL, term->words[h * width + j]);
    }
    bl_put_real(b, words, "bias", term->bias);
}

static void put_mlp(bl_builder *b, bl_tree *root, const bl_model *model, const int32_t *ids,
                    const bl_account *account) {
    bl_tree *mlp = bl_put_object(b, root, "mlp");
    bl_put_real(b, mlp, "total", account->total);
    bl_put_real(b, mlp, "shift", account->shift);
    bl_put_real(b, mlp, "constant", account->constant);
    bl_tree *terms = bl_put_array(b, mlp, "terms");
    for (size_t i = 0; i < account->n_terms; i++) {
        const bl_account_term *term = &account->terms[i];
        bl_tree *out = bl_put_object(b, terms, NULL);
        bl_put_count(b, out, "index", term->index);
        bl_put_real(b, out, "eigenvalue", term->eigenvalue);
        bl_put_real(b, out, "similarity", term->similarity);
        bl_put_real(b, out, "value", term->value);
        if (term->words) put_words(b, out, model, ids, account, term);
    }
    bl_put_real(b, mlp, "rest", account->rest);
    if (!bl_model_surrogate(model)) return;
    bl_put_real(b, mlp, "linear", account->linear);
    bl_put_real(b, mlp, "remainder", account->remainder);
}

/* "layers": of a model of several, what each adds to the logit, and the R² of its surrogate; the parts are
 * the embedding, then heads and MLP of each layer. */
static void put_layers(bl_builder *b, bl_tree *root, const bl_model *model, const bl_account *account) {
    const bl_config *c = bl_model_config(model);
    const bl_surrogate *s = bl_model_surrogate(model);
    if (c->n_layer < 2) return;
    bl_tree *layers = bl_put_array(b, root, "layers");
    for (size_t i = 0; i < c->n_layer; i++) {
        const bl_account_part *part = account->parts + 1 + i * (c->n_head + 1);
        const bl_surrogate_layer *l = s ? bl_surrogate_of(s, i, NULL) : NULL;
        double heads = 0;
        for (size_t h = 0; h < c->n_head; h++) heads += part[h].value;
        bl_tree *out = bl_put_object(b, layers, NULL);
        bl_put_count(b, out, "layer", i);
        bl_put_real(b, out, "heads", heads);
        bl_put_real(b, out, "mlp", part[c->n_head].value);
        if (l) bl_put_real(b, out, "r2", l->r2);
    }
}

static void put_parts(bl_builder *b, bl_tree *at, const bl_account *account) {
    bl_tree *parts = bl_put_array(b, at, "parts");
    for (size_t i = 0; i < account->n_parts; i++) {
        bl_tree *part = bl_put_object(b, parts, NULL);
        bl_put_text(b, part, "name", account->parts[i].name);
        bl_put_real(b, part, "value", account->parts[i].value);
        if (!account->parts[i].words) continue;
        bl_tree *row = bl_put_array(b, part, "words");
        for (size_t j = 0; j <= account->position; j++) bl_put_real(b, row, NULL, account->parts[i].words[j]);
    }
}

bl_tree *bl_explain_tree(const bl_question *question, const char *text, const int32_t *ids,
                         const bl_account *account, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_text(&b, root, "text", text);
    bl_put_count(&b, root, "position", account->position);
    bl_put_real(&b, root, "logit", account->logit);
    bl_put_real(&b, root, "scale", account->scale);
    bl_put_real(&b, root, "probability", account->probability);
    if (account->rank) bl_put_count(&b, root, "rank", account->rank);
    else bl_put_null(&b, root, "rank");
    put_parts(&b, root, account);
    put_layers(&b, root, question->model, account);
    put_mlp(&b, root, question->model, ids, account);
    bl_tree *predictions = bl_put_array(&b, root, "predictions");
    for (size_t i = 0; i < account->n_predictions; i++) {
        const bl_account_prediction *p = &account->predictions[i];
        bl_tree *out = bl_put_object(&b, predictions, NULL);
        bl_put_token(&b, out, "token", question->model, p->token);
        bl_put_real(&b, out, "probability", p->probability);
        bl_put_real(&b, out, "logit", p->logit);
        if (!p->account) continue;
        bl_tree *own = bl_put_object(&b, out, "account");
        put_parts(&b, own, p->account);
        put_mlp(&b, own, question->model, ids, p->account);
    }
    return bl_tree_built(&b, root);
}

static void explain_row(bl_table *rows, const char *part, double index, const bl_tree *of) {
    bl_table_text(rows, part);
    if (isnan(index)) {
        bl_table_empty(rows);
        bl_table_empty(rows);
        bl_table_empty(rows);
    } else {
        bl_table_integer(rows, (int64_t)index);
        bl_table_real(rows, bl_tree_real(of, "eigenvalue"));
        bl_table_real(rows, bl_tree_real(of, "similarity"));
    }
}

bl_table *bl_explain_rows(const bl_tree *tree, bl_error *err) {
    const json_t *mlp = json_object_get(tree, "mlp"), *item;
    bl_table *rows = bl_table_new("part,index,eigenvalue,similarity,value", err);
    size_t i;
    json_array_foreach(json_object_get(tree, "parts"), i, item) {
        explain_row(rows, bl_tree_string(item, "name"), NAN, NULL);
        bl_table_real(rows, bl_tree_real(item, "value"));
    }
    explain_row(rows, "logit", NAN, NULL);
    bl_table_real(rows, bl_tree_real(tree, "logit"));
    explain_row(rows, "mlp constant", NAN, NULL);
    bl_table_real(rows, bl_tree_real(mlp, "constant"));
    json_array_foreach(json_object_get(mlp, "terms"), i, item) {
        explain_row(rows, "mlp eigenvector", bl_tree_real(item, "index"), item);
        bl_table_real(rows, bl_tree_real(item, "value"));
    }
    explain_row(rows, "mlp rest", NAN, NULL);
    bl_table_real(rows, bl_tree_real(mlp, "rest"));
    static const char *const of_surrogate[] = {"linear", "remainder"};
    for (size_t k = 0; k < 2; k++)
        if (json_object_get(mlp, of_surrogate[k])) {
            char name[32];
            snprintf(name, sizeof name, "mlp %s", of_surrogate[k]);
            explain_row(rows, name, NAN, NULL);
            bl_table_real(rows, bl_tree_real(mlp, of_surrogate[k]));
        }
    return rows;
}

/* ---- truncate ---- */

static void put_curve(bl_builder *b, bl_tree *at, const char *key, const bl_truncated *curve, size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *out = bl_put_object(b, list, NULL);
        bl_put_count(b, out, "rank", curve[i].rank);
        bl_put_real(b, out, "loss", curve[i].loss);
        bl_put_real(b, out, "kept", curve[i].kept);
    }
}

bl_tree *bl_truncate_tree(const bl_model *model, const bl_truncation *curve, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_text(&b, root, "model", bl_model_name(model));
    bl_put_count(&b, root, "layer", curve->layer);
    bl_put_quality(&b, root, model, curve->layer);
    bl_put_count(&b, root, "predictions", curve->predictions);
    bl_put_real(&b, root, "full", curve->full);
    bl_put_real(&b, root, "without_mlp", curve->without);
    put_curve(&b, root, "ranks", curve->by_size, curve->n_ranks);
    bl_put_count(&b, root, "stories", curve->stories);
    if (curve->random) {
        bl_tree *controls = bl_put_object(&b, root, "controls");
        put_curve(&b, controls, "random", curve->random, curve->n_ranks);
        put_curve(&b, controls, "lowest", curve->lowest, curve->n_ranks);
    }
    return bl_tree_built(&b, root);
}

static void put_token_curve(bl_builder *b, bl_tree *at, const char *key, const bl_truncated_token *curve,
                            size_t n) {
    bl_tree *list = bl_put_array(b, at, key);
    for (size_t i = 0; i < n; i++) {
        bl_tree *out = bl_put_object(b, list, NULL);
        bl_put_count(b, out, "rank", curve[i].rank);
        bl_put_real(b, out, "correlation", curve[i].correlation);
        bl_put_real(b, out, "r2", curve[i].r2);
        bl_put_real(b, out, "loss", curve[i].own_loss);
        if (curve[i].cuts_group) bl_put_flag(b, out, "cuts_group", true);
    }
}

bl_tree *bl_truncate_token_tree(const bl_question *question, const bl_token_truncation *curve,
                                bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_real(&b, root, "shift", curve->shift);
    bl_put_count(&b, root, "predictions", curve->predictions);
    bl_put_count(&b, root, "stories", curve->stories);
    bl_tree *own = bl_put_object(&b, root, "own");
    bl_put_count(&b, own, "positions", curve->own);
    bl_put_real(&b, own, "full", curve->full);
    put_token_curve(&b, root, "ranks", curve->by_size, curve->n_ranks);
    bl_tree *controls = bl_put_object(&b, root, "controls");
    put_token_curve(&b, controls, "random", curve->random, curve->n_ranks);
    put_token_curve(&b, controls, "lowest", curve->lowest, curve->n_ranks);
    return bl_tree_built(&b, root);
}

static void curve_rows(bl_table *rows, const char *order, const json_t *list, bool token) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        bl_table_text(rows, order);
        bl_table_integer(rows, (int64_t)bl_tree_real(item, "rank"));
        bl_table_real(rows, bl_tree_real(item, "loss"));
        bl_table_real(rows, bl_tree_real(item, token ? "correlation" : "kept"));
        if (token) bl_table_real(rows, bl_tree_real(item, "r2"));
    }
}

bl_table *bl_truncate_rows(const bl_tree *tree, bl_error *err) {
    bool token = json_object_get(tree, "own") != NULL;
    bl_table *rows = bl_table_new(token ? "order,rank,own_loss,correlation,r2" : "order,rank,loss,kept", err);
    const json_t *controls = json_object_get(tree, "controls");
    curve_rows(rows, "by size", json_object_get(tree, "ranks"), token);
    curve_rows(rows, "random", json_object_get(controls, "random"), token);
    curve_rows(rows, "lowest first", json_object_get(controls, "lowest"), token);
    return rows;
}

/* ---- ablate ---- */

static void put_loss(bl_builder *b, bl_tree *at, const char *key, const bl_ablated_loss *loss,
                     bool positions) {
    bl_tree *out = bl_put_object(b, at, key);
    if (positions) bl_put_count(b, out, "positions", loss->positions);
    bl_put_real(b, out, "before", loss->before);
    bl_put_real(b, out, "after", loss->after);
    pair_of_reals(b, out, "interval", loss->low, loss->high);
}

static void put_ablated(bl_builder *b, bl_tree *at, const bl_ablated *result) {
    put_loss(b, at, "loss", &result->loss, false);
    put_loss(b, at, "own", &result->own, true);
    put_loss(b, at, "others", &result->others, true);
    bl_put_real(b, at, "kl", result->kl);
    bl_put_real(b, at, "changed", result->changed);
    pair_of_reals(b, at, "kl_interval", result->kl_low, result->kl_high);
}

static double rise(const bl_ablated_loss *loss) { return loss->positions ? loss->after - loss->before : NAN; }

/* Effects of each control, and the share that is at least as large as the result's. */
static void put_controls(bl_builder *b, bl_tree *at, const char *key, const bl_ablated *controls, size_t n,
                         const bl_ablated *result) {
    bl_tree *out = bl_put_object(b, at, key), *list = bl_put_array(b, out, "effects");
    bool own = result->own.positions > 0;
    size_t as_large = 0;
    double sum = 0, most = -INFINITY, mine = own ? rise(&result->own) : rise(&result->loss);
    for (size_t i = 0; i < n; i++) {
        bl_tree *item = bl_put_object(b, list, NULL);
        double effect = own ? rise(&controls[i].own) : rise(&controls[i].loss);
        bl_put_real(b, item, "loss", rise(&controls[i].loss));
        bl_put_real(b, item, "own", rise(&controls[i].own));
        bl_put_real(b, item, "others", rise(&controls[i].others));
        bl_put_real(b, item, "kl", controls[i].kl);
        bl_put_real(b, item, "changed", controls[i].changed);
        as_large += effect >= mine;
        sum += effect / (double)n;
        most = fmax(most, effect);
    }
    bl_put_text(b, out, "of", own ? "own" : "loss");
    bl_put_real(b, out, "mean", sum);
    bl_put_real(b, out, "largest", most);
    bl_put_real(b, out, "p", (1 + (double)as_large) / (double)(n + 1));
}

static const char *mode_name(bl_ablate_mode mode) {
    static const char *const names[] = {"component", "input", "logit"};
    return names[mode];
}

bl_tree *bl_ablate_tree(const bl_question *question, const long *eigs, size_t n_eigs,
                        const bl_ablate_options *options, const bl_ablation *result, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_real(&b, root, "shift", result->shift);
    bl_tree *list = bl_put_array(&b, root, "eigs");
    for (size_t i = 0; i < n_eigs; i++) bl_put_integer(&b, list, NULL, eigs[i]);
    bl_put_text(&b, root, "mode", mode_name(options->mode));
    bl_put_text(&b, root, "with", options->zero ? "zero" : "mean");
    bl_put_flag(&b, root, "keep", options->keep);
    bl_put_count(&b, root, "predictions", result->result.loss.positions);
    put_ablated(&b, root, &result->result);
    bl_put_count(&b, root, "stories", result->stories);
    if (result->controls) {
        bl_tree *controls = bl_put_object(&b, root, "controls");
        bl_put_count(&b, controls, "draws", result->controls);
        put_controls(&b, controls, "random", result->random, result->controls, &result->result);
        put_controls(&b, controls, "null", result->null, result->controls, &result->result);
    }
    if (result->n_worst) {
        bl_tree *worst = bl_put_object(&b, root, "worst");
        bl_tree *chosen = bl_put_array(&b, worst, "eigs");
        for (size_t i = 0; i < result->n_worst; i++) bl_put_integer(&b, chosen, NULL, result->worst_eigs[i]);
        put_ablated(&b, worst, &result->worst);
        if (result->controls)
            put_controls(&b, worst, "random", result->subsets, result->controls, &result->worst);
    }
    return bl_tree_built(&b, root);
}

static void loss_row(bl_table *rows, const char *what, const char *name, const json_t *loss,
                     double positions) {
    const json_t *interval = json_object_get(loss, "interval");
    bl_table_text(rows, what);
    bl_table_text(rows, name);
    bl_table_integer(rows, (int64_t)positions);
    bl_table_real(rows, bl_tree_real(loss, "before"));
    bl_table_real(rows, bl_tree_real(loss, "after"));
    bl_table_real(rows, bl_tree_real(loss, "after") - bl_tree_real(loss, "before"));
    bl_table_real(rows, bl_tree_number(json_array_get(interval, 0)));
    bl_table_real(rows, bl_tree_number(json_array_get(interval, 1)));
}

static void ablated_rows(bl_table *rows, const char *what, const json_t *of, double predictions) {
    const json_t *own = json_object_get(of, "own"), *others = json_object_get(of, "others");
    loss_row(rows, what, "all", json_object_get(of, "loss"), predictions);
    loss_row(rows, what, "own", own, bl_tree_real(own, "positions"));
    loss_row(rows, what, "others", others, bl_tree_real(others, "positions"));
}

static void control_rows(bl_table *rows, const char *what, const json_t *control) {
    static const char *const names[] = {"all", "own", "others"}, *const keys[] = {"loss", "own", "others"};
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(control, "effects"), i, item) {
        for (size_t k = 0; k < 3; k++) {
            bl_table_text(rows, what);
            bl_table_text(rows, names[k]);
            for (size_t e = 0; e < 3; e++) bl_table_empty(rows);
            bl_table_real(rows, bl_tree_real(item, keys[k]));
            bl_table_empty(rows);
            bl_table_empty(rows);
        }
    }
}

bl_table *bl_ablate_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("ablated,predictions,positions,before,after,effect,low,high", err);
    const json_t *controls = json_object_get(tree, "controls"), *worst = json_object_get(tree, "worst");
    double predictions = bl_tree_real(tree, "predictions");
    ablated_rows(rows, "eigs", tree, predictions);
    control_rows(rows, "random directions", json_object_get(controls, "random"));
    control_rows(rows, "null model", json_object_get(controls, "null"));
    if (worst) {
        ablated_rows(rows, "worst subset", worst, predictions);
        control_rows(rows, "random subsets", json_object_get(worst, "random"));
    }
    return rows;
}

/* ---- null ---- */

static const bl_chance_place *place_of(const bl_chance *chance, long index) {
    long n = (long)chance->n, at = index < 0 ? index + n : index;
    for (size_t i = 0; i < chance->n_places; i++) {
        long place = chance->place[i].index;
        if ((place < 0 ? place + n : place) == at) return &chance->place[i];
    }
    return NULL;
}

void bl_put_chance(bl_builder *b, bl_tree *root, const bl_chance *chance, const long *indices,
                   size_t n_indices, const double *calibration) {
    bl_put_count(b, root, "draws", chance->draws);
    bl_put_count(b, root, "dead", chance->dead);
    bl_put_real(b, root, "shift", chance->shift);
    bl_tree *norm = bl_put_object(b, root, "norm");
    bl_put_real(b, norm, "value", chance->norm);
    bl_put_real(b, norm, "p", chance->norm_p);
    bl_tree *places = bl_put_array(b, root, "places");
    for (size_t i = 0; i < n_indices; i++) {
        const bl_chance_place *place = place_of(chance, indices[i]);
        if (!place) continue;
        bl_tree *out = bl_put_object(b, places, NULL);
        bl_put_integer(b, out, "index", indices[i]);
        bl_put_real(b, out, "eigenvalue", place->eigenvalue);
        bl_put_real(b, out, "statistic", place->statistic);
        bl_put_real(b, out, "ratio", place->ratio);
        bl_put_real(b, out, "p", place->p);
        bl_put_real(b, out, "p_family", place->p_family);
        if (place->group_first == place->group_last) bl_put_null(b, out, "group");
        else {
            bl_tree *group = bl_put_array(b, out, "group");
            bl_put_count(b, group, NULL, place->group_first);
            bl_put_count(b, group, NULL, place->group_last);
        }
    }
    if (calibration) {
        bl_tree *out = bl_put_object(b, root, "calibration");
        bl_put_real(b, out, "top", calibration[0]);
        bl_put_real(b, out, "bottom", calibration[1]);
    }
}

bl_tree *bl_null_tree(const bl_question *question, const bl_chance *chance, const long *indices,
                      size_t n_indices, const double *calibration, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_subject(&b, root, question);
    bl_put_chance(&b, root, chance, indices, n_indices, calibration);
    return bl_tree_built(&b, root);
}

bl_table *bl_null_rows(const bl_tree *tree, bl_error *err) {
    bl_table *rows = bl_table_new("index,eigenvalue,statistic,ratio,p,p_family", err);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(tree, "places"), i, item) {
        bl_table_integer(rows, (int64_t)bl_tree_real(item, "index"));
        bl_table_real(rows, bl_tree_real(item, "eigenvalue"));
        bl_table_real(rows, bl_tree_real(item, "statistic"));
        bl_table_real(rows, bl_tree_real(item, "ratio"));
        bl_table_real(rows, bl_tree_real(item, "p"));
        bl_table_real(rows, bl_tree_real(item, "p_family"));
    }
    return rows;
}
