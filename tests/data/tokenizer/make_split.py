#!/usr/bin/env python3
"""Writes tokenizers that split by regular expressions and strings, and tokenizers with odd added tokens, and what the Hugging Face library
makes of hostile texts.

    make_split.py STORIES > split.jsonl          (needs `pip install tokenizers`; STORIES: data/stories.txt)
    make_split.py STORIES SEED ROUNDS            with other random numbers, ROUNDS times as much

Lines as make_bpe.py writes them."""
import json
import random
import sys

from tokenizers import Tokenizer

from make_bpe import added, byte_level, digits, end, gpt2, llama, llama_decoder, marks, metaspace, normaliser, punctuation, replace, rounds, sequence, show, sign, spaced
from make_bpe import specials, template, text, tokenizer

llama3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
qwen2 = llama3.replace("{1,3}", "")
original = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
olmo = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
behaviors = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def cut(*steps):
    return sequence("pretokenizers", *steps, byte_level(False, False))


blanks = [(" " * n, {"normalized": True}) for n in range(20, 1, -1)]
variants = [
    tokenizer(gpt2, None, cut(split(llama3)), byte_level(), sequence("processors", byte_level(), template(end, 0)), marks[:1], ignore_merges=True),
    tokenizer(gpt2, {"type": "NFC"}, cut(split(qwen2)), byte_level(), byte_level(), marks),
    tokenizer(gpt2, {"type": "NFC"}, byte_level(), byte_level(), byte_level(), marks[:1] + blanks),
    tokenizer(gpt2, None, cut(split(olmo)), byte_level()),
    tokenizer(gpt2, None, cut(digits, split(original)), byte_level()),
    tokenizer(spaced, replace(" ", sign), split(" ", "MergedWithPrevious", kind="String"), llama_decoder, template("<s>", 1),
              specials + [("\n\n", {}), ("\n\n\n", {}), ("\t\t", {})], **llama),
    tokenizer(spaced, {"type": "NFKC"}, metaspace("always", False), llama_decoder, None, specials + [("  x", {"rstrip": True, "special": True})], **llama),
    tokenizer(gpt2, None, cut(*[{"type": "Punctuation", "behavior": "Contiguous"}, split(r"^[a-z]+$|.")]), byte_level()),
    tokenizer(gpt2, None, cut(split(r"(?m:a.|e.)|\b\w|[\h_]{,2}x|(?<=t)h|\S\z")), byte_level()),
    tokenizer(gpt2, None, cut(split(r"[^\s\w]+|[[:alpha:]]|\d\D|\W|\H"), split(r"(?=e)|x*")), byte_level()),
]
for behavior in behaviors:
    for invert in (False, True):
        variants.append(tokenizer(gpt2, None, cut(split(random.choice(["e", " ", "th", "  "]), behavior, invert, "String")), byte_level()))
        variants.append(tokenizer(gpt2, None, cut(split(random.choice([r"\s+", r"\p{N}", r"\p{L}\p{M}*", r"[aeiou]|", r"\s*\S"]), behavior, invert)), byte_level()))
    variants.append(tokenizer(gpt2, None, cut({"type": "Punctuation", "behavior": behavior}), byte_level()))
nul = tokenizer(gpt2, None, None, None, None, [("a\0b", {})])
nul["model"]["vocab"] |= {"\0": 1000, "x": 1001, "\0x": 1002, "\ufdd0": 1003}
nul["model"]["merges"].append(["\0", "x"])


nul["added_tokens"][0]["id"] = len(nul["model"]["vocab"])


def listed_again():
    """Tokens that stand in the list several times, with random flags, some of them in the vocabulary."""
    flags = lambda: {k: random.random() < 0.5 for k in ("normalized", "special", "lstrip", "rstrip", "single_word")}
    tokens = [(random.choice(["Foo", "run", "THE", "q", "x x"]), flags()) for _ in range(9)]
    variant = tokenizer(gpt2, {"type": "Lowercase"}, byte_level(), byte_level(), None, tokens)
    library = Tokenizer.from_str(json.dumps(variant))
    for token in variant["added_tokens"]:
        token["id"] = library.token_to_id(token["content"])
    return variant


def other_ids(variant):
    """The same with ids that the library does not heed."""
    return variant | {"added_tokens": [token | {"id": random.randrange(2000)} for token in variant["added_tokens"]]}


def hostile():
    if random.random() < 0.3:
        pieces = ["Foo", "foo", "FOO", "\0", "x", "a\0b", "\ufdd0", "\u017f", "\u212a", "'\u017f", "'S", "'LL", "'Re", "\u180e", "\u0085", "\u2028", "12", "1234567", "\r\n", "\n", "   ", "\t", "th",
                  "\u0301", "é", "\ufb05", "Ⅷ", "²", "_", "run", "x", "e", "!?", "。", "ひらがな", "मैं", "\u200d",
                  "\U00031350", "\U0001376f", "\U00010d40", "\ua7cb"]  # letters and a number of Unicode 15 and later
        return "".join(random.choice(pieces) * random.choice([1, 1, 2, 5, 25]) for _ in range(random.randrange(1, 9)))
    return text()


if __name__ == "__main__":
    for variant in variants:
        show(variant, hostile, 12 * rounds)
    for variant in [listed_again() for _ in range(6 * rounds)]:
        show(variant, hostile, 12 * rounds, other_ids(variant))
    show(nul, hostile, 20 * rounds, json.dumps(nul))  # a NUL in a key, which not every JSON library reads
