"""TensorFlow Serving's REST API, version 1 (https://www.tensorflow.org/tfx/serving/api_rest), and `:feedback`.

One file a protocol: a request becomes a Batch, the answer leaves as JSON; which version answers, where it runs and
what is counted is the predictor's.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import orjson

from ropewalk_model.signature import METHOD
from ropewalk_server.feedback import RECEIPT, Issued
from ropewalk_server.http import JSON, Answer, Request, Response
from ropewalk_server.model import Model
from ropewalk_server.predictor import Core, Loaded, Predictor, Refused
from ropewalk_server.protocols import classifying, together
from ropewalk_server.protocols.answering import later, mistaken, not_allowed, wants_receipts
from ropewalk_server.protocols.batch import Batch
from ropewalk_server.protocols.images import Costly
from ropewalk_server.protocols.jsonbody import BadRequest, parse_object, refuse_depth, shown
from ropewalk_server.protocols.labels import Labels
from ropewalk_server.protocols.named_tensors import written
from ropewalk_server.protocols.tfserving_answers import write_metadata, write_predict, write_rows
from ropewalk_server.protocols.unpacking import Unpacking
from ropewalk_server.stages import REST_V1
from ropewalk_server.versions import Held, Versions

_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/([0-9]{1,18})|/labels/([^/:]{1,63}))?(?:(:[a-z]+)|(/metadata))?/?")
STABLE, CANARY = "stable", "canary"
"""Labels, as upstream's documents name them: what is live, and the newest other version that is loaded."""
_STATES = {"Loading": "LOADING", "Proved": "AVAILABLE", "Failed": "END", "Skipped": "END"}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY
PREFIX = b"/v1/"


class Target:
    """What a path asks for: the model's name, a version, a label or neither, and `:verb`, `metadata` or `status`."""

    __slots__ = ("label", "name", "verb", "version")

    def __init__(self, name: str, version: int | None, verb: str, label: str | None = None) -> None:
        self.name, self.version, self.verb, self.label = name, version, verb, label


class Elsewhere(Exception):
    """A request names another signature than the default one, which is for `model`."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model


class TensorFlowServing:
    """The handler of paths under /v1/."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._labels = Labels(predictor, error)
        self._predict_path = f"/v1/models/{predictor.name}:predict".encode()
        self._latest = Target(predictor.name, None, "predict")
        self._unpacking = Unpacking(predictor)

    def handle(self, request: Request) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.path == self._predict_path:
            return self._predict(request, self._latest)
        target = route(request.path)
        if target is None:
            return malformed(request)
        if target.name != self._predictor.name:
            return not_found(target)
        if target.label is not None:
            version = labelled(self._predictor.versions, target.label)
            if version is None:
                return error(400, f"Unrecognized servable version label: {target.label}")
            target = Target(target.name, version, target.verb)
        if target.verb == "predict":
            return self._predict(request, target)
        if target.verb in classifying.TITLES:
            return self._other_method(request, target)
        if target.verb == "feedback":
            return self._labels.handle(request)
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request, "GET, HEAD")
        if target.verb == "status":
            return write_status(self._predictor.versions.held, target)
        if target.verb == "metadata":
            found = self._predictor.find(target.version)
            if found is None:
                return self._absent(target)
            return write_metadata(self._predictor.name, found.version, found.model.signature)
        return malformed(request)

    def takes(self, request: Request) -> bool:
        """Whether this request may be answered by `together`."""
        return request.path == self._predict_path and request.method == b"POST" and not wants_receipts(request)

    def together(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Answers to requests for predictions of the live version; None for one that must be handled alone."""
        predictor = self._predictor
        found = predictor.find(None)
        most = 0 if found is None else predictor.most_together(found.model)
        if found is None or most < 2:
            return [None] * len(bodies)
        most_each = predictor.most_rows(found.model)
        answers: list[Response | None] = []
        while len(answers) < len(bodies):
            answers += self._group(found, bodies[len(answers) :], most_each, most)
        return answers

    def _group(self, found: Loaded, bodies: Sequence[bytes], most_each: int, most: int) -> list[Response | None]:
        began = time.perf_counter()
        batch, sizes = together.read(found.model.decoder, bodies, most_each, most)
        counts = [size for size in sizes if size]

        def write(core: Core) -> list[Response]:
            bodies = write_rows(found.model.signature, core, counts)
            if not self._predictor.receipts.issued:
                return [Response(200, body) for body in bodies]
            return [
                _answered(body, self._predictor.receipt(found, core[end - count : end]))
                for body, count, end in zip(bodies, counts, accumulate(counts), strict=True)
            ]

        answers = None if batch is None else self._predictor.predict_together(found, batch, counts, began, write)
        if answers is None:
            return [None] * len(sizes)
        if len(answers) == len(sizes):
            return [*answers]
        left = iter(answers)
        return [next(left) if size else None for size in sizes]

    def _other_method(self, request: Request, target: Target) -> Answer:
        """Classify and Regress, for signatures that have the method; upstream's error for all others."""
        if request.method != b"POST":
            return not_allowed(request, "POST")
        found = self._predictor.find(target.version)
        if found is None:
            return self._absent(target)
        if not classifying.takes(found.model, target.verb):
            title = classifying.TITLES[target.verb][0]
            return error(400, classifying.wrong_method(found.model.signature, target.verb, title))
        return self._examples(request, found, target.verb, time.perf_counter())

    def _examples(self, request: Request, found: Loaded, verb: str, began: float) -> Answer:
        predictor = self._predictor
        try:
            document = parse_object(request.body)
            refuse_depth(document)
            name = document.get("signature_name", "")
            if name not in ("", found.model.signature.name):
                other = elsewhere(found.model, name)
                if not isinstance(other, Elsewhere):
                    raise other
                found = found._replace(model=other.model)
            signature = found.model.signature
            if signature.method != f"{METHOD}{verb}":
                raise BadRequest(classifying.wrong_method(signature, verb, classifying.TITLES[verb][0]))
            serialized = classifying.examples(document)
            batch = classifying.batch(found.model, serialized, predictor.most_rows(found.model))
        except BadRequest as why:
            return error(*mistaken(predictor, found, began, why))

        def write(core: Any, issued: Issued) -> Response:
            return classifying.written(verb, core, batch.rows)

        try:
            return later(predictor.predict(found, batch, began, write), error)
        except Refused as why:
            return error(why.status, str(why))

    def _absent(self, target: Target) -> Response:
        if target.version is None:
            name = self._predictor.name
            return error(503, f"No version of {name} is loaded yet; GET /v1/models/{name} tells why")
        return not_found(target)

    def _predict(self, request: Request, target: Target) -> Answer:
        if request.method != b"POST":
            return not_allowed(request, "POST")
        predictor = self._predictor
        found = predictor.find(target.version, REST_V1)
        if found is None:
            return self._absent(target)
        return self._predicted(request, found, time.perf_counter())

    def _predicted(self, request: Request, found: Loaded, began: float) -> Answer:
        predictor = self._predictor
        try:
            batch, row_form = read_predict(found.model, request.body, predictor.most_rows(found.model))
        except BadRequest as why:
            return error(*mistaken(predictor, found, began, why))
        except Costly:
            return asyncio.ensure_future(self._unpacked(request, found, began))
        except Elsewhere as named:
            return self._predicted(request, found._replace(model=named.model), began)
        return self._ask(found, began, batch, row_form, wants_receipts(request))

    async def _unpacked(self, request: Request, found: Loaded, began: float) -> Response:
        predictor = self._predictor

        def read() -> tuple[Batch, bool]:
            return read_predict(found.model, request.body, predictor.most_rows(found.model))

        try:
            batch, row_form = await self._unpacking.read(found, began, len(request.body), read)
        except BadRequest as why:
            return error(*mistaken(predictor, found, began, why))
        except Refused as why:
            return error(why.status, str(why))
        answer = self._ask(found, began, batch, row_form, wants_receipts(request))
        return answer if isinstance(answer, Response) else await answer

    def _ask(self, found: Loaded, began: float, batch: Batch, row_form: bool, each: bool) -> Answer:
        signature = found.model.signature

        def write(core: Core, issued: Issued) -> Response:
            if isinstance(core, dict):
                return written(core, row_form)
            each = issued if isinstance(issued, list) else ()
            return _answered(write_predict(signature, core, row_form, each), issued)

        try:
            answer = self._predictor.predict(found, batch, began, write, each=each)
        except Refused as why:
            return error(why.status, str(why))
        return answer if type(answer) is Response else later(answer, error)


def _answered(body: bytes, issued: Issued) -> Response:
    """With the id in a header, if the request has one."""
    return Response(200, body, JSON, ((RECEIPT, issued),)) if isinstance(issued, bytes) else Response(200, body)


def labelled(versions: Versions, label: str) -> int | None:
    """The version of that label, if there is one."""
    if label == STABLE:
        return versions.live
    others = [number for number, held in versions.held.items() if held.model is not None]
    return max((one for one in others if one != versions.live), default=None) if label == CANARY else None


def route(path: bytes) -> Target | None:
    """The target of a path, None if the path is none of this protocol's."""
    try:
        found = _PATH.fullmatch(path.decode("ascii"))
    except UnicodeDecodeError:
        return None
    if found is None:
        return None
    version = int(found[2]) if found[2] else None
    return Target(found[1], version, (found[4] or "")[1:] or ("metadata" if found[5] else "status"), found[3])


def error(status: int, message: str) -> Response:
    """An error as upstream words it: `{"error": "..."}`."""
    return Response(status, orjson.dumps({"error": message}))


def malformed(request: Request) -> Response:
    """The path is none of this protocol's."""
    return error(404, f"Malformed request: {request.shown}")


def not_found(target: Target) -> Response:
    """The model or version is not served here."""
    wanted = f"Latest({target.name})" if target.version is None else f"Specific({target.name}, {target.version})"
    return error(404, f"Servable not found for request: {wanted}")


def read_predict(model: Model, body: bytes, max_rows: int) -> tuple[Batch, bool]:
    """The rows of a predict request, and whether it was in row form. Raises BadRequest."""
    plain = model.decoder.decode_numbers(body, max_rows)
    if plain is not None:
        return plain
    document = parse_object(body)
    name = document.get("signature_name", "")
    if name not in ("", model.signature.name):
        raise elsewhere(model, name)
    try:
        found = model.decoder.decode(document, max_rows)
    except BadRequest:
        refuse_depth(document)
        raise
    if len(document) > 1:  # what was decoded is as deep as its shape
        refuse_depth(document, "instances", "inputs")
    return found


def elsewhere(model: Model, name: Any) -> Exception:
    """What to raise for a request that names another signature of the version."""
    other = model.named.get(name) if type(name) is str else None
    if other is not None:
        return Elsewhere(other)
    return BadRequest(f"Serving signature name: {shown(name)} not found in signature def; use {known(model)}")


def known(model: Model) -> str:
    """The signatures that there are, for an error's words."""
    return " or ".join(f'"{name}"' for name in sorted(model.named))[:500]


def write_status(held: Mapping[int, Held], target: Target) -> Response:
    """`model_version_status` of all versions, newest first, or of one."""
    chosen = {v: one for v, one in held.items() if target.version in (None, v)}
    if not chosen:
        return not_found(target)
    listed = [
        {
            "version": str(version),
            "state": _STATES[one.state],
            "status": {
                "error_code": "OK" if one.state in ("Proved", "Loading") else "UNKNOWN",
                "error_message": f"{one.reason}: {one.message}" if one.reason else "",
            },
        }
        for version, one in sorted(chosen.items(), reverse=True)
    ]
    return Response(200, orjson.dumps({"model_version_status": listed}))
