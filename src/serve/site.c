/* A static site: the page over an atlas as files, for any web server or none (file://).
 *
 *   index.html, *.js, *.css   the page
 *   site.js                   BILENS_SITE: what /api/info says, and how many directions a data file has
 *   data/tokens.js            the rows of /api/tokens
 *   data/directions-0.js …    of each layer of the atlas the rows of /api/directions
 *   data/0-0000.js …          of each layer `shard` directions each, and the beginnings of the stories that
 *                             they refer to
 *   data/text-0-0.js …        of the first layer a text for "Why this word?" and all that is asked about it
 *
 * A page opened from disk may load scripts, but fetch nothing: so data are scripts that hand over base64 of
 * gzipped JSON. The folder is made under a hidden name and appears as a whole, in the place of an older site
 * or of nothing. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"
#include "base/threads.h"
#include "serve/page.h"
#include "serve/site_direction.h"
#include "serve/site_sentence.h"
#include "serve/requested.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define DEFAULT_SHARD 64

typedef struct site {
    bl_explorer *explorer;
    char *staging;
    size_t shard, n;               /* n: directions that there can be in a layer */
    bl_atlas_reader *atlas;        /* the layer that is being written */
    size_t part;                   /* its number */
    bl_bilinear draw;              /* the null model */
    bl_decomposer *decomposers[2]; /* of the model, of its null model; NULL without spectra */
    float *u;                      /* [shard, d] */
    bl_eigen **eigens;             /* [2, shard] */
    bl_progress progress;
    char **texts; /* [n_texts] */
    size_t n_texts;
    bool spectra;
} site;

static bool write_file(const site *s, const char *name, const void *data, size_t n, bl_error *err) {
    char *path = bl_path_join(s->staging, name, err);
    const char *slash = strrchr(name, '/');
    bool ok = path != NULL;
    if (ok && slash) {
        char *folder = bl_strndup(path, strlen(path) - strlen(slash), err);
        ok = folder && bl_make_directories(folder, err);
        free(folder);
    }
    ok = ok && bl_file_write(path, data, n, err);
    free(path);
    return ok;
}

static unsigned char *compress_gzip(const char *text, size_t n, size_t *size, bl_error *err) {
    z_stream z = {0};
    unsigned char *out = NULL;
    if (n > UINT_MAX / 2)
        return bl_fail_null(err, BL_ERR_UNSUPPORTED, "a data file of the site has %zu bytes: too many", n);
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return bl_fail_null(err, BL_ERR_MEMORY, "out of memory in zlib");
    size_t room = deflateBound(&z, (uLong)n);
    out = bl_alloc(room, 1, err);
    if (out) {
        z.next_in = (Bytef *)(uintptr_t)text;
        z.avail_in = (uInt)n;
        z.next_out = out;
        z.avail_out = (uInt)room;
        if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
            free(out);
            out = bl_fail_null(err, BL_ERR_IO, "zlib cannot compress the site's data");
        }
    }
    *size = room - z.avail_out;
    deflateEnd(&z);
    return out;
}

static void add_base64(bl_buffer *out, const unsigned char *data, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned b = (unsigned)data[i] << 16 | (i + 1 < n ? (unsigned)data[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)data[i + 2] : 0);
        char four[4] = {digits[b >> 18], digits[b >> 12 & 63], i + 1 < n ? digits[b >> 6 & 63] : '=',
                        i + 2 < n ? digits[b & 63] : '='};
        bl_buffer_add(out, four, 4);
    }
}

/* data/NAME.js with the tree's text; takes the tree. */
static bool write_data(const site *s, const char *name, bl_tree *tree, bl_error *err) {
    char path[64];
    size_t size = 0;
    bl_buffer script = {0};
    snprintf(path, sizeof path, "data/%s.js", name);
    char *text = bl_tree_text(tree, err);
    unsigned char *packed = text ? compress_gzip(text, strlen(text), &size, err) : NULL;
    bool ok = packed != NULL;
    bl_tree_free(tree);
    bl_free(text);
    if (ok) {
        bl_buffer_print(&script, "BILENS_DATA(\"%s\", \"", name);
        add_base64(&script, packed, size);
        bl_buffer_text(&script, "\");\n");
        size_t n = script.n;
        text = bl_buffer_take(&script, err);
        ok = text && write_file(s, path, text, n, err);
        bl_free(text);
    }
    free(packed);
    return ok;
}

static bool write_page(const site *s, bl_error *err) {
    bool ok = true;
    for (const bl_page_file *f = bl_page_files; ok && f->path; f++)
        if (strcmp(f->path, "site.js") != 0) ok = write_file(s, f->path, f->data, f->size, err);
    return ok;
}

/* JSON inside of a script: "</" and the two line ends that JavaScript once did not allow are escaped. */
static void add_script_json(bl_buffer *out, const char *json) {
    for (; *json; json++) {
        if (json[0] == '<') bl_buffer_text(out, "\\u003c");
        else if (strncmp(json, "\xe2\x80\xa8", 3) == 0 || strncmp(json, "\xe2\x80\xa9", 3) == 0)
            bl_buffer_text(out, json[2] == '\xa8' ? "\\u2028" : "\\u2029"), json += 2;
        else bl_buffer_add(out, json, 1);
    }
}

static bool write_info(const site *s, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_explorer_put_info(s->explorer, &b, root);
    bl_put_count(&b, root, "shard", s->shard);
    bl_put_flag(&b, root, "spectra", s->spectra);
    bl_tree *texts = bl_put_array(&b, root, "sentences");
    for (size_t i = 0; i < s->n_texts; i++) bl_put_text(&b, texts, NULL, s->texts[i]);
    root = bl_tree_built(&b, root);
    char *info = bl_tree_text(root, err);
    bl_tree_free(root);
    if (!info) return false;
    bl_buffer out = {0};
    bl_buffer_text(&out,
                   "/* Made by bilens atlas --site: what this site is of. */\nglobalThis.BILENS_SITE = ");
    add_script_json(&out, info);
    bl_buffer_text(&out, ";\n");
    bl_free(info);
    size_t n = out.n;
    char *text = bl_buffer_take(&out, err);
    bool ok = text && write_file(s, "site.js", text, n, err);
    bl_free(text);
    return ok;
}

/* The layer's directions; without an atlas the tokens, by their numbers. */
static bool write_rows(const site *s, const char *name, bl_atlas_reader *atlas, const uint64_t *counts,
                       size_t n, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL);
    bl_put_count(&b, root, "total", n);
    bl_tree *rows = bl_put_array(&b, root, "tokens");
    for (size_t id = 0; id < n && !b.failed; id++)
        bl_explorer_put_row(s->explorer, atlas, &b, rows, id, true, counts);
    return write_data(s, name, bl_tree_built(&b, root), err);
}

static bool write_tokens(const site *s, bl_error *err) {
    const bl_explorer *e = s->explorer;
    size_t V = e->names.n;
    if (e->own_names.n) return write_rows(s, "tokens", NULL, NULL, V, err);
    uint64_t *counts = bl_alloc(V, sizeof *counts, err);
    for (size_t id = 0; counts && id < V; id++)
        counts[id] = bl_atlas_reader_get_direction(e->atlas, id)->count;
    bool ok = counts && write_rows(s, "tokens", NULL, counts, V, err);
    free(counts);
    return ok;
}

static bool write_texts(const site *s, bl_error *err) {
    const bl_explorer *e = s->explorer;
    for (size_t i = 0; i < s->n_texts * e->n_layers; i++) {
        char name[64];
        size_t text = i / e->n_layers, part = i % e->n_layers;
        snprintf(name, sizeof name, "text-%zu-%zu", part, text);
        if (!bl_progress_step(&s->progress, "reading texts", i, s->n_texts * e->n_layers, err)) return false;
        bl_tree *tree = bl_site_sentence(e, e->layers[part], s->texts[text], err);
        if (!tree || !write_data(s, name, tree, err)) return false;
    }
    return true;
}

/* Those that were asked for, else beginnings of stories. */
static bool choose_texts(site *s, const bl_site_options *options, bl_error *err) {
    enum { DEFAULT_TEXTS = 6 };
    if (!options->sentences) return bl_site_texts(s->explorer, DEFAULT_TEXTS, &s->texts, &s->n_texts, err);
    s->texts = bl_alloc_zero(options->n_sentences, sizeof *s->texts, err);
    for (; s->texts && s->n_texts < options->n_sentences; s->n_texts++) {
        const char *text = options->sentences[s->n_texts];
        s->texts[s->n_texts] = bl_strndup(text, strlen(text), err);
        if (!s->texts[s->n_texts]) return false;
    }
    return s->texts != NULL;
}

/* Spectra of the directions of `ids` [n], of model and null model. */
static bool decompose(site *s, const int32_t *ids, size_t n, bl_error *err) {
    const bl_explorer *e = s->explorer;
    size_t d = bl_model_config(e->model)->d_model;
    const bl_basis *basis = e->own_names.n ? &e->own : &e->basis;
    for (size_t i = 0; i < n; i++)
        if (!bl_atlas_reader_vector(s->atlas, basis, (size_t)ids[i], s->u + i * d, err)) return false;
    for (int null_model = 0; null_model < 2; null_model++)
        if (!bl_decomposer_run(s->decomposers[null_model], s->u, n, 1,
                               s->eigens + (size_t)null_model * s->shard, err))
            return false;
    return true;
}

static bool write_shard(site *s, size_t at, bl_error *err) {
    bl_site_stories stories = {0};
    bl_builder b = {err, false};
    char name[32];
    size_t n = 0, first = at * s->shard;
    int32_t *ids = bl_alloc(s->shard, sizeof *ids, err);
    if (!ids) return false;
    for (size_t id = first; id < first + s->shard && id < s->n; id++)
        if (bl_atlas_reader_get_direction(s->atlas, id)->there) ids[n++] = (int32_t)id;
    bool ok = !s->decomposers[0] || n == 0 || decompose(s, ids, n, err);
    bl_tree *root = bl_put_object(&b, NULL, NULL), *directions = bl_put_object(&b, root, "directions");
    for (size_t i = 0; ok && i < n; i++) {
        snprintf(name, sizeof name, "%d", (int)ids[i]);
        ok = bl_site_direction(s->atlas, ids[i], s->eigens[i], s->eigens[s->shard + i], &stories, &b,
                               bl_put_object(&b, directions, name), err);
    }
    bl_site_stories_put(&stories, &b, bl_put_object(&b, root, "stories"));
    snprintf(name, sizeof name, "%zu-%04zu", s->part, at);
    if (!ok) b.failed = true;
    root = bl_tree_built(&b, root);
    ok = root != NULL;
    if (ok && n) ok = write_data(s, name, root, err);
    else bl_tree_free(root);
    for (size_t i = 0; i < 2 * s->shard; i++) {
        bl_eigen_free(s->eigens[i]);
        s->eigens[i] = NULL;
    }
    bl_site_stories_free(&stories);
    free(ids);
    return ok;
}

static bool make_decomposers(site *s, bl_error *err) {
    const bl_atlas_reader_facts *f = bl_atlas_reader_get_facts(s->atlas);
    bl_decomposer_options options = {.directions = f->directions, .progress = s->progress};
    bl_bilinear map;
    if (!bl_model_bilinear(s->explorer->model, (size_t)f->layer, &map, err)) return false;
    s->decomposers[0] = bl_decomposer_new(&map, &options, err);
    if (s->decomposers[0] && bl_bilinear_null(&map, f->seed, &s->draw, NULL, err))
        s->decomposers[1] = bl_decomposer_new(&s->draw, &options, err);
    return s->decomposers[1] != NULL;
}

static void free_decomposers(site *s) {
    for (int i = 0; i < 2; i++) {
        bl_decomposer_free(s->decomposers[i]);
        s->decomposers[i] = NULL;
    }
    bl_bilinear_null_free(&s->draw);
    s->draw = (bl_bilinear){0};
}

/* One layer's directions. */
static bool write_layer(site *s, size_t part, bool spectra, bl_error *err) {
    char name[40];
    size_t shards = (s->n + s->shard - 1) / s->shard;
    s->part = part;
    s->atlas = s->explorer->layers[part];
    snprintf(name, sizeof name, "directions-%zu", part);
    if ((spectra && !make_decomposers(s, err)) || !write_rows(s, name, s->atlas, NULL, s->n, err))
        return false;
    for (size_t i = 0; i < shards; i++)
        if (!bl_progress_step(&s->progress, "writing", part * shards + i, s->explorer->n_layers * shards,
                              err) ||
            !write_shard(s, i, err))
            return false;
    free_decomposers(s);
    return true;
}

static bool make_all(site *s, bool spectra, bl_error *err) {
    size_t count;
    if (!bl_mul_size(s->shard, bl_model_config(s->explorer->model)->d_model, &count)) count = SIZE_MAX;
    s->u = bl_alloc(count, sizeof *s->u, err);
    s->eigens = bl_alloc_zero(2 * s->shard, sizeof(bl_eigen *), err);
    if (!s->u || !s->eigens) return false;
    s->spectra = spectra;
    if (!write_page(s, err) || !write_info(s, err) || !write_tokens(s, err) || !write_texts(s, err))
        return false;
    for (size_t part = 0; part < s->explorer->n_layers; part++)
        if (!write_layer(s, part, spectra, err)) return false;
    return true;
}

/* Only an empty folder or an older site is replaced. */
static bool check_place(const char *path, bl_error *err) {
    if (!bl_directory_or_none(path, "a site", err)) return false;
    if (!bl_file_exists(path)) return true;
    char *mark = bl_path_join(path, "site.js", err);
    bool ours = mark && bl_file_exists(mark), empty = true;
    DIR *folder = mark && !ours ? opendir(path) : NULL;
    for (struct dirent *entry; folder && empty && (entry = readdir(folder)) != NULL;)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (folder) closedir(folder);
    free(mark);
    return mark &&
           (ours || empty ||
            bl_fail(err, BL_ERR_INPUT, "%s: a folder that is no site of bilens: it is not replaced", path));
}

bool bl_site_write(const bl_model *model, const char *atlas, const char *directory,
                   const bl_site_options *options, bl_error *err) {
    static const bl_site_options defaults = {0};
    bl_error_clear(err);
    if (!options) options = &defaults;
    const bl_serve_options serve = {.atlas = atlas};
    site s = {.shard = options->shard ? options->shard : DEFAULT_SHARD, .progress = options->progress};
    bl_staging staging = {0};
    bool ok = false;
    char *path = bl_trim_slashes(directory, "the site", err);
    if (!path || !check_place(path, err)) goto done;
    s.explorer = bl_explorer_new(model, NULL, &serve, err);
    if (!s.explorer) goto done;
    s.n = s.explorer->own_names.n ? s.explorer->own_names.n : s.explorer->names.n;
    if (s.shard > s.n) s.shard = s.n;
    s.explorer->site = true;
    if (!bl_atlas_reader_get_facts(s.explorer->layers[s.explorer->n_layers - 1])->complete) {
        bl_fail(err, BL_ERR_INPUT,
                "%s: the atlas is not finished: give the command that made it again, then write the site",
                atlas);
        goto done;
    }
    if (!choose_texts(&s, options, err) || !bl_staging_make(&staging, path, false, "the site", err))
        goto done;
    s.staging = staging.path;
    ok = make_all(&s, !options->no_spectra, err) && bl_staging_place(&staging, path, err);
done:
    free_decomposers(&s);
    bl_explorer_free(s.explorer);
    free(s.u);
    free(s.eigens);
    bl_site_texts_free(s.texts, s.n_texts);
    bl_staging_free(&staging, !ok);
    free(path);
    return ok;
}
