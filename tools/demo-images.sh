#!/bin/sh
# Trains a small classifier of Fashion-MNIST, draws the gallery of its ten classes and a report of one of them, and says where they are.
set -eu
program=${BUILD:-build}/bilens
images=/usr/share/datasets/fashion-mnist
if [ ! -f "$images/train-images-idx3-ubyte.gz" ]; then
    if [ "$(id -u)" = 0 ]; then apt-get install -y dataset-fashion-mnist
    elif command -v sudo >/dev/null; then sudo apt-get install -y dataset-fashion-mnist
    else
        echo "demo-images: install the Debian package dataset-fashion-mnist first" >&2
        exit 1
    fi
fi
"$program" train --images "$images" --preset fashion-64 -o demo-images/fashion-64 --overwrite
"$program" atlas demo-images/fashion-64 --gallery demo-images/gallery.png
"$program" report demo-images/fashion-64 --class ankle-boot --minus all --images "$images" -o demo-images/report-boot
echo "The gallery of all classes: demo-images/gallery.png"
echo "A page about ankle boots:   demo-images/report-boot/index.html"
