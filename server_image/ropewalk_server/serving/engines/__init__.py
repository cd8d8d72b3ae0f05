"""Engines: what runs a compiled network. An engine is one file here and one line in ENGINES.

An engine gives sessions; a session belongs to one thread and one version (four threads on one LiteRT interpreter:
most calls raise and some answers are silently wrong, measured).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons

Session = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Encoded rows to the core's output; the result is the caller's to keep."""


class Engine(Protocol):
    """A loaded network; `session` is called once by each thread that runs it."""

    def session(self) -> Session:
        """A session for the calling thread."""


class EngineError(Exception):
    """The engine cannot load this network, or may not; a CamelCase reason and a message for people."""

    def __init__(self, message: str, reason: str = reasons.NO_ENGINE) -> None:
        super().__init__(message)
        self.reason = reason


class Uncomputable(RuntimeError):
    """The engine cannot compute these very inputs; its words are for who sent them."""


class Files(Protocol):
    """A version's files, each checked as it is read: what is checked is what is used."""

    @property
    def paths(self) -> Sequence[str]:
        """All there are, relative to the version."""

    def read(self, path: str) -> bytes:
        """The bytes of one. Raises `ropewalk_model.manifest.TamperedModel`."""


def _litert(files: Files, file: str) -> Engine:
    from ropewalk_server.serving.engines.litert import LiteRT

    return LiteRT(files.read(file))


def _openvino(files: Files, file: str) -> Engine:
    from ropewalk_server.serving.engines.openvino import OpenVINO

    return OpenVINO(files.read(file), files.read(file.removesuffix(".xml") + ".bin"))


def _onnxruntime(files: Files, file: str) -> Engine:
    from ropewalk_server.serving.engines.onnxruntime import ONNXRuntime

    return ONNXRuntime(files.read(file))


def _tensorflow(files: Files, file: str) -> Engine:
    from ropewalk_server.serving.engines.tensorflow import TensorFlow

    return TensorFlow(files)


TENSORFLOW = "TensorFlow"
ENGINES: dict[str, Callable[[Files, str], Engine]] = {
    "LiteRT": _litert,
    "OpenVINO": _openvino,
    "ONNXRuntime": _onnxruntime,
}
"""By the name in the manifest. Imported when used: a server of LiteRT models never pays for OpenVINO's memory."""
if find_spec("tensorflow") is not None:  # the image `server-tf`
    ENGINES[TENSORFLOW] = _tensorflow
