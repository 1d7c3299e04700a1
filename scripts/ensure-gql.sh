#!/usr/bin/env bash
# Prints the path of a Python that has the GraphQL client gql, and nothing else, on standard output.
#
# The example in Python is written with it, and is run against the server. A virtual environment of our own, because
# the machine's Python is not ours to install into.
set -euo pipefail
cd "$(dirname "$0")/.."

REQUIREMENTS=$PWD/examples/python/requirements.txt
CACHE=$PWD/.cache/gql
# The hash of what is installed is part of the path, so that a new pin never meets an old package.
CACHED=$CACHE/$(sha256sum <"$REQUIREMENTS" | cut -c1-16)

say() { echo "ensure-gql: $*" >&2; }
fail() {
    say "$*"
    exit 1
}
runs() { [ -x "$1/bin/python" ] && "$1/bin/python" -c 'import gql.transport.websockets' >/dev/null 2>&1; }

install() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || fail "python3 of version 3.11 or later is needed."
    rm -rf "$CACHED"
    say "installing gql and what it needs, once..."
    python3 -m venv "$CACHED" >&2 || fail "could not make a virtual environment (package python3-venv)."
    "$CACHED/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary=:all: \
        --require-hashes --requirement "$REQUIREMENTS" >&2 || fail "could not install what $REQUIREMENTS lists."
    runs "$CACHED" || fail "gql does not load in $CACHED."
}

if ! runs "$CACHED"; then
    mkdir -p "$CACHE"
    # The lock keeps a second run from installing it again.
    exec 9>"$CACHE/lock"
    flock 9
    runs "$CACHED" || install
fi
echo "$CACHED/bin/python"
