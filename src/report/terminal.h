/* Writing for a terminal: colours as far as it has them, words that wrap at its width. */
#ifndef BL_REPORT_TERMINAL_H
#define BL_REPORT_TERMINAL_H
#include "base/buffer.h"
#include "report/colour.h"
#include "result/document.h"
#include <bilens/report.h>

/* A text that grows and knows how far its last line has come. */
typedef struct bl_page {
    bl_buffer text;
    bl_colour colour;
    bool dark;        /* the terminal's background */
    bool fold, plain; /* of bl_terminal */
    bool grey;        /* levels without their hue: signs are arbitrary */
    size_t width;     /* columns; 0: unlimited */
    size_t column;    /* of the last line */
    size_t indent;    /* of lines that begin by wrapping */
    bool styled;      /* a style is on; a new line ends it */
    unsigned char xterm[2]
                       [BL_RDBU_LEVELS]; /* [grey] the levels' places among 256 colours, 0: not looked up */
} bl_page;

bl_page bl_page_new(const bl_terminal *terminal); /* NULL: no colour, unlimited */

void bl_page_newline(bl_page *page);
void bl_page_spaces(bl_page *page, size_t n);
/* Plain text of our own (no token): ASCII or at least one column a character. */
void bl_page_text(bl_page *page, const char *text);
void bl_page_print(bl_page *page, const char *format, ...) BL_PRINTF(2, 3);
/* A token made visible, at most `width` columns (0: all). Returns its columns. */
size_t bl_page_token(bl_page *page, const char *token, size_t width);
/* A new line if `columns` more would not fit (unless this line holds nothing but its indent); true if so. */
bool bl_page_room(bl_page *page, size_t columns);
/* Words of a sentence of our own, wrapped; a space at its beginning separates it from what is there. */
void bl_page_words(bl_page *page, const char *sentence);

/* Styles; nothing without colour. */
void bl_page_bold(bl_page *page);
void bl_page_dim(bl_page *page);
/* RdBu background with legible text; `bold` for the token in brackets. */
void bl_page_level(bl_page *page, unsigned level, bool bold);
/* The strong red or blue of RdBu as foreground. */
void bl_page_sign(bl_page *page, bool positive);
void bl_page_plain(bl_page *page);

/* "red ▇▇▇▇ blue": what the colours mean; `low` and `high` name the ends. Nothing without colour. */
void bl_page_legend(bl_page *page, const char *low, const char *high);
/* A number with the decimals that suit ±largest, padded on the left to `columns`. */
void bl_page_number(bl_page *page, double value, double largest, size_t columns);

/* Parts that several tables share. */
void bl_page_subject(bl_page *page, const bl_doc_subject *subject, bool centred);
void bl_page_spectrum(bl_page *page, const bl_doc_eigen *eigen);
/* A line that says what a surrogate is worth; nothing where there is none. */
void bl_page_quality(bl_page *page, bool surrogate, double r2, double r2_linear, double recovered);
void bl_page_linear_title(bl_page *page, const bl_doc_vector *linear);
void bl_page_vector_title(bl_page *page, const bl_doc_subject *subject, long index, double eigenvalue);
/* A line for a vector of a group of degenerate eigenvalues; nothing when first == last. */
void bl_page_group(bl_page *page, size_t first, size_t last);
/* "4 weaker sources are not shown (--all-sources): head 1, …" where they are folded; else nothing. */
void bl_page_folded(bl_page *page, const bl_doc_vector *vector);
/* At most `most` inputs: those of the end that is drawn positive, then the other end's. */
void bl_page_matches(bl_page *page, const bl_doc_hits *hits, size_t most);
void bl_page_match_legend(bl_page *page);
/* "layers" of a report or of bl_layers_tree as a table, with a sentence before it where `over` ("stories",
 * "positions", "own") is not NULL. */
char *bl_layers_text(const bl_tree *layers, const bl_tree *over, const bl_terminal *terminal, bl_error *err);
/* shown [most]: places in `layers` of those whose MLPs add most, strongest first; returns how many. */
size_t bl_first_layers(const bl_tree *layers, size_t *shown, size_t most);
#endif
