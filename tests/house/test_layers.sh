#!/bin/bash
# tools/check-layers.sh accepts the house as it is, and finds each violation that is planted in a copy of it.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
check=$SOURCE/tools/check-layers.sh
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
    plant src/base/error.c '#include "cli/main.h"' 'base stands before cli' # makes the small house afresh
    rm "$folder/house/src/base/error.c"
    printf '%s\n' "$2" >>"$folder/house/$1"
    "$check" "$folder/house" || { echo "FAIL: '$2' in $1 was refused"; failures=1; }
}

plant src/base/error.c '#include "model/model_private.h"' 'base stands before model'
plant src/text/batch.c '#include <bilens/model.h>' 'text stands before model'
plant src/scan/scan.c '#include <bilens/bilens.h>' 'scan stands before report'
plant src/scan/scan.c '#  include "report/plot.h"' 'scan stands before report'
plant src/decompose/eigen.c '#include <bilens/figure_report.h>' 'decompose stands before report'
plant include/bilens/hub.h '#include <bilens/text.h>' 'format stands before text'
plant src/format/hub/cache.c '#include <bilens/text.h>' 'format stands before text'
plant src/base/error.c '#include <bilens/hub.h>' 'base stands before format'
plant include/bilens/text.h '#include <bilens/model.h>' 'text stands before model'
plant src/cli/eigen.c '#include "decompose/interaction.h"' 'cli may include public headers'
plant src/report/html.c '#include "colour.h"' 'name its room'
plant src/report/html.c '#include "cellar/wine.h"' 'is no room'
plant src/cellar/wine.c 'int x;' 'is no room'
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
accept src/report/html.c '/* never malloc(3), printf("x") or exit(1) here */ const char *x = "printf(stderr)"; // abort()'
accept src/report/html.c '    writer.printf(x); bl_strdup(x, err); my_malloc(3); snprintf(a, 3, "%s", b); fprintf(file, "x");'
accept src/base/memory.c '    return malloc(3);'
accept src/cli/eigen.c '    char *x = malloc(3);'

[ $failures -eq 0 ] && echo "layers: every planted violation was found"
exit $failures
