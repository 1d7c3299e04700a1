#!/usr/bin/env bash
# Prints the folder of an unpacked package with a llama.cpp server in it, and nothing else, on standard output.
#
# A scripted upstream proves what we thought of. This is a server of the Chat Completions protocol that somebody
# else wrote, for the rest. The Python package carries llama.cpp's own server, built; the model is our own
# (tests/llama/model.py), so nothing else is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

NAME=xllamacpp
VERSION=2026.10.11549
SHA256=c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261
CACHE=$PWD/.cache/llama
# The version is part of the path, so that a new pin never meets an old package.
CACHED=$CACHE/$NAME-$VERSION

loads() { PYTHONPATH=$1 python3 -c 'import xllamacpp; xllamacpp.Server'; }
is_there() { [ -d "$CACHED" ] && loads "$CACHED" >/dev/null 2>&1; }

install() {
    need_python 3 10
    mkdir -p "$CACHE"
    # Beside its destination, because only a rename within one file system is atomic.
    staging=$(mktemp -d "$CACHE/staging.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    fetch_wheel "$staging" "$NAME" "$VERSION" "$SHA256" "34 MB"
    # Asked without hiding the answer: whatever the machine lacks is named in it.
    loads "$staging/wheel" >&2 || fail "the packaged llama.cpp does not run on this machine; its own words are above."
    rm -rf "$CACHED"
    mv "$staging/wheel" "$CACHED"
}

once llama.lock is_there install
echo "$CACHED"
