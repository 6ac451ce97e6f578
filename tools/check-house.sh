#!/bin/sh
# Checks the raw calls and the shape of src/ and include/. The compiler checks which room includes which (cmake/rooms.cmake).
#
#   tools/check-house.sh [ROOT]      ROOT: the repository (default: the one this script stands in)
#
# 1. Below cli/ nothing prints to the terminal, exits or reads the environment; memory comes from base/memory.c alone.
#    Unbounded string functions and atoi stand nowhere.
# 2. An include of our own names its room: "model/load.h", not "load.h".
# 3. src/linear/ is the only room that includes the BLAS, LAPACK or a processor's vector headers, and calls them.
# 4. No line is longer than 110 bytes. A file over 600 lines is warned about.
#
# Exit status 0 when the house is in order, 1 with one line per violation (file:line: what) otherwise, 2 if there is nothing to check.
set -u
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 2
ls src/*/*.c >/dev/null 2>&1 || { echo "check-house: $root: no src/*/*.c here" >&2; exit 2; }

find src include/bilens -name '*.[ch]' | LC_ALL=C sort | xargs awk '
function violation(what) { printf "%s:%d: %s\n", FILENAME, FNR, what; bad = 1 }

# The line without comments and the insides of literals; in_comment lasts over lines.
function code(line,    out, c, two, quote) {
    out = ""
    while (length(line) > 0) {
        c = substr(line, 1, 1); two = substr(line, 1, 2)
        if (in_comment) {
            if (two == "*/") { in_comment = 0; line = substr(line, 3) } else line = substr(line, 2)
        } else if (two == "/*") { in_comment = 1; line = substr(line, 3)
        } else if (two == "//") { return out
        } else if (c == "\"" || c == "\x27") {
            quote = c; out = out c; line = substr(line, 2)
            while (length(line) > 0) {
                c = substr(line, 1, 1)
                if (c == "\\") { line = substr(line, 3); continue }
                line = substr(line, 2)
                if (c == quote) break
            }
            out = out quote
        } else { out = out c; line = substr(line, 2) }
    }
    return out
}

# True if the line calls one of the functions `names` ("a|b|c").
function calls(line, names) { return line ~ ("(^|[^A-Za-z0-9_.>])(" names ")[ ]*\\(") }

FNR == 1 {
    in_comment = 0
    below = FILENAME !~ /^src\/cli\//
    memory = FILENAME == "src/base/memory.c"
    linear = FILENAME ~ /^src\/linear\//
}
length($0) > 110 { violation("longer than 110 bytes: " length($0)) }
FNR == 601 { printf "%s: warning: longer than 600 lines: one idea per file\n", FILENAME }
/^[ \t]*#[ \t]*include[ \t]*"[^\/]*"/ { violation("an include names its room: " $0) }
/^[ \t]*#[ \t]*include[ \t]*[<"]([a-z0-9_]*\/)?(cblas|lapacke?|f77blas|[a-z]*mmintrin|immintrin|x86intrin|arm_neon|arm_sve)[a-z0-9_]*\.h[>"]/ && !linear {
    violation("only src/linear/ includes the BLAS, LAPACK or vector headers: use its functions: " $0)
}
/^[ \t]*#[ \t]*include/ { next }
{
    line = code($0)
    if (calls(line, "atoi|atol|atoll|atof|strcpy|strcat|sprintf|vsprintf|gets|strtok"))
        violation("unbounded or unchecked call (atoi, strcpy, sprintf …): strtol, snprintf, memcpy with a size: " $0)
    if (!linear && line ~ /(^|[^A-Za-z0-9_])(cblas_[a-z]+|LAPACKE_[a-z]+|[a-z][a-z0-9]+_)[ ]*\(/)
        violation("only src/linear/ calls the BLAS or LAPACK: use its functions: " $0)
    if (!below) next
    if (calls(line, "printf|vprintf|puts|putchar|perror|exit|_exit|_Exit|abort|system|popen") || line ~ /(^|[^A-Za-z0-9_])(stdout|stderr)([^A-Za-z0-9_]|$)/)
        violation("nothing prints or exits below cli/; fill in a bl_error: " $0)
    if (calls(line, "getenv|secure_getenv|setenv|putenv"))
        violation("nothing reads the environment below cli/; take an argument: " $0)
    if (!memory && calls(line, "malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|asprintf|vasprintf"))
        violation("memory comes from base/memory.h (bl_alloc, bl_grow, bl_strdup …): " $0)
}
END { exit bad }
' || exit 1
echo "house: $(find src include/bilens -name '*.[ch]' | wc -l) files in order"
