"""The whole operator against a small API server: it waits for its definitions, outlives errors, and never half dies."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ropewalk.core.plan import Config
from ropewalk.shell import app, lease
from ropewalk.shell.app import Operator, Options
from ropewalk_contract.api.crd import SCHEMA_ANNOTATION, schemas
from tests.polling import eventually_async
from tests.shell.fake_api_server import ApiServer, Refusal, serving

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/ropewalk-system/leases/ropewalk-operator"
PIPELINES = "/apis/ropewalk.dev/v1alpha1/pipelines"
PIPELINE = "/apis/ropewalk.dev/v1alpha1/namespaces/shop/pipelines/churn"
OPTIONS = Options(Config("trainer", "server"), port=0, identity="here")

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed (connector|client session):ResourceWarning")
"""kopf leaves a session to the collector where it is stopped while it still looks around."""


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pauses between tries are short here."""
    monkeypatch.setattr(lease, "RETRY", 0.02)
    monkeypatch.setattr(app, "RESYNC_RETRY", 0.02)
    monkeypatch.setattr(app, "DEFINITIONS_RETRY", 0.02)
    yield
    gc.collect()  # what kopf leaves is its own test's, and no other's


def define(server: ApiServer, name: str, schema: str | None) -> None:
    """Install a definition that carries that schema."""
    annotations = {SCHEMA_ANNOTATION: schema} if schema else {}
    server.put(f"{CRDS}/{name}", {"metadata": {"name": name, "annotations": annotations}})


@asynccontextmanager
async def cluster(defined: bool = True) -> AsyncIterator[ApiServer]:
    """An API server as kopf wants to find it, with our definitions unless told otherwise."""
    async with serving() as server:
        server.put("/api", {"versions": ["v1"]})
        server.put("/apis", {"groups": []})
        server.put("/api/v1", {"resources": []})
        for name, schema in schemas().items() if defined else ():
            define(server, name, schema)
        yield server


@asynccontextmanager
async def running(server: ApiServer) -> AsyncIterator[Operator]:
    """The operator at work, ended afterwards as by a signal."""
    operator = Operator(OPTIONS, server.connection())
    task = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        operator._stop.set()
        await asyncio.wait_for(task, 30)


async def until(holds: Callable[[], Any]) -> None:
    """Wait for `holds`."""
    await eventually_async(holds, seconds=20, pause=0.01)


async def at_work(server: ApiServer) -> None:
    """Wait until it has led for a while and kopf has looked around: ended before that, kopf takes five seconds."""
    await until(lambda: ("GET", "/api/v1") in server.asked)
    renewals = server.asked.count(("PUT", LEASE)) + 3
    await until(lambda: server.asked.count(("PUT", LEASE)) > renewals)


async def test_an_error_while_all_is_listed_is_made_good() -> None:
    """Leadership goes on and the resource is looked at as soon as the list answers."""
    async with cluster() as server:
        server.put(PIPELINE, {"metadata": {"name": "churn", "namespace": "shop", "deletionTimestamp": "now"}})
        troubles: list[Refusal] = [None, "hang up", 500]  # the first is the operator's look at start

        def refuse(_: str, path: str) -> Refusal:
            return troubles.pop(0) if path == PIPELINES and troubles else None

        server.refuse = refuse
        async with running(server):
            await until(lambda: ("GET", PIPELINE) in server.asked)
            server.asked.clear()
            await until(lambda: server.asked.count(("PUT", LEASE)) > 2)


async def test_a_part_that_dies_ends_the_process() -> None:
    """It must not live on without its Lease, healthy to kubelet: a new process begins anew."""
    async with cluster() as server:
        server.put(LEASE, {"spec": {"holderIdentity": "other", "leaseDurationSeconds": "soon"}})
        operator = Operator(OPTIONS, server.connection())
        with pytest.raises(ValueError, match="soon"):
            await asyncio.wait_for(operator.run(), 30)
        assert "task 'lease' failed" in str(operator._ended)


async def test_the_lease_is_given_back_at_the_end() -> None:
    """Its successor need not wait."""
    async with cluster() as server:
        async with running(server):
            await at_work(server)
            assert server.objects[LEASE]["spec"]["holderIdentity"] == "here"
        assert server.objects[LEASE]["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("before", ["missing", None, "0123456789abcdef"])
async def test_it_waits_for_its_definitions(before: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """Unready, alive, with the remedy in a word, told to the log once; and it works as soon as they are there."""
    async with cluster() as server:
        if before == "missing":
            server.objects = {path: one for path, one in server.objects.items() if not path.startswith(CRDS)}
        else:
            define(server, "modeldeployments.ropewalk.dev", before)
        with caplog.at_level(logging.WARNING, "ropewalk"):
            async with running(server) as operator:
                await until(lambda: sum(CRDS in path for _, path in server.asked) > 10)
                why = str(operator._missing)
                assert "ropewalk.dev is missing" in why or "modeldeployments.ropewalk.dev is of another" in why
                assert "`kubectl apply --server-side -k manifests`" in why
                assert LEASE not in server.objects
                for name, schema in schemas().items():
                    define(server, name, schema)
                await at_work(server)
                assert operator._missing is None
        said = [record for record in caplog.records if record.message == "waiting for the resources"]
        assert len(said) == 1


async def test_definitions_that_may_not_be_read_are_no_end_either() -> None:
    """An operator whose rights are older than itself waits for those."""
    async with cluster() as server:
        server.refuse = lambda _, path: 403 if path.startswith(CRDS) else None
        async with running(server) as operator:
            await until(lambda: "403" in str(operator._missing))
            assert "kubectl apply" in str(operator._missing)
            server.refuse = lambda method, path: None
            await at_work(server)
