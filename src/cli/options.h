/* Options of the verbs: one table per verb, from which parsing, --help and the manual pages are made. */
#ifndef BL_CLI_OPTIONS_H
#define BL_CLI_OPTIONS_H
#include <bilens/bilens.h>

typedef enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_TEXT,    /* const char *: points into argv */
    OPTION_COUNT,   /* size_t */
    OPTION_REAL,    /* double */
    OPTION_TOKENS,  /* text_list: split at commas */
    OPTION_INDICES, /* index_list: split at commas */
    OPTION_OUTPUT,  /* const char *: a file to be written, also */
    OPTION_FILES    /* text_list: this and all following arguments that are no options */
} option_kind;

typedef struct text_list {
    const char **items;
    size_t n;
    char *storage; /* what items point into, when not argv */
} text_list;

typedef struct index_list {
    long *items;
    size_t n;
} index_list;

typedef struct option {
    const char *name; /* long name without dashes; "o" alone is -o */
    option_kind kind;
    void *target;
    const char *argument; /* its name in the help, NULL for flags */
    const char *help;
} option;

typedef enum output_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV, FORMAT_LATEX, FORMAT_SVG } output_format;
/* STREAM: the result is one file, which -o - sends to standard output. */
enum {
    FORMATS_TABLE = 1,
    FORMATS_JSON = 2,
    FORMATS_CSV = 4,
    FORMATS_LATEX = 8,
    FORMATS_SVG = 16,
    FORMATS_STREAM = 32,
    FORMATS_ALL = 63,
    FORMATS_NONE = 0
};

/* What --help gives: see help.h. */
typedef enum help_form {
    HELP_TEXT,   /* --help */
    HELP_MAN,    /* --help=man: roff */
    HELP_OPTIONS /* --help=options: a line an option, "--name TAB kind TAB help"; kind is flag, value or file
                  */
} help_form;

/* What every verb has. */
typedef struct common {
    const char *model; /* the positional MODEL, NULL if absent */
    const char *other; /* a second one, where the verb has set two_models */
    bool two_models;
    text_list *words; /* set by verbs that take several arguments that are no options: they go here */
    size_t threads;
    bool quiet, help;
    help_form help_form;     /* of --help=FORM */
    const char *output;      /* -o */
    const char *format_text; /* --format */
    const char *colour_text; /* --color */
    const char *theme;       /* --theme, of a drawing */
    bool dark;               /* it says dark */
    output_format format;
    bool csv_safe; /* --csv-safe */
    bl_colour colour;
    size_t width;
    bool plain, all_sources;        /* --plain, --all-sources, of the verbs that take them */
    const char *surrogate;          /* --surrogate, of the verbs that take it */
    struct bl_surrogate *stands_in; /* that file, once the model is loaded, owned */
    char *default_model;            /* where the embedded default was found, owned */
    char *folder;                   /* of a model of the hub, owned; else NULL */
} common;

/* A verb: its place in the program and its help. */
typedef struct verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv, const struct verb *self);
    const char *description; /* a paragraph or more */
    const char *example;     /* command lines */
} verb;

/* How much a verb shows of eigenvectors, for its table. */
#define ALL_SOURCES_OPTION(c)                                                        \
    {                                                                                \
        "all-sources", OPTION_FLAG, &(c).all_sources, NULL,                          \
            "show the virtual tokens of every head, not only those of the strongest" \
    }
#define PLAIN_OPTION(c) \
    { "plain", OPTION_FLAG, &(c).plain, NULL, "without the marks and notes of degenerate eigenvalues" }

/* Parses argv[0 … argc-1] (after the verb) into `common` and the table, which ends with a NULL name.
 * `formats` are those that the verb knows; `has_output` and `has_model` say whether it takes -o and MODEL.
 * Returns -1 to go on, else the exit status (help shown, or bad usage). */
int options_parse(int argc, char **argv, const verb *self, common *c, const option *table, int formats,
                  const char *output_help, bool has_model);
void common_free(common *c);
void text_list_free(text_list *list);
void index_list_free(index_list *list);

/* "bilens: verb: message" on stderr. Exit status for the code: 2 for bad usage and bad input, 1 for a failure
 * while working; after an interrupt it does not return. */
int fail_with(const verb *self, const bl_error *err);
int fail_usage(const verb *self, const char *format, ...) BL_PRINTF(2, 3);
/* After a failed write to standard output: says why, by errno, and gives the exit status. A reader that has
 * closed the pipe (head) has what it wanted: nothing is said, and the status is a shell's for SIGPIPE, 141.
 * */
int fail_output(const verb *self);
/* A note on stderr unless --quiet. */
void note(const common *c, const char *format, ...) BL_PRINTF(2, 3);
#endif
