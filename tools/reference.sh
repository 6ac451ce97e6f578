#!/bin/sh
# The reference manual in $BUILD/reference/html; a warning of Doxygen's is an error.
set -eu
cd "$(dirname "$0")/.."
out=${BUILD:-build}/reference
mkdir -p "$out"
(cat docs/Doxyfile; printf 'OUTPUT_DIRECTORY = %s\nPROJECT_NUMBER = %s\n' "$out" "$(sed -n 's/^project(bilens VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)") | doxygen -
echo "reference: $out/html/index.html"
