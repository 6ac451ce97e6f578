#!/bin/bash
# bilens serve as its user runs it: the address it prints, the numbers of the command line, several servers, its end by Ctrl-C and SIGTERM;
# then hostile requests (hostile.py), HOSTILE of them (default 3000; HOSTILE=100000 also waits for slow senders to be shown the door).
# ctest: slow
set -u
command -v python3 >/dev/null || { echo "SKIPPED: no python3" >&2; exit 77; }
case $BILENS in *valgrind) echo "SKIPPED: valgrind is too slow for a server's clients" >&2; exit 77 ;; esac
here=$(dirname "$0")
folder=$(mktemp -d) || exit 1
server=
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16 # what is freed and kept for looking at is no growth
trap '[ -n "$server" ] && kill -KILL $server 2>/dev/null; rm -rf "$folder"' EXIT
fail() {
    echo "FAIL: $*"
    cat "$folder"/*.err 2>/dev/null | tail -50
    exit 1
}

"$BILENS" serve --help | grep -q -- "--atlas FILE" || fail "--help"
timeout 60 "$BILENS" serve --port 0 --address nowhere.invalid >"$folder/out" 2>"$folder/absent.err"
[ $? = 2 ] || fail "an address that does not exist: exit status"
grep -q "nowhere.invalid" "$folder/absent.err" || fail "an address that does not exist"

# start NAME OPTIONS…: the server's address in $url
start() {
    local name=$1
    shift
    "$BILENS" serve "$@" >"$folder/$name.out" 2>"$folder/$name.err" &
    server=$!
    for ((i = 0; i < 600; i++)); do
        url=$(cat "$folder/$name.out")
        [ -n "$url" ] && return
        kill -0 $server 2>/dev/null || fail "the server did not start"
        sleep 0.1
    done
    fail "the server said no address"
}
# stop SIGNAL: it ends with status 0, quickly
stop() {
    kill -"$1" $server
    for ((i = 0; i < 300; i++)); do
        kill -0 $server 2>/dev/null || break
        sleep 0.1
    done
    kill -0 $server 2>/dev/null && fail "still there 30 s after SIG$1"
    wait $server
    status=$?
    server=
    [ $status = 0 ] || fail "SIG$1: exit status $status"
}
fetch() { python3 -c 'import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=120).read())' "$1"; }

# The same numbers as the command line's.
start first --port 0
[[ $url == http://127.0.0.1:*/ ]] || fail "the address printed: $url"
fetch "$url" | grep -qi "<!doctype html>" || fail "the page"
fetch "${url}api/eigen?token=swim&minus=run&minus=climb&eigs=-1&eigs=0" >"$folder/api.json" || fail "/api/eigen"
"$BILENS" eigen --token swim --minus run,climb --eigs -1,0 --format json >"$folder/cli.json" || fail "bilens eigen"
fetch "${url}api/scan?token=swim&minus=run&minus=climb&eigs=-1&eigs=0&top=3" >"$folder/api-scan.json" || fail "/api/scan"
"$BILENS" scan --token swim --minus run,climb --eigs -1,0 --top 3 --format json >"$folder/cli-scan.json" || fail "bilens scan"
python3 - "$folder" <<'EOF' || fail "the API's numbers are not the command line's"
import json, sys
for name, keys in ("", ["eigenvalues", "effective_rank", "groups", "vectors", "token", "minus", "layer"]), ("-scan", ["stories", "positions", "vectors"]):
    api, cli = (json.load(open(f"{sys.argv[1]}/{who}{name}.json")) for who in ("api", "cli"))
    if not name:  # the command line looks at its stories, too; the API's spectrum comes before its inputs
        assert all(v.pop("orientation") in (1, -1) for v in cli["vectors"])
    for key in keys:
        assert api[key] == cli[key], (name, key)
EOF

# Its port is taken; another one may be any; nothing of it is left when it ends.
port=${url##*:}
"$BILENS" serve --port "${port%/}" >"$folder/out" 2>"$folder/taken.err"
[ $? = 2 ] || fail "a port that is taken: exit status"
grep -q "port ${port%/} of 127.0.0.1 is taken" "$folder/taken.err" || fail "a port that is taken"
[ -s "$folder/out" ] && fail "an address was printed without a server"
stop INT

# A scan that runs does not keep it from ending; another address warns.
start second --port 0 --address 0.0.0.0
grep -q "warning: everybody who can reach 0.0.0.0" "$folder/second.err" || fail "no warning for another address"
python3 -c 'import socket, sys, urllib.parse as p; u = p.urlparse(sys.argv[1]); s = socket.create_connection((u.hostname, u.port)); s.sendall(f"GET /api/scan?token=swim&top=64&heads=1 HTTP/1.1\r\nHost: {u.netloc}\r\n\r\n".encode()); s.recv(1)' "$url" &
sleep 0.2
stop TERM
wait

start third --port 0
python3 "$here/hostile.py" "$url" $server "${HOSTILE:-3000}" || fail "hostile requests"
stop TERM
grep -l "Sanitizer\|runtime error" "$folder"/*.err && fail "the sanitizers found something"
exit 0
