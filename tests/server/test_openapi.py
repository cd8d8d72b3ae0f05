"""/openapi.json: the server is held to what it says of itself, by requests generated from it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from ropewalk_server.protocols.common.openapi import PATH, OpenApi
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.types import Request
from tests.server.apps import load
from tests.server.conftest import Server
from tests.server.openapi_check import held_to_its_word
from tests.server.zoo import MIXED, WORDS


def test_the_server_does_as_it_says(zoo: Server, tmp_path: Path) -> None:
    """Of every version; those that are asked without a number, or by another name, not twice."""
    held_to_its_word(zoo, tmp_path, "--max-examples", "50", "--exclude-path-regex", "/versions/1|/labels/canary")


def test_the_document_is_generated_when_the_versions_change(zoo: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And for no request beyond: it takes half a millisecond of the event loop."""
    models = {number: load(zoo.root / "claims" / "zoo" / str(number), None) for number in (MIXED, WORDS)}
    versions: Any = SimpleNamespace(live=MIXED, held={MIXED: SimpleNamespace(model=models[MIXED])})
    versions.model = models.get
    one = OpenApi(Predictor("cancer", versions, Recorder(), Receipts(None)))
    generated: list[list[str]] = []
    whole = one.document

    def document() -> dict[str, Any]:
        found = whole()
        generated.append([path for path in found["paths"] if path.endswith(":predict") and "labels" not in path])
        return found

    monkeypatch.setattr(one, "document", document)

    def asked(*, times: int = 3) -> dict[str, Any]:
        bodies = {one.handle(Request(method, PATH, b"")).body for method in (b"GET", b"HEAD") for _ in range(times)}
        assert len(bodies) == 1
        found: dict[str, Any] = orjson.loads(bodies.pop())
        return found

    first = asked()
    assert len(generated) == 1
    versions.held[WORDS] = SimpleNamespace(model=None)  # it is being loaded
    assert (asked(), len(generated)) == (first, 1)
    versions.held[WORDS].model = models[WORDS]
    asked()
    assert [len(paths) for paths in generated] == [2, 3]
    versions.live = WORDS
    assert asked()["paths"]["/v1/models/cancer:predict"] != first["paths"]["/v1/models/cancer:predict"]
    assert len(generated) == 3
    versions.live = MIXED
    models[MIXED] = versions.held[MIXED].model = SimpleNamespace(  # another model under the same number
        signature=models[WORDS].signature,
        features=models[WORDS].features,
        manifest_digest="sha256:other",
        named={},
    )
    asked()
    del versions.held[WORDS]
    asked()
    assert [len(paths) for paths in generated] == [2, 3, 3, 3, 2]


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
