#!/bin/bash
# Every ```sh block of the documentation, as a reader types it: each page in an empty folder of its own, from top to bottom.
set -u
source=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$BILENS" >"$folder/bin/bilens"
chmod +x "$folder/bin/bilens"
export PATH=$folder/bin:$PATH BILENS_DATA=${BILENS_DATA:-$source/data}

blocks() { awk '/^```sh$/ { on = 1; next } /^```/ { on = 0 } on' "$1"; }
commands=0
for page in "$source"/README.md "$source"/docs/*.md; do
    name=$(basename "$page" .md)
    blocks "$page" >"$folder/$name.sh"
    n=$(grep -c . "$folder/$name.sh")
    [ "$n" -gt 0 ] || continue
    mkdir "$folder/$name"
    [ "$name" = tutorial ] && printf 'swim\nrun\nthe\nmoon\n' >"$folder/$name/words.txt"
    # -e stops at the first that fails, -x names it
    (cd "$folder/$name" && bash -euo pipefail -x "../$name.sh") >"$folder/$name.log" 2>&1 || { tail -n 20 "$folder/$name.log"; echo "FAIL: $page"; exit 1; }
    commands=$((commands + n))
    echo "$name: $n lines"
done
[ "$commands" -ge 20 ] || { echo "FAIL: only $commands lines were found"; exit 1; }
