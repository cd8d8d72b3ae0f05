"""The network alone in the forms that serving engines take: compiled here, proved equal, timed.

A core takes `x`, and `ids` where it has any, and gives named outputs (`ropewalk_model.engines.interface`); the encoding
stays with `ropewalk_model`.
"""

from __future__ import annotations

import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.engines import ENGINES, Engine, NamedSession, Session
from ropewalk_model.engines.interface import IDS, Arrays, X, plain
from ropewalk_model.store import staging
from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import savedmodel

BATCHES = (1, 7, 256)
SINGLY = 500
TOLERANCE = 1e-5
TIMED_ROWS = (1, 256)
TIMES = 50
ENOUGH_SECONDS = 0.2
"""From then on a measurement ends after its fifth call: a batch of large images takes seconds otherwise."""


class Network(Protocol):
    """What is compiled."""

    @property
    def core(self) -> Any:
        """A tf.function of `x`, float32 `[N, ...]`, and `ids`, int32 `[N, k]`, where there are any.

        It gives one tensor, or several by name. Its weights are constants or variables.
        """


def write_litert(trained: Network, path: Path) -> None:
    """`litert.tflite`; the weights are constants, so that nothing has to be initialised before the first call."""
    tf = lazy_imports.tensorflow()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([_frozen(trained)], tf.Module())
    staging.write(path, converter.convert())


def _frozen(trained: Network) -> Any:
    """The core with its variables as constants: OpenVINO and ONNX have none of LiteRT's operations for variables."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = trained.core.get_concrete_function()
    return convert_variables_to_constants_v2(function) if function.variables else function


@contextmanager
def _litert_form(trained: Network, directory: Path) -> Iterator[Path]:
    """The file that `write_litert` left in this directory, or one made for now."""
    beside = directory / "litert.tflite"
    if beside.exists():
        yield beside
        return
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "litert.tflite"
        write_litert(trained, made)
        yield made


def write_openvino(trained: Network, path: Path) -> None:
    """`openvino.xml` and `openvino.bin`, weights kept in float32. Read from LiteRT's form: a tenth of the time."""
    ov = lazy_imports.openvino()
    with _litert_form(trained, path.parent) as source:
        ov.save_model(ov.Core().read_model(str(source)), str(path), compress_to_fp16=False)


def write_onnxruntime(trained: Network, path: Path) -> None:
    """`onnxruntime.onnx`, weights inside. Read from LiteRT's form: of a function tf2onnx leaves constants as inputs."""
    convert = lazy_imports.tf2onnx()
    with _litert_form(trained, path.parent) as source, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
        convert.from_tflite(str(source), output_path=str(path))


class Folder:
    """The files of a directory, as they are: publish reads its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def paths(self) -> Sequence[str]:
        """All files, relative to the directory."""
        found = (path for path in self._directory.rglob("*") if path.is_file())
        return [path.relative_to(self._directory).as_posix() for path in found]

    def read(self, path: str) -> bytes:
        """The bytes of one."""
        return (self._directory / path).read_bytes()


class SavedCore:
    """The signature `core` of a SavedModel, by TensorFlow itself."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.inputs: tuple[str, ...] = tuple(
            name for name in (X, IDS) if name in function.structured_input_signature[1]
        )
        self.outputs: tuple[str, ...] = tuple(sorted(function.structured_outputs))

    def session(self) -> Session:
        """`x` to the only output."""
        plain(TENSORFLOW, self.inputs, self.outputs)
        run = self.named_session()
        return lambda x: run({X: x})[self.outputs[0]]

    def named_session(self) -> NamedSession:
        """Inputs by name to outputs by name."""
        tf, function = lazy_imports.tensorflow(), self._function

        def run(arrays: Arrays) -> dict[str, NDArray[Any]]:
            answer = function(**{name: tf.constant(one) for name, one in arrays.items()})
            return {name: one.numpy() for name, one in answer.items()}

        return run


def _load_tensorflow(path: Path, outputs: Mapping[str, str] | None = None) -> Engine:
    """The signature `core` of the SavedModel whose `saved_model.pb` this is; its outputs have the core's names."""
    tf = lazy_imports.tensorflow()
    return SavedCore(tf.saved_model.load(str(path.parent)).signatures[savedmodel.CORE])


def _load(name: str, ready: Callable[[], Any], path: Path, outputs: Mapping[str, str] | None = None) -> Engine:
    ready()  # its library, which another thread may be importing
    return ENGINES[name](Folder(path.parent), path.name, outputs)


TENSORFLOW = "TensorFlow"
WRITERS: Mapping[str, tuple[str, Callable[[Network, Path], None]]] = {
    "LiteRT": ("litert.tflite", write_litert),
    "OpenVINO": ("openvino.xml", write_openvino),
    "ONNXRuntime": ("onnxruntime.onnx", write_onnxruntime),
}
LOADERS: Mapping[str, Callable[..., Engine]] = {
    "LiteRT": partial(_load, "LiteRT", lazy_imports.litert),
    "OpenVINO": partial(_load, "OpenVINO", lazy_imports.openvino),
    "ONNXRuntime": partial(_load, "ONNXRuntime", lazy_imports.onnxruntime),
    TENSORFLOW: _load_tensorflow,
}
"""The engines as servers load them: of a path and, if it is known, the manifest's map of outputs; without it the
outputs have the names of the file."""


@dataclass(frozen=True)
class Proof:
    """The greatest error of all outputs, and the core's outputs by the names that the file has for them."""

    error: float
    outputs: Mapping[str, str]


def session_of(engine: Engine) -> NamedSession:
    """A session as servers use it: the call with one array where the core has one input and one output."""
    if engine.inputs != (X,) or len(engine.outputs) != 1:
        return engine.named_session()
    run, name = engine.session(), engine.outputs[0]
    return lambda arrays: {name: run(arrays[X])}


def prove(run: NamedSession, rows: Arrays, expected: Arrays) -> Proof:
    """Find each expected output among those that `run` gives, by its values.

    The error is the greatest one over all rows, relative above 1; infinity for a wrong shape, a NaN, or two outputs
    that cannot be told apart. In batches of each size; singly only the last SINGLY rows, among which the edges are.
    """
    errors: dict[tuple[str, str], float] = {}
    count = len(rows[X])
    for batch in BATCHES:
        for start in range(max(0, count - SINGLY) if batch == 1 else 0, count, batch):
            part = slice(start, start + batch)
            got = run({name: one[part] for name, one in rows.items()})
            for name, want in expected.items():
                for theirs, value in got.items():
                    found = _error(value, want[part])
                    errors[name, theirs] = max(errors.get((name, theirs), 0.0), found)
    return _matched(tuple(expected), errors)


def _error(got: NDArray[Any], want: NDArray[Any]) -> float:
    if got.shape != want.shape or not np.isfinite(got).all():
        return float("inf")
    return float(np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want)), initial=0.0))


def _matched(names: Sequence[str], errors: Mapping[tuple[str, str], float]) -> Proof:
    outputs: dict[str, str] = {}
    worst = 0.0
    for name in names:
        near = sorted((error, theirs) for (mine, theirs), error in errors.items() if mine == name)
        if len(near) > 1 and near[1][0] <= TOLERANCE:
            return Proof(float("inf"), {})
        worst = max(worst, near[0][0])
        outputs[name] = near[0][1]
    return Proof(worst, outputs)


def latency(run: NamedSession, rows: Arrays) -> dict[str, int]:
    """Median microseconds of one call by number of rows: of TIMES calls, or as many as ENOUGH_SECONDS allow."""
    found = {}
    for count in TIMED_ROWS:
        batch = resized(rows, count)
        run(batch)
        times: list[float] = []
        while len(times) < TIMES and (len(times) < 5 or sum(times) < ENOUGH_SECONDS):
            began = time.perf_counter()
            run(batch)
            times.append(time.perf_counter() - began)
        found[str(count)] = max(1, round(float(np.median(times)) * 1e6))
    return found


def resized(rows: Arrays, count: int) -> dict[str, NDArray[Any]]:
    """So many rows: these over and over, or the first of them."""
    return {name: np.resize(one, (count, *one.shape[1:])) for name, one in rows.items()}


def loaded_bytes(name: str, path: Path, rows: Arrays) -> int:
    """Memory that one more instance takes after a batch of 256 rows, measured; at least what its file weighs."""
    before = _resident()
    run = session_of(LOADERS[name](path))
    run(resized(rows, max(TIMED_ROWS)))
    after = _resident()
    files = sum(one.stat().st_size for one in path.parent.glob(f"{path.stem}.*"))
    return max(after - before, files)


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
