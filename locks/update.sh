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
lock build --extra build

# server-tf stands on the trainer's libraries: what the server needs beyond them.
python3 - <<'END'
import re
from pathlib import Path

def entries(name):
    return re.findall(r"^(?=\w)(?:.*\\\n)*.*\n", Path(f"locks/{name}.txt").read_text(), re.MULTILINE)

def name(entry):
    return re.match(r"[\w.-]+", entry)[0]

has = {name(one): one for one in entries("trainer")}
wants = entries("server")
other = [name(one) for one in wants if has.get(name(one), one) != one]
assert not other, f"server and trainer are locked to different versions of {other}"
Path("locks/server-tf.txt").write_text("".join(one for one in wants if name(one) not in has))
END

lock dev --extra operator --extra trainer --extra server --extra build --extra test
lock kserve --extra test-kserve
