/* The paper's tokenizer.json around a vocabulary, in the very bytes in which the Hugging Face library saves
 * it. */
#include "base/buffer.h"
#include "base/file.h"
#include "text/tokenizer/wordpiece_train.h"
#include <stdio.h>
#include <stdlib.h>

static const char before_vocabulary[] =
    "  \"normalizer\": {\n    \"type\": \"Sequence\",\n    \"normalizers\": [\n"
    "      {\n        \"type\": \"NFD\"\n      },\n"
    "      {\n        \"type\": \"StripAccents\"\n      },\n"
    "      {\n        \"type\": \"Lowercase\"\n      }\n    ]\n  },\n"
    "  \"pre_tokenizer\": {\n    \"type\": \"Sequence\",\n    \"pretokenizers\": [\n"
    "      {\n        \"type\": \"Punctuation\",\n        \"behavior\": \"Isolated\"\n      },\n"
    "      {\n        \"type\": \"Whitespace\"\n      },\n"
    "      {\n        \"type\": \"Digits\",\n        \"individual_digits\": true\n      }\n    ]\n  },\n"
    "  \"post_processor\": {\n    \"type\": \"TemplateProcessing\",\n    \"single\": [\n"
    "      {\n        \"SpecialToken\": {\n          \"id\": \"[BOS]\",\n          \"type_id\": 0\n        "
    "}\n      },\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"A\",\n          \"type_id\": 0\n        }\n      "
    "}\n    ],\n    \"pair\": [\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"A\",\n          \"type_id\": 0\n        }\n      "
    "},\n"
    "      {\n        \"Sequence\": {\n          \"id\": \"B\",\n          \"type_id\": 1\n        }\n      "
    "}\n    ],\n"
    "    \"special_tokens\": {\n      \"[BOS]\": {\n        \"id\": \"[BOS]\",\n        \"ids\": [\n         "
    " 1\n        ],\n"
    "        \"tokens\": [\n          \"[BOS]\"\n        ]\n      }\n    }\n  },\n"
    "  \"decoder\": null,\n";

static void add_string(bl_buffer *out, const char *text, size_t n) {
    bl_buffer_text(out, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') bl_buffer_print(out, "\\%c", c);
        else if (c < 0x20) bl_buffer_print(out, "\\u%04x", c);
        else bl_buffer_add(out, text + i, 1);
    }
    bl_buffer_text(out, "\"");
}

bool bl_wordpiece_write(const bl_string_table *pieces, const char *path, bl_error *err) {
    bl_buffer out = {0};
    size_t length;
    bl_buffer_text(
        &out,
        "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n");
    for (size_t i = 0; i < BL_WORDPIECE_SPECIAL; i++) {
        bl_buffer_print(&out, "    {\n      \"id\": %zu,\n      \"content\": ", i);
        const char *text = bl_string_table_text(pieces, i, &length);
        add_string(&out, text, length);
        bl_buffer_print(&out,
                        ",\n      \"single_word\": false,\n      \"lstrip\": false,\n      \"rstrip\": "
                        "false,\n      \"normalized\": false,\n"
                        "      \"special\": true\n    }%s\n",
                        i + 1 < BL_WORDPIECE_SPECIAL ? "," : "");
    }
    bl_buffer_text(&out, "  ],\n");
    bl_buffer_text(&out, before_vocabulary);
    bl_buffer_print(&out,
                    "  \"model\": {\n    \"type\": \"WordPiece\",\n    \"unk_token\": \"[UNK]\",\n    "
                    "\"continuing_subword_prefix\": \"%s\",\n",
                    BL_WORDPIECE_PREFIX);
    bl_buffer_print(&out, "    \"max_input_chars_per_word\": %d,\n    \"vocab\": {", BL_WORDPIECE_LONGEST);
    for (size_t i = 0; i < pieces->n; i++) {
        const char *text = bl_string_table_text(pieces, i, &length);
        bl_buffer_text(&out, i ? ",\n      " : "\n      ");
        add_string(&out, text, length);
        bl_buffer_print(&out, ": %zu", i);
    }
    bl_buffer_text(&out, "\n    }\n  }\n}");
    length = out.n;
    char *json = bl_buffer_take(&out, err);
    bool ok = json && bl_file_write(path, json, length, err);
    free(json);
    return ok;
}
