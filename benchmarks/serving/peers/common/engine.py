"""The network inside a peer: BENCH_ENGINE says whether as its documents show it, or with the engine that we use."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Predict = Callable[[Any], Any]
"""Rows [N, ...] to probabilities [N, classes], float32; may be called from several threads."""


def load() -> Predict:
    """The model of this process."""
    return {"tensorflow": _tensorflow, "litert": _litert}[os.environ["BENCH_ENGINE"]]()


def _tensorflow() -> Predict:
    import tensorflow as tf

    model = tf.saved_model.load(os.environ["BENCH_SAVED_MODEL"])
    signature = model.signatures["serving_default"]

    def predict(rows: Any, _keep: Any = model) -> Any:
        return signature(x=tf.constant(rows, tf.float32))["y"].numpy()

    return predict


def _litert() -> Predict:
    """One interpreter a thread and number of rows: none is resized while it serves, none is shared."""
    from ai_edge_litert.interpreter import Interpreter

    with open(os.environ["BENCH_TFLITE"], "rb") as file:
        content = file.read()
    threads = threading.local()

    def build(shape: tuple[int, ...]) -> Predict:
        interpreter = Interpreter(model_content=content, num_threads=1)
        source = interpreter.get_input_details()[0]["index"]
        interpreter.resize_tensor_input(source, shape)
        interpreter.allocate_tensors()
        target = interpreter.get_output_details()[0]["index"]

        def run(rows: Any) -> Any:
            interpreter.set_tensor(source, rows)
            interpreter.invoke()
            return interpreter.get_tensor(target)

        return run

    def predict(rows: Any) -> Any:
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        runners = threads.__dict__.setdefault("runners", {})
        if rows.shape not in runners:
            runners[rows.shape] = build(rows.shape)
        return runners[rows.shape](rows)

    return predict
