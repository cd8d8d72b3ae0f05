"""What the pods' windows say, added up: traffic, drift, performance. Pure functions of counts (D8).

A number is rewritten only when it has moved by a tenth (D10): what is similar to what stands is left as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ropewalk.core.conditions import parse_timestamp, timestamp
from ropewalk.core.plan import Json
from ropewalk.core.quantities import words
from ropewalk_contract.api.modeldeployment import Monitor
from ropewalk_model import drift
from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket, add, windows

from .. import spec as specs
from ..observe import window_totals as ledgers
from ..observe.windows import Observation
from ..state import DeploymentState, Live

TRAFFIC_SECONDS = 60
MAX_FEATURES = 20
STANDS = 3
"""Windows without a verdict after which the last one says nothing any more."""


def remember(state: DeploymentState, seen: Observation, settings: Monitor, now: datetime) -> DeploymentState:
    """The memory with what the windows say; unchanged where nothing can be concluded."""
    live = state.live
    if live is None or not seen.complete:
        return state
    drift_before = _current(state.drift, live, settings)
    known = (*(seen.stored.windows if seen.stored is not None else ()), *seen.buckets)
    return replace(
        state,
        traffic=_traffic(state.traffic, seen.buckets, seen.closed_by),
        drift=_drift(drift_before, known, seen.baseline, settings, seen.closed_by),
        performance=_performance(state.performance, seen, live, settings, now),
    )


def judged(state: DeploymentState, settings: Monitor) -> float:
    """Up to when windows have a verdict by today's yardstick."""
    found = _current(state.drift, state.live, settings) if state.live is not None else None
    at = parse_timestamp((found or {}).get("at"))
    return at.timestamp() if at is not None else 0.0


def _current(document: Json | None, live: Live, settings: Monitor) -> Json | None:
    """What was found about an earlier version, or by another yardstick, says nothing now."""
    at = parse_timestamp((document or {}).get("at"))
    if document is None or at is None or at < live.since - timedelta(seconds=1):
        return None
    same = document.get("threshold") == _short(specs.drift_threshold(settings)) and document.get("window") == _window(
        settings
    )
    return document if same else None


def _window(settings: Monitor) -> str:
    return words(timedelta(seconds=specs.window_seconds(settings)))


def _traffic(before: Json | None, buckets: Iterable[Bucket], closed_by: float) -> Json | None:
    recent = windows(buckets, TRAFFIC_SECONDS, closed_by)
    end = int(closed_by) - int(closed_by) % TRAFFIC_SECONDS
    last = [b for b in recent if b.end == end]
    if not last:
        if before is None:
            return None
        now = {"requests": 0, "rows": 0, "requestsPerSecond": "0", "errorRate": "0"}
        return {"window": before["window"], "at": before["at"], **now}
    total = add(last)
    document: dict[str, Any] = {
        "window": words(timedelta(seconds=TRAFFIC_SECONDS)),
        "at": _time(end),
        "requests": total.requests,
        "rows": total.rows,
        "requestsPerSecond": _short(total.requests / TRAFFIC_SECONDS),
        "errorRate": _short(total.errors / total.requests if total.requests else 0.0),
    }
    for name, share in (("latencyP50", 0.5), ("latencyP95", 0.95)):
        found = quantile(total.edges_seconds, total.latency_counts, share)
        if found is not None:
            document[name] = f"{_short(found * 1000)}ms"
    keys = ("requestsPerSecond", "errorRate", "latencyP95")
    return before if before and all(_similar(before.get(k), document.get(k)) for k in keys) else document


def quantile(edges: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The share's quantile in seconds, interpolated within its bucket; None without counts."""
    total = sum(counts)
    if not total or len(counts) != len(edges) + 1:
        return None
    rank, passed, low = share * total, 0, 0.0
    for edge, count in zip([*edges, edges[-1]], counts, strict=True):
        if count and passed + count >= rank:
            return low + (edge - low) * (rank - passed) / count
        passed += count
        low = edge
    return float(edges[-1])


def _drift(
    before: Json | None, buckets: Iterable[Bucket], baseline: Baseline | None, settings: Monitor, closed_by: float
) -> Json | None:
    """The verdict on the latest window that says something, and how many in a row said `Drifted`.

    Windows up to `before` are judged already. A verdict stands until others have had the time to follow; where none
    did, nobody knows how things are now.
    """
    at = parse_timestamp(before.get("at")) if before else None
    judged = at.timestamp() if at is not None else 0.0
    closed = [window for window in windows(buckets, specs.window_seconds(settings), closed_by) if window.end > judged]
    found: tuple[Bucket, drift.DriftVerdict] | None = None
    run, row_ended = 0, False
    for window in reversed(closed):
        if baseline is None or window.rows < settings.min_samples or window.requests < settings.min_requests:
            continue
        verdict = _verdict(window, baseline, settings)
        if verdict.state == "Inconclusive":
            continue
        found = found or (window, verdict)
        row_ended = verdict.state != "Drifted"
        run += not row_ended
        if row_ended or run >= settings.drift.consecutive_windows:
            break
    latest = found[0].end if found is not None else judged
    if before is not None and before.get("state") != "Inconclusive":
        end = int(closed_by) - int(closed_by) % specs.window_seconds(settings)
        if end - latest >= max(STANDS, settings.drift.consecutive_windows) * specs.window_seconds(settings):
            rows = closed[-1].rows if closed and closed[-1].end == end else 0
            return _inconclusive(end, rows, settings)
    if found is None:
        if before is not None or not closed or baseline is None:
            return before
        return _inconclusive(closed[-1].end, closed[-1].rows, settings)
    if not row_ended and before is not None and before.get("state") == "Drifted":
        run += int(before.get("consecutiveWindows") or 0)
    document = _drift_document(*found, min(run, settings.drift.consecutive_windows), settings)
    return before if before is not None and _same_drift(before, document) else document


def _verdict(window: Bucket, baseline: Baseline, settings: Monitor) -> drift.DriftVerdict:
    return drift.verdict(
        window,
        baseline,
        specs.drift_threshold(settings),
        settings.min_samples,
        settings.min_requests,
        settings.drift.features,
    )


def _inconclusive(end: int, rows: int, settings: Monitor) -> dict[str, Any]:
    """Too little traffic up to `end`."""
    return {
        "window": _window(settings),
        "at": _time(end),
        "state": "Inconclusive",
        "threshold": _short(specs.drift_threshold(settings)),
        "samples": rows,
        "consecutiveWindows": 0,
    }


def _same_drift(before: Json, after: Json) -> bool:
    """The same verdict on the same feature, with a similar score, and no nearer to an alarm."""
    same = ("state", "worstFeature", "threshold", "window", "consecutiveWindows")
    return all(before.get(k) == after.get(k) for k in same) and _similar(before.get("score"), after.get("score"))


def _drift_document(window: Bucket, verdict: drift.DriftVerdict, run: int, settings: Monitor) -> dict[str, Any]:
    features = [
        {"name": one.name, "score": _short(one.score), "state": "Drifted" if one.drifted else "Stable"}
        for one in verdict.features[:MAX_FEATURES]
    ]
    document: dict[str, Any] = {
        "window": _window(settings),
        "at": _time(window.end),
        "state": verdict.state,
        "worstFeature": verdict.worst,
        "score": _short(verdict.score),
        "threshold": _short(specs.drift_threshold(settings)),
        "samples": verdict.rows,
        "consecutiveWindows": run,
        "features": features,
    }
    return {k: v for k, v in document.items() if v is not None}


def _performance(before: Json | None, seen: Observation, live: Live, settings: Monitor, now: datetime) -> Json | None:
    if seen.stored is None:
        return before
    total = ledgers.total(seen.stored, seen.buckets, now.timestamp() - specs.label_window_seconds(settings))
    if not total.count:
        return None
    positive = seen.baseline.positive if seen.baseline is not None else None
    document: dict[str, Any] = {
        "window": words(timedelta(seconds=specs.label_window_seconds(settings))),
        "at": timestamp(now),
        "version": live.version.number,
        "labels": total.count,
    }
    if total.count >= settings.performance.min_labels:
        document["metrics"] = [{"name": name, "value": f"{value:.4f}"} for name, value in total.quality(positive)]
    if before is not None and all(before.get(key) == document[key] for key in ("version", "window")):
        same = [m.get("value", "")[:4] for m in before.get("metrics") or ()] == [
            m["value"][:4] for m in document.get("metrics") or ()
        ]
        if same and _similar(str(before.get("labels")), str(document["labels"])):
            return before
    return document


def _similar(one: object, two: object) -> bool:
    """Within a tenth of each other, or the same words."""
    if one == two:
        return True
    try:
        a, b = float(str(one).removesuffix("ms")), float(str(two).removesuffix("ms"))
    except ValueError:
        return False
    return abs(a - b) <= 0.1 * max(abs(a), abs(b))


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _time(seconds: int) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
