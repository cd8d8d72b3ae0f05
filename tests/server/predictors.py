"""A Predictor of one loaded version, in the test's own process."""

from __future__ import annotations

from typing import Any

from ropewalk_server.serving.model import Model
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.receipts import Receipts
from ropewalk_server.telemetry.recorder import Recorder
from ropewalk_server.transport.limits import Limits


class One:
    """Versions, of which there is one."""

    live = 1

    def __init__(self, model: Model) -> None:
        self._model = model
        self.held: dict[int, Any] = {}
        self.loads: dict[str, int] = {}

    def model(self, version: int) -> Model:
        return self._model


def predictor(model: Model, **limits: Any) -> Predictor:
    """Of this version alone."""
    found = Predictor("cancer", One(model), Recorder(), Receipts(None))  # type: ignore[arg-type]
    found.limits = Limits(**limits)
    return found
