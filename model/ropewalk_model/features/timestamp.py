"""Timestamp: a time of RFC 3339, by the rules of `ropewalk_model.timestamps`; missing is ""."""

from __future__ import annotations

from collections.abc import Container, Mapping
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_model import timestamps
from ropewalk_model.features.base import ENCODED_BYTES, JsonSchema, Unreadable, Write
from ropewalk_model.features.bins import EdgeBins
from ropewalk_model.features.spec import Encoding, FeatureSpec
from ropewalk_model.features.standardized import CLIP, MISSING_WORDS, with_moments
from ropewalk_model.features.string import String, word_of
from ropewalk_model.tensor_spec import INT64_MISSING

HOURS = tuple(float(hour) for hour in range(0, 25, 3))
"""Edges of the bins, hours of the day (UTC): dates move on by themselves, and say nothing of drift."""
ODD_TIMES = (
    *("", " ", "now", "2024-02-29", "2024-02-29T12:00:00", "2023-02-29T12:00:00Z", "0000-01-01T00:00:00Z"),
    *("0001-01-01t00:00:00z", "9999-12-31T23:59:59-23:59", "2016-12-31T23:59:60.5Z", "2016-12-31T23:59:60+05:30"),
    "1969-12-31T23:59:59Z",
)


class TimestampBins(EdgeBins):
    """The hour of the day, in [0, 24]."""

    kind = "Timestamp"

    @staticmethod
    def numbers(column: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Hours, and which texts are no time."""
        moments = timestamps.column_seconds(column)
        return moments % timestamps.DAY / 3600, moments == INT64_MISSING


class Timestamp(String):
    """A time: its standardised seconds and where it lies in the day, the week and the year."""

    name = "Timestamp"
    bins_class = TimestampBins
    format = "date-time"
    expectation = f"is no time of RFC 3339, such as {timestamps.EXAMPLE}"

    def first_wrong(self, column: NDArray[Any]) -> int | None:
        """The first text that is no time; an empty one is a missing time."""
        wrong = (row for row, word in enumerate(column) if word and timestamps.seconds(word) is None)
        return next(wrong, None)

    def value_schema(self, spec: FeatureSpec) -> JsonSchema:
        """A text of the pattern, or its bytes."""
        text = {"type": "string", "format": self.format, "pattern": f"^({timestamps.PATTERN})$"}
        return {"anyOf": [text, *([{"const": ""}] if spec.optional else []), ENCODED_BYTES]}

    def example(self, spec: FeatureSpec) -> str:
        """A time."""
        return timestamps.EXAMPLE

    def parse(self, spec: FeatureSpec, raw: Any) -> str | None:
        """A time of RFC 3339 (a space for the T is put right), or a date or time that is one already, in UTC; None if
        missing."""
        if isinstance(raw, date):
            return timestamps.text_of(raw)
        text = word_of(raw)
        if text is None or text.strip().lower() in MISSING_WORDS:
            return None
        text = text.strip()
        if text[10:11] == " ":
            text = f"{text[:10]}T{text[11:]}"
        if timestamps.seconds(text) is None:
            raise Unreadable
        return text

    def describe(self, column: NDArray[Any], *, sensitive: bool) -> dict[str, Any]:
        """Count, first and last."""
        moments = timestamps.column_seconds(column)
        order = np.flatnonzero(moments != INT64_MISSING)[np.argsort(moments[moments != INT64_MISSING])]
        facts = {"count": len(column), "missing": len(column) - len(order)}
        span = {} if sensitive or not len(order) else {"first": column[order[0]], "last": column[order[-1]]}
        return facts | span

    def fit(self, spec: FeatureSpec, column: NDArray[Any]) -> Encoding:
        """Mean and scale of the seconds."""
        moments = timestamps.column_seconds(column)
        return with_moments(spec, moments[moments != INT64_MISSING].astype(np.float64))

    def width(self, one: Encoding) -> int:
        """The seconds, a sine and a cosine a cycle, and one that says what is missing where that may be."""
        return timestamps.WIDTH + int(one.spec.optional)

    def encoder(self, one: Encoding) -> Write:
        """As `timestamps.encode`."""
        mean, scale, optional = one.mean, one.scale, one.spec.optional

        def write(column: NDArray[Any], encoded: NDArray[np.float32]) -> None:
            cycles, missing = timestamps.encode(column, mean, scale, CLIP)
            encoded[:, : timestamps.WIDTH] = cycles
            if optional:
                encoded[:, timestamps.WIDTH] = missing

        return write

    def document(self, one: Encoding) -> dict[str, Any]:
        """Mean and scale of the seconds."""
        return {"encoding": "Cycles", "mean": one.mean, "scale": one.scale, "clip": CLIP}

    def restore(self, spec: FeatureSpec, document: Mapping[str, Any]) -> Encoding:
        """Inverse of `document`."""
        return Encoding(spec, mean=float(document["mean"]), scale=float(document["scale"]))

    def edge_values(self, one: Encoding) -> list[Any]:
        """First and last times, leap seconds, and texts that are nearly times."""
        return list(ODD_TIMES)

    def bins(self, spec: FeatureSpec, column: NDArray[Any], known: Container[str] = ()) -> TimestampBins:
        """Eight spans of three hours."""
        return TimestampBins(edges=HOURS)


TIMESTAMP = Timestamp()
