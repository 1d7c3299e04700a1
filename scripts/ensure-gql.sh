#!/usr/bin/env bash
# Prints the path of a Python that has the GraphQL client gql, and nothing else, on standard output.
#
# The example in Python is written with it, and is run against the server.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

REQUIREMENTS=$PWD/examples/python/requirements.txt
# The hash of what is installed is part of the path, so that a new pin never meets an old package.
CACHED=$PWD/.cache/gql/$(sha256sum <"$REQUIREMENTS" | cut -c1-16)

is_there() { venv_has "$CACHED" gql.transport.websockets; }
install() {
    need_python 3 11
    install_venv "$CACHED" gql.transport.websockets --require-hashes --requirement "$REQUIREMENTS"
}

once gql.lock is_there install
echo "$CACHED/bin/python"
