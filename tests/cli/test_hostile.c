/* Damaged models, tokenizers, corpora and arguments, through the program as a user runs it: the exit status,
 * a message on stderr that names the thing, nothing on stdout, nothing left behind. One row a case; the model
 * is a copy of data/models/plain (or the one named).
 * ctest: begins early 15 */
#include "support.h"
#include <sys/stat.h>
#include <sys/wait.h>

typedef enum where { NOTHING, CONFIG, HEADER, TOKENIZER } where;

typedef struct hostile {
    const char *name;
    const char *model;     /* NULL: plain */
    where file;            /* which text to change */
    const char *from, *to; /* first occurrence of `from` becomes `to`; from NULL: the whole file */
    const char *shell;     /* a further change, run in the model's folder */
    const char *arguments; /* after the verb; MODEL stands for the folder, OUT for a place to write, DATA for
                              the fixtures */
    int status;
    const char *says; /* part of the message */
} hostile;

#define INFO "info MODEL"
#define EIGEN "eigen MODEL --token swim"
#define CORPUS "DATA/models/stories.txt"
#define WTE "\"transformer.wte.weight\":{\"dtype\":\"F32\",\"shape\":[104,16],\"data_offsets\":[0,6656]}"

static const hostile cases[] = {
    /* the folder */
    {"no folder", NULL, NOTHING, 0, 0, "rm -r .", INFO, 2, "no such model directory"},
    {"no config", NULL, NOTHING, 0, 0, "rm config.json", INFO, 2, "config.json"},
    {"no weights", NULL, NOTHING, 0, 0, "rm model.safetensors", INFO, 2, "model.safetensors"},
    {"weights are a folder", NULL, NOTHING, 0, 0, "rm model.safetensors; mkdir model.safetensors", INFO, 2,
     "not a regular file"},
    /* config.json */
    {"config empty", NULL, CONFIG, 0, "", 0, INFO, 2, "config.json: not valid JSON"},
    {"config cut", NULL, NOTHING, 0, 0, "head -c 50 config.json > c; mv c config.json", INFO, 2,
     "config.json: not valid JSON"},
    {"config a list", NULL, CONFIG, 0, "[1]", 0, INFO, 2, "a JSON object was expected, found a list"},
    {"config deep", NULL, NOTHING, 0, 0, "printf '[%.0s' $(seq 5000) > config.json", INFO, 2,
     "config.json: not valid JSON"},
    {"config invalid UTF-8", NULL, NOTHING, 0, 0, "printf '{\"a\": \"\\377\"}' > config.json", INFO, 2,
     "config.json: not valid JSON"},
    {"key twice", NULL, CONFIG, "\"n_layer\"", "\"n_head\": 2, \"n_layer\"", 0, INFO, 2, "duplicate"},
    {"n_head missing", NULL, CONFIG, "\"n_head\": 2,", "", 0, INFO, 2, "\"n_head\" is missing"},
    {"n_head odd", NULL, CONFIG, "\"n_head\": 2", "\"n_head\": 3", 0, INFO, 2,
     "\"n_head\" 3 does not divide \"d_model\" 16"},
    {"n_head zero", NULL, CONFIG, "\"n_head\": 2", "\"n_head\": 0", 0, INFO, 2,
     "\"n_head\" must be an integer from 1"},
    {"n_head 16", NULL, CONFIG, "\"n_head\": 2", "\"n_head\": 16", 0, INFO, 2, "is odd"},
    {"d_model text", NULL, CONFIG, "\"d_model\": 16", "\"d_model\": \"16\"", 0, INFO, 2,
     "\"d_model\" must be an integer from 1 to 1048576, found a string"},
    {"d_model negative", NULL, CONFIG, "\"d_model\": 16", "\"d_model\": -16", 0, INFO, 2, "\"d_model\""},
    {"d_model huge", NULL, CONFIG, "\"d_model\": 16", "\"d_model\": 9000000000000000000", 0, INFO, 2,
     "\"d_model\""},
    {"d_model wrong", NULL, CONFIG, "\"d_model\": 16", "\"d_model\": 32", 0, INFO, 2,
     "expected [104, 32] from config.json"},
    {"d_hidden wrong", NULL, CONFIG, "\"d_hidden\": 24", "\"d_hidden\": 25", 0, INFO, 2,
     "'transformer.h.0.mlp.w.weight' has shape [48, 16], expected [50, 16]"},
    {"n_layer 2", NULL, CONFIG, "\"n_layer\": 1", "\"n_layer\": 2", 0, INFO, 2,
     "tensor 'transformer.h.1.attn.qkv.weight' is missing"},
    {"n_layer million", NULL, CONFIG, "\"n_layer\": 1", "\"n_layer\": 1000000", 0, INFO, 2,
     "\"n_layer\" is 1000000"},
    {"n_vocab wrong", NULL, CONFIG, "\"n_vocab\": 104", "\"n_vocab\": 100", 0, INFO, 2,
     "\"n_vocab\" is 100, but transformer.wte.weight has 104 rows"},
    {"mlp unknown", NULL, CONFIG, "\"blp\"", "\"xlp\"", 0, INFO, 2,
     "\"mlp\" must be \"blp\", \"glp\" or \"mlp\", found xlp"},
    {"layer norm", NULL, CONFIG, "\"normalization\": null", "\"normalization\": \"ln\"", 0, INFO, 2,
     "\"ln\""},
    {"norm unknown", NULL, CONFIG, "\"normalization\": null", "\"normalization\": 3", 0, INFO, 2,
     "\"normalization\" must be null or \"rms\""},
    {"norm bias", NULL, CONFIG, "\"modifier\"", "\"norm_bias\": true, \"modifier\"", 0, INFO, 2,
     "\"norm_bias\""},
    {"bias claimed", NULL, CONFIG, "\"mlp_bias\": false", "\"mlp_bias\": true", 0, INFO, 2,
     "\"mlp_bias\" says that there are biases"},
    {"bias denied", "bias", CONFIG, "\"mlp_bias\": true", "\"mlp_bias\": false", 0, INFO, 2,
     "\"mlp_bias\" says that there are no biases"},
    {"norm denied", "norm", CONFIG, "\"rms\"", "null", 0, INFO, 2, "is not part of the model"},
    {"gate unknown", "later", CONFIG, "\"silu\"", "\"tanh\"", 0, INFO, 2,
     "\"gate\" must be null, \"relu\", \"silu\" or \"gelu\", found a string tanh"},
    {"generations mixed", "later", CONFIG, "\"bilinear\"", "\"mlp\": \"blp\", \"bilinear\"", 0, INFO, 2,
     "generation 2024-05"},
    {"noise text", NULL, CONFIG, "0.33", "\"much\"", 0, INFO, 2, "\"noise\""},
    /* model.safetensors */
    {"weights empty", NULL, NOTHING, 0, 0, ": > model.safetensors", INFO, 2,
     "model.safetensors: not a whole safetensors file"},
    {"weights 7 bytes", NULL, NOTHING, 0, 0, "head -c 7 model.safetensors > c; mv c model.safetensors", INFO,
     2, "not a whole safetensors file"},
    {"weights cut in the header", NULL, NOTHING, 0, 0,
     "head -c 100 model.safetensors > c; mv c model.safetensors", INFO, 2, "not a whole safetensors file"},
    {"weights cut in the data", NULL, NOTHING, 0, 0,
     "head -c 9000 model.safetensors > c; mv c model.safetensors", INFO, 2, "cut short"},
    {"weights too long", NULL, NOTHING, 0, 0, "echo more >> model.safetensors", INFO, 2,
     "belong to no tensor"},
    {"header length huge", NULL, NOTHING, 0, 0,
     "printf '\\377\\377\\377\\377\\377\\377\\377\\377' | dd of=model.safetensors conv=notrunc status=none",
     INFO, 2, "not a whole safetensors file"},
    {"header no JSON", NULL, HEADER, "{", "[", 0, INFO, 2, "model.safetensors: not valid JSON"},
    {"header a list", NULL, HEADER, 0, "[]", 0, INFO, 2, "header is no JSON object"},
    {"dtype unknown", NULL, HEADER, "\"F32\"", "\"F33\"", 0, INFO, 2,
     "tensor 'transformer.wte.weight': unknown dtype 'F33'"},
    {"dtype missing", NULL, HEADER, "\"dtype\":\"F32\",", "", 0, INFO, 2, "\"dtype\" is missing"},
    {"dtype integers", NULL, HEADER, "\"F32\"", "\"I32\"", 0, INFO, 2,
     "'transformer.wte.weight' has dtype I32, expected F32"},
    {"dtype of another size", NULL, HEADER, "\"F32\"", "\"F16\"", 0, INFO, 2,
     "its shape needs 1664 elements of 2 bytes"},
    {"shape wrong", NULL, HEADER, "[104,16]", "[16,104]", 0, INFO, 2, "has 16 rows"},
    {"shape negative", NULL, HEADER, "[104,16]", "[-104,16]", 0, INFO, 2, "'transformer.wte.weight'"},
    {"shape overflows", NULL, HEADER, "[104,16]", "[4611686018427387904,16]", 0, INFO, 2,
     "'transformer.wte.weight': size 1 of its shape"},
    {"shape overflows in bytes", NULL, HEADER, "[104,16]", "[288230376151711744,16]", 0, INFO, 2,
     "'transformer.wte.weight'"},
    {"shape deep", NULL, HEADER, "[104,16]", "[1,1,1,1,1,1,1,1,104,16]", 0, INFO, 2, "at most 8 sizes"},
    {"offsets overlap", NULL, HEADER, "[6656,9728]", "[6652,9724]", 0, INFO, 2, "overlap"},
    {"offsets leave a hole", NULL, HEADER, WTE ",", "", 0, INFO, 2, "there is a hole"},
    {"offsets beyond the file", NULL, HEADER, "[0,6656]", "[99999000,99999999]", 0, INFO, 2,
     "ends at byte 99999999"},
    {"offsets backwards", NULL, HEADER, "[0,6656]", "[6656,0]", 0, INFO, 2, "data_offsets"},
    {"offsets not two", NULL, HEADER, "[0,6656]", "[0]", 0, INFO, 2, "data_offsets"},
    {"offsets text", NULL, HEADER, "[0,6656]", "[0,\"6656\"]", 0, INFO, 2, "data_offsets"},
    {"tensor missing", NULL, HEADER, "transformer.h.0.attn.o.weight", "transformer.h.0.attn.x.weight", 0,
     INFO, 2, "tensor 'transformer.h.0.attn.o.weight' is missing"},
    {"tensor twice", NULL, HEADER, "transformer.h.0.attn.o.weight", "transformer.wte.weight", 0, INFO, 2,
     "duplicate"},
    {"tensor unknown", NULL, HEADER, "lm_head.weight", "lm_head.wait", 0, INFO, 2,
     "tensor 'lm_head.wait' is not part of the model"},
    {"embedding missing", NULL, HEADER, "transformer.wte.weight", "transformer.wpe.weight", 0, INFO, 2,
     "tensor 'transformer.wte.weight' is missing"},
    {"norm weight missing", "norm", HEADER, "transformer.h.1.n2.norm.weight",
     "transformer.h.1.n3.norm.weight", 0, INFO, 2, "'transformer.h.1.n2.norm.weight' is missing"},
    {"not a number in the weights", NULL, NOTHING, 0, 0,
     "yes $(printf '\\377') | tr -d '\\n' | dd of=model.safetensors bs=1 seek=12000 count=4000 conv=notrunc "
     "status=none",
     EIGEN, 1, "NaN"},
    /* shards */
    {"index names a missing shard", NULL, NOTHING, 0, 0,
     "rm model.safetensors; echo '{\"weight_map\": {\"a\": \"part-1.safetensors\"}}' > "
     "model.safetensors.index.json",
     INFO, 2, "part-1.safetensors"},
    {"index without a map", NULL, NOTHING, 0, 0,
     "rm model.safetensors; echo '{}' > model.safetensors.index.json", INFO, 2, "\"weight_map\" is missing"},
    {"index leaves the folder", NULL, NOTHING, 0, 0,
     "rm model.safetensors; echo '{\"weight_map\": {\"a\": \"../../etc/passwd\"}}' > "
     "model.safetensors.index.json",
     INFO, 2, "must name a file of the same folder"},
    {"tensor in two shards", NULL, NOTHING, 0, 0,
     "mv model.safetensors c.safetensors; cp c.safetensors b.safetensors; "
     "echo '{\"weight_map\": {\"a\": \"c.safetensors\", \"b\": "
     "\"b.safetensors\"}}' > model.safetensors.index.json",
     INFO, 2, "is in two shards"},
    /* tokenizer.json */
    {"tokenizer no JSON", NULL, TOKENIZER, 0, "nonsense", 0, INFO, 2, "tokenizer.json"},
    {"tokenizer of another model", NULL, TOKENIZER, "\"##w17\":103", "\"##w17\":104", 0, INFO, 2,
     "only 104 rows"},
    {"tokenizer id negative", NULL, TOKENIZER, "\"##w17\":103", "\"##w17\":-1", 0, INFO, 2, "##w17"},
    {"tokenizer unknown model", NULL, TOKENIZER, "\"WordPiece\"", "\"Bogus\"", 0, INFO, 2, "Bogus"},
    {"tokenizer unknown normalizer", NULL, TOKENIZER, "\"StripAccents\"", "\"Rot13\"", 0, INFO, 2, "Rot13"},
    {"tokenizer without unk", NULL, TOKENIZER, "\"unk_token\":\"[UNK]\"", "\"unk_token\":\"[NOPE]\"", 0, INFO,
     2, "[NOPE]"},
    /* arguments */
    {"no verb", NULL, NOTHING, 0, 0, 0, "", 2, "usage"},
    {"unknown verb", NULL, NOTHING, 0, 0, 0, "eigne MODEL", 2, "no verb 'eigne'"},
    {"unknown option", NULL, NOTHING, 0, 0, 0, "eigen MODEL --tokne swim", 2, "unknown option '--tokne'"},
    {"option without value", NULL, NOTHING, 0, 0, 0, "eigen MODEL --token", 2, "--token needs"},
    {"no token", NULL, NOTHING, 0, 0, 0, "eigen MODEL", 2, "--token is missing"},
    {"unknown token", NULL, NOTHING, 0, 0, 0, "eigen MODEL --token swum", 2, "swim"},
    {"unknown contrast token", NULL, NOTHING, 0, 0, 0, "eigen MODEL --token swim --minus run,clmb", 2,
     "climb"},
    {"token id beyond", NULL, NOTHING, 0, 0, 0, "eigen MODEL --token '#104'", 2, "104"},
    {"token id odd", NULL, NOTHING, 0, 0, 0, "eigen MODEL --token '#-1'", 2, "#-1"},
    {"layer beyond", NULL, NOTHING, 0, 0, 0, EIGEN " --layer 1", 2, "layer 1 does not exist"},
    {"eigenvector beyond", NULL, NOTHING, 0, 0, 0, EIGEN " --eigs 0,16", 2, "eigenvector 16 does not exist"},
    {"eigenvector below", NULL, NOTHING, 0, 0, 0, EIGEN " --eigs -17", 2, "eigenvector -17 does not exist"},
    {"eigenvectors odd", NULL, NOTHING, 0, 0, 0, EIGEN " --eigs 1,x", 2, "--eigs: '1,x'"},
    {"number odd", NULL, NOTHING, 0, 0, 0, "scan MODEL --corpus " CORPUS " --token swim --top -3", 2,
     "--top: '-3'"},
    {"number zero", NULL, NOTHING, 0, 0, 0, "scan MODEL --corpus " CORPUS " --token swim --top 0", 2,
     "--top"},
    {"format odd", NULL, NOTHING, 0, 0, 0, EIGEN " --format xml", 2, "--format: 'xml'"},
    {"two models", NULL, NOTHING, 0, 0, 0, "info MODEL MODEL", 2, "unexpected argument"},
    {"gated MLP, eigen", "gelu", NOTHING, 0, 0, 0, EIGEN, 2, "bilens surrogate"},
    {"gated MLP, report", "later", NOTHING, 0, 0, 0, "report MODEL --corpus " CORPUS " --token swim -o OUT",
     2, "gated"},
    {"plain MLP, scan", "mlp", NOTHING, 0, 0, 0, "scan MODEL --corpus " CORPUS " --token swim", 2, "plain"},
    {"unknown tensor", NULL, NOTHING, 0, 0, 0, "describe MODEL --tensor w_x", 2, "unknown tensor 'w_x'"},
    {"export without -o", NULL, NOTHING, 0, 0, 0, "export MODEL", 2, "-o is missing"},
    {"many arrays in one npy", NULL, NOTHING, 0, 0, 0, "export MODEL -o OUT.npy", 2,
     "a .npy file holds one array"},
    {"unknown trace point", NULL, NOTHING, 0, 0, 0, "trace MODEL --text swim --points mlp_inn -o OUT.npy", 2,
     "unknown trace point 'mlp_inn'"},
    {"ids beyond the vocabulary", NULL, NOTHING, 0, 0, 0, "tokenize MODEL --decode --text '1 5 104'", 2,
     "104"},
    {"text invalid UTF-8", NULL, NOTHING, 0, 0, 0, "tokenize MODEL --text \"$(printf 'ab\\377c')\"", 2,
     "UTF-8"},
    /* corpora */
    {"no corpus", NULL, NOTHING, 0, 0, 0, "eval MODEL --corpus OUT.none", 2, ".none"},
    {"corpus empty", NULL, NOTHING, 0, 0, ": > c.txt", "eval MODEL --corpus MODEL/c.txt", 2,
     "no story found in"},
    {"corpus only separators", NULL, NOTHING, 0, 0, "echo '<|endoftext|> <|endoftext|>' > c.txt",
     "scan MODEL --token swim --corpus MODEL/c.txt", 2, "no story found in"},
    {"corpus a folder", NULL, NOTHING, 0, 0, "mkdir c.txt", "eval MODEL --corpus MODEL/c.txt", 2, "c.txt"},
    {"corpus invalid UTF-8", NULL, NOTHING, 0, 0, "printf 'tom swim\\n\\303\\050' > c.txt",
     "eval MODEL --corpus MODEL/c.txt", 2, "UTF-8"},
    {"jsonl without text", NULL, NOTHING, 0, 0,
     "printf '{\"text\": \"tom\"}\\n{\"txt\": \"mia\"}\\n' > c.jsonl", "eval MODEL --corpus MODEL/c.jsonl", 2,
     "\"text\""},
    {"jsonl broken", NULL, NOTHING, 0, 0, "printf '{\"text\": \"tom\"}\\n{\"text\": \"mia\\n' > c.jsonl",
     "eval MODEL --corpus MODEL/c.jsonl", 2, "c.jsonl:2"},
    {"gzip cut short", NULL, NOTHING, 0, 0, "gzip -c DATA/models/stories.txt | head -c 200 > c.txt.gz",
     "eval MODEL --corpus MODEL/c.txt.gz", 2, "c.txt.gz"},
    {"zstd that is none", NULL, NOTHING, 0, 0, "echo tom > c.txt.zst", "eval MODEL --corpus MODEL/c.txt.zst",
     2, "c.txt.zst"},
    /* output */
    {"output in a missing folder", NULL, NOTHING, 0, 0, 0, "info MODEL -o OUT/no/such/info.txt", 2,
     "cannot be written"},
    {"output is a folder", NULL, NOTHING, 0, 0, "mkdir d", "info MODEL -o MODEL/d", 2, "is a directory"},
    {"report into a file", NULL, NOTHING, 0, 0, "echo > f",
     "report MODEL --token swim --corpus " CORPUS " -o MODEL/f", 2, "f"},
    {"standard output full", NULL, NOTHING, 0, 0, 0, "info MODEL > /dev/full", 1, "No space left"},
    {"report.json missing", NULL, NOTHING, 0, 0, 0, "report --from OUT.json", 2, "result.json"},
    {"report.json no report", NULL, NOTHING, 0, 0, "echo '{\"a\": 1}' > report.json",
     "report --from MODEL/report.json -o OUT", 2, "report"},
    {"report from and model", NULL, NOTHING, 0, 0, 0, "report MODEL --from x.json", 2, "--from"},
    {"figure of an unknown kind", NULL, NOTHING, 0, 0, 0, EIGEN " --plot OUT.gif", 2, ".gif"},
};

static char *read_text(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    char *text = calloc(1, 1 << 20);
    *n = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

/* head + to + tail, where the text was head + from + tail. */
static char *replaced(const char *text, size_t n, const hostile *c, size_t *out_n) {
    const char *at = c->from ? strstr(text, c->from) : text;
    if (!at) fail_msg("%s: '%s' is not in the file to damage", c->name, c->from);
    size_t cut = c->from ? strlen(c->from) : n, added = strlen(c->to), before = (size_t)(at - text);
    char *out = calloc(1, n + added + 1);
    memcpy(out, text, before);
    memcpy(out + before, c->to, added);
    memcpy(out + before + added, at + cut, n - before - cut);
    *out_n = n - cut + added;
    return out;
}

static void damage(const hostile *c, const char *folder) {
    static const char *const names[] = {"", "config.json", "model.safetensors", "tokenizer.json"};
    char path[512];
    size_t n, changed_n;
    snprintf(path, sizeof path, "%s/%s", folder, names[c->file]);
    char *text = read_text(path, &n);
    uint64_t header = 0;
    if (c->file == HEADER) memcpy(&header, text, 8);
    char *part = calloc(1, n + 1);
    size_t begin = c->file == HEADER ? 8 : 0, length = c->file == HEADER ? (size_t)header : n;
    memcpy(part, text + begin, length);
    char *changed = replaced(part, length, c, &changed_n);
    FILE *file = fopen(path, "wb");
    header = changed_n;
    if (c->file == HEADER) fwrite(&header, 1, 8, file);
    fwrite(changed, 1, changed_n, file);
    fwrite(text + begin + length, 1, n - begin - length, file);
    fclose(file);
    free(text);
    free(part);
    free(changed);
}

/* MODEL, OUT and DATA in a command become paths. */
static void expand(char *out, size_t size, const char *text, const char *model, const char *place) {
    const char *const words[] = {"MODEL", "OUT", "DATA"}, *const paths[] = {model, place, TEST_DATA};
    size_t n = 0;
    while (*text && n + 1 < size) {
        size_t i = 0;
        while (i < 3 && strncmp(text, words[i], strlen(words[i])) != 0) i++;
        if (i < 3) {
            n += (size_t)snprintf(out + n, size - n, "%s", paths[i]);
            text += strlen(words[i]);
        } else {
            out[n++] = *text++;
        }
    }
    out[n] = '\0';
}

static int run_shell(const char *command) {
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static bool run_case(const hostile *c, size_t number) {
    char folder[128], model[200], place[200], shell[1024], command[3000], arguments[1024];
    snprintf(folder, sizeof folder, "%s/%zu", support_temporary(), number);
    snprintf(model, sizeof model, "%s/model", folder);
    snprintf(place, sizeof place, "%s/out/result", folder);
    snprintf(command, sizeof command, "mkdir -p %s/out && cp -r %s/models/%s %s", folder, TEST_DATA,
             c->model ? c->model : "plain", model);
    assert_int_equal(run_shell(command), 0);
    if (c->file != NOTHING) damage(c, model);
    if (c->shell) {
        expand(shell, sizeof shell, c->shell, model, place);
        snprintf(command, sizeof command, strcmp(c->shell, "rm -r .") == 0 ? "rm -r %s" : "cd %s && %s",
                 model, shell);
        assert_int_equal(run_shell(command), 0);
    }
    expand(arguments, sizeof arguments, c->arguments, model, place);
    bool redirected = strchr(arguments, '>') != NULL;
    snprintf(command, sizeof command, "cd %s/out && %s %s %s%s%s 2> ../stderr < /dev/null", folder,
             getenv("BILENS"), arguments, redirected ? "" : "> ", redirected ? "" : folder,
             redirected ? "" : "/stdout");
    int status = run_shell(command);
    char path[300];
    size_t n;
    snprintf(path, sizeof path, "%s/stderr", folder);
    char *message = read_text(path, &n);
    bool ok = status == c->status;
    if (!ok) print_error("%s: exit status %d, expected %d: %s\n", c->name, status, c->status, message);
    if (ok && !strstr(message, c->says))
        ok = false, print_error("%s: '%s' is not in the message: %s\n", c->name, c->says, message);
    if (ok && strncmp(message, "bilens", 6) != 0)
        ok = false, print_error("%s: the message does not begin with 'bilens': %s\n", c->name, message);
    free(message);
    snprintf(command, sizeof command,
             "test -z \"$(ls -A %s/out)\" && test -z \"$(find %s -name '*.tmp-*')\" && { test ! -e %s/stdout "
             "|| test ! -s %s/stdout; }",
             folder, folder, folder, folder);
    if (run_shell(command) != 0)
        ok = false,
        print_error("%s: something was left behind in %s/out or printed to stdout\n", c->name, folder);
    return ok;
}

static void test_hostile(void **state) {
    (void)state;
    size_t n = sizeof cases / sizeof *cases, failed = 0;
    for (size_t i = 0; i < n; i++) failed += !run_case(&cases[i], i);
    if (failed) fail_msg("%zu of %zu hostile cases failed", failed, n);
    fprintf(stderr, "%zu hostile cases\n", n);
}

int main(void) {
    if (!getenv("BILENS")) {
        fprintf(stderr, "set BILENS to the program\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hostile)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
