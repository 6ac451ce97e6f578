/* A program outside the project, as a user of the installed library would write it: public header only. */
#include <bilens/bilens.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    bl_error err = {0};
    const float numbers[6] = {1, 2, 3, 4, 5, 6};
    bl_named_array array = {.name = "numbers", .data = numbers, .n_dims = 2, .shape = {2, 3}}, back;
    float *data = NULL;
    if (!bl_npy_write(argv[1], &array, &err) || !bl_npy_read(argv[1], &back, &data, &err)) {
        fprintf(stderr, "npy: %s\n", err.message);
        return 1;
    }
    int same = back.n_dims == 2 && back.shape[0] == 2 && back.shape[1] == 3 &&
               memcmp(data, numbers, sizeof numbers) == 0;
    bl_free(data);

    /* Reaches the model, the tokenizer and the decomposition, so that everything is linked. */
    bl_model *model = bl_model_load("no such directory", &err);
    int refused = model == NULL && err.code == BL_ERR_INPUT;
    bl_eigen *eigen = model ? bl_eigen_new(model, 0, numbers, 1, &err) : NULL;
    bl_eigen_free(eigen);
    bl_model_free(model);

    printf("bilens %s, %d thread\n", bl_version(), bl_set_threads(1));
    return same && refused ? 0 : 1;
}
