#!/bin/bash
# run.sh PAGE.md: every ```sh block of the page, as a reader types it, from top to bottom, in a folder that has what the page says one has (a
# model, a corpus). Left out: `fetch`, which needs a hub (tests/hub runs its commands), and `serve`, which does not end (tests/serve,
# tests/web); sqlite3 where it is not installed.
# ctest: slow 60
set -u
page=$1
name=$(basename "$page" .md)
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/$name"
# The whole vocabulary's atlas takes over a minute: here of the 500 most frequent words.
printf '#!/bin/sh\n[ "$*" != "atlas -o atlas.db" ] || set -- "$@" --frequent 500\nexec "%s" "$@"\n' "$BILENS" >"$folder/bin/bilens"
chmod +x "$folder/bin/bilens"
export PATH=$folder/bin:$PATH BILENS_DATA=${BILENS_DATA:-$source/data}

blocks() {
    awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$1" | grep -v '^bilens \(fetch\|serve\) ' |
        if command -v sqlite3 >/dev/null; then cat; else echo "docs: no sqlite3: its lines are left out" >&2; grep -v '^sqlite3 '; fi
}
# What the page takes for granted.
case $name in
tutorial) printf 'swim\nrun\nthe\nmoon\n' >"$folder/$name/words.txt" ;;
README)
    ln -s "$BILENS_DATA/stories-1-256" "$folder/$name/MODEL"
    cp "$BILENS_DATA/stories.txt" "$folder/$name/train.txt"
    head -n 400 "$BILENS_DATA/stories.txt" >"$folder/$name/valid.txt"
    gzip -c "$folder/$name/valid.txt" >"$folder/$name/stories.txt.gz"
    total=0
    for each in "$source"/README.md "$source"/docs/*.md; do total=$((total + $(blocks "$each" 2>/dev/null | grep -c .))); done
    [ "$total" -ge 80 ] || { echo "FAIL: only $total lines were found in all pages"; exit 1; }
    ;;
esac
blocks "$page" >"$folder/$name.sh"
lines=$(grep -c . "$folder/$name.sh")
[ "$lines" -gt 0 ] || { echo "$name: nothing that can be run here"; exit 77; }
# -e stops at the first that fails, -x names it
(cd "$folder/$name" && bash -euo pipefail -x "../$name.sh") >"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; echo "FAIL: $page"; exit 1; }
echo "$name: $lines lines"
