#!/bin/sh
# Debian packages that bilens needs, and installing those that are missing.
#
#   tools/deps.sh [--check|--list] [GROUP…]      GROUP: build (default), check, wheel, fuzz, valgrind, reference, deb; each includes build
#
# --check   says nothing: exit status 0 when everything is there, 1 when something is missing (offline, some milliseconds)
# --list    prints the packages
# otherwise installs what is missing: apt-get as root, or through sudo; where neither works, prints the one line to run and fails.
#
# Another BLAS, a compiler from elsewhere, no Debian: DEPS=skip makes this script do nothing; CMake says what it cannot find.
set -u

build='gcc libc6-dev cmake ninja-build pkg-config libopenblas-openmp-dev liblapacke-dev libjansson-dev libutf8proc-dev
libcairo2-dev zlib1g-dev libzstd-dev libpcre2-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev libmicrohttpd-dev libopenmpi-dev'
check='libcmocka-dev clang clang-format clang-tidy libclang-rt-dev libomp-dev zstd gzip sqlite3 python3 openssl chromium nodejs npm'
wheel='python3 python3-venv'
fuzz='clang libomp-dev libclang-rt-dev'
valgrind='libcmocka-dev valgrind zstd gzip python3 openssl'
reference='doxygen'
deb='debhelper lintian dpkg-dev fakeroot'

mode=install
case ${1-} in
--check | --list) mode=${1#--}; shift ;;
esac
[ "${DEPS-}" = skip ] && exit 0

packages=$build
for group in "$@"; do
    case $group in
    build) ;;
    check) packages="$packages $check" ;;
    wheel) packages="$packages $wheel" ;;
    fuzz) packages="$packages $fuzz" ;;
    valgrind) packages="$packages $valgrind" ;;
    reference) packages="$packages $reference" ;;
    deb) packages="$packages $deb" ;;
    *) echo "deps: unknown group '$group' (build, check, wheel, fuzz, valgrind, reference, deb)" >&2; exit 2 ;;
    esac
done
packages=$(printf '%s\n' $packages | LC_ALL=C sort -u)
if [ $mode = list ]; then
    echo "$packages"
    exit 0
fi

if ! command -v dpkg-query >/dev/null; then
    [ $mode = check ] && exit 0
    echo "deps: this is not a Debian system; install the packages that correspond to:" $packages >&2
    exit 1
fi
installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' $packages 2>/dev/null | sed -n 's/ installed$//p')
missing=
for package in $packages; do
    # node and npm come in one package from elsewhere, with which Debian's npm cannot live.
    [ "$package" = npm ] && command -v npm >/dev/null && continue
    printf '%s\n' "$installed" | grep -qxF "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    [ $mode = check ] || echo "deps: everything is installed"
    exit 0
fi
[ $mode = check ] && exit 1

root=
if [ "$(id -u)" != 0 ]; then
    root=sudo
    if ! command -v sudo >/dev/null || { ! sudo -n true 2>/dev/null && { [ -n "${CI-}" ] || [ ! -t 0 ]; }; }; then
        echo "deps: packages are missing, and only root can install them. Run" >&2
        echo "    sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt="$root ${root:+DEBIAN_FRONTEND=noninteractive} apt-get"
# The lists may be empty (a fresh image), or too old to know where a package lies now.
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || $apt update -qq
$apt install -qq -y --no-install-recommends $missing && exit 0
echo "deps: once more, with fresh package lists"
$apt update -qq && $apt install -qq -y --no-install-recommends $missing && exit 0
echo "deps: apt-get failed; the line was: apt-get install --no-install-recommends$missing" >&2
exit 1
