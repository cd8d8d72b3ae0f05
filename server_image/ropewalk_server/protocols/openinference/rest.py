"""The Open Inference Protocol, version 2, over HTTP
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md), with Triton's
extension for binary tensors. Requests and answers are read and written in `rest_messages`.
"""

from __future__ import annotations

import re
import time
from importlib.metadata import version as version_of
from typing import Any, NamedTuple

import orjson

from ropewalk_model.signature import TensorSpec
from ropewalk_server.protocols.common.column_conversion import DATATYPE_OF
from ropewalk_server.protocols.common.deferred_response import answered
from ropewalk_server.protocols.common.jsonbody import BadRequest
from ropewalk_server.protocols.common.must_offload import MustOffload
from ropewalk_server.protocols.common.offloaded_decode import mistaken, offloaded
from ropewalk_server.protocols.common.rest_errors import error, not_allowed, wants_receipts
from ropewalk_server.protocols.openinference.rest_messages import HEADER_LENGTH, Asked, read_infer, write_infer
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.serving.types import REST_V2, Core, Issued, Loaded
from ropewalk_server.transport.http1.types import Answer, Request, Response, matched

PREFIX = b"/v2"
KEPT_HEADERS = (HEADER_LENGTH,)
"""The request headers that this protocol reads, for HttpServer."""
EXTENSIONS = ("binary_tensor_data",)
_PATH = re.compile(
    r"/v2(?:/health/(?P<health>live|ready)"
    r"|/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]{1,18}))?(?:/(?P<verb>ready|infer))?)?/?"
)


class Target(NamedTuple):
    """The resource of a path: `server`, `live`, `ready` (name None), or a model's `metadata`, `ready`, `infer`."""

    verb: str
    name: str | None = None
    version: int | None = None


class OpenInference:
    """The handler of /v2 and the paths under it."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._infer_path = f"/v2/models/{predictor.name}/infer".encode()
        self._latest = Target("infer", predictor.name)

    def handle(self, request: Request) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.path == self._infer_path:
            return self._infer(request, self._latest)
        target = route(request.path)
        if target is None:
            return error(404, f"There is nothing at {request.shown}")
        if target.verb == "infer":
            return self._infer(request, target)
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request, "GET, HEAD")
        if target.name is None:
            return self._server(target)
        found = self._predictor.find(target.version) if target.name == self._predictor.name else None
        if found is None:
            return self._absent(target)
        if target.verb == "ready":
            return _json({"name": target.name, "ready": True})
        return _json(self._metadata(found))

    def _server(self, target: Target) -> Response:
        if target.verb == "server":
            return _json({"name": "ropewalk", "version": version_of("ropewalk"), "extensions": EXTENSIONS})
        if target.verb == "live":
            return _json({"live": True})
        ready = self._predictor.find(None) is not None
        return _json({"ready": ready}, 200 if ready else 503)

    def _metadata(self, found: Loaded) -> dict[str, Any]:
        signature = found.model.signature
        held = self._predictor.versions.held.items()
        return {
            "name": self._predictor.name,
            "versions": [str(version) for version, one in sorted(held) if one.model is not None],
            "platform": f"ropewalk_{found.model.engine_name.lower()}",
            "inputs": [describe(spec) for spec in signature.inputs],
            "outputs": [describe(spec) for spec in signature.outputs],
        }

    def _absent(self, target: Target) -> Response:
        name = self._predictor.name
        if target.name != name:
            return error(404, f"Model {target.name!r} is not served here")
        if target.version is not None:
            return error(404, f"Version {target.version} of model {name!r} is not loaded; GET /v2/models/{name}")
        return error(503, f"No version of {name} is loaded yet; GET /v1/models/{name} tells why")

    def _infer(self, request: Request, target: Target) -> Answer:
        predictor = self._predictor
        if target.name != predictor.name:
            return self._absent(target)
        if request.method != b"POST":
            return not_allowed(request, "POST")
        found = predictor.find(target.version, REST_V2)
        if found is None:
            return self._absent(target)
        began = time.perf_counter()
        length = request.headers.get(HEADER_LENGTH)
        try:
            asked = read_infer(found.model, request.body, length, predictor.most_rows(found.model))
        except BadRequest as why:
            return error(*mistaken(predictor, found, began, why))
        except MustOffload:
            return self._offloaded(request, found, began)
        return self._ask(found, began, asked, wants_receipts(request))

    def _offloaded(self, request: Request, found: Loaded, began: float) -> Answer:
        body, each = request.body, wants_receipts(request)
        length, most_rows = request.headers.get(HEADER_LENGTH), self._predictor.most_rows(found.model)
        return offloaded(
            self._predictor,
            found,
            began,
            len(body),
            lambda: read_infer(found.model, body, length, most_rows),
            lambda asked: self._ask(found, began, asked, each),
            error,
        )

    def _ask(self, found: Loaded, began: float, asked: Asked, each: bool) -> Answer:
        predictor = self._predictor

        def write(core: Core, issued: Issued) -> Response:
            return write_infer(predictor.name, found.version, found.model.signature, asked, core, issued)

        return answered(predictor, found, asked.batch, began, write, error, each=each)


def route(path: bytes) -> Target | None:
    """The target of a path, None if the path is none of this protocol's."""
    found = matched(_PATH, path)
    if found is None:
        return None
    if found["name"] is None:
        return Target(found["health"] or "server")
    return Target(found["verb"] or "metadata", found["name"], int(found["version"]) if found["version"] else None)


def describe(spec: TensorSpec) -> dict[str, Any]:
    """A tensor's metadata; -1 is the number of rows."""
    return {"name": spec.name, "datatype": DATATYPE_OF[spec.dtype], "shape": list(spec.shape)}


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(status, orjson.dumps(document))
