/* Every token runs the whole text so far again: simple, and cheap at a sample's length. bl_generate does it
 * with a cache. */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "linear/softmax.h"
#include "train/trainer.h"
#include <stdlib.h>

#define TEMPERATURE 0.8F

/* An index drawn in proportion to exp(logit / temperature). */
static int32_t draw(float *logits, size_t V, bl_random *random) {
    double left = bl_random_uniform(random);
    for (size_t i = 0; i < V; i++) logits[i] /= TEMPERATURE;
    bl_softmax(logits, V);
    for (size_t i = 0; i + 1 < V; i++) {
        left -= (double)logits[i];
        if (left < 0) return (int32_t)i;
    }
    return (int32_t)V - 1;
}

char *bl_net_sample(bl_net *net, const bl_tokenizer *tokenizer, size_t most, uint64_t seed, bl_error *err) {
    bl_ids ids = {0};
    bl_random random;
    char *text = NULL;
    size_t V = net->config.n_vocab;
    float *logits = bl_alloc(V, sizeof *logits, err);
    if (!logits || !bl_tokenizer_encode(tokenizer, "", 0, &ids, err)) goto done;
    int32_t end = bl_tokenizer_eos(tokenizer);
    size_t begin = ids.n, limit = begin + most < net->config.n_ctx ? begin + most : net->config.n_ctx;
    if (!bl_grow(&ids.data, &ids.capacity, limit + 1, sizeof *ids.data, err)) goto done;
    if (ids.n == 0)
        ids.data[ids.n++] = end >= 0 ? end : 0; /* a tokenizer without a template: begin as after a story */
    begin = ids.n;
    bl_random_seed(&random, seed);
    if (!bl_net_pack(net, &(bl_pass){0}, err)) goto done;
    while (ids.n < limit) {
        if (!bl_net_next(net, ids.data, ids.n, logits, err)) goto done;
        int32_t id = draw(logits, V, &random);
        if (id == end || (size_t)id >= bl_tokenizer_size(tokenizer)) break;
        ids.data[ids.n++] = id;
    }
    text = bl_tokenizer_decode(tokenizer, ids.data + begin, ids.n - begin, err);
done:
    free(logits);
    bl_ids_free(&ids);
    return text;
}
