"""A batch of rows to an answer, in every protocol: finds the version, computes on the loop or in a thread, counts.

A protocol decodes a request into a `Batch` once, hands it over with a function that writes the answer, and turns a
`Refused` into its own form of error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np

from ropewalk_server.log import log, place
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.batch_policy import OFF, BatchPolicy
from ropewalk_server.serving.batch_queue import BatchQueue
from ropewalk_server.serving.engines import Uncomputable
from ropewalk_server.serving.model import Model
from ropewalk_server.serving.offload import Offload
from ropewalk_server.serving.processors import processors
from ropewalk_server.serving.types import (
    REST_V1,
    Answered,
    Core,
    DeferredResponse,
    Issued,
    Loaded,
    Observer,
    ReceiptIssuer,
    Refused,
    Times,
)
from ropewalk_server.serving.versions import Versions
from ropewalk_server.transport.limits import REASONS, Limits

T = TypeVar("T")
_NOTHING = np.zeros((1 << 20, 0), dtype=np.float32)
INLINE_MICROS = 300.0
"""A request that costs less is computed on the event loop: a thread, and the way to it, cost 20 us on top."""

TOGETHER_BYTES = 4 << 20
"""Of rows that are predicted together on the event loop."""


class Predictor:
    """One model's versions behind all protocols. Lives on the event loop; `limits` are replaced with the routes."""

    def __init__(self, name: str, versions: Versions, observer: Observer, receipts: ReceiptIssuer) -> None:
        self.name = name
        self.versions = versions
        self.observer = observer
        self.receipts = receipts
        self.limits = Limits()
        self.in_flight = 0
        """Requests that wait or are computed off the event loop: never more than max_concurrency, so that is the length
        of the queue as well."""
        self._waiting_bytes = 0
        self.rejected = dict.fromkeys(REASONS, 0)
        self.offload = Offload()
        self._batch_queue = BatchQueue(processors())
        self._inline_micros = INLINE_MICROS

    def batch_as(self, batching: BatchPolicy) -> None:
        """Compute what comes from now on together as this says; who is to wait for others must queue."""
        self._batch_queue.batching = batching
        self._inline_micros = -1.0 if batching.delay_seconds else INLINE_MICROS

    def find(self, version: int | None, protocol: str = REST_V1) -> Loaded | None:
        """The version that is asked for, the live one where none is named; None if it is not loaded. What comes of it
        is counted under `protocol`, one of PROTOCOLS."""
        wanted = self.versions.live if version is None else version
        model = None if wanted is None else self.versions.model(wanted)
        return None if model is None or wanted is None else Loaded(wanted, model, protocol)

    def most_rows(self, model: Model) -> int:
        """Rows of one request for this model, by the limits: by their number, and by the memory that they take."""
        limits = self.limits
        return min(limits.max_rows, model.decoder.rows_in(limits.max_buffered_bytes))

    def predict(
        self, loaded: Loaded, batch: Batch, began: float, write: Callable[[Core, Issued], T], *, each: bool = False
    ) -> T | asyncio.Future[T]:
        """The result of `write(core, issued)` for the prediction: at once, or as a future where the model is slow.

        `began` is time.perf_counter() at the request's arrival; `each`: a receipt is wanted for each row. Raises
        Refused, at once or in the future.
        """
        model = loaded.model
        decoded = time.perf_counter()
        if model.curve.micros(batch.rows) <= self._inline_micros:
            try:
                core = model.predict(batch)
                times = Times(began, decoded, decoded, time.perf_counter())
                return self._answer(loaded, batch, core, times, batch.rows, write, each)
            except Exception as error:
                raise self.broken(loaded, began, error) from error
        size = batch.nbytes
        if self.in_flight >= self.limits.max_concurrency or (
            self._waiting_bytes and self._waiting_bytes + size > self.limits.max_buffered_bytes
        ):
            raise self.overloaded(loaded, began)
        self.in_flight += 1
        self._waiting_bytes += size
        return self._slow(loaded, batch, began, decoded, size, write, each)

    def _slow(
        self,
        loaded: Loaded,
        batch: Batch,
        began: float,
        decoded: float,
        size: int,
        write: Callable[[Core, Issued], T],
        each: bool,
    ) -> asyncio.Future[T]:
        """By callbacks: a task, and another one for the deadline, cost as much as many a prediction."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        until = began + self.limits.deadline_seconds
        job = self._batch_queue.submit(loaded.model, batch, until)
        deadline = loop.call_later(max(0.0, until - decoded), job.fail, TimeoutError())

        def computed(future: asyncio.Future[Core]) -> None:
            deadline.cancel()
            if future.cancelled():
                return
            error = future.exception()
            if answer.done():  # the client has gone
                return
            if isinstance(error, TimeoutError):
                self.reject("deadline")
                message = f"The prediction took longer than {self.limits.deadline_seconds:g} s"
                answer.set_exception(self.failed(loaded, began, Refused(504, message)))
                return
            try:
                times = Times(began, decoded, job.taken, time.perf_counter())
                answer.set_result(self._answer(loaded, batch, future.result(), times, job.computed, write, each))
            except Exception as wrong:
                answer.set_exception(self.broken(loaded, began, wrong))

        def ended(answer: asyncio.Future[T]) -> None:
            self.in_flight -= 1
            self._waiting_bytes -= size
            if answer.cancelled():
                job.future.cancel()

        job.future.add_done_callback(computed)
        answer.add_done_callback(ended)
        return answer

    def _answer(
        self,
        loaded: Loaded,
        batch: Batch,
        core: Core,
        times: Times,
        computed: int,
        write: Callable[[Core, Issued], T],
        each: bool,
    ) -> T:
        answer = write(core, self.receipt(loaded, core, each) if self.receipts.issued else None)
        if isinstance(core, dict):  # named tensors: rows are counted, and nothing of what they hold
            batch, core = Batch(batch.rows, (), matrix=_NOTHING[: batch.rows]), _NOTHING[: batch.rows]
            if isinstance(answer, DeferredResponse):

                def count() -> None:
                    self.observer.answered(Answered(loaded, times, time.perf_counter(), batch, core, computed))

                answer.count = count
                return answer
        self.observer.answered(Answered(loaded, times, time.perf_counter(), batch, core, computed))
        return answer

    def most_together(self, model: Model) -> int:
        """Rows of requests that are predicted together on the event loop; 0 where not even one is cheap enough, or none
        may be together."""
        curve, batching = model.curve, self._batch_queue.batching
        cheap = int((self._inline_micros - curve.fixed) / max(curve.row, 0.01))
        if batching.type == OFF or model.signature.kind.named_outputs:
            return 0
        return max(0, min(batching.most_rows, cheap, model.decoder.rows_in(TOGETHER_BYTES)))

    def predict_together(
        self, loaded: Loaded, batch: Batch, counts: Sequence[int], began: float, write: Callable[[Core], T]
    ) -> T | None:
        """The result of `write(core)` for the rows of several requests, of which each has so many.

        None if the engine fails: each request alone will tell whose fault it is.
        """
        decoded = time.perf_counter()
        try:
            core = loaded.model.predict(batch)
        except Exception:
            return None
        computed = time.perf_counter()
        answer = write(core)
        times = Times(began, decoded, decoded, computed)
        self.observer.answered(Answered(loaded, times, time.perf_counter(), batch, core, batch.rows, counts))
        return answer

    def receipt(self, loaded: Loaded, core: Core, each: bool = False) -> Issued:
        """The id of a request with this answer, or of each row, if there are any: labels are counted for classes."""
        version, model, _ = loaded
        if not model.classes or not self.receipts.issued:
            return None
        return self.receipts.issue(version, digest_bytes(model.manifest_digest), core, len(model.classes), each=each)

    def overloaded(self, loaded: Loaded, began: float) -> Refused:
        """Count a request that comes while too many wait; returns the refusal, to be raised."""
        self.reject("concurrency")
        message = f"{self.in_flight} requests are waiting or being computed already; try again later"
        return self.failed(loaded, began, Refused(429, message))

    def broken(self, loaded: Loaded, began: float, error: Exception) -> Refused:
        """Count a request that failed by its version's fault; returns the refusal, to be raised."""
        if isinstance(error, Uncomputable):
            return self.failed(loaded, began, Refused(400, str(error)))
        log("error", "prediction failed", version=loaded.version, error=place(error))
        return self.failed(loaded, began, Refused(500, "The model failed to compute this prediction"))

    def crashed(self, error: Exception, seconds: float, protocol: str) -> None:
        """Count a request that ended in a bug, after so long, as the live version's: which it asked for is lost."""
        log("error", "request failed", error=place(error))
        loaded = self.find(None, protocol)
        if loaded is not None:
            self.observer.failed(loaded, 500, seconds)

    def failed(self, loaded: Loaded, began: float, why: Refused) -> Refused:
        """Count a request that gets no prediction; returns `why`, to be raised."""
        if why.status == 413:  # bytes were counted before there was a request
            self.reject("rows")
        self.observer.failed(loaded, why.status, time.perf_counter() - began)
        return why

    @property
    def waiting(self) -> int:
        """Requests in the queue before a slow engine."""
        return self._batch_queue.waiting

    def reject(self, reason: str) -> None:
        """Count a request that a limit has turned away."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def stop(self) -> None:
        """End the threads once nothing is computed any more."""
        self.offload.stop()
        self._batch_queue.stop()


@lru_cache(maxsize=32)
def digest_bytes(manifest_digest: str) -> bytes:
    """The 32 bytes of a manifest's digest, which receipts are bound to."""
    return bytes.fromhex(manifest_digest.removeprefix("sha256:"))
