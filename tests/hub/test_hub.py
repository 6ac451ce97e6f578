# ctest: slow 75
"""bilens and a hub on this machine (server.py): names and addresses, the cache's layout, verified and resumed downloads, a network that fails in
every way, tokens that stay at home, hostile answers, no space, kill -9. BILENS: the program; TEST_DATA: tests/data."""
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server import Hub, git_sha1  # noqa: E402

BILENS = os.environ["BILENS"]
MODELS = os.environ["TEST_DATA"] + "/models/"
NAME = "tdooms/TinyStories-1-1024-i5n"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS", "XDG_", "SSL_CERT")) and "proxy" not in k.lower()}


def read(path):
    return pathlib.Path(path).read_bytes()


def text(path):
    return pathlib.Path(path).read_text()


def model_files(which="plain"):
    return {f: read(MODELS + which + "/" + f) for f in os.listdir(MODELS + which)}


def big(megabytes, seed=0):
    return random.Random(seed).randbytes(int(megabytes * 1e6))


class Case(unittest.TestCase):
    certificate = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="bilens-hub-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.hub = Hub(self.certificate)
        self.addCleanup(self.hub.close)
        self.cache = self.folder + "/home/hub"
        self.env = CLEAN | {"HF_HOME": self.folder + "/home", "HF_ENDPOINT": self.hub.endpoint, "HOME": self.folder + "/nobody"}

    def run_it(self, *arguments, **env):
        self.result = subprocess.run([BILENS, *arguments], env=self.env | env, capture_output=True, text=True, timeout=120, cwd=self.folder)
        return self.result

    def done(self, *arguments, **env):
        r = self.run_it(*arguments, **env)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout

    def refused(self, status, what, *arguments, **env):
        r = self.run_it(*arguments, **env)
        self.assertEqual(r.returncode, status, r.stdout + r.stderr)
        self.assertIn(what, r.stderr)
        self.assertEqual(r.stdout, "")
        return r.stderr

    def fetch(self, *arguments, **env):
        return json.loads(self.done("fetch", *arguments, "--format", "json", "--retry-wait", "0.05", **env))

    def fails(self, status, what, *arguments, **env):
        return self.refused(status, what, "fetch", *arguments, "--retry-wait", "0.02", **env)

    def store(self, name=NAME, kind="models"):
        return self.cache + "/" + kind + "--" + name.replace("/", "--")

    def until_it_comes(self):
        """The large file is on its way, and some of it is here."""
        deadline = time.monotonic() + 60
        while not any(f.endswith(".incomplete") and os.path.getsize(os.path.join(folder, f)) > 0 for folder, _, files in os.walk(self.cache) for f in files):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def blobs(self, name=NAME):
        folder = self.store(name) + "/blobs"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def asked(self, role=None):
        return ["%s %s" % (m, p) for r, m, p, _ in self.hub.log if role in (None, r)]

    def one_big(self, megabytes=3, seed=0):
        """A repository with one large file; its content."""
        data = big(megabytes, seed)
        self.hub.add("a/b", {"x.bin": data})
        return data, hashlib.sha256(data).hexdigest()

    def assert_content(self, data, path=None):
        path = path or os.path.join(self.store("a/b"), "snapshots", self.hub.repositories[("models", "a/b")].refs["main"], "x.bin")
        self.assertTrue(read(path) == data, path + " has another content")


class Names(Case):
    def check_layout(self, name, repository, revision="main", kind="models"):
        commit = repository.refs.get(revision, revision)
        store = self.store(name, kind)
        wanted = [f for f in repository.commits[commit] if "/" not in f and (f.endswith(".safetensors") or f in ("config.json", "tokenizer.json"))]
        self.assertEqual(sorted(os.listdir(store + "/snapshots/" + commit)), sorted(wanted))
        for file in wanted:
            data = repository.commits[commit][file]
            etag = repository.etag(file, data)
            link = store + "/snapshots/" + commit + "/" + file
            self.assertEqual(os.readlink(link), "../../blobs/" + etag)
            self.assertEqual(read(store + "/blobs/" + etag), data)
            self.assertTrue(os.path.exists(self.cache + "/.locks/" + os.path.basename(store) + "/" + etag + ".lock"))
        if revision != commit:
            self.assertEqual(text(store + "/refs/" + revision), commit)
        self.assertTrue(text(self.cache + "/CACHEDIR.TAG").startswith("Signature: 8a477f597d28d172789f06886806bc55"))

    def test_published_names(self):
        """Every name that the paper's notebook uses: the right addresses, the right place."""
        for given, name in (("tdooms/TinyStories-1-1024-i5n", NAME), ("tinystories:1-512-i", "tdooms/TinyStories-1-512-i"),
                            ("tinystories:2-256", "tdooms/TinyStories-2-256"), ("tinystories:1-1024-i5n", NAME)):
            repository = self.hub.add(name, model_files() | {"README.md": b"# read", "sub/other.safetensors": b"no", "flax.bin": b"no"})
            commit = repository.refs["main"]
            self.hub.forget()
            shutil.rmtree(self.cache, ignore_errors=True)
            answer = self.fetch(given)
            self.assertEqual((answer["repository"], answer["commit"], answer["type"], answer["revision"]), (name, commit, "model", "main"))
            self.assertEqual([f["name"] for f in answer["files"]], ["config.json", "model.safetensors", "tokenizer.json"])
            self.assertTrue(all(f["fetched"] for f in answer["files"]))
            asked = self.asked("hub")
            self.assertEqual(asked[:2], ["GET /api/models/%s/revision/main" % name, "GET /api/models/%s/tree/%s?recursive=true" % (name, commit)])
            for file in ("config.json", "model.safetensors", "tokenizer.json"):
                self.assertIn("GET /%s/resolve/%s/%s" % (name, commit, file), asked)
            self.assertEqual(len([a for a in asked if "/resolve/" in a]), 3)
            self.check_layout(name, repository)
            self.assertIn("generation 2024-05", self.done("info", given, HF_HUB_OFFLINE="1"))
            self.assertEqual(json.loads(self.done("info", given, "--format", "json"))["model"], name)

    def test_the_seed_s_model_is_fetched_when_it_is_used(self):
        self.hub.add(NAME, model_files())
        self.assertIn("generation", self.done("info", "tinystories:1-1024-i5n"))
        self.assertTrue(self.asked("store"))
        self.hub.forget()
        for verb in (("info", NAME), ("eigen", NAME, "--token", "swim"), ("tokenize", NAME, "--text", "swim"), ("describe", NAME, "--tensor", "w_e")):
            self.done(*verb)
        self.assertEqual(self.asked(), [], "what is in the cache needs no network")

    def test_a_directory_of_that_name_goes_first(self):
        shutil.copytree(MODELS + "norm", self.folder + "/" + NAME)
        self.hub.add(NAME, model_files())
        self.assertIn("normalization  rms", self.done("info", NAME))
        self.assertEqual(self.asked(), [])

    def test_revisions(self):
        repository = self.hub.add(NAME, model_files("norm"))
        old = repository.refs["main"]
        repository.commit(model_files(), "main")
        repository.commit(model_files("bias"), "refs/pr/1")
        for revision in ("main", "refs/pr/1", old):
            self.assertEqual(self.fetch(NAME + "@" + revision)["commit"], repository.refs.get(revision, revision))
            self.check_layout(NAME, repository, revision)
        self.assertIn("GET /api/models/%s/revision/refs%%2Fpr%%2F1" % NAME, self.asked())
        self.assertIn("mlp_bias       true", self.done("info", NAME + "@refs/pr/1", HF_HUB_OFFLINE="1"))
        self.assertIn("normalization  rms", self.done("info", NAME + "@" + old, HF_HUB_OFFLINE="1"))
        self.assertFalse(os.path.exists(self.store() + "/refs/" + old))
        self.assertEqual(self.fetch(NAME, "--revision", old)["commit"], old)
        self.fails(2, "two revisions", NAME + "@" + old, "--revision", "main")
        self.fails(2, "has no revision 'v2'", NAME + "@v2")
        self.refused(2, "revision 'v2'", "info", NAME + "@v2", HF_HUB_OFFLINE="1")

    def test_a_branch_that_moves(self):
        repository = self.hub.add(NAME, model_files())
        first = self.fetch(NAME)["commit"]
        repository.commit(model_files() | {"config.json": model_files()["config.json"] + b"\n"})
        self.done("info", NAME)  # a MODEL is taken from the cache …
        self.assertEqual(text(self.store() + "/refs/main"), first)
        second = self.fetch(NAME)  # … fetch looks for news, and brings only what changed
        self.assertEqual([f["fetched"] for f in second["files"]], [True, False, False])
        self.assertEqual(text(self.store() + "/refs/main"), second["commit"])
        self.assertEqual(len(os.listdir(self.store() + "/snapshots")), 2)

    def test_shards_and_later_generation(self):
        import struct
        raw = model_files()["model.safetensors"]
        n = struct.unpack("<Q", raw[:8])[0]
        header, body = json.loads(raw[8:8 + n]), raw[8 + n:]
        header.pop("__metadata__", None)
        files, index = model_files(), {"weight_map": {}}
        del files["model.safetensors"]
        for i, (name, t) in enumerate(sorted(header.items())):
            shard = "model-%05d-of-%05d.safetensors" % (i + 1, len(header))
            begin, end = t["data_offsets"]
            text = json.dumps({name: t | {"data_offsets": [0, end - begin]}}).encode()
            files[shard] = struct.pack("<Q", len(text)) + text + body[begin:end]
            index["weight_map"][name] = shard
        files["model.safetensors.index.json"] = json.dumps(index).encode()
        self.hub.add(NAME, files)
        self.hub.page = 3  # the list comes in pages
        self.assertIn("5,504 parameters", self.done("info", NAME))
        self.assertEqual(len([a for a in self.asked() if "/tree/" in a]), 4)
        os.unlink(self.store() + "/snapshots/" + self.hub.repositories[("models", NAME)].refs["main"] + "/model-00002-of-%05d.safetensors" % len(header))
        self.refused(2, "model-00002-of-", "info", NAME, HF_HUB_OFFLINE="1")
        self.hub.forget()
        self.assertIn("5,504 parameters", self.done("info", NAME))
        self.assertEqual(self.asked("store"), [], "the blob was still there")

    def test_data_sets_and_patterns(self):
        files = {"README.md": b"x", "data/train-00000.parquet": b"t" * 5000, "data/validation-00000.parquet": b"v" * 3000, "data/a b+ü%.txt": b"odd", "extra/deep/er/z.txt": b"z"}
        repository = self.hub.add("tdooms/TinyStories-tokenized-4096", files, "datasets")
        name, commit = "tdooms/TinyStories-tokenized-4096", repository.refs["main"]
        answer = self.fetch("--data", name, "--file", "data/validation-*", "extra/", "data/a b*")
        self.assertEqual([f["name"] for f in answer["files"]], ["data/a b+ü%.txt", "data/validation-00000.parquet", "extra/deep/er/z.txt"])
        for file in answer["files"]:
            self.assertEqual(read(file["path"]), files[file["name"]])
        self.assertEqual(os.readlink(answer["directory"] + "/extra/deep/er/z.txt"), "../../../../../blobs/" + git_sha1(b"z"))
        self.assertTrue(answer["directory"].startswith(self.store(name, "datasets")))
        self.assertIn("GET /api/datasets/%s/revision/main" % name, self.asked())
        self.assertIn("GET /datasets/%s/resolve/%s/data/a%%20b%%2B%%C3%%BC%%25.txt" % (name, commit), self.asked())
        self.hub.forget()
        again = self.fetch("--data", name, "--file", "data/validation-*", "extra/deep/er/z.txt", HF_HUB_OFFLINE="1")
        self.assertEqual(len(again["files"]), 2)
        self.assertEqual(self.asked(), [])
        self.fails(2, "'data/train-*' of", "--data", name, "--file", "data/train-*", HF_HUB_OFFLINE="1")
        self.fails(2, "--file PATTERN… is missing", "--data", name)
        self.assertIn("has no file '*.zip'; it has: README.md, ", self.fails(2, "", "--data", name, "--file", "*.txt", "*.zip"))
        listed = self.fetch("--data", name, "--list")
        self.assertEqual({f["name"]: f["size"] for f in listed["files"]}, {k: len(v) for k, v in files.items()})
        self.assertEqual(len(self.fetch("--data", name, "--file", "*")["files"]), 5)
        self.fails(2, "has no model", name)

    def test_bad_names(self):
        for bad in ("gpt2", "a/b/c", "../b", "a/..", "a/b-", "a//b", "a/b--c", "a/b.git", "a/b c", "a/" + "b" * 100, "a/b@", "a/b@../../x", "a/b@x y", "a/b@-x",
                    "tinystories:", "tinystories:1", "tinystories:1-", "tinystories:x-1", "tinystories:1-2-", "tinystories:1-2-a/b", "a/b@" + "r" * 300):
            self.fails(2, "is no name on the hub", bad)
        self.fails(2, "is no revision", "a/b", "--revision", "../x")
        self.fails(2, "which model?")
        self.fails(2, "--parallel", "a/b", "--parallel", "0")
        self.refused(2, "no such model directory", "info", "/no/such/folder")
        self.refused(2, "no such model directory", "info", "models/typo", HF_HUB_OFFLINE="1")
        self.assertEqual(self.asked(), [])
        self.assertFalse(os.path.exists(self.folder + "/home"), "nothing is made for a bad name")

    def test_the_documentation(self):
        """Every command of docs/hub.md and of --help, as it stands there."""
        for name in (NAME, "tdooms/TinyStories-1-512-i"):
            self.hub.add(name, model_files())
        self.hub.add("tdooms/TinyStories-tokenized-4096", {"README.md": b"#", "data/validation-0.parquet": b"v"}, "datasets")
        shell = 'bilens() { "%s" "$@"; }; export -f bilens; set -e; ' % BILENS
        page = text(os.path.dirname(os.path.abspath(__file__)) + "/../../docs/hub.md") + self.done("fetch", "--help").partition("examples:")[2]
        commands = re.findall(r"^ +((?:[A-Z_]+=\S+ )?bilens .*)$", page, re.M)
        self.assertGreaterEqual(len(commands), 12)
        for command in commands:
            r = subprocess.run(["bash", "-c", shell + command.replace("=1 bilens", "=1 bash -c 'bilens \"$@\"' bilens")], env=self.env, capture_output=True, text=True, cwd=self.folder)
            self.assertEqual(r.returncode, 0, command + ": " + r.stderr)

    def test_where_the_cache_is(self):
        self.hub.add(NAME, model_files())
        home, base = self.folder + "/nobody", {k: v for k, v in self.env.items() if k != "HF_HOME"}
        for env, place in (({"HF_HUB_CACHE": self.folder + "/c1"}, self.folder + "/c1"), ({"HF_HOME": self.folder + "/c2"}, self.folder + "/c2/hub"),
                           ({"HF_HUB_CACHE": self.folder + "/c3", "HF_HOME": "/nonsense"}, self.folder + "/c3"), ({"HF_HOME": "~/c4"}, home + "/c4/hub"),
                           ({"XDG_CACHE_HOME": self.folder + "/c5"}, self.folder + "/c5/huggingface/hub"), ({}, home + "/.cache/huggingface/hub")):
            self.env = base
            self.assertTrue(self.fetch(NAME, **env)["directory"].startswith(place + "/models--"), env)
        self.assertIn("GET", self.asked()[0])


class Network(Case):
    def test_cut_connections_go_on(self):
        data, _ = self.one_big()
        for cut in (1000, 700000, 1200000):
            self.hub.fault("store", "", "cut", cut)
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        ranges = [h.get("Range") for r, _, _, h in self.hub.log if r == "store"]
        self.assertEqual(ranges, [None, "bytes=1000-", "bytes=701000-", "bytes=1901000-"])

    def test_cut_for_good_and_resumed_by_the_next_call(self):
        data, sha = self.one_big()
        self.hub.fault("store", "", "cut", 100000, times=4)
        self.fails(1, "connection broke", "a/b", "--file", "x.bin", "--retries", "3")
        self.assertEqual(os.path.getsize(self.store("a/b") + "/blobs/" + sha + ".incomplete"), 400000)
        self.assertFalse(os.path.exists(self.store("a/b") + "/refs/main"))
        self.hub.forget()
        self.fetch("a/b", "--file", "x.bin")
        self.assertIn("bytes=400000-", [h.get("Range") for r, _, _, h in self.hub.log if r == "store"])
        self.assert_content(data)
        self.assertEqual(self.blobs("a/b"), [sha])

    def test_progress_earns_new_attempts(self):
        data, _ = self.one_big(6)
        self.hub.fault("store", "", "cut", 1100000, times=5)
        self.fetch("a/b", "--file", "x.bin", "--retries", "1")
        self.assert_content(data)

    def test_wrong_hash(self):
        data, sha = self.one_big(0.3)
        self.hub.fault("store", "", "corrupt")
        self.fetch("a/b", "--file", "x.bin")  # the second attempt is fine
        self.assert_content(data)
        shutil.rmtree(self.cache)
        self.hub.fault("store", "", "corrupt", times=100)
        self.fails(1, "what came has the hash", "a/b", "--file", "x.bin")
        self.assertEqual(self.blobs("a/b"), [])
        self.hub.forget()
        self.hub.add("a/b", {"small.json": b"{}"})
        self.hub.fault("hub", "resolve-cache", "corrupt", times=100)
        self.fails(1, "expected " + git_sha1(b"{}"), "a/b", "--file", "small.json")

    def test_a_beginning_that_is_another_file(self):
        data, sha = self.one_big(0.3)
        os.makedirs(self.store("a/b") + "/blobs")
        incomplete = self.store("a/b") + "/blobs/" + sha + ".incomplete"
        for left in (big(0.1, seed=9), big(0.5, seed=9), data[:-5] + b"wrong", data):
            shutil.rmtree(self.store("a/b") + "/snapshots", ignore_errors=True)
            if os.path.exists(self.store("a/b") + "/blobs/" + sha):
                os.unlink(self.store("a/b") + "/blobs/" + sha)
            with open(incomplete, "wb") as file:
                file.write(left)
            self.fetch("a/b", "--file", "x.bin")
            self.assert_content(data)
            self.assertEqual(self.blobs("a/b"), [sha])

    def test_a_file_that_changes_between_two_calls(self):
        _, old = self.one_big(1)
        self.hub.fault("store", "", "cut", 300000, times=9)
        self.fails(1, "connection broke", "a/b", "--file", "x.bin", "--retries", "0")
        self.hub.forget()
        data, new = self.one_big(1, seed=5)
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        self.assertNotIn(new + ".incomplete", self.blobs("a/b"))
        self.assertNotEqual(old, new)

    def test_ranges_that_are_ignored_or_wrong(self):
        data, _ = self.one_big(1)
        self.hub.fault("store", "", "cut", 500000)
        self.hub.fault("store", "", "ignore range", times=9)
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        shutil.rmtree(self.cache)
        self.hub.forget()
        self.hub.fault("store", "", "content range", "bytes 5-10/999", times=9)
        self.fails(1, "the server sends 'bytes 5-10/999'", "a/b", "--file", "x.bin")

    def test_passing_errors(self):
        data, _ = self.one_big(0.1)
        for status in (500, 502, 503, 504, 408, 429):
            for role, where in (("hub", "revision"), ("hub", "tree"), ("hub", "resolve"), ("store", "")):
                self.hub.fault(role, where, "status", status)
            shutil.rmtree(self.cache, ignore_errors=True)
            self.fetch("a/b", "--file", "x.bin")
            self.assert_content(data)
        shutil.rmtree(self.cache, ignore_errors=True)
        self.hub.forget()
        self.hub.fault("hub", "revision", "hang up")
        self.hub.fault("store", "", "cut", 5000, "reset")
        self.fetch("a/b", "--file", "x.bin")
        self.hub.forget()
        self.hub.fault("hub", "revision", "status", 503, times=100)
        self.fails(1, "answers with status 503", "a/b", "--file", "x.bin", "--retries", "2")
        self.assertEqual(len(self.asked()), 3)
        self.hub.forget()
        self.hub.fault("hub", "revision", "status", 418, times=100)
        self.fails(1, "answers with status 418", "a/b", "--file", "x.bin")
        self.assertEqual(len(self.asked()), 1, "what does not pass is not tried again")

    def test_waits(self):
        self.one_big(0.1)
        self.hub.fault("hub", "revision", "status", 429, 2)
        start = time.monotonic()
        self.fetch("a/b", "--file", "x.bin")
        self.assertGreater(time.monotonic() - start, 1.9, "Retry-After: 2")
        self.hub.forget()
        self.hub.fault("hub", "revision", "status", 429, 100000)
        start = time.monotonic()
        self.fails(1, "too many requests (status 429): it asks to wait 100000 seconds", "a/b", "--file", "x.bin")
        self.assertLess(time.monotonic() - start, 60, "nobody waits a day")
        self.hub.forget()
        self.hub.fault("hub", "revision", "status", 503, times=3)
        start = time.monotonic()
        self.done("fetch", "a/b", "--file", "x.bin", "--retry-wait", "0.3")
        self.assertGreater(time.monotonic() - start, 0.3 + 0.6 + 1.2)

    def test_loops_and_strange_redirects(self):
        self.one_big(0.1)
        self.hub.fault("hub", "resolve", "redirect", self.hub.endpoint + "/a/b/resolve/main/x.bin", times=100)
        self.fails(1, "led on more than 10 times", "a/b", "--file", "x.bin")
        self.assertEqual(len([a for a in self.asked() if "resolve" in a]), 11)
        for to in ("file:///etc/passwd", "ftp://localhost/x", "gopher://x", "http://user:secret@localhost/x", "http://"):
            self.hub.forget()
            self.hub.fault("hub", "resolve", "redirect", to, times=100)
            self.fails(1, "no http or https address", "a/b", "--file", "x.bin")
        self.assertEqual(self.blobs("a/b"), [])

    def test_the_token_stays_at_home(self):
        repository = self.hub.add(NAME, model_files())
        repository.gated, repository.granted = True, {"hf_secret"}
        self.fetch(NAME, HF_TOKEN="hf_secret")
        for role, _, path, headers in self.hub.log:
            self.assertEqual(headers.get("Authorization"), "Bearer hf_secret" if role == "hub" else None, path)
        self.assertTrue(self.asked("store"))
        # The same machine under another name, or at another port, is another host.
        other = self.hub.endpoint.replace("127.0.0.1", "localhost")
        for to in (other, self.hub.store_endpoint.replace("localhost", "127.0.0.1")):
            self.hub.forget()
            self.hub.fault("hub", "revision", "redirect", to + "/api/models/" + NAME + "/revision/main")
            self.run_it("fetch", NAME, "--retries", "0", HF_TOKEN="hf_secret")
            tokens = [h.get("Authorization") for _, _, _, h in self.hub.log]
            self.assertEqual(tokens[:2], ["Bearer hf_secret", None])
        # A path on the hub itself is not.
        self.hub.forget()
        self.hub.fault("hub", "revision", "redirect", "/api/models/" + NAME + "/revision/main")
        self.fetch(NAME, HF_TOKEN="hf_secret")
        self.assertEqual([h.get("Authorization") for _, _, _, h in self.hub.log][:2], ["Bearer hf_secret"] * 2)
        for left in subprocess.run(["grep", "-rl", "hf_secret", self.folder], capture_output=True, text=True).stdout.split():
            self.fail("the token was written into " + left)

    def test_where_the_token_comes_from(self):
        repository = self.hub.add(NAME, model_files())
        repository.private, repository.granted = True, {"hf_right"}
        os.makedirs(self.folder + "/home")
        for path, env in (("/home/token", {}), ("/other", {"HF_TOKEN_PATH": self.folder + "/other"})):
            with open(self.folder + path, "w") as file:
                file.write("hf_right\n")
            self.fetch(NAME, **env)
            self.fails(2, "has no model", NAME, HF_TOKEN="hf_wrong", **env)
            self.fails(2, "or it is private", NAME, HF_HUB_DISABLE_IMPLICIT_TOKEN="1", **env)
            os.unlink(self.folder + path)
        self.fetch(NAME, HF_TOKEN=" hf_right\n")
        self.fails(2, "white space within it", NAME, HF_TOKEN="hf right\nX-Evil: 1")
        self.fails(2, "is private", NAME)
        os.mkdir(self.folder + "/home/token")
        self.fails(2, "home/token", NAME)

    def test_refusals(self):
        repository = self.hub.add(NAME, model_files())
        self.fails(2, "has no model 'tdooms/nothing' (status 401), or it is private", "tdooms/nothing")
        self.fails(2, "has no model 'tdooms/nothing' (status 404), or the token has no access", "tdooms/nothing", HF_TOKEN="hf_x")
        self.fails(2, "refuses the token (status 401: Invalid credentials", NAME, HF_TOKEN="broken")
        repository.gated = True
        self.fails(2, "is gated: accept its terms at %s/%s, then give a token" % (self.hub.endpoint, NAME), NAME)
        self.fails(2, "is gated, and the token's account has no access yet", NAME, HF_TOKEN="hf_x")
        repository.gated = False
        self.fails(2, "has no file 'nothing.txt'; it has: config.json, ", NAME, "--file", "nothing.txt")
        self.hub.fault("hub", "revision", "status", 403)
        self.fails(2, "refuses access", NAME)
        self.hub.fault("hub", "/resolve/", "status", 404, times=9)
        self.fails(2, "has no file '", NAME)
        self.hub.add("a/empty", {"README.md": b"nothing else"})
        self.fails(2, "no model that bilens reads: it has no config.json; it has: README.md", "a/empty")
        self.hub.add("a/old", {"config.json": b"{}", "pytorch_model.bin": b"x"})
        self.fails(2, "it has no model.safetensors", "a/old")
        self.assertNotIn("GET /store", " ".join(self.asked()))

    def test_offline(self):
        self.hub.add(NAME, model_files())
        for word in ("1", "true", "YES", "on"):
            self.fails(2, "not in the cache", NAME, HF_HUB_OFFLINE=word)
        self.refused(2, "hub may not be asked", "info", NAME, HF_HUB_OFFLINE="1")
        self.assertEqual(self.asked(), [])
        self.fails(2, "cannot be had offline", NAME, "--list", HF_HUB_OFFLINE="1")
        self.fetch(NAME, HF_HUB_OFFLINE="0")
        self.hub.close()
        for env in ({}, {"HF_HUB_OFFLINE": "1"}):
            self.assertIn("generation", self.done("info", NAME, **env))
        self.fetch(NAME, HF_HUB_OFFLINE="1")
        self.fails(1, "cannot be reached", NAME, "--retries", "1")
        self.fails(1, "cannot be reached", "a/b", "--retries", "0", HF_ENDPOINT="http://no-such-host.invalid")
        self.fails(2, "no http or https address", "a/b", HF_ENDPOINT="ftp://localhost")
        self.addCleanup(lambda: None)

    def test_slow_and_silent(self):
        data, _ = self.one_big(0.2)
        self.hub.fault("store", "", "slow", 10000, 0.1)
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        shutil.rmtree(self.cache)
        self.hub.fault("store", "", "freeze", 65536, 8)
        self.fetch("a/b", "--file", "x.bin", "--timeout", "2")
        self.assertEqual([h.get("Range") for r, _, _, h in self.hub.log if r == "store"][1:], [None, "bytes=65536-"])
        self.assert_content(data)
        self.hub.fault("hub", "revision", "stall", 4, times=9)
        self.fails(1, "fell silent", "a/b", "--file", "x.bin", "--timeout", "1", "--retries", "1")

    def test_sizes(self):
        data, sha = self.one_big(0.1)
        self.hub.fault("store", "", "too much", times=9)
        self.fails(1, "sends more than the file's 100000 bytes", "a/b", "--file", "x.bin")
        self.hub.forget()
        self.assertEqual([b for b in self.blobs("a/b") if not b.endswith(".incomplete")], [])
        shutil.rmtree(self.cache)
        self.hub.fault("store", "", "wrong length", times=9)
        self.fails(1, "the server announces 100001", "a/b", "--file", "x.bin")
        self.hub.forget()
        self.hub.fault("store", "", "no length")
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        self.hub.add("a/b", {"empty.txt": b"", "x.bin": b""})
        answer = self.fetch("a/b", "--file", "*")
        self.assertEqual([os.path.getsize(f["path"]) for f in answer["files"]], [0, 0])

    def test_a_damaged_blob_is_brought_again(self):
        data, sha = self.one_big(0.1)
        self.fetch("a/b", "--file", "x.bin")
        with open(self.store("a/b") + "/blobs/" + sha, "wb") as file:
            file.write(data[:100])
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)

    def test_a_damaged_copy_is_replaced(self):
        """Where links cannot be made other programs leave copies; one that was cut short gives way to a link."""
        data, sha = self.one_big(0.1)
        path = self.fetch("a/b", "--file", "x.bin")["files"][0]["path"]
        for content in (data[:10], data):
            os.unlink(path)
            pathlib.Path(path).write_bytes(content)
            self.fetch("a/b", "--file", "x.bin")
            self.assert_content(data)
            self.assertEqual(os.path.islink(path), content != data)

    def test_many_at_a_time(self):
        files = {"f%02d.bin" % i: big(0.05, i) for i in range(24)} | {"same-%d.txt" % i: b"same" for i in range(4)}
        self.hub.add("a/b", files)
        self.hub.page = 5
        answer = self.fetch("a/b", "--file", "*", "--parallel", "16")
        self.assertEqual({f["name"]: read(f["path"]) for f in answer["files"]}, files)
        self.assertEqual(len(self.blobs("a/b")), 25)
        self.hub.add("c/d", {"a.bin": big(0.3, 1), "b.bin": big(0.3, 2)})
        self.hub.fault("store", "", "slow", 30000, 0.1, times=2)
        self.hub.most_pouring = 0
        self.fetch("c/d", "--file", "*", "--parallel", "2")
        self.assertEqual(self.hub.most_pouring, 2)

    def test_two_processes_share_a_cache(self):
        data, sha = self.one_big(1)
        self.hub.fault("store", "", "slow", 100000, 0.05, times=9)
        both = [subprocess.Popen([BILENS, "fetch", "a/b", "--file", "x.bin"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
        for process in both:
            self.assertEqual((process.communicate(timeout=60)[1], process.returncode), (b"", 0))
        self.assert_content(data)
        self.assertEqual(len(self.asked("store")), 1, "whoever came later waited for the lock")

    def test_without_hashes_in_the_list(self):
        repository = self.hub.add(NAME, model_files())
        repository.tree_hash = False
        for self.hub.direct in (False, True):
            shutil.rmtree(self.cache, ignore_errors=True)
            self.fetch(NAME)
            Names.check_layout(self, NAME, repository)
            self.assertIn("HEAD", " ".join(self.asked()))

    def test_contradictions(self):
        repository = self.hub.add("a/b", {"x.bin": big(0.01)})
        repository.etag = lambda path, data: "0" * 64
        self.fails(1, "contradicts itself: hash", "a/b", "--file", "x.bin")


class Hostile(Case):
    def test_names_that_lead_out(self):
        for evil in ("../../../evil", "/etc/evil", "a/../../evil", "a//evil", "./evil", "a\\..\\evil", "evil\n", "x" * 300, "..", "a/.."):
            repository = self.hub.add("a/b", {"fine.txt": b"fine"})
            repository.extra_tree = [{"type": "file", "path": evil, "size": 4, "oid": git_sha1(b"evil")}]
            self.fails(2, "refused, as it has a file with the name", "a/b", "--file", "*")
            self.fetch("a/b", "--file", "fine.txt")  # what is not wanted does no harm
        found = subprocess.run(["find", self.folder, "-name", "*evil*"], capture_output=True, text=True).stdout
        self.assertEqual(found, "")

    def test_answers_that_are_none(self):
        self.hub.add("a/b", {"x.txt": b"x"})
        for where, raw, what in (("revision", b"<html>", "an HTML page, not JSON"), ("revision", b"[]", "names no commit"), ("revision", b'{"sha": "../../x"}', "names no commit"),
                                 ("revision", b"", "not valid JSON"), ("revision", b"[" * 100000, "not valid JSON"),
                                 ("tree", b'{"error": 1}', "no list of files"), ("tree", b'[{"type": "file", "path": "x.txt"}]', "has no size"),
                                 ("tree", b'[{"type": "file", "path": "x.txt", "size": -1}]', "has no size"), ("tree", b'[{"type": "file", "size": 1}]', "without a name"),
                                 ("tree", b'[{"type": "file", "path": "x\\u0000y", "size": 1}]', "not valid JSON"),
                                 ("tree", b'[{"type": "file", "path": "x.txt", "size": 1, "oid": "../../../../x"}]', "a hash that is none"),
                                 ("tree", b'[{"type": "file", "path": "x.txt", "size": 1, "lfs": {"oid": "00", "size": 1}}]', "a hash that is none"),
                                 ("tree", b'[{"type": "file", "path": "x.txt", "size": 9000000000000000000}]', "more than"),
                                 ("tree", json.dumps([{"type": "file", "path": "x.txt", "size": 1}] * 2).encode(), "twice")):
            self.hub.forget()
            self.hub.fault("hub", where, "raw", raw, times=9)
            r = self.run_it("fetch", "a/b", "--file", "x.txt", "--retries", "0")
            self.assertIn(r.returncode, (1, 2), (raw[:80], r))
            self.assertIn(what, r.stderr, raw[:80])
        self.assertEqual(self.blobs("a/b"), [])

    def test_a_list_without_end(self):
        repository = self.hub.add("a/b", {"x.txt": b"x"})
        repository.extra_tree = [{"type": "file", "path": "f%d" % i, "size": 1, "oid": "0" * 40} for i in range(3000)]
        self.hub.page = 1
        self.fails(1, "does not end", "a/b", "--file", "x.txt")

    def test_a_model_that_is_too_large_to_come_unasked(self):
        repository = self.hub.add(NAME, model_files())
        repository.extra_tree = [{"type": "file", "path": "model-2.safetensors", "size": 10**10, "lfs": {"oid": "0" * 64, "size": 10**10}}]
        self.refused(2, "more than 8.6 GB", "info", NAME)
        repository.extra_tree = [{"type": "file", "path": "model-2.safetensors", "size": 10**12, "lfs": {"oid": "0" * 64, "size": 10**12}}]
        self.fails(1, "no space left", NAME)
        self.assertEqual(self.blobs(), [])

    def test_links_in_the_cache(self):
        """An incomplete blob that is a link is not written through."""
        _, sha = self.one_big(0.01)
        os.makedirs(self.store("a/b") + "/blobs")
        with open(self.folder + "/victim", "w") as file:
            file.write("precious")
        os.symlink(self.folder + "/victim", self.store("a/b") + "/blobs/" + sha + ".incomplete")
        self.fails(1, "cannot be written", "a/b", "--file", "x.bin")
        self.assertEqual(text(self.folder + "/victim"), "precious")


class Disk(Case):
    def test_no_space(self):
        """A limit on the size of files stands for a disk that fills up."""
        data, sha = self.one_big(2)
        command = "ulimit -f 900; trap '' XFSZ; exec \"$0\" fetch a/b --file x.bin"
        r = subprocess.run(["bash", "-c", command, BILENS], env=self.env, capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 1, r.stderr)
        self.assertIn("writing failed", r.stderr)
        self.assertEqual(self.blobs("a/b"), [sha + ".incomplete"])
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)
        self.assertIn("bytes=", str(self.hub.log[-1][3].get("Range")))

    def test_no_space_on_a_small_disk(self):
        small = self.folder + "/small"
        os.mkdir(small)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], capture_output=True).returncode != 0:
            self.skipTest("no right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", small])
        data, sha = self.one_big(2)
        self.cache = small + "/hub"
        self.fails(1, "no space left: 2.0 MB are missing", "a/b", "--file", "x.bin", HF_HUB_CACHE=self.cache)
        subprocess.run(["mount", "-o", "remount,size=3m", small], check=True)
        # Full while it comes: somebody else needs the room.
        self.hub.fault("store", "", "slow", 100000, 0.2)
        process = subprocess.Popen([BILENS, "fetch", "a/b", "--file", "x.bin"], env=self.env | {"HF_HUB_CACHE": self.cache}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.until_it_comes()
        with open(small + "/filler", "wb") as file:
            try:
                file.write(bytes(4000000))
            except OSError:
                pass
        error = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1, error)
        self.assertIn("No space left", error)
        self.assertIn("the same command goes on", error)
        os.unlink(small + "/filler")
        self.fetch("a/b", "--file", "x.bin", HF_HUB_CACHE=self.cache)
        self.assert_content(data)

    def test_a_cache_that_cannot_be_written(self):
        self.hub.add(NAME, model_files())
        with open(self.folder + "/home", "w"):
            pass
        self.fails(2, "cannot create directory", NAME)
        os.unlink(self.folder + "/home")
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", self.make("home")], capture_output=True).returncode != 0:
            self.skipTest("no right to mount a small file system")
        self.addCleanup(subprocess.run, ["umount", self.folder + "/home"])
        self.fetch(NAME)
        subprocess.run(["mount", "-o", "remount,ro", self.folder + "/home"], check=True)
        self.assertIn("generation", self.done("info", NAME))
        self.fetch(NAME)  # everything is there: nothing has to be written
        self.hub.add(NAME, model_files("norm"))
        self.fails(1, "ead-only", NAME)

    def make(self, name):
        os.mkdir(self.folder + "/" + name)
        return self.folder + "/" + name

    def test_killed_and_resumed(self):
        """SIGKILL at many moments: nothing that is not whole ever has a blob's name, and the next call goes on."""
        files = {"x%d.bin" % i: big(1.5, i) for i in range(3)} | {"small.json": b"{}"}
        self.hub.add("a/b", files)
        chance, kills = random.Random(3), 0
        good = {hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "small.json"} | {git_sha1(b"{}")}
        for _ in range(60):
            self.hub.fault("store", "", "slow", 100000, 0.01, times=3)
            process = subprocess.Popen([BILENS, "fetch", "a/b", "--file", "*"], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.02, 0.25))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            for blob in self.blobs("a/b"):
                if not blob.endswith(".incomplete"):
                    self.assertIn(blob, good)
                    data = read(self.store("a/b") + "/blobs/" + blob)
                    self.assertIn(blob, (hashlib.sha256(data).hexdigest(), git_sha1(data)))
            if kills >= 15:
                break
            if process.returncode == 0:
                shutil.rmtree(self.cache)
        self.assertGreaterEqual(kills, 10)
        self.hub.forget()
        answer = self.fetch("a/b", "--file", "*")
        self.assertEqual({f["name"]: read(f["path"]) for f in answer["files"]}, files)
        self.assertEqual(set(self.blobs("a/b")), good)

    def test_interrupt(self):
        data, sha = self.one_big(2)
        self.hub.fault("store", "", "slow", 50000, 0.5)
        process = subprocess.Popen([BILENS, "fetch", "a/b", "--file", "x.bin"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.until_it_comes()
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=30)[1]
        self.assertEqual(process.returncode, -signal.SIGINT, error)
        self.assertIn("interrupted", error)
        self.assertEqual(self.blobs("a/b"), [sha + ".incomplete"])
        self.fetch("a/b", "--file", "x.bin")
        self.assert_content(data)


class Encrypted(Case):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            raise unittest.SkipTest("the openssl program is not installed: certificates were not tried")
        cls.keys = tempfile.mkdtemp(prefix="bilens-hub-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.keys)
        cls.certificate = cls.make("both", "IP:127.0.0.1,DNS:localhost")

    @classmethod
    def make(cls, name, names):
        path = cls.keys + "/" + name
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + names,
                        "-keyout", path + ".key", "-out", path + ".crt"], check=True, capture_output=True)
        pathlib.Path(path + ".pem").write_text(text(path + ".key") + text(path + ".crt"))
        return path + ".pem"

    def test_certificates(self):
        self.hub.add(NAME, model_files())
        trusted = {"SSL_CERT_FILE": self.keys + "/both.crt", "HF_TOKEN": "hf_secret"}
        self.fails(1, "certificate is not trusted", NAME, HF_TOKEN="hf_secret")
        self.assertEqual(self.asked(), [], "nothing was sent to a stranger")
        self.fetch(NAME, **trusted)
        self.assertTrue(all(h.get("Authorization") is None for r, _, _, h in self.hub.log if r == "store"))
        self.fails(2, "trusted certificates cannot be used", NAME, SSL_CERT_FILE="/nonexistent.pem")

    def test_a_certificate_for_another_name(self):
        """The hub may use its certificate, the store at localhost may not."""
        only = Hub(self.make("only", "IP:127.0.0.1"))
        self.addCleanup(only.close)
        only.add(NAME, model_files())
        self.fails(1, "localhost", NAME, HF_ENDPOINT=only.endpoint, SSL_CERT_FILE=self.keys + "/only.crt")
        self.assertIn("certificate is not trusted", self.result.stderr)
        self.assertEqual([r for r, _, _, _ in only.log if r == "store"], [])

    def test_no_way_back_to_clear_text(self):
        self.hub.add(NAME, model_files())
        plain = Hub()
        self.addCleanup(plain.close)
        self.hub.fault("hub", "/resolve/", "redirect", plain.endpoint + "/x", times=9)
        self.fails(1, "without encryption", NAME, SSL_CERT_FILE=self.keys + "/both.crt")
        self.assertEqual(plain.log, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
