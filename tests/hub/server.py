"""A Hugging Face hub of two servers on 127.0.0.1, for tests: the hub itself, and the host that large files are redirected to.

It speaks what the hub's documentation describes: the revision and tree API (with pages), resolve addresses with X-Repo-Commit, X-Linked-Etag,
X-Linked-Size and X-Error-Code, a relative redirect for small files and one to another host for large ones, ranges, tokens, gated and private
repositories. `fault` lets any address misbehave. Everything that was asked stands in `log`."""
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse

PIECE = 65536


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Repository:
    """Commits, each with files; LARGE files (by ending) are kept apart, as on the hub."""

    LARGE = (".safetensors", ".parquet", ".bin")

    def __init__(self, files, kind="models"):
        self.kind = kind
        self.commits, self.refs = {}, {}
        self.gated = self.private = False
        self.granted = set()  # tokens
        self.extra_tree = []  # lies in the list
        self.tree_hash = True  # False: the list has no hashes
        self.commit(files)

    def commit(self, files, ref="main"):
        name = hashlib.sha1(repr(sorted((k, hashlib.sha1(v).hexdigest()) for k, v in files.items())).encode()).hexdigest()
        self.commits[name] = dict(files)
        self.refs[ref] = name
        return name

    def is_large(self, path):
        return path.endswith(self.LARGE)

    def etag(self, path, data):
        return hashlib.sha256(data).hexdigest() if self.is_large(path) else git_sha1(data)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer waits 40 ms

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        hub, role = self.server.hub, self.server.role
        with hub.lock:
            hub.log.append((role, self.command, self.path, dict(self.headers)))
            self.faults = hub.take_faults(role, self.command, self.path)
        try:
            for fault in self.faults:
                if self.misbehave_first(fault):
                    return
            (self.answer_hub if role == "hub" else self.answer_store)()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # Faults before anything is answered.
    def misbehave_first(self, fault):
        kind, *more = fault
        if kind == "status":
            self.reply(more[0], b"sorry", {"Retry-After": str(more[1])} if len(more) > 1 else {})
        elif kind == "hang up":
            self.reset()
        elif kind == "stall":
            time.sleep(more[0])
        elif kind == "redirect":
            self.reply(302, b"", {"Location": more[0]})
        elif kind == "raw":
            self.reply(200, more[0], {})
        else:
            return False
        return True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def fault(self, kind):
        return next((f for f in self.faults if f[0] == kind), None)

    def reply(self, status, body, headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code, message):
        self.reply(status, b"", {"X-Error-Code": code, "X-Error-Message": message} if code else {"X-Error-Message": message})

    def token(self):
        return self.headers.get("Authorization", "").removeprefix("Bearer ") or None

    # The hub itself.
    def answer_hub(self):
        path, _, query = self.path.partition("?")
        parts = [urllib.parse.unquote(p) for p in path.strip("/").split("/")]
        if parts[0] == "api" and parts[1] == "resolve-cache":
            return self.serve_file(*self.server.hub.cached[path])
        api = parts[0] == "api"
        if api:
            parts = parts[1:]
        kind = parts.pop(0) if parts[0] in ("models", "datasets") else "models"
        name, rest = "/".join(parts[:2]), parts[2:]
        repository = self.server.hub.repositories.get((kind, name))
        token = self.token()
        if token == "broken":
            return self.error(401, "", "Invalid credentials in Authorization header")
        if repository is None or (repository.private and token not in repository.granted):
            return self.error(404 if token else 401, "RepoNotFound", "Repository not found")
        revision = rest[1] if len(rest) > 1 else "main"
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return self.error(404, "RevisionNotFound", "Invalid rev id: " + revision)
        if api and (not rest or rest[0] == "revision"):
            return self.revision(name, repository, commit)
        if api and rest[0] == "tree":
            return self.tree(repository, commit, path, urllib.parse.parse_qs(query))
        if rest[0] == "resolve":
            if repository.gated and token not in repository.granted:
                return self.error(403 if token else 401, "GatedRepo", "Access to model %s is restricted" % name)
            return self.resolve(repository, commit, "/".join(rest[2:]))
        self.error(404, "", "Sorry, we can't find the page you are looking for.")

    def revision(self, name, repository, commit):
        siblings = [{"rfilename": f} for f in repository.commits[commit]]
        body = {"_id": "1", "id": name, "modelId": name, "sha": commit, "private": repository.private, "gated": repository.gated, "siblings": siblings,
                "downloads": 0, "likes": 0, "tags": [], "disabled": False, "author": name.split("/")[0], "lastModified": "2024-06-01T00:00:00.000Z"}
        self.reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def tree(self, repository, commit, path, query):
        items = []
        for name, data in sorted(repository.commits[commit].items()):
            item = {"type": "file", "path": name, "size": len(data), "oid": git_sha1(data)}
            if repository.is_large(name):
                item["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            if not repository.tree_hash:
                item.pop("oid"), item.pop("lfs", None)
            items.append(item)
        items += [{"type": "directory", "path": "x", "size": 0, "oid": "0" * 40}] + repository.extra_tree
        size, start = self.server.hub.page, int(query.get("cursor", ["0"])[0])
        headers = {"Content-Type": "application/json"}
        if start + size < len(items):
            headers["Link"] = '<%s%s?recursive=true&cursor=%d>; rel="next"' % (self.server.hub.endpoint, path, start + size)
        self.reply(200, json.dumps(items[start:start + size]).encode(), headers)

    def resolve(self, repository, commit, path):
        hub = self.server.hub
        data = repository.commits[commit].get(path)
        if data is None:
            self.send_response(404)
            for header in (("X-Error-Code", "EntryNotFound"), ("X-Error-Message", "Entry not found"), ("X-Repo-Commit", commit), ("Content-Length", "0")):
                self.send_header(*header)
            return self.end_headers()
        etag = repository.etag(path, data)
        headers = {"X-Repo-Commit": commit, "X-Linked-Size": str(len(data)), "X-Linked-Etag": '"%s"' % etag}
        if repository.is_large(path):
            hub.store[etag] = data
            headers["Location"] = hub.store_endpoint + "/store/" + etag
            return self.reply(302, b"Found", headers)
        if hub.direct:
            headers = {"X-Repo-Commit": commit, "ETag": 'W/"%s"' % etag}
            return self.serve_file(data, headers)
        where = "/api/resolve-cache/%s/%s/%s" % (repository.kind, commit, urllib.parse.quote(path, safe=""))
        hub.cached[where] = (data, {"X-Repo-Commit": commit, "ETag": '"%s"' % etag})
        headers["Location"] = where
        self.reply(307, b"Temporary Redirect", headers)

    # The other host.
    def answer_store(self):
        data = self.server.hub.store.get(self.path.rpartition("/")[2])
        if data is None:
            return self.reply(404, b"no such thing", {})
        self.serve_file(data, {"ETag": '"%s"' % hashlib.md5(data).hexdigest()})

    def serve_file(self, data, headers):
        status, first, total = 200, 0, len(data)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not self.fault("ignore range"):
            first, status = int(asked[1]), 206
            if first >= total:
                return self.reply(416, b"", {"Content-Range": "bytes */%d" % total})
            headers = headers | {"Content-Range": "bytes %d-%d/%d" % (first, total - 1, total)}
        if lie := self.fault("content range"):
            headers["Content-Range"], status = lie[1], 206
        if self.fault("corrupt"):
            data = bytes(len(data) - 1) + b"?"
        body = data[first:]
        if self.fault("too much"):
            self.close_connection = True
            body += b"more"
        elif not self.fault("no length"):
            headers = headers | {"Content-Length": str(len(body) + (1 if self.fault("wrong length") else 0))}
        else:
            self.close_connection = True
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        hub = self.server.hub
        with hub.lock:
            hub.pouring += 1
            hub.most_pouring = max(hub.most_pouring, hub.pouring)
        try:
            self.pour(body)
        finally:
            with hub.lock:
                hub.pouring -= 1

    def pour(self, body):
        cut, slow, freeze = self.fault("cut"), self.fault("slow"), self.fault("freeze")
        if cut:
            body = body[:cut[1]]
        piece = slow[1] if slow else PIECE
        for i in range(0, len(body), piece):
            if freeze and i >= freeze[1]:
                self.wfile.flush()
                time.sleep(freeze[2])
            self.wfile.write(body[i:i + piece])
            if slow and i + piece < len(body):
                self.wfile.flush()
                time.sleep(slow[2])
        self.wfile.flush()
        if cut:
            time.sleep(0.05)
            self.reset() if cut[2:] == ("reset",) else self.shut()

    def shut(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, hub, role, certificate=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub, self.role = hub, role
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.scheme = "https"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request, address):
        pass  # a client that hangs up is what is tested


class Hub:
    """Both servers. The hub answers to 127.0.0.1, the store to localhost: another host by name and port."""

    def __init__(self, certificate=None):
        self.lock = threading.RLock()
        self.repositories, self.store, self.cached, self.log, self.rules = {}, {}, {}, [], []
        self.page, self.direct = 1000, False
        self.pouring = self.most_pouring = 0  # bodies on their way at a time
        self.hub, self.other = Server(self, "hub", certificate), Server(self, "store", certificate)
        self.endpoint = "%s://127.0.0.1:%d" % (self.hub.scheme, self.hub.server_address[1])
        self.store_endpoint = "%s://localhost:%d" % (self.other.scheme, self.other.server_address[1])

    def add(self, name, files, kind="models"):
        repository = self.repositories[(kind, name)] = Repository(files, kind)
        return repository

    def fault(self, role, pattern, *what, times=1, method="GET"):
        """The next `times` requests whose path matches `pattern` meet with `what`."""
        self.rules.append([role, method, re.compile(pattern), what, times])

    def take_faults(self, role, method, path):
        found = []
        for rule in self.rules:
            same = any(rule[3][0] == what[0] for what in found)  # of one kind the rules take turns
            if rule[4] > 0 and rule[0] == role and rule[1] == method and rule[2].search(path) and not same:
                rule[4] -= 1
                found.append(rule[3])
        return found

    def forget(self):
        with self.lock:
            self.log.clear()
            self.rules.clear()

    def close(self):
        for server in (self.hub, self.other):
            server.shutdown()
            server.server_close()
