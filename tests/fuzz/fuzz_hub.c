/* What a hub sends, and what a user types: the list of files, the commit, the Link header, names. What is
 * accepted must be safe to use. */
#include "hub/hub_private.h"
#include <bilens/bilens.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char commit[41], *text = malloc(size + 1);
    bl_hub_snapshot *files = calloc(1, sizeof *files);
    bl_hub_name name;
    if (!text || !files) abort();
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    bl_hub_read_tree(text, size, "fuzz", files, NULL);
    bl_hub_sort(files);
    for (size_t i = 0; i < bl_hub_snapshot_n_files(files); i++) {
        const bl_hub_entry *file = &files->files[i];
        if (file->hash[0] && !bl_hub_is_hex(file->hash, 40) && !bl_hub_is_hex(file->hash, 64)) abort();
        if (bl_hub_safe_path(file->name) &&
            (strstr(file->name, "/../") || strncmp(file->name, "../", 3) == 0 || file->name[0] == '/'))
            abort();
    }
    bl_hub_snapshot_free(files);
    if (bl_hub_read_revision(text, size, "fuzz", commit, NULL) && !bl_hub_is_hex(commit, 40)) abort();
    bl_free(bl_hub_next_page(text, NULL));
    if (bl_hub_parse(text, &name, NULL) &&
        (strstr(name.repository, "..") || strstr(name.revision, "/../") || name.revision[0] == '/'))
        abort();
    free(text);
    return 0;
}
