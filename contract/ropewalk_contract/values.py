"""Durations, quantities, uris of stores and digests, each with the one grammar by which every program reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar

from ropewalk_contract import wire

MAX_URI = 1024

_DURATION_PART = re.compile(r"([0-9]+)(ms|s|m|h|d)")
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([eE][-+]?[0-9]{1,2}|[numkKMGTPE]i?|)")
_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal("1e3"),
    "M": Decimal("1e6"),
    "G": Decimal("1e9"),
    "T": Decimal("1e12"),
    "P": Decimal("1e15"),
    "E": Decimal("1e18"),
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in seconds, written as whole numbers with units: `20ms`, `90s`, `5m`, `1h30m`, `7d`."""

    seconds: float

    @staticmethod
    def parse(text: str) -> Duration:
        """Raises ValueError for every other text."""
        parts = _DURATION_PART.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(f"not a duration: {text!r} (write 30s, 5m or 1h30m)")
        return Duration(float(sum(Decimal(number) * _SECONDS[unit] for number, unit in parts)))

    @property
    def span(self) -> timedelta:
        """The same for arithmetic with times, in whole microseconds."""
        return timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An exact amount as Kubernetes writes it: `500m` is 0.5, `4Mi` is 4194304, `1e3` is 1000.

    An exponent has two digits at most: Kubernetes knows no amount above 2**63, and one of eight digits takes minutes.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """

    amount: Decimal

    @staticmethod
    def parse(value: str | int) -> Quantity:
        """Raises ValueError for everything else."""
        match = _QUANTITY.fullmatch(str(value))
        if match is None:
            raise ValueError(f"not a quantity: {value!r}")
        number, suffix = match.groups()
        exponent = suffix if suffix[:1] in ("e", "E") and len(suffix) > 1 else ""
        if not exponent and suffix not in _FACTORS:
            raise ValueError(f"not a quantity: {value!r}")
        try:
            amount = Decimal(number + exponent)
        except ArithmeticError as error:
            raise ValueError(f"not a quantity: {value!r}") from error
        return Quantity(amount if exponent else amount * _FACTORS[suffix])

    @property
    def bytes(self) -> int:
        """Whole bytes of an amount of memory; a fraction is cut off."""
        return int(self.amount)


@dataclass(frozen=True, slots=True)
class StoreUri:
    """A place that kubelet mounts into pods: `pvc://CLAIM/PATH` or `configmap://NAME/KEY`; `path` may be empty."""

    scheme: str
    name: str
    """The PersistentVolumeClaim or the ConfigMap."""
    path: str

    FOLDERS: ClassVar[dict[str, str]] = {
        wire.CLAIM_SCHEME: wire.CLAIMS_FOLDER,
        wire.CONFIG_MAP_SCHEME: wire.CONFIG_MAPS_FOLDER,
    }
    """Folder below the root of the mounts by scheme."""

    @staticmethod
    def parse(text: str) -> StoreUri:
        """Raises ValueError, whose message tells the remedy."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in StoreUri.FOLDERS:
            raise ValueError("use pvc://CLAIM/PATH or configmap://NAME/KEY")
        name, _, path = rest.partition("/")
        if not name or name == "." or ".." in rest.split("/"):
            raise ValueError("the path must not be empty, absolute or contain ..")
        return StoreUri(scheme, name, path)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}/{self.path}" if self.path else f"{self.scheme}://{self.name}"

    @property
    def mount(self) -> str:
        """Folder of the volume below the root of the mounts, for instance `claims/models`."""
        return f"{self.FOLDERS[self.scheme]}/{self.name}"

    @property
    def below_root(self) -> str:
        """The place below the root of the mounts, for instance `claims/models/demo/1`."""
        return f"{self.mount}/{self.path}" if self.path else self.mount

    @property
    def is_directory_of_claim(self) -> bool:
        """A claim and a path in it, every part of which is a name: a place where a version may lie."""
        parts = self.path.rstrip("/").split("/")
        return self.scheme == wire.CLAIM_SCHEME and all(part not in ("", ".", "..") for part in parts)


@dataclass(frozen=True, slots=True)
class Digest:
    """A sha256: `sha256:` and 64 hexadecimal digits."""

    hex: str

    PREFIX: ClassVar[str] = "sha256:"
    _PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"sha256:([0-9a-f]{64})")

    @staticmethod
    def parse(text: str) -> Digest:
        """Raises ValueError for every other text."""
        match = Digest._PATTERN.fullmatch(text)
        if match is None:
            raise ValueError("sha256: and 64 hexadecimal digits are expected")
        return Digest(match[1])

    def __str__(self) -> str:
        return self.PREFIX + self.hex
