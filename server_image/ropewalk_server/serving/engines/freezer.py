"""Turns a SavedModel's network into a graph of constants, in a process of its own that may take little and end badly.

Its process (`ropewalk_model.sandbox`) writes a line of JSON and the frozen GraphDef to stdout, or the line alone with
`reason` and `message`. A network that makes TensorFlow crash, spin or swell ends this
process and nothing else; the server reads what comes out of it as it reads everything: with suspicion.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model import examples, manifest, sandbox
from ropewalk_model.engines.interface import IDS, EngineError, Files, X, input_names
from ropewalk_model.features import Encoder
from ropewalk_model.ids import IdEncoder
from ropewalk_model.operations import forbidden
from ropewalk_model.sandbox import Limits, Write
from ropewalk_model.signature import Signature
from ropewalk_server.serving import memory
from ropewalk_server.serving.processors import THREADS

CORE = "core"
"""The SavedModel's signature of the network alone: its inputs `x`, and `ids` where there are any, to named outputs."""
CRASHED = reasons.CRASHED_WHILE_LOADING
DOCUMENTS = (manifest.EXAMPLES, manifest.SIGNATURE, manifest.FEATURES)
CPU_SECONDS = 300
WALL_SECONDS = 600
MAX_FILES = 256
SPARE_BYTES = 1 << 30
"""Address space beyond TensorFlow's own; so much again for each byte of the version, times COPIES. Never more than
the container has left."""
COPIES = 8
GRAPH_BYTES = 16 * 1024 * 1024
"""What the graph may have beyond the version's own bytes, which it holds once."""
MAX_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Frozen:
    """A serialized GraphDef, and the names of its tensors by those of the core's inputs and outputs."""

    graph: bytes
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def freeze(files: Files) -> Frozen:
    """The network of the version, whose files are checked as they are read. Raises EngineError.

    The process works on a copy: nobody can change what was checked before TensorFlow reads it.
    """
    with tempfile.TemporaryDirectory(prefix="savedmodel-") as place:
        size = copy(files, Path(place), documents=True)
        return _run(Path(place), most=COPIES * size + SPARE_BYTES, graph_bytes=2 * size + GRAPH_BYTES)


def copy(files: Files, place: Path, *, documents: bool = False) -> int:
    """Everything but what is Ropewalk's own, of which with `documents` the JSON; returns the bytes."""
    size = 0
    for path in files.paths:
        if path.startswith("assets.extra/") and not (path in DOCUMENTS and documents):
            continue
        target = place / path
        target.parent.mkdir(parents=True, exist_ok=True)
        size += target.write_bytes(files.read(path))
    return size


def _run(place: Path, most: int, graph_bytes: int) -> Frozen:
    head, graph = told(__name__, place, most=most, rest_bytes=graph_bytes)
    return _read(head, graph)


def told(module: str, place: Path, *, most: int, rest_bytes: int) -> tuple[bytes, bytes]:
    """The output of the module, run in a sandbox for the model at `place`: a line, and the rest. Raises EngineError.

    `most`: bytes of memory; `rest_bytes`: of the output after the line.
    """
    limits = Limits(
        memory_bytes=most,
        cpu_seconds=CPU_SECONDS,
        wall_seconds=WALL_SECONDS,
        output_bytes=MAX_HEAD_BYTES + rest_bytes,
        open_files=MAX_FILES,
    )
    ended = sandbox.run(module, [str(place)], limits, inherit=THREADS)
    head, end, rest = ended.output.partition(b"\n")
    if len(rest) > rest_bytes or ended.overflowed:
        raise EngineError(f"the network's graph has more than {rest_bytes >> 20} MiB", CRASHED)
    if not end or len(head) >= MAX_HEAD_BYTES:
        raise EngineError(
            f"TensorFlow died of the network, or took more than {CPU_SECONDS} s or {most >> 20} MiB for it, in the "
            f"process that tries it (exit code {ended.code})",
            CRASHED,
        )
    return head, rest


def _read(head: bytes, graph: bytes) -> Frozen:
    try:
        said = json.loads(head)
        if "reason" in said:
            raise EngineError(str(said["message"])[:1000], str(said["reason"])[:64])
        return Frozen(graph, _texts(said["inputs"]), _texts(said["outputs"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError("the process that tries a network said nothing sensible", CRASHED) from error


def _texts(said: Mapping[object, object]) -> dict[str, str]:
    return {str(name): str(tensor) for name, tensor in said.items()}


def refuse(operation: str) -> EngineError:
    """The error for an operation that a model may not have."""
    text = (
        f"the model's operation {operation} is none that is known to compute only (no file, network or code): refused"
    )
    return EngineError(text, reasons.FORBIDDEN_OP)


def tensorflow() -> Any:
    """TensorFlow, without Keras, on the processors that the pod may use."""
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        import tensorflow as tf
    finally:
        del sys.modules["keras"]
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def main(limits: Limits, arguments: Sequence[str], write: Write) -> None:
    """In the child: look at the SavedModel, load it, freeze it, run it."""
    confined(limits, Path(arguments[0]), write, _frozen)


def confined(
    limits: Limits, place: Path, write: Write, work: Callable[[Any, Path], tuple[dict[str, Any], bytes]]
) -> None:
    """In the child: do the work with TensorFlow within the limits, and write what comes of it."""
    tf = tensorflow()  # trusted, and it tries to write as it is imported
    available = memory.headroom()
    most = limits.memory_bytes if available is None else min(limits.memory_bytes, available - memory.RESERVE)
    if most <= 0:
        text = "TensorFlow leaves no memory for the network below the container's limit: raise serving.resources"
        write(json.dumps({"reason": reasons.INSUFFICIENT_MEMORY, "message": text}).encode() + b"\n")
        return
    sandbox.confine(replace(limits, memory_bytes=most))
    try:
        _scan(place / "saved_model.pb")
        head, rest = work(tf, place)
    except EngineError as error:
        write(json.dumps({"reason": error.reason, "message": str(error)}).encode() + b"\n")
    except Exception as error:  # whatever a stranger's network makes TensorFlow raise
        text = f"TensorFlow cannot load the network: {str(error)[:300]}"
        write(json.dumps({"reason": reasons.NO_ENGINE, "message": text}).encode() + b"\n")
    else:
        write(json.dumps(head).encode() + b"\n")
        write(rest)


def _frozen(tf: Any, place: Path) -> tuple[dict[str, Any], bytes]:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tf.saved_model.load(str(place))  # its variables live as long as it does
    core = loaded.signatures[CORE]
    frozen = convert_variables_to_constants_v2(core)
    positions = input_names("TensorFlow", [one.name for one in frozen.inputs])
    inputs = {name: frozen.inputs[at] for name, at in positions.items()}
    outputs = dict(zip(sorted(core.structured_outputs), frozen.outputs, strict=True))  # TensorFlow sorts a dict's keys
    frozen(*(tf.zeros([1 if size is None else size for size in one.shape], one.dtype) for one in frozen.inputs))
    if (place / manifest.EXAMPLES).exists():
        # What the server replays before it is ready ends here, or ends this process.
        encoded = _examples(place)
        order = sorted(positions, key=positions.__getitem__)
        for rows in (slice(None), *(slice(at, at + 1) for at in range(min(3, len(encoded[X]))))):
            frozen(*(tf.constant(encoded[name][rows]) for name in order))
    names = {
        "inputs": {name: one.name for name, one in inputs.items()},
        "outputs": {name: one.name for name, one in outputs.items()},
    }
    return names, frozen.graph.as_graph_def().SerializeToString()


def _examples(place: Path) -> dict[str, NDArray[Any]]:
    found = [
        json.loads((place / path).read_bytes()) for path in (manifest.EXAMPLES, manifest.SIGNATURE, manifest.FEATURES)
    ]
    columns = examples.columns_of(Signature.from_document(found[1]), examples.instances(found[0]))
    ids = IdEncoder.from_document(found[2])
    return {X: Encoder.from_document(found[2]).encode(columns), **({IDS: ids.encode(columns)} if ids else {})}


def _scan(file: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        parsed = SavedModel.FromString(file.read_bytes())
    except Exception as error:  # protobuf's DecodeError, of either implementation
        raise EngineError(f"saved_model.pb is no SavedModel: {error}") from error
    operation = forbidden(parsed)
    if operation is not None:
        raise refuse(operation)


if __name__ == "__main__":
    sandbox.child(main)
