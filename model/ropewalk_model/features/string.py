"""The base of Category, Text and Timestamp: a text on the wire; missing is ""."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model.features.base import ENCODED_BYTES, FeatureType, JsonSchema, Unreadable
from ropewalk_model.features.spec import FeatureSpec
from ropewalk_model.tensor_spec import Dtype

ODD_WORDS = (
    "",
    " ",
    "true",
    "?",
    "\u00e9",
    "e\u0301",
    "\u00c9cole",
    "a\u00a0b",
    "\U0001f600",
    "x" * 300,
    "\u0130",
    "\u00df",
)


class String(FeatureType):
    """A text of a row, `str` in object arrays."""

    def dtype(self, spec: FeatureSpec) -> Dtype:
        """A text."""
        return "STRING"

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A text, or its bytes."""
        return {"anyOf": [{"type": "string", "minLength": 0 if spec.optional else 1}, ENCODED_BYTES]}

    def example(self, spec: FeatureSpec) -> Any:
        """A text."""
        return "text"

    def parse(self, spec: FeatureSpec, raw: Any) -> Any:
        """A text as it stands; whole numbers without a decimal point, truth as true/false; None if missing."""
        return word_of(raw)

    def filler(self, spec: FeatureSpec) -> Any:
        """No text."""
        return ""

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count, distinct values and the twenty most frequent ones."""
        words, counts = np.unique(column.astype(str), return_counts=True)
        order = np.argsort(-counts)[:20]
        top = {} if sensitive else {"top": {str(words[i]): int(counts[i]) for i in order}}
        return {
            "count": len(column),
            "missing": int((column.astype(str) == "").sum()),
            "distinct": len(words),
            **top,
        }


def word_of(raw: Any) -> str | None:
    """A raw value as a text; None if missing. Raises Unreadable."""
    if raw is None or (isinstance(raw, float) and math.isnan(raw)):
        return None
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bytes):
        try:
            raw = raw.decode()
        except UnicodeDecodeError:
            raise Unreadable from None
    if not isinstance(raw, (str, int, float)):
        raise Unreadable
    word = str(raw)
    if not word.isascii() and not _is_text(word):
        raise Unreadable
    return word or None


def _is_text(word: str) -> bool:
    """True if it can be stored: a file's name, and so a label, may hold half of a surrogate pair."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def most_frequent(seen: Counter[str], most: int) -> tuple[str, ...]:
    """Words by descending count, then by themselves."""
    ranked = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in ranked[:most])
