/* Text for LaTeX. */
#ifndef BL_REPORT_LATEX_H
#define BL_REPORT_LATEX_H
#include "base/buffer.h"

/* A token made visible, with every character that commands LaTeX written as text. */
void bl_latex_text(bl_buffer *out, const char *text);
#endif
