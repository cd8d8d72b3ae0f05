"""Inputs, outputs and classes of a model version, as clients see them (the wire contract)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION
from ropewalk_model.tensor_spec import INT64_MISSING, NUMPY_DTYPES, TIME_FORMAT, Dtype, TensorSpec

Task = Literal["Classification", "Regression", "Tensor", "Tensors"]
"""Tensor: one float tensor in, one out, named by the model itself and not interpreted.
Tensors: any of them in and out, as an imported SavedModel's signatures have them."""
DEFAULT_NAME = "serving_default"
"""The signature that TensorFlow Serving takes where a request names none."""
METHOD = "tensorflow/serving/"
PREDICT, CLASSIFY, REGRESS = f"{METHOD}predict", f"{METHOD}classify", f"{METHOD}regress"

__all__ = [
    "CLASSIFY",
    "DEFAULT_NAME",
    "INT64_MISSING",
    "METHOD",
    "NUMPY_DTYPES",
    "PREDICT",
    "REGRESS",
    "TIME_FORMAT",
    "Dtype",
    "Signature",
    "Task",
    "TensorSpec",
]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. `classes` is in the order of `probabilities`, empty for a regression."""

    task: Task
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    classes: tuple[str, ...] = ()
    positive: str | None = None
    name: str = DEFAULT_NAME
    method: str = PREDICT
    """What upstream calls a signature's method_name; `:classify` and `:regress` want their own."""
    others: tuple[Signature, ...] = ()
    """Further signatures of an imported model."""

    @staticmethod
    def for_task(
        task: Task, inputs: Sequence[TensorSpec], classes: Sequence[str] = (), positive: str | None = None
    ) -> Signature:
        """The signature with the task's outputs: label, score, probabilities; or value."""
        if task == "Tensor":
            raise ValueError("a model of tensors names its own outputs: use for_tensor")
        outputs: tuple[TensorSpec, ...]
        if task == "Classification":
            outputs = (
                TensorSpec("label", "STRING"),
                TensorSpec("score", "FLOAT"),
                TensorSpec("probabilities", "FLOAT", (-1, len(classes))),
            )
        else:
            outputs = (TensorSpec("value", "FLOAT"),)
        return Signature(task, tuple(inputs), outputs, tuple(classes), positive)

    @staticmethod
    def for_tensor(source: TensorSpec, target: TensorSpec) -> Signature:
        """The signature of a model that takes one FLOAT `[N, k]` and gives one FLOAT `[N, m]`."""
        return Signature("Tensor", (source,), (target,))

    def document(self) -> dict[str, Any]:
        """The JSON form: signature.json. What only imported models have is left out where there is nothing of it."""
        more: dict[str, Any] = {}
        if self.name != DEFAULT_NAME:
            more["name"] = self.name
        if self.method != PREDICT:
            more["method"] = self.method
        if self.others:
            more["others"] = [one.document() for one in self.others]
        return {
            "formatVersion": FORMAT_VERSION,
            "task": self.task,
            "inputs": [spec.document() for spec in self.inputs],
            "outputs": [spec.document() for spec in self.outputs],
            "classes": list(self.classes),
            "positive": self.positive,
            **more,
        }

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Signature:
        """Inverse of `document`."""
        return Signature(
            task=document["task"],
            inputs=tuple(TensorSpec.from_document(one) for one in document["inputs"]),
            outputs=tuple(TensorSpec.from_document(one) for one in document["outputs"]),
            classes=tuple(document["classes"]),
            positive=document.get("positive"),
            name=document.get("name", DEFAULT_NAME),
            method=document.get("method", PREDICT),
            others=tuple(Signature.from_document(one) for one in document.get("others", ())),
        )

    @property
    def all(self) -> tuple[Signature, ...]:
        """This one and the others."""
        return (self, *self.others)

    @property
    def width(self) -> int:
        """Columns of the core's output: classes, one value, or the output tensor's own."""
        return self.outputs[0].shape[1] if self.task == "Tensor" else len(self.classes) or 1

    def answer(self, core: Any) -> dict[str, NDArray[Any]]:
        """Named outputs from the core graph's one output: `[N,classes]` probabilities or `[N,1]` value. Of Tensors they
        are what the model gave."""
        if self.task == "Tensors":
            return dict(core)
        if self.task == "Tensor":
            return {self.outputs[0].name: core}
        if self.task == "Regression":
            return {"value": core.reshape(-1)}
        best = core.argmax(axis=1) if len(core) else np.zeros(0, dtype=np.int64)
        return {
            "label": np.asarray(self.classes, dtype=object)[best],
            "score": core[np.arange(len(core)), best],
            "probabilities": core,
        }
