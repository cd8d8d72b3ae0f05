"""What monitoring keeps of a version beside status, in ConfigMaps of their own: its baseline, and what pods counted.

A baseline is read once from a pod, not with every look; sums of windows and labels outlive the pods (D8).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ropewalk.core.names import bounded
from ropewalk.core.plan import Json
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..children.workload import metadata
from ..state import Live
from ..versions import get
from .window_totals import LARGEST, WindowTotals

BASELINE_KEY = "baseline.json"
LEDGER_KEY = "labels.json"


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """What the ConfigMaps hold now."""

    baseline: Json | None = None
    """With the version and digest that it belongs to."""
    totals: WindowTotals | None = None

    def baseline_of(self, live: Live | None) -> Json | None:
        """The baseline of what is live, if it is that one's."""
        if live is None or self.baseline is None:
            return None
        mine = self.baseline.get("version") == live.version.number
        same = self.baseline.get("digest") == live.version.key
        found = self.baseline.get("baseline")
        return found if mine and same and isinstance(found, dict) else None


def baseline_name(name: str) -> str:
    """The ConfigMap with the baseline of a ModelDeployment's live version."""
    return bounded(name, "-baseline")


def labels_name(name: str) -> str:
    """The ConfigMap with a ModelDeployment's sums of windows and labels."""
    return bounded(name, "-labels")


def read(name: str, children: Iterable[Json]) -> StoredTotals:
    """What is kept; what cannot be read is not there."""
    maps = {get(c, "metadata", "name"): c for c in children if c.get("kind") == "ConfigMap"}
    baseline = _parsed(maps.get(baseline_name(name)), BASELINE_KEY)
    return StoredTotals(
        baseline if isinstance(baseline, dict) else None,
        WindowTotals.from_document(_parsed(maps.get(labels_name(name)), LEDGER_KEY)),
    )


def bodies(
    resource: ModelDeployment,
    live: Live | None,
    before: StoredTotals,
    baseline: Json | None,
    totals: WindowTotals | None,
) -> list[Any]:
    """The ConfigMaps that have to be written: a baseline read just now, sums that have grown.

    A baseline that no ConfigMap holds is read from a pod each time.
    """
    found: list[Any] = []
    if live is not None and baseline is not None and before.baseline_of(live) is None:
        document = {"version": live.version.number, "digest": live.version.key, "baseline": baseline}
        text = json.dumps(document, sort_keys=True)
        if len(text) <= LARGEST:
            found.append(_config_map(resource, baseline_name(resource.metadata.name), BASELINE_KEY, text))
    if totals is not None and totals.up_to and totals != before.totals:
        text = json.dumps(totals.document(), sort_keys=True)
        if len(text) <= LARGEST:
            found.append(_config_map(resource, labels_name(resource.metadata.name), LEDGER_KEY, text))
    return found


def _config_map(resource: ModelDeployment, name: str, key: str, text: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(resource, name), "data": {key: text}}


def _parsed(config: Json | None, key: str) -> Any:
    try:
        return json.loads(get(config, "data", key) or "null")
    except (ValueError, TypeError):
        return None
