"""Prometheus' text format: https://github.com/prometheus/docs, "Exposition formats", version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})

Labels = Mapping[str, object]


class Family:
    """One metric's samples, which the format wants in one group under their HELP and TYPE."""

    def __init__(self, name: str, kind: Literal["counter", "gauge", "histogram"], about: str) -> None:
        self.name = name
        self._lines = [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]

    def add(self, labels: Labels, value: float) -> None:
        """A sample. Label values may be any text."""
        self._lines.append(f"{self.name}{_written(labels)} {_number(value)}")

    def add_each(self, labels: Labels, name: str, values: Iterable[str], counts: Iterable[int]) -> None:
        """A sample for each value of one label more, of which there may be tens of thousands."""
        head = f'{self.name}{_written(labels)[:-1]},{name}="'
        pairs = zip(values, counts, strict=True)
        self._lines += [f'{head}{value.translate(_ESCAPES)}"}} {count}' for value, count in pairs]

    def add_histogram(self, labels: Labels, edges: Sequence[float], counts: Iterable[int], total: float) -> None:
        """A histogram from its counts between the edges and one more beyond the last; `total` is the values' sum."""
        passed = 0
        for edge, count in zip((*edges, float("inf")), counts, strict=True):
            passed += count
            shown = "+Inf" if edge == float("inf") else f"{edge:g}"
            self._lines.append(f"{self.name}_bucket{_written({**labels, 'le': shown})} {passed}")
        self._lines.append(f"{self.name}_sum{_written(labels)} {_number(total)}")
        self._lines.append(f"{self.name}_count{_written(labels)} {passed}")

    @property
    def text(self) -> str:
        """The group, every line ended."""
        return "\n".join(self._lines) + "\n"


def _written(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{str(value).translate(_ESCAPES)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    return repr(value) if isinstance(value, float) else str(int(value))
