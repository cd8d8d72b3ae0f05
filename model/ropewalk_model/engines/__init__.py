"""Engines: libraries that run a compiled core. An engine is one file here and one line in ENGINES.

Trainer and server load a version with the same code and the same options: the proof and the timings of publish hold
for the server. A library is imported by its engine's `load` alone: a server of LiteRT models never pays for OpenVINO's
memory, and the operator, which imports this package's neighbours, has none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ropewalk_model.engines import litert, onnxruntime, openvino
from ropewalk_model.engines.interface import Engine, EngineError, Files, NamedSession, Session

__all__ = ["ENGINES", "Engine", "EngineError", "Files", "Load", "NamedSession", "Session"]

Load = Callable[[Files, str, Mapping[str, str] | None], Engine]
"""(files of the version, the engine's file among them, the manifest's map of outputs) to a loaded network. Raises
EngineError."""


def _litert(files: Files, file: str, outputs: Mapping[str, str] | None = None) -> Engine:
    return litert.load(files.read(file), outputs)


def _openvino(files: Files, file: str, outputs: Mapping[str, str] | None = None) -> Engine:
    return openvino.load(files.read(file), files.read(file.removesuffix(".xml") + ".bin"), outputs)


def _onnxruntime(files: Files, file: str, outputs: Mapping[str, str] | None = None) -> Engine:
    return onnxruntime.load(files.read(file), outputs)


ENGINES: Mapping[str, Load] = {"LiteRT": _litert, "OpenVINO": _openvino, "ONNXRuntime": _onnxruntime}
"""By the name in the manifest."""
