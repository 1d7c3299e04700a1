#!/usr/bin/env bash
# Prints the path of a redis-server that runs, and nothing else, on standard output.
#
# Several servers tell each other by way of Redis what happens, so they are tried with a real one, which the tests start,
# kill and freeze themselves. Debian packages it.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

INSTEAD="Or install Redis 6 or later, or Valkey under that name, yourself, so that redis-server is on the path."

is_there() { command -v redis-server >/dev/null && redis-server --version >/dev/null 2>&1; }
# Only the program: the package with the service would also start one.
install() { install_packages redis-tools redis-server; }

once redis.lock is_there install
is_there || fail "the installed redis-server does not run."
command -v redis-server
