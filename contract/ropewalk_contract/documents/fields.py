"""Fields of documents, each bounded: required ones, which raise `Refused`, and lenient ones, which never raise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

MOST = 2**53
"""Whole numbers are below this bound: above, JSON numbers are not exact in every program."""
LARGEST = sys.float_info.max
"""Numbers are at most this, so that a whole one can become a float."""


class Refused(ValueError):
    """A document that cannot be believed: `field` names the first field that is wrong, `remedy` its allowed values."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field} is {repr(value)[:100]}: {remedy}")


def versioned(document: object, *versions: int) -> Mapping[str, Any]:
    """The document if it is an object of one of these versions."""
    found = mapping(document, "the document")
    version = found.get("formatVersion")
    if isinstance(version, bool) or version not in versions:
        known = " or ".join(map(str, versions))
        raise Refused("formatVersion", version, f"{known} is expected; are all programs of one release?")
    return found


def mapping(value: object, field: str) -> Mapping[str, Any]:
    """An object."""
    if not isinstance(value, Mapping):
        raise Refused(field, value, "an object is expected")
    return value


def items(value: object, field: str, most: int) -> list[Any]:
    """A list of at most `most` items."""
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise Refused(field, value, f"a list of at most {most} items is expected")
    return list(value)


def integer(value: object, field: str, *, least: int = 0, most: int = MOST) -> int:
    """A whole number from `least` to below `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < most:
        raise Refused(field, value, f"a whole number of at least {least} is expected")
    return value


def number(value: object, field: str) -> float:
    """A finite number, whole or not, as it stands in the document."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        raise Refused(field, value, "a number is expected")
    return value


def text(value: object, field: str, most: int = 1024) -> str:
    """A text of at most `most` characters, not empty."""
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise Refused(field, value, f"a text of at most {most} characters is expected")
    return value


def clip(found: str, length: int = 1024) -> str:
    """At most `length` characters, the cut marked."""
    return found if len(found) <= length else found[: length - 1] + "…"


def any_text(value: object, length: int) -> str:
    """A text or number as text, cut; empty for everything else."""
    return clip(str(value), length) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def any_whole(value: object, most: int) -> str:
    """A text of at most `most` characters; empty for everything else: a part of a uri or digest is another one."""
    return value if isinstance(value, str) and len(value) <= most else ""


def any_texts(value: object, most: int, length: int) -> tuple[str, ...]:
    """The first `most` items of a list as texts."""
    return tuple(any_text(one, length) for one in any_list(value)[:most])


def any_count(value: object) -> int:
    """A count; 0 for everything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST else 0


def any_counts(value: object, most: int) -> tuple[int, ...]:
    """The counts among the first `most` items of a list."""
    return tuple(found for found in map(any_count, any_list(value)[:most]) if found)


def any_epoch(value: object) -> float | None:
    """Seconds since the epoch, before 2096; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < 4e9 else None


def any_mapping(value: object) -> Mapping[str, Any]:
    """An object; an empty one for everything else."""
    return value if isinstance(value, Mapping) else {}


def any_list(value: object) -> list[Any]:
    """A list; an empty one for everything else."""
    return value if isinstance(value, list) else []


def any_word(value: object) -> str:
    """A CamelCase reason; empty for everything else, since the API server refuses a condition for it."""
    found = value if isinstance(value, str) and len(value) <= 64 else ""
    return found if found.isascii() and found.isalnum() and found[:1].isalpha() else ""
