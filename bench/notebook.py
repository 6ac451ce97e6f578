#!/usr/bin/env python3
"""The whole of the paper's notebook at the paper's size (V 4096, d 1024, h 3072, 8 heads, random weights): bilens beside the reference in PyTorch.

    notebook.py [--stories 16384] [--peer-stories 200] [--repetitions 3]

bilens: examples/paper_notebook.ipynb, every cell, from the start of Python to the end, its HTML tables included; Python needs numpy (and
takes this tree's package and build/libbilens.so). The reference: ../shared/reference/reference.py, `eigen` and `scan` with the same token,
which compute what the notebook shows without forming B (4.3 GB) as the notebook does, and scan for 8 eigenvectors instead of its 40; in
$BENCH_PYTHON (or this Python), which needs torch. Its time is linear in the stories: it is measured at two numbers of them, and the line
through both is read at --stories. Memory is the peak of the whole process, the reference's at --peer-stories.

Before anything counts, both must give the same eigenvalues and the same similarities on the peer's stories.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
top = os.path.dirname(here)
build = os.environ.get("BUILD", os.path.join(top, "build"))
work = os.path.join(build, "bench")
reference = os.path.join(top, "..", "shared", "reference", "reference.py")
peer_python = os.environ.get("BENCH_PYTHON", sys.executable)
TOKEN, MINUS = "swim", "run,climb,eat,see,smell,walk,fly,sit,sleep"


def run(*command, **environment):
    """Seconds, processor seconds, peak memory in MB and standard output."""
    start = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, env=dict(os.environ, **environment))
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"notebook: {' '.join(map(str, command))} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out


def child(model, corpus, result):
    """In a process of its own: the notebook with this model and corpus."""
    sys.path[:0] = [os.path.join(top, "python"), os.path.join(top, "examples")]
    import run_notebook
    done, names = run_notebook.run(os.path.join(top, "examples", "paper_notebook.ipynb"), {"model": f"bilens.load({model!r})", "corpus": repr(corpus)})
    with open(result, "w", encoding="utf-8") as file:
        json.dump(dict(eigenvalues=[float(x) for x in names["eigvals"]], stories=names["scan"].stories, page=len(run_notebook.page(done)),
                       vectors={index: [[m.story, m.position, m.similarity] for m in names["scan"].of(index)] for index in names["idxs"]}), file)


def make_inputs(stories):
    """The model, and corpora of so many stories each."""
    os.makedirs(work, exist_ok=True)
    model, tokenizer = os.path.join(work, "seed-size"), os.path.join(top, "data", "stories-1-256", "tokenizer.json")
    if not os.path.exists(os.path.join(model, "model.safetensors")):
        run(os.path.join(build, "bench", "random_model"), model, tokenizer)
    source = os.path.join(top, "..", "shared", "corpus", "train.txt")
    source = source if os.path.exists(source) else os.path.join(top, "data", "stories.txt")
    with open(source, encoding="utf-8") as file:
        texts = [t for t in (s.strip() for s in file.read().split("<|endoftext|>")) if t]
    paths = {}
    for n in sorted(set(stories)):
        paths[n] = os.path.join(work, f"notebook-{n}.txt")
        with open(paths[n], "w", encoding="utf-8") as file:
            file.write("\n<|endoftext|>\n".join((texts * (n // len(texts) + 1))[:n]))
    return model, paths


def ours(model, corpus):
    result = os.path.join(work, "notebook.json")
    measured = run(sys.executable, os.path.abspath(__file__), "--child", model, corpus, result, BILENS_LIBRARY=os.path.join(build, "libbilens.so.0"))
    with open(result, encoding="utf-8") as file:
        return measured, json.load(file)


def theirs(model, corpus, command):
    corpora = [corpus] if command == "scan" else []
    *measured, out = run(peer_python, reference, command, model, *corpora, "--token", TOKEN, "--minus", MINUS)
    return measured, json.loads(out)


def verify(mine, eigen, scan):
    scale = max(abs(x) for x in eigen["eigenvalues"])
    worst = max(abs(a - b) for a, b in zip(mine["eigenvalues"], eigen["eigenvalues"])) / scale
    if worst > 1e-4:
        sys.exit(f"notebook: eigenvalues differ by {worst:.2g} of the largest")
    for vector in scan["vectors"]:
        rows = list(zip(mine["vectors"][str(vector["index"])], vector["matches"]))
        largest = max(m["similarity"] ** 2 for _, m in rows)
        off = max(abs(a[2] ** 2 - m["similarity"] ** 2) for a, m in rows) / largest
        same = sum(a[:2] == [m["story"], m["position"]] for a, m in rows)
        if off > 1e-3 or same < len(rows) - 2:  # two places among equals
            sys.exit(f"notebook: eigenvector {vector['index']}: similarities differ by {off:.2g}, {same} of {len(rows)} places agree")
    print(f"verified: {len(mine['eigenvalues'])} eigenvalues within {worst:.1g} of the largest, the top inputs of {len(scan['vectors'])} eigenvectors", flush=True)


def main():
    parser = argparse.ArgumentParser(description="The paper's notebook: bilens beside the reference in PyTorch.")
    parser.add_argument("--stories", type=int, default=16384, help="that the notebook scans (the paper's: 16,384)")
    parser.add_argument("--peer-stories", type=int, default=200, help="that the reference scans")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(*args.child)
    if not os.path.exists(reference):
        sys.exit(f"notebook: {reference} is not here: there is nothing to compare with")
    few = max(8, args.peer_stories // 4)
    model, corpora = make_inputs([args.stories, args.peer_stories, few])
    _, mine = ours(model, corpora[args.peer_stories])
    eigen_cost, eigen = theirs(model, None, "eigen")
    scan_cost, scan = theirs(model, corpora[args.peer_stories], "scan")
    verify(mine, eigen, scan)
    rows = []
    for _ in range(args.repetitions):
        (seconds, processor, megabytes, _), result = ours(model, corpora[args.stories])
        small, _ = theirs(model, corpora[few], "scan")
        large, _ = theirs(model, corpora[args.peer_stories], "scan")
        whole, _ = theirs(model, None, "eigen")
        if large[1] <= small[1] or large[0] <= small[0]:
            sys.exit(f"notebook: the reference took {large[0]:.1f} s for {args.peer_stories} stories and {small[0]:.1f} s for {few}: this machine is too "
                     "busy for timing, or --peer-stories too small")
        line = [(b - a) / (args.peer_stories - few) for a, b in zip(small, large)]
        peer = [w + a + slope * (args.stories - few) for w, a, slope in zip(whole, small, line)]
        rows.append((seconds, processor, megabytes, peer[0], peer[1], max(large[2], whole[2])))
        print(f"bilens: {seconds:.1f} s ({processor:.1f} s of processor), {megabytes:.0f} MB, {result['stories']} stories, a page of {result['page'] / 1e6:.1f} MB; "
              f"reference: {peer[0]:.0f} s ({peer[1]:.0f} s of processor) at {args.stories} stories, {rows[-1][5]:.0f} MB at {args.peer_stories}; "
              f"ratio {peer[0] / seconds:.0f} ({peer[1] / processor:.0f} of processor)", flush=True)
    middle = [statistics.median(column) for column in zip(*rows)]
    print(f"median: {middle[0]:.1f} s and {middle[2]:.0f} MB against {middle[3]:.0f} s and {middle[5]:.0f} MB: {middle[3] / middle[0]:.0f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
