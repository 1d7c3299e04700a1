#!/usr/bin/env bash
# Sees to it that curl and jq are there, and prints nothing on standard output.
#
# The example for the shell is written with them, and is run against the server.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

are_there() { command -v curl >/dev/null && command -v jq >/dev/null; }

once curl.lock are_there install_packages curl jq
