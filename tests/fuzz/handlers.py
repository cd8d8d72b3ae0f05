"""The server's two handlers in this process, over small real models, imported ones too, with inputs of every kind.

No sockets: what is tried a thousand times a second here is what a request's bytes can do behind them. The connections
themselves have tests of their own (test_http1_header_cache.py, test_http2.py, test_limits.py).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

from ropewalk_server.app.grpc_app import GrpcApp
from ropewalk_server.serving.crashmarks import CrashMarks
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.routes import Route
from ropewalk_server.serving.versions import Held
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.http1.types import Request, path_of
from ropewalk_server.transport.http2.rpc import Code, Head
from ropewalk_server.transport.limits import Limits
from tests import foreign_models
from tests.server import zoo
from tests.server.apps import Versions, http_app, load
from tests.trainer.imports import imported

SEVERAL, STRINGS, EXAMPLES = 11, 12, 13
"""Imported versions: several tensors of many types and open sizes, strings, and all three methods."""
FOREIGN = {SEVERAL: foreign_models.several, STRINGS: foreign_models.words, EXAMPLES: foreign_models.examples}
HTTP_WORDS = {200, 400, 401, 404, 405, 413, 415, 429}
"""What a client's bytes may lead to; 500 is a decoder that raised something of its own."""
GRPC_WORDS = {
    Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.UNIMPLEMENTED,
    Code.RESOURCE_EXHAUSTED,
}  # fmt: skip


class Outcome(NamedTuple):
    """What came of a message."""

    allowed: bool
    said: str


class Handlers:
    """Both handlers; `close` when done."""

    def __init__(self, root: Path) -> None:
        versions = Versions(pod="fuzz", root=root, marks=CrashMarks(root / "state"))
        strangers = [{**imported(root, make, number), "version": number} for number, make in FOREIGN.items()]
        for told in [*zoo.write(root), *strangers]:
            number = told["version"]
            model = load(root / "claims" / told["uri"].removeprefix("pvc://"), told["manifestDigest"])
            route = Route(number, "", told["manifestDigest"], told["digest"])
            versions.held[number] = Held(route, "Auto", "Proved", model=model)
        versions.live = min(versions.held)
        self._predictor = Predictor("cancer", versions, Recorder(), Receipts(b"a key of more than 16 bytes"))
        self._predictor.limits = Limits(max_rows=200)
        self._rest = http_app(self._predictor).handle
        self._grpc = GrpcApp(self._predictor, None, lambda: False).handle
        self._loop = asyncio.new_event_loop()
        self.targets = {"rest": self.rest, "grpc": self.grpc}

    def close(self) -> None:
        """End its threads and its loop."""
        self._predictor.stop()
        self._predictor.versions.stop()
        self._loop.close()

    def rest(self, message: bytes) -> Outcome:
        """`METHOD target`, header lines, an empty line, the body."""
        head, _, body = message.partition(b"\n\n")
        first, *lines = head.split(b"\n")
        method, _, target = first.partition(b" ")
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}

        async def ask() -> Outcome:
            answer = self._rest(Request(method, path_of(target), body, headers))
            response = await answer if isinstance(answer, asyncio.Future) else answer
            return Outcome(response.status in HTTP_WORDS, f"{response.status} {response.body[:300]!r}")

        return self._loop.run_until_complete(ask())

    def grpc(self, message: bytes) -> Outcome:
        """The method's path, a line end, the message."""
        path, _, body = message.partition(b"\n")

        async def ask() -> Outcome:
            answer = self._grpc(Head(path), body)
            reply = await answer if isinstance(answer, asyncio.Future) else answer
            return Outcome(reply.code in GRPC_WORDS, f"{reply.code.name} {reply.words[:300]}")

        return self._loop.run_until_complete(ask())
