#!/usr/bin/env python3
"""Every kind of fault at every verb, as a user meets them.

    every_verb.py BILENS TEST_DATA [SECTION]

A new verb needs a row in one of the two tables below. Exit status 0 when all is right. Standard library only."""
import json, math, os, resource, shutil, subprocess
import xml.dom.minidom

from checks import CORPUS, TOKEN, TRAIN, bilens, bytes_of, data, expect, fail, is_json, main, run, sanitized, strict, weights, work


def verbs(model="plain", gelu="gelu", image="fashion-64", modular="modular-59"):
    """Verbs whose result is one text."""
    return {
        "info": ["info", model],
        "eigen": ["eigen", model, *TOKEN],
        "scan": ["scan", model, *TOKEN, *CORPUS],
        "describe": ["describe", model, "--tensor", "ov", "-k", "2"],
        "eval": ["eval", model, *CORPUS],
        "generate": ["generate", model, "--max-tokens", "3"],
        "excite": ["excite", model, "--text", "swim"],
        "layers": ["layers", model, *TOKEN, *CORPUS],
        "explain": ["explain", model, "--text", "swim", "--token", "fly"],
        "truncate": ["truncate", model, *CORPUS, "--ranks", "1,2"],
        "truncate token": ["truncate", model, *CORPUS, "--ranks", "1,2", *TOKEN],
        "ablate": ["ablate", model, *TOKEN, "--eigs", "-1", *CORPUS, "--controls", "1"],
        "null": ["null", model, *TOKEN, "--draws", "3"],
        "pairs": ["pairs", model, *TOKEN, "-k", "2"],
        "hosvd": ["hosvd", model, "-k", "2"],
        "diff": ["diff", model, model],
        "similar": ["similar", model, *TOKEN, "-k", "2"],
        "features": ["features", model, "--in", "wide.npy", "--out", "wide.npy", "--features", "0", "-k", "2"],
        "image info": ["info", image],
        "image eval": ["eval", image, "--images", "sample"],
        "image eigen": ["eigen", image, "--class", "5"],
        "image scan": ["scan", image, "--class", "5", "--images", "sample"],
        "image truncate": ["truncate", image, "--images", "sample", "--ranks", "1"],
        "image explain": ["explain", image, "--images", "sample", "--image", "3"],
        "image hosvd": ["hosvd", image],
        "image diff": ["diff", image, image],
        "image describe": ["describe", image, "--tensor", "w_e"],
        "mask": ["mask", image, "--class", "5", "--images", "sample", "--per-class", "2", "--permutations", "1"],
        "fourier": ["fourier", modular, "--permutations", "1"],
    }


def makers(model="plain", gelu="gelu", image="fashion-64"):
    """Verbs that make a file or a folder, without its name."""
    return {
        "report": ["report", model, *TOKEN, *CORPUS],
        "export": ["export", model],
        "trace": ["trace", model, "--text", "swim"],
        "tokenizer": ["tokenizer", "train", *CORPUS, "--size", "60"],
        "atlas": ["atlas", model, *CORPUS, "--frequent", "2"],
        "surrogate": ["surrogate", gelu, *CORPUS],
        "image report": ["report", image, "--class", "5", "--images", "sample"],
        "image export": ["export", image],
        "image trace": ["trace", image, "--images", "sample", "--image", "1"],
        "train": [*TRAIN],
    }


def names():
    """-o: an empty name, standard output, what is read, what cannot be written."""
    for name, args in {**verbs(), **makers()}.items():
        expect(run(*args, "-o", ""), (2,), "empty", name, "-o ''")
    for name, args in verbs().items():
        plain, dash = run(*args), run(*args, "-o", "-")
        if plain.returncode or dash.returncode or plain.stdout != dash.stdout:
            fail(name, "-o - is not standard output", dash.stderr)
        model = "modular-59" if name == "fourier" else "fashion-64" if "image" in name or name == "mask" else "plain"
        for target, statuses, word in ((model + "/model.safetensors", (2,), "not written over"), ("/nonexistent/x", (1, 2), "no such file"), ("sample", (1, 2), "director"),
                                       ("/proc/x", (1, 2), ""), ("/dev/full", (1,), "space")):
            before = bytes_of(target) if target.startswith(model) else None
            r = run(*args, "-o", target)
            expect(r, statuses, word, name, "-o", target)
            if before is not None and before != bytes_of(target):
                fail(name, target, "was written over")
    for name in "file:x.db", "file:x.db?mode=ro", ":memory:":
        made, asked = run(*makers()["atlas"], "-o", name), run("atlas", "query", name, "--format", "json")
        if made.returncode or asked.returncode or not os.path.exists(name) or not is_json(asked.stdout):
            fail("atlas", name, "is no plain name", made.stderr, asked.stderr)
    for name, args in makers().items():
        if name not in ("tokenizer", "surrogate", "image trace"):
            expect(run(*args, "-o", "-"), (2,), "-o -", name, "-o -")
        expect(run(*args, "-o", "/proc/nowhere/x"), (1, 2), "", name, "-o /proc/nowhere/x")


def plots():
    for args in ["eigen", "plain", *TOKEN], verbs()["truncate"], verbs()["truncate token"], ["truncate", "fashion-64", "--images", "sample", "--ranks", "1"], \
            ["study", "--images", "sample", "--epochs", "1", "--seeds", "1", "-o", "st"]:
        own = "fashion-64" if "fashion-64" in args else "plain"
        for path in "", "-", own + "/model.safetensors", "/nonexistent/a.svg", "x.gif", "/dev/full", "plain":
            if args[0] == "study" and path.startswith("plain/"):
                continue
            expect(run(*args, "--plot", path), (2,), "", args[0], "--plot", repr(path))


def inputs():
    """No input is written over: a file, through a folder, a second model, an element or a tensor of a file."""
    run("surrogate", "gelu", *CORPUS, "-o", "s.safetensors")
    run("report", "plain", *TOKEN, *CORPUS, "-o", "R")
    run("tokenizer", "train", *CORPUS, "--size", "60", "-o", "t.json")
    os.link("stories.txt", "hard.txt")
    os.symlink("fashion-64", "link")
    labels = ["--images", "sample/images.npy", "--labels", "sample/labels.npy"]
    for args, path in ((verbs()["features"], "wide.npy"), (["eval", "fashion-64", "--images", "sample"], "sample/t10k-images-idx3-ubyte.gz"), (["eval", "fashion-64", *labels], "sample/labels.npy"),
                       (["eval", "fashion-64", *labels], "sample/images.npy"), (["diff", "bias", "plain"], "plain/model.safetensors"), (["diff", "plain", "bias"], "bias/config.json"),
                       (["diff", "fashion-64", "modular-59"], "modular-59/config.json"), (["describe", "--npy", "wide.npy"], "wide.npy"), (["eigen", "plain", "--direction", "wide.npy:1"], "wide.npy"),
                       (["eigen", "plain", "--direction", "@wide.npy:1"], "wide.npy"), (["report", "plain", "--direction", "@wide.npy:1", *CORPUS], "wide.npy"), (["surrogate", "gelu", *CORPUS], "gelu/model.safetensors"),
                       (["surrogate", "gelu", *CORPUS], "stories.txt"), (["surrogate", "gelu", *CORPUS, "--valid", "stories.jsonl"], "stories.jsonl"), (["eval", "plain", *CORPUS], "stories.txt"),
                       (["report", "--from", "R/report.json"], "R/report.json"), (["trace", "plain", "--text", "swim"], "plain/config.json"), (["export", "plain"], "plain/tokenizer.json"),
                       (["tokenizer", "train", *CORPUS, "--size", "60"], "stories.txt"), (["eigen", "gelu", *TOKEN, "--surrogate", "s.safetensors"], "s.safetensors"),
                       (["scan", "plain", *TOKEN, *CORPUS], "hard.txt"), (["dictionary", "train", "plain", *CORPUS, "--features", "8", "-k", "2", "--batch", "16", "--epochs", "1", "--overwrite"], "plain"),
                       (["dictionary", "train", "fashion-64", "--images", "sample", "--features", "8", "-k", "2", "--batch", "16", "--overwrite"], "link"), (["trace", "plain", "--text", "swim"], "plain"),
                       (["atlas", "plain", *CORPUS, "--tokens", "tokens.txt", "--overwrite"], "tokens.txt"), (["atlas", "plain", *CORPUS, "--frequent", "1", "--overwrite"], "stories.txt")):
        inside = [path] if os.path.isfile(path) else [f"{path}/{name}" for name in sorted(os.listdir(path))]
        before = [bytes_of(name) for name in inside]
        r = run(*args, "-o", path)
        expect(r, (2,), "", *args, "-o", path)
        if not before or before != [bytes_of(name) for name in inside]:
            fail(*args, "-o", path, "was written over")


def standard_output():
    for name, args in {**verbs(), "version": ["--version"], "help": ["--help"], "help of a verb": ["eigen", "--help"], "tokenize": ["tokenize", "plain", "--text", "swim"]}.items():
        with open("/dev/full", "w") as full:
            expect(run(*args, stdout=full), (1,), "no space", name, "/dev/full")
        reader, writer = os.pipe()
        os.close(reader)
        r = run(*args, stdout=writer)
        os.close(writer)
        if r.returncode not in (0, 141) or "rror" in r.stderr or "roken" in r.stderr:
            fail(name, "closed pipe", r.returncode, r.stderr)
        r = run(*args, before=lambda: os.close(1))
        if r.returncode not in (0, 1, 2):
            fail(name, "without standard output", r.returncode, r.stderr)


def not_finite():
    """Weights with NaN or infinity: a warning that names tensor and count; JSON stays JSON."""
    for bad in math.nan, math.inf:
        for model in "plain", "gelu", "fashion-64", "modular-59":
            changed = []

            def first(name, values, kind):
                if not changed:
                    changed.append(name)
                    values[1] = bad
                return values

            weights(model, "bad-" + model, first)
        for name, args in verbs("bad-plain", "bad-gelu", "bad-fashion-64", "bad-modular-59").items():
            r = run(*args, "--format", "json")
            said = r.stderr.lower()
            if "1 of the" not in said or "nan or infinite" not in said:
                fail(name, bad, "no warning", r.returncode, r.stderr[-150:])
            if "memory" in said or r.returncode not in (0, 1, 2) or (r.returncode == 0 and not is_json(r.stdout)):
                fail(name, bad, r.returncode, r.stderr[-150:], r.stdout[:80])


def sizes():
    """Weights of every magnitude: a result, or an error that names the overflow."""
    for scale in 1e-30, 1e-12, 1e9, 1e30:
        def scaled(name, values, kind):
            return [min(max(x * scale, -3e38), 3e38) for x in values] if kind == "f" else values

        for model in "plain", "gelu", "modular-59":
            weights(model, "scaled-" + model, scaled)
        for name, args in verbs("scaled-plain", "scaled-gelu", "fashion-64", "scaled-modular-59").items():
            if "image" in name or name == "mask":
                continue
            r = run(*args, "--format", "json")
            if r.returncode not in (0, 1, 2) or "memory" in r.stderr or "converge" in r.stderr or (r.returncode and not r.stderr):
                fail(name, scale, r.returncode, r.stderr[-200:])
            if r.returncode == 0 and not is_json(r.stdout):
                fail(name, scale, "no JSON", r.stdout[:80])
        r = run("dictionary", "train", "scaled-plain", *CORPUS, "--features", "8", "-k", "2", "--batch", "16", "--epochs", "1", "-o", "scaled-dictionary", "--overwrite", "--format", "json")
        if r.returncode not in (0, 1, 2) or "memory" in r.stderr or (r.returncode == 0 and not is_json(r.stdout)):
            fail("dictionary train", scale, r.returncode, r.stderr[-200:])
        if scale not in (1e-12, 1e9):
            continue
        plain, changed = (strict(run("hosvd", model, "--format", "json").stdout) for model in ("plain", "scaled-plain"))
        ratio = changed["values"][0] / plain["values"][0] / scale ** 3
        if abs(ratio - 1) > 1e-5:
            fail("hosvd", scale, "the values are", ratio, "of what they should be")
        alike = strict(run("diff", "plain", "scaled-plain", "--format", "json").stdout)
        if abs(alike["frobenius"] - 1) > 1e-5:
            fail("diff", scale, alike["frobenius"])


def contexts():
    """Memory by the story, never by the context."""
    shutil.copytree("plain", "long")
    config = json.load(open("long/config.json"))
    config["n_ctx"] = 1 << 20
    json.dump(config, open("long/config.json", "w"))
    more = {"trace": ["trace", "long", "--text", "swim", "-o", "long.safetensors"], "report": ["report", "long", *TOKEN, *CORPUS, "-o", "long-report"],
            "atlas": ["atlas", "long", *CORPUS, "--frequent", "2", "-o", "long.db"]}

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))

    for name, args in {**verbs("long"), **more}.items():
        if not ("image" in name or name in ("mask", "fourier")):
            expect(run(*args, env={"OMP_NUM_THREADS": "10"}, before=None if sanitized else limit), (0,), "", name, "n_ctx 2^20")


def environments():
    every = [{"HOME": None}, {"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "tr_TR.UTF-8"}, {"LANG": None, "LC_ALL": None, "TERM": None}, {"COLUMNS": "1"}, {"TMPDIR": "/nonexistent"},
             {"OMP_THREAD_LIMIT": "1"}, {"OMP_DYNAMIC": "true", "OMP_THREAD_LIMIT": "2"}, {"OMP_MAX_ACTIVE_LEVELS": "0"}, {"OMP_NUM_THREADS": "3,2"}]
    for i, (name, args) in enumerate(verbs().items()):
        plain = run(*args, "--format", "json")
        for env in (every[(3 * i + k) % len(every)] for k in range(3)):  # every one meets several verbs
            r = run(*args, "--format", "json", env=env)
            if r.returncode or r.stdout != plain.stdout:
                fail(name, env, r.returncode, r.stderr[-150:])


def ranks():
    if not shutil.which("mpirun"):
        print("ranks: SKIPPED: no mpirun")
        return
    suffix = {"atlas": ".db", "tokenizer": ".json", "surrogate": ".safetensors"}
    made = {name: [*args, "-o", "ranks-" + name.replace(" ", "-") + suffix.get(name, "")] for name, args in makers().items()}
    for name, args in {**verbs(), **made}.items():
        formats = [] if "export" in name or "trace" in name else ["--format", "json"]
        r = subprocess.run(["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", bilens, *args, *formats, "--quiet"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
        if r.returncode or (formats and not is_json(r.stdout)):
            fail(name, "mpirun", r.returncode, r.stderr[:200], r.stdout[:100])


def numbers():
    """Words that are no numbers, and numbers that mean nothing: refused before the work, nothing left."""
    for option in "--lr", "--beta1", "--clip", "--epochs", "--decay", "--noise", "--epsilon", "--lr-end", "--time":
        for value in "nan", "inf", "-1", "x", "":
            expect(run(*TRAIN, option, value, "-o", "none"), (2,), "", "train", option, repr(value))
    study = ["study", "--images", "sample", "-o", "none"]
    for args in (["eigen", "plain", *TOKEN, "--eigs", "1.5"], ["eigen", "plain", *TOKEN, "--eigs", "nan"], ["eigen", "plain", *TOKEN, "--eigs", ""], ["generate", "plain", "--temperature", "nan"],
                 ["generate", "plain", "--temperature", "inf"], ["generate", "plain", "--temperature", "-1"], ["generate", "plain", "--top-p", "nan"], ["generate", "plain", "--top-p", "2"],
                 [*verbs()["mask"], "--strength", "nan"], [*verbs()["mask"], "--strength", "-1"], [*verbs()["mask"], "--rare", "nan"], [*study, "--noise", "nan"], [*study, "--noise", "0,,1"],
                 [*study, "--decay", "-1"], [*study, "--lr", "inf"], [*study, "--epochs", "0"], [*study, "--seeds", "0"], [*study, "--batch", "0"], ["truncate", "plain", *CORPUS, "--ranks", ""],
                 ["truncate", "plain", *CORPUS, "--ranks", "-1"], ["truncate", "plain", *CORPUS, "--ranks", "1,x"], ["null", "plain", *TOKEN, "--draws", "0"], ["pairs", "plain", *TOKEN, "-k", "0"],
                 ["similar", "plain", *TOKEN, "-k", "0"], ["describe", "plain", "--tensor", "ov", "-k", "0"], ["features", "plain", "--in", "wide.npy", "--out", "wide.npy", "--features", "-1"],
                 ["features", "plain", "--in", "wide.npy", "--out", "wide.npy", "--features", "1.5"], ["fourier", "modular-59", "--residues", "59"], ["fourier", "modular-59", "--residues", "-1"],
                 ["explain", "plain", "--text", "swim", "--position", "99"], ["explain", "plain", "--text", "swim", "--position", "1.5"], ["surrogate", "gelu", *CORPUS, "--layers", "9", "-o", "none"],
                 ["scan", "plain", *TOKEN, *CORPUS, "--top", "0"], ["atlas", "plain", *CORPUS, "--pairs", "0", "-o", "none"]):
        expect(run(*args), (2,), "", *args)
    r = run("null", "plain", *TOKEN, "--draws", "99999999999999")
    expect(r, (1, 2), "memory", "null --draws 99999999999999")
    if os.path.exists("none"):
        fail("numbers: something was written")


def kinds():
    """A Git LFS pointer is named as that, under every name that something is read from."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 4961\n"
    for name in "p.safetensors", "p.npy", "p.gguf", "p.db", "p.json", "p.txt", "p.gz", "p.zst", "p.idx":
        with open(name, "w") as f:
            f.write(pointer)
    for model, name in ("plain", "config.json"), ("plain", "model.safetensors"), ("plain", "tokenizer.json"), ("fashion-64", "config.json"), ("fashion-64", "model.safetensors"):
        shutil.rmtree("pointer", ignore_errors=True)
        shutil.copytree(model, "pointer")
        shutil.copy("p.txt", "pointer/" + name)
        expect(run("info", "pointer"), (2,), "lfs", model, name, "a Git LFS pointer")
    for args in (["features", "plain", "--in", "p.safetensors", "--out", "p.safetensors", "--features", "0"], ["features", "plain", "--in", "p.npy", "--out", "p.npy", "--features", "0"],
                 ["eigen", "plain", "--direction", "@p.npy:1"], ["eigen", "gelu", *TOKEN, "--surrogate", "p.safetensors"], ["info", "p.gguf"], ["atlas", "query", "p.db", "token=swim"],
                 ["serve", "plain", "--atlas", "p.db", "--port", "0"], ["eval", "plain", "--corpus", "p.txt"], ["eval", "plain", "--corpus", "p.json"], ["eval", "plain", "--corpus", "p.gz"],
                 ["eval", "plain", "--corpus", "p.zst"], ["train", *CORPUS, "--tokenizer", "p.json", "--steps", "1", "-o", "none"], ["report", "--from", "p.json", "-o", "none"],
                 ["describe", "--npy", "p.npy"], ["eval", "fashion-64", "--images", "p.idx", "--labels", "p.idx"], ["eval", "fashion-64", "--images", "p.npy", "--labels", "p.npy"]):
        expect(run(*args), (2,), "lfs", *args)


def keys():
    """A key of config.json that may change what is computed is honoured or refused by its name; defaults and names of training are not."""
    def said(model, key, value):
        shutil.rmtree("keyed", ignore_errors=True)
        shutil.copytree(model, "keyed")
        with open("keyed/config.json") as f:
            config = json.load(f)
        config[key] = value
        with open("keyed/config.json", "w") as f:
            json.dump(config, f)
        return run("info", "keyed")

    refused = {"plain": {"softcap": 30, "rope_theta": 5e5, "gate": "silu", "bilinear": False},
               "fashion-64": {"normalization": True, "activation": "relu", "mean": 0.5, "attention": 2},
               "modular-59": {"operation": "mul", "norm": "rms"}}
    harmless = {"plain": {"torch_dtype": "float32", "use_cache": True}, "fashion-64": {"torch_dtype": "float32", "wandb": True, "normalization": None, "norm": False}}
    for model in "gemma", "gemma3", "gpt2", "neox", "phi3-plain", "qwen3", "smollm3":
        shutil.copytree(f"{data}/general/{model}", model)
        refused[model] = {"num_experts": 8, "embedding_multiplier": 12, "use_bidirectional_attention": True, "layer_types": ["linear_attention"], "quantization_config": {"quant_method": "gptq"}}
        harmless[model] = {"use_cache": True, "num_experts": 1, "logit_scale": 1.0, "clip_qkv": None, "pretraining_tp": 1}
    refused["phi3-plain"]["attn_logit_softcapping"] = 50.0
    subprocess.run(["chmod", "-R", "u+w", work], check=True)
    for model, pairs in refused.items():
        for key, value in pairs.items():
            expect(said(model, key, value), (2,), key, model, key, value)
    for model, pairs in harmless.items():
        for key, value in pairs.items():
            expect(said(model, key, value), (0,), "", model, key, value)


def standard_input():
    with open("nul.txt", "wb") as f:
        f.write(b"swim\0fly")
    for args in ["tokenize", "plain"], ["excite", "plain"], ["trace", "plain", "-o", "none.npy"], ["atlas", "plain", *CORPUS, "--tokens", "nul.txt", "-o", "none.db"]:
        r = subprocess.run([bilens, *args], stdin=open("nul.txt"), capture_output=True, text=True, timeout=600)
        expect(r, (2,), "nul", *args, "with NUL in what is read")
    for content, status in ((b"\xef\xbb\xbfswim\r\nfly\r\n", 0), (b"swim\n\n\nfly", 0), (b"", 2), (b"\n\n", 2), (b"s\0w\0i\0m\0", 2)):
        with open("list.txt", "wb") as f:
            f.write(content)
        for source in "list.txt", "-":
            r = subprocess.run([bilens, "atlas", "plain", *CORPUS, "--tokens", source, "--overwrite", "-o", "list.db"], stdin=open("list.txt"), capture_output=True, text=True, timeout=600)
            expect(r, (status,), "--tokens", "--tokens", source, content)


def formats():
    """--format latex: tables that end, numbers in mathematics; --format svg: XML, in both themes."""
    for name, args in verbs().items():
        if name == "generate":  # a text, no table
            continue
        r = run(*args, "--format", "latex")
        tables = r.stdout.count("\\begin{tabular}")
        if r.returncode or r.stdout.count("\\end{tabular}") != tables or not (tables or "\\colorbox" in r.stdout or "\\noindent" in r.stdout):
            fail(name, "--format latex", r.returncode, r.stderr[-150:], r.stdout[:100])
        for line in r.stdout.splitlines():
            if line.endswith("\\\\") and line.replace("\\$", "").count("$") % 2:
                fail(name, "--format latex", line)
        light, dark = (run(*args, "--format", "svg", "--theme", theme) for theme in ("light", "dark"))
        for r in light, dark:
            if r.returncode or xml.dom.minidom.parseString(r.stdout).documentElement.tagName != "svg":
                fail(name, "--format svg", r.returncode, r.stderr[-150:])
        if light.stdout == dark.stdout:
            fail(name, "--theme dark is drawn as light")
    expect(run("eigen", "plain", *TOKEN, "--format", "tex"), (2,), "latex, svg", "--format tex")
    expect(run("scan", "plain", *TOKEN, *CORPUS, "--theme", "dark"), (2,), "--format svg", "--theme without a drawing")
    expect(run("scan", "plain", *TOKEN, *CORPUS, "--format", "svg", "--theme", "red"), (2,), "light, dark", "--theme red")


main(names, formats, plots, inputs, kinds, keys, standard_output, standard_input, not_finite, sizes, contexts, environments, ranks, numbers)
