"""errand.json: what the operator wants done, to which store, and what in it is still referred to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ropewalk_trainer.errors import InvalidSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
IMPORT = "Import"
"""The one helper job of a ModelDeployment: it has no Pipeline, and says all it wants in the document."""
_REMEDY = "the operator writes this file; are operator and trainer image of the same release?"


@dataclass(frozen=True)
class Retention:
    """What stays: the newest so many, and everything that a spec or a status refers to."""

    keep_runs: int
    keep_versions: int
    used_runs: frozenset[int]
    used_versions: frozenset[int]
    now: datetime
    """The operator's clock; a node's may be wrong."""
    grace: timedelta
    """So long must a thing have been seen unreferenced before it is deleted."""


@dataclass(frozen=True)
class Task:
    """One helper job."""

    type: str
    namespace: str
    pipeline: str
    uid: str
    artifacts_uri: str
    adopt_store: bool
    raw: Mapping[str, Any]

    def retention(self) -> Retention:
        """What a Sweep must not touch. InvalidSpec unless all of it is stated: a guess would delete too much."""
        keep, used = _mapping(self.raw, "keep"), _mapping(self.raw, "inUse")
        return Retention(
            keep_runs=_integer(keep.get("runs"), "keep.runs", least=1),
            keep_versions=_integer(keep.get("versions"), "keep.versions", least=1),
            used_runs=_integers(used.get("runs"), "inUse.runs"),
            used_versions=_integers(used.get("versions"), "inUse.versions"),
            now=moment(self.raw.get("now"), "now"),
            grace=timedelta(seconds=_integer(self.raw.get("graceSeconds"), "graceSeconds", least=0)),
        )


def load(path: Path) -> Task:
    """Read errand.json. InvalidSpec names what is wrong with it."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidSpec(path.name, str(error)[:100], "is the errand's ConfigMap mounted?") from error
    if not isinstance(document, Mapping) or document.get("formatVersion") != 1:
        raise InvalidSpec(path.name, str(document)[:100], f"formatVersion 1 is expected; {_REMEDY}")
    if document.get("type") == IMPORT:
        return Task(IMPORT, "", "", "", "", False, document)
    return Task(
        type=_text(document, "type"),
        namespace=_name(document, "namespace"),
        pipeline=_name(document, "pipeline"),
        uid=_text(document, "pipelineUid"),
        artifacts_uri=_text(document, "artifacts"),
        adopt_store=document.get("adoptStore") is True,
        raw=document,
    )


def moment(value: object, field: str) -> datetime:
    """An RFC 3339 time. InvalidSpec for anything else, a time without a zone included."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidSpec(field, value, f"a time such as 2026-01-31T12:00:00Z is expected; {_REMEDY}") from None
    if found.tzinfo is None:
        raise InvalidSpec(field, value, f"a time zone is expected; {_REMEDY}")
    return found


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidSpec(key, value, f"a text is expected; {_REMEDY}")
    return value


def _name(document: Mapping[str, Any], key: str) -> str:
    value = _text(document, key)
    if not _NAME.fullmatch(value):
        raise InvalidSpec(key, value, f"a resource's name is expected; {_REMEDY}")
    return value


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    if not isinstance(value, Mapping):
        raise InvalidSpec(key, value, f"an object is expected; {_REMEDY}")
    return value


def _integer(value: object, field: str, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidSpec(field, value, f"an integer of at least {least} is expected; {_REMEDY}")
    return value


def _integers(value: object, field: str) -> frozenset[int]:
    if not isinstance(value, list):
        raise InvalidSpec(field, value, f"a list of integers is expected; {_REMEDY}")
    return frozenset(_integer(one, field, least=1) for one in value)
