"""/openapi.json: the server is held to what it says of itself, by requests generated from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.server.conftest import Server


def test_the_server_does_as_it_says(zoo: Server, tmp_path: Path) -> None:
    """Status, headers and body of every answer, to right requests and to wrong ones.

    Not asked: that all that fits the schemas is accepted. JSON Schema can neither tell 1 from 1.0 nor say that columns
    are equally long. The examples in the document must be accepted, and are.
    """
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"http://127.0.0.1:{zoo.ports[0]}/openapi.json",
        *("--max-examples", "50", "--phases", "examples,coverage,fuzzing"),
        *("--exclude-checks", "positive_data_acceptance"),
        *("--exclude-path-regex", "/versions/1"),  # it is the live one, which is asked without a version too
        *("--seed", "1", "--generation-database", "none", "--no-color", "--warnings", "off"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    assert "Examples" in done.stdout
    assert zoo.get("/v2/health/ready")[0] == 200


def test_paths_are_those_of_the_loaded_versions(zoo: Server, server: Server) -> None:
    """And without a version the document is there all the same."""
    document = zoo.get("/openapi.json")[1]
    assert document["openapi"] == "3.1.0"
    for version in (1, 2, 3, 4, 5):
        assert f"/v1/models/cancer/versions/{version}:predict" in document["paths"]
    content = document["paths"]["/v2/models/cancer/versions/3/infer"]["post"]["requestBody"]["content"]
    assert content["application/json"]["example"]["inputs"][0]["shape"] == [1, 10]
    assert zoo.post("/openapi.json", {})[0] == 405
    server.tell(None, [])
    server.start()
    assert "/v2/models/cancer/infer" in server.get("/openapi.json")[1]["paths"]
    assert server.stop() == 0
