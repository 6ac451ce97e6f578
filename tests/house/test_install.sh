#!/bin/bash
# The library as its users get it: installed into a temporary prefix, a program compiled against it there, through pkg-config with the
# shared library, through pkg-config --static with the archive, and through find_package. Then what the shared library lets be seen.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix
fail() {
    echo "FAIL: $*"
    exit 1
}

"$CMAKE" --install "$BUILD" --prefix "$prefix" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "cmake --install"; }
pc=$(find "$prefix" -name bilens.pc)
[ -n "$pc" ] || fail "bilens.pc was not installed"
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH=$lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
for file in "$prefix"/include/bilens/{bilens,base,bilinear,basis,direction,eigen,model,decompose}.h "$lib"/libbilens.{so,a} "$lib/libbilens.so.0"; do
    [ -e "$file" ] || fail "$file was not installed"
done
grep -q "$BUILD\|$SOURCE" "$pc" "$lib"/cmake/bilens/*.cmake && fail "an installed file names the build or source folder"
version=$("$PKG_CONFIG" --modversion bilens) || fail "pkg-config does not know bilens"

# Every public header stands alone, for older and stricter compilers too.
for header in "$prefix"/include/bilens/*.h; do
    echo "#include <bilens/$(basename "$header")>" >"$folder/header.c"
    "$CC" -std=c11 -pedantic -Wall -Wextra -Wstrict-prototypes -Werror -fsyntax-only -I"$prefix/include" "$folder/header.c" || fail "$header does not stand alone"
done

cd "$folder" || exit 1
# works PROGRAM [LIBRARY_PATH]: it runs, and it is the version that was installed.
works() {
    local output
    output=$(LD_LIBRARY_PATH=${2-} "$1" "$folder/out.npy") || fail "$1: exit status $?: $output"
    [[ $output == "bilens $version, "* ]] || fail "$1: version $version expected, printed: $output"
}
"$CC" -std=c11 -Wall -Werror "$SOURCE/tests/install/main.c" -o shared $("$PKG_CONFIG" --cflags --libs bilens) || fail "compiling with the shared library"
works ./shared "$lib"
readelf -d shared | grep -q 'NEEDED.*libbilens\.so\.0' || fail "the program does not need libbilens.so.0"

# The whole archive, so that no object of it needs what bilens.pc does not name.
"$CC" -std=c11 -Wall -Werror "$SOURCE/tests/install/main.c" -o static \
    $("$PKG_CONFIG" --static --cflags --libs bilens | sed 's/-lbilens/-Wl,--whole-archive -l:libbilens.a -Wl,--no-whole-archive/') || fail "compiling with the archive"
works ./static
readelf -d static | grep -q 'NEEDED.*libbilens' && fail "the static program needs a libbilens at run time"

"$CMAKE" -S "$SOURCE/tests/install" -B user -G Ninja -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" >log 2>&1 && "$CMAKE" --build user >>log 2>&1 ||
    { cat log; fail "find_package"; }
works user/user

# Three matrices that belong to no model, decomposed in a basis of labels; a word that is not among them is refused.
"$CC" -std=c11 -Wall -Wextra -Werror "$SOURCE/examples/three_matrices.c" -o three $("$PKG_CONFIG" --cflags --libs bilens) || fail "compiling examples/three_matrices.c"
LD_LIBRARY_PATH=$lib ./three "red - mean(*)" >log || fail "three_matrices: $(cat log)"
[ "$(grep -cE '^[+-][0-9.]+(  [c-g] [+-][0-9.]+){5}$' log)" = 8 ] || fail "three_matrices printed: $(cat log)"
sort -c -g log || fail "three_matrices: the eigenvalues are not ascending"
LD_LIBRARY_PATH=$lib ./three "red - pink" 2>log && fail "three_matrices knows pink"
grep -q 'there are red, green, blue' log || fail "three_matrices: $(cat log)"

# bl_* and nothing else; every function of the public headers is there.
"$NM" -D --defined-only "$lib/libbilens.so" | awk '{ print $3 }' | sed 's/@.*//' | sort -u >exported
strangers=$(grep -v '^bl_' exported)
[ -z "$strangers" ] || fail "libbilens.so exports" $strangers
sed -n 's/^BL_API .*[ *]\(bl_[a-z0-9_]*\)(.*/\1/p' "$prefix"/include/bilens/*.h | sort -u >declared
[ "$(wc -l <declared)" -ge 50 ] || fail "only $(wc -l <declared) declared functions were found"
missing=$(comm -23 declared exported)
[ -z "$missing" ] || fail "declared in the headers, not exported:" $missing
private=$(comm -13 declared exported)
[ -z "$private" ] || fail "exported, but in no public header:" $private

if [ -e "$prefix/bin/bilens" ]; then
    "$prefix/bin/bilens" --version | grep -q "$version" || fail "the installed program does not say its version"
    "$prefix/bin/bilens" info --quiet >log || fail "the installed program does not find its own model"
    verbs=$("$prefix/bin/bilens" --help=options | cut -f1)
    [ "$(wc -w <<<"$verbs")" -ge 13 ] || fail "--help=options lists only $verbs"
    for page in bilens $(printf 'bilens-%s ' $verbs); do
        file=$prefix/share/man/man1/$page.1
        grep -q '^\.SH EXAMPLES' "$file" || fail "$file is no manual page"
        if command -v groff >/dev/null; then
            warnings=$(groff -Kutf8 -Tutf8 -man -ww -z "$file" 2>&1)
            [ -z "$warnings" ] || fail "$file: $warnings"
        fi
    done
    for verb in $verbs; do # completion knows what --help says
        [ "$verb" = tokenizer ] && continue
        "$prefix/bin/bilens" "$verb" --help=options | grep -q -P '^--quiet\tflag\t' || fail "bilens $verb --help=options"
    done
    PATH=$prefix/bin:$PATH bash -euc 'source "$0/share/bash-completion/completions/bilens"; COMP_WORDS=(bilens scan --stor); COMP_CWORD=2; _bilens; [ "${COMPREPLY[*]}" = --stories ]' "$prefix" || fail "bash completion"
fi
# What was installed is taken away again, and nothing else.
touch "$prefix/bin/other"
BUILD=$BUILD "$SOURCE/tools/uninstall.sh" >log || fail "uninstall: $(cat log)"
left=$(cd "$prefix" && find . -type f -o -type l)
[ "$left" = ./bin/other ] || fail "uninstall left" $left
echo "install: shared, static and CMake programs work; $(wc -l <exported) functions exported, all declared"
