#!/usr/bin/env bash
# Prints the path of a Chromium that runs, and nothing else, on standard output.
#
# The pages and the documented browser clients live in a browser, so the server is tried with one. Debian packages it;
# where it is missing it is installed from there, and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

NAMES=(chromium chromium-browser google-chrome-stable)
INSTEAD="Or install Chromium yourself, so that one of these is on the path: ${NAMES[*]}."

# Debian's launcher is a shell script that complains of other things, so what it says on the side is not looked at.
find_one() {
    local name
    for name in "${NAMES[@]}"; do
        if found=$(command -v "$name") && "$found" --version >/dev/null 2>&1; then
            return 0
        fi
    done
    return 1
}

once chromium.lock find_one install_packages chromium
find_one || fail "the installed chromium does not run."
echo "$found"
