/* Whether a direction's eigenvectors matter: chance, truncation and ablation of one direction on one text,
 * run after each other. A corpus is a stream and each run reads all of it, so the stories are kept. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/memory.h"
#include "result/results.h"
#include <bilens/evidence.h>
#include <stdlib.h>

enum { STORIES = 48, CONTROLS = 5, DRAWS = 99 };
#define STORIES_UP_TO 4000000u /* parameters */
#define STORIES_LEAST ((size_t)16)

typedef struct matter {
    const bl_question *question;
    bl_matter_options o;
    char *text; /* the stories, separated as in a .txt corpus */
    size_t size;
    float *u; /* [d] */
    int32_t token;
} matter;

static bool keep_stories(matter *m, bl_corpus *corpus, bl_error *err) {
    bl_buffer out = {0};
    bl_story story;
    size_t n = 0;
    while (n < m->o.stories && bl_corpus_next(corpus, &story, err)) {
        bl_buffer_add(&out, story.text, story.length);
        bl_buffer_text(&out, "\n<|endoftext|>\n");
        n++;
    }
    m->size = out.n;
    m->o.stories = n;
    m->text = bl_buffer_take(&out, err);
    if (err->code != BL_OK) return false;
    return m->text && (n || bl_fail(err, BL_ERR_INPUT, "the corpus has no story to measure on"));
}

static bool find_direction(matter *m, bl_error *err) {
    const bl_direction *direction = m->question->direction;
    bl_basis basis = bl_model_basis_out(m->question->model);
    m->token = -1;
    m->u = bl_alloc(bl_model_config(m->question->model)->d_model, sizeof *m->u, err);
    if (!m->u || !bl_direction_vector(direction, &basis, m->u, err)) return false;
    if (!direction->token) return true;
    m->token = (int32_t)bl_basis_find(&basis, direction->token, err);
    return m->token >= 0;
}

static bl_corpus *read_again(const matter *m, bl_error *err) {
    return bl_corpus_open_memory("stories.txt", m->text, m->size, err);
}

static bl_tree *by_chance(const matter *m, bl_error *err) {
    bl_bilinear map;
    bl_chance chance = {0};
    bl_tree *tree = NULL;
    if (bl_model_bilinear(m->question->model, m->question->layer, &map, err) &&
        bl_chance_of(&map, m->u, m->o.draws, m->o.seed, m->o.progress, &chance, err))
        tree = bl_null_tree(m->question, &chance, m->o.eigs, m->o.n_eigs, NULL, err);
    bl_chance_free(&chance);
    return tree;
}

static bl_tree *by_truncation(const matter *m, bl_error *err) {
    bl_corpus *corpus = read_again(m, err);
    bl_token_truncation curve = {0};
    bl_truncate_options options = {.seed = m->o.seed, .progress = m->o.progress};
    bl_tree *tree = NULL;
    if (corpus && bl_truncate_token(m->question->model, m->u, m->token, corpus, &options, &curve, err))
        tree = bl_truncate_token_tree(m->question, &curve, err);
    bl_token_truncation_free(&curve);
    bl_corpus_free(corpus);
    return tree;
}

static bl_tree *by_ablation(const matter *m, const long *eig, bl_error *err) {
    bl_corpus *corpus = read_again(m, err);
    bl_ablation result = {0};
    bl_ablate_options options = {.controls = m->o.controls, .seed = m->o.seed, .progress = m->o.progress};
    bl_tree *tree = NULL;
    if (corpus && bl_ablate(m->question->model, m->question->layer, m->u, m->token, eig, 1, corpus, &options,
                            &result, err))
        tree = bl_ablate_tree(m->question, eig, 1, &options, &result, err);
    bl_ablation_free(&result);
    bl_corpus_free(corpus);
    return tree;
}

static bl_tree *judge(const matter *m, bl_error *err) {
    bl_builder b = {err, false};
    bl_tree *root = bl_put_object(&b, NULL, NULL), *ablations = NULL;
    bool last = m->question->layer + 1 == bl_model_config(m->question->model)->n_layer;
    bl_put_count(&b, root, "stories", m->o.stories);
    bl_put_tree(&b, root, "null", by_chance(m, err));
    if (last && !b.failed) bl_put_tree(&b, root, "truncate", by_truncation(m, err));
    if (!b.failed) ablations = bl_put_array(&b, root, "ablate");
    for (size_t i = 0; i < m->o.n_ablated && !b.failed; i++)
        bl_put_tree(&b, ablations, NULL, by_ablation(m, &m->o.ablated[i], err));
    return bl_tree_built(&b, root);
}

/* Fewer stories for larger models, so that the evidence costs about as much. */
static size_t default_stories(const bl_model *model) {
    uint64_t n = bl_model_parameters(model);
    if (n <= STORIES_UP_TO) return STORIES;
    size_t fewer = (size_t)((uint64_t)STORIES * STORIES_UP_TO / n);
    return fewer < STORIES_LEAST ? STORIES_LEAST : fewer;
}

bl_tree *bl_matter_tree(const bl_question *question, bl_corpus *corpus, const bl_matter_options *options,
                        bl_error *err) {
    matter m = {.question = question, .o = *options};
    bl_tree *tree = NULL;
    bl_error_clear(err);
    if (!m.o.stories) m.o.stories = default_stories(question->model);
    if (!m.o.controls) m.o.controls = CONTROLS;
    if (!m.o.draws) m.o.draws = DRAWS;
    if (find_direction(&m, err) && keep_stories(&m, corpus, err)) tree = judge(&m, err);
    free(m.u);
    bl_free(m.text);
    return tree;
}

bool bl_report_add_evidence(bl_tree *report, bl_tree *evidence, bl_error *err) {
    bl_builder b = {err, false};
    if (!evidence) return false;
    bl_put_tree(&b, report, "evidence", evidence);
    return !b.failed;
}
