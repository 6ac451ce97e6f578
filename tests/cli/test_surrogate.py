"""eigen, scan, report, atlas, explain, truncate, ablate, excite with --surrogate: identities that hold whatever the weights, the quality in
every result, and refusals. Called by test_surrogate.sh."""
import json
import math
import pathlib
import random
import subprocess
import sys
import urllib.request

BILENS, DATA, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
OWN = {"later": "silu", "gelu": "gelu", "june-relu": "relu", "mlp": "plain"}  # bilens's own gated and plain checkpoints
MODELS = [*OWN, "neox", "neox-serial", "phi3", "gemma", "gemma3", "smollm3", "qwen3", "gpt2"]
POST_NORMS, LAYER_NORMS = {"gemma3"}, {"neox", "neox-serial", "gpt2"}
TEXT = "Tom went to the lake. He"
failures = ran = 0


def last(model):
    config = json.loads((model / "config.json").read_text())
    return config.get("num_hidden_layers", config.get("n_layer")) - 1


def width(model):
    config = json.loads((model / "config.json").read_text())
    return config.get("hidden_size") or config.get("n_embd") or config["d_model"]


def corpus():
    r = random.Random(3)
    words = (DATA / "models/stories.txt").read_text().replace("<|endoftext|>", " ").split()
    path = FOLDER / "corpus.txt"
    path.write_text("\n<|endoftext|>\n".join(" ".join(r.choice(words) for _ in range(40)) for _ in range(40)))
    return path


CORPUS = corpus()


def run(*words):
    return subprocess.run([BILENS, *map(str, words), "--quiet"], capture_output=True, text=True)


def check(good, what):
    global failures, ran
    ran += 1
    if not good:
        failures += 1
        print(f"FAIL: {what}")


def result(what, *words):
    got = run(*words, "--format", "json")
    check(got.returncode == 0, f"{what}: {got.stderr}")
    tree = json.loads(got.stdout) if got.returncode == 0 else {}
    return tree


def quality(tree, what):
    q = tree.get("surrogate") or {}
    check(set(q) == {"r2", "r2_linear", "recovered", "positions"} and q["r2"] > q["r2_linear"], f"{what}: the quality is {q}")


def account(tree, what):
    mlp = tree["mlp"]
    inner = mlp["constant"] + sum(t["value"] for t in mlp["terms"]) + mlp["rest"] + mlp["linear"] + mlp["remainder"]
    largest = max(abs(p["value"]) for p in tree["parts"])
    check(abs(sum(p["value"] for p in tree["parts"]) - tree["logit"]) < 1e-5 * largest, f"{what}: parts do not sum to the logit")
    check(abs(inner - mlp["total"]) < 1e-5 * largest, f"{what}: terms do not sum to the MLP's part")
    return largest


def explain(model, common):
    what = f"{model.name}: explain"
    one = result(what, "explain", *common, "--text", TEXT, "--token", "#40", "--layer", last(model), "--most", 5)
    two = result(what, "explain", *common, "--text", TEXT, "--token", "#40", "--minus", "#41,#42", "--layer", last(model), "--words")
    quality(one, what)
    largest = max(account(one, what), account(two, what))
    if last(model) > 0:
        values = {p["name"]: p["value"] for p in one["parts"]}
        for layer in one["layers"]:
            i = layer["layer"]
            heads = sum(v for name, v in values.items() if name.startswith(f"layer {i} head"))
            check(abs(layer["heads"] - heads) < 1e-6 * largest and layer["mlp"] == values[f"layer {i} mlp"] and "r2" in layer, f"{what}: layer {i}")
        text = run("explain", *common, "--text", TEXT, "--token", "#40").stdout
        check("MLPs that add most: layer" in text, f"{what}: the terminal does not name the layers")
    logits = {}
    for token in ("#40", "#41", "#42"):
        logits[token] = result(what, "explain", *common, "--text", TEXT, "--token", token, "--layer", 0)["logit"]
    contrast = logits["#40"] - (logits["#41"] + logits["#42"]) / 2
    check(abs(two["logit"] - contrast) < 1e-4 * largest, f"{what}: a contrast's logit is {two['logit']}, not {contrast}")
    top = two["predictions"][0]
    token = top["token"]
    named = result(what, "explain", *common, "--text", TEXT, "--token", token, "--layer", last(model)) if "\ufffd" not in token else None
    if named and named.get("rank") == 1:  # the account is that of the forward pass's own logit
        check(abs(named["logit"] - top["logit"]) < 1e-4 * largest, f"{what}: logit {named['logit']}, the model's is {top['logit']}")


def layers(model, common):
    """own and spread are those of explain's parts at each position."""
    what, story = f"{model.name}: layers", FOLDER / "one.txt"
    story.write_text(TEXT)
    ids = result(what, "tokenize", model, "--text", TEXT)["ids"]
    token = ids[len(ids) // 2]
    tree = result(what, "layers", *common, "--token", f"#{token}", "--corpus", story)
    places = range(1, len(ids) - 1)
    accounts = [result(what, "explain", *common, "--text", TEXT, "--position", p, "--token", f"#{token}") for p in places]
    own = [p for p in places if ids[p + 1] == token]
    check(tree["positions"] == len(places) and tree["own"] == len(own), f"{what}: {tree['positions']} positions, {tree['own']} own")
    largest = max(abs(part["value"]) for a in accounts for part in a["parts"])
    for i, layer in enumerate(tree["layers"]):
        names = {"mlp": [f"layer {i} mlp"], "heads": [p["name"] for p in accounts[0]["parts"] if p["name"].startswith(f"layer {i} head")],
                 "head": [f"layer {i} head {layer['head']}"]}
        for part, of in names.items():
            values = [sum(p["value"] for p in a["parts"] if p["name"] in of) for a in accounts]
            mean = sum(values) / len(values)
            spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
            more = sum(values[p - 1] for p in own) / len(own) - mean
            check(abs(layer[part + "_own"] - more) < 1e-5 * largest and abs(layer[part + "_spread"] - spread) < 1e-5 * largest,
                  f"{what}: {part} of layer {i} has {layer[part + '_own']}, {layer[part + '_spread']}, not {more}, {spread}")
        check("r2" in layer and "recovered" in layer, f"{what}: quality of layer {i}")
    text = run("layers", *common, "--token", f"#{token}", "--corpus", story).stdout
    check("MLPs that add most: layers" in text, f"{what}: {text}")


def null(model, common):
    what = f"{model.name}: null"
    tree = result(what, "null", *common, "--token", "#40", "--layer", last(model), "--draws", 5, "--eigs=-1,0")
    same = result(what, "eigen", *common, "--token", "#40", "--layer", last(model))
    quality(tree, what)
    check(abs(tree["places"][0]["eigenvalue"] - same["eigenvalues"][-1]) < 1e-4 * abs(same["eigenvalues"][-1]), f"{what}: not eigen's")
    check(all(0 < v["p"] <= 1 and v["ratio"] > 0 for v in tree["places"]), f"{what}: {tree['places']}")


def scan(model, common):
    what = f"{model.name}: scan"
    tree = result(what, "scan", *common, "--token", "#40", "--layer", last(model), "--corpus", CORPUS, "--eigs=-1,0", "--top", 3)
    quality(tree, what)
    for vector in tree["vectors"]:
        check(len(vector["matches"]) == 3, f"{what}: {len(vector['matches'])} matches")
        check(all(m["position"] > 0 for m in vector["matches"]), f"{what}: a story's first position, which no surrogate is fitted to")
        for m in vector["matches"]:
            total = sum(m["contributions"]) + m["bias"]
            check(abs(abs(total) - abs(m["similarity"])) < 2e-4 * max(map(abs, m["contributions"] + [m["similarity"]])),
                  f"{what}: contributions sum to {total}, the similarity is {m['similarity']}")
            check(abs(vector["eigenvalue"] * m["similarity"] ** 2 - m["activation"]) <= 1e-4 * abs(m["activation"]), f"{what}: activation")


def eigen(model, common):
    what = f"{model.name}: eigen"
    tree = result(what, "eigen", *common, "--token", "#40", "--layer", last(model))
    quality(tree, what)
    check(tree["shift"] == 0 and tree["linear"]["norm"] > 0 and "direct" in tree["linear"]["sources"], f"{what}: linear part")
    check(math.isfinite(tree["constant"]), f"{what}: constant")
    text = run("eigen", *common, "--token", "#40", "--layer", last(model)).stdout
    check("of the quadratic that stands for this MLP" in text and "Linear part" in text, f"{what}: the terminal does not say it")


def evidence(model, common):
    name = model.name
    truncated = run("truncate", *common, "--token", "#40", "--corpus", CORPUS, "--stories", 5, "--ranks", "0,4,16", "--format", "json")
    everything = run("truncate", *common, "--corpus", CORPUS, "--stories", 3, "--ranks", f"0,{width(model)}", "--format", "json")
    ablated = [run("ablate", *common, "--token", "#40", "--layer", layer, "--eigs=-1", "--corpus", CORPUS, "--stories", 5, "--controls", 0, "--format",
                   "json", *more)
               for layer, more in ((last(model), []), (0, []), (last(model), ["--mode", "input"]), (last(model), ["--keep"]))]
    if name in POST_NORMS:
        got = run("ablate", *common, "--token", "#40", "--layer", last(model), "--eigs=-1", "--corpus", CORPUS, "--stories", 2, "--mode", "logit", "--worst", 1)
        check(got.returncode == 2 and "behind the MLP stands a norm" in got.stderr, f"{name}: the worst subset is not refused: {got.stderr}")
    for got in [truncated, *ablated]:
        check(got.returncode == 0, f"{name}: {got.stderr}")
        if got.returncode == 0:
            quality(json.loads(got.stdout), name)
    if name in LAYER_NORMS:
        check(everything.returncode == 2 and "final LayerNorm" in everything.stderr, f"{name}: {everything.stderr}")
        return
    check(everything.returncode == 0, f"{name}: {everything.stderr}")
    tree = json.loads(everything.stdout)
    first, whole = (r["loss"] for r in tree["ranks"])
    check(abs(whole - tree["full"]) < 0.5 * abs(first - tree["full"]) + 0.2, f"{name}: all terms give {whole}, the model {tree['full']}, none {first}")


def post_norm():
    """Behind a norm on the MLP's output, and a cap on the logits: tests/data/post_norm/make_post_norm.py."""
    model, text, file = DATA / "general/gemma3", DATA / "general/corpus.txt", FOLDER / "post.safetensors"
    golden = json.loads((DATA / "post_norm/gemma3.json").read_text())
    result("post norm", "surrogate", model, "--corpus", text, "--valid", text, "-o", file)
    common = [model, "--surrogate", file, "--corpus", text]
    token = ["--token", f"#{golden['token']}"]

    def near(found, wanted, what):
        check(abs(found - wanted) < 3e-4, f"post norm: {what}: {found}, the reference has {wanted}")

    for layer in golden["ablate"]:
        for mode in ("component", "input", "logit"):
            if mode in layer:
                got = result("post norm", "ablate", *common, *token, "--layer", layer["layer"], "--eigs", ",".join(map(str, golden["eigs"])), "--controls", 0,
                             "--mode", mode)
                near(got["loss"]["before"], layer["full"], "full")
                near(got["loss"]["after"], layer[mode], f"{mode} of layer {layer['layer']}")
                check(abs(layer[mode] - layer["full"]) > 6e-4, f"post norm: {mode} hardly changes the loss: the test could not fail")
    ranks = ",".join(str(r["rank"]) for r in golden["truncate"]["ranks"])
    got = result("post norm", "truncate", *common, "--ranks", ranks)
    near(got["without_mlp"], golden["truncate"]["without_mlp"], "without the MLP")
    for found, wanted in zip(got["ranks"], golden["truncate"]["ranks"]):
        near(found["loss"], wanted["loss"], f"rank {wanted['rank']}")
    for found, wanted in zip(result("post norm", "truncate", *common, *token, "--ranks", ranks)["ranks"], golden["truncate_token"]):
        near(found["loss"], wanted["loss"], f"the token's loss at rank {wanted['rank']}")
        near(found["r2"], wanted["r2"], f"the token's r2 at rank {wanted['rank']}")


def refusals():
    model, other = DATA / "general/qwen3", DATA / "general/phi3"
    got = run("eigen", model, "--token", "#40")
    check(got.returncode == 2 and "bilens surrogate" in got.stderr and "--surrogate" in got.stderr, f"eigen without: {got.stderr}")
    for verb in ("scan", "report", "truncate", "ablate"):
        got = run(verb, model, "--token", "#40", "--corpus", CORPUS, *(["--eigs=-1"] if verb == "ablate" else []),
                  *(["-o", FOLDER / "none"] if verb == "report" else []))
        check(got.returncode == 2 and "--surrogate" in got.stderr, f"{verb} without: {got.stderr}")
    got = run("eigen", other, "--token", "#40", "--surrogate", FOLDER / "qwen3.safetensors")
    check(got.returncode == 2 and ("other weights" in got.stderr or "sizes" in got.stderr), f"another model's: {got.stderr}")
    got = run("eigen", model, "--token", "#40", "--surrogate", CORPUS)
    check(got.returncode == 2, f"no surrogate: {got.stderr}")


def page():
    model = DATA / "general/qwen3"
    out = FOLDER / "page"
    got = run("report", model, "--token", "#40", "--layer", last(model), "--corpus", CORPUS, "--surrogate", FOLDER / "qwen3.safetensors", "-o", out)
    check(got.returncode == 0, f"report: {got.stderr}")
    html = (out / "index.html").read_text()
    check("Which layer?" in html and f"<b>{last(model)}, this page</b>" in html, "the page has no table of layers")
    check("surrogate" in html and "Linear part" in html and "MLP explained" in html, "the page does not speak of the surrogate")
    quality(json.loads((out / "report.json").read_text())["eigen"], "report.json")


def others():
    """Verbs of the form alone, and the explorer's API."""
    model, stand = DATA / "general/qwen3", ["--surrogate", FOLDER / "qwen3.safetensors", "--layer", 1]
    for words in (["hosvd", model, "-k", 2], ["similar", model, "--token", "#40", "-k", 2], ["pairs", model, "--token", "#40", "-k", 2],
                  ["excite", model, "--text", TEXT, "--token", "#40"]):
        quality(result(words[0], *words, *stand), words[0])
        check("of the quadratic that stands for this MLP" in run(*words, *stand).stdout, f"{words[0]}: the terminal does not say it")
    server = subprocess.Popen([BILENS, "serve", str(model), *map(str, stand[:2]), "--corpus", str(CORPUS), "--port", "0", "--quiet"], stdout=subprocess.PIPE,
                              text=True)
    try:
        address = server.stdout.readline().strip()

        def get(path):
            with urllib.request.urlopen(address + path, timeout=300) as answer:
                return json.load(answer)

        listed = get("api/info")["surrogate"]["layers"]
        check([layer["layer"] for layer in listed] == [0, 1] and all(layer["r2"] > layer["r2_linear"] for layer in listed), f"api/info: {listed}")
        eigen = get("api/eigen?token=%2340&layer=1&eigs=-1")
        quality(eigen, "api/eigen")
        check(eigen["linear"]["norm"] > 0, "api/eigen has no linear part")
        found = get("api/layers?token=%2340&layer=1&stories=3")
        check(found["stories"] == 3 and all(layer["mlp_spread"] > 0 and layer["heads_spread"] > 0 for layer in found["layers"]), f"api/layers: {found}")
    finally:
        server.terminate()
        server.wait()


def atlas():
    model, file = DATA / "general/qwen3", FOLDER / "a.atlas"
    stand = ["--surrogate", FOLDER / "qwen3.safetensors"]
    (FOLDER / "tokens.txt").write_text("#40\n#41\n")
    got = run("atlas", model, *stand, "--layer", last(model), "--corpus", CORPUS, "--tokens", FOLDER / "tokens.txt", "-o", file)
    check(got.returncode == 0, f"atlas: {got.stderr}")
    if got.returncode == 0:
        tree = result("atlas query", "atlas", "query", file, "token=#40")
        same = result("eigen", "eigen", model, *stand, "--token", "#40", "--minus", "*", "--layer", last(model), "--eigs=-1")
        found = {v["index"]: v["eigenvalue"] for v in tree["vectors"]}
        quality(tree, "atlas query")
        check([one["layer"] for one in tree["surrogates"]] == [last(model)], f"atlas query: {tree['surrogates']}")
        check("of the quadratic that stands for this MLP" in run("atlas", "query", file, "token=#40").stdout, "atlas query: the terminal does not say it")
        check(abs(found[-1] - same["eigenvalues"][-1]) < 1e-4 * abs(found[-1]), f"atlas: {found[-1]} is not {same['eigenvalues'][-1]}")


for name in MODELS:
    model, file = DATA / ("models" if name in OWN else "general") / name, FOLDER / f"{name}.safetensors"
    result(f"{name}: surrogate", "surrogate", model, "--corpus", CORPUS, "-o", file)
    common = [model, "--surrogate", file]
    eigen(model, common)
    null(model, common)
    scan(model, common)
    explain(model, common)
    layers(model, common)
    evidence(model, common)
post_norm()
refusals()
page()
others()
atlas()
print(f"{ran - failures} passed, {failures} failed")
sys.exit(1 if failures else 0)
