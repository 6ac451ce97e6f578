#!/usr/bin/env python3
"""Whole commands with every Nth allocation, and every Nth system call, failing (inject.c).

    inject.py BILENS INJECT.so TEST_DATA [--kind alloc|call] [--verb WORD] [--seconds S] [--all] [--list]

A run is right when it gives what the undisturbed run gives (standard output, files, exit status 0), or when it says on standard error
that it failed, with an exit status other than 0, and leaves no file that is not whole. Wrong is everything else: another output with exit
status 0, a failure without a word, a crash, a hang, a temporary file. --all tries every N; otherwise as many as fit into S seconds (default
90), spread evenly and with a fixed random sequence over all commands. Prints the counts tried, right and wrong; exit status 1 when one is wrong."""
import argparse, errno, hashlib, os, random, re, shutil, signal, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("bilens")
parser.add_argument("library")
parser.add_argument("data")
parser.add_argument("--kind", choices=["alloc", "call"])
parser.add_argument("--verb", default="")
parser.add_argument("--seconds", type=float, default=90)
parser.add_argument("--all", action="store_true")
parser.add_argument("--list", action="store_true", help="the runs that were wrong, all of them")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--at", type=int, help="this N only")
o = parser.parse_args()
work = tempfile.mkdtemp(prefix="bilens-inject-")
data = os.path.abspath(o.data)
bilens = os.path.abspath(o.bilens)
ERRORS = {"EIO": errno.EIO, "ENOSPC": errno.ENOSPC, "EACCES": errno.EACCES, "EMFILE": errno.EMFILE, "EINTR": errno.EINTR}


def plain(*args):
    subprocess.run([bilens, *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=work, env=environment())


def environment():
    e = {k: v for k, v in os.environ.items() if not k.startswith(("OMP", "HF_", "LD_", "BILENS"))}
    e.update(OMP_WAIT_POLICY="passive", OPENBLAS_CORETYPE="Haswell", OMP_NUM_THREADS="1", HOME=work, BILENS_DATA=os.path.join(work, "nothing"), TERM="dumb")
    return e


def prepare():
    """Inputs, all in work/."""
    for name in "plain", "bias", "gelu", "later-bilinear":
        shutil.copytree(os.path.join(data, "models", name), os.path.join(work, name))
    for name in "fashion-64", "modular-59", "sample":
        shutil.copytree(os.path.join(data, "images", name), os.path.join(work, name))
    os.mkdir(os.path.join(work, "train"))
    for kind in "images-idx3", "labels-idx1":
        for part in "train", "t10k":
            shutil.copy(os.path.join(work, "sample", f"t10k-{kind}-ubyte.gz"), os.path.join(work, "train", f"{part}-{kind}-ubyte.gz"))
    shutil.copy(os.path.join(data, "models", "stories.txt"), os.path.join(work, "stories.txt"))
    with open(os.path.join(work, "tokens.txt"), "w") as f:
        f.write("swim\nrun\n")
    with open(os.path.join(work, "stories.jsonl"), "w") as f:
        f.write('{"text": "Mia likes to swim"}\n{"text": "A bird likes the sky."}\n')
    plain("export", "plain", "--tensors", "w_u", "-o", "wide.npy")
    plain("report", "plain", "--token", "swim", "--corpus", "stories.txt", "-o", "report")
    plain("atlas", "plain", "--corpus", "stories.txt", "--tokens", "tokens.txt", "--pairs", "1", "--top", "2", "--virtual", "2", "-o", "whole.db")
    plain("tokenizer", "train", "--corpus", "stories.txt", "--size", "60", "-o", "small.json")


# name: words, with IN/ for the inputs; KEPT: what a failed run may leave, because the next one goes on from it.
TRAIN = "train --corpus IN/stories.txt --tokenizer IN/small.json --d-model 8 --d-hidden 12 --heads 2 --batch 2 --ctx 16 --sample 0 --steps 2"
COMMANDS = {
    "version": ("--version", ""),
    "help": ("eigen --help", ""),
    "info": ("info IN/plain", ""),
    "info json": ("info IN/bias --format json -o info.json", ""),
    "eigen table": ("eigen IN/plain --token swim --minus run,fly", ""),
    "eigen csv": ("eigen IN/bias --token swim --format csv -o eigen.csv", ""),
    "eigen json": ("eigen IN/bias --direction IN/wide.npy:2 --format json", ""),
    "eigen plot": ("eigen IN/plain --token swim --plot a.svg --quiet", ""),
    "eigen png": ("eigen IN/plain --token swim --plot a.png --quiet -o vectors.npy", ""),
    "scan": ("scan IN/plain --token swim --corpus IN/stories.txt --top 2", ""),
    "scan jsonl": ("scan IN/bias --token swim --corpus IN/stories.jsonl --top 2 --format json", ""),
    "report": ("report IN/plain --token swim --corpus IN/stories.txt -o page", ""),
    "report again": ("report --from IN/report/report.json -o page", ""),
    "describe": ("describe IN/plain --tensor ov -k 2", ""),
    "describe npy": ("describe --npy IN/wide.npy -k 2 --format csv", ""),
    "trace": ("trace IN/plain --text swim --points resid_pre,mlp_out -o arrays", ""),
    "trace safetensors": ("trace IN/plain --text swim -o t.safetensors", ""),
    "export": ("export IN/bias --tensors w_e,ov -o arrays", ""),
    "tokenize": ("tokenize IN/plain --corpus IN/stories.txt", ""),
    "tokenize decode": ("tokenize IN/plain --decode --text 1,2,3", ""),
    "eval": ("eval IN/plain --corpus IN/stories.txt", ""),
    "eval json": ("eval IN/bias --corpus IN/stories.jsonl --format json -o eval.json", ""),
    "generate": ("generate IN/plain --prompt the --max-tokens 5 --seed 3", ""),
    "generate corpus": ("generate IN/plain --stories 2 --max-tokens 4 -o corpus.txt --quiet", ""),
    "tokenizer": ("tokenizer train --corpus IN/stories.txt --size 60 -o t.json", ""),
    "train": (TRAIN + " -o model --valid IN/stories.txt", "model/"),
    "atlas": ("atlas IN/plain --corpus IN/stories.txt --tokens IN/tokens.txt --pairs 1 --top 2 --virtual 2 -o a.db --quiet", "a.db"),
    "atlas query": ("atlas query IN/whole.db token=swim", ""),
    "atlas list": ("atlas query IN/whole.db sort=largest limit=2 --format json", ""),
    "atlas site": ("atlas IN/plain --from IN/whole.db --site site --no-spectra --quiet", ""),
    "excite": ("excite IN/plain --text swim --format json", ""),
    "explain": ("explain IN/plain --text swim --token swim", ""),
    "truncate": ("truncate IN/plain --corpus IN/stories.txt --ranks 1,2 --plot t.svg", ""),
    "truncate token": ("truncate IN/plain --corpus IN/stories.txt --ranks 1,2 --token swim --format csv", ""),
    "ablate": ("ablate IN/plain --token swim --eigs -1 --corpus IN/stories.txt --controls 1", ""),
    "null": ("null IN/plain --token swim --draws 3 --format json", ""),
    "pairs": ("pairs IN/plain --token swim -k 2", ""),
    "hosvd": ("hosvd IN/plain -k 2", ""),
    "diff": ("diff IN/plain IN/plain --changed 2", ""),
    "similar": ("similar IN/plain --token swim -k 2 --format csv", ""),
    "surrogate": ("surrogate IN/gelu --corpus IN/stories.txt -o s.safetensors", ""),
    "features": ("features IN/plain --in IN/wide.npy --out IN/wide.npy --features 0 -k 2", ""),
    "image info": ("info IN/fashion-64 --format json", ""),
    "image eval": ("eval IN/fashion-64 --images IN/sample", ""),
    "image eigen": ("eigen IN/fashion-64 --class 5", ""),
    "image scan": ("scan IN/fashion-64 --class 5 --images IN/sample --top 2 --format json", ""),
    "image report": ("report IN/fashion-64 --class 5 --images IN/sample -o page", ""),
    "image truncate": ("truncate IN/fashion-64 --images IN/sample --ranks 1,2", ""),
    "image explain": ("explain IN/fashion-64 --images IN/sample --image 3", ""),
    "mask": ("mask IN/fashion-64 --class 5 --images IN/sample --per-class 2 --permutations 1", ""),
    "layers": ("layers IN/plain --token swim --corpus IN/stories.txt", ""),
    "rank": ("rank IN/plain --directions IN/wide.npy --limit 3 --format json", ""),
    "dictionary": ("dictionary train IN/plain --corpus IN/stories.txt --features 8 -k 2 --batch 16 --epochs 1 -o sae", "sae/"),
    "image dictionary": ("dictionary train IN/fashion-64 --images IN/train --features 8 -k 2 --batch 16 --epochs 1 -o sae", "sae/"),
    "fourier": ("fourier IN/modular-59 --permutations 1", ""),
}
# Whose files hold times, or are made of what failed and was said: they must be there, their bytes may differ.
VARIES = re.compile(r"log\.jsonl$|checkpoint|run\.json$")
LEFT = re.compile(r"(^|/)\.[^/]*\.tmp-|\.tmp-|-journal$|(^|/)\.[^/]*staging")


def digest(folder):
    out = {}
    for base, folders, files in os.walk(folder):
        for name in files + ([] if files or folders else [""]):
            path = os.path.join(base, name)
            relative = os.path.relpath(path, folder) + ("/" if not name else "")
            if relative != "./":
                out[relative] = "" if VARIES.search(relative) or not name else hashlib.md5(open(path, "rb").read()).hexdigest()
    return out


class Command:
    """One command, its program loaded once."""

    def __init__(self, name):
        words, self.kept = COMMANDS[name]
        self.name = name
        self.folder = tempfile.mkdtemp(dir=work)
        self.out = os.path.join(self.folder, "out")
        orders_read, self.orders = os.pipe()
        self.answers, answers_write = os.pipe()

        def connect():
            os.dup2(orders_read, 198)
            os.dup2(answers_write, 199)

        arguments = [w.replace("IN/", work + "/") for w in words.split()]
        self.server = subprocess.Popen([bilens, *arguments, *([] if arguments[0].startswith("--") else ["--threads", "1"])], close_fds=False, preexec_fn=connect,
                                       stdin=subprocess.DEVNULL, cwd=work, env=dict(environment(), LD_PRELOAD=os.path.abspath(o.library), INJECT_LIMIT="60", **({"INJECT_TRACE": "1"} if os.environ.get("INJECT_TRACE") else {})))
        os.close(orders_read)
        os.close(answers_write)
        self.lines = os.fdopen(self.answers)
        first, second = self.run("none"), self.run("none")
        self.stable = first[1:4] == second[1:4]
        if first[0] != 0:
            print(f"{name}: fails undisturbed: {first[2]}", file=sys.stderr)
            sys.exit(1)
        self.right = first
        self.varies = {k for k in first[3] if first[3][k] != second[3].get(k)}
        self.same_text = first[1] == second[1]
        self.allocations = first[4]
        self.calls = self.run("call")[5] if o.kind != "alloc" else 0

    def run(self, kind, nth=0, error=0):
        """(status, stdout, stderr, files, allocations, calls, which)"""
        shutil.rmtree(self.out, ignore_errors=True)
        os.mkdir(self.out)
        for name in "stdout", "stderr":
            open(os.path.join(self.folder, name), "w").close()
        os.write(self.orders, f"{kind} {nth} {error} {self.out}\n".encode())
        status, allocations, calls, which, foreign = map(int, self.lines.readline().split())
        text = [open(os.path.join(self.folder, name), "rb").read() for name in ("stdout", "stderr")]
        text[0] = re.sub(rb"\b\d+ threads?\b", b"threads", text[0])  # fewer, where there is no memory for more
        return status, text[0], text[1].decode("utf-8", "replace"), digest(self.out), allocations, calls, which, foreign

    def judge(self, result):
        """None when it is right, else what is wrong."""
        status, out, said, files = result[:4]
        if os.WIFSIGNALED(status):
            return f"signal {os.WTERMSIG(status)}: {said[-200:]}"
        code = os.WEXITSTATUS(status)
        left = [f for f in files if LEFT.search(f)]
        if left and not self.kept:
            return f"leaves {left}"
        if code == 0:
            if self.same_text and out != self.right[1]:
                return f"another output, exit 0: {out[:80]!r} {said[-150:]}"
            for f, value in self.right[3].items():
                if f not in files:
                    return f"exit 0 without {f} {said[-150:]}"
                if f not in self.varies and files[f] != value and not self.other_font(f, result):
                    return f"exit 0, another {f} {said[-150:]}"
            return None
        if not said.strip():
            return f"exit {code} without a word"
        for f, value in files.items():
            if self.kept and f.startswith(self.kept):
                continue
            if f not in self.right[3] or (f not in self.varies and value != self.right[3][f]):
                return f"leaves {f}: {said[-150:]}"
        return None

    @staticmethod
    def other_font(name, result):
        """A figure after fontconfig could not list a folder of fonts: it then takes another one, and says nothing."""
        return name.endswith((".svg", ".png", ".pdf")) and call_names.get(result[6]) == "getdents64"

    def trace(self):
        """With INJECT_TRACE: the functions that asked for what failed."""
        path = os.path.join(self.folder, "trace")
        if not os.environ.get("INJECT_TRACE") or not os.path.exists(path):
            return ""
        frames = [re.match(r"(.*?)\((.*?)\+?(0x[0-9a-f]+)?\)", line) for line in open(path)]
        out = []
        for f in frames:
            if not f:
                continue
            if os.path.realpath(f.group(1)) == os.path.realpath(bilens) and f.group(3):
                out.append(subprocess.run(["addr2line", "-sfpe", bilens, hex(int(f.group(3), 16) - 1)], capture_output=True, text=True).stdout.strip())
            else:
                out.append(os.path.basename(f.group(1)) + " " + f.group(2))
        return "\n      " + "\n      ".join(out[2:16])

    def close(self):
        os.close(self.orders)
        self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def names_of_calls():
    names = {}
    for path in "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h":
        if os.path.exists(path):
            for line in open(path):
                m = re.match(r"#define __NR_(\w+) (\d+)", line)
                if m:
                    names[int(m.group(2))] = m.group(1)
    return names


prepare()
call_names = names_of_calls()
generator = random.Random(o.seed)
chosen = [n for n in COMMANDS if o.verb in n]
foreign = 0
tried, wrong, told = {"alloc": 0, "call": 0}, {"alloc": 0, "call": 0}, {}
begin = time.monotonic()
try:
    for at, name in enumerate(chosen):
        command = Command(name)
        orders = []
        if o.kind != "call":
            orders += [("alloc", n, 0) for n in range(1, command.allocations + 1)]
        if o.kind != "alloc":
            orders += [("call", n, e) for n in range(1, command.calls + 1) for e in ERRORS.values()]
        if o.at:
            orders = [x for x in orders if x[1] == o.at]
        total = len(orders)
        if not o.all:
            generator.shuffle(orders)
            until = begin + o.seconds * (at + 1) / len(chosen)
        done = 0
        for kind, n, error in orders:
            if not o.all and time.monotonic() > until and done >= 8:
                break
            result = command.run(kind, n, error)
            done += 1
            if result[7]:
                foreign += 1
                continue
            tried[kind] += 1
            problem = command.judge(result)
            if problem:
                wrong[kind] += 1
                where = f"{kind} {n}" + (f" {errno.errorcode[error]} {call_names.get(result[6], result[6])}" if kind == "call" else "")
                key = (name, re.sub(r"\d+", "#", problem)[:60])
                told[key] = told.get(key, 0) + 1
                if o.list or told[key] == 1:
                    print(f"WRONG {name}: {where}: {problem.strip()}{command.trace()}", flush=True)
        if o.list or o.all:
            print(f"  {name}: {done} of {total} ({command.allocations} allocations, {command.calls} calls)", flush=True)
        command.close()
finally:
    shutil.rmtree(work, ignore_errors=True)
for kind in "alloc", "call":
    print(f"{kind}: {tried[kind]} tried, {tried[kind] - wrong[kind]} right, {wrong[kind]} wrong")
print(f"{foreign} allocations of fontconfig left out; {time.monotonic() - begin:.0f} s")
sys.exit(any(wrong.values()))
