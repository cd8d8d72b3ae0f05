"""The log of passes: one line for a pass that wrote something or comes again for other reasons, none at rest."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest

from ropewalk.core.kinds import PIPELINE
from ropewalk.core.plan import Config, Plan, Ref, Requeue
from ropewalk.shell.queue import Key
from ropewalk.shell.reconcile import Reconciler
from tests.core.pipeline_world import example

KEY = Key("Pipeline", "demo", "cancer")


class Stored:
    """A cluster of one Pipeline, and nothing else that can be read."""

    def __init__(self, **spec: Any) -> None:
        self.owner = example("tabular", **spec)
        self.owner["metadata"]["resourceVersion"] = "1"

    async def get(self, ref: Ref, namespace: str | None) -> dict[str, Any] | None:
        return copy.deepcopy(self.owner) if ref.kind == PIPELINE.name else None

    async def list(self, *_: Any) -> list[dict[str, Any]]:
        return []

    async def write_status(self, owner: dict[str, Any], status: dict[str, Any]) -> str:
        self.owner["status"] = copy.deepcopy(status)
        return "2"

    async def create(self, body: dict[str, Any], namespace: str) -> None:
        """A child is made."""

    async def post_event(self, body: dict[str, Any], namespace: str) -> None:
        """An Event is made."""


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, Any, str]]:
    """Level, writes, seconds until the next pass and the reason for it."""
    found = [vars(record) for record in caplog.records if record.message == "pass"]
    caplog.clear()
    return [(one["levelname"], one["writes"], one["again_in"], one["again_for"]) for one in found]


async def test_a_pass_says_why_it_comes_again_and_when(caplog: pytest.LogCaptureFixture) -> None:
    """A run is recorded, then its children are made."""
    cluster = Stored(triggers={})
    reconciler = Reconciler(cluster, Config("trainer:1", "server:1"), None, lambda: True)  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG, "ropewalk"):
        assert await reconciler.reconcile(KEY) == 0.0
        assert lines(caplog) == [("INFO", 1, 0.0, "a run was recorded")]
        assert await reconciler.reconcile(KEY) == 0.0
        assert lines(caplog) == [("INFO", 2, 0.0, "the run's Job was created")]


async def test_passes_at_rest_are_logged_for_debugging_only(caplog: pytest.LogCaptureFixture) -> None:
    """A suspended Pipeline: its status is written once, and only events bring another pass."""
    cluster = Stored(suspend=True)
    reconciler = Reconciler(cluster, Config("trainer:1", "server:1"), None, lambda: True)  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG, "ropewalk"):
        for _ in range(3):
            assert await reconciler.reconcile(KEY) is None
        assert lines(caplog) == [("INFO", 1, None, "an event")] + [("DEBUG", 0, None, "an event")] * 2


def test_two_reasons_that_take_turns_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """Of a deployment that waits for its turn, the next minute is the nearer reason in some passes."""
    reconciler = Reconciler(Stored(), Config("trainer:1", "server:1"), None, lambda: True)  # type: ignore[arg-type]
    with caplog.at_level(logging.DEBUG, "ropewalk"):
        for seconds in (20.0, 5.0, 20.0):
            reconciler._tell(KEY, Plan(requeue=(Requeue(seconds, "windows"), Requeue(10.0, "its turn"))), {})
        assert [(level, why) for level, _, _, why in lines(caplog)] == [
            ("INFO", "its turn"),
            ("DEBUG", "windows"),
            ("DEBUG", "its turn"),
        ]
