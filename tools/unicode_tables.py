#!/usr/bin/env python3
"""Writes src/text/tokenizer/unicode_tables.c: character classes as the Hugging Face `tokenizers` library sees them.

Asks the library itself about every code point, so the table is exact for the library's version, whatever ages its Unicode tables have.
Usage: python3 tools/unicode_tables.py > src/text/tokenizer/unicode_tables.c   (needs `pip install tokenizers`)"""
import textwrap

import tokenizers
from tokenizers import normalizers, pre_tokenizers

WORD, SPACE, PUNCTUATION, NUMERIC, MARK, LETTER, NUMBER, BLANK = 1, 2, 4, 8, 16, 32, 64, 128
whitespace = pre_tokenizers.Whitespace()
punctuation = pre_tokenizers.Punctuation("isolated")
digits = pre_tokenizers.Digits(individual_digits=True)
accents = normalizers.StripAccents()
byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def classes(point):
    if 0xD800 <= point < 0xE000:
        return 0
    c = chr(point)
    words = whitespace.pre_tokenize_str("a" + c)
    flags = SPACE if len(words) == 1 and words[0][0] == "a" else WORD if len(words) == 1 else 0
    if len(punctuation.pre_tokenize_str("a" + c + "a")) == 3:
        flags |= PUNCTUATION
    if len(digits.pre_tokenize_str("a" + c)) == 2:
        flags |= NUMERIC
    if accents.normalize_str("a" + c) == "a":
        flags |= MARK
    # Its expression puts a letter behind a letter, a number behind a number, anything else but white space behind a mark.
    if len(byte_level.pre_tokenize_str("a" + c)) == 1:
        flags |= LETTER
    elif len(byte_level.pre_tokenize_str("1" + c)) == 1:
        flags |= NUMBER
    elif len(byte_level.pre_tokenize_str("!" + c)) == 2:
        flags |= BLANK
    return flags


def rows(numbers, form, width):
    texts = [form % n + "," for n in numbers]
    return textwrap.fill(" ".join(texts), width, initial_indent="    ", subsequent_indent="    ") + "\n"


table = [classes(point) for point in range(0x110000)]
runs = [point << 8 | table[point] for point in range(0x110000) if point == 0 or table[point] != table[point - 1]]
print("/* Character classes (text/tokenizer/unicode.h) as `tokenizers` %s sees them.\n * Made by tools/unicode_tables.py; do not edit. */" % tokenizers.__version__)
print('#include "text/tokenizer/unicode.h"\n\n/* clang-format off */')
print("const uint8_t bl_ascii_class[128] = {\n" + rows(table[:128], "%d", 108) + "};\n")
print("const uint32_t bl_unicode_runs[] = {\n" + rows(runs, "0x%07x", 108) + "};")
print("/* clang-format on */\n\nconst size_t bl_unicode_n_runs = sizeof bl_unicode_runs / sizeof *bl_unicode_runs;")
