#!/usr/bin/env bash
# Sees to it that curl and jq are there, and prints nothing on standard output.
#
# The example for the shell is written with them, and is run against the server.
set -euo pipefail
cd "$(dirname "$0")/.."

NAMES=(curl jq)

say() { echo "ensure-curl: $*" >&2; }
fail() {
    say "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "cannot run '$*': it needs root, and there is no sudo."
    fi
}
are_there() {
    local name
    for name in "${NAMES[@]}"; do
        command -v "$name" >/dev/null || return 1
    done
}

if ! are_there; then
    mkdir -p .cache
    # The lock keeps two runs from meeting in apt-get.
    exec 9>.cache/curl.lock
    flock 9
    if ! are_there; then
        command -v apt-get >/dev/null || fail "${NAMES[*]} are needed, and there is no apt-get to install them with."
        say "installing ${NAMES[*]}, once..."
        as_root apt-get update >&2 || fail "apt-get update failed."
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${NAMES[@]}" >&2 \
            || fail "could not install ${NAMES[*]}."
    fi
fi
