"""A loaded version: verified, proved on this processor, warm. A version that cannot be proved is never served."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model import examples, manifest
from ropewalk_model.baseline import Baseline
from ropewalk_model.features import Encoder
from ropewalk_model.ids import IdEncoder
from ropewalk_model.signature import Signature
from ropewalk_server.serving.batch import Batch
from ropewalk_server.serving.decoders import Decoders, RequestDecoder, Undecodable
from ropewalk_server.serving.engines import ENGINES, Engine, EngineError, Session
from ropewalk_server.serving.fast_encoding import MatrixEncoder

WORTH_BATCHING = 100.0
"""Microseconds that a call costs beside its rows from which on it pays to compute requests together."""
MEASURED_ROWS = 256
MEASURED_VALUES = 100_000
"""Rows of a measurement, and the numbers in them: a large image is measured with two rows."""
MEASURED_TIMES = 3
WORTH_CHANGING = 1.25
"""How many times as fast another engine must be, by the publisher's measurement, to be loaded in place of this one."""


class LoadError(Exception):
    """Why a version cannot be served: a CamelCase reason and a message for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Parts:
    """What all engines of a version share."""

    manifest: manifest.Manifest
    signature: Signature
    encoder: Encoder
    baseline_document: dict[str, Any]
    baseline: Baseline
    examples: dict[str, Any]
    ids: IdEncoder = field(default_factory=lambda: IdEncoder(()))
    """Of the core's input `ids`; empty for a core without it."""


@dataclass(frozen=True)
class Curve:
    """The cost of a prediction in microseconds: `fixed` for the call and `row` for each row."""

    fixed: float
    row: float

    def micros(self, rows: float) -> float:
        """Of a prediction of so many rows."""
        return self.fixed + self.row * rows

    @staticmethod
    def through(one: float, rows: int, many: float) -> Curve:
        """The line through the cost of 1 row and that of `rows` > 1."""
        row = max(0.0, many - one) / (rows - 1)
        return Curve(max(0.0, one - row), row)

    @staticmethod
    def published(latency: dict[str, int]) -> Curve:
        """As the manifest has it from the trainer's processor."""
        one = float(latency.get("1", 50))
        return Curve.through(one, 256, float(latency.get("256", one * 256)))


class Model:
    """One version on one engine. `predict` may be called from any thread; each thread gets its own session."""

    decoder: RequestDecoder

    def __init__(
        self, parts: Parts, engine_name: str, engine: Engine, latency_micros: dict[str, int], decoders: Decoders
    ) -> None:
        self.signature = parts.signature
        self.baseline = parts.baseline
        self.baseline_document = parts.baseline_document
        self.digest = parts.manifest.model_digest
        self.manifest_digest = parts.manifest.digest
        self.engine_name = engine_name
        self.decoder = decoders.rows(parts.signature, math.prod(parts.encoder.shape))
        self.classes = parts.signature.classes
        self.features = {one.name: one for one in parts.encoder.specs}
        self.curve = Curve.published(latency_micros)
        self.offers: Sequence[manifest.Engine] = ()
        """The engines that Auto may choose from for this version, this one among them."""
        self.named: Mapping[str, Model] = {parts.signature.name: self}
        """The model of each of the version's signatures; this one is the default signature's."""
        self._encoder = parts.encoder
        self._matrix_encoder = MatrixEncoder.of(parts.encoder, self.decoder.names)
        self._engine = engine
        self._threads = threading.local()

    def predict(self, batch: Batch) -> NDArray[np.float32]:
        """The core's output for the rows: [rows, classes] probabilities or [rows, 1] values."""
        return self.session()(self.encode(batch))

    def predict_all(self, batches: Sequence[Batch]) -> NDArray[np.float32]:
        """The core's output for the rows of several requests, in order, by one call of the engine."""
        return self.session()(np.concatenate([self.encode(batch) for batch in batches]))

    def encode(self, batch: Batch) -> NDArray[np.float32]:
        """The encoded rows; from the matrix in one step where the model has numbers only."""
        if batch.matrix is not None and self._matrix_encoder is not None:
            return self._matrix_encoder.encode(batch.matrix)
        return self._encoder.encode(batch.columns)

    def session(self) -> Session:
        """The calling thread's session."""
        session: Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = self._engine.session()
        return session

    def faster_engine(self, rows: float) -> str | None:
        """Another engine that is much faster for requests of so many rows, if there is one."""
        costs = {offer.name: Curve.published(dict(offer.latency_micros)).micros(rows) for offer in self.offers}
        best = min(costs, key=costs.__getitem__, default=self.engine_name)
        return best if costs.get(self.engine_name, 0.0) > WORTH_CHANGING * costs.get(best, 1.0) else None

    def under(self, signature: Signature) -> Model:
        """This model under another name of its signature."""
        other = copy.copy(self)
        other.signature = signature
        return other

    @property
    def batches(self) -> bool:
        """Whether requests are worth being computed together: a call costs much beside its rows."""
        return self.curve.fixed > WORTH_BATCHING


def read_parts(directory: Path, manifest_digest: str | None) -> Parts:
    """Verify every file and parse what the server needs. Raises LoadError."""
    if not directory.is_dir():
        raise LoadError(reasons.MODEL_NOT_FOUND, "The version's directory does not exist in the store")
    if (directory / "saved_model.pb").is_file() and not (directory / manifest.MANIFEST).exists():
        raise LoadError(
            reasons.NOT_IMPORTED, "This is a SavedModel without Ropewalk's manifest, which has to be imported"
        )
    try:
        verified = manifest.verify(directory, manifest_digest)
        baseline_document = verified.read_json(manifest.BASELINE)
        features = verified.read_json(manifest.FEATURES)
        encoder = Encoder.from_document(features)
        return Parts(
            manifest=verified,
            signature=Signature.from_document(verified.read_json(manifest.SIGNATURE)),
            encoder=encoder,
            baseline_document=baseline_document,
            baseline=Baseline.from_document(baseline_document, encoder.known_words),
            examples=verified.read_json(manifest.EXAMPLES),
            ids=IdEncoder.from_document(features),
        )
    except manifest.TamperedModel as error:
        raise LoadError(reasons.TAMPERED_MODEL, str(error)) from error
    except OSError as error:
        raise LoadError(reasons.STORE_UNREADABLE, f"The store cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise LoadError(reasons.UNSUPPORTED_FORMAT, f"The version's documents cannot be read: {error!r}") from error


def offered(parts: Parts, wanted: str, rows: float = 1.0) -> list[manifest.Engine]:
    """Engines to try, best first: the wanted one, or for Auto all of this image, fastest first at so many rows."""
    known = [engine for engine in parts.manifest.engines if engine.name in ENGINES]
    if wanted == "Auto":
        return sorted(known, key=lambda engine: Curve.published(dict(engine.latency_micros)).micros(rows))
    return [engine for engine in known if engine.name == wanted]


def load_engine(parts: Parts, offer: manifest.Engine, decoders: Decoders) -> Model:
    """Load one engine, replay the examples through the whole path and warm up. Raises LoadError."""
    if parts.signature.kind.named_outputs:
        from ropewalk_server.serving.tensors_model import load_tensors

        return load_tensors(parts, offer, decoders)
    try:
        engine = ENGINES[offer.name](parts.manifest, offer.file, offer.outputs)
        model = _model(parts, offer, engine, decoders)
        rows = examples.instances(parts.examples)
        core = replay(model, rows)
    except EngineError as error:
        raise LoadError(error.reason, str(error)) from error
    except manifest.TamperedModel as error:
        raise LoadError(reasons.TAMPERED_MODEL, str(error)) from error
    except OSError as error:
        raise LoadError(reasons.STORE_UNREADABLE, f"The store cannot be read: {error.strerror}") from error
    except (RuntimeError, ValueError, KeyError, Undecodable) as error:
        sensitive = any(bins.sensitive for bins in parts.baseline.bins.values())
        why = type(error).__name__ if sensitive else repr(error)  # its words may hold a value of a training row
        raise LoadError(reasons.EXAMPLES_FAILED, f"{offer.name}: the examples cannot be predicted: {why}") from error
    shape = (len(rows), parts.signature.width)
    if core.shape != shape:
        raise LoadError(reasons.EXAMPLES_DISAGREE, f"{offer.name}: answers have shape {core.shape}, expected {shape}")
    difference = examples.disagreement(parts.examples, parts.signature.answer(core))
    if difference is not None:
        raise LoadError(reasons.EXAMPLES_DISAGREE, f"{offer.name}: {difference}")
    model.curve = measure(model, rows)
    model.named = {one.name: model if one is parts.signature else model.under(one) for one in parts.signature.all}
    return model


def _model(parts: Parts, offer: manifest.Engine, engine: Engine, decoders: Decoders) -> Model:
    if not parts.ids:
        return Model(parts, offer.name, engine, dict(offer.latency_micros), decoders)
    from ropewalk_server.serving.ids_model import IdsModel

    return IdsModel(parts, offer.name, engine, dict(offer.latency_micros), decoders)


def measure(model: Model, rows: Sequence[Any]) -> Curve:
    """The curve on this processor, which is not the trainer's: the best of a few calls, encoding included."""
    batch, _ = model.decoder.decode({"instances": list(rows)}, max_rows=None)
    size = model.encode(batch)[0].size
    many = max(2, min(MEASURED_ROWS, MEASURED_VALUES // size))
    return Curve.through(micros(model, batch.resized(1)), many, micros(model, batch.resized(many)))


def micros(model: Model, batch: Batch) -> float:
    """Microseconds of a prediction, the best of a few."""
    times = []
    for _ in range(MEASURED_TIMES):
        began = time.perf_counter()
        model.predict(batch)
        times.append(time.perf_counter() - began)
    return min(times) * 1e6


def replay(model: Model, rows: Sequence[Any]) -> NDArray[np.float32]:
    """Predict JSON rows as a client would send them: all at once, and the first ones singly (the two must agree)."""
    batch, _ = model.decoder.decode({"instances": list(rows)}, max_rows=None)
    core = model.predict(batch)
    plain = model._encoder.encode(batch.columns)
    if not np.array_equal(model.encode(batch), plain):
        model._matrix_encoder = None  # the shortcut must be the encoding to the last bit, or it is not taken
    for index in range(min(3, len(rows))):
        single, _ = model.decoder.decode({"instances": [rows[index]]}, max_rows=1)
        alone = model.predict(single)
        if not np.allclose(alone[0], core[index], rtol=1e-4, atol=1e-4):
            raise ValueError(f"example {index} alone is predicted differently than among others")
    return core


def load(directory: Path, manifest_digest: str | None, wanted: str = "Auto", *, decoders: Decoders) -> Model:
    """The version on the first offered engine that proves itself. Raises LoadError with what was tried."""
    return load_from(read_parts(directory, manifest_digest), wanted, decoders=decoders)


def load_from(parts: Parts, wanted: str, rows: float = 1.0, *, decoders: Decoders) -> Model:
    """As `load`, for parts that were read already and requests of so many rows."""
    offers = offered(parts, wanted, rows)
    if not offers:
        has = ", ".join(engine.name for engine in parts.manifest.engines) or "none"
        raise LoadError(reasons.NO_ENGINE, f"Engine {wanted} is not available: the version is compiled for {has}")
    failures = []
    for index, offer in enumerate(offers):
        try:
            model = load_engine(parts, offer, decoders)
        except LoadError as error:
            failures.append(error)
        else:
            model.offers = offers[index:]
            return model
    raise LoadError(failures[0].reason, "; ".join(str(error) for error in failures))
