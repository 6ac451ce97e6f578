#!/usr/bin/env python3
"""Writes variants.jsonl: small tokenizers of many kinds, and what the Hugging Face `tokenizers` library makes of hostile texts.

One line a tokenizer: {"tokenizer": …, "cases": [{"text", "ids", "decoded"}]}; "decoded" is null where the library's answer is not
compared (an added token matched in normalised text: newer versions of the library decode its normalised form, older ones the form given).
Usage: python3 make_variants.py > variants.jsonl   (needs `pip install tokenizers`)"""
import json
import random

from tokenizers import Tokenizer

letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'\"-_éß中한가½²ﬁ"
words = ["the", "cat", "sat", "run", "running", "ee", "ing", "do", "not", "n't", "e\u0301", "ﬁsh", "fish"]
vocabulary = ["[UNK]", "[BOS]", "[EOS]"] + list(letters) + words
for unit in list(letters) + words:
    vocabulary += ["##" + unit, "@@" + unit]
vocabulary = {token: i for i, token in enumerate(dict.fromkeys(vocabulary))}


def added(i, content, **flags):
    return dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False) | flags


def tokenizer(normalizer, pre_tokenizer, tokens=(), prefix="##", longest=100, decoder=None, suffix=False):
    single = [{"SpecialToken": {"id": "[BOS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    if suffix:
        single.append({"SpecialToken": {"id": "[EOS]", "type_id": 0}})
    special = {name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in ("[BOS]", "[EOS]")}
    base = [added(i, name, special=True) for i, name in enumerate(("[UNK]", "[BOS]", "[EOS]"))]
    listed, fresh = base, len(vocabulary)
    for content, flags in tokens:
        if content in vocabulary:
            listed.append(added(vocabulary[content], content, **flags))
        else:
            listed.append(added(fresh, content, **flags))
            fresh += 1
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": listed, "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
                           "special_tokens": special},
        "decoder": decoder,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": prefix, "max_input_chars_per_word": longest,
                  "vocab": vocabulary},
    }


def sequence(key, *types):
    return {"type": "Sequence", key: [t if isinstance(t, dict) else {"type": t} for t in types]}


punctuation = {"type": "Punctuation", "behavior": "Isolated"}
digits = {"type": "Digits", "individual_digits": True}
digit_runs = {"type": "Digits", "individual_digits": False}
seed_pre = sequence("pretokenizers", punctuation, "Whitespace", digits)
marks = [("<x>", {}), ("<xy>", {"lstrip": True}), ("<xyz>", {"rstrip": True}), ("run", {"single_word": True}), ("É", {"normalized": True}),
         (" sp", {"normalized": True, "single_word": True}), ("sp ", {"lstrip": True, "rstrip": True}), ("tok", {"special": True})]
variants = [
    tokenizer(sequence("normalizers", "NFD", "StripAccents", "Lowercase"), seed_pre),
    tokenizer({"type": "NFC"}, {"type": "Whitespace"}),
    tokenizer({"type": "NFD"}, {"type": "WhitespaceSplit"}),
    tokenizer({"type": "NFKC"}, seed_pre, suffix=True),
    tokenizer(sequence("normalizers", "NFKD", "Lowercase"), sequence("pretokenizers", "Whitespace", digit_runs)),
    tokenizer({"type": "StripAccents"}, punctuation, prefix="@@"),
    tokenizer({"type": "Lowercase"}, digits, longest=5),
    tokenizer(None, None, prefix="", longest=0),
    tokenizer(None, digit_runs, prefix=""),
    tokenizer(sequence("normalizers", sequence("normalizers", "NFC"), "Lowercase", sequence("normalizers", "NFD")), seed_pre, marks),
    tokenizer(None, {"type": "Whitespace"}, marks),
    tokenizer({"type": "NFD"}, seed_pre, marks[::-1]),
    tokenizer({"type": "Lowercase"}, seed_pre, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}),
    tokenizer({"type": "Lowercase"}, sequence("pretokenizers", "Whitespace"), decoder={"type": "WordPiece", "prefix": "##", "cleanup": False}),
]

random.seed(20240607)
pools = [range(0x300, 0x370), range(0x590, 0x600), range(0x1100, 0x1200), range(0xAC00, 0xD7A4), range(0x2000, 0x2070), range(0x3000, 0x3100),
         range(0xA640, 0xA700), range(0xA7C0, 0xA800), range(0xF900, 0xFB50), range(0xFB50, 0x10000), range(0x10D40, 0x10D90),
         range(0x11300, 0x11400), range(0x11900, 0x11950), range(0x1D100, 0x1D800), range(0x1E000, 0x1E030), range(0x20, 0x7F), range(0xA0, 0x250),
         range(0x370, 0x400), range(0x1E00, 0x2000), range(0x8D0, 0x900), range(0x105D2, 0x105DB), range(0x16D60, 0x16D6B), range(0x1F100, 0x1F200),
         range(0x0, 0x20), range(0xD00, 0x1000), range(0xE0000, 0xE0100), range(0x10FFF0, 0x110000), range(0x110000)]
pieces = ["the", "cat", "Running", "do not", "don't", " ", "  ", "\n", "[BOS]", "[EOS]", "[bos]", "<x>", "<xy>", " <xyz> ", "run", "É", "é", " sp", "sp ",
          "tok", "fish", "ﬁsh", "½", "²", "12", "٣٤", "_", "İ", "ſ", "Å", "\u1E9B\u0323", "\U00011935\U00011930", "\u0899\u0301", "a" * 99, "b" * 101]


def text():
    out = []
    for _ in range(random.randrange(1, 9)):
        if random.random() < 0.5:
            out.append(random.choice(pieces))
        else:
            pool = random.choice(pools)
            points = [random.choice(pool) for _ in range(random.choice([1, 1, 2, 4]))]
            out.append("".join(chr(p) for p in points if not 0xD800 <= p < 0xE000 and p != 0))
    return "".join(out)


for variant in variants:
    library = Tokenizer.from_str(json.dumps(variant))
    shifting = {t["id"] for t in variant["added_tokens"] if t["normalized"]}
    cases = []
    for _ in range(60):
        sample = text()
        ids = library.encode(sample).ids
        decoded = None if shifting & set(ids) else library.decode(ids, skip_special_tokens=False)
        cases.append({"text": sample, "ids": ids, "decoded": decoded})
    print(json.dumps({"tokenizer": variant, "cases": cases}, separators=(",", ":")))
