"""bilens on image models against the golden files (docs/specification.md, 20 and 21).

Called by test_images.sh with the program and the folder tests/data/images."""
import json
import math
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

program, data = sys.argv[1:3]
failures = 0


def run(*words):
    done = subprocess.run([program, *words, "--format", "json"], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def fingerprint(picture):
    return dict(norm=math.sqrt(sum(p * p for p in picture)), sum=sum(picture),
                wave=sum(p * math.cos(i) for i, p in enumerate(picture)),
                highest=max(range(len(picture)), key=lambda i: picture[i]), lowest=min(range(len(picture)), key=lambda i: picture[i]))


def largest(value):
    if isinstance(value, dict):
        return max([largest(v) for v in value.values()] + [0])
    if isinstance(value, list):
        return max([largest(v) for v in value] + [0])
    return abs(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0


def compare(got, want, path, scale, skip=()):
    """Numbers within 1e-4 of the largest of their kind (the enclosing list or object)."""
    global failures
    if isinstance(want, dict):
        if set(want) == {"norm", "sum", "wave", "highest", "lowest"} and isinstance(got, list):
            got = fingerprint(got)
        for key in want:
            if key in skip:
                continue
            if key not in got:
                print(f"FAIL {path}.{key} is missing")
                failures += 1
                continue
            if key in ("sum", "wave") and "norm" in want:  # sums over many pixels
                compare(got[key], want[key], f"{path}.{key}", 28 * want["norm"], skip)
                continue
            own = want[key] if isinstance(want[key], (list, dict)) else max(abs(want[key]), 1e-30) if isinstance(want[key], float) else 1
            compare(got[key], want[key], f"{path}.{key}", largest(own) if isinstance(own, (list, dict)) else own, skip)
    elif isinstance(want, list):
        if len(got) != len(want):
            print(f"FAIL {path}: {len(got)} for {len(want)}")
            failures += 1
            return
        for i, (g, w) in enumerate(zip(got, want)):
            compare(g, w, f"{path}[{i}]", scale, skip)
    elif isinstance(want, float) or (isinstance(want, int) and isinstance(got, float)):
        if got is None or abs(got - want) > max(1e-4 * scale, 1e-6):
            print(f"FAIL {path}: {got} for {want}")
            failures += 1
    elif got != want:
        print(f"FAIL {path}: {got} for {want}")
        failures += 1


model, sample, golden = f"{data}/fashion-64", f"{data}/sample", f"{data}/golden/fashion-64."
GAPS = ("sign_gap", "gap")


def check(name, *words, skip=()):
    want = json.load(open(golden + name + ".json"))
    got = run(*words)
    for vectors in (want.get("vectors", []), ):
        for w, g in zip(vectors, got.get("vectors", [])):  # a sign that is not safe is turned to the golden one
            if w.get("sign_gap", 1) < 1e-3 and isinstance(g.get("picture"), list):
                if fingerprint(g["picture"])["sum"] * w["picture"]["sum"] < 0:
                    g["picture"] = [-p for p in g["picture"]]
    compare(got, want, name, largest(want), GAPS + tuple(skip))


check("logits", "eval", model, "--images", sample, "--logits")
for c in ("0", "5", "7"):
    check(f"eigen-{c}", "eigen", model, "--class", c)
    check(f"scan-{c}", "scan", model, "--class", c, "--images", sample, "--eigs",
          ",".join(str(v["index"]) for v in json.load(open(f"{golden}scan-{c}.json"))["vectors"]),
          "--top", str(len(json.load(open(f"{golden}scan-{c}.json"))["vectors"][0]["matches"])))
check("eigen-5", "eigen", model, "--class", "sandal")
check("eigen-5-minus-7-9", "eigen", model, "--class", "Sandal", "--minus", "7,ankle-boot")
check("eigen-5-pixel", "eigen", model, "--class", "5", "--space", "pixel")
check("eigen-5-minus-all-pixel", "eigen", model, "--class", "#5", "--minus", "all", "--space", "pixel")
check("truncate", "truncate", model, "--images", sample)
check("truncate-raw", "truncate", model, "--images", sample, "--raw")
check("truncate-pixel", "truncate", model, "--images", sample, "--space", "pixel")
check("atlas", "atlas", model)
check("atlas-raw", "atlas", model, "--raw")
check("atlas-pixel", "atlas", model, "--space", "pixel")
check("hosvd", "hosvd", model, "-k", "10")
check("explain", "explain", model, "--images", sample, "--image", "17", "--top", "5")
for name, space in (("mask", "embed"), ("mask-pixel", "pixel")):
    check(name, "mask", model, "--class", "5", "--images", sample, "--per-class", "3", "--permutations", "200", "--space", space,
          skip=("permuted",))
    want, got = json.load(open(f"{golden}{name}.json")), run("mask", model, "--class", "5", "--images", sample, "--per-class", "3",
                                                             "--permutations", "200", "--space", space)
    for key in ("accuracy", "as_class"):  # other random permutations: means agree within their errors
        w, g = want[key]["permuted"], got[key]["permuted"]
        if abs(w["mean"] - g["mean"]) > 5 * math.hypot(w["sd"], g["sd"]) / math.sqrt(200) + 1e-9:
            print(f"FAIL {name}.{key}.permuted: {g} for {w}")
            failures += 1
curve = run("mask", model, "--class", "5", "--images", sample, "--per-class", "3", "--permutations", "5", "--strength", "0.15,0.05,0.6")
one = run("mask", model, "--class", "5", "--images", sample, "--per-class", "3", "--permutations", "5", "--strength", "0.6")
compare(curve["accuracy"], curve["curve"][0]["accuracy"], "mask curve", 1)
compare([curve["curve"][2]["strength"], curve["curve"][2]["as_class"]], [0.6, one["as_class"]], "mask curve", 1)
if [round(c["strength"], 6) for c in curve["curve"]] != [0.15, 0.05, 0.6] or "curve" in one:
    print("FAIL mask: the curve has other strengths", curve["curve"])
    failures += 1
# two copies of a shape: images and labels as single files, IDX and npy
for images, labels in (("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"), ("images.npy", "labels.npy")):
    got = run("eval", model, "--images", f"{sample}/{images}", "--labels", f"{sample}/{labels}")
    compare(got["loss"], 0.5218982477641603, images, 1)
same = run("diff", model, model)
if abs(same["mean"]["frobenius"] - 1) > 1e-5 or min(same["mean"]["matched"]) < 0.999:
    print("FAIL diff of a model with itself", same["mean"])
    failures += 1
want = json.load(open(f"{data}/golden/modular-59.fourier.json"))
compare(run("fourier", f"{data}/modular-59", "--permutations", "2"), want, "fourier", 1, ("null", "model", "vectors"))
compare(run("eval", f"{data}/modular-59")["accuracy"], 1.0, "modular eval", 1)
# chance: the same places as eigen's, in both spaces; a draw of the same seed is the same
for space in ("embed", "pixel"):
    words = (model, "--class", "7", "--minus", "all", "--space", space, "--eigs", "-1,-2,1,0")
    chance, again = (run("null", *words, "--draws", "19", "--seed", "3") for _ in range(2))
    wanted = run("eigen", *words)
    for place, vector in zip(chance["places"], wanted["vectors"]):
        compare(place["eigenvalue"], vector["eigenvalue"], f"null {space}", max(map(abs, wanted["eigenvalues"])))
    compare(chance["norm"]["value"], math.sqrt(sum(v * v for v in wanted["eigenvalues"])), f"null {space} norm", 1)
    if chance != again or not all(0.05 <= p["p"] <= p["p_family"] <= 1 for p in chance["places"]):
        print("FAIL null: the same seed gives other numbers, or p is none", chance["places"])
        failures += 1
if run("null", f"{data}/modular-59", "--class", "3", "--draws", "2")["dead"] != 52:
    print("FAIL null: 12 units of modular-59 are alive")
    failures += 1
# the closed form beside the picture of an eigenvector is the frequency that fourier finds, and what is left of the vector is across it
marked = {v["index"]: v for v in run("fourier", f"{data}/modular-59", "--residues", "3", "--permutations", "1")["classes"][0]["vectors"]}
for vector in run("eigen", f"{data}/modular-59", "--class", "3", "--minus", "all", "--eigs", "117,116,0,1,2,114")["vectors"]:
    mode, want = vector["mode"], marked[vector["index"]]
    compare((mode["frequency"], mode["share"]), (want["frequency"], want["share"]), f"mode of {vector['index']}", 1)
    inner = sum(a * b for a, b in zip(vector["picture"], mode["picture"]))
    compare([inner, sum(a * a for a in mode["picture"])], [mode["share"]] * 2, f"projection of {vector['index']}", 1)
    p = 59
    cosine = [math.cos(2 * math.pi * mode["frequency"] * t / p) for t in range(p)]
    second = [mode["picture"][(t + 1) % p] + mode["picture"][(t - 1) % p] for t in range(p)]  # of a cosine: 2 cos(2 pi k / p) times it
    compare(second, [2 * cosine[1] * x for x in mode["picture"][:p]], f"a cosine of {vector['index']}", 1)
# every verb of image models works on it
with tempfile.TemporaryDirectory() as folder:
    for words in (("info",), ("scan", "--class", "3", "--eigs", "-1", "--top", "2"), ("truncate", "--ranks", "0,16"), ("explain", "--image", "7"),
                  ("hosvd", "-k", "2"), ("atlas",), ("describe", "--tensor", "w_l"), ("trace", "--image", "3"), ("mask", "--class", "3", "--per-class", "1"),
                  ("report", "--class", "3", "--minus", "all", "-o", f"{folder}/report")):
        run(words[0], f"{data}/modular-59", *words[1:])
    if "closed form: cosines of frequency" not in open(f"{folder}/report/index.html", encoding="utf-8").read():
        print("FAIL report: the closed form is missing")
        failures += 1
    cut = run("truncate", f"{data}/modular-59", "--ranks", "0,16")
    compare(cut["ranks"][1]["accuracy"], 1.0, "16 eigenvectors (4 frequencies) are enough", 1)
# the explorer's API answers as the verbs do
def without_pixels(tree):
    for vector in tree["vectors"]:
        for match in vector["matches"]:
            del match["pixels"]
    return tree


server = subprocess.Popen([program, "serve", model, "--images", sample, "--port", "0"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
try:
    address = re.search(r"http:\S+", server.stdout.readline()).group(0) + "api/"
    get = lambda path: json.load(urllib.request.urlopen(address + path, timeout=120))
    same = lambda got, want, what: got == want or compare({"x": 0}, {"x": 1}, f"/api/{what} {str(got)[:200]} for {str(want)[:200]}", 1)
    info = get("info")
    same((info["kind"], len(info["classes"]), info["shape"], info["images"]), ("image", 10, [1, 28, 28], 64), "info")
    words = (model, "--class", "Sandal", "--minus", "all", "--space", "pixel", "--eigs", "-1,3")
    query = "class=5&minus=all&space=pixel&eigs=-1&eigs=3"
    same(get(f"eigen?{query}"), run("eigen", *words), "eigen")
    same(without_pixels(get(f"scan?{query}&top=2")), run("scan", *words, "--images", sample, "--top", "2"), "scan")
    same(get("explain?image=17&top=5"), run("explain", model, "--images", sample, "--image", "17", "--top", "5"), "explain")
    gallery, atlas = get("gallery"), run("atlas", model)
    compare([c["effective_rank"] for c in gallery["classes"]], [c["effective_rank"] for c in atlas["classes"]], "/api/gallery", 10)
    pixels = get("image?image=3")["pixels"]
    same((len(pixels), 0 <= min(pixels) and 0 < max(pixels) <= 1), (784, True), "image")
    for path, status in (("eigen", 400), ("eigen?class=boots", 404), ("eigen?class=5&eigs=64", 400), ("scan?class=5&layer=1", 400),
                         ("image?image=64", 400), ("explain?image=-1", 400), ("tokens", 404), ("eigen?class=5&space=text", 400),
                         ("eigen?class=5&minus=all&minus=3", 400), ("eigen?token=5", 400)):
        try:
            get(path)
            found = 200
        except urllib.error.HTTPError as error:
            found = error.code
            json.load(error)["error"]["message"]
        same(found, status, path)
finally:
    server.terminate()
    server.wait()


# the same weights in two shards; a shard that is missing is named
def split_into_shards(folder):
    raw = (pathlib.Path(model) / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    head, body = json.loads(raw[8:8 + length]), raw[8 + length:]
    head.pop("__metadata__", None)
    names, where = sorted(head), {}
    for i, part in enumerate((names[:1], names[1:])):
        shard, blob = {}, b""
        for name in part:
            begin, end = head[name]["data_offsets"]
            shard[name] = {**head[name], "data_offsets": [len(blob), len(blob) + end - begin]}
            blob += body[begin:end]
            where[name] = f"part-{i}.safetensors"
        text = json.dumps(shard).encode()
        (folder / f"part-{i}.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + blob)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    (folder / "config.json").write_text((pathlib.Path(model) / "config.json").read_text())


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    split_into_shards(folder)
    compare(run("eigen", str(folder), "--class", "5")["eigenvalues"], run("eigen", model, "--class", "5")["eigenvalues"], "shards", 1)
    (folder / "part-1.safetensors").unlink()
    done = subprocess.run([program, "info", str(folder)], capture_output=True, text=True)
    if done.returncode != 2 or "part-1.safetensors" not in done.stderr:
        print(f"FAIL a missing shard: exit {done.returncode}: {done.stderr}")
        failures += 1
print(f"{failures} failures")
sys.exit(failures > 0)
