"""A declared feature, and the same feature with its learnt constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ropewalk_model.features import registry
from ropewalk_model.tensor_spec import Dtype, TensorSpec

if TYPE_CHECKING:
    from ropewalk_model.features.base import FeatureType

Columns = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FeatureSpec:
    """A declared feature; `type` is a name in `FEATURE_TYPES`. `values` is a Category's vocabulary if declared; `shape`
    is an Image's [H, W, C] or a Tensor's; `max_vocabulary` words of a Text are learnt and `max_tokens` of one are
    read."""

    name: str
    type: str
    optional: bool = False
    values: tuple[str, ...] | None = None
    shape: tuple[int, ...] = ()
    max_vocabulary: int = 20_000
    max_tokens: int = 200

    @cached_property
    def kind(self) -> FeatureType:
        """The feature type. ValueError where there is none of this name."""
        return registry.of(self.type)

    @property
    def dtype(self) -> Dtype:
        """The dtype on the wire."""
        return self.kind.dtype(self)

    @property
    def tensor(self) -> TensorSpec:
        """The input of this name in the signature."""
        return TensorSpec(self.name, self.dtype, (-1, *self.shape), self.optional, self.kind.format)


@dataclass(frozen=True)
class Encoding:
    """One feature with its learnt constants: mean and scale (Number, Integer, Timestamp) or vocabulary (Category,
    Text)."""

    spec: FeatureSpec
    mean: float = 0.0
    scale: float = 1.0
    vocabulary: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns in the encoded matrix."""
        return self.spec.kind.width(self)

    @cached_property
    def codes(self) -> dict[str, int]:
        """The code of each word of the vocabulary."""
        return {word: code for code, word in enumerate(self.vocabulary, self.spec.kind.first_code)}

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document: dict[str, Any] = {
            "name": self.spec.name,
            "type": self.spec.type,
            "optional": self.spec.optional,
            **self.spec.kind.document(self),
        }
        if self.spec.values is not None:
            document["values"] = list(self.spec.values)
        return document

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        spec = FeatureSpec(
            name=document["name"],
            type=document["type"],
            optional=bool(document["optional"]),
            values=tuple(document["values"]) if "values" in document else None,
            shape=tuple(document.get("shape", ())),
            max_tokens=int(document.get("maxTokens", FeatureSpec.max_tokens)),
        )
        return spec.kind.restore(spec, document)
