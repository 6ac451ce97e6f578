/* A report.json from anyone: it is refused with a message, or every rendering of it works; what a terminal
 * gets holds no control character but ours, and the page has exactly one script. */
#include "base/error.h"
#include "result/document.h"
#include "report/html.h"
#include <bilens/report.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_terminal(const bl_tree *report) {
    for (int colour = BL_COLOUR_NONE; colour <= BL_COLOUR_24BIT; colour++) {
        bl_terminal terminal = {.colour = (bl_colour)colour,
                                .width = colour == BL_COLOUR_256 ? 0 : 37 + (size_t)colour * 40};
        char *text = bl_report_table(report, &terminal, NULL);
        if (!text) abort();
        for (const char *c = text; *c; c++)
            if ((unsigned char)*c < 0x20 && *c != '\n' && !(colour && c[0] == '\033' && c[1] == '[')) abort();
        bl_free(text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bl_error err = {0};
    char *json = malloc(size + 1);
    if (!json) return 0;
    if (size > 0) memcpy(json, data, size);
    json[size] = '\0';
    bl_tree *report = bl_tree_parse(json, "report.json", &err);
    bl_doc *doc = report ? bl_doc_read(report, BL_DOC_REPORT, &err) : NULL;
    if (doc) {
        char *page = bl_html_page(doc, &err);
        if (!page) abort();
        const char *script = strstr(page, "<script");
        if (!script || strstr(script + 1, "<script")) abort();
        bl_free(page);
        bl_doc_free(doc);
        check_terminal(report);
    } else if (err.code == BL_OK || err.message[0] == '\0') {
        abort();
    }
    bl_tree_free(report);
    free(json);
    return 0;
}
