"""GET /openapi.json: what this server answers, as an OpenAPI 3.1 document of the versions that are loaded now.

A test generates requests from it and holds the server to it, so that it cannot say what is not so.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version as version_of
from typing import Any, NamedTuple

import orjson

from ropewalk_model.signature import METHOD
from ropewalk_server.protocols.common import schemas
from ropewalk_server.protocols.common.rest_errors import not_allowed
from ropewalk_server.protocols.common.schemas import Schema, fields
from ropewalk_server.protocols.openinference.rest_messages import HEADER_LENGTH
from ropewalk_server.protocols.tfserving.rest_paths import CANARY, STABLE, labelled
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.receipts import BODY, RECEIPT, REQUEST
from ropewalk_server.transport.http1.types import Request, Response

PATH = b"/openapi.json"
VERBS = ("classify", "regress")
"""Of the signatures of imported models that have these methods."""
_TEXT: Schema = {"type": "string"}
_ERRORS = {
    "400": "The request is malformed; the message names the field, the value and what is right",
    "404": "No such model or version is loaded",
    "405": "The path does not support this method",
    "413": "More rows or bytes than the limits allow",
    "415": "Compressed bodies are refused",
    "429": "Too many slow requests at once; try again later",
    "500": "The model failed",
    "503": "No version is loaded yet, or too many large requests at once",
    "504": "The prediction took too long",
}


class Operation(NamedTuple):
    """One method of one path. `request` is the body's schema, None for a GET; `failed` is a 503's. What `predicts`
    tells receipts."""

    path: str
    summary: str
    answer: Schema
    request: Schema | None = None
    example: Schema | None = None
    binary: bool = False
    failed: Schema | None = None
    predicts: bool = False


class OpenApi:
    """The handler of /openapi.json."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._written: tuple[object, bytes] = (None, b"")
        """The document, and of which versions."""

    def handle(self, request: Request) -> Response:
        """The document, generated when the versions have changed: it takes half a millisecond."""
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed(request, "GET, HEAD")
        versions = self._predictor.versions
        held = ((version, one.model.manifest_digest) for version, one in versions.held.items() if one.model is not None)
        found = versions.live, tuple(sorted(held))
        if self._written[0] != found:
            self._written = found, orjson.dumps(self.document(), option=orjson.OPT_NON_STR_KEYS)
        return Response(200, self._written[1])

    def document(self) -> Schema:
        """The OpenAPI document."""
        name = self._predictor.name
        paths: dict[str, Any] = {}
        for one in self._operations():
            paths[one.path] = {"get" if one.request is None else "post": _operation(one)}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": f"Model {name}",
                "version": version_of("ropewalk"),
                "description": "TensorFlow Serving's REST protocol under /v1, the Open Inference Protocol under /v2.",
            },
            "paths": paths,
            "components": {
                "schemas": {"Error": schemas.ERROR},
                "responses": {
                    code: _content(why, {"$ref": "#/components/schemas/Error"}) for code, why in _ERRORS.items()
                },
            },
        }

    def _operations(self) -> Iterator[Operation]:
        predictor = self._predictor
        yield Operation("/openapi.json", "This document", {"type": "object"})
        yield from _server()
        live = predictor.find(None)
        yield from _model(predictor.name, "", None if live is None else live.model)
        for label in (STABLE, CANARY):
            number = labelled(predictor.versions, label)
            found = None if number is None else predictor.find(number)
            if found is not None:
                yield from _tfserving(f"/v1/models/{predictor.name}/labels/{label}", found.model)
        yield Operation(
            f"/v1/models/{predictor.name}:feedback",
            "Count labels for the version that gave the prediction; one that is sent again may reach another pod and "
            "count twice",
            schemas.feedback_answer(),
            schemas.feedback_request(),
        )
        for version, one in sorted(predictor.versions.held.items()):
            if one.model is not None:
                yield from _model(predictor.name, f"/versions/{version}", one.model)


def _server() -> Iterator[Operation]:
    extensions = schemas.array(_TEXT)
    server = fields({"name": _TEXT, "version": _TEXT, "extensions": extensions})
    ready = fields({"ready": {"type": "boolean"}})
    yield Operation("/v2", "The server and the extensions it supports", server)
    yield Operation("/v2/health/live", "Whether the server runs", fields({"live": {"const": True}}))
    yield Operation("/v2/health/ready", "Whether a version is loaded and answers", ready, failed=ready)


def _model(name: str, version: str, model: Model | None) -> Iterator[Operation]:
    """The paths of a model or of one version; without a model its bodies are any object."""
    yield from _tfserving(f"/v1/models/{name}{version}", model)
    yield from _openinference(f"/v2/models/{name}{version}", name, model)


def _tfserving(v1: str, model: Model | None) -> Iterator[Operation]:
    anything: Schema = {"type": "object"}
    signature, features = (None, {}) if model is None else (model.signature, model.features)
    yield Operation(v1, "What is loaded, and why not", schemas.status_answer())
    yield Operation(f"{v1}/metadata", "Inputs and outputs", anything)
    yield Operation(
        f"{v1}:predict",
        "Predict rows (`instances`) or columns (`inputs`)",
        anything if signature is None else schemas.predict_answer(signature),
        anything if signature is None else schemas.predict_request(signature, features),
        None if signature is None else schemas.predict_example(signature, features),
        predicts=True,
    )
    named = () if model is None else model.named.values()
    for verb in VERBS:
        names = [one.signature.name for one in named if one.signature.method == METHOD + verb]
        if names:
            default = signature is not None and signature.method == METHOD + verb
            request = schemas.examples_request(names, default=default)
            yield Operation(f"{v1}:{verb}", f"{verb.title()} tf.Examples", schemas.examples_answer(verb), request)


def _openinference(v2: str, name: str, model: Model | None) -> Iterator[Operation]:
    anything: Schema = {"type": "object"}
    signature, features = (None, {}) if model is None else (model.signature, model.features)
    yield Operation(v2, "Inputs and outputs", schemas.metadata_answer())
    yield Operation(f"{v2}/ready", "Whether it is loaded", fields({"name": {"const": name}, "ready": {"const": True}}))
    yield Operation(
        f"{v2}/infer",
        "Predict named tensors, as JSON or as JSON with bytes after it",
        schemas.infer_answer(),
        anything if signature is None else schemas.infer_request(signature),
        None if signature is None else schemas.infer_example(signature, features),
        binary=True,
        predicts=True,
    )


def _content(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _operation(one: Operation) -> dict[str, Any]:
    answer = _content("The answer", one.answer)
    responses: dict[str, Any] = {"200": answer}
    responses |= {code: {"$ref": f"#/components/responses/{code}"} for code in _ERRORS}
    if one.failed is not None:
        responses["503"] = _content(_ERRORS["503"], one.failed)
    found: dict[str, Any] = {"summary": one.summary, "responses": responses}
    if one.request is None:
        return found
    body: dict[str, Any] = {"schema": one.request}
    if one.example is not None:
        body["example"] = one.example
    found["requestBody"] = {"required": True, "content": {"application/json": body}}
    if one.predicts:
        answer["headers"] = {RECEIPT.decode(): {"description": "What :feedback wants", "schema": _TEXT}}
        why = f"{BODY.decode()}: a receipt for each row in the body, in place of an id for all in a header"
        found["parameters"] = [{"name": REQUEST.decode(), "in": "header", "schema": _TEXT, "description": why}]
    if one.binary:
        header = HEADER_LENGTH.decode()
        length = {"type": "integer", "minimum": 0}
        why = "Bytes of the JSON at the body's begin, where tensors in binary follow it"
        found["parameters"].append({"name": header, "in": "header", "schema": length, "description": why})
        found["requestBody"]["content"]["application/octet-stream"] = {}
        answer["content"]["application/octet-stream"] = {}
        answer["headers"][header] = {"description": why, "schema": length}
    return found
