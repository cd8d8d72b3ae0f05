"""The ConfigMaps that keep the baseline of each version, and the sums of the pods' counts.

A baseline is read once from a pod, not with every pass; sums of windows and labels outlive the pods (D8).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ropewalk.core import untrusted_json
from ropewalk.core.names import bounded
from ropewalk.core.plan import Json
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..children.workload import metadata
from ..versions import VersionKey, get
from .window_totals import LARGEST, WindowTotals

BASELINE_KEY = "baseline.json"
TOTALS_KEY = "labels.json"


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """The content of the ConfigMaps."""

    baselines: Mapping[VersionKey, Json] = field(default_factory=dict)
    totals: WindowTotals | None = None


def baseline_name(name: str) -> str:
    """The ConfigMap with the baselines of a ModelDeployment's versions."""
    return bounded(name, "-baseline")


def labels_name(name: str) -> str:
    """The ConfigMap with a ModelDeployment's sums of windows and labels."""
    return bounded(name, "-labels")


def read(name: str, children: Iterable[Json]) -> StoredTotals:
    """The content; what cannot be read is not there."""
    maps = {get(c, "metadata", "name"): c for c in children if c.get("kind") == "ConfigMap"}
    return StoredTotals(
        _read_baselines(_parsed(maps.get(baseline_name(name)), BASELINE_KEY)),
        WindowTotals.from_document(_parsed(maps.get(labels_name(name)), TOTALS_KEY)),
    )


def bodies(
    resource: ModelDeployment,
    counted: Sequence[VersionKey],
    before: StoredTotals,
    baselines: Mapping[VersionKey, Json],
    totals: WindowTotals,
    begun: Collection[VersionKey] = (),
) -> list[Any]:
    """The ConfigMaps that have to be written: a baseline read just now, sums that have grown.

    `counted` are the versions, the most important first; a baseline that finds no room beside theirs is not stored,
    and is read from a pod each time. Of versions that have `begun` to count, the time from which they do is stored.
    """
    found: list[Any] = []
    if any(key not in before.baselines for key in baselines):
        text = _baselines_text([(key, baselines[key]) for key in counted if key in baselines])
        if text and _read_baselines(json.loads(text)) != before.baselines:
            found.append(_config_map(resource, baseline_name(resource.metadata.name), BASELINE_KEY, text))
    known = before.totals or WindowTotals()
    if known.up_to != totals.up_to or any(key not in known.versions for key in begun):
        text = json.dumps(totals.document(), sort_keys=True)
        if len(text) <= LARGEST:
            found.append(_config_map(resource, labels_name(resource.metadata.name), TOTALS_KEY, text))
    return found


def _baselines_text(entries: Sequence[tuple[VersionKey, Json]]) -> str:
    """The document with as many of the entries as a ConfigMap holds; empty for none."""
    listed: list[dict[str, Any]] = []
    text = ""
    for key, baseline in entries:
        more = {"version": key.number, "digest": key.identity, "baseline": baseline}
        longer = json.dumps({"formatVersion": 2, "versions": [*listed, more]}, sort_keys=True)
        if len(longer) <= LARGEST:
            listed, text = [*listed, more], longer
    return text


def _read_baselines(document: object) -> dict[VersionKey, Json]:
    """Inverse of `_baselines_text`, entry by entry. 9fe97bf stored a single entry as the document."""
    if not isinstance(document, Mapping):
        return {}
    listed = document.get("versions") if document.get("formatVersion") == 2 else [document]
    found: dict[VersionKey, Json] = {}
    for one in listed if isinstance(listed, (list, tuple)) else ():
        number, digest, baseline = get(one, "version"), get(one, "digest"), get(one, "baseline")
        if isinstance(number, int) and isinstance(digest, str) and isinstance(baseline, dict):
            found[VersionKey(number, digest)] = baseline
    return found


def _config_map(resource: ModelDeployment, name: str, key: str, text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(resource, name), "data": {key: text}}


def _parsed(config: Json | None, key: str) -> Any:
    try:
        return untrusted_json.parse(get(config, "data", key) or "null")
    except (ValueError, TypeError):
        return None
