#include "report/html.h"
#include "base/error.h"
#include "report/colour.h"
#include "report/plot.h"
#include "base/visible.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Embedded files, NUL-terminated (cmake/embed.cmake). */
extern const unsigned char bl_page_html[], bl_page_js[], bl_look_css[], bl_levels_css[], bl_look_js[],
    bl_spectrum_js[];

enum { MINUS_SHOWN = 40, FILES_SHOWN = 20 };

void bl_html_token(bl_buffer *out, const char *token) {
    bl_buffer_text(out, "<span class=\"tok\">");
    bl_visible_html(out, token);
    bl_buffer_text(out, "</span>");
}

void bl_html_vector_id(bl_buffer *out, long index) {
    bl_buffer_print(out, "eig-%s%ld", index < 0 ? "m" : "", index < 0 ? -index : index);
}

void bl_html_number(bl_buffer *out, double value, double largest) {
    char text[BL_NUMBER_SIZE];
    bl_buffer_text(out, bl_number(text, value, bl_decimals(largest), BL_MINUS));
}

static void put_program(bl_buffer *out, const bl_doc *doc) { bl_visible_html(out, doc->version); }

static void put_title(bl_buffer *out, const bl_doc *doc) {
    bl_visible_html(out, doc->eigen->subject.token);
    bl_buffer_text(out, ": ");
    bl_visible_html(out, bl_doc_short_name(doc->info->model));
    bl_buffer_text(out, " \xC2\xB7 bilens report");
}

/* The explorer's look, and one class a level of RdBu: .c0 … .c255. */
static void put_css(bl_buffer *out, const bl_doc *doc) {
    (void)doc;
    bl_buffer_text(out, (const char *)bl_look_css);
    bl_buffer_text(out, (const char *)bl_levels_css);
}

static void put_js(bl_buffer *out, const bl_doc *doc) {
    (void)doc;
    bl_buffer_text(out, (const char *)bl_look_js);
    bl_buffer_text(out, (const char *)bl_spectrum_js);
    bl_buffer_text(out, (const char *)bl_page_js);
}

static void put_what(bl_buffer *out, const bl_doc *doc) {
    bl_buffer_text(out, doc->eigen->subject.vector ? "direction" : "token");
}

static void put_lede(bl_buffer *out, const bl_doc *doc) {
    bl_buffer_text(
        out, doc->eigen->subject.surrogate
                 ? "This layer has an activation function. The best quadratic form stands for it"
                 : "A bilinear layer multiplies two linear views of its input. Along one direction of its "
                   "output it is therefore a quadratic form");
}

static void put_fitted(bl_buffer *out, const bl_doc *doc) {
    bl_buffer_text(out, doc->eigen->subject.surrogate ? " and a fit" : " alone");
}

static void put_token(bl_buffer *out, const bl_doc *doc) { bl_html_token(out, doc->eigen->subject.token); }

static void put_heading(bl_buffer *out, const bl_doc *doc) {
    bl_buffer_text(out, "\xE2\x80\x9C");
    bl_visible_html(out, doc->eigen->subject.token);
    bl_buffer_text(out, "\xE2\x80\x9D");
}

static void put_chips(bl_buffer *out, const bl_doc *doc) {
    for (size_t i = 0; i < doc->eigen->n_vectors; i++) {
        const bl_doc_vector *vector = &doc->eigen->vectors[i];
        char text[BL_NUMBER_SIZE];
        bl_buffer_print(out, "<a class=\"%s\" href=\"#", vector->eigenvalue < 0 ? "neg" : "pos");
        bl_html_vector_id(out, vector->index);
        bl_buffer_print(out, "\">%s</a>", bl_number(text, (double)vector->index, 0, BL_MINUS));
    }
}

/* Names separated by commas, at most `most`; of paths the last part. */
static void put_names(bl_buffer *out, const char *const *names, size_t n, size_t most, const char *tag,
                      bool paths) {
    for (size_t i = 0; i < n && i < most; i++) {
        bl_buffer_print(out, "%s<%s>", i > 0 ? ", " : "", tag);
        bl_visible_html(out, paths ? bl_doc_short_name(names[i]) : names[i]);
        bl_buffer_print(out, "</%s>", tag);
    }
    if (n > most) bl_buffer_print(out, " and %zu more", n - most);
}

static void put_kicker(bl_buffer *out, const bl_doc *doc) {
    char stories[40];
    bl_visible_html(out, bl_doc_short_name(doc->info->model));
    bl_buffer_print(out, " \xC2\xB7 layer %zu", doc->eigen->subject.layer);
    bl_buffer_print(out, " \xC2\xB7 %s stories", bl_grouped(stories, doc->scan->stories));
    if (doc->n_corpus > 0) {
        bl_buffer_text(out, " of ");
        put_names(out, doc->corpus, doc->n_corpus, 3, "span", true);
    }
}

/* Whether the contrast is the mean of all rows. */
static bool against_all(const bl_doc_subject *subject) {
    return subject->n_minus == 1 && strcmp(subject->minus[0], "*") == 0;
}

static void put_minus(bl_buffer *out, const bl_doc *doc) {
    const bl_doc_subject *subject = &doc->eigen->subject;
    if (subject->n_minus == 0) return;
    bl_buffer_text(out, "<p class=\"minus\">rather than ");
    if (against_all(subject)) bl_buffer_text(out, "the average of all tokens");
    else put_names(out, subject->minus, subject->n_minus, MINUS_SHOWN, "b", false);
    bl_buffer_text(out, "</p>");
}

static void put_fact(bl_buffer *out, const char *name, const char *value) {
    bl_buffer_print(out, "<div><dt>%s</dt><dd>%s</dd></div>", name, value);
}

static void put_facts(bl_buffer *out, const bl_doc *doc) {
    const bl_doc_eigen *eigen = doc->eigen;
    char text[BL_NUMBER_SIZE], count[40];
    int decimals = bl_decimals(fmax(fabs(eigen->values[0]), fabs(eigen->values[eigen->size - 1])));
    put_fact(out, "Eigenvalues", bl_grouped(count, eigen->size));
    put_fact(out, "Largest", bl_number(text, eigen->values[eigen->size - 1], decimals, BL_MINUS));
    put_fact(out, "Smallest", bl_number(text, eigen->values[0], decimals, BL_MINUS));
    put_fact(out, "Effective rank", bl_number(text, eigen->effective_rank, 1, BL_MINUS));
    if (eigen->subject.surrogate) {
        snprintf(count, sizeof count, "%.1f %%", 100 * eigen->subject.r2);
        put_fact(out, "MLP explained", count);
    }
    put_fact(out, "Stories scanned", bl_grouped(count, doc->scan->stories));
    put_fact(out, "Positions", bl_grouped(count, doc->scan->positions));
}

static void put_formula(bl_buffer *out, const bl_doc_eigen *eigen) {
    const bl_doc_subject *subject = &eigen->subject;
    bool biased = eigen->size > eigen->d_model;
    bl_buffer_print(out, "<div class=\"formula\"><div><i>u</i> = %s",
                    subject->vector ? "" : "<i>W</i><sub>U</sub>[");
    bl_html_token(out, subject->token);
    if (!subject->vector) bl_buffer_text(out, "]");
    if (subject->n_minus > 0) {
        bl_buffer_text(out, " \xE2\x88\x92 mean <i>W</i><sub>U</sub>[");
        put_names(out, subject->minus, subject->n_minus, 4, "span", false);
        bl_buffer_text(out, "]");
    }
    if (eigen->subject.surrogate) {
        bl_buffer_text(
            out,
            "</div><div><i>z</i> = <i>x</i> \xE2\x88\x92 <i>m</i>, the mean input</div><div>"
            "<i>u</i> \xC2\xB7 MLP(<i>x</i>) \xE2\x89\x88 <i>k</i> + \xE2\x84\x93 \xC2\xB7 <i>z</i> + "
            "<i>z</i><sup>\xE2\x8A\xA4</sup><i>A</i><i>z</i> = <i>k</i> + \xE2\x84\x93 \xC2\xB7 <i>z</i> + "
            "\xCE\xA3<sub><i>n</i></sub> \xCE\xBB<sub><i>n</i></sub> (<i>v<sub>n</sub></i> \xC2\xB7 "
            "<i>z</i>)\xC2\xB2</div></div>");
        return;
    }
    bl_buffer_text(out, "</div><div><i>Q</i> = sym(<i>L</i><sup>\xE2\x8A\xA4</sup> "
                        "diag(<i>P</i><sup>\xE2\x8A\xA4</sup><i>u</i>) <i>R</i>)");
    const char *x = biased ? "<i>x</i>\xE2\x80\xB2" : "<i>x</i>";
    bl_buffer_print(out, "</div><div><i>u</i> \xC2\xB7 MLP(<i>x</i>) = %s<sup>\xE2\x8A\xA4</sup><i>Q</i>%s",
                    x, x);
    if (biased) bl_buffer_text(out, " + const");
    bl_buffer_print(out,
                    " = \xCE\xA3<sub><i>n</i></sub> \xCE\xBB<sub><i>n</i></sub> (<i>v<sub>n</sub></i> "
                    "\xC2\xB7 %s)\xC2\xB2",
                    x);
    if (biased) bl_buffer_text(out, " + const");
    bl_buffer_text(out, "</div></div>");
}

/* Behind how many layers, and what virtual tokens do not show there. */
static void put_depth(bl_buffer *out, const bl_doc *doc) {
    const char *layers = bl_doc_setting_value(doc->info, "n_layer");
    long n_layers = layers ? strtol(layers, NULL, 10) : 1, layer = (long)doc->eigen->subject.layer;
    if (n_layers > layer + 1)
        bl_buffer_print(out,
                        "<p class=\"note\">The model has %ld layers: shown is the direct way from layer %ld "
                        "to the scores, without what later layers make of it.</p>",
                        n_layers, layer);
    if (layer >= BL_DEEP)
        bl_buffer_print(
            out,
            "<p class=\"note warn\">Virtual tokens are read in the embedding, %ld layers before this MLP: "
            "what those layers have written is not in them. The inputs from the corpus come first here, "
            "for they are what this MLP has really read.</p>",
            layer);
}

/* Of what stands for a gated or plain MLP, with its error. */
static void put_surrogate(bl_buffer *out, const bl_doc_eigen *eigen) {
    const bl_doc_subject *s = &eigen->subject;
    bl_buffer_print(
        out,
        ". The MLP of layer %zu has an activation function and is no quadratic form. Decomposed is the "
        "best quadratic per hidden unit, with a linear map, fitted to this model on a corpus: a "
        "<b>surrogate</b>. On stories held out it explains <b>%.1f\xC2\xA0%%</b> of the MLP\xE2\x80\x99s "
        "output",
        s->layer, 100 * s->r2);
    if (isfinite(s->r2_linear))
        bl_buffer_print(out, " (the best linear map alone %.1f\xC2\xA0%%)", 100 * s->r2_linear);
    if (isfinite(s->recovered))
        bl_buffer_print(out, " and recovers %.1f\xC2\xA0%% of the loss that the mean output would cost",
                        100 * s->recovered);
    bl_buffer_text(out,
                   ". The form is taken about the mean input <i>m</i>; its linear part is shown as one more "
                   "direction.</p>");
    put_formula(out, eigen);
    if (s->r2 < 0.8 || s->recovered < 0.9)
        bl_buffer_text(
            out,
            "<p class=\"note warn\">This surrogate is a weak one: do not read single eigenvectors as what "
            "the model does.</p>");
}

static void put_direction(bl_buffer *out, const bl_doc *doc) {
    const bl_doc_eigen *eigen = doc->eigen;
    const char *norm = bl_doc_setting_value(doc->info, "normalization");
    bl_buffer_print(out, "<p class=\"prose\">The direction <i>u</i> is %s ",
                    eigen->subject.vector ? "a vector of the residual stream that was given:"
                                          : "the row of the unembedding that scores");
    bl_html_token(out, eigen->subject.token);
    if (against_all(&eigen->subject)) bl_buffer_text(out, ", less the average of all rows");
    else if (eigen->subject.n_minus > 0)
        bl_buffer_print(out, ", less the average of the %zu row%s that it is compared with",
                        eigen->subject.n_minus, eigen->subject.n_minus > 1 ? "s" : "");
    if (eigen->subject.surrogate) {
        put_surrogate(out, eigen);
        put_depth(out, doc);
        bl_html_layers(out, doc);
        return;
    }
    bl_buffer_print(
        out,
        ". The MLP of layer %zu, <i>P</i>(<i>Lx</i> \xE2\x8A\x99 <i>Rx</i>), writes along it a quadratic "
        "form of "
        "its input <i>x</i>, with the interaction matrix "
        "<i>Q</i>; each eigenvector <i>v</i> of <i>Q</i> adds its own term, whose sign is that of its "
        "eigenvalue \xCE\xBB, whatever the input.</p>",
        eigen->subject.layer);
    put_formula(out, eigen);
    put_depth(out, doc);
    bl_html_layers(out, doc);
    if (eigen->size > eigen->d_model) {
        bl_buffer_text(out, "<p class=\"note\">The MLP has biases: <i>x</i>\xE2\x80\xB2 is <i>x</i> with a "
                            "constant 1 appended, "
                            "which shows among the virtual tokens as <b>bias</b>; the "
                            "output bias adds ");
        bl_html_number(out, eigen->constant, fabs(eigen->constant));
        bl_buffer_text(out, " whatever the input.</p>");
    }
    if (eigen->centred)
        bl_buffer_text(out, "<p class=\"note\">The unembedding was centred first: from each of its rows its "
                            "own mean was subtracted.</p>");
    if (norm && (strcmp(norm, "rms") == 0 || strcmp(norm, "true") == 0))
        bl_buffer_text(
            out, "<p class=\"note\">The model normalises: <i>x</i> is the normalised input of the MLP. The "
                 "norms\xE2\x80\x99 weights are folded into the matrices that read them; the "
                 "final norm\xE2\x80\x99s scale, positive and the same for every token, is left out.</p>");
}

/* The command that made the report, and what it has read. */
static void put_origin(bl_buffer *out, const bl_tree *origin) {
    const char *command = bl_tree_string(origin, "command");
    const bl_tree *files = json_object_get(origin, "files"), *file;
    size_t i;
    if (*command) {
        bl_buffer_text(out, "<p>The command: <code>");
        bl_visible_html(out, command);
        bl_buffer_text(out, "</code></p>\n");
    }
    if (json_array_size(files) == 0) return;
    bl_buffer_text(out, "<details><summary>The files that were read, with their SHA-256</summary>"
                        "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Files\"><table "
                        "class=\"tensors\"><thead><tr><th scope=\"col\">Of</th><th scope=\"col\">File</th>"
                        "<th scope=\"col\">SHA-256</th></tr></thead><tbody>\n");
    json_array_foreach(files, i, file) {
        static const char *const keys[] = {"of", "name", "sha256"};
        bl_buffer_text(out, "<tr>");
        for (size_t k = 0; k < 3; k++) {
            bl_buffer_text(out, k == 2 ? "<td><code>" : "<td>");
            bl_visible_html(out, bl_tree_string(file, keys[k]));
            bl_buffer_text(out, k == 2 ? "</code></td>" : "</td>");
        }
        bl_buffer_text(out, "</tr>\n");
    }
    bl_buffer_text(out, "</tbody></table></div></details>\n");
}

static void put_footer(bl_buffer *out, const bl_doc *doc) {
    char stories[40], positions[40];
    bl_buffer_text(out, "<p>Made by bilens ");
    bl_visible_html(out, doc->version);
    if (doc->blas) {
        bl_buffer_text(out, " with ");
        bl_visible_html(out, doc->blas);
    }
    bl_buffer_print(out, " from %s stories (%s positions)", bl_grouped(stories, doc->scan->stories),
                    bl_grouped(positions, doc->scan->positions));
    if (doc->n_corpus > 0) {
        bl_buffer_text(out, " of ");
        put_names(out, doc->corpus, doc->n_corpus, FILES_SHOWN, "code", true);
    }
    bl_buffer_text(
        out,
        ". Beside this page: <a href=\"figures/spectrum.svg\">spectrum.svg</a>, <a "
        "href=\"figures/spectrum.png\">.png</a>, "
        "<a href=\"figures/spectrum.pdf\">.pdf</a>; tables <a href=\"tables/spectrum.csv\">spectrum.csv</a>, "
        "<a href=\"tables/virtual-tokens.csv\">virtual-tokens.csv</a>, <a "
        "href=\"tables/top-inputs.csv\">top-inputs.csv</a>, "
        "<a href=\"tables/tensors.csv\">tensors.csv</a>; <code>eigenvalues.npy</code> and "
        "<code>eigenvectors.npy</code>; and "
        "<a href=\"report.json\">report.json</a>, "
        "from which alone the page is made again: <code>bilens report --from report.json</code>.</p>\n");
    if (doc->origin) put_origin(out, doc->origin);
}

/* What fills each place of the template. */
static const struct {
    const char *name;
    void (*put)(bl_buffer *out, const bl_doc *doc);
} places[] = {{"program", put_program},
              {"title", put_title},
              {"css", put_css},
              {"js", put_js},
              {"token", put_token},
              {"heading", put_heading},
              {"chips", put_chips},
              {"kicker", put_kicker},
              {"minus", put_minus},
              {"facts", put_facts},
              {"direction", put_direction},
              {"spectrum", bl_html_spectrum},
              {"vectors", bl_html_vectors},
              {"heads", bl_html_heads},
              {"evidence", bl_html_evidence},
              {"model", bl_html_model},
              {"footer", put_footer},
              {"what", put_what},
              {"lede", put_lede},
              {"fitted", put_fitted}};

char *bl_html_page(const bl_doc *doc, bl_error *err) {
    bl_buffer out = {0};
    const char *at = (const char *)bl_page_html;
    for (const char *open; (open = strstr(at, "{{")) != NULL;) {
        const char *close = strstr(open, "}}");
        size_t i = 0, n = sizeof places / sizeof *places, length = close ? (size_t)(close - open - 2) : 0;
        while (i < n && (strlen(places[i].name) != length || strncmp(places[i].name, open + 2, length) != 0))
            i++;
        if (i == n || !close) {
            bl_buffer_free(&out);
            return bl_fail_null(err, BL_ERR_UNSUPPORTED, "the page's template has an unknown place");
        }
        bl_buffer_add(&out, at, (size_t)(open - at));
        places[i].put(&out, doc);
        at = close + 2;
    }
    bl_buffer_text(&out, at);
    return bl_buffer_take(&out, err);
}
