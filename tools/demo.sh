#!/bin/bash
# make demo: the whole analysis of one direction as a page. BUILD: the build folder.
# The model is the embedded one in data/ when there is one; until then the one that lies beside the project in ../shared.
set -u
cd "$(dirname "$0")/.." || exit 1
out=report-swim
direction=(--token swim --minus run,climb,eat,see,smell,walk,fly,sit,sleep)

if [ -f data/stories-1-256/config.json ]; then
    arguments=()
else
    model=../shared/models/ts-1-256 corpus=../shared/corpus/valid.txt
    missing=()
    [ -f $model/config.json ] || missing+=("a model directory:    $model")
    [ -f $corpus ] || missing+=("a corpus of stories:  $corpus")
    if [ ${#missing[@]} -gt 0 ]; then
        echo "demo: this tree holds no model of its own (data/stories-1-256), and beside it these are missing:" >&2
        printf '    %s\n' "${missing[@]}" >&2
        echo "With a model and a text of your own:  ${BUILD:-build}/bilens report MODEL --corpus FILE ${direction[*]} -o $out" >&2
        exit 1
    fi
    arguments=($model --corpus $corpus)
fi

"${BUILD:-build}/bilens" report "${arguments[@]}" "${direction[@]}" -o $out || exit
page=file://$(realpath $out/index.html)
program=$(realpath "${BUILD:-build}/bilens")
echo "The page: $page"
echo "The program: $program; to call it as bilens in this shell:"
echo "    export PATH=\"$(dirname "$program"):\$PATH\""
if [ -z "${CI-}" ] && [ -t 1 ] && [ -n "${DISPLAY-}${WAYLAND_DISPLAY-}" ] && command -v xdg-open >/dev/null; then
    xdg-open "$page" >/dev/null 2>&1 &
fi
