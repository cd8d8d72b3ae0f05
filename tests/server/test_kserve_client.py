"""KServe's Python SDK as the client. What is right is what the same rows get over TensorFlow Serving's protocol.

The SDK has an environment of its own, made at first use (locks/kserve.txt): its libraries are older than ours, and the
messages of its protocol cannot be declared twice in one process.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.serving import tools
from tests.server.conftest import Server
from tests.server.openinference import ROW, TYPES, by_tfserving
from tests.server.zoo import MIXED

LOCK = Path(__file__).parents[2] / "locks" / "kserve.txt"
ROWS = [ROW, {**ROW, "plan": "free", "ok": False, "n": -7}, {**ROW, "plan": "unheard of", "note": "b"}]
FORMS = ("json", "binary", "binary both ways", "grpc typed", "grpc raw")


@pytest.fixture(scope="module")
def said(zoo: Server) -> dict[str, Any]:
    """What the SDK's clients were told, by how they asked."""
    columns = {name: [kind, [row[name] for row in ROWS]] for name, kind in TYPES.items()}
    interpreter = tools.python("kserve-client", LOCK)
    done = subprocess.run(
        [interpreter, "-B", Path(__file__).with_name("kserve_client.py"), str(zoo.ports[0]), str(zoo.grpc_port)],
        input=json.dumps({"columns": columns, "instances": ROWS}),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gets_the_same_answer(said: dict[str, Any], zoo: Server, form: str) -> None:
    """Scalars of every type, an unknown category among them."""
    answer = said[form]
    expected = by_tfserving(zoo, MIXED, *ROWS)
    version = str(MIXED) if "grpc" in form else None  # over REST the SDK does not read it
    assert (answer["id"], answer["model"], answer["version"]) == ("r 1", "cancer", version)
    outputs = answer["outputs"]
    assert outputs["label"] == [one["label"] for one in expected]
    for name in ("score", "probabilities"):
        assert np.allclose(outputs[name], [one[name] for one in expected], atol=1e-6)


def test_v1(said: dict[str, Any], zoo: Server) -> None:
    """The body as it is: the SDK hands it over unread."""
    assert said["v1"] == {"predictions": by_tfserving(zoo, MIXED, *ROWS)}


def test_health_of_server_and_model(said: dict[str, Any]) -> None:
    """A model that is not there is not ready, and no exception."""
    for name in ("live", "ready", "model ready", "grpc live", "grpc ready", "grpc model ready"):
        assert said[name] is True, name
    assert said["other ready"] is False


def test_errors_reach_the_user_with_their_words(said: dict[str, Any]) -> None:
    """As exceptions of the SDK, which quote ours."""
    words = "input n is missing: send INT64 of shape [-1]"
    assert said["error"].startswith(f"{words}, '400 Bad Request'")
    assert said["grpc error"] == f"INVALID_ARGUMENT: {words}"
