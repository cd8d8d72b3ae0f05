"""Evaluate: the test split judges the model, against thresholds and against the champion on the same rows.

Blessed where every demand holds (all models where nothing is demanded), NotBlessed with reasons where one does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_model.tasks import Judged, metrics
from ropewalk_trainer.context import Context
from ropewalk_trainer.evaluation import champion, comparison
from ropewalk_trainer.run_document import decimal

PLACES = 4
BASELINE_UNUSABLE = reasons.BASELINE_UNUSABLE
"""Result of the comparison with a champion that cannot be scored any more."""


def run(context: Context) -> str:
    """Fill in `metrics`, `evaluation`, `blessing` and `reasons`."""
    assert context.trained is not None
    label = context.spec.label
    positive = context.classes.index(label.positive) if label.positive is not None else None
    judged = Judged(context.targets("test"), context.trained.predict(context.encoded["test"]), positive)
    context.metrics = label.task.metrics(judged)
    context.evaluation |= label.task.details(judged, context.classes)
    context.evaluation |= {"formatVersion": 1, "rows": len(judged), "metrics": dict(context.metrics)}
    _bless(context, judged)
    context.evaluation |= {"blessing": context.blessing, "reasons": list(context.reasons)}
    return "Succeeded"


def _bless(context: Context, judged: Judged) -> None:
    demands = context.spec.evaluate.get("metrics") or ()
    checks: list[dict[str, Any]] = []
    for demand in demands:
        checks += _thresholds(context, demand, judged)
    checks += _against_champion(context, demands, judged)
    context.evaluation["checks"] = checks
    failed = [check for check in checks if check["result"] != "Pass"]
    context.reasons = [check["text"] for check in failed]
    context.blessing = reasons.NOT_BLESSED if failed else reasons.BLESSED_REASON


def _score(context: Context, demand: Mapping[str, Any], judged: Judged) -> float:
    return context.spec.label.task.metric(str(demand["name"]), judged, demand.get("average"))


def _thresholds(context: Context, demand: Mapping[str, Any], judged: Judged) -> list[dict[str, Any]]:
    found = []
    name, value = demand["name"], _score(context, demand, judged)
    for key, sign, word in (("min", 1, "below min"), ("max", -1, "above max")):
        bound = decimal(demand.get(key), f"spec.evaluate.metrics[{name}].{key}")
        if bound is None:
            continue
        passed = sign * value >= sign * bound
        text = f"{name} {value:.{PLACES}f} is {word} {demand[key]} on {len(judged)} test rows"
        found.append(_check(demand, key, demand[key], value, "Pass" if passed else "Fail", text))
    return found


def _check(demand: Mapping[str, Any], bound: str, limit: Any, value: float, result: str, text: str) -> dict[str, Any]:
    return {
        "metric": demand["name"],
        "bound": bound,
        "limit": limit,
        "value": value,
        "result": result,
        "text": text,
    }


def _against_champion(context: Context, demands: Any, judged: Judged) -> list[dict[str, Any]]:
    compared = [d for d in demands if d.get("maxRegression") is not None or d.get("minImprovement") is not None]
    if not compared:
        return []
    holder = context.run.champion
    if holder is None:
        if context.spec.evaluate.get("whenNoBaseline", "Pass") == "Pass":
            return []
        text = "there is no champion to compare with (evaluate.whenNoBaseline: Fail)"
        return [_check(d, "champion", None, 0.0, "Fail", text) for d in compared[:1]]
    try:
        theirs = champion.scores(holder, context.splits["test"], context.classes)
    except champion.Unusable as error:
        # Nothing was measured, so that whenInconclusive has no say: a person decides (architecture 4.5).
        text = f"{BASELINE_UNUSABLE}: {error}; restore it, or demand no maxRegression and minImprovement for one run"
        return [_check(compared[0], "champion", holder.version, 0.0, BASELINE_UNUSABLE, text)]
    return [_compare(context, demand, judged, Judged(judged.truth, theirs, judged.positive)) for demand in compared]


def _compare(context: Context, demand: Mapping[str, Any], judged: Judged, theirs: Judged) -> dict[str, Any]:
    name = str(demand["name"])
    sign = 1.0 if metrics.higher_is_better(name) else -1.0

    def score(rows: NDArray[np.int64]) -> tuple[float, float]:
        return _score(context, demand, judged.take(rows)), _score(context, demand, theirs.take(rows))

    difference = comparison.paired(score, len(judged), context.spec.seed, sign)
    allowed = decimal(demand.get("maxRegression"), f"spec.evaluate.metrics[{name}].maxRegression")
    wanted = decimal(demand.get("minImprovement"), f"spec.evaluate.metrics[{name}].minImprovement")
    verdict = comparison.verdict(difference, allowed, wanted)
    holder = context.run.champion
    demanded = " and ".join(
        text
        for text in (
            f"at most {demand['maxRegression']} worse" if allowed is not None else "",
            f"at least {demand['minImprovement']} better" if wanted is not None else "",
        )
        if text
    )
    text = (
        f"{verdict}: {name} is {difference.estimate:+.{PLACES}f} against version {holder.version if holder else '?'} "
        f"(95% interval {difference.low:+.{PLACES}f} to {difference.high:+.{PLACES}f} on {len(judged)} rows), "
        f"it must be {demanded}"
    )
    inconclusive = verdict == "Inconclusive" and context.spec.evaluate.get("whenInconclusive") == "Promote"
    check = _check(demand, "champion", demanded, difference.estimate, "Pass" if inconclusive else verdict, text)
    return {**check, "interval": [difference.low, difference.high]}
