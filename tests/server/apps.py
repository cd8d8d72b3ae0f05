"""Models, versions and applications put together as the process does it."""

from __future__ import annotations

from functools import partial
from typing import Any

from ropewalk_server.app.http_app import HttpApp
from ropewalk_server.protocols.common.decoders import DECODERS
from ropewalk_server.serving import model, versions
from ropewalk_server.serving.predictor import Predictor
from ropewalk_server.telemetry.feedback import Feedback

load = partial(model.load, decoders=DECODERS)
load_engine = partial(model.load_engine, decoders=DECODERS)
Versions = partial(versions.Versions, decoders=DECODERS)


def feedback(predictor: Predictor) -> Feedback:
    """Labels for the predictor's versions."""
    recorder: Any = predictor.observer
    receipts: Any = predictor.receipts
    return Feedback(predictor.versions, recorder, receipts)


def http_app(predictor: Predictor, authenticator: Any = None) -> HttpApp:
    """The HTTP application of this predictor."""
    return HttpApp(predictor, feedback(predictor), authenticator)
