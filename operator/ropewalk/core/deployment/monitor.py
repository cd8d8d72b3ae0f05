"""What the pods' windows say, added up: traffic, drift, performance. Pure functions of counts (D8).

A number is rewritten only when it has moved by a tenth (D10): what is similar to what stands is left as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ropewalk_model import drift
from ropewalk_model.baseline import Baseline
from ropewalk_model.windows import Bucket, InvalidBucket, add, parse, windows

from ..conditions import parse_timestamp, timestamp
from ..plan import Json, Scraped
from ..quantities import words
from .fleet import BASELINE_PATH, WINDOWS_PATH, Pod
from .memory import Live, Memory
from .wishes import Monitoring

TRAFFIC_SECONDS = 60
CLOSING_SECONDS = 2
"""A pod closes a bucket within this time of its end."""
MAX_FEATURES = 20


@dataclass(frozen=True, slots=True)
class Observation:
    """The pods' buckets. `complete` is False where a pod that counts did not answer: nothing is concluded then."""

    buckets: tuple[Bucket, ...]
    baseline: Baseline | None
    complete: bool
    unreachable: tuple[str, ...] = ()


def observe(pods: Sequence[Pod], scrapes: Mapping[tuple[str, str], Scraped]) -> Observation:
    """Parse what the ready pods answered; what cannot be believed counts as no answer."""
    buckets: list[Bucket] = []
    unreachable = []
    asked = [pod for pod in pods if pod.ready and (pod.name, WINDOWS_PATH) in scrapes]
    for pod in asked:
        try:
            buckets += parse(scrapes[pod.name, WINDOWS_PATH].body)
        except InvalidBucket:
            unreachable.append(pod.name)
    return Observation(tuple(buckets), _baseline(scrapes), bool(asked) and not unreachable, tuple(unreachable))


def _baseline(scrapes: Mapping[tuple[str, str], Scraped]) -> Baseline | None:
    for (_, path), scraped in scrapes.items():
        if path == BASELINE_PATH and scraped.body is not None:
            try:
                return Baseline.from_document(scraped.body["baseline"])
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                return None
    return None


def remember(memory: Memory, seen: Observation, settings: Monitoring, now: datetime) -> Memory:
    """The memory with what the windows say; unchanged where nothing can be concluded."""
    live = memory.live
    if live is None or not seen.complete:
        return memory
    mine = [b for b in seen.buckets if b.version == live.version.number and live.version.digest in (None, b.digest)]
    closed_by = now.timestamp() - CLOSING_SECONDS
    memory = replace(memory, traffic=_traffic(memory.traffic, mine, closed_by))
    memory = replace(memory, drift=_drift(_current(memory.drift, live), mine, seen.baseline, settings, closed_by))
    return replace(memory, performance=_performance(memory.performance, mine, live, settings, now))


def _current(document: Json | None, live: Live) -> Json | None:
    """What was found about an earlier version says nothing about this one."""
    at = parse_timestamp((document or {}).get("at"))
    return document if at is not None and at >= live.since - timedelta(seconds=1) else None


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
    before: Json | None, buckets: Iterable[Bucket], baseline: Baseline | None, settings: Monitoring, closed_by: float
) -> Json | None:
    """The verdict on the latest window that says something, and how many in a row said `Drifted`."""
    if baseline is None:
        return before
    verdicts = [
        (window, drift.verdict(window, baseline, settings.threshold, *_gates(settings), settings.features))
        for window in windows(buckets, settings.window, closed_by)
    ]
    conclusive = [(w, v) for w, v in verdicts if v.state != "Inconclusive"]
    if not conclusive:
        if before is None and verdicts:
            window, verdict = verdicts[-1]
            return _drift_document(window, verdict, 0, settings)
        return before
    run = 0
    for _, verdict in reversed(conclusive):
        if verdict.state != "Drifted":
            break
        run += 1
    window, verdict = conclusive[-1]
    document = _drift_document(window, verdict, run, settings)
    return before if before is not None and _same_drift(before, document, settings) else document


def _same_drift(before: Json, after: Json, settings: Monitoring) -> bool:
    """The same verdict on the same feature, with a similar score, and no nearer to an alarm."""
    if any(before.get(k) != after.get(k) for k in ("state", "worstFeature", "threshold", "window")):
        return False
    needed = settings.consecutive_windows
    runs = [min(int(one.get("consecutiveWindows") or 0), needed) for one in (before, after)]
    return runs[0] == runs[1] and _similar(before.get("score"), after.get("score"))


def _gates(settings: Monitoring) -> tuple[int, int]:
    return settings.min_samples, settings.min_requests


def _drift_document(window: Bucket, verdict: drift.DriftVerdict, run: int, settings: Monitoring) -> dict[str, Any]:
    features = [
        {"name": one.name, "score": _short(one.score), "state": "Drifted" if one.drifted else "Stable"}
        for one in verdict.features[:MAX_FEATURES]
    ]
    document: dict[str, Any] = {
        "window": words(timedelta(seconds=settings.window)),
        "at": _time(window.end),
        "state": verdict.state,
        "worstFeature": verdict.worst,
        "score": _short(verdict.score),
        "threshold": _short(settings.threshold),
        "samples": verdict.rows,
        "consecutiveWindows": run,
        "features": features if verdict.state != "Inconclusive" else None,
    }
    return {k: v for k, v in document.items() if v is not None}


def _performance(
    before: Json | None, buckets: Iterable[Bucket], live: Live, settings: Monitoring, now: datetime
) -> Json | None:
    since = now.timestamp() - settings.performance_window
    labelled = [b for b in buckets if b.label_count and b.start >= since]
    if not labelled:
        return before if before and before.get("version") == live.version.number else None
    total = add(labelled)
    document: dict[str, Any] = {
        "window": words(timedelta(seconds=settings.performance_window)),
        "at": timestamp(now),
        "version": live.version.number,
        "labels": total.label_count,
    }
    if total.label_count >= settings.min_labels:
        document["metrics"] = [{"name": name, "value": f"{value:.4f}"} for name, value in quality(total)]
    if before is not None and before.get("version") == document["version"]:
        same = [m.get("value", "")[:4] for m in before.get("metrics") or ()] == [
            m["value"][:4] for m in document.get("metrics") or ()
        ]
        if same and _similar(str(before.get("labels")), str(document["labels"])):
            return before
    return document


def quality(total: Bucket) -> list[tuple[str, float]]:
    """Accuracy, and precision and recall averaged over the classes that came up (macro), from confusion counts."""
    found = [("accuracy", total.label_correct / total.label_count)]
    matrix = total.confusion
    if not matrix:
        return found
    size = range(len(matrix))
    predicted = [sum(matrix[t][p] for t in size) for p in size]
    true = [sum(matrix[t]) for t in size]
    precisions = [matrix[c][c] / predicted[c] for c in size if predicted[c]]
    recalls = [matrix[c][c] / true[c] for c in size if true[c]]
    if precisions and recalls:
        found += [("precision", sum(precisions) / len(precisions)), ("recall", sum(recalls) / len(recalls))]
    return found


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
