#include "cli/help.h"
#include <ctype.h>
#include <string.h>

static const char model_text[] =
    "MODEL is a directory with config.json, model.safetensors and tokenizer.json, a GGUF file, or a name on\n"
    "the Hugging Face hub: owner/name[@revision], or tinystories:1-1024-i5n for\n"
    "tdooms/TinyStories-1-1024-i5n. Without it the model that comes with bilens is used.";
static const char exit_text[] = "0 done, 1 failed while working, 2 bad usage or bad input.";
static const char program_example[] = "  bilens report models/ts-1-256 --corpus stories.txt --token swim "
                                      "--minus run,climb,eat -o report-swim\n";

bool help_form_find(const char *name, help_form *form) {
    static const char *const names[] = {"text", "man", "options"};
    for (int i = 0; name && i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *form = (help_form)i;
            return true;
        }
    *form = HELP_TEXT;
    return !name;
}

/* Columns that UTF-8 text takes, every character being one wide. */
static int columns(const char *text) {
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static const char *dashes(const option *o) { return strlen(o->name) == 1 ? "-" : "--"; }

static void text_options(const option *o) {
    for (; o->name; o++) {
        int used = printf("  %s%s%s", dashes(o), o->name, o->argument ? " " : "") +
                   (o->argument ? columns(o->argument) : 0);
        printf("%s%*s %s\n", o->argument ? o->argument : "", used < 28 ? 28 - used : 0, "", o->help);
    }
}

static void text_verb(const verb *self, const option *table, const option *shared, bool has_model) {
    printf("bilens %s: %s\n\nusage: bilens %s%s [options]\n\n%s\n\noptions:\n", self->name, self->summary,
           self->name, has_model ? " [MODEL]" : "", self->description);
    text_options(table);
    text_options(shared);
    if (has_model) printf("\n%s\n", model_text);
    printf("\nexamples:\n%s", self->example);
}

/* Text for roff: hyphens that a reader may copy, no accidental requests. A blank line begins a paragraph,
 * other line ends are blanks. */
static void man_text(const char *text) {
    bool first = true;
    for (; *text; text++) {
        if (first && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        first = false;
        if (*text == '\\') fputs("\\e", stdout);
        else if (*text == '-') fputs("\\-", stdout);
        else if (text[0] == '\n' && text[1] == '\n') fputs("\n.PP\n", stdout), text++, first = true;
        else if (*text == '\n') putchar('\n'), first = true;
        else putchar(*text);
    }
    putchar('\n');
}

static void man_options(const option *o) {
    for (; o->name; o++) {
        printf(".TP\n.B \\-%s", strlen(o->name) == 1 ? "" : "\\-");
        for (const char *c = o->name; *c; c++) printf("%s%c", *c == '-' ? "\\" : "", *c);
        if (o->argument) printf(" \\fI%s\\fR", o->argument);
        putchar('\n');
        man_text(o->help);
    }
}

/* `name` is empty for the program's own page; of "tokenizer train" the page bears the first word. */
static void man_head(const char *name, const char *summary) {
    int length = (int)strcspn(name, " ");
    printf(".TH BILENS%s", length ? "-" : "");
    for (int i = 0; i < length; i++) putchar(toupper((unsigned char)name[i]));
    printf(" 1 \"\" \"bilens %s\" \"User commands\"\n.SH NAME\nbilens%s%.*s \\- ", bl_version(),
           length ? "\\-" : "", length, name);
    man_text(summary);
}

static void man_example(const char *example) {
    printf(".SH EXAMPLES\n.nf\n");
    man_text(example);
    printf(".fi\n.SH EXIT STATUS\n%s\n", exit_text);
}

static void man_verb(const verb *self, const option *table, const option *shared, bool has_model) {
    man_head(self->name, self->summary);
    printf(".SH SYNOPSIS\n.B bilens %s\n%s[\\fIoptions\\fR]\n.SH DESCRIPTION\n", self->name,
           has_model ? "[\\fIMODEL\\fR]\n" : "");
    man_text(self->description);
    if (has_model) {
        printf(".PP\n");
        man_text(model_text);
    }
    printf(".SH OPTIONS\n");
    man_options(table);
    man_options(shared);
    man_example(self->example);
    printf(".SH SEE ALSO\n.BR bilens (1)\n");
}

static void list_options(const option *o) {
    static const char *const kinds[] = {
        [OPTION_FLAG] = "flag",   [OPTION_TEXT] = "value",   [OPTION_COUNT] = "value",
        [OPTION_REAL] = "value",  [OPTION_TOKENS] = "value", [OPTION_INDICES] = "value",
        [OPTION_OUTPUT] = "file", [OPTION_FILES] = "file"};
    for (; o->name; o++) {
        bool path = o->argument && (strcmp(o->argument, "FILE") == 0 || strcmp(o->argument, "PATH") == 0 ||
                                    strcmp(o->argument, "DIR") == 0);
        printf("%s%s\t%s\t%s\n", dashes(o), o->name, path ? "file" : kinds[o->kind], o->help);
    }
}

void help_verb(help_form form, const verb *self, const option *table, const option *shared, bool has_model) {
    switch (form) {
    case HELP_MAN: man_verb(self, table, shared, has_model); break;
    case HELP_OPTIONS: list_options(table), list_options(shared); break;
    default: text_verb(self, table, shared, has_model);
    }
}

static void man_program(const verb *const *verbs, size_t n) {
    man_head("", "what the MLPs of a bilinear language model compute, from its weights alone");
    printf(".SH SYNOPSIS\n.B bilens\n\\fIVERB\\fR [\\fIMODEL\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
           "Each verb has a manual page of its own.\n%s\n.SH VERBS\n",
           model_text);
    for (size_t i = 0; i < n; i++) {
        printf(".TP\n.BR bilens\\-%s (1)\n", verbs[i]->name);
        man_text(verbs[i]->summary);
    }
    man_example(program_example);
    printf(".SH ENVIRONMENT\n.TP\n.B BILENS_DATA\nwhere the model and the stories that come with bilens are\n"
           ".TP\n.B NO_COLOR\nno colours on the terminal\n.SH SEE ALSO\n");
    for (size_t i = 0; i < n; i++) printf(".BR bilens\\-%s (1)%s\n", verbs[i]->name, i + 1 < n ? "," : "");
}

void help_program(FILE *out, help_form form, const verb *const *verbs, size_t n) {
    if (form == HELP_MAN) {
        man_program(verbs, n);
        return;
    }
    if (form == HELP_OPTIONS) {
        for (size_t i = 0; i < n; i++) printf("%s\t%s\n", verbs[i]->name, verbs[i]->summary);
        return;
    }
    fprintf(out,
            "bilens %s: what the MLPs of a bilinear language model compute, from its weights alone\n\n"
            "usage: bilens VERB [MODEL] [options]\n\nverbs:\n",
            bl_version());
    for (size_t i = 0; i < n; i++) fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(out, "\n'bilens VERB --help' explains a verb with an example. Exit status: %s\n\nexample:\n%s",
            exit_text, program_example);
}
