"""Reasons are API: each stands in ropewalk_contract/reasons.py, and no program has a literal of one."""

from __future__ import annotations

import ast
import re

from ropewalk_contract import reasons
from ropewalk_contract.api import conditions
from tests.contract.product import PROGRAMS, REPOSITORY, constants

REASONS = {name: value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
WORDS_OF_OTHERS = {
    "Pending": "states of stages, steps of a rollout, phases of pods",
    "Running": "states of stages, phases of pods",
    "Loading": "states of a version in a server, steps of a rollout",
    "Live": "results of a rollout",
    "Drifted": "verdicts of ropewalk_model.drift",
    "Stable": "verdicts of ropewalk_model.drift",
    "Inconclusive": "verdicts of ropewalk_model.drift, and of a comparison",
    "OutOfMemory": "kinds of failed attempts",
    "Unschedulable": "a reason of the scheduler",
    "Preempted": "a reason of kubelet",
}
"""Reasons that are words of another vocabulary too, where they stand as literals."""
RAISED = re.compile(r"(RunFailure|UserError|DataError|TryAgain|LoadError|SmokeTestFailed|Report|Waiting|Problem)")


def test_a_reason_is_one_camel_case_word_and_stands_once() -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z]{1,63}", value) for value in REASONS.values())
    assert len(set(REASONS.values())) == len(REASONS)


def test_conditions_offer_every_reason() -> None:
    assert {name: getattr(conditions, name) for name in REASONS} == REASONS


def test_no_program_has_a_literal_of_a_reason() -> None:
    known = set(REASONS.values()) - set(WORDS_OF_OTHERS)
    assert [str(one) for one in constants() if one.value in known and not one.in_type] == []


def test_what_is_raised_has_a_reason_of_the_contract() -> None:
    """A new reason that is written in place would be unknown to the test above."""
    found = []
    for package in PROGRAMS:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and RAISED.fullmatch(node.func.id):
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and first.value:
                        found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}: {first.value!r}")
    assert found == []
