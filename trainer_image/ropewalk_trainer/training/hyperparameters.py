"""Hyperparameters of a template: strings of the spec to checked values; every unknown or senseless one is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ropewalk_trainer.errors import InvalidSpec


@dataclass(frozen=True)
class Number:
    """A number within bounds, both included; `whole` where only integers make sense."""

    default: float
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Sizes:
    """Layer sizes, separated by commas: "64,32"."""

    default: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """One of several words, the first being the default."""

    words: tuple[str, ...]


Kind = Number | Sizes | Choice
COMMON: Mapping[str, Kind] = {
    "epochs": Number(30, 1, 10_000, whole=True),
    "batchSize": Number(64, 1, 65_536, whole=True),
    "learningRate": Number(0.001, 1e-7, 10.0),
    "dropout": Number(0.0, 0.0, 0.95),
    "l2": Number(0.0, 0.0, 10.0),
    "classWeights": Choice(("None", "Balanced")),
}
Values = dict[str, float | int | str | tuple[int, ...]]


def parse(given: Mapping[str, str], known: Mapping[str, Kind]) -> Values:
    """Values by name with defaults filled in. InvalidSpec names the first that is unknown or out of bounds."""
    unknown = [name for name in given if name not in known]
    if unknown:
        raise InvalidSpec("spec.train.hyperparameters", unknown[0], f"this template has {', '.join(sorted(known))}")
    return {name: _one(name, given.get(name), kind) for name, kind in known.items()}


def _one(name: str, text: str | None, kind: Kind) -> float | int | str | tuple[int, ...]:
    where = f"spec.train.hyperparameters[{name}]"
    if isinstance(kind, Choice):
        if text is not None and text not in kind.words:
            raise InvalidSpec(where, text, f"give one of {', '.join(kind.words)}")
        return text or kind.words[0]
    if isinstance(kind, Sizes):
        return kind.default if text is None else _sizes(where, text)
    if text is None:
        return int(kind.default) if kind.whole else kind.default
    try:
        value = float(text)
    except ValueError:
        raise InvalidSpec(where, text, "give a number") from None
    if not kind.low <= value <= kind.high or (kind.whole and value != int(value)):
        raise InvalidSpec(
            where, text, f"give a {'whole ' if kind.whole else ''}number from {kind.low:g} to {kind.high:g}"
        )
    return int(value) if kind.whole else value


def _sizes(where: str, text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(",")) if text.strip() else ()
    except ValueError:
        raise InvalidSpec(where, text, 'give sizes separated by commas, such as "64,32"') from None
    if len(sizes) > 8 or any(not 1 <= size <= 4096 for size in sizes):
        raise InvalidSpec(where, text, "give at most 8 sizes from 1 to 4096")
    return sizes
