"""The stages of a run as status shows them: from what the containers report while they live and when they end."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ropewalk.core.conditions import timestamp
from ropewalk.core.jobs.observed import Container, Pod
from ropewalk.core.plan import Json
from ropewalk_contract.api.conditions import STAGES
from ropewalk_contract.documents.progress import Epochs, Progress

from .attempts import SMOKE_STAGE

_EPOCH = re.compile(r"epoch ([0-9]+)/([0-9]+)")
Rows = Iterable[tuple[str, str, float | None, float | None]]


def from_rows(rows: Rows) -> dict[str, dict[str, Any]]:
    """Stage documents by name; names that are none of ours are left out."""
    found = {}
    for name, state, started, ended in rows:
        if name in STAGES:
            times = {"startedAt": _stamp(started), "finishedAt": _stamp(ended)}
            found[name] = {"name": name, "state": state, **{k: v for k, v in times.items() if v}}
    return found


def live(before: Iterable[Json], pod: Pod, trained: Rows | None, progress: Json | None) -> tuple[dict[str, Any], ...]:
    """The stages now. `trained` are the rows of `train`'s last word, `progress` the answer of its /progress.

    What was known stays where nothing newer is: a pod that does not answer takes nothing back.
    """
    known = {str(s.get("name")): dict(s) for s in before}
    if trained is not None:
        known |= from_rows(trained)
    elif progress is not None and pod.train.state == "running":
        told = Progress.read(progress)
        fresh = from_rows(told.stages)
        text = _progress_text(told.epochs, str(known.get(told.stage, {}).get("progress", "")))
        if text and told.stage in fresh:
            fresh[told.stage]["progress"] = text
        known |= fresh
    elif pod.train.state == "running" and not known:
        known["Source"] = {"name": "Source", "state": "Running"}
    if pod.smoke_test.state != "waiting":
        known[SMOKE_STAGE] = _smoke(pod.smoke_test)
    return tuple(known[name] for name in STAGES if name in known)


def current(stages: Iterable[Json]) -> Json | None:
    """The stage that runs, else the one that failed, else the last that ended."""
    ordered = list(stages)
    for wanted in (("Running",), ("Failed",), ("Succeeded", "Cached", "Skipped")):
        for stage in reversed(ordered):
            if stage.get("state") in wanted:
                return stage
    return None


def ended(before: Iterable[Json], *, failed: bool) -> tuple[dict[str, Any], ...]:
    """The stages of a run that is over: none of them still runs."""
    state = "Failed" if failed else "Succeeded"
    return tuple({**stage, "state": state} if stage.get("state") == "Running" else dict(stage) for stage in before)


def _smoke(container: Container) -> dict[str, Any]:
    state = "Running" if container.state == "running" else "Failed" if container.failed else "Succeeded"
    times = {"startedAt": container.started_at, "finishedAt": container.finished_at}
    return {"name": SMOKE_STAGE, "state": state, **{k: timestamp(v) for k, v in times.items() if v}}


def _progress_text(epochs: Epochs | None, before: str) -> str:
    """`epoch 12/30, loss 0.091, 4 s left`; the one from before until a tenth of the epochs has passed (D10)."""
    if epochs is None:
        return ""
    found = _EPOCH.match(before)
    done, planned = epochs.done, epochs.planned
    if found and int(found[2]) == planned and int(found[1]) * 10 // planned == done * 10 // planned:
        return before
    words = [f"epoch {done}/{planned}"]
    if epochs.loss is not None:
        words.append(f"loss {epochs.loss:.3g}")
    if epochs.seconds_left is not None:
        words.append(f"{epochs.seconds_left:.0f} s left")
    return ", ".join(words)[:64]


def _stamp(seconds: float | None) -> str | None:
    return timestamp(datetime.fromtimestamp(seconds, UTC)) if seconds else None
