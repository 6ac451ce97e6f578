/* A result's JSON, read and checked once, so that tables, figures and pages need no checks of their own.
 *
 * Everything that a document points to lives as long as the document. The keys are those of the JSON
 * contract; keys that older programs did not write (position, groups, effective_rank, …) are computed when
 * they are absent. */
#ifndef BL_RESULT_DOCUMENT_H
#define BL_RESULT_DOCUMENT_H
#include <bilens/tree.h>

typedef struct bl_doc_entry {
    const char *token;
    double value;
} bl_doc_entry;

/* Virtual tokens of one source: "direct", "head 0", …, or the single number of "bias". */
typedef struct bl_doc_source {
    const char *name;
    size_t place; /* among the vector's sources */
    size_t n_top, n_bottom;
    const bl_doc_entry *top;    /* [n_top], highest first */
    const bl_doc_entry *bottom; /* [n_bottom], lowest first */
    bool single;
    double value; /* of a single one */
} bl_doc_source;

typedef struct bl_doc_vector {
    long index;      /* as it was asked for */
    size_t position; /* in the ascending spectrum */
    double eigenvalue;
    size_t first, last; /* the run of degenerate eigenvalues around it; first == last: it stands alone */
    size_t n_sources;
    const bl_doc_source *sources;
    const bl_doc_source *strongest; /* [n_sources] the same by largest |value|; single ones last, ... */
    size_t n_single;                /* ... of which there are so many; */
    size_t n_strong;                /* how many of the strongest are shown where the weak are folded */
    int orientation;                /* -1: signs are turned against the JSON's (see bl_doc_hits) */
    bool oriented;                  /* false: the sign drawn is as arbitrary as the JSON's */
    double largest;                 /* |value| over the whole table: the end of its colour scale */
} bl_doc_vector;

typedef struct bl_doc_run {
    size_t first, last;
} bl_doc_run;

/* What eigen and scan results both name. A direction that was given as a vector has its name as `token`, and
 * `vector` set. */
typedef struct bl_doc_subject {
    const char *model, *token;
    bool vector;
    size_t layer, n_minus;
    bool surrogate; /* of an MLP that is no quadratic form: what stands for it explains … */
    double r2, r2_linear,
        recovered; /* … this share of the output, the linear map alone that; NaN: not known */
    const char *const *minus;
} bl_doc_subject;

typedef struct bl_doc_eigen {
    bl_doc_subject subject;
    size_t d_model, size; /* size: d_model, or one more with biases */
    const double *values; /* [size], ascending */
    bool centred;
    const bl_doc_vector *linear;            /* a surrogate's linear part, its length as eigenvalue; or NULL */
    double constant, effective_rank, total; /* total: sum |lambda| */
    size_t n_runs;
    const bl_doc_run *runs;
    bool plain; /* the runs were taken out by bl_doc_plain: say nothing of them */
    size_t n_vectors;
    const bl_doc_vector *vectors;
} bl_doc_eigen;

typedef struct bl_doc_match {
    size_t story, position;
    double activation, similarity, bias;
    const double *contributions; /* [position + 1] */
    const char *const *tokens;   /* [position + 1] */
    size_t n_next;
    const char *const *next;   /* [n_next <= 3] */
    double largest;            /* |contribution|: the end of its colour scale */
    int64_t rank;              /* of the direction's token as what comes next; 0: not said */
    double probability, total; /* the token's; u . MLP(x) */
} bl_doc_match;

typedef struct bl_doc_hits {
    long index;
    double eigenvalue;
    size_t first, last; /* as in bl_doc_vector */
    size_t n_matches;
    const bl_doc_match *matches;
    /* An eigenvector's sign is arbitrary. Documents show the one whose end has the larger sum of
     * |activation| over the inputs: what is positive in a table then excites positively in a text. -1:
     * similarities, contributions and virtual tokens have the opposite signs of the JSON's. */
    int orientation;
    double share; /* of that end in the sum of |activation|, 0.5 … 1; 1 without inputs */
} bl_doc_hits;

typedef struct bl_doc_scan {
    bl_doc_subject subject;
    uint64_t stories, positions;
    size_t n_vectors;
    const bl_doc_hits *vectors;
} bl_doc_scan;

typedef struct bl_doc_tensor {
    const char *name, *dtype;
    size_t n_dims;
    uint64_t shape[8];
} bl_doc_tensor;

typedef struct bl_doc_setting {
    const char *key, *value;
} bl_doc_setting;

typedef struct bl_doc_info {
    const char *model;
    const char *generation; /* of a bilinear checkpoint; else NULL, and */
    const char *kind;       /* ... "llama"; NULL in old documents */
    uint64_t parameters;
    size_t n_settings, n_facts, n_tensors;
    const bl_doc_setting *settings; /* config.json, values as text */
    const bl_doc_setting *facts;    /* "architecture": what the settings come to; may be empty */
    const bl_doc_tensor *tensors;
} bl_doc_info;

/* One head of bilinear attention by itself: three small tables, each with a scale of its own. */
typedef struct bl_doc_head {
    size_t head;
    bl_doc_vector pattern, direction; /* one source each, of "key … query" */
    bl_doc_vector keys;               /* two sources, the keys that the query raises and lowers; or none */
    const char *query;                /* NULL: none */
    double values[2];                 /* eigenvalues: high, low */
} bl_doc_head;

typedef struct bl_doc_heads {
    size_t distance, n;
    const bl_doc_head *heads;
} bl_doc_heads;

typedef struct bl_doc {
    const char *version;     /* that wrote a report; "" otherwise */
    const char *blas;        /* that it was computed with; NULL in older reports */
    const bl_doc_info *info; /* the parts of other kinds are NULL */
    const bl_doc_eigen *eigen;
    const bl_doc_scan *scan;
    const bl_tree *layers; /* [n_layers] what a surrogate is worth in each; or NULL */
    size_t n_layers;
    const bl_tree *layers_over; /* over what they were measured; NULL: only a surrogate's worth is known */
    const bl_doc_heads *heads;  /* NULL where attention is a softmax */
    const bl_tree *evidence;    /* the object as it is, or NULL */
    const bl_tree *origin;      /* the same of where it comes from */
    size_t n_corpus;
    const char *const *corpus;
    void *private;
} bl_doc;

typedef enum bl_doc_kind { BL_DOC_INFO, BL_DOC_EIGEN, BL_DOC_SCAN, BL_DOC_REPORT } bl_doc_kind;

/* Opens and closes in the same thread, last opened first closed (it sets the thread's numeric locale while it
 * is open). `tree` must outlive the document. BL_ERR_INPUT with the path of the offending key when `tree` is
 * not what `kind` demands. */
bl_doc *bl_doc_read(const bl_tree *tree, bl_doc_kind kind, bl_error *err);
void bl_doc_free(bl_doc *doc);
/* Forgets which eigenvalues are degenerate, so that nothing marks them. */
void bl_doc_plain(bl_doc *doc);

/* A path without its folders, for reading: "ts-1-256" of "/home/me/models/ts-1-256"; a hub's "owner/name" as
 * it is. */
const char *bl_doc_short_name(const char *path);
/* The inputs of eigenvector `index`, NULL when there are none. */
const bl_doc_hits *bl_doc_find_hits(const bl_doc_scan *scan, long index);
/* What the evidence says of eigenvector `index`: its place in chance's spectrum, and what its own ablation
 * did. NULL where that was not measured. */
const bl_tree *bl_doc_chance(const bl_doc *doc, long index);
const bl_tree *bl_doc_ablation(const bl_doc *doc, long index);
/* The fact or setting of that name, NULL when there is none. */
const char *bl_doc_setting_value(const bl_doc_info *info, const char *key);

/* Tables of a document that is already read. NULL with BL_ERR_MEMORY. */
bl_table *bl_rows_of_tensors(const bl_doc_info *info, bl_error *err);
bl_table *bl_rows_of_spectrum(const bl_doc_eigen *eigen, bl_error *err);
bl_table *bl_rows_of_virtual_tokens(const bl_doc_eigen *eigen, bl_error *err);
bl_table *bl_rows_of_inputs(const bl_doc_scan *scan, bl_error *err);
#endif
