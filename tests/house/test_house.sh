#!/bin/bash
# tools/check-house.sh accepts the house as it is, and finds each violation that is planted in a copy of it; an include from below does not
# compile.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
check=$SOURCE/tools/check-house.sh
failures=0

"$check" "$SOURCE" || { echo "FAIL: the house itself"; failures=1; }

# plant FILE LINE EXPECTED: with LINE in FILE, the check fails with a message that has EXPECTED.
plant() {
    rm -rf "$folder/house"
    mkdir -p "$folder/house/src/base" "$folder/house/src/report" "$folder/house/src/cli" "$folder/house/include/bilens" \
        "$(dirname "$folder/house/$1")"
    echo '#include <bilens/base.h>' >"$folder/house/src/base/error.c"
    printf '%s\n' '#include "report/colour.h"' '#include <bilens/bilens.h>' >"$folder/house/src/report/colour.c"
    printf '%s\n' '#include <bilens/bilens.h>' '#include "base/file.h"' 'int main(void) { printf("x"); exit(0); }' >"$folder/house/src/cli/main.c"
    "$check" "$folder/house" >/dev/null || { echo "FAIL: the small house is in order, but was refused"; failures=1; }
    printf '%s\n' "$2" >>"$folder/house/$1"
    local output status
    output=$("$check" "$folder/house")
    status=$?
    if [ $status -ne 1 ] || [[ $output != *"$1:"*"$3"* ]]; then
        echo "FAIL: planted '$2' in $1: expected exit status 1 and '$3', got $status and: $output"
        failures=1
    fi
}
# accept FILE LINE: LINE is no violation.
accept() {
    plant src/base/error.c '    abort();' 'nothing prints' # makes the small house afresh
    rm "$folder/house/src/base/error.c"
    mkdir -p "$(dirname "$folder/house/$1")"
    printf '%s\n' "$2" >>"$folder/house/$1"
    "$check" "$folder/house" || { echo "FAIL: '$2' in $1 was refused"; failures=1; }
}
# include ROOM LINE STATUS: whether a file of ROOM that has LINE compiles with the room's own include folder.
include() {
    printf '%s\nint x;\n' "$2" >"$folder/planted.c"
    "$CC" -std=c17 -I"$BUILD/rooms/$1" -fsyntax-only "$folder/planted.c" 2>"$folder/errors"
    local status=$?
    if [ $((status != 0)) -ne "$3" ] || { [ "$3" = 1 ] && ! grep -q "No such file" "$folder/errors"; }; then
        echo "FAIL: '$2' in room $1: expected $3, got $status and: $(cat "$folder/errors")"
        failures=1
    fi
}

include base '#include "base/error.h"' 0
include scan '#include "base/error.h"' 0
include scan '#include <bilens/model.h>' 0
include cli '#include <bilens/bilens.h>' 0
include base '#include "model/params.h"' 1
include text '#include <bilens/model.h>' 1
include scan '#include <bilens/bilens.h>' 1
include scan '#include "report/plot.h"' 1
include hub '#include <bilens/text.h>' 1
include base '#include <bilens/hub.h>' 1
include result '#include <bilens/report.h>' 1
include cli '#include "model/params.h"' 1
plant src/report/html.c '#include "colour.h"' 'names its room'
plant src/report/html.c "/* $(printf '%0120d' 0) */" 'longer than 110'
plant src/base/error.c '    printf("%d", 1);' 'nothing prints'
plant src/base/error.c '    fprintf(stderr, "x");' 'nothing prints'
plant src/report/html.c '    if (bad) exit(1);' 'nothing prints'
plant src/report/html.c '    abort();' 'nothing prints'
plant src/report/html.c '    const char *x = getenv("HOME");' 'environment'
plant src/report/html.c '    char *x = malloc(3);' 'memory comes from'
plant src/report/html.c '    x = /* a comment */ realloc (x, 3);' 'memory comes from'
plant src/report/html.c '    char *x = strdup(y);' 'memory comes from'
plant src/cli/eigen.c '    int n = atoi(argv[1]);' 'unbounded'
plant src/cli/eigen.c '    sprintf(text, "x");' 'unbounded'
plant src/base/error.c '    strcpy(a, b);' 'unbounded'
plant src/report/html.c '#include <cblas.h>' 'only src/linear/'
plant src/cli/eigen.c '#include <openblas/lapacke.h>' 'only src/linear/'
plant src/base/error.c '#include <immintrin.h>' 'only src/linear/'
plant src/base/error.c '    cblas_sgemv(CblasRowMajor);' 'only src/linear/'
plant src/base/error.c '    int info = LAPACKE_ssyev (1);' 'only src/linear/'
plant src/base/error.c '    slaed1_(&n, d);' 'only src/linear/'
accept src/report/html.c '/* never malloc(3), printf("x") or exit(1) here */ const char *x = "printf(stderr)"; // abort()'
accept src/report/html.c '    writer.printf(x); bl_strdup(x, err); my_malloc(3); snprintf(a, 3, "%s", b); fprintf(file, "x");'
accept src/base/memory.c '    return malloc(3);'
accept src/linear/gemm.c '#include <cblas.h>'
accept src/cli/eigen.c '    char *x = malloc(3);'

[ $failures -eq 0 ] && echo "house: every planted violation was found"
exit $failures
