/* bilens train: options into bl_train_options, events into a progress line. */
#include "base/error.h"
#include "cli/common.h"
#include "cli/ranks.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the command line holds before it becomes bl_train_options. */
typedef struct choices {
    corpus_options corpus;
    const char *valid, *tokenizer, *preset, *generation, *gate, *norm, *schedule, *store, *time, *precision,
        *from;
    size_t layers, heads, d_model, d_hidden, ctx, vocabulary, batch, accumulate, warmup, seed, steps, tokens,
        eval_every, eval_stories, sample, checkpoint_every, snapshots;
    double noise, lr, lr_end, beta1, beta2, epsilon, decay, clip, epochs;
    bool plain, bias, tied, resume, overwrite, attention2;
} choices;

/* The progress line's state. */
typedef struct screen {
    bool quiet, terminal, drawn;
    bl_progress bar;
    double last_seconds; /* of the last step line where there is no terminal */
} screen;

static void from_options(choices *c, const bl_train_options *o) {
    c->layers = o->model.n_layer, c->heads = o->model.n_head, c->d_model = o->model.d_model,
    c->d_hidden = o->model.d_hidden, c->ctx = o->model.n_ctx;
    c->noise = round((double)o->model.noise * 1e6) / 1e6;
    c->batch = o->batch, c->accumulate = o->accumulate, c->warmup = o->warmup, c->seed = o->seed;
    c->lr = o->lr, c->lr_end = o->lr_end, c->beta1 = o->beta1, c->beta2 = o->beta2, c->epsilon = o->epsilon,
    c->decay = o->decay, c->clip = o->clip;
    c->eval_every = o->eval_every, c->eval_stories = o->eval_stories, c->sample = o->sample_tokens,
    c->checkpoint_every = o->checkpoint_every;
}

/* Index of `text` among `names` (NULL-terminated); -1 if it is none of them. */
static int name_index(const char *text, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) return i;
    return -1;
}

/* "90", "90s", "20m", "1.5h" in seconds; negative if it is none of them. */
static double parse_time(const char *text) {
    char *end;
    double value = strtod(text, &end);
    double unit = strcmp(end, "") == 0 || strcmp(end, "s") == 0 ? 1
                : strcmp(end, "m") == 0                         ? 60
                : strcmp(end, "h") == 0                         ? 3600
                                                                : -1;
    return end == text || !(value > 0) ? -1 : value * unit;
}

/* "swish:1..0@30%" into the annealed gate; false if it is none. */
static bool parse_anneal(const char *text, bl_train_options *o) {
    bl_anneal a;
    char slopes[64], *end;
    if (strncmp(text, "swish:", 6) != 0) return false;
    size_t n = strcspn(text + 6, "@");
    if (n >= sizeof slopes || text[6 + n] != '@') return false;
    memcpy(slopes, text + 6, n);
    slopes[n] = '\0';
    a.share = strtod(text + 7 + n, &end);
    if (strcmp(end, "%") != 0) return false;
    char *dots = strstr(slopes, ".."); /* cut here, so that 1..0 is not read as "1." and ".0" */
    if (!dots || dots == slopes || !dots[2] || !(a.share > 0)) return false;
    *dots = '\0';
    a.from = strtod(slopes, &end);
    if (*end) return false;
    a.to = strtod(dots + 2, &end);
    if (*end) return false;
    a.share /= 100;
    o->anneal = a;
    o->model.gate = a.to < 1e-4 ? BL_GATE_NONE : BL_GATE_SILU;
    return true;
}

/* Named choices; -1 to go on, else the exit status. */
static int apply_names(const verb *self, const choices *c, bl_train_options *o) {
    bool annealed = c->gate && strncmp(c->gate, "swish", 5) == 0;
    if (annealed && !parse_anneal(c->gate, o))
        return fail_usage(self, "--gate: '%s' is not like swish:1..0@30%%", c->gate);
    static const char *const generations[] = {"2024-05", "2024-06", "later", NULL}, *const gates[] = {"none",
                                                                                                      "relu",
                                                                                                      "silu",
                                                                                                      "gelu",
                                                                                                      NULL};
    static const char *const norms[] = {"none", "rms", "weighted", NULL}, *const schedules[] = {"cosine",
                                                                                                "linear",
                                                                                                "constant",
                                                                                                NULL};
    static const char *const stores[] = {"f32", "f16", "bf16", NULL}, *const precisions[] = {"f32", "bf16",
                                                                                             "auto", NULL};
    const struct {
        const char *option, *text, *const *names, *all;
        int found;
    } named[] = {
        {"generation", c->generation, generations, "2024-05, 2024-06, later",
         c->generation ? name_index(c->generation, generations) : 0},
        {"gate", c->gate, gates, "none, relu, silu, gelu",
         c->gate && !annealed ? name_index(c->gate, gates) : 0},
        {"norm", c->norm, norms, "none, rms, weighted", c->norm ? name_index(c->norm, norms) : 0},
        {"schedule", c->schedule, schedules, "cosine, linear, constant",
         c->schedule ? name_index(c->schedule, schedules) : 0},
        {"precision", c->precision, precisions, "f32, bf16, auto",
         c->precision ? name_index(c->precision, precisions) : 0},
        {"dtype", c->store, stores, "f32, f16, bf16", c->store ? name_index(c->store, stores) : 0},
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].found < 0)
            return fail_usage(self, "--%s: '%s' is not one of %s", named[i].option, named[i].text,
                              named[i].all);
    if (c->generation) o->model.architecture = bl_architecture_find(c->generation);
    if (c->gate && o->anneal.share == 0) o->model.gate = (bl_gate)named[1].found;
    if (c->norm) {
        o->model.normalization = named[2].found > 0;
        o->model.norm_weights = named[2].found == 2;
    }
    if (c->schedule) o->schedule = (bl_schedule)named[3].found;
    if (c->precision) o->precision = (bl_precision)named[4].found;
    if (c->store) o->store = (bl_store)named[5].found;
    return -1;
}

static int apply(const verb *self, const common *com, const choices *c, bl_train_options *o) {
    double seconds = c->time ? parse_time(c->time) : 0;
    if (seconds < 0) return fail_usage(self, "--time: '%s' is not a time such as 90s, 20m or 1.5h", c->time);
    int status = apply_names(self, c, o);
    if (status >= 0) return status;
    if (!c->corpus.files.n) return fail_usage(self, "--corpus FILE… is missing: the text to learn from");
    if (!c->tokenizer)
        return fail_usage(
            self, "--tokenizer FILE is missing: a tokenizer.json, such as 'bilens tokenizer train' makes");
    if (!com->output) return fail_usage(self, "-o DIR is missing: where the model is to be written");
    o->corpus = c->corpus.files.items, o->n_corpus = c->corpus.files.n, o->text_key = c->corpus.text_key,
    o->valid = c->valid, o->tokenizer = c->tokenizer, o->output = com->output;
    o->resume = c->resume, o->overwrite = c->overwrite;
    o->start = c->from;
    bl_config *m = &o->model;
    m->n_layer = c->layers, m->n_head = c->heads, m->d_model = c->d_model, m->d_hidden = c->d_hidden,
    m->n_ctx = c->ctx, m->n_vocab = c->vocabulary;
    m->noise = (float)c->noise;
    m->plain = m->plain || c->plain;
    m->tied = m->tied || c->tied;
    if (c->bias) m->bias_w = true, m->bias_p = strcmp(bl_config_generation(m), "later") == 0;
    m->attention2 = m->attention2 || c->attention2;
    m->bias_qkv = m->attention2 && m->bias_w; /* as the authors' code has it */
    o->batch = c->batch, o->accumulate = c->accumulate, o->warmup = c->warmup, o->seed = c->seed;
    o->lr = c->lr, o->lr_end = c->lr_end, o->beta1 = c->beta1, o->beta2 = c->beta2, o->epsilon = c->epsilon,
    o->decay = c->decay, o->clip = c->clip;
    if (c->steps || c->epochs > 0 || c->tokens || seconds > 0)
        o->steps = c->steps, o->epochs = c->epochs, o->tokens = c->tokens, o->seconds = seconds;
    else if (o->epochs == 0) o->epochs = 1;
    o->eval_every = c->eval_every, o->eval_stories = c->eval_stories, o->sample_tokens = c->sample,
    o->checkpoint_every = c->checkpoint_every, o->snapshots = c->snapshots;
    return -1;
}

static void wipe(screen *s) {
    if (s->drawn) fprintf(stderr, "\r\033[K");
    s->drawn = false;
}

/* Time left, from the pace so far. */
static const char *time_left(const bl_train_event *e, char text[32]) {
    text[0] = '\0';
    if (!e->steps || !e->step || e->step >= e->steps) return text;
    unsigned long left = (unsigned long)(e->seconds / (double)e->step * (double)(e->steps - e->step) + 0.5);
    if (left >= 3600) snprintf(text, 32, "  %lu:%02lu:%02lu left", left / 3600, left / 60 % 60, left % 60);
    else snprintf(text, 32, "  %lu:%02lu left", left / 60, left % 60);
    return text;
}

static void show_step(screen *s, const bl_train_event *e) {
    char left[32], valid[40] = "";
    bool last = e->steps && e->step >= e->steps;
    if (s->quiet || (!s->terminal && !last && e->seconds - s->last_seconds < 30 && e->step != 1)) return;
    s->last_seconds = e->seconds;
    if (isfinite(e->valid_loss)) snprintf(valid, sizeof valid, "  valid %.4f", e->valid_loss);
    if (s->terminal) fprintf(stderr, "\r\033[K");
    fprintf(stderr, "step %llu/%llu  epoch %.2f  loss %.4f%s  %.1fk tokens/s  %.0f %% of %s peak%s%s",
            (unsigned long long)e->step, (unsigned long long)e->steps, e->epochs, e->loss, valid,
            e->tokens_per_second / 1e3, 100 * e->share_of_peak,
            e->precision == BL_PRECISION_BF16 ? "bfloat16" : "float32", time_left(e, left),
            s->terminal ? "" : "\n");
    s->drawn = s->terminal;
}

static bool on_event(void *context, const bl_train_event *e) {
    screen *s = context;
    if (e->kind == BL_TRAIN_PHASE && s->bar.report &&
        !s->bar.report(s->bar.context, e->text, e->done, e->total))
        return false;
    if (e->kind == BL_TRAIN_STEP) {
        progress_end();
        show_step(s, e);
    }
    if (s->quiet) return !interrupt_requested();
    if (e->kind == BL_TRAIN_NOTE) {
        progress_end();
        wipe(s);
        fprintf(stderr, "%s\n", e->text);
    }
    if (e->kind == BL_TRAIN_EVAL) {
        wipe(s);
        fprintf(stderr, "step %llu", (unsigned long long)e->step);
        if (isfinite(e->valid_loss)) fprintf(stderr, "  validation loss %.4f", e->valid_loss);
        if (e->text) fprintf(stderr, "  \"%s\"", e->text);
        fputc('\n', stderr);
    }
    return !interrupt_requested();
}

static const char *precision_name(bl_precision precision) {
    return precision == BL_PRECISION_BF16 ? "bf16" : "f32";
}

static int show_json(const verb *self, const bl_train_result *r) {
    bl_error err = {0};
    bl_builder b = {&err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_count(&b, root, "steps", r->step);
    bl_put_count(&b, root, "tokens", r->tokens);
    bl_put_count(&b, root, "parameters", r->parameters);
    bl_put_real(&b, root, "loss", r->loss);
    bl_put_real(&b, root, "valid_loss", r->valid_loss);
    bl_put_real(&b, root, "seconds", r->seconds);
    bl_put_real(&b, root, "tokens_per_second", (double)r->tokens / r->seconds);
    bl_put_text(&b, root, "precision", precision_name(r->precision));
    bl_put_flag(&b, root, "finished_before", r->finished_before);
    root = bl_tree_built(&b, root);
    char *text = bl_tree_text(root, &err);
    int status = text ? write_stdout(self, text) : fail_with(self, &err);
    bl_tree_free(root);
    bl_free(text);
    return status;
}

static int show_table(const verb *self, const bl_train_result *r, const char *output) {
    char text[1024], loss[64] = "", valid[80] = "";
    if (isfinite(r->loss)) snprintf(loss, sizeof loss, "loss         %.4f (last steps)\n", r->loss);
    if (isfinite(r->valid_loss))
        snprintf(valid, sizeof valid, "validation   %.6f (all of it, with the weights as stored)\n",
                 r->valid_loss);
    snprintf(text, sizeof text,
             "model        %s (%llu parameters)\ntrained      %llu steps, %llu tokens in %.0f s (%.1fk "
             "tokens/s)\n%s%s",
             output, (unsigned long long)r->parameters, (unsigned long long)r->step,
             (unsigned long long)r->tokens, r->seconds,
             r->seconds > 0 ? (double)r->tokens / r->seconds / 1e3 : 0.0, loss, valid);
    return write_stdout(self, text);
}

/* figures/loss.{svg,png} beside the model. */
static bool draw_figures(const char *output, bl_error *err) {
    static const char *const names[] = {"loss.svg", "loss.png"};
    char *folder = NULL, *log = NULL, *path = NULL;
    bool ok = asprintf(&folder, "%s/figures", output) > 0 && asprintf(&log, "%s/log.jsonl", output) > 0;
    if (ok && mkdir(folder, 0777) != 0 && errno != EEXIST) {
        bl_fail(err, BL_ERR_IO, "%s: cannot create directory: %s", folder, strerror(errno));
        ok = false;
    }
    for (size_t i = 0; ok && i < 2; i++) {
        ok = asprintf(&path, "%s/%s", folder, names[i]) > 0 && bl_loss_figure(log, path, err);
        free(path);
    }
    free(folder);
    free(log);
    return ok;
}

static int train(const verb *self, common *c, bl_train_options *o) {
    screen s = {.quiet = c->quiet, .terminal = isatty(STDERR_FILENO) != 0, .bar = progress_bar(c->quiet)};
    bl_train_result result;
    bl_error err = {0};
    if (!ranks_join(c, &err)) return fail_with(self, &err);
    s.quiet = c->quiet;
    o->distributed = ranks_started();
    o->report = on_event;
    o->context = &s;
    bool ok = bl_train_run(o, &result, &err);
    progress_end();
    if (s.drawn) fputc('\n', stderr);
    if (!ok && err.code == BL_ERR_CANCELLED && ranks_first()) fprintf(stderr, "%s\n", err.message);
    if (!ok) return fail_with(self, &err);
    if (!ranks_first()) return 0;
    if (!draw_figures(o->output, &err)) return fail_with(self, &err);
    if (result.finished_before) note(c, "%s is finished already: nothing was done", o->output);
    if (c->format == FORMAT_JSON) return show_json(self, &result);
    return show_table(self, &result, o->output);
}

/* The preset's name, before the other options change what it says. */
static const char *find_preset(int argc, char **argv) {
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "--preset=", 9) == 0) return argv[i] + 9;
        if (strcmp(argv[i], "--preset") == 0 && i + 1 < argc) return argv[i + 1];
    }
    return NULL;
}

/* The verb's options. -1 to go on, else the exit status. */
static int parse(int argc, char **argv, const verb *self, common *com, choices *c) {
    const option table[] = {
        CORPUS_OPTIONS(c->corpus, CORPUS_FORMATS),
        {"valid", OPTION_TEXT, &c->valid, "FILE", "text to measure the loss on"},
        {"tokenizer", OPTION_TEXT, &c->tokenizer, "FILE", "tokenizer.json"},
        {"preset", OPTION_TEXT, &c->preset, "NAME",
         "stories-1-256 or tinystories-1-1024-i5n; other options change it"},
        {"generation", OPTION_TEXT, &c->generation, "G",
         "layout of the checkpoint: 2024-05 (default), 2024-06 or later"},
        {"layers", OPTION_COUNT, &c->layers, "N", "layers (1)"},
        {"heads", OPTION_COUNT, &c->heads, "N", "attention heads (8)"},
        {"d-model", OPTION_COUNT, &c->d_model, "N", "width of the residual stream (256)"},
        {"d-hidden", OPTION_COUNT, &c->d_hidden, "N", "width of the MLP (768)"},
        {"ctx", OPTION_COUNT, &c->ctx, "N", "context; longer stories are cut (256)"},
        {"vocabulary", OPTION_COUNT, &c->vocabulary, "N",
         "rows of the embedding (default: the tokenizer's size)"},
        {"gate", OPTION_TEXT, &c->gate, "G",
         "function on one side of the MLP: none (default: bilinear), relu, silu, gelu, or "
         "swish:A..B@P%: x s(b x), b from A to B in the run's first P percent; B = 0 ends bilinear"},
        {"plain", OPTION_FLAG, &c->plain, NULL, "a plain MLP without a product"},
        {"norm", OPTION_TEXT, &c->norm, "N", "none (default), rms, or weighted (rms with weights)"},
        {"bias", OPTION_FLAG, &c->bias, NULL, "biases in the MLP, as many as the generation has"},
        {"attention2", OPTION_FLAG, &c->attention2, NULL,
         "bilinear attention: the product of two patterns, no softmax (generation later)"},
        {"noise", OPTION_REAL, &c->noise, "X",
         "noise after the norms while training, as a share of the standard deviation (0)"},
        {"tied", OPTION_FLAG, &c->tied, NULL, "use one matrix as embedding and as head"},
        {"batch", OPTION_COUNT, &c->batch, "N", "stories that are computed at once (16)"},
        {"accumulate", OPTION_COUNT, &c->accumulate, "N", "batches per step (1)"},
        {"lr", OPTION_REAL, &c->lr, "X", "highest learning rate (0.002)"},
        {"lr-end", OPTION_REAL, &c->lr_end, "X", "learning rate of the last step, as a share of --lr (0.1)"},
        {"schedule", OPTION_TEXT, &c->schedule, "S",
         "how the learning rate falls: cosine (default), linear or constant"},
        {"warmup", OPTION_COUNT, &c->warmup, "N", "steps in which the learning rate rises (100)"},
        {"beta1", OPTION_REAL, &c->beta1, "X", "AdamW: decay of the mean gradient (0.9)"},
        {"beta2", OPTION_REAL, &c->beta2, "X", "AdamW: decay of the mean squared gradient (0.99)"},
        {"epsilon", OPTION_REAL, &c->epsilon, "X",
         "AdamW: added to the root of the mean squared gradient (1e-8)"},
        {"decay", OPTION_REAL, &c->decay, "X", "weight decay of matrices (0.1)"},
        {"clip", OPTION_REAL, &c->clip, "X", "largest norm of the gradient; 0: no clipping (1)"},
        {"seed", OPTION_COUNT, &c->seed, "N", "random seed of weights, order and noise (1)"},
        {"from", OPTION_TEXT, &c->from, "DIR",
         "start from this model's weights; its architecture counts (default: random weights)"},
        {"steps", OPTION_COUNT, &c->steps, "N", "stop after N steps"},
        {"epochs", OPTION_REAL, &c->epochs, "X",
         "stop after X passes over the corpus (default 1, or the preset's)"},
        {"tokens", OPTION_COUNT, &c->tokens, "N", "stop after N tokens"},
        {"time", OPTION_TEXT, &c->time, "T", "stop after 90s, 20m or 1.5h"},
        {"eval-every", OPTION_COUNT, &c->eval_every, "N",
         "steps between evaluations; 0: only at the end (500)"},
        {"eval-stories", OPTION_COUNT, &c->eval_stories, "N",
         "stories of --valid that they use; 0: all (256)"},
        {"sample", OPTION_COUNT, &c->sample, "N", "tokens of the sample of text they show; 0: none (60)"},
        {"checkpoint-every", OPTION_COUNT, &c->checkpoint_every, "N",
         "steps between checkpoints; 0: only when stopped (500)"},
        {"snapshots", OPTION_COUNT, &c->snapshots, "N",
         "N readable models along the way, evenly spread over the run: DIR/snapshots/step-… (0)"},
        {"precision", OPTION_TEXT, &c->precision, "P",
         "factors of the products: f32 (default), bf16 (bfloat16, where the processor has it; sums and all "
         "else in float32), or auto: what is faster here"},
        {"dtype", OPTION_TEXT, &c->store, "T", "how the finished weights are stored: f32, f16 or bf16"},
        {"resume", OPTION_FLAG, &c->resume, NULL,
         "continue from the checkpoint in -o DIR; a finished run is left as it is"},
        {"overwrite", OPTION_FLAG, &c->overwrite, NULL, "replace the model or run that is in -o DIR, whole"},
        {0}};
    return options_parse(argc, argv, self, com, table, FORMATS_TABLE | FORMATS_JSON,
                         "model directory to make (checkpoint and log.jsonl live there too)", false);
}

static int run(int argc, char **argv, const verb *self) {
    common com = {0};
    choices c = {0};
    bl_train_options o;
    bl_error err = {0};
    const char *preset = find_preset(argc, argv);
    bl_train_defaults(&o);
    if (preset && !bl_train_preset(preset, &o, &err)) return fail_with(self, &err);
    from_options(&c, &o);
    int status = parse(argc, argv, self, &com, &c);
    if (status < 0) status = apply(self, &com, &c, &o);
    if (status < 0) status = train(self, &com, &o);
    corpus_options_free(&c.corpus);
    common_free(&com);
    return status;
}

const verb verb_train = {
    "train", "train a model on text", run,
    "Trains a transformer of the bilinear family on stories and saves it in the Hugging Face layout, "
    "ready for every other verb.\n"
    "Ctrl-C finishes the step and writes a checkpoint. The same command with --resume continues from it, "
    "to the same bits as a\n"
    "run that was never stopped, on the same kind of processor, in the same precision, with the same "
    "number of threads and of\n"
    "ranks. (The checkpoint records them, and a note says when they differ.) Started by mpirun, the ranks "
    "share every batch.",
    "  bilens tokenizer train --corpus stories.txt --size 4096 -o tokenizer.json\n"
    "  bilens train --preset stories-1-256 --corpus stories.txt --valid valid.txt "
    "--tokenizer tokenizer.json -o my-model\n"
    "  bilens train --corpus stories.txt --tokenizer tokenizer.json --layers 2 --norm "
    "rms --lr 1e-3 --time 20m --epochs 3 -o my-model\n"
    "  mpirun -n 2 bilens train --preset stories-1-256 --corpus stories.txt --tokenizer "
    "tokenizer.json --threads 1 -o my-model\n"};
