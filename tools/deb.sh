#!/bin/bash
# Debian packages from the committed tree, in build-deb/. Lintian's verdict is this script's.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=build-deb
rm -rf "$folder"
mkdir -p "$folder/bilens"
git ls-files -z | xargs -0 cp --parents -t "$folder/bilens"
cd "$folder/bilens"
DEB_BUILD_OPTIONS="nocheck parallel=${JOBS:-$(nproc)}" dpkg-buildpackage -b -us -uc >../build.log 2>&1 || { tail -40 ../build.log >&2; exit 1; }
cd ..
rm -rf bilens
lintian --fail-on error,warning --profile debian ./*.changes
ls -l ./*.deb
echo "install with: apt install ./$folder/bilens_*.deb"
