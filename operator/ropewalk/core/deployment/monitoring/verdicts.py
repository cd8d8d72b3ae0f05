"""Verdicts on windows of counts: traffic, drift, performance. Pure functions (D8).

A number is rewritten only when it has moved by a tenth (D10): what is similar to what stands is left as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

from ropewalk.core.conditions import parse_timestamp, timestamp
from ropewalk.core.plan import Json
from ropewalk.core.quantities import words
from ropewalk_contract.api.modeldeployment import Monitor
from ropewalk_model import drift
from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket, add, windows

from .. import spec as specs
from ..observe import window_totals
from ..observe.windows import VersionWindows
from ..state import DeploymentState, Live
from ..versions import Version, VersionKey

TRAFFIC_SECONDS = 60
MAX_FEATURES = 20
STANDS = 3
"""Windows without a verdict after which the last verdict is no longer valid."""


def judged(state: DeploymentState, settings: Monitor) -> dict[VersionKey, float]:
    """The time up to which each version's windows need not be kept: they have a verdict, or will have none."""
    found: dict[VersionKey, float] = {}
    if state.retired is not None:
        found[state.retired.version.key] = inf
    if state.candidate is not None:
        found[state.candidate.version.key] = 0.0
    if state.live is not None:
        document = current(state.drift, state.live, settings)
        at = parse_timestamp((document or {}).get("at"))
        found[state.live.version.key] = at.timestamp() if at is not None else 0.0
    return found


def current(document: Json | None, live: Live, settings: Monitor) -> Json | None:
    """The verdict, unless it is on an earlier version or by another threshold or window: None then."""
    at = parse_timestamp((document or {}).get("at"))
    if document is None or at is None or at < live.since - timedelta(seconds=1):
        return None
    same = document.get("threshold") == _short(specs.drift_threshold(settings)) and document.get("window") == _window(
        settings
    )
    return document if same else None


def _window(settings: Monitor) -> str:
    return words(timedelta(seconds=specs.window_seconds(settings)))


def traffic(before: Json | None, buckets: Iterable[Bucket], closed_by: float) -> Json | None:
    """`status.traffic`: rates and latency in the last closed minute; `before` where they are similar."""
    recent = windows(buckets, TRAFFIC_SECONDS, closed_by)
    end = int(closed_by) - int(closed_by) % TRAFFIC_SECONDS
    last = [b for b in recent if b.end == end]
    if not last:
        if before is None:
            return None
        now = {"requests": 0, "rows": 0, "requestsPerSecond": "0", "errorRate": "0"}
        return {**{key: before[key] for key in ("window", "at") if key in before}, **now}
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


def drift_over(
    before: Json | None, buckets: Iterable[Bucket], baseline: Baseline | None, settings: Monitor, closed_by: float
) -> Json | None:
    """The verdict on the latest conclusive window, and the number of windows in a row that were `Drifted`.

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


def performance(
    before: Json | None, seen: VersionWindows, version: Version, settings: Monitor, now: datetime
) -> Json | None:
    """The quality of a version's predictions by the labels that came in; `before` where it is similar."""
    since = now.timestamp() - specs.label_window_seconds(settings)
    total = window_totals.total(seen.totals, seen.buckets, since)
    if not total.count:
        return None
    positive = seen.baseline.positive if seen.baseline is not None else None
    document: dict[str, Any] = {
        "window": words(timedelta(seconds=specs.label_window_seconds(settings))),
        "at": timestamp(now),
        "version": version.number,
        "labels": total.count,
    }
    if total.count >= settings.performance.min_labels:
        document["metrics"] = [{"name": name, "value": f"{value:.4f}"} for name, value in total.quality(positive)]
    if before is not None and all(before.get(key) == document[key] for key in ("version", "window")):
        same = [str(m.get("value", ""))[:4] for m in before.get("metrics") or ()] == [
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
