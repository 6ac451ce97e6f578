#!/usr/bin/env python3
"""Writes small BPE tokenizers of many kinds, and what the Hugging Face `tokenizers` library makes of hostile texts and of random ids.

    make_bpe.py STORIES > bpe.jsonl        (needs `pip install tokenizers`; STORIES: a text to train on, data/stories.txt); writes
                                           byte_level.json and sentencepiece.json, two of the tokenizers, into this folder as well
    make_bpe.py STORIES SEED ROUNDS        with other random numbers, ROUNDS times as much, no files: for a longer comparison

One line a tokenizer: {"tokenizer": …, "cases": [{"text", "ids", "decoded"} or {"ids", "decoded"}]}; "decoded" is null where the library's answer
is not compared (an added token matched in normalised text: newer versions decode its normalised form) or where the library itself fails."""
import copy
import json
import pathlib
import random
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

seed, rounds = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 2 else (20241107, 1)
random.seed(seed)
sign = "\u2581"
stories = [s.strip() for s in open(sys.argv[1], encoding="utf-8").read().split("<|endoftext|>") if s.strip()]
byte_alphabet = pre_tokenizers.ByteLevel.alphabet()


def train(pre_tokenizer, size, special=(), alphabet=(), **options):
    """A model's JSON: the vocabulary and the merges that the library learns."""
    t = Tokenizer(models.BPE(unk_token="<unk>" if "<unk>" in special else None))
    t.pre_tokenizer = pre_tokenizer
    t.train_from_iterator(stories, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=list(alphabet),
                                                       show_progress=False, **options))
    return json.loads(t.to_str())["model"]


def added(i, content, **flags):
    return dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False) | flags


def sequence(key, *parts):
    return {"type": "Sequence", key: [p if isinstance(p, dict) else {"type": p} for p in parts]}


def tokenizer(model, normalizer=None, pre_tokenizer=None, decoder=None, post=None, tokens=(), **changes):
    model = copy.deepcopy(model) | changes
    vocabulary = model["vocab"]
    fresh = max(vocabulary.values()) + 1
    listed = []
    for content, flags in tokens:
        i = vocabulary.get(content)
        if i is None:
            i, fresh = fresh, fresh + 1
        listed.append(added(i, content, **flags))
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": listed, "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
            "post_processor": post, "decoder": decoder, "model": model}


def byte_level(prefix_space=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": sign, "prepend_scheme": scheme, "split": split}


def template(name, i):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {name: {"id": name, "ids": [i], "tokens": [name]}}}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def strip(start, stop, content=" "):
    return {"type": "Strip", "content": content, "start": start, "stop": stop}


end = "<|endoftext|>"
marks = [(end, {"special": True, "normalized": True}), ("<x>", {}), ("<xy>", {"lstrip": True}), ("<xyz>", {"rstrip": True}), ("run", {"single_word": True}),
         (" sp", {"normalized": True, "single_word": True}), ("sp ", {"lstrip": True, "rstrip": True}), ("tok", {"special": True})]
digits = {"type": "Digits", "individual_digits": True}
punctuation = {"type": "Punctuation", "behavior": "Isolated"}
gpt2 = train(pre_tokenizers.ByteLevel(add_prefix_space=False), 380, [end], byte_alphabet)
seen = train(pre_tokenizers.ByteLevel(add_prefix_space=False), 150)
unknown_bytes = train(pre_tokenizers.ByteLevel(add_prefix_space=True), 160, ["<unk>"])
all_bytes = ["<0x%02X>" % b for b in range(256)]
spaced = train(pre_tokenizers.Metaspace(), 460, ["<unk>", "<s>", "</s>"] + all_bytes)
some_bytes = train(pre_tokenizers.Metaspace(), 240, ["<unk>", "<s>", "</s>"] + all_bytes[0x80:0xC0] + all_bytes[0xC3:0xC4] + all_bytes[0xE2:0xE8])
suffixed = train(pre_tokenizers.Whitespace(), 240, ["<unk>"], end_of_word_suffix="</w>") | {"end_of_word_suffix": "</w>"}
prefixed = train(pre_tokenizers.Whitespace(), 240, ["<unk>"], continuing_subword_prefix="##") | {"continuing_subword_prefix": "##"}
llama_decoder = sequence("decoders", replace(sign, " "), "ByteFallback", "Fuse", strip(1, 0))
llama = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
specials = [("<unk>", {"special": True}), ("<s>", {"special": True}), ("</s>", {"special": True})]
normaliser = sequence("normalizers", {"type": "Prepend", "prepend": sign}, replace(" ", sign))
joined = copy.deepcopy(spaced)  # merges that take an unknown or a byte token
for pair in (["<0xC3>", "<0xA9>"], ["<unk>", "<unk>"], ["<unk>", "a"], ["a", "<0xC3><0xA9>"]):
    joined["merges"].insert(0, pair)
for pair in joined["merges"][:4]:
    joined["vocab"]["".join(pair)] = len(joined["vocab"])
blanks = copy.deepcopy(spaced)  # tokens across words
for pair in (["e", sign], ["e" + sign, "t"], [sign, sign], [sign + sign, sign]):
    blanks["merges"].insert(random.randrange(len(blanks["merges"])), pair)
    blanks["vocab"].setdefault("".join(pair), len(blanks["vocab"]))

variants = [
    tokenizer(gpt2, None, byte_level(), byte_level(), byte_level(), marks[:1]),
    tokenizer(gpt2, None, byte_level(True), byte_level(), sequence("processors", byte_level(), template(end, 0)), marks, merges=[" ".join(m) for m in gpt2["merges"]]),
    tokenizer(gpt2, {"type": "NFC"}, byte_level(False, False), byte_level(), ignore_merges=True),
    tokenizer(gpt2, {"type": "NFKC"}, sequence("pretokenizers", digits, byte_level()), byte_level(), tokens=marks),
    tokenizer(gpt2, {"type": "Lowercase"}, sequence("pretokenizers", "WhitespaceSplit", punctuation, byte_level(True, False)), byte_level()),
    tokenizer(gpt2, None, sequence("pretokenizers", byte_level(False, False), punctuation), None, tokens=marks[::-1]),
    tokenizer(seen, None, byte_level(), byte_level()),
    tokenizer(unknown_bytes, None, byte_level(True), byte_level(), unk_token="<unk>"),
    tokenizer(unknown_bytes, None, byte_level(), None, unk_token="<unk>", fuse_unk=True, merges=["#version: 0.2"] + [" ".join(m) for m in unknown_bytes["merges"]]),
    tokenizer(spaced, None, metaspace("first", False), llama_decoder, template("<s>", 1), specials, **llama),
    tokenizer(spaced, normaliser, None, llama_decoder, template("<s>", 1), specials + marks, **llama, ignore_merges=True),
    tokenizer(spaced, None, metaspace("always", True), metaspace("always", True), None, specials + marks, **llama),
    tokenizer(spaced, {"type": "NFKC"}, metaspace("first", True), sequence("decoders", "ByteFallback", metaspace("never", True)), None, specials + marks, unk_token="<unk>"),
    tokenizer(spaced, None, metaspace("never", False), sequence("decoders", "Fuse", replace(sign, ""), strip(0, 2, "."), strip(2, 0, "t")), unk_token=None),
    tokenizer(spaced, replace("e", "ee"), metaspace("always", False), sequence("decoders", replace("ee", "e"), replace(sign, " "), "ByteFallback"), **llama),
    tokenizer(some_bytes, None, metaspace("first", False), llama_decoder, **llama),
    tokenizer(some_bytes, None, metaspace("first", False), llama_decoder, **(llama | {"fuse_unk": False})),
    tokenizer(some_bytes, None, metaspace("always", True), llama_decoder, **(llama | {"unk_token": None})),
    tokenizer(joined, None, metaspace("first", False), llama_decoder, **(llama | {"fuse_unk": False})),
    tokenizer(blanks, normaliser, None, llama_decoder, None, specials, **llama),
    tokenizer(suffixed, None, {"type": "Whitespace"}, sequence("decoders", replace("</w>", " ")), unk_token="<unk>"),
    tokenizer(suffixed, None, None, None, unk_token="<unk>", fuse_unk=True),
    tokenizer(prefixed, {"type": "Lowercase"}, {"type": "Whitespace"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}, unk_token="<unk>"),
]


def random_model():
    """Few characters and many merges in no order, some of which can never be made, some of which make the same string."""
    letters = list("abc") + random.sample(["é", sign, "한", "😀", "'", " ", "Ġ"], 4)
    prefix = random.choice(["", "", "", "#"])
    suffix = random.choice(["", "", "", "$"])
    vocabulary = letters + [prefix + c for c in letters] + [c + suffix for c in letters] + [prefix + c + suffix for c in letters] + [prefix, suffix]
    tokens = [t for t in dict.fromkeys(vocabulary) if t and random.random() < 0.9]
    tokens += ["<unk>"] + random.sample(["<0x%02X>" % b for b in (*"é한😀".encode(), 0x20, 0x61)], random.randrange(10))
    merges = []
    for _ in range(random.randrange(60)):
        left, right = random.choice(tokens), random.choice(tokens)
        if random.random() < 0.5:
            left, right = random.choice(tokens[-12:]), random.choice(tokens[:12])
        if prefix and not right[0].isascii() or len(left + right) > 14:  # inside of a character the library would cut, and fail
            continue
        merges.append([left, right])
        tokens += [t for t in [left + right[len(prefix):]] if t not in tokens]
    random.shuffle(merges)
    random.shuffle(tokens)
    return {"type": "BPE", "dropout": None, "unk_token": random.choice([None, "<unk>", tokens[0]]), "continuing_subword_prefix": prefix or None,
            "end_of_word_suffix": suffix or None, "fuse_unk": random.random() < 0.5, "byte_fallback": random.random() < 0.5,
            "ignore_merges": random.random() < 0.2, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}


def random_text():
    units = ["a", "b", "c", "ab", "é", sign, "한", "😀", "'", " ", "Ġ", "#", "$", "x", "ÿ"]
    return "".join(random.choice(units) * random.choice([1, 1, 1, 2, 3, 9]) for _ in range(random.choice([1, 3, 9, 30, 90])))


pools = [range(0x300, 0x370), range(0x590, 0x600), range(0x1100, 0x1200), range(0x2000, 0x2070), range(0x3000, 0x3100), range(0xFB50, 0x10000),
         range(0x20, 0x7F), range(0x20, 0x7F), range(0xA0, 0x250), range(0x370, 0x400), range(0x1F600, 0x1F650), range(0x4E00, 0x5000), range(0x2070, 0x21A0),
         range(0x0, 0x20), range(0x660, 0x6D0), range(0xE0000, 0xE0100), range(0x10FFF0, 0x110000), range(0x110000)]
pieces = ["the", " the", "Once", " upon", "don't", "we'll", "they've", "'s", "''s", "'S", " '", "\u2019t", " ", "  ", "   ", "\n", "\n\n", " \n", "\t", "\r\n", "\u00a0", "\u3000",
          "\u0085", "\u200b", sign, " " + sign, end, "<s>", "</s>", "<unk>", "<0x0A>", "<x>", "<xy>", " <xyz> ", "run", " sp", "sp ", "tok", "1", "23", " 45", "½", "²", "Ⅷ", "٣",
          "_", "é", "e\u0301", "中文", "😀", "👩\u200d🚀", "...", "!?", "a" * 70, "ab" * 40, "Ġ", "Ã©"]


def text():
    if random.random() < 0.25:
        story = random.choice(stories)
        begin = random.randrange(len(story))
        return story[begin:begin + random.randrange(90)]
    out = []
    for _ in range(random.randrange(1, 12)):
        if random.random() < 0.6:
            out.append(random.choice(pieces))
        else:
            pool = random.choice(pools)
            out.append("".join(chr(p) for p in (random.choice(pool) for _ in range(random.choice([1, 1, 2, 4]))) if not 0xD800 <= p < 0xE000))
    return "".join(out)


def decoded(library, variant, ids):
    if {t["id"] for t in variant["added_tokens"] if t["normalized"]} & set(ids):
        return None
    try:
        return library.decode(ids, skip_special_tokens=False)
    except BaseException:  # a panic of the library
        return None


def cases(variant, make, n):
    library = Tokenizer.from_str(json.dumps(variant))
    known = sorted(set(variant["model"]["vocab"].values()) | {t["id"] for t in variant["added_tokens"]})
    for _ in range(n):
        sample = make()
        ids = library.encode(sample).ids
        yield {"text": sample, "ids": ids, "decoded": decoded(library, variant, ids)}
    for _ in range(n // 4):
        ids = random.choices(known, k=random.randrange(12))
        yield {"ids": ids, "decoded": decoded(library, variant, ids)}


def show(variant, make, n, shown=None):
    print(json.dumps({"tokenizer": shown or variant, "cases": list(cases(variant, make, n))}, separators=(",", ":")))


if __name__ == "__main__":
    for variant in variants:
        show(variant, text, 20 * rounds)
    for _ in range(30 * rounds):
        show(tokenizer(random_model()), random_text, 8)
    if len(sys.argv) == 2:
        for name, variant in (("byte_level", variants[0]), ("sentencepiece", variants[9])):
            with open(pathlib.Path(__file__).parent / (name + ".json"), "w", encoding="utf-8") as file:
                json.dump(variant, file, ensure_ascii=False, separators=(",", ":"))
                file.write("\n")
