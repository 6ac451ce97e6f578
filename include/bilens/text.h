/** @file text.h  Tokenizers (docs/specification.md, 3) and corpora. */
#ifndef BILENS_TEXT_H
#define BILENS_TEXT_H

#include <bilens/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A tokenizer read from a Hugging Face `tokenizer.json`: WordPiece, byte-level BPE (GPT-2's kind) or
 * SentencePiece-style BPE (Llama's and Mistral's kind). Immutable; may be used from many threads at once. */
typedef struct bl_tokenizer bl_tokenizer;

/** Token ids that grow as needed. Zero-initialise; the caller frees with bl_ids_free. */
typedef struct bl_ids {
    int32_t *data;
    size_t n, capacity;
} bl_ids;

/** Frees what `ids` holds, not the struct itself. NULL is allowed. */
BL_API void bl_ids_free(bl_ids *ids);

/** Reads `path`. A component that is not supported is refused by its name (BL_ERR_UNSUPPORTED). */
BL_API bl_tokenizer *bl_tokenizer_load(const char *path, bl_error *err);
/** Frees `tokenizer` and all that it holds. NULL is allowed. */
BL_API void bl_tokenizer_free(bl_tokenizer *tokenizer);

/** Number of ids: one more than the largest id in the vocabulary or among the added tokens. A model without
 * tokenizer.json has NULL for a tokenizer, in all functions below: it has 0 ids, no id has a token, and what
 * would read or write text fails with BL_ERR_INPUT. */
BL_API size_t bl_tokenizer_size(const bl_tokenizer *tokenizer);

/** The ids of `text` (UTF-8, `length` bytes) with the template applied ([BOS] first, where the file asks for
 * it), replacing the content of `ids`. Exactly the ids of the Hugging Face library. Invalid UTF-8 is
 * BL_ERR_INPUT with the byte offset in the message. */
BL_API bool bl_tokenizer_encode(const bl_tokenizer *tokenizer, const char *text, size_t length, bl_ids *ids,
                                bl_error *err);

/** The vocabulary's own string of an id ("##ing", "Ġswim", "▁swim"), NULL when there is none. Owned by the
 * tokenizer. */
BL_API const char *bl_tokenizer_token(const bl_tokenizer *tokenizer, int32_t id);

/** The id of a vocabulary string, or -1. */
BL_API int32_t bl_tokenizer_id(const bl_tokenizer *tokenizer, const char *token);

/** The id that a user's `token` names: the vocabulary's own string, `#1234`, or for BPE the string with plain
 * blanks (" swim" for "Ġswim" or "▁swim"). -1 with BL_ERR_USAGE, whose message suggests the nearest
 * strings (by edit distance), when there is none. */
BL_API int32_t bl_tokenizer_find(const bl_tokenizer *tokenizer, const char *token, bl_error *err);

/** The ids of the at most `most` <= 3 vocabulary strings nearest to `token` by edit distance, the nearest
 * first; returns how many. */
BL_API size_t bl_tokenizer_nearest(const bl_tokenizer *tokenizer, const char *token, int32_t *ids,
                                   size_t most);

/** The id of the token that ends a text, which also pads: `[EOS]`, `</s>`, `<|endoftext|>`, `<|end_of_text|>`
 * or `<eos>`, whichever is there first; or -1. */
BL_API int32_t bl_tokenizer_eos(const bl_tokenizer *tokenizer);

/** Text of `n` ids, as the Hugging Face library's decode(ids, skip_special_tokens=False) gives it. Free with
 * bl_free. An id outside the vocabulary is BL_ERR_INPUT. */
BL_API char *bl_tokenizer_decode(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bl_error *err);

/** The same with its length in bytes: byte-level tokens can spell NULs, behind which a string would end.
 * NUL-terminated all the same. */
BL_API char *bl_tokenizer_decode_n(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                   size_t *length, bl_error *err);

/** The same as a reader expects it, without [BOS] and [EOS]. Of a WordPiece tokenizer: pieces glued, no blank
 * before punctuation, quotation marks opened and closed; with `capitals` sentences begin with one, and so
 * does "i" (names cannot be known). BPE keeps blanks and capitals, so there it is the decoded text (a NUL
 * shown as U+FFFD), and `capitals` changes nothing. The words are the same: text -> ids -> prose -> ids comes
 * back to the same ids, but for blanks that the file's decoder drops at the beginning. Free with bl_free. An
 * id outside the vocabulary is BL_ERR_INPUT. */
BL_API char *bl_tokenizer_prose(const bl_tokenizer *tokenizer, const int32_t *ids, size_t n, bool capitals,
                                bl_error *err);

/** A stream of stories from one or more files. Not to be shared between threads. */
typedef struct bl_corpus bl_corpus;

/** One story. `text` is UTF-8, not NUL-terminated, valid until the next call on the same corpus. */
typedef struct bl_story {
    const char *text;
    size_t length;
    const char *path;     /**< the file it came from, owned by the corpus; "-" for standard input */
    uint64_t byte_offset; /**< where it begins in that file's uncompressed text */
    size_t line;          /**< 1-based line where it begins */
    uint64_t number; /**< the entry's 0-based place in the corpus, over all files, blank entries counted */
} bl_story;

/** Opens files in order as one stream: `.txt` (stories between `<|endoftext|>`, stripped), `.jsonl` (one
 * object with "text" per line, or one string, verbatim), `.json` (an array of such objects or strings), each
 * optionally `.gz` or `.zst`; `-` is standard input, and there and wherever the name does not tell, the
 * content decides (compression by magic bytes; jsonl if it begins with `{`, an array if it begins with `["`,
 * `[{` or `[]`). Blank entries are skipped but counted in bl_story.number. Files of another kind (CSV, tar,
 * zip, parquet) are refused by their name. A missing file fails here; a corpus with no story at all fails at
 * the first bl_corpus_next with BL_ERR_INPUT. */
BL_API bl_corpus *bl_corpus_open(const char *const *paths, size_t n_paths, bl_error *err);
/** One file's content that is in memory already, and stays there as long as the corpus; the suffix of `name`
 * says what it is. */
BL_API bl_corpus *bl_corpus_open_memory(const char *name, const void *data, size_t size, bl_error *err);
/** Frees `corpus` and all that it holds. NULL is allowed. */
BL_API void bl_corpus_free(bl_corpus *corpus);

/** The key of JSON objects under which their text stands, instead of "text"; NULL: "text" again. Call it
 * before the first bl_corpus_next. Fails with BL_ERR_MEMORY only. */
BL_API bool bl_corpus_text_key(bl_corpus *corpus, const char *key, bl_error *err);

/** After reading: a sentence for the user when a .txt file was one single story, far longer than a context of
 * `n_ctx` tokens (its stories are probably separated by something else); NULL otherwise. Owned by the corpus.
 */
BL_API const char *bl_corpus_note(bl_corpus *corpus, size_t n_ctx);

/** The next story: true and `*story`; false at the end (err->code BL_OK) or on failure (err->code set).
 *  Memory is bounded by the longest story (at most 1 GiB). */
BL_API bool bl_corpus_next(bl_corpus *corpus, bl_story *story, bl_error *err);

/** Compressed bytes read so far and in all (0 when unknown, as for standard input): for progress bars. */
BL_API void bl_corpus_position(const bl_corpus *corpus, uint64_t *done, uint64_t *total);

#ifdef __cplusplus
}
#endif
#endif
