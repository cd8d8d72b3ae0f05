"""signature.json: inputs, outputs and classes of a model version, as clients see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import FORMAT_VERSION

Task = Literal["Classification", "Regression", "Tensor", "Tensors"]
"""Tensor: one float tensor in, one out, named by the model itself and not interpreted.
Tensors: any of them in and out, as an imported SavedModel's signatures have them."""
Dtype = Literal[
    "FLOAT",
    "DOUBLE",
    "HALF",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "BOOL",
    "STRING",
]
"""By TensorFlow's names. Our own models have FLOAT, INT64, BOOL, STRING and UINT8 only."""

DEFAULT_NAME = "serving_default"
"""The signature that TensorFlow Serving takes where a request names none."""
METHOD = "tensorflow/serving/"
PREDICT, CLASSIFY, REGRESS = f"{METHOD}predict", f"{METHOD}classify", f"{METHOD}regress"

INT64_MISSING = -(2**63)
"""Missing Integer on the wire (a missing FLOAT is NaN, a missing STRING is "")."""

TIME_FORMAT = "date-time"
"""JSON Schema's word for RFC 3339."""

NUMPY_DTYPES: Mapping[str, Any] = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "HALF": np.float16,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT64": np.int64,
    "BOOL": np.bool_,
    "STRING": object,
    "UINT8": np.uint8,
}


@dataclass(frozen=True)
class TensorSpec:
    """One named tensor; `shape` starts with -1, the number of rows. `time`: a STRING that must be RFC 3339. In a
    signature of Tensors any size may be -1, which is one that each request decides, and there may be no rows."""

    name: str
    dtype: Dtype
    shape: tuple[int, ...] = (-1,)
    optional: bool = False
    time: bool = False

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document = {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "optional": self.optional,
        }
        return {**document, "format": TIME_FORMAT} if self.time else document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> TensorSpec:
        """Inverse of `document`."""
        return TensorSpec(
            name=document["name"],
            dtype=document["dtype"],
            shape=tuple(document["shape"]),
            optional=bool(document.get("optional", False)),
            time=document.get("format") == TIME_FORMAT,
        )

    @property
    def missing(self) -> Any:
        """The value that stands for a missing one, or None if the type has none (BOOL, UINT8)."""
        return {"FLOAT": float("nan"), "INT64": INT64_MISSING, "STRING": ""}.get(self.dtype)


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
