#!/bin/bash
# Every ```sh block of the documentation, as a reader types it: each page in a folder of its own, from top to bottom. The folder has what the
# page says one has (a model, a corpus). Left out: `fetch`, which needs a hub (tests/hub runs its commands), and `serve`, which does not end
# (tests/serve, tests/web); sqlite3 where it is not installed.
# ctest: slow
set -u
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$BILENS" >"$folder/bin/bilens"
chmod +x "$folder/bin/bilens"
export PATH=$folder/bin:$PATH BILENS_DATA=${BILENS_DATA:-$source/data}

blocks() {
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$1" | grep -v '^bilens \(fetch\|serve\) ' |
        if command -v sqlite3 >/dev/null; then cat; else echo "test_docs: no sqlite3: its lines are left out" >&2; grep -v '^sqlite3 '; fi
}
# What a page takes for granted.
provide() {
    case $2 in
    tutorial) printf 'swim\nrun\nthe\nmoon\n' >"$1/words.txt" ;;
    README)
        ln -s "$BILENS_DATA/stories-1-256" "$1/MODEL"
        cp "$BILENS_DATA/stories.txt" "$1/train.txt"
        head -n 400 "$BILENS_DATA/stories.txt" >"$1/valid.txt"
        gzip -c "$1/valid.txt" >"$1/stories.txt.gz"
        ;;
    esac
}
commands=0
for page in "$source"/README.md "$source"/docs/*.md; do
    name=$(basename "$page" .md)
    blocks "$page" >"$folder/$name.sh"
    n=$(grep -c . "$folder/$name.sh")
    [ "$n" -gt 0 ] || continue
    mkdir "$folder/$name"
    provide "$folder/$name" "$name"
    # -e stops at the first that fails, -x names it
    (cd "$folder/$name" && bash -euo pipefail -x "../$name.sh") >"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; echo "FAIL: $page"; exit 1; }
    commands=$((commands + n))
    echo "$name: $n lines"
done
[ "$commands" -ge 45 ] || { echo "FAIL: only $commands lines were found"; exit 1; }
