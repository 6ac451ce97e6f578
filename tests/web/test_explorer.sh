#!/bin/sh
# test_explorer.sh [NAME…]: the explorer in a real browser: NAME.test.js of this folder, or all but axe, under node's own test runner, against
# the built program.
# ctest: slow 200
#
# BILENS: the program; SOURCE: the repository; BUILD: a build folder, for npm's packages.
set -u
here=$(dirname "$0")
[ $# -gt 0 ] || set -- $(cd "$here" && ls *.test.js | sed 's/\.test\.js$//' | grep -v '^axe$')
mkdir -p "$BUILD"
flock "$BUILD/web-tests.lock" "$here/install.sh" "$BUILD/web-tests" || exit $?
files=$(for name in "$@"; do echo "$here/$name.test.js"; done)
NODE_PATH=$BUILD/web-tests/node_modules exec node --test --test-concurrency=1 $files
