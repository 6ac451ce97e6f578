#include "base/error.h"
#include "base/visible.h"
#include "cli/lines.h"
#include "cli/common.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct tokenize_options {
    const char *text, *tokenizer;
    corpus_options corpora;
    bool decode;
    size_t stories;
} tokenize_options;

/* Writes and frees. */
static bool put_out(FILE *out, char *text) {
    bool ok = text && print_text(out, text);
    free(text);
    return ok;
}

static bool print_json(FILE *out, const bl_tokenizer *tokenizer, const bl_ids *ids, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_integers(&b, root, "ids", ids->data, ids->n);
    bl_tree *tokens = bl_put_array(&b, root, "tokens");
    for (size_t i = 0; i < ids->n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids->data[i]);
        bl_put_text(&b, tokens, NULL, token ? token : "");
    }
    bl_tree *tree = bl_tree_built(&b, root);
    bool ok = put_out(out, bl_tree_text(tree, err));
    bl_tree_free(tree);
    return ok;
}

/* A story's rows; the header comes with the first. */
static bool print_rows(FILE *out, const common *c, const bl_tokenizer *tokenizer, bool first, size_t story,
                       const bl_ids *ids, bl_error *err) {
    bl_terminal terminal = terminal_of(c);
    bl_table *rows = bl_table_new("story,position,id,token", err);
    for (size_t i = 0; i < ids->n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids->data[i]);
        bl_table_integer(rows, (int64_t)story);
        bl_table_integer(rows, (int64_t)i);
        bl_table_integer(rows, ids->data[i]);
        bl_table_text(rows, token ? token : "");
    }
    unsigned flags = (c->csv_safe ? BL_CSV_SAFE : 0) | (first ? 0 : BL_CSV_HEADLESS);
    bool ok = put_out(out, c->format == FORMAT_CSV ? bl_table_csv(rows, flags, err)
                                                   : bl_table_shown(rows, &terminal, err));
    bl_table_free(rows);
    return ok && !ferror(out);
}

/* "id:token …": of a corpus a line per story. */
static bool print_line(FILE *out, const bl_tokenizer *tokenizer, const bl_ids *ids, bl_error *err) {
    bl_buffer line = {0};
    for (size_t i = 0; i < ids->n; i++) {
        const char *token = bl_tokenizer_token(tokenizer, ids->data[i]);
        bl_buffer_print(&line, "%s%d:", i ? " " : "", (int)ids->data[i]);
        bl_visible_add(&line, token ? token : "", 0);
    }
    bl_buffer_text(&line, "\n");
    return put_out(out, bl_buffer_take(&line, err));
}

static bool no_id(const char *text, size_t n, bl_error *err) {
    return bl_fail(
        err, BL_ERR_INPUT,
        "--decode: '%.*s' is not a token id: ids are whole numbers between blanks or commas, or a line that "
        "--format json printed",
        (int)(n < 40 ? n : 40), text);
}

static bool add_id(bl_ids *ids, int32_t id, bl_error *err) {
    if (ids->n == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : 256;
        int32_t *grown = realloc(ids->data, capacity * sizeof *grown);
        if (!grown) {
            return bl_fail(err, BL_ERR_MEMORY, "out of memory");
        }
        ids->data = grown;
        ids->capacity = capacity;
    }
    ids->data[ids->n++] = id;
    return true;
}

/* The "ids" of one line of --format json. Its "tokens" may hold digits that are none. */
static bool read_json_ids(const char *text, bl_ids *ids, bl_error *err) {
    json_error_t where;
    json_t *line = json_loads(text, JSON_ALLOW_NUL, &where), *list = json_object_get(line, "ids");
    bool ok = json_is_array(list);
    if (!ok) {
        bl_fail(err, BL_ERR_INPUT,
                "--decode: a line that begins with { must be an object with \"ids\", a list: %.60s",
                line ? "there is none" : where.text);
    }
    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        const json_t *id = json_array_get(list, i);
        json_int_t value = json_integer_value(id);
        if (json_is_integer(id) && value >= 0 && value <= INT32_MAX) {
            ok = add_id(ids, (int32_t)value, err);
            continue;
        }
        char *shown = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
        ok = no_id(shown ? shown : "?", shown ? strlen(shown) : 1, err);
        free(shown);
    }
    json_decref(line);
    return ok;
}

/* Ids in text: a line of --format json, or whole numbers between blanks or commas. */
static bool read_ids(const char *text, bl_ids *ids, bl_error *err) {
    static const char between[] = " \t\r\f\v,";
    if (text[strspn(text, " \t")] == '{') return read_json_ids(text, ids, err);
    for (text += strspn(text, between); *text; text += strspn(text, between)) {
        size_t n = strcspn(text, between);
        errno = 0;
        long value = strtol(text, NULL, 10);
        if (strspn(text, "0123456789") != n || errno || value > INT32_MAX) return no_id(text, n, err);
        if (!add_id(ids, (int32_t)value, err)) return false;
        text += n;
    }
    return true;
}

/* One line of ids becomes one line of text. */
static bool decode(FILE *out, const bl_tokenizer *tokenizer, char *text, output_format format,
                   bl_error *err) {
    bl_ids ids = {0};
    bool ok = true;
    for (char *line = text, *next; ok && line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        ids.n = 0;
        ok = read_ids(line, &ids, err);
        size_t length = 0; /* the text may hold NULs */
        char *decoded = ok ? bl_tokenizer_decode_n(tokenizer, ids.data, ids.n, &length, err) : NULL;
        ok = decoded != NULL;
        if (ok && format == FORMAT_JSON) {
            bl_builder b = {err, false};
            bl_tree *root = bl_put_object(&b, NULL, NULL);
            bl_put_bytes(&b, root, "text", decoded, length);
            bl_tree *tree = bl_tree_built(&b, root);
            ok = put_out(out, bl_tree_text(tree, err));
            bl_tree_free(tree);
        } else if (ok) {
            ok = print_bytes(out, decoded, length) && fputc('\n', out) >= 0;
        }
        bl_free(decoded);
    }
    bl_ids_free(&ids);
    return ok;
}

static bool encode_corpus(FILE *out, const common *c, const tokenize_options *o,
                          const bl_tokenizer *tokenizer, bl_error *err) {
    bl_corpus *corpus = open_corpus(&o->corpora, err);
    if (!corpus) return false;
    bl_story story;
    bl_ids ids = {0};
    size_t n = 0;
    bool ok = true;
    while (ok && !interrupt_requested() && (o->stories == 0 || n < o->stories) &&
           bl_corpus_next(corpus, &story, err)) {
        ok = bl_tokenizer_encode(tokenizer, story.text, story.length, &ids, err) &&
             (c->format == FORMAT_JSON ? print_json(out, tokenizer, &ids, err)
              : c->format == FORMAT_TABLE
                  ? print_line(out, tokenizer, &ids, err)
                  : print_rows(out, c, tokenizer, n == 0, (size_t)story.number, &ids, err));
        n++;
    }
    if (ok && n == 0 && c->format == FORMAT_CSV) ok = print_rows(out, c, tokenizer, true, 0, &ids, err);
    ok = ok && err->code == BL_OK;
    if (ok && interrupt_requested()) ok = false, err->code = BL_ERR_CANCELLED;
    bl_ids_free(&ids);
    bl_corpus_free(corpus);
    return ok;
}

static bool tokenize(FILE *out, const common *c, const tokenize_options *o, const bl_tokenizer *tokenizer,
                     bl_error *err) {
    if (o->corpora.files.n) return encode_corpus(out, c, o, tokenizer, err);
    char *input = o->text ? strdup(o->text) : read_stdin(NULL, err);
    if (!input) return false;
    bl_ids ids = {0};
    bool ok = o->decode ? decode(out, tokenizer, input, c->format, err)
                        : bl_tokenizer_encode(tokenizer, input, strlen(input), &ids, err) &&
                              (c->format == FORMAT_JSON ? print_json(out, tokenizer, &ids, err)
                                                        : print_rows(out, c, tokenizer, true, 0, &ids, err));
    bl_ids_free(&ids);
    free(input);
    return ok;
}

static int run(int argc, char **argv, const verb *self) {
    common c = {0};
    tokenize_options o = {0};
    bl_error err = {0};
    const option table[] = {{"text", OPTION_TEXT, &o.text, "TEXT", "this text (default: standard input)"},
                            CORPUS_OPTIONS(o.corpora, "the stories of these files, one line per story"),
                            {"stories", OPTION_COUNT, &o.stories, "N", "with --corpus: at most N stories"},
                            {"tokenizer", OPTION_TEXT, &o.tokenizer, "FILE",
                             "a tokenizer.json or a GGUF file in place of a model"},
                            {"decode", OPTION_FLAG, &o.decode, NULL,
                             "ids, whole numbers between blanks or commas, to text, one line per line"},
                            {0}};
    int status =
        options_parse(argc, argv, self, &c, table, FORMATS_ALL & ~(FORMATS_LATEX | FORMATS_SVG), NULL, true);
    if (status >= 0) return status;
    bl_model *model = NULL;
    bl_tokenizer *own = NULL;
    if (o.tokenizer && c.model)
        status = fail_usage(self, "--tokenizer takes the place of MODEL: give one of them");
    else if (o.decode && o.corpora.files.n)
        status = fail_usage(self, "--decode reads ids from --text or standard input, not from a corpus");
    else if (o.text && o.corpora.files.n) status = fail_usage(self, "give one of --text and --corpus");
    if (status >= 0) goto done;
    if (o.tokenizer) own = bl_tokenizer_load(o.tokenizer, &err);
    else model = load_model(&c, &err);
    const bl_tokenizer *tokenizer = model ? bl_model_tokenizer(model) : own;
    if ((!model && !own) || !tokenize(stdout, &c, &o, tokenizer, &err) || fflush(stdout) != 0) {
        status = err.code == BL_OK ? fail_output(self) : fail_with(self, &err);
    } else {
        status = 0;
    }
done:
    bl_tokenizer_free(own);
    bl_model_free(model);
    corpus_options_free(&o.corpora);
    common_free(&c);
    return status;
}

const verb verb_tokenize = {
    "tokenize", "text to token ids and back", run,
    "Gives exactly the ids of the Hugging Face library, [BOS] included, truncating nothing; tokenizers are "
    "WordPiece, byte-level BPE (GPT-2, Llama 3, Qwen)\n"
    "and SentencePiece-style BPE (Llama, Mistral, Gemma), from a tokenizer.json or a GGUF file. A text\n"
    "becomes a table, a corpus one line per story; --format json prints one object per line, which --decode\n"
    "reads back.",
    "  bilens tokenize models/ts-1-256 --text \"Tom likes to swim.\"\n"
    "  bilens tokenize --tokenizer tokenizer.json --corpus stories.txt --format json > ids.jsonl\n"
    "  bilens tokenize models/ts-1-256 --decode --text \"1 771 1331 33\"\n"};
