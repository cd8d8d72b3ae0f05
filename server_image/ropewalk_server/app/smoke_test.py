"""`ropewalk-serve smoke-test`: a run's last part. The candidate must answer here, in the image that will serve it,
as training did, on every engine; only then does it get a number and its place in `models/`.
"""

from __future__ import annotations

import collections
import errno
import io
import json
import sys
import time
import traceback
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import numpy as np

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.publish import PublishTask
from ropewalk_contract.documents.results import FAILED, SKIPPED, SUCCEEDED, SmokeResult
from ropewalk_contract.values import Duration
from ropewalk_model import examples, manifest, store
from ropewalk_model.store import ArtifactStore, Damaged
from ropewalk_model.store.claim import ClaimStore
from ropewalk_server.log import log
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.serving.engines import ENGINES, TENSORFLOW
from ropewalk_server.serving.model import LoadError, Model, Parts, load_engine, offered, read_parts

TIMED = 100


class SmokeTestFailed(Exception):
    """The candidate does not do in the server what it did in training."""

    def __init__(self, reason: str, message: str, exit_code: int = wire.EXIT_UNKNOWN) -> None:
        super().__init__(message)
        self.reason, self.exit_code = reason, exit_code


class Tail(io.StringIO):
    """A stream that passes on what is written to it and keeps the last lines, for the termination message."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: collections.deque[str] = collections.deque(maxlen=5)

    def write(self, text: str) -> int:
        """Write."""
        self._lines.extend(line[:300] for line in text.splitlines() if line.strip())
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush."""
        self._stream.flush()

    @property
    def lines(self) -> list[str]:
        """The last lines, the newest at the end."""
        return list(self._lines)


def main() -> int:
    """Do what `work/publish.json` says; the exit code is 0 if a version stands in its place or none was to."""
    tail = Tail(sys.stderr)
    with redirect_stderr(tail):
        result, code = _outcome()
    log("info" if code == 0 else "error", "smoke test ended", result=result.document())
    said = result if code == 0 else replace(result, log=tuple(tail.lines))
    try:
        termination_message.write(termination_message.fitted(said.document(), [termination_message.no_log]))
    except OSError as error:
        log("error", "the termination message could not be written", error=str(error))
        return code or 1
    return code


def _outcome() -> tuple[SmokeResult, int]:
    try:
        return run(wire.root() / wire.WORK_FOLDER / wire.PUBLISH_FILE), 0
    except SmokeTestFailed as error:
        return SmokeResult(FAILED, error.reason, str(error)[:600]), error.exit_code
    except OSError as error:
        what = "the store is full; enlarge its claim" if error.errno == errno.ENOSPC else str(error)
        return SmokeResult(FAILED, reasons.STORE_UNAVAILABLE, what[:600]), wire.EXIT_AGAIN
    except Exception as error:  # A bug of ours or of an engine: the user still gets its name.
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"[:600]
        return SmokeResult(FAILED, reasons.CRASHED, message), wire.EXIT_UNKNOWN


def run(task: Path) -> SmokeResult:
    """The outcome of the task at `task`. Raises SmokeTestFailed."""
    try:
        publish = PublishTask.read(json.loads(task.read_text()))
    except (OSError, ValueError) as error:
        raise SmokeTestFailed(
            reasons.RESULT_UNREADABLE, f"the trainer left no task for the smoke test: {error}"
        ) from error
    if publish.candidate is None:
        return SmokeResult(SKIPPED, publish.skip, publish.message)
    candidate, directory = Path(publish.candidate.directory), Path(publish.candidate.models)
    models = ClaimStore(directory)
    parts = _read(candidate)
    number = _published(models, parts)
    if number is not None:
        parts = _read(directory / str(number))
    proved = prove(parts, publish.candidate.max_latency_p95 or None)
    if number is None:
        number = claim(candidate, models)
    return SmokeResult(
        SUCCEEDED,
        version=number,
        uri=f"{publish.candidate.uri}/{number}",
        digest=parts.manifest.model_digest,
        manifest_digest=parts.manifest.digest,
        engines=tuple(proved),
    )


def _read(candidate: Path) -> Parts:
    try:
        return read_parts(candidate, None)
    except LoadError as error:
        raise SmokeTestFailed(error.reason, str(error)) from error


def prove(parts: Parts, max_latency: str | None) -> list[str]:
    """Engines of this image that answer the examples as training did, best first. SmokeTestFailed if none does."""
    proved: list[str] = []
    failures: list[str] = []
    for offer in offered(parts, "Auto"):
        try:
            model = load_engine(parts, offer, DECODERS)
        except LoadError as error:
            failures.append(str(error))
            log("warning", "engine refused", engine=offer.name, reason=error.reason, detail=str(error))
            continue
        if not proved and max_latency is not None:
            check_latency(model, parts, max_latency)
        proved.append(offer.name)
    if proved:
        return proved
    has = [engine.name for engine in parts.manifest.engines]
    if TENSORFLOW in has and TENSORFLOW not in ENGINES:
        failures.append("TensorFlow itself takes the model, and is in the image server-tf only")
        raise SmokeTestFailed(reasons.NEEDS_TENSORFLOW, "; ".join(failures), exit_code=wire.EXIT_NEEDS_TENSORFLOW)
    raise SmokeTestFailed(
        reasons.SMOKE_TEST_FAILED, "; ".join(failures) or f"no engine here takes it; it is made for {has}"
    )


def check_latency(model: Model, parts: Parts, limit: str) -> None:
    """The 95th percentile of one row's time, decoding included, against spec.smokeTest.maxLatencyP95."""
    rows = examples.instances(parts.examples)
    times = []
    for index in range(TIMED):
        began = time.perf_counter()
        batch, _ = model.decoder.decode({"instances": [rows[index % len(rows)]]}, max_rows=1)
        model.predict(batch)
        times.append(time.perf_counter() - began)
    found = float(np.quantile(times, 0.95))
    if found > Duration.parse(limit).seconds:
        text = f"one row takes {found * 1000:.3g} ms at the 95th percentile, spec.smokeTest.maxLatencyP95 is {limit}"
        raise SmokeTestFailed(reasons.TOO_SLOW, text, exit_code=wire.EXIT_USER)


def _published(models: ArtifactStore, parts: Parts) -> int | None:
    """The version that an earlier attempt of this run published before it could say so."""
    mine = parts.manifest.document["madeFrom"]
    for name in models.list(""):
        if not name.isdecimal():
            continue
        try:
            theirs = json.loads(store.read(models, f"{name}/{manifest.MANIFEST}"))["madeFrom"]
        except (OSError, ValueError, KeyError, Damaged):
            continue
        if (theirs.get("pipelineUid"), theirs.get("runId")) == (mine.get("pipelineUid"), mine.get("runId")):
            return int(name)
    return None


def claim(candidate: Path, models: ArtifactStore) -> int:
    """Publish the candidate under the next free number, whole or not at all."""
    number = max((int(name) for name in models.list("") if name.isdecimal()), default=0) + 1
    while not models.publish(candidate, str(number), marker=manifest.MANIFEST):
        number += 1
    return number
