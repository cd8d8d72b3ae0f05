"""Events of children ask for the passes that they should, and for no others."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from ropewalk.core.kinds import AUTOSCALER, POD, SERVICE, Kind
from ropewalk.shell.queue import Key
from ropewalk.shell.watches import _of_child, _of_quiet_child

OWNER = Key("ModelDeployment", "shop", "cancer")


class Heard:
    """The queue and the reconciler as the watches use them."""

    def __init__(self) -> None:
        self.backlog = 0
        self.asked: list[Key] = []
        self.forgotten: list[Key] = []
        self.quiet = self

    def add(self, key: Key, after: float = 0.0) -> None:
        """A pass is asked for."""
        self.asked.append(key)

    def forget(self, key: Key) -> None:
        """Quiet children have to be listed again."""
        self.forgotten.append(key)


def event(kind: str | None, **status: Any) -> dict[str, Any]:
    """An event of a child of `OWNER`."""
    meta = {"name": "x", "namespace": "shop", "labels": {"ropewalk.dev/modeldeployment": "cancer"}}
    return {"type": kind, "object": {"metadata": meta, "status": status}}


async def test_every_event_of_a_pod_asks_for_a_pass() -> None:
    """Its owner is named by its label."""
    heard = Heard()
    on_event = _of_child(POD, heard)  # type: ignore[arg-type]
    for kind in (None, "MODIFIED", "DELETED"):
        await on_event(event=event(kind))
    assert heard.asked == [OWNER] * 3


@pytest.mark.parametrize("kind", [SERVICE, AUTOSCALER])
async def test_a_quiet_child_asks_for_a_pass_when_it_is_deleted(kind: Kind) -> None:
    """The pass lists the quiet children."""
    heard = Heard()
    on_event = _of_quiet_child(kind, heard, heard)  # type: ignore[arg-type]
    memo = kopf.Memo()
    for one in (None, "ADDED", "MODIFIED"):
        await on_event(event=event(one), memo=memo)
    assert (heard.asked, heard.forgotten) == ([], [])
    await on_event(event=event("DELETED"), memo=memo)
    assert (heard.asked, heard.forgotten) == ([OWNER], [OWNER])


async def test_an_autoscaler_asks_for_a_pass_when_its_conditions_change() -> None:
    """Its numbers and the words of its conditions change all the time and decide nothing."""
    heard = Heard()
    on_event = _of_quiet_child(AUTOSCALER, heard, heard)  # type: ignore[arg-type]
    memo = kopf.Memo()
    active = {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "70%"}
    await on_event(event=event(None, conditions=[active]), memo=memo)
    await on_event(event=event("MODIFIED", conditions=[active | {"message": "90%"}], currentReplicas=3), memo=memo)
    assert heard.asked == []
    failed = active | {"status": "False", "reason": "FailedGetResourceMetric"}
    await on_event(event=event("MODIFIED", conditions=[failed]), memo=memo)
    assert (heard.asked, heard.forgotten) == ([OWNER], [])
