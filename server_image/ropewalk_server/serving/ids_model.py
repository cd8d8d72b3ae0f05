"""A version whose core takes `ids` beside `x`: categories of many values, for which it has learnt embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.engines.interface import IDS, Engine, EngineError, NamedSession, X
from ropewalk_server.serving.batch import Batch, concatenate
from ropewalk_server.serving.decoders import Decoders
from ropewalk_server.serving.model import Model, Parts


class IdsModel(Model):
    """One version on one engine. Columns are encoded twice, into float32 `[N, w]` and into int32 `[N, k]`."""

    def __init__(
        self, parts: Parts, engine_name: str, engine: Engine, latency_micros: dict[str, int], decoders: Decoders
    ) -> None:
        """Raises EngineError for an engine whose core takes no ids, or has several outputs."""
        super().__init__(parts, engine_name, engine, latency_micros, decoders)
        if IDS not in engine.inputs or len(engine.outputs) != 1:
            raise EngineError(f"{engine_name}: the network takes {engine.inputs} and gives {engine.outputs}")
        self._ids = parts.ids
        self._output = engine.outputs[0]

    def predict(self, batch: Batch) -> NDArray[np.float32]:
        """The core's output for the rows."""
        return self._predicted(batch.columns)

    def predict_all(self, batches: Sequence[Batch]) -> NDArray[np.float32]:
        """The core's output for the rows of several requests, in order, by one call of the engine."""
        return self._predicted(concatenate(batches))

    def _predicted(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        arrays = {X: self._encoder.encode(columns), IDS: self._ids.encode(columns)}
        result: NDArray[np.float32] = self.session()(arrays)[self._output]
        return result

    def session(self) -> Any:
        """The calling thread's session, a NamedSession: the core has two inputs."""
        session: NamedSession | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._threads.session = self._engine.named_session()
        return session
