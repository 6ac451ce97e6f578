#!/bin/sh
# Installs playwright-core, which drives Debian's Chromium, into FOLDER (once; again when package-lock.json changes).
# Exit status 77, with a word of why, when that cannot be: no node, no npm, no Chromium, no registry.
#
#   tests/web/install.sh FOLDER
set -u
here=$(dirname "$0")
folder=$1
skip() { echo "SKIPPED: $1; nothing was tested in a browser" >&2; exit 77; }
command -v node >/dev/null || skip "there is no node (Debian: nodejs)"
command -v npm >/dev/null || skip "there is no npm (Debian: npm)"
command -v "${CHROMIUM:-chromium}" >/dev/null || skip "there is no Chromium (Debian: chromium)"
cmp -s "$here/package-lock.json" "$folder/package-lock.json" && [ -f "$folder/node_modules/playwright-core/package.json" ] && exit 0
mkdir -p "$folder" && cp "$here/package.json" "$folder/" || exit 1
cp "$here/package-lock.json" "$folder/package-lock.json.new" || exit 1
mv "$folder/package-lock.json.new" "$folder/package-lock.json"
if ! npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --no-update-notifier >"$folder/npm.log" 2>&1; then
    rm -f "$folder/package-lock.json"
    cat "$folder/npm.log" >&2
    skip "npm could not install playwright-core"
fi
