/* The report's page: a template (page.html) whose {{places}} are filled from a document, page.js, and what it
 * shares with the explorer: web/look.css, levels.css, look.js, spectrum.js; all embedded. Every string of a
 * model or corpus goes through bl_visible_html; the page refers to nothing outside its own folder. */
#ifndef BL_REPORT_HTML_H
#define BL_REPORT_HTML_H
#include "base/buffer.h"
#include "result/document.h"

/* From this layer on virtual tokens say little, and a page shows the inputs of an eigenvector first. */
#define BL_DEEP 2

/* index.html of a report document. Free with bl_free. */
char *bl_html_page(const bl_doc *doc, bl_error *err);

/* The larger parts. */
void bl_html_spectrum(bl_buffer *out, const bl_doc *doc);
void bl_html_vectors(bl_buffer *out, const bl_doc *doc);
void bl_html_layers(bl_buffer *out, const bl_doc *doc); /* nothing for a model of one layer */
void bl_html_heads(bl_buffer *out, const bl_doc *doc);  /* nothing where attention is a softmax */
/* Nothing where a report has no evidence. */
void bl_html_evidence(bl_buffer *out, const bl_doc *doc);
void bl_html_verdict(bl_buffer *out, const bl_doc *doc, long index); /* what it says of one eigenvector */
void bl_html_model(bl_buffer *out, const bl_doc *doc);

/* Their parts, which stand alone in a notebook, too (html_fragment.c). */
void bl_html_spectrum_figure(bl_buffer *out, const bl_doc_eigen *eigen,
                             bool page);                      /* <svg>; with its id, which a page has once */
void bl_html_runs(bl_buffer *out, const bl_doc_eigen *eigen); /* a paragraph on degenerate eigenvalues */
void bl_html_virtual_tokens(bl_buffer *out, const bl_doc_vector *vector);
/* Sources side by side in one table: highest first, then the lowest down to the lowest of all. */
void bl_html_sources(bl_buffer *out, const bl_doc_source *sources, size_t n, double largest);
/* `token`: of the direction, whose probability is said where it is known. */
void bl_html_inputs(bl_buffer *out, const bl_doc_hits *hits, const char *token);
void bl_html_vector_title(bl_buffer *out, const bl_doc_subject *subject, long index, double eigenvalue,
                          double largest);

/* <span class="tok">token</span>, safe. */
void bl_html_token(bl_buffer *out, const char *token);
/* The id of a section: "eig-m1" for -1, "eig-0". */
void bl_html_vector_id(bl_buffer *out, long index);
/* A number with a true minus sign. */
void bl_html_number(bl_buffer *out, double value, double largest);
#endif
