"""Heavy libraries, imported in a thread while data is read (TensorFlow takes four seconds)."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

_lock = threading.Lock()
_modules: dict[str, Any] = {}
_configured = False


def start() -> threading.Thread:
    """Begin to import what training and publishing need."""
    thread = threading.Thread(target=_import_all, daemon=True, name="import")
    thread.start()
    return thread


def _import_all() -> None:
    tensorflow()
    litert()
    openvino()
    onnxruntime()
    tf2onnx()


def processors() -> int:
    """Processors that this process may use: its affinity, and the cgroup's quota."""
    count = len(os.sched_getaffinity(0))
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, max(1, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass
    return count


def tensorflow() -> Any:
    """The module, with threads fixed to the processors at hand and deterministic operations."""
    global _configured
    with _lock:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
        tf = _without_keras()

        if not _configured:
            tf.config.threading.set_intra_op_parallelism_threads(processors())
            tf.config.threading.set_inter_op_parallelism_threads(1)
            tf.config.experimental.enable_op_determinism()
            _configured = True
        return tf


def _without_keras() -> Any:
    """TensorFlow imports Keras only to register its optimizers, which takes a second; nothing here needs it.

    With the name blocked TensorFlow goes on without (it expects that Keras may be absent); afterwards it is free again.
    """
    block = "keras" not in sys.modules
    if block:
        sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        import tensorflow as tf
    finally:
        if block:
            del sys.modules["keras"]
    return tf


def litert() -> Any:
    """`ai_edge_litert.interpreter`."""
    with _lock:
        if "litert" not in _modules:
            import ai_edge_litert.interpreter as module

            _modules["litert"] = module
        return _modules["litert"]


def openvino() -> Any:
    """`openvino`."""
    with _lock:
        if "openvino" not in _modules:
            os.environ.setdefault("OPENVINO_TELEMETRY_DISABLE", "1")
            import openvino as module

            _modules["openvino"] = module
        return _modules["openvino"]


def onnxruntime() -> Any:
    """`onnxruntime`."""
    with _lock:
        if "onnxruntime" not in _modules:
            import onnxruntime as module

            _modules["onnxruntime"] = module
        return _modules["onnxruntime"]


def tf2onnx() -> Any:
    """`tf2onnx.convert`, which imports TensorFlow: after `tensorflow`, which imports it without Keras."""
    tensorflow()
    with _lock:
        if "tf2onnx" not in _modules:
            import tf2onnx.convert as module

            _modules["tf2onnx"] = module
        return _modules["tf2onnx"]
