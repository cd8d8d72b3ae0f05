"""Texts that look like numbers, and specs that servers would refuse: a reason, and never a pass without end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ropewalk.core.deployment.children.comparison import HASH_ANNOTATION, amount, contains
from tests.core.deployment_world import World


@pytest.mark.parametrize(
    "text", ["123456789012e345", "12345678e1234567", "1e99999999999999", "9" * 400, "1" * 400 + "m"]
)
def test_a_hash_that_looks_like_a_quantity_costs_nothing(text: str) -> None:
    """One in 1,300 hashes of 16 hexadecimal digits has the form of a number with an exponent."""
    begin = time.process_time()
    assert not contains(
        {"annotations": {HASH_ANNOTATION: "0123456789abcdef"}}, {"annotations": {HASH_ANNOTATION: text}}
    )
    assert not contains(
        {"annotations": {HASH_ANNOTATION: text}}, {"annotations": {HASH_ANNOTATION: "0123456789abcdef"}}
    )
    assert time.process_time() - begin < 0.1
    assert amount("1e3") == amount("1k") == 1000.0


@pytest.mark.parametrize(
    ("serving", "field"),
    [
        ({"limits": {"deadline": "0s"}}, "limits.deadlineSeconds"),
        ({"limits": {"maxBodyBytes": "0"}}, "limits.maxBodyBytes"),
        ({"limits": {"maxBodyBytes": "10Pi"}}, "limits.maxBodyBytes"),
        ({"batching": {"type": "Bounded", "maxRows": 1, "maxDelay": "2h"}}, "batching.maxDelaySeconds"),
    ],
)
def test_limits_that_servers_refuse_stall(serving: dict[str, Any], field: str) -> None:
    """An older definition of the resource may have let them through."""
    world = World(serving=serving)
    world.settle()
    assert world.condition("Stalled")["reason"] == "InvalidSpec"
    assert field in world.condition("Stalled")["message"]
