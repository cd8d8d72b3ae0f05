"""One leads at a time, whatever the clocks say, and every beginning of leadership is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ropewalk.shell.lease import DURATION, RENEW_DEADLINE, RETRY, Lease
from tests.shell.fake_api_server import ApiServer, Refusal, client

PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases/ropewalk-operator"


@dataclass
class Clock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def holder(server: ApiServer) -> str:
    """Whom the stored Lease names."""
    return str(server.objects[PATH]["spec"]["holderIdentity"])


async def test_the_first_one_leads_and_the_second_waits() -> None:
    """The Lease is created by the first."""
    async with client() as (server, cluster):
        first, second = Lease("system", "first"), Lease("system", "second")
        assert (await first.turn(cluster), await second.turn(cluster)) == (True, False)
        assert (first.leading(), second.leading(), holder(server)) == (True, False, "first")


async def test_leadership_begins_once_and_goes_on() -> None:
    """A renewal is no beginning."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        assert [await one.turn(cluster) for _ in range(3)] == [True, False, False]
        assert server.objects[PATH]["spec"]["leaseTransitions"] == 0


async def test_a_renewal_is_one_put() -> None:
    """At the resourceVersion of the last answer: the Lease is read once, before it is created."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        for _ in range(4):
            await one.turn(cluster)
        assert [method for method, _ in server.asked] == ["GET", "POST", "PUT", "PUT", "PUT"]


async def test_a_lease_that_someone_wrote_is_read_and_kept() -> None:
    """An annotation, for instance: its writer does not become the holder, and what it wrote stays."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        await one.turn(cluster)
        found = server.objects[PATH]
        server.put(PATH, {**found, "metadata": {**found["metadata"], "annotations": {"a": "b"}}})
        server.asked.clear()
        assert not await one.turn(cluster)
        assert [method for method, _ in server.asked] == ["PUT", "GET", "PUT"]
        assert (one.leading(), holder(server)) == (True, "one")
        assert server.objects[PATH]["metadata"]["annotations"] == {"a": "b"}


async def test_a_deposed_leader_does_not_take_the_lease_back() -> None:
    """It slept until another took over: its renewal is refused, and what it reads names the other one."""
    async with client() as (server, cluster):
        ours, theirs = Clock(), Clock()
        first, second = Lease("system", "first", ours), Lease("system", "second", theirs)
        await first.turn(cluster)
        await second.turn(cluster)
        theirs.now += DURATION + 0.1
        assert await second.turn(cluster)
        ours.now += DURATION + 0.2
        assert not await first.turn(cluster)
        assert (first.leading(), second.leading(), holder(server)) == (False, True, "second")


@pytest.mark.parametrize("error", ["hang up", 500])
async def test_after_an_error_the_lease_is_read(error: Refusal) -> None:
    """The API server may have stored the renewal all the same."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        await one.turn(cluster)
        server.refuse = lambda method, path: error
        await one.turn(cluster)
        server.refuse = lambda method, path: None
        server.asked.clear()
        await one.turn(cluster)
        assert ([method for method, _ in server.asked], one.leading()) == (["GET", "PUT"], True)


async def test_a_lease_that_was_deleted_is_made_again() -> None:
    """Leadership goes on meanwhile."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        await one.turn(cluster)
        del server.objects[PATH]
        assert [await one.turn(cluster) for _ in range(2)] == [False, False]
        assert (one.leading(), holder(server)) == (True, "one")


async def test_without_renewal_it_ends_by_our_own_clock_before_anybody_may_take_it() -> None:
    """After ten seconds; another may write after fifteen of its own."""
    async with client() as (server, cluster):
        ours, theirs = Clock(), Clock(5.0)
        first, second = Lease("system", "first", ours), Lease("system", "second", theirs)
        await first.turn(cluster)
        await second.turn(cluster)
        server.refuse = lambda method, path: 500
        ours.now += RENEW_DEADLINE
        assert not await first.turn(cluster)
        assert not first.leading()
        server.refuse = lambda method, path: None
        theirs.now += DURATION
        assert not await second.turn(cluster)
        theirs.now += 0.1
        assert await second.turn(cluster)
        assert (holder(server), server.objects[PATH]["spec"]["leaseTransitions"]) == ("second", 1)
        assert not await first.turn(cluster)


async def test_a_renewal_that_came_too_late_is_a_new_beginning() -> None:
    """Passes between the deadline and the late answer were dropped: all has to be looked at again."""
    async with client() as (server, cluster):
        clock = Clock()
        one = Lease("system", "one", clock)
        await one.turn(cluster)
        clock.now += 5

        def slow(method: str, _: str) -> Refusal:
            clock.now += 6 if method == "PUT" else 0
            return None

        server.refuse = slow
        assert await one.turn(cluster)
        assert one.leading()


async def test_a_lost_race_for_the_lease_is_no_leadership() -> None:
    """Another wrote between our read and our write."""
    async with client() as (server, cluster):
        await Lease("system", "gone").turn(cluster)
        server.objects[PATH]["spec"]["holderIdentity"] = ""
        one = Lease("system", "one")

        def overtaken(method: str, path: str) -> Refusal:
            if method == "PUT":
                server.put(path, {"spec": {"holderIdentity": "two"}})
            return None

        server.refuse = overtaken
        assert not await one.turn(cluster)
        assert (one.leading(), holder(server)) == (False, "two")


async def test_what_is_given_back_is_free_at_once() -> None:
    """A successor need not wait."""
    async with client() as (_, cluster):
        first, second = Lease("system", "first"), Lease("system", "second")
        await first.turn(cluster)
        await first.release(cluster)
        assert not first.leading()
        assert await second.turn(cluster)


async def test_giving_back_what_cannot_be_reached_ends_quietly() -> None:
    """The process is about to end anyway."""
    async with client() as (server, cluster):
        one = Lease("system", "one")
        await one.turn(cluster)
        server.refuse = lambda method, path: "hang up"
        await one.release(cluster)
        assert not one.leading()


async def test_it_runs_through_a_server_that_hangs_up() -> None:
    """Neither refusals nor dropped connections end the task; leadership begins when there is an answer."""
    async with client() as (server, cluster):
        began = asyncio.Event()
        answers: Iterator[Refusal] = iter(["hang up", 500, 403])
        server.refuse = lambda method, path: next(answers, None)
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        task = asyncio.create_task(Lease("system", "one", pause=pause).run(cluster, began.set))
        try:
            await asyncio.wait_for(began.wait(), 20)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert pauses[:3] == [RETRY] * 3
