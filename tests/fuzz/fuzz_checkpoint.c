/* A checkpoint of a training run from anyone; where its end has room for a checksum, that is made right
 * first, so that what lies behind it is reached: it is refused with a message, or gives a state that a run
 * can go on from. */
#include "fuzz_model.h"
#include "train/checkpoint.c" /* its checksum is its own */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { TOTAL = 4 };
    static float memory[3 * TOTAL];
    bl_error err = {0};
    bl_precision precision;
    bl_train_state state = {0};
    bl_train_arrays arrays = {memory, memory + TOTAL, memory + 2 * TOTAL, TOTAL};
    json_t *description = json_pack("{s:i, s:s}", "steps", 3, "precision", "f32");
    const char *path = fuzz_path("checkpoint");
    uint8_t *copy = malloc(size + 1);
    if (!copy || !description) abort();
    memcpy(copy, data, size);
    uint64_t length = 0;
    size_t begin = MAGIC_SIZE + 8, rest = 3 * TOTAL * sizeof(float) + 8;
    if (size >= begin + rest) memcpy(&length, copy + MAGIC_SIZE, 8);
    if (size >= begin + rest && length == size - begin - rest && data[size - 1] % 2) {
        uint64_t hash =
            hash_bytes(hash_bytes(hash_bytes(0, copy, MAGIC_SIZE), &length, 8), copy + begin, length);
        for (size_t i = 0; i < 3; i++)
            hash = hash_bytes(hash, copy + begin + length + i * TOTAL * sizeof(float), TOTAL * sizeof(float));
        memcpy(copy + size - 8, &hash, sizeof hash);
    }
    if (!bl_file_write(path, copy, size, &err)) abort();
    (void)bl_checkpoint_precision(path, &precision);
    if (!bl_checkpoint_read(path, description, &state, &arrays, &err) &&
        (err.code == BL_OK || !err.message[0]))
        abort();
    json_decref(description);
    free(copy);
    return 0;
}
