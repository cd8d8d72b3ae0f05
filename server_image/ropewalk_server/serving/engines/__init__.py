"""The engines that this server has: those of `ropewalk_model.engines`, and TensorFlow in the image `server-tf`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from ropewalk_model import engines
from ropewalk_model.engines import Engine, EngineError, Files, Load, Session

__all__ = ["ENGINES", "TENSORFLOW", "Engine", "EngineError", "Files", "Session", "Uncomputable"]


class Uncomputable(RuntimeError):
    """The engine cannot compute these very inputs; the message is for the client that sent them."""


def _tensorflow(files: Files, file: str, outputs: Mapping[str, str] | None = None) -> Engine:
    from ropewalk_server.serving.engines.tensorflow import TensorFlow

    return TensorFlow(files)


TENSORFLOW = "TensorFlow"
ENGINES: dict[str, Load] = dict(engines.ENGINES)
"""By the name in the manifest."""
if find_spec("tensorflow") is not None:
    ENGINES[TENSORFLOW] = _tensorflow
