#!/usr/bin/env python3
"""Speed of an ordinary model: the loss of a corpus by `bilens eval` and by transformers in float32, on the same threads, in turns.

    bench/ordinary.py MODEL.gguf CORPUS [--bilens build/bilens] [--stories 20] [--threads 2] [--rounds 3]

Needs `pip install torch transformers gguf`. Prints one line of CSV per side and the ratio of the best of all rounds; the two losses must agree."""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("corpus")
parser.add_argument("--bilens", default="build/bilens")
parser.add_argument("--stories", type=int, default=20)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
o = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(o.threads)

import torch  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(o.threads)
stories = [s.strip() for s in open(o.corpus).read().split("<|endoftext|>") if s.strip()][:o.stories]
whole = pathlib.Path(tempfile.mkdtemp()) / "corpus.txt"
few = whole.with_name("one.txt")
whole.write_text("\n<|endoftext|>\n".join(stories))
few.write_text("Once upon a time")
ids = [json.loads(subprocess.run([o.bilens, "tokenize", "--tokenizer", o.model, "--text", s, "--format", "json"], capture_output=True, text=True,
                                 check=True).stdout)["ids"] for s in stories]
path = pathlib.Path(o.model).resolve()
model = transformers.AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32).eval()


def ours(corpus):
    began, cpu = time.perf_counter(), os.times()
    out = subprocess.run([o.bilens, "eval", o.model, "--corpus", str(corpus), "--threads", str(o.threads), "--format", "json", "--quiet"],
                         capture_output=True, text=True, check=True).stdout
    used = os.times()
    return time.perf_counter() - began, used.children_user + used.children_system - cpu.children_user - cpu.children_system, json.loads(out)


def theirs():
    began, cpu = time.perf_counter(), time.process_time()
    total = 0.0
    with torch.no_grad():
        for one in ids:
            x = torch.tensor([one])
            logits = model(x, use_cache=False).logits[0, :-1]
            total += float(torch.nn.functional.cross_entropy(logits, x[0, 1:], reduction="sum"))
    return time.perf_counter() - began, time.process_time() - cpu, total


tokens = sum(map(len, ids))
theirs()
rounds = []
for _ in range(o.rounds):
    start, start_cpu, _ = ours(few)
    wall, cpu, result = ours(whole)
    other, other_cpu, total = theirs()
    rounds.append((wall - start, cpu - start_cpu, other, other_cpu))
assert abs(total / result["predictions"] - result["loss"]) < 1e-3, (total / result["predictions"], result["loss"])
best = [min(r[i] for r in rounds) for i in range(4)]
print("side,tokens,seconds,processor seconds,tokens per second,tokens per processor second")
print(f"bilens,{tokens},{best[0]:.3f},{best[1]:.3f},{tokens / best[0]:.1f},{tokens / best[1]:.1f}")
print(f"transformers {transformers.__version__},{tokens},{best[2]:.3f},{best[3]:.3f},{tokens / best[2]:.1f},{tokens / best[3]:.1f}")
print(f"ratio,,,,{best[2] / best[0]:.2f},{best[3] / best[1]:.2f}")
