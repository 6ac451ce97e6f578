#!/bin/sh
# Removes every file that the last `make install` from this build folder wrote, and the folders of ours that are empty then.
set -u
list=${BUILD:-build}/install_manifest.txt
[ -f "$list" ] || { echo "uninstall: $list is missing: nothing was installed from this build folder" >&2; exit 1; }
status=0
while IFS= read -r file || [ -n "$file" ]; do
    rm -f -- "${DESTDIR-}$file" || status=1
    folder=$(dirname -- "${DESTDIR-}$file")
    while :; do
        case $folder in */bilens | */bilens/* | */stories-1-256) rmdir -- "$folder" 2>/dev/null || break ;; *) break ;; esac
        folder=$(dirname -- "$folder")
    done
done <"$list"
[ $status = 0 ] && rm -f "$list" && echo "uninstall: done"
exit $status
