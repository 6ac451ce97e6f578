#!/usr/bin/env python3
"""Hostile requests against a running explorer: every kind must get one of the answers that it may get, and the server must stay well.

    hostile.py URL PID COUNT [SEED]

Exit status 0 when every answer was right, the memory is bounded and the last honest request is answered; 1 otherwise. Standard library only."""
import json, random, re, socket, sys, threading, time, urllib.parse

url = urllib.parse.urlparse(sys.argv[1])
pid, count = int(sys.argv[2]), int(sys.argv[3])
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
HOST, PORT = url.hostname, url.port
NAME = f"{HOST}:{PORT}".encode()
WAIT = 60  # seconds for an answer: under sanitizers on a busy machine all of them are slow
GROWTH = 200  # MB that serving may add: the caches' bounds are beyond what these requests fill
failures = []
lock = threading.Lock()


def fail(text):
    with lock:
        failures.append(text)
        if len(failures) <= 20:
            print("FAIL:", text, flush=True)


def connect():
    s = socket.create_connection((HOST, PORT), WAIT)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def send(s, data):
    """As much as the server takes: it may answer and close before everything is sent."""
    try:
        s.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def answer(s, head_only=False):
    """(status, headers, body) of the next response; status 0 when the connection ended without one."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            part = s.recv(65536)
            if not part:
                return 0, {}, data
            data += part
        head, body = data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:] if ":" in line)}
        status = int(lines[0].split()[1])
        length = 0 if head_only or status in (204, 304) else int(headers.get("content-length", 0))
        while len(body) < length:
            part = s.recv(65536)
            if not part:
                break
            body += part
        return status, headers, body
    except (ConnectionResetError, BrokenPipeError):
        return 0, {}, data
    except socket.timeout:
        fail(f"no answer within {WAIT} s after {data[:80]!r}")
        return -1, {}, data


def once(data):
    with connect() as s:
        send(s, data)
        return answer(s, data.startswith(b"HEAD "))


def get(path, host=NAME, extra=b"", method=b"GET"):
    if isinstance(path, str):
        path = path.encode()
    return method + b" " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + extra + b"Connection: close\r\n\r\n"


def post(path, body, extra=b"", kind=b"application/x-www-form-urlencoded"):
    return get(path, extra=b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n" % len(body) + extra, method=b"POST") + body


def junk(r, n, alphabet=None):
    return bytes(r.choice(alphabet) if alphabet else r.randrange(256) for _ in range(n))


def quoted(data):
    return b"".join(b"%%%02x" % c for c in data)


# Each kind: request bytes and the statuses that are right; 0 = the connection ends without an answer.
def bad_method(r):
    method = r.choice([b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"CONNECT", b"get", b"BREW", b"X" * r.randrange(1, 3000)])
    return get("/api/info", method=method), {405, 400}


def post_to_file(r):
    return post("/index.html", b"a=b"), {405}


def big_headers(r):
    n = r.choice([65_000, 100_000, 1_000_000])
    extra = b"X-Big: " + b"a" * n + b"\r\n" if r.random() < 0.5 else b"".join(b"X-%d: b\r\n" % i for i in range(n // 10))
    return get("/api/info", extra=extra), {431, 0}


def long_url(r):
    n = r.choice([8_200, 20_000, 60_000, 200_000, 1_000_000])
    return get("/api/tokens?q=" + "a" * n), {414, 431, 0} if n > 30_000 else {414}


def traversal(r):
    steps = r.choice([b"../", b"..%2f", b"%2e%2e/", b"..\\", b"%2e%2e%2f", b".%00./", b"....//", b"%c0%ae%c0%ae/", b"//", b"./"])
    path = b"/" + steps * r.randrange(1, 12) + r.choice([b"etc/passwd", b"CMakeLists.txt", b"proc/self/environ", b"index.html/.."])
    return get(path), {404, 400}


def broken_utf8(r):
    text = r.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\x80b", b"\xe2\x82", b"\x00", b"swim\x00"])
    path = r.choice([b"/api/eigen?token=", b"/api/tokens?q=", b"/api/sentence?text="]) + quoted(text)
    return (get(path) if r.random() < 0.5 else post(path.split(b"?")[0], path.split(b"?")[1])), {400}


def broken_escape(r):
    return get(b"/api/eigen?token=sw%" + r.choice([b"", b"z", b"4", b"zz", b"%", b"4%41", b"-1"])), {400}


def unknown_token(r):
    return get(b"/api/eigen?token=" + quoted(b"qx" + junk(r, r.randrange(8, 40), b"qxzjkvw<>&\"'/")) + b"&eigs=-1"), {404}


def bad_numbers(r):
    number = r.choice(["-1", "99999999999999999999999", "1e9", "0x10", "", " 1", "1 ", "NaN", "-0", "+1", "18446744073709551616", "½", "1.5"])
    name = r.choice(["layer", "top", "stories"])
    return get(f"/api/scan?token=swim&{name}=" + urllib.parse.quote(number)), {400}


def bad_index(r):
    number = r.choice(["-100000", "100000", "9223372036854775808", "-9223372036854775809", "x", "", "--1", "1,2", "+1"])
    return get(f"/api/eigen?token=swim&eigs={urllib.parse.quote(number)}"), {400}


def unknown_parameter(r):
    return get(b"/api/info?" + quoted(junk(r, 5, b"abcde")) + b"=1"), {400}


def many_parameters(r):
    return get(b"/api/eigen?token=swim" + b"&minus=run" * 300), {400}


def unknown_path(r):
    return get(b"/" + r.choice([b"api", b"api/", b"API/info", b"api/info/", b"api//info", b"admin", b"index.php", b"data/0000.js"])), {404}


def foreign_host(r):
    host = r.choice([b"evil.example", b"evil.example:80", b"127.0.0.1.evil.example", b"localhost.evil.example", b"[::2]", b"127.0.0.2", b"0", b"2130706433",
                     b"localhost@evil.example", b"[::1", b"::1", b"127.0.0.1:x", b"127.0.0.1:", b"127.0.0.1:999999", b"h" * 5000, b"\xff\xfe", b"localhost%00"])
    return get("/api/info", host=host), {421, 400}


def no_host(r):
    version = r.choice([b"1.1", b"1.0"])
    return b"GET /api/info HTTP/" + version + b"\r\nConnection: close\r\n\r\n", {400}


def two_hosts(r):
    return get("/api/info", extra=b"Host: evil.example\r\n"), {400}


def foreign_origin(r):
    origin = r.choice([b"http://evil.example", b"null", b"https://" + NAME, b"http://localhost:1", b"", b"http://" + NAME + b".evil.example"])
    return post("/api/sentence", b"text=Tom", b"Origin: " + origin + b"\r\n"), {403}


def cross_site(r):
    return get("/api/info", extra=b"Sec-Fetch-Site: cross-site\r\n"), {403}


def big_body(r):
    n = r.choice([65_537, 100_000, 900_000])
    return post("/api/sentence", b"text=" + b"a" * n), {413}


def huge_body(r):
    return get("/api/sentence", extra=b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n" % r.choice([1 << 21, 1 << 33, 1 << 62]),
               method=b"POST") + b"text=a", {413, 400}


def bad_length(r):
    length = r.choice([b"-1", b"abc", b"1e3", b"99999999999999999999999999", b"0x10", b""])
    return get("/api/sentence", extra=b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + length + b"\r\n", method=b"POST"), {400, 413, 411, 0}


def chunked(r):
    """Right or wrong chunks; too many of them end the connection."""
    head = get("/api/sentence", extra=b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n", method=b"POST")
    kind = r.randrange(4)
    if kind == 0:
        return head + b"8\r\ntext=Tom\r\n0\r\n\r\n", {200}
    if kind == 1:
        return head + b"zz\r\ntext=Tom\r\n0\r\n\r\n", {400, 0}
    if kind == 2:
        return head + (b"8000\r\n" + b"a" * 0x8000 + b"\r\n") * 4 + b"0\r\n\r\n", {413}
    return head + b"fffffffffffffffff\r\na\r\n0\r\n\r\n", {400, 413, 0}


def media_type(r):
    return post("/api/sentence", b'{"text": "Tom"}', kind=r.choice([b"application/json", b"text/plain", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencodedx"])), {415}


def garbage(r):
    n = r.choice([1, 10, 100, 5000])
    return junk(r, n) + b"\r\n\r\n", {400, 404, 405, 414, 431, 505, 0, 421}


def strange_line(r):
    line = r.choice([b"GET", b"GET /", b"GET / HTTP/9.9", b"GET  /api/info  HTTP/1.1", b"GET /api/info HTTP/1.1 extra", b"GET http://evil.example/ HTTP/1.1", b"/ GET HTTP/1.1",
                     b"GET * HTTP/1.1", b"GET ? HTTP/1.1", b"GET /api/info?? HTTP/1.1", b"GET /\x00 HTTP/1.1", b"\r\n\r\nGET / HTTP/1.1", b"GET / FTP/1.1"])
    return line + b"\r\nHost: " + NAME + b"\r\nConnection: close\r\n\r\n", {200, 400, 404, 405, 505, 0}


def strange_headers(r):
    extra = r.choice([b": empty\r\n", b"no colon\r\n", b"A: b\r\n c: folded\r\n", b"\x00: \x01\r\n", b"X: " + junk(r, 50, b"\x80\xff\x01a") + b"\r\n",
                      b"If-None-Match: " + b'"' * 500 + b"\r\n", b"Range: bytes=0-18446744073709551615\r\n", b"Expect: 100-continue\r\n", b"Cookie: " + b"a=b;" * 900 + b"\r\n"])
    return get("/", extra=extra), {100, 200, 400, 0}


def cut_off(r):
    whole = r.choice([get("/api/info"), post("/api/sentence", b"text=Tom likes to swim"), get("/")])
    return whole[: r.randrange(1, len(whole) - 1)], None  # closed by us


def honest(r):
    return r.choice([(get("/"), {200}), (get("/api/info"), {200}), (get("/api/tokens?q=s&limit=3"), {200}), (get("/", method=b"HEAD"), {200}),
                     (get("/api/eigen?token=swim&eigs=-1"), {200}), (post("/api/sentence", b"text=Tom+likes+to+swim"), {200}),
                     (get("/api/info", host=b"LOCALHOST:%d" % PORT), {200}), (get("/api/info", extra=b"Sec-Fetch-Site: same-origin\r\n"), {200})])


kinds = [bad_method, post_to_file, big_headers, long_url, traversal, broken_utf8, broken_escape, unknown_token, bad_numbers, bad_index, unknown_parameter,
         many_parameters, unknown_path, foreign_host, no_host, two_hosts, foreign_origin, cross_site, big_body, huge_body, bad_length, chunked, media_type,
         garbage, strange_line, strange_headers, cut_off, honest]
weights = [1 if k in (big_headers, long_url, big_body) else 6 for k in kinds]
seen = {}


def worker(number, share):
    r = random.Random(seed * 1000 + number)
    for _ in range(share):
        kind = r.choices(kinds, weights)[0]
        data, right = kind(r)
        if right is None:
            with connect() as s:
                send(s, data)
            continue
        status, headers, body = once(data)
        with lock:
            seen.setdefault(kind.__name__, {}).setdefault(status, 0)
            seen[kind.__name__][status] += 1
        if status not in right:
            fail(f"{kind.__name__}: {status}, expected {sorted(right)}: {data[:150]!r}")
        if status and status >= 400 and headers.get("content-type") == "application/json":
            try:
                json.loads(body)["error"]["message"]
            except (ValueError, KeyError):
                if not data.startswith(b"HEAD"):
                    fail(f"{kind.__name__}: no error in JSON: {body[:100]!r}")
        if b"root:" in body:
            fail(f"{kind.__name__}: a file of this machine: {data[:150]!r}")


def resident():
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def slow_senders():
    """Half a request each, a byte now and then; meanwhile others are served."""
    sockets = [connect() for _ in range(60)]
    for step in range(5):
        for s in sockets:
            send(s, b"GET /api/info HTTP/1.1\r\nHost: x\r\n"[step : step + 1])
        begin = time.monotonic()
        status, _, _ = once(get("/api/info"))
        if status != 200 or time.monotonic() - begin > WAIT / 2:
            fail(f"beside slow senders: {status} after {time.monotonic() - begin:.1f} s")
        time.sleep(0.05)
    return sockets


def patience(sockets):
    """Silent ones are shown the door in 15 s, those that send a byte now and then in 30 s."""
    talker, end = sockets.pop(), time.monotonic() + 45
    for s in sockets:
        s.settimeout(max(0.1, end - time.monotonic()))
        try:
            while s.recv(4096):
                pass
        except ConnectionResetError:
            pass
        except socket.timeout:
            fail("a silent connection is open after 45 s")
            break
    talker.close()
    begin = time.monotonic()
    with connect() as s:
        s.sendall(b"GET /api/info HTTP/1.1\r\n")
        while time.monotonic() - begin < 60:
            try:
                s.sendall(b"X")
                s.settimeout(1)
                if not s.recv(4096):
                    break
            except socket.timeout:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            fail("a slow sender was listened to for a minute")


def all_at_once(n=200):
    sockets = [connect() for _ in range(n)]
    for i, s in enumerate(sockets):
        send(s, get("/api/eigen?token=%23" + str(40 + i % 20) + "&eigs=-1" if i % 2 else "/api/info"))
    for s in sockets:
        status, _, _ = answer(s)
        if status != 200:
            fail(f"{n} connections at once: {status}")
        s.close()


def keep_alive():
    """Several requests on one connection, also sent before the answers are read."""
    with connect() as s:
        request = get("/api/info").replace(b"Connection: close\r\n", b"")
        send(s, request * 3)
        data = b""
        while data.count(b"HTTP/1.1 200") < 3:
            part = s.recv(65536)
            if not part:
                fail("pipelined requests: the connection ended")
                break
            data += part


begin_memory = resident()
begin = time.monotonic()
sleepers = slow_senders()
threads = [threading.Thread(target=worker, args=(i, count // 4)) for i in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
all_at_once()
keep_alive()
if count >= 100_000:
    patience(sleepers)
else:
    for s in sleepers:
        s.close()
if once(get("/api/info"))[0] != 200:
    fail("the last honest request")
grown = resident() - begin_memory
if grown > GROWTH:
    fail(f"memory grew by {grown:.0f} MB")
for kind in sorted(seen):
    print(f"  {kind:18s}", " ".join(f"{status}: {n}" for status, n in sorted(seen[kind].items())))
print(f"{count} requests in {time.monotonic() - begin:.0f} s, memory {begin_memory:.0f} -> {begin_memory + grown:.0f} MB, {len(failures)} failures")
sys.exit(bool(failures))
