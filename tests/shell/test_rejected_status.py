"""A status that the API server will not have: the resource says so, where otherwise everything would stand still."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ropewalk.core.plan import Config, Ref
from ropewalk.shell.cluster import ApiError
from ropewalk.shell.queue import Key
from ropewalk.shell.reconcile import Reconciler
from tests.core.pipeline_world import example

KEY = Key("Pipeline", "demo", "cancer")


class Refusing:
    """A cluster of one Pipeline that takes no status with a run in it."""

    def __init__(self, error: ApiError) -> None:
        self.owner = example("tabular")
        self.owner["metadata"]["resourceVersion"] = "1"
        self.error = error
        self.tried = 0
        self.events: list[str] = []

    async def get(self, ref: Ref, namespace: str | None) -> dict[str, Any] | None:
        return copy.deepcopy(self.owner) if ref.kind == "Pipeline" else {"metadata": {"name": ref.name}}

    async def list(self, *_: Any) -> list[dict[str, Any]]:
        return []

    async def write_status(self, owner: dict[str, Any], status: dict[str, Any]) -> str:
        self.tried += 1
        if "run" in status:
            raise self.error
        self.owner["status"] = copy.deepcopy(status)
        return "2"

    async def post_event(self, body: dict[str, Any], namespace: str) -> None:
        self.events.append(body["reason"])


def reconciler(cluster: Refusing) -> Reconciler:
    return Reconciler(cluster, Config("trainer:1", "server:1"), None, lambda: True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(422, "Invalid", "status.run.reason: Too long: may not be more than 256 bytes"),
        ApiError(
            500, "", 'failed to create typed patch object: .status.run.metrics: duplicate entries for key [name="m"]'
        ),
    ],
    ids=["too long", "a key twice"],
)
async def test_the_resource_says_which_status_was_refused(error: ApiError) -> None:
    """Once, however often it is tried again; the pass fails, so that the queue backs off."""
    cluster = Refusing(error)
    passes = reconciler(cluster)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="the API server rejected the status"):
            await passes.reconcile(KEY)
    status = cluster.owner["status"]
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Stalled", "True", "Rejected")
    assert error.message in condition["message"]
    assert error.message in status["summary"]["message"]
    assert cluster.events == ["Rejected"], "nothing is told of a run that nobody has recorded"
    assert cluster.tried == 4


async def test_an_api_server_in_trouble_is_no_refusal() -> None:
    """It is asked again, and the status says nothing of it."""
    cluster = Refusing(ApiError(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
    with pytest.raises(ApiError, match="503"):
        await reconciler(cluster).reconcile(KEY)
    assert "status" not in cluster.owner
