#!/bin/sh
# Holds the house together: what a folder of src/ may include, and which raw calls it may make.
#
#   tools/check-layers.sh [ROOT]      ROOT: the repository (default: the one this script stands in)
#
# 1. Data flows downwards. A file of src/<room>/ includes only its own room and rooms before it in the list; a public header
#    include/bilens/<room>.h (or <what>_<room>.h) counts as its room, hub.h as format (src/format/hub/). src/cli/ sees the library as its users do: public headers, its own, and base/.
# 2. Below cli/ nothing prints to the terminal, exits or reads the environment; memory comes from base/memory.c alone.
#    Unbounded string functions and atoi stand nowhere.
# 3. A file over 600 lines is warned about.
#
# Exit status 0 when the house is in order, 1 with one line a violation (file:line: what) otherwise, 2 if there is nothing to check.
set -u
root=${1:-$(dirname "$0")/..}
cd "$root" || exit 2
ls src/*/*.c >/dev/null 2>&1 || { echo "check-layers: $root: no src/*/*.c here" >&2; exit 2; }

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

# The room of a public header, text.h or <what>_text.h.
function public_room(name) { sub(/\.h$/, "", name); if (name == "hub") return "format"; if (!(name in rank)) sub(/.*_/, "", name); return name }

function check_include(target, public,    other) {
    other = target
    if (public) { sub(/^bilens\//, "", other); other = other == "bilens.h" ? last_public : public_room(other) }
    else if (other ~ /\//) sub(/\/.*/, "", other)
    else { violation("include \"" target "\": name its room, as in \"" room "/" target "\""); return }
    if (!(other in rank)) { violation("include of " target ": " other " is no room (" rooms ")"); return }
    if (room == "cli" && !public && other != "cli" && other != "base")
        violation("cli may include public headers, cli/ and base/ only, not \"" target "\"")
    else if (rank[other] > rank[room])
        violation(room " stands before " other " and may not include " target)
}

BEGIN {
    rooms = "base format text model train decompose scan atlas report serve cli"
    n = split(rooms, list, " ")
    for (i = 1; i <= n; i++) rank[list[i]] = i
    last_public = "report" # the umbrella header holds them all
}

FNR == 1 {
    in_comment = 0; lines = 0
    n = split(FILENAME, part, "/")
    room = part[1] == "include" ? public_room(part[3]) : part[2]
    umbrella = FILENAME ~ /^include\/bilens\/bilens\.h$/
    below = room != "cli"
    memory = FILENAME == "src/base/memory.c"
    if (!umbrella && !(room in rank)) { violation(room " is no room of the house (" rooms ")"); room = "cli" }
}
FNR == 601 { printf "%s: warning: longer than 600 lines: one idea a file\n", FILENAME }
umbrella { next }
/^[ \t]*#[ \t]*include[ \t]*"/ { split($0, piece, "\""); check_include(piece[2], 0); next }
/^[ \t]*#[ \t]*include[ \t]*<bilens\// { split($0, piece, /[<>]/); check_include(piece[2], 1); next }
/^[ \t]*#[ \t]*include/ { next }
{
    line = code($0)
    if (calls(line, "atoi|atol|atoll|atof|strcpy|strcat|sprintf|vsprintf|gets|strtok"))
        violation("unbounded or unchecked call (atoi, strcpy, sprintf …): strtol, snprintf, memcpy with a size: " $0)
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
echo "layers: $(find src include/bilens -name '*.[ch]' | wc -l) files in order"
