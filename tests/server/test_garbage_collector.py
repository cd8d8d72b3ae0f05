"""The garbage collector: what is loaded is nothing that it looks at, and predictions give it nothing to do."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ropewalk_server.app.process import COLLECT
from ropewalk_server.protocols.common import rest_errors
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.routes import Route, Routes
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.connection import Connection
from ropewalk_server.transport.http1.server import HttpServer
from tests.server.apps import Versions, http_app
from tests.server.conftest import Published, row
from tests.server.wire import Wire, post

REQUEST = post(json.dumps({"instances": [row()]}).encode(), path=b"/v1/models/cancer:predict")


@pytest.fixture
def collector() -> Iterator[None]:
    """As the server's process has it."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECT)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


async def test_predictions_cause_no_full_collection(tmp_path: Path, published: Published, collector: None) -> None:
    """Twenty thousand over HTTP, each alone: a full one walks over all that there is, and all clients wait."""
    versions = Versions(pod="pod-a", root=published[0], marks=CrashMarks(tmp_path))
    said = published[1][0]
    path = f"/ropewalk/claims/{said['uri'].removeprefix('pvc://')}"
    versions.follow(Routes(1, live=1, versions=(Route(1, path, said["manifestDigest"], said["digest"]),)))
    async with asyncio.timeout(60):
        while versions.live is None:
            versions.tick()
            await asyncio.sleep(0)
    assert gc.get_freeze_count() > 10_000, "TensorFlow's modules alone are more, in this process"
    predictor = Predictor("cancer", versions, Recorder(), Receipts(b"a key of more than 16 bytes"))
    service = http_app(predictor)
    server = HttpServer(service.handle, rest_errors.error, together=service.together)
    connection, wire = Connection(server), Wire()
    connection.connection_made(wire)
    answered, before = 0, gc.get_stats()[2]["collections"]
    for _ in range(20_000):
        connection.data_received(REQUEST)
        await asyncio.sleep(0)
        answered += wire.sent.startswith(b"HTTP/1.1 200") and wire.sent.count(b"HTTP/1.1") == 1
        wire.sent = b""
    assert answered == 20_000
    assert gc.get_stats()[2]["collections"] == before
    assert gc.collect() < 200, "a prediction leaves no cycle behind"
    predictor.stop()
    versions.stop()
