#!/usr/bin/env bash
# Prints the path of a Chromium that runs, and nothing else, on standard output.
#
# The documented browser clients live in a browser, so the server is tried with one. Debian packages it; where it
# is missing it is installed from there, and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."

CACHE=$PWD/.cache
NAMES=(chromium chromium-browser google-chrome-stable)

say() { echo "ensure-chromium: $*" >&2; }
fail() {
    say "$*"
    say "Or install Chromium yourself, so that one of these is on the path: ${NAMES[*]}."
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

# Debian's launcher is a shell script that complains of other things, so what it says on the side is not looked at.
find_one() {
    local name path
    for name in "${NAMES[@]}"; do
        if path=$(command -v "$name") && "$path" --version >/dev/null 2>&1; then
            echo "$path"
            return 0
        fi
    done
    return 1
}

if ! find_one; then
    mkdir -p "$CACHE"
    # The lock keeps two runs from meeting in apt-get.
    exec 9>"$CACHE/chromium.lock"
    flock 9
    if ! find_one; then
        command -v apt-get >/dev/null || fail "there is no Chromium, and no apt-get to install it with."
        say "installing chromium (about 90 MB), once..."
        as_root apt-get update >&2 || fail "apt-get update failed."
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium >&2 \
            || fail "could not install chromium."
        find_one || fail "the installed chromium does not run."
    fi
fi
