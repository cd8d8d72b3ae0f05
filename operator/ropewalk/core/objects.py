"""What any object of the cluster says of itself, and to whom it belongs."""

from __future__ import annotations

from collections.abc import Iterable

from . import names
from .plan import Json


def of_kind(children: Iterable[Json], kind: str) -> list[Json]:
    """The children of one kind."""
    return [child for child in children if child.get("kind") == kind]


def owned(owner: Json, children: Iterable[Json]) -> tuple[Json, ...]:
    """Children of this very owner: a namesake that was deleted may have left some. Pods are told by their Job."""
    uid = metadata(owner).get("uid")
    return tuple(
        child
        for child in children
        if child.get("kind") == "Pod"
        or any(r.get("controller") and r.get("uid") == uid for r in metadata(child).get("ownerReferences") or ())
    )


def metadata(child: Json) -> Json:
    """An object's metadata, empty where it has none."""
    found = child.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(child: Json) -> str:
    """An object's name."""
    return str(metadata(child).get("name", ""))


def label(child: Json, key: str) -> str:
    """A label's value or an empty string."""
    labels = metadata(child).get("labels")
    return str(labels.get(key, "")) if isinstance(labels, dict) else ""


def run_of(child: Json) -> int:
    """The run a child belongs to by its label; 0 when it has none."""
    return _number(label(child, names.RUN_LABEL))


def helper_job_of(child: Json) -> int:
    """The helper job a child belongs to by its label; 0 when it has none."""
    return _number(label(child, names.HELPER_JOB_LABEL))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
