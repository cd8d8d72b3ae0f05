"""Evaluate: the test split judges the model, against thresholds and against the champion on the same rows.

Blessed where every demand holds (all models where nothing is demanded), NotBlessed with reasons where one does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropewalk_contract import reasons
from ropewalk_trainer.context import Context
from ropewalk_trainer.evaluation import champion, comparison, metrics
from ropewalk_trainer.run_document import decimal

PLACES = 4
BASELINE_UNUSABLE = reasons.BASELINE_UNUSABLE
"""Result of the comparison with a champion that cannot be scored any more."""


def run(context: Context) -> str:
    """Fill in `metrics`, `evaluation`, `blessing` and `reasons`."""
    assert context.trained is not None
    answers = context.trained.predict(context.encoded["test"])
    truth = context.targets("test")
    positive = _positive(context)
    if context.spec.label.classification:
        context.metrics = metrics.classification(truth, answers, positive)
        counts = metrics.confusion(truth, answers.argmax(axis=1), len(context.classes))
        context.evaluation["confusion"] = {"classes": list(context.classes), "counts": counts.tolist()}
    else:
        context.metrics = metrics.regression(truth, answers.reshape(-1))
    context.evaluation |= {"formatVersion": 1, "rows": len(truth), "metrics": dict(context.metrics)}
    _bless(context, truth, answers, positive)
    context.evaluation |= {"blessing": context.blessing, "reasons": list(context.reasons)}
    return "Succeeded"


def _positive(context: Context) -> int | None:
    positive = context.spec.label.positive
    return context.classes.index(positive) if positive is not None else None


def _bless(context: Context, truth: NDArray[Any], answers: NDArray[np.float32], positive: int | None) -> None:
    demands = context.spec.evaluate.get("metrics") or ()
    checks: list[dict[str, Any]] = []
    for demand in demands:
        checks += _thresholds(context, demand, truth, answers, positive)
    checks += _against_champion(context, demands, truth, answers, positive)
    context.evaluation["checks"] = checks
    failed = [check for check in checks if check["result"] != "Pass"]
    context.reasons = [check["text"] for check in failed]
    context.blessing = reasons.NOT_BLESSED if failed else reasons.BLESSED_REASON


def _score(
    context: Context,
    demand: Mapping[str, Any],
    truth: NDArray[Any],
    answers: NDArray[np.float32],
    positive: int | None,
) -> float:
    name = str(demand["name"])
    if not context.spec.label.classification:
        return metrics.regression(truth, answers.reshape(-1))[name]
    average = str(demand.get("average") or ("Macro" if positive is None else "Positive"))
    return metrics.one(name, truth, answers, positive, average)


def _thresholds(
    context: Context,
    demand: Mapping[str, Any],
    truth: NDArray[Any],
    answers: NDArray[np.float32],
    positive: int | None,
) -> list[dict[str, Any]]:
    found = []
    name, value = demand["name"], _score(context, demand, truth, answers, positive)
    for key, sign, word in (("min", 1, "below min"), ("max", -1, "above max")):
        bound = decimal(demand.get(key), f"spec.evaluate.metrics[{name}].{key}")
        if bound is None:
            continue
        passed = sign * value >= sign * bound
        text = f"{name} {value:.{PLACES}f} is {word} {demand[key]} on {len(truth)} test rows"
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


def _against_champion(
    context: Context, demands: Any, truth: NDArray[Any], answers: NDArray[np.float32], positive: int | None
) -> list[dict[str, Any]]:
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
    return [_compare(context, demand, truth, answers, theirs, positive) for demand in compared]


def _compare(
    context: Context,
    demand: Mapping[str, Any],
    truth: NDArray[Any],
    answers: NDArray[np.float32],
    theirs: NDArray[np.float32],
    positive: int | None,
) -> dict[str, Any]:
    name = str(demand["name"])
    sign = 1.0 if metrics.higher_is_better(name) else -1.0

    def score(rows: NDArray[np.int64]) -> tuple[float, float]:
        chosen = truth[rows]
        return (
            _score(context, demand, chosen, answers[rows], positive),
            _score(context, demand, chosen, theirs[rows], positive),
        )

    difference = comparison.paired(score, len(truth), context.spec.seed, sign)
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
        f"(95% interval {difference.low:+.{PLACES}f} to {difference.high:+.{PLACES}f} on {len(truth)} rows), "
        f"it must be {demanded}"
    )
    inconclusive = verdict == "Inconclusive" and context.spec.evaluate.get("whenInconclusive") == "Promote"
    check = _check(demand, "champion", demanded, difference.estimate, "Pass" if inconclusive else verdict, text)
    return {**check, "interval": [difference.low, difference.high]}
