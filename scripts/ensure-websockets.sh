#!/usr/bin/env bash
# Prints the path of a Python that has the websockets library, and nothing else, on standard output.
#
# The documented Python client is written with that library, so it is what the server is tried with. A virtual
# environment of our own, because the machine's Python is not ours to install into.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=17.4
CACHE=$PWD/.cache/websockets
# The version is part of the path, so that a new pin never meets an old package.
CACHED=$CACHE/$VERSION

say() { echo "ensure-websockets: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
runs() { [ -x "$1/bin/python" ] && "$1/bin/python" -c 'import websockets.asyncio.client' >/dev/null 2>&1; }

install() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || fail "python3 of version 3.10 or later is needed."
    rm -rf "$CACHED"
    say "installing websockets $VERSION, once..."
    python3 -m venv "$CACHED" >&2 || fail "could not make a virtual environment (package python3-venv)."
    "$CACHED/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary=:all: \
        "websockets==$VERSION" >&2 || fail "could not install websockets $VERSION."
    runs "$CACHED" || fail "the websockets library does not load in $CACHED."
}

if ! runs "$CACHED"; then
    mkdir -p "$CACHE"
    # The lock keeps a second run from installing it again.
    exec 9>"$CACHE/lock"
    flock 9
    runs "$CACHED" || install
fi
echo "$CACHED/bin/python"
