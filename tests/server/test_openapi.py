"""/openapi.json: the server is held to what it says of itself, by requests generated from it."""

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


def test_the_server_does_as_it_says(zoo: Server, tmp_path: Path) -> None:
    """Of every version; those that are asked without a number, or by another name, not twice."""
    held_to_its_word(zoo, tmp_path, "--max-examples", "50", "--exclude-path-regex", "/versions/1|/labels/canary")


def test_paths_are_those_of_the_loaded_versions(zoo: Server, server: Server) -> None:
    """And without a version the document is there all the same."""
    document = zoo.get("/openapi.json")[1]
    assert document["openapi"] == "3.1.0"
    for version in (1, 2, 3, 4, 5):
        assert f"/v1/models/cancer/versions/{version}:predict" in document["paths"]
    content = document["paths"]["/v2/models/cancer/versions/3/infer"]["post"]["requestBody"]["content"]
    assert content["application/json"]["example"]["inputs"][0]["shape"] == [1, 10]
    assert zoo.post("/openapi.json", {})[0] == 405
    labelled = {path for path in document["paths"] if "/labels/" in path}
    verbs = ("", "/metadata", ":predict")
    assert labelled == {f"/v1/models/cancer/labels/{label}{verb}" for label in ("stable", "canary") for verb in verbs}
    server.tell(None, [])
    server.start()
    assert "/v2/models/cancer/infer" in server.get("/openapi.json")[1]["paths"]
    assert server.stop() == 0
