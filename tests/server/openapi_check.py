"""A server's answers compared with its own OpenAPI document, by requests that schemathesis generates from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.server.conftest import Server


def held_to_its_word(server: Server, tmp_path: Path, *more: str) -> None:
    """Ask what the document says; `more` are options of schemathesis.

    Status, headers and body of every answer, to right requests and to wrong ones.

    Not asked: that all that fits the schemas is accepted. JSON Schema can neither tell 1 from 1.0 nor say that columns
    are equally long. The examples in the document must be accepted, and are.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"http://127.0.0.1:{server.ports[0]}/openapi.json",
        *("--phases", "examples,coverage,fuzzing"),
        *("--exclude-checks", "positive_data_acceptance"),
        *("--seed", "1", "--generation-database", "none", "--no-color", "--warnings", "off"),
        *more,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    assert "Examples" in done.stdout
    assert server.get("/v2/health/ready")[0] == 200
