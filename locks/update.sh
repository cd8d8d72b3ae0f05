#!/usr/bin/env bash
# Writes the locked versions anew from pyproject.toml: `locks/update.sh`, then read the diff.
# openvino-telemetry is left out on purpose: nothing here reports home.
set -euo pipefail
cd "$(dirname "$0")/.."
lock() {
    local out=$1
    shift
    uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-package openvino-telemetry "$@" pyproject.toml --output-file "locks/$out.txt"
}
lock operator --extra operator
lock trainer --extra trainer
lock server --extra server
lock dev --extra operator --extra trainer --extra server --extra test
