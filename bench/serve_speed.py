#!/usr/bin/env python3
"""Latency of a running explorer, median and worst of n requests, each for another direction so that nothing comes from a cache.

    bilens serve MODEL [--atlas FILE] &      python3 bench/serve_speed.py http://127.0.0.1:8470 [n] [PID]

Times contain the client. With the server's PID also its processor time per request, all threads together: what a busy machine does not distort."""
import http.client, json, os, statistics, sys, time, urllib.parse

url = urllib.parse.urlparse(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8470")
n = int(sys.argv[2]) if len(sys.argv) > 2 else 15
pid = sys.argv[3] if len(sys.argv) > 3 else None
connection = http.client.HTTPConnection(url.hostname, url.port)


def ask(path, body=None):
    begin = time.perf_counter()
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if body is not None else {}
    connection.request("POST" if body is not None else "GET", path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    seconds = time.perf_counter() - begin
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {text[:300].decode()}")
    return seconds, text


def processor():
    if not pid:
        return 0.0
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


info = json.loads(ask("/api/info")[1])
while not info["corpus"]["ready"]:
    time.sleep(0.1)
    info = json.loads(ask("/api/info")[1])
tokens = [t["token"] for t in json.loads(ask(f"/api/tokens?sort=id&limit={4 * n}&offset=500")[1])["tokens"]]
words = [t for t in tokens if t.isalpha()] or tokens
text = " ".join((words * 200)[:190])
quote = urllib.parse.quote
contrast = "" if info["contrast_default"] == "none" else "&contrast=mean"
cases = {
    "page": lambda i: ask("/"),
    "info": lambda i: ask("/api/info"),
    "completion": lambda i: ask(f"/api/tokens?q={quote(words[i % len(words)][:2])}&limit=12"),
    "eigen, contrast mean": lambda i: ask(f"/api/eigen?token={quote(tokens[i])}{contrast}"),
    "eigen, contrast tokens": lambda i: ask(f"/api/eigen?token={quote(tokens[i])}&minus={quote(tokens[-1])}"),
    "eigen, null model": lambda i: ask(f"/api/eigen?token={quote(tokens[i])}{contrast}&null=1&eigs=-1"),
    "all eigenvectors' spectrum, one deep": lambda i: ask(f"/api/eigen?token={quote(tokens[n + i])}{contrast}&eigs=100"),
    "scan, contrast mean (after eigen)": lambda i: ask(f"/api/scan?token={quote(tokens[i])}{contrast}"),
    "scan, contrast tokens (after eigen)": lambda i: ask(f"/api/scan?token={quote(tokens[i])}&minus={quote(tokens[-1])}"),
    "scan by head, one eigenvector": lambda i: ask(f"/api/scan?token={quote(tokens[i])}{contrast}&eigs=-1&heads=1"),
    "sentence of 190 words": lambda i: ask("/api/sentence", "text=" + quote(f"{words[i % len(words)]} {text}")),
    "contributions": lambda i: ask("/api/sentence/contributions", f"text={quote(text)}&token={quote(tokens[i])}{contrast}&index=-1"),
}
if info["atlas"]:
    cases["excited directions"] = lambda i: ask("/api/sentence/excited", f"text={quote(words[i % len(words)] + ' ' + text)}&position=150")
print(f"{info['model']['model']}, {info['corpus']['stories']} stories, {'an' if info['atlas'] else 'no'} atlas; n = {n}")
for name, case in cases.items():
    times, before = [], processor()
    for i in range(n):
        seconds, answer = case(i)
        times.append(1000 * seconds)
    print(f"  {name:38s} median {statistics.median(times):7.1f} ms  least {min(times):7.1f}  most {max(times):7.1f}  processor {(processor() - before) / n:6.1f}  ({len(answer) / 1000:.0f} kB)")
