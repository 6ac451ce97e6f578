"""bilens on models with bilinear attention against the golden files (docs/specification.md, 22).

Called by test_attention2.sh with the program and the folder that holds models/, golden/ and corpus/."""
import json
import re
import subprocess
import sys
import tempfile
import urllib.request

program, shared = sys.argv[1:3]
failures = 0


def run(*words, ok=True):
    done = subprocess.run([program, *words, "--format", "json"], capture_output=True, text=True)
    if ok and done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout) if ok else done


def fail(path, got, want):
    global failures
    failures += 1
    if failures < 30:
        print(f"FAIL {path}: {got} for {want}")


def largest(value):
    if isinstance(value, dict):
        return max([largest(v) for v in value.values()] + [0])
    if isinstance(value, list):
        return max([largest(v) for v in value] + [0])
    return abs(value) if isinstance(value, float) else 0


def compare(got, want, path, scale, tolerance=1e-4, skip=()):
    """Numbers within `tolerance` of the largest beside them; texts in lists may change places where values tie."""
    if isinstance(want, dict):
        for key in want:
            if key in skip:
                continue
            if key not in got:
                fail(f"{path}.{key}", "nothing", want[key])
            else:
                compare(got[key], want[key], f"{path}.{key}", largest(want[key]) or scale, tolerance, skip)
    elif isinstance(want, list):
        if len(got) != len(want):
            fail(path, len(got), len(want))
        for i, (g, w) in enumerate(zip(got, want)):
            compare(g, w, f"{path}[{i}]", scale, tolerance, skip)
    elif isinstance(want, float):
        if not isinstance(got, (int, float)) or abs(got - want) > tolerance * max(scale, abs(want)):
            fail(path, got, want)
    elif got != want:
        fail(path, got, want)


def golden(model, name):
    return json.load(open(f"{shared}/golden/attention2/{model}.{name}.json"))


for model in ("tiny-attention2", "tiny-attention2-norm"):
    where = f"{shared}/models/{model}"
    corpus = ("--corpus", f"{shared}/corpus/valid.txt")
    want = golden(model, "pairs")
    head = lambda w: ("--head", str(w["head"]), "--distance", str(w["distance"]))
    compare(run("pairs", where, *head(want)), want, f"{model} pairs", 1)
    want = golden(model, "pairs-swim")
    compare(run("pairs", where, *head(want), "--token", "swim", "--minus", "run,fly"), want, f"{model} pairs-swim", 1)
    want = golden(model, "keys")
    compare(run("eigen", where, "--query", want["query"], *head(want)), want, f"{model} keys", 1)
    want = golden(model, "loss")
    compare(run("eval", where, *corpus, "--stories", "64")["loss"], want["loss"], f"{model} loss", 1, 1e-6)
    heads = run("info", where)["config"]["n_head"]
    for words, message in (((*("--head", str(heads)), "--distance", "1"), "does not exist"),
                           (("--head", "0", "--distance", "0"), "distance of 0"),
                           (("--head", "0", "--distance", "256"), "distance of 256"),
                           (("--head", "0"), "--distance")):
        for verb in (("pairs",), ("eigen", "--query", "swim")):
            done = run(verb[0], where, *verb[1:], *words, ok=False)
            if done.returncode != 2 or message not in done.stderr:
                fail(f"{verb[0]} {words}", (done.returncode, done.stderr), (2, message))

model = "tiny-attention2"
want = golden(model, "eigen")
eigs = ",".join(str(v["index"]) for v in want["vectors"])
question = ("--token", want["token"], *(("--minus", ",".join(want["minus"])) if want["minus"] else ()), "--eigs", eigs)
compare(run("eigen", f"{shared}/models/{model}", *question, "--layer", str(want.get("layer", 0))), want, f"{model} eigen", 1,
        skip=("model",))
want = golden(model, "scan")
top = len(want["vectors"][0]["matches"])
got = run("scan", f"{shared}/models/{model}", *question, "--layer", str(want.get("layer", 0)), "--corpus", f"{shared}/corpus/valid.txt",
          "--stories", "64", "--top", str(top))
for g, w in zip(got["vectors"], want["vectors"]):
    for a, b in zip(g["matches"], w["matches"]):  # places that tie may change
        if abs(a["activation"] - b["activation"]) > 1e-4 * abs(w["matches"][0]["activation"]):
            fail(f"scan {g['index']}", a["activation"], b["activation"])
    places = {(m["story"], m["position"]): m for m in w["matches"]}
    same = [m for m in g["matches"] if (m["story"], m["position"]) in places]
    if len(same) < len(places) - 1:
        fail(f"scan {g['index']} places", len(same), len(places))
    for m in same:
        compare(m, places[m["story"], m["position"]], f"scan {g['index']} {m['story']}", 1, skip=("similarity",))
        compare(abs(m["similarity"]), abs(places[m["story"], m["position"]]["similarity"]), "scan similarity", 1)
# the same heads in a report, which is drawn again from its JSON alone, and in the explorer
with tempfile.TemporaryDirectory() as folder:
    where = f"{shared}/models/tiny-attention2"
    run("report", where, "--token", "swim", "--minus", "run,fly", "--corpus", f"{shared}/corpus/valid.txt", "--stories", "16",
        "--distance", "3", "-o", f"{folder}/report")
    report = json.load(open(f"{folder}/report/report.json"))
    page = open(f"{folder}/report/index.html", encoding="utf-8").read()
    want = golden("tiny-attention2", "pairs-swim")
    compare(report["heads"]["heads"][want["head"]]["direction"]["top"], want["top"][:8], "report", largest(want))
    query, key, _ = want["top"][0]
    if f"{key} … {query}" not in page:
        fail("page", "no pair", (key, query))
    run("report", "--from", f"{folder}/report/report.json", "-o", f"{folder}/again")
    if open(f"{folder}/again/index.html", encoding="utf-8").read() != page:
        fail("report --from", "another page", "the same")
    report["heads"]["heads"][0]["pattern"]["top"][0] = ["a", "b", "c"]
    json.dump(report, open(f"{folder}/broken.json", "w"))
    done = run("report", "--from", f"{folder}/broken.json", "-o", f"{folder}/broken", ok=False)
    if done.returncode != 2 or "heads[0].pattern.top[0]" not in done.stderr:
        fail("a broken report", (done.returncode, done.stderr), "exit 2 and the place")
    server = subprocess.Popen([program, "serve", where, "--corpus", f"{shared}/corpus/valid.txt", "--stories", "16", "--port", "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = re.search(r"http:\S+", server.stdout.readline()).group(0).rstrip("/")
        parameters = "token=swim&minus=run&minus=fly&distance=3"
        answer = json.load(urllib.request.urlopen(f"{address}/api/heads?{parameters}", timeout=120))
        compare(answer["heads"][want["head"]]["direction"]["bottom"], want["bottom"][:8], "/api/heads", largest(want))
    finally:
        server.terminate()
        server.wait()
done = run("pairs", f"{shared}/models/ts-1-256", "--head", "0", "--distance", "1", ok=False)
if done.returncode != 2 or "softmax" not in done.stderr:
    fail("a softmax model's head", done.stderr, "exit 2")
print(f"{failures} failures")
sys.exit(failures > 0)
