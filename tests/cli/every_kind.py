#!/usr/bin/env python3
"""Members of the kinds of fault that are no matter of one verb.

    every_kind.py BILENS TEST_DATA [SECTION]

Exit status 0 when all is right. Standard library only."""
import gzip, json, os, pickle, random, shutil, struct

from checks import CORPUS, TOKEN, TRAIN, bytes_of, expect, fail, main, run, strict, work

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4961\n"


def write(name, content):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    with open(name, "wb") as f:
        f.write(content.encode() if isinstance(content, str) else content)
    return name


def copy(model, name):
    shutil.rmtree(name, ignore_errors=True)
    return shutil.copytree(model, name)


def tensors(path):
    raw = bytes_of(path)
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry, raw[8 + size:][slice(*entry["data_offsets"])]) for name, entry in header.items()}


def write_tensors(path, found, names=None, metadata=None):
    """The tensors of these names; `found` is what tensors() gives."""
    header, body = {"__metadata__": {"format": "pt", **(metadata or {})}}, b""
    for name in found if names is None else names:
        entry, content = found[name]
        header[name] = dict(entry, data_offsets=[len(body), len(body) + len(content)])
        body += content
    text = json.dumps(header).encode()
    write(path, struct.pack("<Q", len(text)) + text + body)


def shards(name, parts, found, metadata=({}, {}), **more):
    """A copy of plain in two shards with an index; more: what else the index's map has."""
    copy("plain", name)
    os.remove(name + "/model.safetensors")
    files = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for file, part, aliases in zip(files, parts, metadata):
        write_tensors(f"{name}/{file}", found, part, aliases)
    index = {**{t: file for file, part in zip(files, parts) for t in part}, **more}
    write(name + "/model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": index}))
    return name


def loss(model):
    r = run("eval", model, *CORPUS, "--format", "json")
    return strict(r.stdout)["loss"] if r.returncode == 0 else r.stderr


def same(want, model, *what):
    found = loss(model)
    if found != want:
        fail("weights", model, *what, found, "where", want, "was expected")


def which_weights():
    """Which weights are the model's: one file, shards, both; tensors named in __metadata__ only; what else lies there."""
    found, want = tensors("plain/model.safetensors"), loss("plain")
    names = list(found)
    half = names[:len(names) // 2], names[len(names) // 2:]
    same(want, shards("shards", half, found), "two shards")
    same(want, shards("ghost", half, found, ghost="model-00001-of-00002.safetensors"), "an index that names a tensor too many")
    os.remove(shards("lacking", half, found) + "/model-00002-of-00002.safetensors")
    expect(run("info", "lacking"), (2,), "model-00002-of-00002.safetensors, which is not there", "a shard is missing")
    shutil.copy("plain/model.safetensors", "lacking")
    same(want, "lacking", "one file beside an index whose shard is missing")
    for content in "", "[]", "{}", '{"weight_map": {"a": 3}}', '{"weight_map": {"a": "/etc/passwd"}}':
        copy("plain", "beside")
        write("beside/model.safetensors.index.json", content)
        same(want, "beside", "one file beside a broken index", content)
        os.remove("beside/model.safetensors")
        expect(run("info", "beside"), (2,), "index.json", "a broken index", content)
    twice = shards("twice", half, found)
    write_tensors(twice + "/model-00002-of-00002.safetensors", found, [*half[1], half[0][0]])
    expect(run("info", twice), (2,), half[0][0], "a tensor in two shards")
    for file, word in (("pytorch_model.bin", "safe_serialization"), ("adapter_model.safetensors", "LoRA"), ("consolidated.safetensors", "another name"), ("tf_model.h5", "TensorFlow"),
                       ("flax_model.msgpack", "Flax"), ("m.gguf", "itself as MODEL"), ("weights.pth", "PyTorch"), ("model-00001-of-00003.safetensors", "index.json"), ("README.md", "no model.safetensors")):
        os.rename(copy("plain", "else") + "/model.safetensors", "else/" + file)
        expect(run("info", "else"), (2,), word, file, "in place of the weights")
    for part in "model.safetensors", "config.json", "tokenizer.json":
        expect(run("info", "plain/" + part), (2,), "name the directory", part, "as MODEL")

    # one tensor for two, named in __metadata__: in one file, in shards, either way round
    embedding, head = [n for n in names if "wte" in n][0], [n for n in names if "lm_head" in n][0]
    found[head] = found[head][0], found[embedding][1]
    write_tensors(copy("plain", "tied") + "/model.safetensors", found)
    want = loss("tied")
    for kept, gone in (embedding, head), (head, embedding):
        left = [n for n in names if n != gone]
        write_tensors(copy("plain", "alias") + "/model.safetensors", found, left, {gone: kept})
        same(want, "alias", gone, "in __metadata__")
        for where in 0, 1:
            aliases = [{}, {}]
            aliases[where] = {gone: kept}
            same(want, shards("aliases", (left[:2], left[2:]), found, aliases), gone, "in __metadata__ of shard", where)
    write_tensors(copy("plain", "alias") + "/model.safetensors", found, [n for n in names if n != embedding], {embedding: embedding})
    expect(run("info", "alias"), (2,), embedding, "an alias of itself")


def demoted():
    """For root, whom no permission stops: another user; None where that one cannot run the program."""
    if os.geteuid() != 0:
        return lambda: None

    def nobody():
        os.setgid(65534)
        os.setuid(65534)

    os.chmod(work, 0o755)
    try:
        return nobody if run("--version", before=nobody).returncode == 0 else None
    except Exception:  # the program lies where others may not look
        return None


def reasons():
    """The system's own reason, wherever a name leads nowhere."""
    for folder in "locked", "dark":
        os.mkdir(folder)
        write(folder + "/x.txt", "swim\n")
    write("a-file", "x")
    os.symlink("loop", "loop")
    run("atlas", "plain", *CORPUS, "--frequent", "2", "-o", "whole.db")
    os.chmod("locked", 0o555)
    os.chmod("dark", 0)
    nobody, long = demoted(), "n" * 300
    names = {"a-file/x": "not a directory", "loop/x": "symbolic links", long: "too long", "/proc/x": ""}
    if nobody:
        names.update({"locked/x": "permission denied", "dark/x": "permission denied"})
    else:
        print("reasons: SKIPPED: without permissions: root, and nobody may not run the program")
    makers = {"eigen": ["eigen", "plain", *TOKEN], "report": ["report", "plain", *TOKEN, *CORPUS], "image report": ["report", "fashion-64", "--class", "5", "--images", "sample"],
              "trace": ["trace", "plain", "--text", "swim"], "export": ["export", "plain"], "atlas": ["atlas", "plain", *CORPUS, "--frequent", "2"], "train": TRAIN,
              "site": ["atlas", "plain", "--from", "whole.db"], "tokenizer": ["tokenizer", "train", *CORPUS, "--size", "60"], "surrogate": ["surrogate", "gelu", *CORPUS],
              "dictionary": ["dictionary", "train", "plain", *CORPUS, "--features", "8", "-k", "2", "--epochs", "1", "--batch", "16"]}
    suffix = {"atlas": ".db", "trace": ".safetensors", "export": ".safetensors", "tokenizer": ".json", "surrogate": ".safetensors"}
    for verb, args in makers.items():
        for name, word in names.items():
            option = "--site" if verb == "site" else "-o"
            expect(run(*args, option, name + suffix.get(verb, ""), before=nobody if "permission" in word else None), (1, 2), word, verb, option, name[:20])
    readers = {"--corpus": ["eval", "plain", "--corpus"], "--tokens": ["atlas", "plain", *CORPUS, "-o", "r.db", "--overwrite", "--tokens"], "--direction": ["eigen", "plain", "--direction"],
               "--directions": ["rank", "plain", "--directions"], "--names": ["rank", "plain", "--directions", "wide.npy", "--names"], "--surrogate": ["eigen", "gelu", *TOKEN, "--surrogate"],
               "--in": ["features", "plain", "--features", "0", "--out", "wide.npy", "--in"], "query": ["atlas", "query"], "serve": ["serve", "plain", "--port", "0", "--atlas"],
               "--from": ["report", "-o", "none", "--from"], "--tokenizer": [*TRAIN, "-o", "none", "--tokenizer"], "--npy": ["describe", "--npy"], "--images": ["eval", "fashion-64", "--images"],
               "--dictionary": ["dictionary", "eval", "plain", *CORPUS, "--dictionary"], "--sentences": ["atlas", "--from", "whole.db", "--site", "none", "--sentences"]}
    for option, args in readers.items():
        for name, word in {"a-file/x": "not a directory", "loop": "symbolic links", long: "too long", **({"dark/x.txt": "permission denied"} if nobody else {})}.items():
            path = "@" + name + ":1" if option == "--direction" else name
            expect(run(*args, path, before=nobody if "permission" in word else None), (1, 2), word, option, name[:20])
    expect(run("atlas", "query", "locked"), (2,), "is a directory", "a folder as an atlas")
    for file in "model.safetensors", "config.json", "tokenizer.json":
        os.chmod(copy("plain", "closed") + "/" + file, 0)
        if nobody:
            expect(run("eigen", "closed", *TOKEN, before=nobody), (2,), file + ": cannot open: permission denied", file, "that may not be read")
    os.chmod("dark", 0o700)
    os.chmod("locked", 0o700)


def hub():
    """Where the cache is, and which model an address shows."""
    os.mkdir("home")
    none = {"HOME": work + "/home", "HF_HOME": None, "HF_HUB_CACHE": None, "HUGGINGFACE_HUB_CACHE": None, "XDG_CACHE_HOME": None, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": None}
    for env, folder in (({}, "~/.cache/huggingface/hub"), ({"HF_HOME": "~/x"}, "~/x/hub"), ({"HF_HOME": "$HOME/x"}, "~/x/hub"), ({"HF_HOME": "${X}/y", "X": "/z"}, "/z/y/hub"),
                        ({"HF_HOME": "$X$Y", "X": "/a", "Y": "/b"}, "/a/b/hub"), ({"HF_HOME": "$X", "X": "~/q"}, "~/q/hub"), ({"HF_HUB_CACHE": "~/c"}, "~/c"), ({"HF_HUB_CACHE": "$X", "X": "~/q"}, "$HERE~/q"),
                        ({"XDG_CACHE_HOME": "$HOME/xdg"}, "~/xdg/huggingface/hub"), ({"HF_HOME": "/a/${X"}, "/a/${X/hub"), ({"HF_HOME": "/a/$Xb", "X": "v"}, "/a/$Xb/hub"), ({"HF_HOME": "", "HF_HUB_CACHE": ""}, "~/.cache/huggingface/hub"),
                        ({"HF_HOME": "/a", "HF_HUB_CACHE": "/b"}, "/b")):
        folder = folder.replace("$HERE~", "\0").replace("~", work + "/home").replace("\0", "~")
        expect(run("info", "some/model", env={**none, **env}), (2,), f"not in the cache {folder}, and", env)
    for address in ("https://huggingface.co/some/model", "https://huggingface.co/some/model/", "https://huggingface.co/some/model/tree/main", "https://huggingface.co/some/model/blob/main/config.json",
                    "https://huggingface.co/some/model?library=x", "https://huggingface.co/some/model#top", "https://huggingface.co/some/model.git", "https://HuggingFace.co/some/model", "https://huggingface.co:443/some/model",
                    " https://huggingface.co/some/model ", "git@hf.co:some/model", "hf://some/model", "huggingface.co/some/model", "https://huggingface.co/models/some/model"):
        expect(run("info", address, env=none), (2,), "as a name on the hub: some/model is not in the cache", address)
    for address, word in (("https://huggingface.co/some/model/tree/v1", "revision 'v1' of some/model"), ("https://huggingface.co/some/model/raw/v1/a", "revision 'v1' of some/model"), ("https://huggingface.co/datasets/a/b", "data set"),
                          ("https://huggingface.co/spaces/a/b", "another kind of page"), ("https://example.org/some/model", "HF_ENDPOINT"), ("https://huggingface.co/gpt2", "owner/name")):
        expect(run("info", address, env=none), (2,), word, address)


def padded(model, name, n, scale):
    """The model with n further rows of embedding and unembedding, which no token names."""
    found, numbers = tensors(copy(model, name) + "/model.safetensors"), random.Random(5)
    for tensor, (entry, content) in found.items():
        if "wte" in tensor or "lm_head" in tensor or "embed_tokens" in tensor:
            code = {"F32": "f", "F16": "e"}[entry["dtype"]]
            rows = [scale * numbers.gauss(0, 1) for _ in range(n * entry["shape"][1])]
            found[tensor] = dict(entry, shape=[entry["shape"][0] + n, entry["shape"][1]]), content + struct.pack(f"<{len(rows)}{code}", *rows)
    write_tensors(name + "/model.safetensors", found)
    config = json.load(open(name + "/config.json"))
    for key in config:
        if "vocab" in key:
            config[key] += n
    write(name + "/config.json", json.dumps(config))


def vocabulary():
    """Rows that no token names are in no mean, no list and no rank."""
    padded("plain", "wider", 7, 2.0)
    verbs = {"eigen": [*TOKEN], "eigen *": [*TOKEN, "--minus", "*"], "scan": [*TOKEN, "--minus", "*", *CORPUS], "similar": [*TOKEN, "-k", "20"], "null": [*TOKEN, "--minus", "*", "--draws", "5"],
             "pairs": [*TOKEN, "-k", "5"], "pairs of heads": [*TOKEN, "-k", "5", "--left", "head 0", "--right", "head 1"], "hosvd": ["-k", "3"], "rank": ["--directions", "wide.npy"],
             "generate": ["--temperature", "3", "--stories", "5", "--max-tokens", "20"], "features": ["--in", "wide.npy", "--out", "wide.npy", "--features", "0", "-k", "3", *CORPUS]}
    for verb, args in verbs.items():
        a, b = (run(verb.split()[0], model, *args, "--format", "json").stdout.replace(f'"{model}"', '"M"') for model in ("plain", "wider"))
        if not a or a != b:
            fail("vocabulary", verb, "changes by rows that no token names")
    for verb, args in {"explain": ["--text", "swim", "--token", "fly"], "excite": ["--text", "Mia likes to swim"]}.items():
        a, b = (run(verb, model, *args, "--format", "json") for model in ("plain", "wider"))
        if a.returncode or b.returncode:
            fail("vocabulary", verb, a.stderr, b.stderr)
            continue
        a, b = strict(a.stdout), strict(b.stdout)
        if [p["token"] for p in a["predictions"]] != [p["token"] for p in b["predictions"]] or a.get("rank") != b.get("rank"):
            fail("vocabulary", verb, "predicts rows that no token names", [p["token"] for p in b["predictions"]])


def dead_units():
    """Hidden units that are dead by any of their three sides: the null draws leave them in place, and their number is said everywhere."""
    for side in "mlp.o.weight", "mlp.w.weight left", "mlp.w.weight right":
        found = tensors(copy("plain", "dead") + "/model.safetensors")
        name = [n for n in found if n.endswith(side.split()[0])][0]
        entry, content = found[name]
        rows, cols = entry["shape"]
        values = list(struct.unpack(f"<{rows * cols}f", content))
        for unit in range(14):
            row = unit if "left" in side else rows // 2 + unit
            at = range(row * cols, (row + 1) * cols) if " " in side else range(unit, rows * cols, cols)
            for i in at:
                values[i] = 0.0
        found[name] = entry, struct.pack(f"<{rows * cols}f", *values)
        write_tensors("dead/model.safetensors", found)
        for args in ["null", "dead", *TOKEN, "--draws", "3"], ["rank", "dead", "--directions", "wide.npy"]:
            r = run(*args, "--format", "json")
            if r.returncode or strict(r.stdout)["dead"] != 14 or "14 of the hidden units are dead" not in r.stderr:
                fail("dead units", side, args[0], r.stderr, r.stdout[:100])
    run("report", "dead", *TOKEN, *CORPUS, "-o", "dead-report")
    run("atlas", "dead", *CORPUS, "--frequent", "2", "-o", "dead.db")
    told = {"report": strict(bytes_of("dead-report/report.json").decode())["evidence"]["null"]["dead"], "atlas": strict(run("atlas", "query", "dead.db", "--format", "json").stdout)["dead"]}
    if told != {"report": 14, "atlas": 14} or b"leave in place: 14." not in bytes_of("dead-report/index.html") or "14 hidden units are dead" not in run("atlas", "query", "dead.db").stdout:
        fail("dead units", told)
    if "dead" in run("null", "plain", *TOKEN, "--draws", "3").stderr:
        fail("dead units", "a note where there are none")
    write_tensors("dead/model.safetensors", {n: (e, bytes(len(c)) if n.endswith("mlp.o.weight") else c) for n, (e, c) in found.items()})
    expect(run("null", "dead", *TOKEN), (1, 2), "form is 0", "all units are dead")


def long_words():
    """Words too long to learn from: their characters are kept, and their number is said, also where the vocabulary cannot be made."""
    numbers = random.Random(3)
    thai, chinese = [chr(0xe01 + i) for i in range(40)], [chr(0x4e00 + i) for i in range(60)]
    for name, letters, blank, size, status in (("dna", "ACGT", False, 60, 2), ("dna and short", "ACGT", True, 40, 0), ("thai", thai, True, 120, 0), ("chinese", chinese, True, 130, 0), ("protein", "ACDEFGHIKLMNPQRSTVWY", False, 80, 2)):
        stories = ["".join(numbers.choice(letters) for _ in range(150)) + (" " + "".join(numbers.choice(letters) for _ in range(60)) if blank else "") for _ in range(20)]
        if blank and "long" in name:
            continue
        r = run("tokenizer", "train", "--corpus", write("words.txt", "\n<|endoftext|>\n".join(stories)), "--size", str(size), "-o", "words.json")
        if r.returncode != status or (("longer than 100 characters" not in r.stderr) and name not in ("chinese",)):
            fail("long words", name, r.returncode, r.stderr)
        if r.returncode == 0:
            known = set("".join(json.load(open("words.json"))["model"]["vocab"]).lower())
            if set("".join(letters).lower()) - known:
                fail("long words", name, "characters are missing")


def other_files():
    """A file that is something else is named as what it is, wherever one is read."""
    run("atlas", "plain", *CORPUS, "--frequent", "2", "-o", "whole.db", "--overwrite")
    contents = {"lfs": POINTER, "html": "<!DOCTYPE html>\n<html></html>\n", "zip": b"PK\3\4" + bytes(300), "pickle": pickle.dumps({"a": [1] * 50}, 2), "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(300), "png": b"\x89PNG\r\n\x1a\n" + bytes(60),
                "gzip": gzip.compress(b"swim\n" * 9), "parquet": b"PAR1" + bytes(60), "xml": "<?xml version='1.0'?><Error/>", "utf-16": "swim\n".encode("utf-16")}
    readers = {"--tokens .txt": ["atlas", "plain", *CORPUS, "-o", "r.db", "--overwrite", "--tokens"], "--names .txt": ["rank", "plain", "--directions", "wide.npy", "--names"], "--directions .npy": ["rank", "plain", "--directions"],
               "--directions .csv": ["rank", "plain", "--directions"], "--direction .npy": ["eigen", "plain", "--direction"], "--surrogate .safetensors": ["eigen", "gelu", *TOKEN, "--surrogate"], "--in .npy": ["features", "plain", "--features", "0", "--out", "wide.npy", "--in"],
               "--dictionary .safetensors": ["dictionary", "eval", "plain", *CORPUS, "--dictionary"], "--tokenizer .json": ["tokenize", "--text", "a", "--tokenizer"], "query .db": ["atlas", "query"], "--from .json": ["report", "-o", "none", "--from"],
               "--sentences .txt": ["atlas", "plain", "--from", "whole.db", "--site", "none", "--sentences"], "--npy .npy": ["describe", "--npy"], "--corpus .txt": ["eval", "plain", "--corpus"], "--valid .txt": [*TRAIN, "-o", "none", "--overwrite", "--valid"],
               "--labels .npy": ["eval", "fashion-64", "--images", "sample/images.npy", "--labels"], "MODEL .gguf": ["info"]}
    for what, args in readers.items():
        option, suffix = what.split()
        for word, content in contents.items():
            if word == "gzip" and option in ("--corpus", "--valid"):
                continue
            path = write("other" + suffix, content)
            expect(run(*args, "@" + path if option == "--direction" else path), (2,), word, what, "is", word)


main(which_weights, reasons, hub, vocabulary, dead_units, long_words, other_files)
