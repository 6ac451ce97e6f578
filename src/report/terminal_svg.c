/* A terminal's text as a drawing: the same characters in the same places, with their colours.
 *
 * The tables and coloured texts of this room are written once, for a terminal, with its escape sequences
 * (ESC [ … m, of which bl_page writes the dozen below). Here they become an SVG: a rectangle per coloured
 * run of characters, a text per run, each stretched to the columns that it has on a terminal, so that the
 * columns of a table stand whatever font the reader has. Tokens cannot write sequences of their own: theirs
 * were made visible. */
#include "base/error.h"
#include "base/visible.h"
#include "report/colour.h"
#include <bilens/report.h>
#include <stdlib.h>
#include <string.h>

#define CELL_WIDTH 7.2
#define CELL_HEIGHT 16.0
#define BASELINE 12.0
#define MARGIN 8.0
#define ESC '\033'

typedef struct style {
    bool bold, dim, coloured, filled;
    bl_rgb ink, paper; /* where coloured, filled */
} style;

static long next_number(const char **at) {
    char *end;
    long value = strtol(*at, &end, 10);
    *at = *end == ';' ? end + 1 : end;
    return value;
}

static unsigned char next_channel(const char **at) {
    long value = next_number(at);
    return (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* The colour behind 38 or 48: "2;r;g;b" or "5;index". */
static bl_rgb next_colour(const char **at) {
    if (next_number(at) == 5) return bl_xterm256_colour(next_channel(at));
    bl_rgb colour = {.r = next_channel(at)};
    colour.g = next_channel(at);
    colour.b = next_channel(at);
    return colour;
}

/* Follows the sequence at `at`, "ESC [ numbers m"; returns what is behind it. */
static const char *follow(style *s, const char *at) {
    const char *end = strchr(at, 'm');
    if (at[1] != '[' || !end) return at + 1;
    for (at += 2; at < end;) {
        switch (next_number(&at)) {
        case 0: *s = (style){0}; break;
        case 1: s->bold = true; break;
        case 2: s->dim = true; break;
        case 30:
            s->ink = (bl_rgb){0, 0, 0};
            s->coloured = true;
            break;
        case 37:
            s->ink = (bl_rgb){255, 255, 255};
            s->coloured = true;
            break;
        case 38:
            s->ink = next_colour(&at);
            s->coloured = true;
            break;
        case 48:
            s->paper = next_colour(&at);
            s->filled = true;
            break;
        default: break;
        }
    }
    return end + 1;
}

static void put_run(bl_buffer *out, const char *text, const style *s, size_t column, size_t columns,
                    size_t line) {
    double x = MARGIN + (double)column * CELL_WIDTH, y = MARGIN + (double)line * CELL_HEIGHT,
           width = (double)columns * CELL_WIDTH;
    if (s->filled)
        bl_buffer_print(
            out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"#%02x%02x%02x\"/>\n", x,
            y, width, CELL_HEIGHT, s->paper.r, s->paper.g, s->paper.b);
    if (text[strspn(text, " ")] == '\0') return;
    bl_buffer_print(out, "<text x=\"%.1f\" y=\"%.1f\" textLength=\"%.1f\"", x, y + BASELINE, width);
    if (s->coloured) bl_buffer_print(out, " fill=\"#%02x%02x%02x\"", s->ink.r, s->ink.g, s->ink.b);
    else if (s->dim) bl_buffer_text(out, " class=\"d\"");
    if (s->bold) bl_buffer_text(out, " font-weight=\"bold\"");
    bl_buffer_text(out, ">");
    bl_visible_html(out, text);
    bl_buffer_text(out, "</text>\n");
}

/* Characters that fonts may lack and others stand in for, of another width: each kind is a run by itself. */
static int kind_of(const char *at) {
    const unsigned char *c = (const unsigned char *)at;
    if (c[0] < 0x80) return 0;
    return c[0] == 0xE2 && c[1] >= 0xA0 && c[1] <= 0xA3 ? 1 : 2; /* Braille */
}

static size_t run_length(const char *at) {
    size_t n = 0;
    int kind = kind_of(at);
    while (at[n] && at[n] != ESC && at[n] != '\n' && kind_of(at + n) == kind) {
        n++;
        while (((unsigned char)at[n] & 0xC0) == 0x80) n++;
    }
    return n;
}

/* All runs of `text`; the columns and lines that they take. */
static void put_runs(bl_buffer *out, const char *text, size_t *columns, size_t *lines) {
    style now = {0};
    bl_buffer run = {0};
    size_t column = 0;
    *columns = *lines = 0;
    for (const char *at = text; *at;) {
        size_t length = run_length(at);
        run.n = 0;
        bl_buffer_add(&run, at, length);
        bl_buffer_add(&run, "", 1);
        if (run.failed) break;
        size_t width = bl_visible_width(run.data);
        if (length) put_run(out, run.data, &now, column, width, *lines);
        column += width;
        if (column > *columns) *columns = column;
        at += length;
        if (*at == ESC) at = follow(&now, at);
        else if (*at == '\n') {
            at++;
            column = 0;
            ++*lines;
        }
    }
    if (column) ++*lines;
    out->failed |= run.failed;
    bl_buffer_free(&run);
}

char *bl_terminal_svg(const char *text, bool dark, bl_error *err) {
    bl_buffer out = {0}, runs = {0};
    size_t columns, lines;
    bl_rgb paper = dark ? bl_rdbu_dark(BL_RDBU_NEUTRAL) : (bl_rgb){255, 255, 255};
    if (!text) return NULL;
    put_runs(&runs, text, &columns, &lines);
    double width = 2 * MARGIN + (double)columns * CELL_WIDTH,
           height = 2 * MARGIN + (double)lines * CELL_HEIGHT;
    bl_buffer_print(&out,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.1f\" height=\"%.1f\" viewBox=\"0 0 "
                    "%.1f %.1f\" font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" "
                    "font-size=\"12\" fill=\"%s\" xml:space=\"preserve\">\n<style>text { white-space: pre; } "
                    ".d { fill: %s; }</style>\n<rect width=\"100%%\" height=\"100%%\" "
                    "fill=\"#%02x%02x%02x\"/>\n",
                    width, height, width, height, dark ? "#e6e9ee" : "#1a1e23", dark ? "#9aa2ad" : "#5c646e",
                    paper.r, paper.g, paper.b);
    if (runs.n) bl_buffer_add(&out, runs.data, runs.n);
    bl_buffer_text(&out, "</svg>\n");
    out.failed |= runs.failed;
    bl_buffer_free(&runs);
    return bl_buffer_take(&out, err);
}
