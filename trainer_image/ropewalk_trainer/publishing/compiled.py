"""The network alone in the forms that serving engines take: compiled here, proved equal, timed.

All engines take one float32 input and give one float32 output; the encoding stays with `ropewalk_model`.
"""

from __future__ import annotations

import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ropewalk_trainer import lazy_imports
from ropewalk_trainer.publishing import savedmodel

Floats = NDArray[np.float32]
Run = Callable[[Floats], Floats]
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
        """A tf.function of float32 `[N, ...]`, its weights constants: one tensor in, one out."""


def write_litert(trained: Network, path: Path) -> None:
    """`litert.tflite`; the weights are constants, so that nothing has to be initialised before the first call."""
    tf = lazy_imports.tensorflow()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([trained.core.get_concrete_function()], tf.Module())
    path.write_bytes(converter.convert())


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


def load_litert(path: Path) -> Run:
    """One interpreter, used by one thread, resized to each batch."""
    interpreter = lazy_imports.litert().Interpreter(model_path=str(path), num_threads=1)
    entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rows = [-1]

    def run(x: Floats) -> Floats:
        if rows[0] != len(x):
            interpreter.resize_tensor_input(entry["index"], x.shape)
            interpreter.allocate_tensors()
            rows[0] = len(x)
        interpreter.set_tensor(entry["index"], np.ascontiguousarray(x))
        interpreter.invoke()
        answer: Floats = interpreter.get_tensor(exit_["index"])
        return answer

    return run


def load_openvino(path: Path) -> Run:
    """float32 forced: by itself OpenVINO takes bfloat16 where the processor has it, and errs by 1e-3."""
    ov = lazy_imports.openvino()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = ov.Core().compile_model(str(path), "CPU", settings).create_infer_request()

    def run(x: Floats) -> Floats:
        request.infer({0: np.ascontiguousarray(x)}, share_inputs=True)
        answer: Floats = request.get_output_tensor(0).data.copy()
        return answer

    return run


def load_onnxruntime(path: Path) -> Run:
    """One thread, calls of at most CALL_BYTES and no arena: as in the server, whose choice rests on these timings."""
    ort = lazy_imports.onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = SILENT
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    entry, exits = session.get_inputs()[0].name, [session.get_outputs()[0].name]

    def run(x: Floats) -> Floats:
        most = max(1, CALL_BYTES // (4 * x[0].size))
        parts = [session.run(exits, {entry: x[at : at + most]})[0] for at in range(0, len(x), most)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return run


def load_tensorflow(path: Path) -> Run:
    """The signature `core` of the SavedModel whose `saved_model.pb` this is."""
    tf = lazy_imports.tensorflow()
    core = tf.saved_model.load(str(path.parent)).signatures[savedmodel.CORE]

    def run(x: Floats) -> Floats:
        answer: Floats = core(x=tf.constant(x))["y"].numpy()
        return answer

    return run


CALL_BYTES = 1 << 18
"""Of input in one of onnxruntime's calls, as in the server's engine."""
SILENT = 4
"""onnxruntime's level of fatal errors alone; others are raised, and need not be printed, too."""
TENSORFLOW = "TensorFlow"
WRITERS: Mapping[str, tuple[str, Callable[[Network, Path], None]]] = {
    "LiteRT": ("litert.tflite", write_litert),
    "OpenVINO": ("openvino.xml", write_openvino),
    "ONNXRuntime": ("onnxruntime.onnx", write_onnxruntime),
}
LOADERS: Mapping[str, Callable[[Path], Run]] = {
    "LiteRT": load_litert,
    "OpenVINO": load_openvino,
    "ONNXRuntime": load_onnxruntime,
    TENSORFLOW: load_tensorflow,
}


def prove(run: Run, rows: Floats, expected: Floats) -> float:
    """The greatest error over all rows, relative above 1; infinity for a wrong shape or a NaN.

    In batches of each size; singly only the last SINGLY rows, among which the edges are.
    """
    worst = 0.0
    for batch in BATCHES:
        for start in range(max(0, len(rows) - SINGLY) if batch == 1 else 0, len(rows), batch):
            got, want = run(rows[start : start + batch]), expected[start : start + batch]
            if got.shape != want.shape or not np.isfinite(got).all():
                return float("inf")
            worst = max(worst, float(np.max(np.abs(got - want) / np.maximum(1.0, np.abs(want)), initial=0.0)))
    return worst


def latency(run: Run, rows: Floats) -> dict[str, int]:
    """Median microseconds of one call by number of rows: of TIMES calls, or as many as ENOUGH_SECONDS allow."""
    found = {}
    for count in TIMED_ROWS:
        batch = np.resize(rows, (count, *rows.shape[1:]))
        run(batch)
        times: list[float] = []
        while len(times) < TIMES and (len(times) < 5 or sum(times) < ENOUGH_SECONDS):
            began = time.perf_counter()
            run(batch)
            times.append(time.perf_counter() - began)
        found[str(count)] = max(1, round(float(np.median(times)) * 1e6))
    return found


def loaded_bytes(name: str, path: Path, rows: Floats) -> int:
    """Memory that one more instance takes after a batch of 256 rows, measured; at least what its file weighs."""
    before = _resident()
    run = LOADERS[name](path)
    run(np.resize(rows, (max(TIMED_ROWS), *rows.shape[1:])))
    after = _resident()
    files = sum(one.stat().st_size for one in path.parent.glob(f"{path.stem}.*"))
    return max(after - before, files)


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
