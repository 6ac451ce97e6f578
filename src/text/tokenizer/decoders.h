/* From tokens back to text: WordPiece, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip, in sequence.
 */
#ifndef BL_TEXT_DECODERS_H
#define BL_TEXT_DECODERS_H
#include "base/buffer.h"
#include "text/tokenizer/json_node.h"

/* Tokens' texts one behind the other, which may hold NULs. Zero-initialise; free with bl_pieces_free. */
typedef struct bl_pieces {
    bl_buffer text;
    size_t *ends; /* [n] */
    size_t n, capacity;
} bl_pieces;

void bl_pieces_free(bl_pieces *pieces);
/* Ends the piece that the text added since the last one makes. */
bool bl_pieces_end(bl_pieces *pieces, bl_error *err);

typedef struct bl_decoder_step bl_decoder_step;
struct bl_decoder_step {
    /* Appends what becomes of all pieces to `to`, which is empty. */
    bool (*apply)(const bl_decoder_step *step, const bl_pieces *from, bl_pieces *to, bl_error *err);
    bl_short_text pattern, content; /* WordPiece: the prefix, none; Metaspace: the sign, none; Replace: both;
                                       Strip: none, the character */
    size_t start, stop;             /* Strip: at most so many at either end */
    bool cleanup;                   /* WordPiece: no blank before punctuation */
    bool drop_first;                /* Metaspace: no blank for the signs of the first piece */
};

/* Without any step tokens are joined by blanks. A plain value. */
typedef struct bl_decoder {
    bl_decoder_step steps[BL_MAX_STEPS];
    size_t n;
} bl_decoder;

bool bl_read_decoder(const bl_node *node, bl_decoder *decoder, bl_error *err);

/* Runs the steps; the result is in `pieces`. */
bool bl_decoder_run(const bl_decoder *decoder, bl_pieces *pieces, bl_error *err);
#endif
