"""Events are counted rather than repeated, and what cannot be written costs neither the pass nor the next try."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ropewalk.core.plan import Event
from ropewalk.shell import events
from ropewalk.shell.events import Recorder
from tests.shell.fake_api_server import ApiServer, Refusal, client

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OWNER = {
    "apiVersion": "ropewalk.dev/v1alpha1",
    "kind": "Pipeline",
    "metadata": {"name": "churn", "namespace": "shop", "uid": "u1", "resourceVersion": "7"},
}
FAILED = Event("Warning", "RunFailed", "run 3: BadData")


def written(server: ApiServer) -> list[dict[str, Any]]:
    """The Events that the API server has."""
    return [one for path, one in server.objects.items() if path.startswith("/api/v1/namespaces/shop/events/")]


async def test_an_event_names_its_resource_and_says_what_and_when() -> None:
    """As `kubectl describe` shows it."""
    async with client() as (server, cluster):
        await Recorder(cluster).record(OWNER, FAILED, NOW)
        (event,) = written(server)
    assert event["involvedObject"] | {} == {
        "apiVersion": "ropewalk.dev/v1alpha1",
        "kind": "Pipeline",
        "namespace": "shop",
        "name": "churn",
        "uid": "u1",
        "resourceVersion": "7",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "RunFailed", "run 3: BadData")
    assert (event["count"], event["lastTimestamp"]) == (1, "2026-03-01T12:00:00Z")


async def test_the_same_event_is_counted_once_in_ten_minutes() -> None:
    """Those in between are in the count, not in a write of their own."""
    async with client() as (server, cluster):
        recorder = Recorder(cluster)
        for seconds in (0, 60, 120, 660):
            await recorder.record(OWNER, FAILED, NOW + timedelta(seconds=seconds))
        (event,) = written(server)
        assert (event["count"], event["lastTimestamp"]) == (4, "2026-03-01T12:11:00Z")
        assert [method for method, _ in server.asked] == ["POST", "POST", "PATCH"]


async def test_another_process_counts_on() -> None:
    """The name follows from the event, so that a restart finds it again."""
    async with client() as (server, cluster):
        await Recorder(cluster).record(OWNER, FAILED, NOW)
        await Recorder(cluster).record(OWNER, FAILED, NOW + timedelta(seconds=5))
        (event,) = written(server)
    assert event["count"] == 2


async def test_different_words_are_different_events() -> None:
    """Each has an object of its own."""
    async with client() as (server, cluster):
        recorder = Recorder(cluster)
        await recorder.record(OWNER, FAILED, NOW)
        await recorder.record(OWNER, Event("Warning", "RunFailed", "run 4: BadData"), NOW)
        assert len(written(server)) == 2


@pytest.mark.parametrize("trouble", ["hang up", 403, 500])
async def test_an_event_that_could_not_be_written_is_written_the_next_time(trouble: Refusal) -> None:
    """And whoever records it does not notice."""
    async with client() as (server, cluster):
        recorder = Recorder(cluster)
        server.refuse = lambda method, path: trouble
        await recorder.record(OWNER, FAILED, NOW)
        assert written(server) == []
        server.refuse = lambda method, path: None
        await recorder.record(OWNER, FAILED, NOW + timedelta(seconds=5))
        assert len(written(server)) == 1


async def test_a_memory_that_overflows_forgets_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Event that it no longer knows is counted on all the same."""
    monkeypatch.setattr(events, "MOST_KEPT", 1)
    async with client() as (server, cluster):
        recorder = Recorder(cluster)
        for message in ("a", "b", "a"):
            await recorder.record(OWNER, Event("Normal", "Told", message), NOW)
        assert sorted((one["message"], one["count"]) for one in written(server)) == [("a", 2), ("b", 1)]
