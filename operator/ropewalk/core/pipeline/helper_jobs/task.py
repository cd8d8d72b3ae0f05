"""`errand.json`: the task of a helper job, with everything in the store that something refers to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from ropewalk.core.objects import metadata, name_of
from ropewalk.core.plan import Json
from ropewalk_contract.documents.helper_job import HelperJobTask, Retention

from ..parts.planner import ADOPT_STORE
from ..situation import Situation
from ..state import PipelineState
from ..triggers.trigger import annotation
from .record import HelperJob
from .sweep import SWEEP_EVERY


def document(
    situation: Situation, state: PipelineState, helper_job: HelperJob, peers: Iterable[Json]
) -> dict[str, Any]:
    """`errand.json`. `peers` are the ModelDeployments of the namespace, whose versions stay."""
    owner, spec = situation.owner, situation.spec
    meta, keep = metadata(owner), spec.artifacts.keep
    runs = {int(entry["id"]) for entry in state.history if entry.get("id")}
    rules = Retention(
        keep_runs=keep.runs,
        keep_versions=keep.versions,
        used_runs=frozenset(runs),
        used_versions=frozenset(_versions_in_use(owner, state, peers)),
        now=situation.now.replace(microsecond=0),
        grace=SWEEP_EVERY - timedelta(hours=1),
    )
    task = HelperJobTask(
        type=helper_job.type,
        namespace=str(meta.get("namespace", "")),
        pipeline=str(meta.get("name", "")),
        uid=situation.uid,
        artifacts_uri=spec.artifacts.uri,
        adopt_store=annotation(owner, ADOPT_STORE) == "true",
        rules=rules,
    )
    return task.document()


def _versions_in_use(owner: Json, state: PipelineState, peers: Iterable[Json]) -> set[int]:
    champion = state.champion or {}
    found = [champion, champion.get("replaced")]
    for peer in peers:
        model, status = (peer.get("spec") or {}).get("model") or {}, peer.get("status") or {}
        if model.get("pipeline") == name_of(owner):
            listed = (status.get("routes") or {}).get("versions") or ()
            found += [model, status.get("live"), status.get("candidate"), *listed]
    return {int(one["version"]) for one in found if isinstance(one, dict) and one.get("version")}
