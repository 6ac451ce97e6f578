#!/usr/bin/env python3
"""Vocabularies that the Hugging Face library's WordPieceTrainer learns from wordpiece.txt, into wordpiece.json.

    make_wordpiece.py          (in this folder; needs the tokenizers package)

Its ties fall by the order of a hash table, which differs from run to run. So that there are few, story i is read 7 i^2 mod 997 + 1 times; and
a size is used only if 20 runs give the same set of pieces.
"""
import json
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers


def train(stories, size, **options):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
    t.train_from_iterator(stories, trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[UNK]", "[BOS]", "[EOS]"], show_progress=False, **options))
    return sorted(t.get_vocab())


with open("wordpiece.txt", encoding="utf-8") as file:
    stories = [s.strip() for s in file.read().split("<|endoftext|>") if s.strip()]
stories = [s for i, s in enumerate(stories) for _ in range(7 * i * i % 997 + 1)]
cases = []
for size, options in [(226, {}), (400, {}), (350, dict(limit_alphabet=24)), (278, dict(min_frequency=3000))]:
    runs = [train(stories, size, **options) for _ in range(20)]
    assert all(run == runs[0] for run in runs), f"size {size}: the runs differ"
    assert len(runs[0]) == size
    cases.append(dict(size=size, **options, vocabulary=runs[0]))
with open("wordpiece.json", "w", encoding="utf-8") as file:
    json.dump(cases, file, ensure_ascii=False, indent=None, separators=(",", ":"))
    file.write("\n")
