"""Predictions over HTTP: from a request to a model to an answer, counted on the way (port 8501)."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ropewalk_server.feedback import InvalidReceipt, Receipts
from ropewalk_server.http import Answer, Request, Response
from ropewalk_server.limits import Limits
from ropewalk_server.log import log
from ropewalk_server.model import Model
from ropewalk_server.monitor import Monitor
from ropewalk_server.protocols import tfserving
from ropewalk_server.protocols.batch import Batch
from ropewalk_server.protocols.jsonbody import BadRequest
from ropewalk_server.versions import Versions

INLINE_MICROS = 2000.0
"""A request that costs less is computed on the event loop: handing it to a thread and back costs about 100 us."""
RECEIPT = b"ropewalk-prediction-id"


class Service:
    """The handler of one model's port; what it needs is passed in, so that a test can put it together too."""

    def __init__(self, name: str, versions: Versions, monitor: Monitor, receipts: Receipts) -> None:
        self.name = name
        self.versions = versions
        self.monitor = monitor
        self.receipts = receipts
        self.limits = Limits()
        self.in_flight = 0
        self.rejected: dict[str, int] = {}
        self._predict_path = f"/v1/models/{name}:predict".encode()
        self._latest = tfserving.Target(name, None, "predict")
        self._pool = ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0))), thread_name_prefix="predict")

    def handle(self, request: Request) -> Answer:
        """Answer at once, or with a future where the model is slow."""
        if request.path == self._predict_path:
            return self._predict(request, self._latest)
        target = tfserving.route(request.path)
        if target is None:
            return tfserving.error(404, f"Malformed request: {_method(request)} {_path(request)}")
        if target.name != self.name:
            return tfserving.not_found(target)
        if target.verb == "predict":
            return self._predict(request, target)
        if target.verb == "feedback":
            return self._feedback(request)
        if request.method not in (b"GET", b"HEAD"):
            return tfserving.error(405, f"{_method(request)} is not supported for {_path(request)}; use GET")
        if target.verb == "status":
            return tfserving.write_status(self.versions.held, target)
        if target.verb == "metadata":
            return self._metadata(target)
        return tfserving.error(404, f"Malformed request: {_method(request)} {_path(request)}")

    def _model(self, target: tfserving.Target) -> tuple[int, Model] | None:
        version = self.versions.live if target.version is None else target.version
        model = None if version is None else self.versions.model(version)
        return None if model is None or version is None else (version, model)

    def _metadata(self, target: tfserving.Target) -> Response:
        found = self._model(target)
        if found is None:
            return self._absent(target)
        return tfserving.write_metadata(self.name, found[0], found[1].signature)

    def _absent(self, target: tfserving.Target) -> Response:
        if target.version is None:
            return tfserving.error(
                503, f"No version of {self.name} is loaded yet; GET /v1/models/{self.name} tells why"
            )
        return tfserving.not_found(target)

    def _predict(self, request: Request, target: tfserving.Target) -> Answer:
        if request.method != b"POST":
            return tfserving.error(405, f"{_method(request)} is not supported for predict; use POST")
        found = self._model(target)
        if found is None:
            return self._absent(target)
        version, model = found
        began = time.perf_counter()
        try:
            batch, row_form = tfserving.read_predict(model, request.body, self.limits.max_rows)
        except BadRequest as error:
            self.monitor.failed(version, model, error.status, time.perf_counter() - began)
            return tfserving.error(error.status, str(error))
        if batch.rows * model.micros_a_row <= INLINE_MICROS:
            return self._answer(version, model, batch, row_form, model.predict(batch), began)
        if self.in_flight >= self.limits.max_concurrency:
            self.rejected["concurrency"] = self.rejected.get("concurrency", 0) + 1
            self.monitor.failed(version, model, 429, time.perf_counter() - began)
            return tfserving.error(429, f"{self.in_flight} requests are being computed already; try again later")
        return asyncio.get_running_loop().create_task(self._slow(version, model, batch, row_form, began))

    async def _slow(self, version: int, model: Model, batch: Batch, row_form: bool, began: float) -> Response:
        self.in_flight += 1
        loop = asyncio.get_running_loop()
        computing = loop.run_in_executor(self._pool, model.predict, batch)
        try:
            core = await asyncio.wait_for(computing, self.limits.deadline_seconds)
        except TimeoutError:
            self.rejected["deadline"] = self.rejected.get("deadline", 0) + 1
            self.monitor.failed(version, model, 504, time.perf_counter() - began)
            return tfserving.error(504, f"The prediction took longer than {self.limits.deadline_seconds:g} s")
        except Exception as error:
            log("error", "prediction failed", version=version, error=repr(error))
            self.monitor.failed(version, model, 500, time.perf_counter() - began)
            return tfserving.error(500, "The model failed to compute this prediction")
        finally:
            self.in_flight -= 1
        return self._answer(version, model, batch, row_form, core, began)

    def _answer(
        self, version: int, model: Model, batch: Batch, row_form: bool, core: NDArray[np.float32], began: float
    ) -> Response:
        body = tfserving.write_predict(model.signature, core, row_form)
        receipt = self.receipts.issue(version, digest_bytes(model), core, len(model.classes))
        self.monitor.answered(version, model, time.perf_counter() - began, batch, core)
        return Response(200, body, headers=((RECEIPT, receipt),) if receipt is not None else ())

    def _feedback(self, request: Request) -> Response:
        if request.method != b"POST":
            return tfserving.error(405, f"{_method(request)} is not supported for feedback; use POST")
        held = self.versions.held.items()
        digests = {version: digest_bytes(one.model) for version, one in held if one.model is not None}
        try:
            ident, label = tfserving.read_feedback(request.body)
            receipt = self.receipts.read(ident, digests)
        except (BadRequest, InvalidReceipt) as error:
            self.monitor.feedback_rejected += 1
            return tfserving.error(400, str(error))
        model = self.versions.model(receipt.version)
        if model is None or receipt.predicted is None:
            return tfserving.error(400, "Labels are counted for classifications; this model predicts a value")
        if label not in model.classes:
            self.monitor.feedback_rejected += 1
            known = ", ".join(model.classes[:20])
            return tfserving.error(400, f"label {label[:60]!r} is none of the classes {known}")
        if self.receipts.first_label(ident):
            self.monitor.labelled(receipt.version, model, predicted=receipt.predicted, truth=model.classes.index(label))
        return Response(200, b"{}")

    def stop(self) -> None:
        """End the threads once nothing is computed any more."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def digest_bytes(model: Model) -> bytes:
    """The 32 bytes of the manifest's digest, which receipts are bound to."""
    return bytes.fromhex(model.manifest_digest.removeprefix("sha256:"))


def _method(request: Request) -> str:
    return request.method.decode("latin-1")[:20]


def _path(request: Request) -> str:
    return request.path.decode("latin-1")[:200]
