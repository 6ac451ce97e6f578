#!/usr/bin/env python3
"""Requests of unusual kinds against `bilens serve`, each with its right answer.

    requests.py BILENS FOLDER

Exit status 0 when all are right. Standard library only."""
import concurrent.futures, json, os, re, socket, sqlite3, subprocess, sys, time

bilens, folder = sys.argv[1:]
WAIT = 60  # seconds for an answer on a machine that is busy
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
failures = 0


def check(right, text):
    global failures
    if not right:
        failures += 1
        print("FAIL:", text, flush=True)


class Server:
    """One server, stopped at the end of its block."""

    def __init__(self, *options):
        self.errors = open(os.path.join(folder, f"serve-{time.monotonic_ns()}.err"), "w")
        self.process = subprocess.Popen([bilens, "serve", "--port", "0", *options], stdout=subprocess.PIPE, stderr=self.errors, text=True)
        address = self.process.stdout.readline()
        assert address, "the server did not start"
        self.port = int(re.search(r":(\d+)/", address).group(1))
        self.name = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        check(self.process.wait(WAIT) == 0, "the server ended with a failure")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), WAIT)

    def raw(self, text, half=False):
        """(status, headers, body) of everything until the connection ends; status 0 without an answer."""
        with self.connect() as s:
            try:
                s.sendall(text.encode("latin-1"))
                if half:
                    try:
                        s.shutdown(socket.SHUT_WR)
                    except OSError:  # the server has closed it meanwhile; what it has sent can still be read
                        pass
                data = b""
                while part := s.recv(65536):
                    data += part
            except (ConnectionResetError, BrokenPipeError):
                pass
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)}
        return (int(lines[0].split()[1]) if data else 0), headers, body

    def get(self, path, host=None, more="", half=False):
        return self.raw(f"GET {path} HTTP/1.1\r\nHost: {host or self.name}\r\n{more}Connection: close\r\n\r\n", half)

    def post(self, path, body, host=None, more="", length=None):
        length = f"Content-Length: {len(body)}\r\n" if length is None else length
        return self.raw(f"POST {path} HTTP/1.1\r\nHost: {host or self.name}\r\n{FORM}{length}{more}Connection: close\r\n\r\n{body}")


def half_closed():
    with Server() as s:
        for path in "/", "/api/info", "/api/tokens?q=a", "/api/eigen?token=swim&eigs=-1", "/api/scan?token=swim&eigs=-1&stories=20":
            status, _, body = s.get(path, half=True)
            check(status == 200 and len(body) > 100, f"half-closed {path}: {status} {body[:100]!r}")
        # A browser's request that is given up is no such request, and leaves the server well.
        with s.connect() as c:
            c.sendall(f"GET /api/scan?token=swim&top=64&heads=1 HTTP/1.1\r\nHost: {s.name}\r\nUser-Agent: Mozilla/5.0\r\n\r\n".encode())
        check(s.get("/api/info")[0] == 200, "after a request that was given up")


def bad_lengths():
    with Server() as s:
        lengths = ["abc", "-1", "1e3", "0x6", "", "5, 5", "+5", "1 2", "99999999999999999999999999", "18446744073709551616"]
        cases = [f"Content-Length: {n}\r\n" for n in lengths]
        cases += ["Content-Length: 6\r\nContent-Length: 7\r\n", "Content-Length: 6\r\nContent-Length: 6\r\n",
                  "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"]
        for case in cases:
            status, headers, body = s.post("/api/sentence", "text=a", length=case)
            if status == 0:
                continue  # closed
            check(status in (400, 413), f"{case!r}: {status}")
            check(headers.get("content-type") == "application/json" and "message" in json.loads(body)["error"], f"{case!r}: {body[:100]!r}")
            check("content-security-policy" in headers, f"{case!r}: without the headers that every answer bears")
        for head in "GET /api/info HTTP/1.1\r\nno colon\r\n", "GET /api/info HTTP/1.1\r\nX: " + "a" * 100_000 + "\r\n":
            status, headers, body = s.raw(f"{head}Host: {s.name}\r\nConnection: close\r\n\r\n")
            check(status in (0, 400, 431) and (status == 0 or "error" in json.loads(body)), f"{head[:40]!r}: {status} {body[:100]!r}")
        for host in "", " ", "a b", "\x80", "evil.example", "x" * 5000:
            status, headers, body = s.raw(f"GET /api/info HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            check(status in (0, 400, 421) and (status == 0 or "message" in json.loads(body)["error"]), f"Host {host[:20]!r}: {status}")
        check(s.get("/api/info")[0] == 200, "after bad lengths")


def bad_lines():
    """A first line that is no request gets the documented JSON or a closed connection: alone, after a good one, beside many that are slow and many that come at once. Theirs are answered as if it were not there."""
    lines = ["GET /api/info HTTP/2.0", "GET /api/info HTTP/0.9", "GET /api/info HTTP/9", "GET /api/info FOO/1.1", "GET /api/info http/1.1", "GET /api/info ", "GET", "GET  ", "\x16\x03\x01\x02",
             "PRI * HTTP/2.0", "GET /" + "a" * 70_000 + " HTTP/1.1", "G" * 70_000, "GET /api/info HTTP/1.1 HTTP/1.1", "GET\t/api/info\tHTTP/1.1", "\0GET / HTTP/1.1"]

    def right(line, status, headers, body):
        if status == 0:
            return
        check(status in (400, 404, 405, 414, 421, 431, 505), f"{line[:40]!r}: {status}")
        json_said = headers.get("content-type") == "application/json" and body.count(b"{") and "message" in json.loads(body)["error"]
        check(json_said and "content-security-policy" in headers, f"{line[:40]!r}: {headers} {body[:100]!r}")

    with Server() as s:
        def ask(line):
            if line:
                right(line, *s.raw(f"{line}\r\nHost: {s.name}\r\nConnection: close\r\n\r\n"))
            else:
                check(s.get("/api/info")[0] == 200, "a good request beside bad ones")

        for line in lines:
            ask(line)
        begun, begin = [s.connect() for _ in range(240)], time.monotonic()
        for k, c in enumerate(begun):
            c.sendall((b"", b"GET", b"GET /api/info HTTP/1.1\r\nX: 1\r\n")[k % 3])
        for line in lines:
            ask(line)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, [line for line in lines if 4 < len(line) < 100 for line in (line, None)] * 8))
        for k, c in enumerate(begun):
            try:
                c.sendall((b"GET ", b" ", b"")[k % 3] + (b"/api/info HTTP/1.1\r\n" if k % 3 < 2 else b"") + f"Host: {s.name}\r\nConnection: close\r\n\r\n".encode())
                line = c.makefile("rb").readline()
            except (ConnectionResetError, BrokenPipeError):
                line = b""
            # On a busy machine the server may have closed it by now, for its silence of 15 s.
            check(line.startswith(b"HTTP/1.1 200") or not line and time.monotonic() - begin > 10, f"a request that had begun ({k % 3}): {line!r}")
            c.close()
        for line in lines:
            status, _, body = s.raw(f"GET /look.css HTTP/1.1\r\nHost: {s.name}\r\n\r\n{line}\r\n\r\n", True)
            check(status == 200 and b"<html" not in body, f"after a good request, {line[:40]!r}: {status} {body[-100:]!r}")
        check(s.get("/api/info")[0] == 200, "after bad lines")


def crowd():
    """600 slow connections from the same address do not keep another client waiting."""
    with Server() as s:
        slow = []
        for _ in range(600):
            c = s.connect()
            c.sendall(b"GET /api/info HTTP/1.1\r\nX")
            slow.append(c)
        took = []
        for _ in range(3):  # one of them is quick on a busy machine, too; a server that waits for the slow ones takes 15 s each time
            begin = time.monotonic()
            check(s.get("/api/info")[0] == 200, "beside 600 slow connections")
            took.append(time.monotonic() - begin)
        check(min(took) < 8, f"beside 600 slow connections: after {took} s")
        for c in slow:
            c.close()


def proxy():
    public = "https://models.example.org"
    with Server() as s:
        for host, more, wanted in ("models.example.org", "", 421), (None, f"Origin: {public}\r\n", 403):
            status, _, body = s.post("/api/sentence", "text=Tom", host, more)
            check(status == wanted and b"--public-origin" in body, f"without the option: {status} {body!r}")
    for url, prefix in (public, ""), (public + "/", ""), (public + "/bi/lens", "/bi/lens"), (public + ":443/bi/lens/", "/bi/lens"), ("HTTPS://Models.Example.ORG", ""):
        with Server("--public-origin", url) as s:
            for host in "models.example.org", "models.example.org:443", "MODELS.example.org", None:
                for path in "/api/sentence", prefix + "/api/sentence":
                    status, _, body = s.post(path, "text=Tom", host, f"Origin: {public}\r\nSec-Fetch-Site: same-origin\r\n")
                    check(status == 200, f"{url}: Host {host}, {path}: {status} {body[:100]!r}")
                check(s.get(prefix + "/", host)[0] == 200 and s.get(prefix + "/look.css", host)[0] == 200, f"{url}: the page, Host {host}")
            if prefix:
                status, headers, _ = s.get(prefix, "models.example.org")
                check(status in (301, 308) and headers["location"] == prefix + "/", f"{url}: {prefix} leads to {headers.get('location')}")
            check(s.get(prefix + "x/api/info")[0] == 404 if prefix else True, f"{url}: another path")
            check(s.post("/api/sentence", "text=Tom", None, f"Origin: http://{s.name}\r\n")[0] == 200, f"{url}: the own origin")
            for host, origin, wanted in (("evil.example.org", None, 421), ("models.example.org:444", None, 421), ("models.example.org.evil", None, 421),
                                         ("models.example.org", "https://evil.example.org", 403), ("models.example.org", "http://models.example.org", 403),
                                         ("models.example.org", public + ":444", 403), (None, "null", 403)):
                status, _, body = s.post("/api/sentence", "text=Tom", host, f"Origin: {origin}\r\n" if origin else "")
                check(status == wanted, f"{url}: Host {host}, Origin {origin}: {status}, expected {wanted}")
    for url in "models.example.org", "ftp://a.b", "https://", "https://a b", "https://a.b/?q", "https://a.b/#x", "https://u@a.b", "https://a.b:x", "https://a.b/../c", "", "https://[::1":
        r = subprocess.run([bilens, "serve", "--port", "0", "--public-origin", url], capture_output=True, text=True, timeout=WAIT)
        check(r.returncode == 2 and "https://example.org" in r.stderr and not r.stdout, f"--public-origin '{url}': {r.returncode} {r.stderr}")


def damage(path, change):
    """Changes a file without a trace in its times and size."""
    before = os.stat(path)
    with open(path, "r+b") as f:
        data = bytearray(f.read())
        change(data)
        f.seek(0)
        f.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def damaged_atlas():
    tokens, atlas = os.path.join(folder, "tokens.txt"), os.path.join(folder, "atlas.db")
    with open(tokens, "wb") as f:
        f.write(b"\xef\xbb\xbfswim\r\nrun\r\n\r\nlake")
    subprocess.run([bilens, "atlas", "--tokens", tokens, "--stories", "40", "-o", atlas, "--quiet"], check=True, timeout=600, stdout=subprocess.DEVNULL)
    assert sorted(x[0] for x in sqlite3.connect(atlas).execute("SELECT token FROM direction")).__len__() == 3
    asked = "/api/tokens?q=swim&reads=1", "/api/scan?token=swim&contrast=mean&eigs=-1", "/api/sentence/excited?text=Tom%20likes%20to%20swim"

    def all_bytes(data):
        for i in range(4096, len(data)):
            data[i] ^= 0x55

    def touch():
        with open(atlas, "ab") as f:
            f.write(b"x")

    def replace():
        os.rename(atlas, atlas + ".old")
        with open(atlas, "wb") as f:
            f.write(whole)

    whole = open(atlas, "rb").read()
    for name, change in (("every page", lambda: damage(atlas, all_bytes)), ("its length", touch), ("cut", lambda: os.truncate(atlas, 8192)), ("another file", replace)):
        with open(atlas, "wb") as f:
            f.write(whole)
        with Server("--atlas", atlas) as s:
            change()
            for path in asked:
                status, _, body = s.get(path)
                error = json.loads(body).get("error", {})
                # What was read when it started is still right.
                check(status == 200 or status == 500 and error["code"] == "io", f"damaged atlas ({name}): {path}: {status} {body[:200]!r}")
                check(folder.encode() not in body and b"atlas.db" not in body, f"damaged atlas ({name}): {path}: a path in {body[:200]!r}")
            check(any(s.get(path)[0] == 500 for path in asked), f"damaged atlas ({name}): nobody noticed")
            check(s.get("/api/eigen?token=run&eigs=-1&contrast=mean")[0] == 200, f"damaged atlas ({name}): what needs no atlas")


def damaged_corpus():
    corpus = os.path.join(folder, "corpus.txt")
    with open(corpus, "wb") as f:
        f.write(b"Tom likes to swim.\n<|endoftext|>\n" * 50 + b"\xff\xfe broken\n")
    with Server("--corpus", corpus) as s:
        status, _, body = s.get("/api/scan?token=swim&eigs=-1")
        check(status == 500 and json.loads(body)["error"]["code"] == "io" and folder.encode() not in body, f"damaged corpus: {status} {body[:200]!r}")
        check(s.get("/api/eigen?token=run&eigs=-1")[0] == 200, "damaged corpus: what needs none")


for work in half_closed, bad_lengths, bad_lines, crowd, proxy, damaged_atlas, damaged_corpus:
    work()
print(f"{failures} failures")
sys.exit(failures > 0)
