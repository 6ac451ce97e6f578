"""Tokenizers of the kinds that published models have, small: what make_bpe.py and make_split.py train, put together."""
import json
import pathlib
import sys

TOKENIZER = pathlib.Path(__file__).parent / "../tokenizer"
sys.path.insert(0, str(TOKENIZER))
arguments, sys.argv = sys.argv, ["make_split.py", str(TOKENIZER / "../models/stories.txt")]
import make_bpe as bpe  # noqa: E402  (reads its arguments when it is imported)
import make_split as split  # noqa: E402
sys.argv = arguments


def kinds():
    end, byte_level = bpe.end, bpe.byte_level
    post = bpe.sequence("processors", byte_level(), bpe.template(end, 0))
    rstrip = [(name, {"special": True, "rstrip": True}) for name in ("<|user|>", "<|end|>")]
    return {
        "llama3": bpe.tokenizer(bpe.gpt2, None, split.cut(split.split(split.llama3)), byte_level(), post, [(end, {"special": True})], ignore_merges=True),
        "qwen2": bpe.tokenizer(bpe.gpt2, {"type": "NFC"}, split.cut(split.split(split.qwen2)), byte_level(), byte_level(), [(end, {"special": True})]),
        "neox": bpe.tokenizer(bpe.gpt2, {"type": "NFC"}, byte_level(), byte_level(), byte_level(), [(end, {"special": True})] + split.blanks),
        "gpt2": bpe.tokenizer(bpe.gpt2, None, byte_level(), byte_level(), byte_level(), [(end, {"special": True, "normalized": True})]),
        "gemma": bpe.tokenizer(bpe.spaced, bpe.replace(" ", bpe.sign), split.split(" ", "MergedWithPrevious", kind="String"), bpe.llama_decoder,
                               bpe.template("<s>", 1), bpe.specials + [("\n" * n, {}) for n in range(2, 6)], **bpe.llama),
        "phi3": bpe.tokenizer(bpe.spaced, bpe.normaliser, None, bpe.llama_decoder, None, bpe.specials + rstrip, **bpe.llama),
    }


def make(kind):
    return json.dumps(kinds()[kind])
