#!/usr/bin/env bash
# Prints the path of nginx, and nothing else, on standard output.
#
# Several servers are tried behind it, with the configuration in ops/proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

# Where Debian has it is not on the path of every user.
PATH=$PATH:/usr/sbin

is_there() { command -v nginx >/dev/null; }

# Without recommendations, and started by nobody but the tests: the package would serve on port 80 otherwise.
install() {
    install_packages nginx
    if command -v systemctl >/dev/null && systemctl is-active --quiet nginx; then
        as_root systemctl disable --now nginx >&2
    fi
}

once nginx.lock is_there install
command -v nginx
