"""What every_verb.py and every_kind.py share: a folder of small models to work in, running the program, counting what falls short."""
import json, os, shutil, struct, subprocess, sys, tempfile

bilens, data = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
wanted = sys.argv[3] if len(sys.argv) > 3 else ""
sanitized = b"__asan_init" in open(bilens, "rb").read()
work = tempfile.mkdtemp(prefix="bilens-verbs-")
os.chdir(work)
failures = 0

TOKEN, CORPUS = ["--token", "swim"], ["--corpus", "stories.txt"]
TRAIN = ["train", *CORPUS, "--tokenizer", "plain/tokenizer.json", "--d-model", "8", "--heads", "2", "--d-hidden", "12", "--steps", "1", "--ctx", "16", "--batch", "4", "--sample", "0"]


def run(*args, env=None, stdout=subprocess.PIPE, timeout=600, before=None):
    e = {k: v for k, v in os.environ.items() if not k.startswith("OMPI")}
    e.setdefault("OMP_WAIT_POLICY", "passive")
    for key, value in (env or {}).items():
        e.pop(key, None) if value is None else e.__setitem__(key, value)
    try:
        return subprocess.run([bilens, *args], stdout=stdout, stderr=subprocess.PIPE, text=True, env=e, stdin=subprocess.DEVNULL, timeout=timeout, preexec_fn=before)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(args, 999, "", "does not end")


def fail(*what):
    global failures
    failures += 1
    print("FAIL:", *what, flush=True)


def expect(r, statuses, word, *what):
    if r.returncode not in statuses or (r.returncode and word.lower() not in r.stderr.lower()):
        fail(*what, f"exit {r.returncode}", r.stderr[-200:].strip(), (r.stdout or "")[:60])


def strict(text):
    return json.loads(text, parse_constant=lambda constant: 1 / 0)


def is_json(text):
    try:
        strict(text)
        return text.endswith("\n")
    except (ValueError, ZeroDivisionError):
        return False


def bytes_of(path):
    return open(path, "rb").read() if os.path.isfile(path) else None


def weights(source, target, change):
    """A copy of a model whose float32 tensors went through change(name, values); float16 ones are left."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    path = target + "/model.safetensors"
    raw = bytes_of(path)
    size = struct.unpack("<Q", raw[:8])[0]
    header, body = json.loads(raw[8:8 + size]), bytearray(raw[8 + size:])
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        kind, width = {"F32": ("f", 4), "F16": ("e", 2)}[entry["dtype"]]
        form = f"<{(end - begin) // width}{kind}"
        body[begin:end] = struct.pack(form, *change(name, list(struct.unpack(form, body[begin:end])), kind))
    with open(path, "wb") as f:
        f.write(raw[:8 + size] + bytes(body))


def main(*sections):
    """Runs those whose names hold the third argument."""
    for name in "plain", "bias", "gelu":
        shutil.copytree(f"{data}/models/{name}", name)
    for name in "fashion-64", "modular-59", "sample":
        shutil.copytree(f"{data}/images/{name}", name)
    shutil.copy(f"{data}/models/stories.txt", "stories.txt")
    with open("stories.jsonl", "w") as f:
        f.write('{"text": "Mia likes to swim."}\n{"text": "A bird likes the sky."}\n')
    with open("tokens.txt", "w") as f:
        f.write("swim\n")
    subprocess.run(["chmod", "-R", "u+w", work], check=True)
    run("export", "plain", "--tensors", "w_u", "-o", "wide.npy")
    try:
        for section in sections:
            if wanted in section.__name__:
                section()
    finally:
        os.chdir("/")
        shutil.rmtree(work, ignore_errors=True)
    print(f"{failures} failures")
    sys.exit(failures > 0)
