"""Comparison of a child with its body, so that nothing is written in steady state (D10).

An annotation holds the hash of the body that was applied last. It does not show what others edited since, so the
body is compared too: what we ask for has to be there; what the API server or others added is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ropewalk.core.names import GROUP, digest
from ropewalk.core.plan import Json
from ropewalk.core.quantities import memory_bytes

HASH_ANNOTATION = f"{GROUP}/applied-hash"


def stamped(body: dict[str, Any]) -> dict[str, Any]:
    """The body with its own hash among its annotations."""
    meta = body["metadata"]
    annotations = {**(meta.get("annotations") or {}), HASH_ANNOTATION: digest(body, 16)}
    return {**body, "metadata": {**meta, "annotations": annotations}}


def up_to_date(desired: Json, observed: Json | None) -> bool:
    """True if applying `desired` (stamped) would change nothing that is ours."""
    if observed is None or (observed.get("metadata") or {}).get("deletionTimestamp"):
        return False
    return contains(observed, desired)


def contains(observed: Any, desired: Any) -> bool:
    """True if all of `desired` is in `observed`.

    An empty value matches an absent one (the API server drops it), `1000m` matches `1`, and lists whose items have
    names or ports are compared by these, since others may add items of their own.
    """
    if desired == observed or (_empty(desired) and _empty(observed)):
        return True
    if isinstance(desired, Mapping):
        if not isinstance(observed, Mapping):
            return False
        return all(contains(observed.get(key), value) for key, value in desired.items())
    if isinstance(desired, (list, tuple)):
        return isinstance(observed, (list, tuple)) and _contains_items(observed, desired)
    one, two = amount(desired), amount(observed)
    return one is not None and one == two


def amount(value: object) -> float | None:
    """A quantity as a number; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value)
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(memory_bytes(text))
    except (ValueError, OverflowError):
        return None


def _contains_items(observed: Any, desired: Any) -> bool:
    for key in ("name", "uid", "mountPath"):
        if all(isinstance(item, Mapping) and key in item for item in desired):
            by_key = {item.get(key): item for item in observed if isinstance(item, Mapping)}
            return all(contains(by_key.get(item[key]), item) for item in desired)
    if len(observed) != len(desired):
        return False
    return all(contains(one, two) for one, two in zip(observed, desired, strict=True))


def _empty(value: object) -> bool:
    return value is None or value is False or value == "" or value == {} or value == [] or value == ()
