"""What a SavedModel says that it takes and gives: its signature_defs, read without TensorFlow loading it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ropewalk_contract import reasons
from ropewalk_model.signature import CLASSIFY, DEFAULT_NAME, METHOD, REGRESS, Dtype, Signature, TensorSpec
from ropewalk_model.tasks import NAMED_TENSORS
from ropewalk_trainer.errors import UserError

SERVE = "serve"
"""The tag of the graph that servers load."""
_INTERNAL = "__saved_model_"
_DTYPES: dict[int, Dtype] = {
    1: "FLOAT", 2: "DOUBLE", 3: "INT32", 4: "UINT8", 5: "INT16", 6: "INT8", 7: "STRING", 9: "INT64", 10: "BOOL",
    17: "UINT16", 19: "HALF", 22: "UINT32", 23: "UINT64",
}  # fmt: skip
"""tensorflow.DataType (tensorflow/core/framework/types.proto) of what the protocols can carry."""
MOST_SIGNATURES = 32
MOST_TENSORS = 256
MOST_RANK = 8


@dataclass(frozen=True)
class Found:
    """The signatures that can be served, the default first, and why the others cannot."""

    signatures: tuple[Signature, ...]
    left_out: tuple[str, ...]


class _Unsupported(Exception):
    pass


def read(saved_model: Any) -> Found:
    """Those of a parsed `tensorflow.SavedModel`. UserError if there is none, or the default one cannot be served."""
    graphs = [one for one in saved_model.meta_graphs if SERVE in one.meta_info_def.tags]
    if not graphs:
        tags = sorted({tag for one in saved_model.meta_graphs for tag in one.meta_info_def.tags})
        raise UserError(
            reasons.NO_SIGNATURE, f"no graph of the SavedModel has the tag {SERVE!r}, only {tags}: export for serving"
        )
    definitions = {name: one for name, one in graphs[0].signature_def.items() if not name.startswith(_INTERNAL)}
    if not definitions:
        text = "the SavedModel has no signature: save it with signatures={'serving_default': ...}, or Keras' export()"
        raise UserError(reasons.NO_SIGNATURE, text)
    if len(definitions) > MOST_SIGNATURES:
        text = f"the SavedModel has {len(definitions)} signatures, at most {MOST_SIGNATURES} are served"
        raise UserError(reasons.UNSUPPORTED_SIGNATURE, text)
    found, left_out = [], []
    for name in sorted(definitions, key=lambda one: (one != DEFAULT_NAME, one)):
        try:
            found.append(_signature(name, definitions[name]))
        except _Unsupported as why:
            if name == DEFAULT_NAME or len(definitions) == 1:
                raise UserError(reasons.UNSUPPORTED_SIGNATURE, f"signature {name}: {why}") from None
            left_out.append(f"{name}: {why}")
    if not found:
        raise UserError(reasons.UNSUPPORTED_SIGNATURE, "; ".join(left_out))
    return Found(tuple(found), tuple(left_out))


def one(found: Found) -> Signature:
    """All of them as signature.json has them."""
    first, *others = found.signatures
    return replace(first, others=tuple(others))


def _signature(name: str, definition: Any) -> Signature:
    method = definition.method_name or f"{METHOD}predict"
    inputs = tuple(_tensor(key, one) for key, one in sorted(definition.inputs.items()))
    outputs = tuple(_tensor(key, one) for key, one in sorted(definition.outputs.items()))
    if not inputs or not outputs:
        raise _Unsupported(f"it has {len(inputs)} inputs and {len(outputs)} outputs; one of each is needed at least")
    if max(len(inputs), len(outputs)) > MOST_TENSORS:
        raise _Unsupported(f"it has {len(inputs)} inputs and {len(outputs)} outputs; at most {MOST_TENSORS} are served")
    if method in (CLASSIFY, REGRESS) and [one.dtype for one in inputs] != ["STRING"]:
        raise _Unsupported(f"its method {method} takes one input of serialized tf.Examples, a STRING")
    return Signature(NAMED_TENSORS.name, inputs, outputs, name=name, method=method)


def _tensor(name: str, info: Any) -> TensorSpec:
    if info.WhichOneof("encoding") != "name":
        raise _Unsupported(f"tensor {name} is not a dense one")
    dtype = _DTYPES.get(info.dtype)
    if dtype is None:
        raise _Unsupported(
            f"tensor {name} has the unsupported dtype {_dtype_name(info)}; it takes {', '.join(_DTYPES.values())}"
        )
    if info.tensor_shape.unknown_rank:
        raise _Unsupported(f"tensor {name} has no known rank: export it with a shape such as [None, 10]")
    shape = tuple(int(dim.size) for dim in info.tensor_shape.dim)
    if len(shape) > MOST_RANK or any(size < -1 for size in shape):
        raise _Unsupported(f"tensor {name} has the shape {list(shape)}, which no protocol carries")
    return TensorSpec(name, dtype, shape)


def _dtype_name(info: Any) -> str:
    try:
        field = info.DESCRIPTOR.fields_by_name["dtype"]
        return str(field.enum_type.values_by_number[info.dtype].name)
    except KeyError:
        return str(info.dtype)
