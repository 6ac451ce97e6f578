#include "report/terminal.h"
#include "report/plot.h"
#include "base/visible.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bl_page bl_page_new(const bl_terminal *terminal) {
    bl_page page = {.colour = BL_COLOUR_NONE};
    if (terminal) {
        page.colour = terminal->colour;
        page.width = terminal->width;
        page.dark = terminal->dark;
        page.fold = terminal->fold;
        page.plain = terminal->plain;
    }
    return page;
}

void bl_page_newline(bl_page *page) {
    if (page->styled) bl_page_plain(page);
    bl_buffer_text(&page->text, "\n");
    page->column = 0;
}

void bl_page_spaces(bl_page *page, size_t n) {
    for (size_t i = 0; i < n; i++) bl_buffer_text(&page->text, " ");
    page->column += n;
}

void bl_page_text(bl_page *page, const char *text) {
    bl_buffer_text(&page->text, text);
    page->column += bl_visible_width(text);
}

void bl_page_print(bl_page *page, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bl_page_text(page, text);
}

size_t bl_page_token(bl_page *page, const char *token, size_t width) {
    size_t columns = bl_visible_add(&page->text, token, width);
    page->column += columns;
    return columns;
}

bool bl_page_room(bl_page *page, size_t columns) {
    if (page->width == 0 || page->column <= page->indent || page->column + columns <= page->width)
        return false;
    bl_page_newline(page);
    bl_page_spaces(page, page->indent);
    return true;
}

void bl_page_words(bl_page *page, const char *sentence) {
    char word[256];
    for (const char *at = sentence; *at;) {
        bool spaced = *at == ' ';
        if (spaced) at++;
        size_t length = strcspn(at, " "), kept = length < sizeof word ? length : sizeof word - 1;
        memcpy(word, at, kept);
        word[kept] = '\0';
        at += length;
        if (spaced && !bl_page_room(page, bl_visible_width(word) + 1)) bl_page_text(page, " ");
        bl_page_text(page, word);
    }
}

static void style(bl_page *page, const char *code) {
    if (page->colour == BL_COLOUR_NONE) return;
    bl_buffer_print(&page->text, "\033[%sm", code);
    page->styled = true;
}

void bl_page_bold(bl_page *page) { style(page, "1"); }
void bl_page_dim(bl_page *page) { style(page, "2"); }
void bl_page_plain(bl_page *page) {
    style(page, "0");
    page->styled = false;
}

void bl_page_level(bl_page *page, unsigned level, bool bold) {
    bl_rgb colour = page->dark ? bl_rdbu_dark(level) : bl_rdbu(level);
    if (page->grey) colour = bl_grey(colour);
    /* A bold 30 is grey on many terminals: the bold one names black and white by their places in the colour
     * cube. */
    page->styled = page->colour != BL_COLOUR_NONE;
    const char *black = bold ? "1;38;5;16" : "30", *white = bold ? "1;38;5;231" : "37";
    if (page->colour == BL_COLOUR_24BIT) {
        bl_buffer_print(&page->text, "\033[%s;48;2;%d;%d;%dm", bl_wants_white_text(colour) ? white : black,
                        colour.r, colour.g, colour.b);
    } else if (page->colour == BL_COLOUR_256) {
        if (level >= BL_RDBU_LEVELS) level = BL_RDBU_LEVELS - 1;
        unsigned char *known = &page->xterm[page->grey][level];
        if (!*known) *known = (unsigned char)bl_xterm256(colour);
        unsigned index = *known;
        bl_buffer_print(&page->text, "\033[%s;48;5;%um",
                        bl_wants_white_text(bl_xterm256_colour(index)) ? white : black, index);
    }
}

void bl_page_sign(bl_page *page, bool positive) {
    /* Where the background is not known to be dark, inks that can be read on white and on black. */
    static const char *const full[2][2] = {{"38;2;200;80;66", "38;2;36;124;182"},
                                           {"38;2;214;96;77", "38;2;67;147;195"}};
    static const char *const few[2][2] = {{"38;5;160", "38;5;31"}, {"38;5;167", "38;5;74"}};
    style(page, (page->colour == BL_COLOUR_24BIT ? full : few)[page->dark][positive]);
}

void bl_page_legend(bl_page *page, const char *low, const char *high) {
    if (page->colour == BL_COLOUR_NONE) return;
    bl_page_text(page, low);
    bl_page_text(page, " ");
    for (unsigned i = 0; i < 16; i++) {
        bl_page_level(page, i * 17, false);
        bl_page_text(page, " ");
    }
    bl_page_plain(page);
    bl_page_text(page, " ");
    bl_page_text(page, high);
}

void bl_page_number(bl_page *page, double value, double largest, size_t columns) {
    char text[BL_NUMBER_SIZE];
    bl_number(text, value, bl_decimals(largest), "-");
    size_t length = strlen(text);
    if (length < columns) bl_page_spaces(page, columns - length);
    bl_page_text(page, text);
}

void bl_page_subject(bl_page *page, const bl_doc_subject *subject, bool centred) {
    bl_page_token(page, bl_doc_short_name(subject->model), 0);
    bl_page_print(page, ", layer %zu", subject->layer);
    page->indent = 2;
    if (subject->n_minus > 0) bl_page_text(page, ", against");
    for (size_t i = 0; i < subject->n_minus; i++) {
        if (!bl_page_room(page, bl_visible_width(subject->minus[i]) + 2)) bl_page_text(page, " ");
        bl_page_token(page, subject->minus[i], 0);
        if (i + 1 < subject->n_minus) bl_page_text(page, ",");
    }
    if (centred) {
        bl_page_words(page, "; unembedding centred");
    }
    page->indent = 0;
    bl_page_newline(page);
}

void bl_page_group(bl_page *page, size_t first, size_t last) {
    char text[160];
    if (last == first) return;
    snprintf(text, sizeof text,
             "degenerate with indices %zu-%zu: only their span means anything, not this vector by itself",
             first, last);
    bl_page_words(page, text);
    bl_page_newline(page);
}

void bl_page_folded(bl_page *page, const bl_doc_vector *vector) {
    enum { NAMED = 8 };
    size_t n = vector->n_sources - vector->n_single;
    char text[96];
    if (!page->fold || vector->n_strong == n) return;
    bl_page_dim(page);
    snprintf(text, sizeof text,
             "%zu weaker sources folded (--all-sources shows them):", n - vector->n_strong);
    bl_page_words(page, text);
    for (size_t i = vector->n_strong; i < n; i++) {
        const char *name = i - vector->n_strong < NAMED ? vector->strongest[i].name : "\xE2\x80\xA6";
        if (!bl_page_room(page, bl_visible_width(name) + 2)) bl_page_text(page, " ");
        bl_page_token(page, name, 24);
        if (i - vector->n_strong >= NAMED) break;
        if (i + 1 < n) bl_page_text(page, ",");
    }
    bl_page_newline(page);
}

void bl_page_linear_title(bl_page *page, const bl_doc_vector *linear) {
    char text[BL_NUMBER_SIZE];
    bl_page_bold(page);
    bl_page_text(page, "Linear part, of length ");
    bl_page_text(page, bl_number(text, linear->eigenvalue, bl_decimals(linear->eigenvalue), "-"));
    bl_page_plain(page);
    bl_page_newline(page);
}

void bl_page_vector_title(bl_page *page, const bl_doc_subject *subject, long index, double eigenvalue) {
    char number[BL_NUMBER_SIZE];
    bl_page_bold(page);
    bl_page_print(page, "Eig Idx: %ld for \"", index);
    bl_page_token(page, subject->token, 0);
    bl_page_text(page, "\"");
    bl_page_plain(page);
    bl_page_text(page, "   eigenvalue ");
    bl_page_sign(page, eigenvalue > 0);
    bl_page_text(page,
                 bl_number(number, eigenvalue, bl_decimals(eigenvalue < 0 ? -eigenvalue : eigenvalue), "-"));
    bl_page_plain(page);
}
