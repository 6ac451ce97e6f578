/* The first bytes of files that are downloaded, renamed and passed on by mistake. Only marks that no UTF-8
 * story and no safetensors header begins with stand here. */
#include "format/kind.h"
#include "base/error.h"
#include <bilens/format.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct mark {
    size_t at, n; /* n bytes from here on */
    const char *bytes;
    bool any_case;
    bl_kind kind;
} mark;

#define MARK(at, text) at, sizeof(text) - 1, text, false
#define WORD(text) 0, sizeof(text) - 1, text, true

static const char download[] = "the download brought a page instead of the file: download it again";
static const char records[] =
    "write its texts as .jsonl, one object like {\"text\": \"Once ...\"} on each line";
static const char weights[] = "save the weights as .safetensors (safetensors.torch.save_file)";

static const char pictures[] = "image models read IDX files, and arrays in .npy";

static const mark marks[] = {
    {MARK(0, "version https://git-lfs"),
     {"a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"}},
    {WORD("<!doctype html"), {"an HTML page", download}},
    {WORD("<html"), {"an HTML page", download}},
    {MARK(0, "PK\3\4"),
     {"a zip archive (PyTorch's .bin and .pt files are such, too)",
      "unpack it first (unzip); PyTorch's weights: save them as .safetensors (safetensors.torch.save_file)"}},
    {MARK(0, "PK\5\6"), {"an empty zip archive", "give the file that should be in it"}},
    {MARK(0, "\x89HDF\r\n\x1A\n"), {"an HDF5 file", "save its content as .safetensors, its texts as .jsonl"}},
    {MARK(0, "\x80\2\x8A"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\2}"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\2("), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\2]"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\3"
             "c"),
     {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\3}"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\3]"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\3("), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\4\x95"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\5\x95"), {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\x80\2"
             "c"),
     {"a Python pickle (PyTorch's old format is one)", weights}},
    {MARK(0, "\xFD"
             "7zXZ"),
     {"xz data", "unpack it first: xz -d"}},
    {MARK(4, "1AY&SY"), {"bzip2 data", "unpack it first: bzip2 -d"}},
    {MARK(0, "7z\xBC\xAF\x27\x1C"), {"a 7z archive", "unpack it first: 7z x"}},
    {MARK(0, "Rar!\x1A\7"), {"a rar archive", "unpack it first: unrar x"}},
    {MARK(0, "\4\"M\x18"), {"lz4 data", "unpack it first: lz4 -d"}},
    {MARK(0, "LZIP\1"), {"lzip data", "unpack it first: lzip -d"}},
    {MARK(257, "ustar"), {"a tar archive", "unpack it first: tar -xf"}},
    {MARK(0, "PAR1"), {"a parquet file", records}},
    {MARK(0, "ARROW1\0\0"), {"an arrow file", records}},
    {MARK(0, "FEA1"), {"a feather file", records}},
    {MARK(6, "\0\0\x10\0\0\0"), {"an arrow stream", records}},
    {MARK(0, "Obj\1"), {"an Avro file", records}},
    {MARK(0, "SQLite format 3"), {"an SQLite database", records}},
    {WORD("<?xml"), {"an XML document", download}},
    {MARK(0, "\x89PNG\r\n"), {"a PNG image", pictures}},
    {MARK(0, "\xFF\xD8\xFF"), {"a JPEG image", pictures}},
    {MARK(0, "GIF8"), {"a GIF image", pictures}},
    {MARK(0, "MATLAB 5.0"), {"a MATLAB file", "save the array as .npy or .csv"}},
    {MARK(0, "%PDF-"), {"a PDF document", "save its text: pdftotext"}},
    {MARK(0, "\x93NUMPY"), {"a NumPy array (.npy)", "give it where an array is expected"}},
    {MARK(5, "\0\0\0{\""), {"safetensors", "give it where weights or an array are expected"}},
    {MARK(0, "GGUF"), {"a GGUF file", "give it as MODEL, under a name that ends in .gguf"}},
    {MARK(0, "\x1F\x8B"), {"gzip data", "unpack it first: gzip -d"}},
    {MARK(0, "\x28\xB5\x2F\xFD"), {"zstd data", "unpack it first: zstd -d"}},
    {MARK(0, "\xFF\xFE"), {"UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"}},
    {MARK(0, "\xFE\xFF"), {"UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"}},
    {MARK(0, "\x7F"
             "ELF"),
     {"a program", "give the file that was meant"}},
};

const bl_kind *bl_kind_of(const void *first, size_t n) {
    const char *bytes = first;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const mark *m = &marks[i];
        size_t at = m->at;
        while (m->any_case && at < n && bytes[at] && strchr(" \t\r\n", bytes[at])) at++;
        if (n < at + m->n) continue;
        int other =
            m->any_case ? strncasecmp(bytes + at, m->bytes, m->n) : memcmp(bytes + at, m->bytes, m->n);
        if (other == 0) return &m->kind;
    }
    return NULL;
}

bool bl_kind_unknown(const void *first, size_t n, const char *path, const char *wanted, bl_error *err) {
    const bl_kind *kind = bl_kind_of(first, n);
    if (!kind || (wanted && strcmp(kind->name, wanted) == 0)) return true; /* it is that, but damaged */
    return bl_fail(err, BL_ERR_INPUT, "%s: this is %s%s%s: %s", path, kind->name, wanted ? ", not " : "",
                   wanted ? wanted : "", kind->next);
}

bool bl_text_check(const void *data, size_t n, const char *path, bl_error *err) {
    if (!bl_kind_unknown(data, n, path, "text", err)) return false;
    return n == 0 || !memchr(data, '\0', n) ||
           bl_fail(err, BL_ERR_INPUT, "%s: holds NUL: it is no text in UTF-8 (is it UTF-16?)", path);
}

bool bl_kind_unknown_file(const char *path, const char *wanted, bl_error *err) {
    char first[BL_KIND_BYTES];
    FILE *file = fopen(path, "rbe");
    size_t n = file ? fread(first, 1, sizeof first, file) : 0;
    if (file) fclose(file);
    return bl_kind_unknown(first, n, path, wanted, err);
}
