/* The section "Does it matter?": an eigenvector beside chance, what the model loses without it, and how many
 * of them follow the direction. Read straight from the report's "evidence", which may be absent; what is
 * missing in it is drawn as a dash. web/evidence.js draws the same. */
#include "report/html.h"
#include "report/plot.h"
#include "base/visible.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 620, LEFT = 150, RIGHT = 600, ROW = 26, CURVE = 230, CURVE_LEFT = 56, CURVE_BOTTOM = 190 };
enum { FEW = 5 };  /* own places below which nothing is concluded */
#define LEVEL 0.05 /* a p up to which a place is called more than chance */

static void put_real(bl_buffer *out, double value, int decimals) {
    char text[BL_NUMBER_SIZE];
    bl_buffer_text(out, isfinite(value) ? bl_number(text, value, decimals, BL_MINUS) : "\xE2\x80\x93");
}

static double pair_at(const json_t *of, const char *key, size_t i) {
    return bl_tree_number(json_array_get(json_object_get(of, key), i));
}

/* ---- chance ---- */

static void put_cell(bl_buffer *out, double value, int decimals) {
    bl_buffer_text(out, "<td class=\"v\">");
    put_real(out, value, decimals);
    bl_buffer_text(out, "</td>");
}

static void put_chance(bl_buffer *out, const json_t *null) {
    const json_t *place;
    size_t i;
    bl_buffer_print(out, "<h3>More than chance?</h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
                         "aria-label=\"Beside chance\"><table class=\"judged\"><thead><tr><th scope=\"col\">"
                         "Eigenvector</th><th scope=\"col\" class=\"v\">\xCE\xBB</th><th scope=\"col\" "
                         "class=\"v\">times chance</th><th scope=\"col\" class=\"v\">p</th><th scope=\"col\" "
                         "class=\"v\">p, whole end</th><th scope=\"col\">more than chance?</th></tr></thead>"
                         "<tbody>\n");
    json_array_foreach(json_object_get(null, "places"), i, place) {
        bl_buffer_text(out, "<tr><th scope=\"row\">");
        put_real(out, bl_tree_real(place, "index"), 0);
        bl_buffer_text(out, "</th>");
        put_cell(out, bl_tree_real(place, "eigenvalue"), 3);
        put_cell(out, bl_tree_real(place, "ratio"), 2);
        put_cell(out, bl_tree_real(place, "p"), 3);
        put_cell(out, bl_tree_real(place, "p_family"), 3);
        bl_buffer_text(out, bl_tree_real(place, "p") <= LEVEL ? "<td>yes</td></tr>\n" : "<td>no</td></tr>\n");
    }
    bl_buffer_text(out, "</tbody></table></div>\n<p class=\"note\">Chance: ");
    put_real(out, bl_tree_real(null, "draws"), 0);
    bl_buffer_text(
        out, " draws of a model with the same weights, every alignment between them shuffled away. "
             "<i>p</i> is the share of draws, the model itself counted among them, in which this place of "
             "the spectrum is as far out: it cannot be below ");
    put_real(out, 1 / (1 + bl_tree_real(null, "draws")), 3);
    bl_buffer_text(
        out,
        ". <i>p, whole end</i>, is the share in which any place of that end of the spectrum is, for those "
        "who choose the clearest. More than chance: <i>p</i> is at most 0.05.");
    if (bl_tree_real(null, "dead") > 0) {
        bl_buffer_text(out, " Hidden units that are dead, which the draws leave in place: ");
        put_real(out, bl_tree_real(null, "dead"), 0);
        bl_buffer_text(out, ".");
    }
    bl_buffer_text(out, "</p>\n");
}

/* ---- ablation ---- */

static double rise(const json_t *loss) { return bl_tree_real(loss, "after") - bl_tree_real(loss, "before"); }

typedef struct forest {
    const json_t *of, *measured; /* one ablation; its loss of the own positions, or of all */
    const char *key;             /* of the controls' effects: "own" or "loss" */
    double low, high;
} forest;

static const char *const kinds[] = {"random", "null"}, *const kind_names[] = {"random directions",
                                                                              "null model"};

static const json_t *effects_of(const forest *f, int kind) {
    return json_object_get(json_object_get(json_object_get(f->of, "controls"), kinds[kind]), "effects");
}

static double largest_control(const forest *f, int kind) {
    const json_t *item;
    size_t i;
    double largest = -INFINITY;
    json_array_foreach(effects_of(f, kind), i, item) largest = fmax(largest, bl_tree_real(item, f->key));
    return largest;
}

static forest forest_of(const json_t *of) {
    const json_t *own = json_object_get(of, "own");
    bool has = bl_tree_real(own, "positions") > 0;
    forest f = {of, has ? own : json_object_get(of, "loss"), has ? "own" : "loss", 0, 0};
    f.low = fmin(0, pair_at(f.measured, "interval", 0));
    f.high = fmax(0, pair_at(f.measured, "interval", 1));
    for (int kind = 0; kind < 2; kind++) {
        const json_t *item;
        size_t i;
        json_array_foreach(effects_of(&f, kind), i, item) {
            f.low = fmin(f.low, bl_tree_real(item, f.key));
            f.high = fmax(f.high, bl_tree_real(item, f.key));
        }
    }
    double air = fmax(0.04 * (f.high - f.low), 1e-6);
    f.low -= air;
    f.high += air;
    return f;
}

static double place(const forest *f, double value) {
    return LEFT + (RIGHT - LEFT) * (value - f->low) / (f->high - f->low);
}

static void put_forest(bl_buffer *out, const forest *f, const char *name) {
    char text[BL_NUMBER_SIZE];
    bl_ticks x = bl_nice_ticks(f->low, f->high, 6, false);
    bl_buffer_print(out,
                    "<svg class=\"forest\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Rise of the loss, "
                    "beside controls\">",
                    WIDTH, 3 * ROW + 54);
    bl_buffer_print(out, "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%d\"/>", place(f, 0),
                    place(f, 0), 3 * ROW + 6);
    for (size_t i = 0; i < x.n; i++) {
        double value = x.first + (double)i * x.step;
        bl_buffer_print(out, "<text x=\"%.1f\" y=\"%d\" class=\"mid\">%s</text>", place(f, value),
                        3 * ROW + 22, bl_number(text, value, x.decimals, BL_MINUS));
    }
    bl_buffer_print(out, "<text x=\"%d\" y=\"%d\" class=\"mid\">rise of the loss (nats)</text>",
                    (LEFT + RIGHT) / 2, 3 * ROW + 44);
    bl_buffer_print(
        out,
        "<text x=\"%d\" y=\"20\" class=\"end\">%s</text><line class=\"range\" x1=\"%.1f\" "
        "x2=\"%.1f\" y1=\"16\" y2=\"16\"/><circle class=\"result\" cx=\"%.1f\" cy=\"16\" r=\"5\"/>",
        LEFT - 14, name, place(f, pair_at(f->measured, "interval", 0)),
        place(f, pair_at(f->measured, "interval", 1)), place(f, rise(f->measured)));
    for (int kind = 0; kind < 2; kind++) {
        const json_t *item;
        size_t i;
        bl_buffer_print(out, "<text x=\"%d\" y=\"%d\" class=\"end\">%s</text>", LEFT - 14,
                        20 + ROW * (kind + 1), kind_names[kind]);
        json_array_foreach(effects_of(f, kind), i, item)
            bl_buffer_print(out, "<circle class=\"control\" cx=\"%.1f\" cy=\"%d\" r=\"4\"/>",
                            place(f, bl_tree_real(item, f->key)), 16 + ROW * (kind + 1));
    }
    bl_buffer_text(out, "</svg>\n");
}

static void put_interval(bl_buffer *out, const json_t *loss, int decimals) {
    put_real(out, rise(loss), decimals);
    bl_buffer_text(out, " nats (95\xC2\xA0%: ");
    put_real(out, pair_at(loss, "interval", 0), decimals);
    bl_buffer_text(out, " to ");
    put_real(out, pair_at(loss, "interval", 1), decimals);
    bl_buffer_text(out, ")");
}

static const char *verdict(const forest *f, bool own, double most) {
    double low = pair_at(f->measured, "interval", 0), high = pair_at(f->measured, "interval", 1);
    if (own && bl_tree_real(f->measured, "positions") < FEW) return "too few places to tell";
    if (low > most) return "the model would miss it";
    if (low > 0) return "an effect, but controls come near it";
    return high < 0 ? "the model does better without it" : "no effect that can be told from none";
}

/* The answer in a sentence, then the picture. */
static void put_ablation(bl_buffer *out, const bl_doc *doc, const json_t *of) {
    forest f = forest_of(of);
    char number[BL_NUMBER_SIZE], name[80];
    bool own = strcmp(f.key, "own") == 0;
    double most = fmax(largest_control(&f, 0), largest_control(&f, 1));
    bl_number(number, pair_at(of, "eigs", 0), 0, BL_MINUS);
    snprintf(name, sizeof name, "eigenvector %s", number);
    bl_buffer_print(out, "<h3>Without eigenvector %s</h3>\n<p>The loss on ", number);
    if (own) {
        bl_buffer_print(out, "the %.0f places where ", bl_tree_real(f.measured, "positions"));
        bl_html_token(out, doc->eigen->subject.token);
        bl_buffer_text(out, " comes next");
    } else bl_buffer_print(out, "all %.0f places", bl_tree_real(of, "predictions"));
    bl_buffer_text(out, " is ");
    put_real(out, bl_tree_real(f.measured, "before"), own ? 2 : 4);
    bl_buffer_text(out, " nats; it rises by <b>");
    put_interval(out, f.measured, own ? 2 : 4);
    bl_buffer_text(out, "</b>. ");
    if (own) {
        bl_buffer_text(out, "On all others it rises by ");
        put_interval(out, json_object_get(of, "others"), 4);
        bl_buffer_text(out, ". ");
    }
    bl_buffer_print(out, "Of %.0f random directions and as many null models none raises it by more than ",
                    bl_tree_real(json_object_get(of, "controls"), "draws"));
    put_real(out, most, own ? 2 : 4);
    bl_buffer_print(out, ": %s.</p>\n", verdict(&f, own, most));
    put_forest(out, &f, name);
}

/* "1.31 times as large as chance makes it (p 0.010); without it …": the evidence about one eigenvector,
 * where it is shown. Nothing where none was measured. */
void bl_html_verdict(bl_buffer *out, const bl_doc *doc, long index) {
    const json_t *place = bl_doc_chance(doc, index), *ablated = bl_doc_ablation(doc, index);
    if (!place) return;
    bool more = bl_tree_real(place, "p") <= LEVEL;
    bl_buffer_text(out, "<p class=\"verdict\"><a href=\"#evidence\">Does it matter?</a> It is ");
    put_real(out, bl_tree_real(place, "ratio"), 2);
    bl_buffer_print(out, " times as large as chance makes it: %s (p ",
                    more ? "more than chance" : "no more than chance");
    put_real(out, bl_tree_real(place, "p"), 3);
    bl_buffer_text(out, "). ");
    if (ablated) {
        forest f = forest_of(ablated);
        bool own = strcmp(f.key, "own") == 0;
        bl_buffer_text(out, "Without it the loss ");
        if (own) {
            bl_buffer_text(out, "where ");
            bl_html_token(out, doc->eigen->subject.token);
            bl_buffer_text(out, " comes next ");
        }
        bl_buffer_text(out, "rises by ");
        put_interval(out, f.measured, own ? 2 : 4);
        bl_buffer_print(out, ": %s.", verdict(&f, own, fmax(largest_control(&f, 0), largest_control(&f, 1))));
    } else
        bl_buffer_text(out,
                       "What the model loses without it was not measured: <code>bilens ablate</code> does.");
    bl_buffer_text(out, "</p>\n");
}

/* ---- truncation ---- */

static void put_curve(bl_buffer *out, const json_t *list, const char *class, double last) {
    const json_t *item;
    size_t i;
    bl_buffer_print(out, "<polyline class=\"%s\" points=\"", class);
    json_array_foreach(list, i, item) {
        double value = bl_tree_real(item, "correlation"), rank = bl_tree_real(item, "rank");
        if (!isfinite(value)) value = 0; /* of rank 0: nothing varies */
        bl_buffer_print(out, "%.1f,%.1f ", CURVE_LEFT + (RIGHT - 130 - CURVE_LEFT) * log2(1 + rank) / last,
                        CURVE_BOTTOM - (CURVE_BOTTOM - 14) * fmax(0, value));
    }
    bl_buffer_text(out, "\"/>");
    json_array_foreach(list, i, item)
        if (isfinite(bl_tree_real(item, "correlation")))
            bl_buffer_print(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>", class,
                            CURVE_LEFT +
                                (RIGHT - 130 - CURVE_LEFT) * log2(1 + bl_tree_real(item, "rank")) / last,
                            CURVE_BOTTOM - (CURVE_BOTTOM - 14) * fmax(0, bl_tree_real(item, "correlation")));
}

/* ": 0.83 with 2 of them, 0.89 with 8, 0.99 with 64; 64 at random reach 0.34". */
static void put_summary(bl_buffer *out, const json_t *ranks, const json_t *random) {
    size_t n = json_array_size(ranks), told[3] = {n / 3, 2 * n / 3, n - 1};
    bool first = true;
    for (size_t k = 0; k < 3; k++) {
        const json_t *item = json_array_get(ranks, told[k]);
        if ((k && told[k] == told[k - 1]) || !isfinite(bl_tree_real(item, "correlation"))) continue;
        bl_buffer_text(out, first ? ": " : ", ");
        put_real(out, bl_tree_real(item, "correlation"), 2);
        bl_buffer_print(out, first ? " with %.0f of them" : " with %.0f", bl_tree_real(item, "rank"));
        first = false;
    }
    double chance = bl_tree_real(json_array_get(random, n - 1), "correlation");
    if (!isfinite(chance)) return;
    bl_buffer_print(out, "; %.0f at random reach ", bl_tree_real(json_array_get(ranks, n - 1), "rank"));
    put_real(out, chance, 2);
}

static void put_truncation(bl_buffer *out, const json_t *curve) {
    static const char *const classes[] = {"first", "random", "lowest"}, *const names[] = {"largest first",
                                                                                          "at random",
                                                                                          "smallest first"};
    const json_t *ranks = json_object_get(curve, "ranks"), *controls = json_object_get(curve, "controls"),
                 *item;
    const json_t *lists[] = {ranks, json_object_get(controls, "random"), json_object_get(controls, "lowest")};
    double last = 1;
    char count[40];
    size_t i;
    if (!json_array_size(ranks)) return;
    json_array_foreach(ranks, i, item) last = fmax(last, log2(1 + bl_tree_real(item, "rank")));
    bl_buffer_print(
        out,
        "<h3>How many eigenvectors does it take?</h3>\n<p>With its <i>K</i> eigenvectors of largest "
        "|\xCE\xBB| alone the quadratic form follows <i>u</i>\xC2\xB7MLP(<i>x</i>), what the whole MLP "
        "adds to the score, with this correlation over %s places",
        bl_grouped(count, (uint64_t)fmax(0, bl_tree_real(curve, "predictions"))));
    put_summary(out, ranks, lists[1]);
    bl_buffer_print(out,
                    ". It is of the score, not of the loss; below 0 it is drawn at 0.</p>\n"
                    "<svg class=\"curve\" viewBox=\"0 0 %d %d\" role=\"img\" "
                    "aria-label=\"Correlation against number of eigenvectors\">",
                    WIDTH, CURVE);
    for (int t = 0; t <= 4; t++) {
        double y = CURVE_BOTTOM - (CURVE_BOTTOM - 14) * t / 4.0;
        bl_buffer_print(out,
                        "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" "
                        "y=\"%.1f\" class=\"end\">%.2f</text>",
                        CURVE_LEFT, RIGHT - 130, y, y, CURVE_LEFT - 8, y + 4, t / 4.0);
    }
    json_array_foreach(ranks, i, item)
        bl_buffer_print(out, "<text x=\"%.1f\" y=\"%d\" class=\"mid\">%.0f</text>",
                        CURVE_LEFT + (RIGHT - 130 - CURVE_LEFT) * log2(1 + bl_tree_real(item, "rank")) / last,
                        CURVE_BOTTOM + 18, bl_tree_real(item, "rank"));
    bl_buffer_print(out,
                    "<text x=\"%d\" y=\"%d\" class=\"mid\">eigenvectors kept</text><text class=\"mid\" "
                    "transform=\"translate(12 %d) rotate(-90)\">correlation</text>",
                    (CURVE_LEFT + RIGHT - 130) / 2, CURVE_BOTTOM + 36, (CURVE_BOTTOM + 14) / 2);
    for (int k = 2; k >= 0; k--) {
        put_curve(out, lists[k], classes[k], last);
        bl_buffer_print(out,
                        "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/><text x=\"%d\" "
                        "y=\"%d\">%s</text>",
                        classes[k], RIGHT - 112, RIGHT - 90, 24 + 20 * k, 24 + 20 * k, RIGHT - 84,
                        28 + 20 * k, names[k]);
    }
    bl_buffer_text(out, "</svg>\n");
}

/* That nothing was measured, and the command that does: the report's own, and what it is to measure on. */
static void put_unmeasured(bl_buffer *out, const bl_doc *doc) {
    static const char without[] = " --no-evidence";
    const char *command = doc->origin ? bl_tree_string(doc->origin, "command") : "",
               *cut = strstr(command, without), *rest = cut ? cut + strlen(without) : "";
    bl_buffer_text(
        out, "<section id=\"evidence\">\n<h2>Does it matter?</h2>\n<p class=\"note\">Not measured in this "
             "report: nothing on this page says whether these eigenvectors are more than chance, or "
             "whether the model would do without them.");
    if (*command) {
        bl_buffer before = {0};
        bl_buffer_add(&before, command, cut ? (size_t)(cut - command) : strlen(command));
        bl_buffer_add(&before, "", 1);
        bl_buffer_text(out, " This command measures it: <code>");
        if (!before.failed) bl_visible_html(out, before.data);
        out->failed |= before.failed;
        bl_visible_html(out, rest);
        bl_buffer_text(out, " --evidence-stories 48</code> (fewer stories take less time).");
        bl_buffer_free(&before);
    }
    bl_buffer_text(out, "</p>\n</section>\n");
}

void bl_html_evidence(bl_buffer *out, const bl_doc *doc) {
    const json_t *evidence = doc->evidence, *item;
    size_t i;
    if (!evidence) {
        put_unmeasured(out, doc);
        return;
    }
    bl_buffer_text(
        out, "<section id=\"evidence\">\n<h2>Does it matter?</h2>\n<p class=\"read\"><b>How to read "
             "it.</b> A large eigenvalue may be chance, and one that is not may still be of no use to "
             "the model. So each is compared with models whose weights are shuffled. And it is taken "
             "out of the model while it reads: what it adds to the score, "
             "\xCE\xBB(<i>v</i>\xC2\xB7<i>x</i>)\xC2\xB2, is put at its mean over the stories. "
             "Controls are taken out in the same way: random directions that inputs have, with the same "
             "eigenvalue, and the eigenvectors in the same place of shuffled models. "
             "Measured on the first ");
    put_real(out, bl_tree_real(evidence, "stories"), 0);
    bl_buffer_text(out, " stories of the corpus; intervals come from drawing whole stories again.</p>\n");
    put_chance(out, json_object_get(evidence, "null"));
    json_array_foreach(json_object_get(evidence, "ablate"), i, item) put_ablation(out, doc, item);
    put_truncation(out, json_object_get(evidence, "truncate"));
    bl_buffer_text(out, "</section>\n");
}
