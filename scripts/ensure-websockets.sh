#!/usr/bin/env bash
# Prints the path of a Python that has the websockets library, and nothing else, on standard output.
#
# The documented Python client is written with that library, so it is what the server is tried with.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

VERSION=17.4
# The version is part of the path, so that a new pin never meets an old package.
CACHED=$PWD/.cache/websockets/$VERSION

is_there() { venv_has "$CACHED" websockets.asyncio.client; }
install() {
    need_python 3 10
    install_venv "$CACHED" websockets.asyncio.client "websockets==$VERSION"
}

once websockets.lock is_there install
echo "$CACHED/bin/python"
