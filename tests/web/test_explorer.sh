#!/bin/sh
# The explorer in a real browser: every *.test.js of this folder, under node's own test runner, against the built program.
# ctest: slow
#
# BILENS: the program; SOURCE: the repository; BUILD: a build folder, for npm's packages.
set -u
here=$(dirname "$0")
"$here/install.sh" "$BUILD/web-tests" || exit $?
NODE_PATH=$BUILD/web-tests/node_modules exec node --test --test-concurrency=1 "$@" $(ls "$here"/*.test.js)
