# ctest: slow
"""One cache, two programs: what the Python library huggingface_hub brings, bilens finds offline, and the other way round. Both speak to the same
local hub (server.py). HUB_PYTHON is an interpreter that has the library (pip install huggingface_hub); without one this says so and is skipped."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import test_hub  # noqa: E402
from test_hub import NAME, Case, Names, model_files, read  # noqa: E402

PYTHON = os.environ.get("HUB_PYTHON") or sys.executable
PRELUDE = "import json, os, sys; from huggingface_hub import snapshot_download, hf_hub_download, try_to_load_from_cache, scan_cache_dir\n"


class Together(Case):
    def python(self, program, *arguments, **env):
        r = subprocess.run([PYTHON, "-c", PRELUDE + program, *arguments], env=self.env | {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_XET": "1"} | env,
                           capture_output=True, text=True, timeout=120)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout.strip()

    def test_python_brings_bilens_reads(self):
        for which in ("plain", "later"):
            name = "tdooms/" + which
            repository = self.hub.add(name, model_files(which) | {"README.md": b"# a card"})
            folder = self.python("print(snapshot_download(sys.argv[1]))", name)
            self.hub.forget()
            self.assertIn("generation", self.done("info", name, HF_HUB_OFFLINE="1"))
            answer = self.fetch(name, HF_HUB_OFFLINE="1")
            self.assertEqual((answer["directory"], answer["commit"]), (folder, repository.refs["main"]))
            self.assertEqual(len(self.fetch(name, "--file", "*", HF_HUB_OFFLINE="1")["files"]), 4)
            self.assertEqual(self.asked(), [])
            self.assertFalse(any(f["fetched"] for f in self.fetch(name)["files"]), "online, too, nothing is fetched again")
            self.assertEqual(self.asked("store"), [])

    def test_python_brings_single_files(self):
        repository = self.hub.add(NAME, model_files())
        for file in ("config.json", "tokenizer.json"):
            self.python("print(hf_hub_download(sys.argv[1], sys.argv[2]))", NAME, file)
        self.refused(2, "'model.safetensors' of " + NAME, "info", NAME, HF_HUB_OFFLINE="1")
        self.hub.forget()
        self.assertEqual([f["fetched"] for f in self.fetch(NAME)["files"]], [False, True, False])
        Names.check_layout(self, NAME, repository)

    def test_bilens_brings_python_reads(self):
        repository = self.hub.add(NAME, model_files() | {"README.md": b"# a card"})
        old = repository.refs["main"]
        self.fetch(NAME)
        self.hub.forget()
        folder = self.python("print(snapshot_download(sys.argv[1], local_files_only=True))", NAME)
        self.assertEqual(folder, self.store() + "/snapshots/" + old)
        for env in ({}, {"HF_HUB_OFFLINE": "1"}):
            for file in ("config.json", "model.safetensors", "tokenizer.json"):
                path = self.python("print(hf_hub_download(sys.argv[1], sys.argv[2]))", NAME, file, **env)
                self.assertEqual(path, folder + "/" + file)
        self.assertEqual(self.python("print(try_to_load_from_cache(sys.argv[1], 'config.json'))", NAME), folder + "/config.json")
        self.assertEqual(self.asked("store"), [], "nothing was fetched again")
        scan = json.loads(self.python("c = scan_cache_dir(); r = list(c.repos)[0]; v = list(r.revisions)[0]; "
                                      "print(json.dumps([len(c.repos), r.repo_id, r.repo_type, v.commit_hash, sorted(v.refs), sorted(f.file_name for f in v.files), "
                                      "r.size_on_disk, [str(w) for w in c.warnings if 'CACHEDIR.TAG' not in str(w)]]))"))
        size = sum(len(d) for f, d in model_files().items())
        self.assertEqual(scan, [1, NAME, "model", old, ["main"], ["config.json", "model.safetensors", "tokenizer.json"], size, []])
        self.python("snapshot_download(sys.argv[1])", NAME)  # brings the card only
        self.assertEqual([a for a in self.asked() if a.startswith("GET") and ("/store/" in a or "resolve/" in a and "README" not in a)], [])

    def test_data_sets_and_revisions(self):
        files = {"data/validation-00000.parquet": b"v" * 3000, "x/y/z.txt": b"deep"}
        repository = self.hub.add(NAME, files, "datasets")
        repository.commit(files | {"new.txt": b"new"}, "refs/pr/7")
        commit = repository.refs["refs/pr/7"]
        self.fetch("--data", NAME + "@refs/pr/7", "--file", "x/", "new.txt")
        path = self.python("print(hf_hub_download(sys.argv[1], 'x/y/z.txt', repo_type='dataset', revision='refs/pr/7'))", NAME, HF_HUB_OFFLINE="1")
        self.assertEqual(read(path), b"deep")
        self.python("print(snapshot_download(sys.argv[1], repo_type='dataset'))", NAME)
        answer = self.fetch("--data", NAME, "--file", "data/*", HF_HUB_OFFLINE="1")
        self.assertEqual(read(answer["files"][0]["path"]), b"v" * 3000)
        self.assertEqual(self.fetch("--data", NAME + "@" + commit, "--file", "new.txt", HF_HUB_OFFLINE="1")["commit"], commit)

    def test_both_wait_for_the_same_lock(self):
        """While the library's lock is held, bilens waits; and the other way round."""
        data, sha = self.one_big(1)
        lock = self.cache + "/.locks/models--a--b/" + sha + ".lock"
        os.makedirs(os.path.dirname(lock))
        holder = subprocess.Popen([PYTHON, "-c", "import sys, time; from huggingface_hub.utils import WeakFileLock\n"
                                   "with WeakFileLock(sys.argv[1]):\n print('held', flush=True); time.sleep(2)", lock], env=self.env, stdout=subprocess.PIPE, text=True)
        self.assertEqual(holder.stdout.readline(), "held\n")
        fetcher = subprocess.Popen([test_hub.BILENS, "fetch", "a/b", "--file", "x.bin"], env=self.env, stdout=subprocess.DEVNULL)
        with self.assertRaises(subprocess.TimeoutExpired):
            fetcher.wait(1)
        self.assertEqual(self.asked("store"), [])
        self.assertEqual(fetcher.wait(30), 0)
        holder.communicate()
        self.assert_content(data)
        import shutil
        shutil.rmtree(self.cache)
        self.hub.forget()
        self.hub.fault("store", "", "slow", 50000, 0.1)
        fetcher = subprocess.Popen([test_hub.BILENS, "fetch", "a/b", "--file", "x.bin"], env=self.env, stdout=subprocess.DEVNULL)
        while not self.asked("store"):
            self.assertIsNone(fetcher.poll())
        path = self.python("print(hf_hub_download('a/b', 'x.bin'))")
        self.assertEqual(fetcher.wait(30), 0)
        self.assertEqual(len([a for a in self.asked("store") if a.startswith("GET")]), 1, "the library waited and took what bilens brought")
        self.assert_content(data, path)


if __name__ == "__main__":
    found = subprocess.run([PYTHON, "-c", "import huggingface_hub as h; print(h.__version__)"], capture_output=True, text=True)
    if found.returncode != 0:
        print("SKIPPED: %s has no huggingface_hub (pip install huggingface_hub, or HUB_PYTHON=an interpreter that has it)" % PYTHON, file=sys.stderr)
        sys.exit(77)
    print("huggingface_hub", found.stdout.strip(), file=sys.stderr)
    unittest.main(verbosity=2, argv=sys.argv[:1] + ["Together"])
