"""What is not ours is never written: whose object it is, is looked at before it is applied."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from ropewalk.core.plan import Config, ScrapeRequest
from ropewalk.shell.cluster import Cluster, Conflict, NameTaken
from ropewalk.shell.connection import Connection
from ropewalk.shell.queue import Key
from ropewalk.shell.reconcile import Reconciler
from ropewalk.shell.watches import _owners
from ropewalk.shell.write_fence import WriteFence
from tests.core import import_world as importing
from tests.core.deployment_world import CONFIG

PLURALS_HERE = {
    "Pod": "/api/v1/namespaces/demo/pods",
    "ConfigMap": "/api/v1/namespaces/demo/configmaps",
    "Job": "/apis/batch/v1/namespaces/demo/jobs",
    "Deployment": "/apis/apps/v1/namespaces/demo/deployments",
}
EXAMPLE = Path(__file__).parents[2] / "examples" / "tabular" / "modeldeployment.yaml"
SERVICE = "/api/v1/namespaces/demo/services/cancer"
OWNER = "/apis/ropewalk.dev/v1alpha1/namespaces/demo/modeldeployments/cancer"
PIPELINE = "/apis/ropewalk.dev/v1alpha1/namespaces/demo/pipelines/cancer"
DIGEST = f"sha256:{1:064x}"
CHAMPION = {"version": 1, "uri": "pvc://models/x/1", "digest": DIGEST, "manifestDigest": DIGEST}


class Api:
    """Objects by path, as far as an operator's pass asks for them: GET, LIST by label, apply, POST."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[str] = []

    async def get(self, request: web.Request) -> web.Response:
        """An object, or all with a label."""
        selector = request.query.get("labelSelector")
        if selector is None:
            found = self.objects.get(request.path)
            return web.json_response(found or {"reason": "NotFound"}, status=200 if found else 404)
        key, values = selector.removesuffix(")").split(" in (")
        below = [one for path, one in self.objects.items() if path.rpartition("/")[0] == request.path]
        items = [one for one in below if one["metadata"].get("labels", {}).get(key) in values.split(",")]
        return web.json_response({"items": items})

    async def patch(self, request: web.Request) -> web.Response:
        """Apply; a status goes into its object."""
        body = await request.json()
        self.writes.append(request.path)
        if request.path.endswith("/status"):
            owner = self.objects[request.path.removesuffix("/status")]
            owner["status"] = body["status"]
            return web.json_response(owner)
        there = self.objects.get(request.path)
        stated = body["metadata"].get("uid")
        if stated and (there is None or there["metadata"]["uid"] != stated):
            return web.json_response({"reason": "Conflict"}, status=409)
        body["metadata"].setdefault("uid", f"uid-{len(self.writes)}")
        self.objects[request.path] = body
        return web.json_response(body)

    async def post(self, request: web.Request) -> web.Response:
        """An Event."""
        return web.json_response(await request.json())


@pytest.fixture
async def api() -> AsyncIterator[tuple[Api, Cluster]]:
    """The API and a session with it."""
    found = Api()
    app = web.Application()
    app.router.add_get("/{path:.*}", found.get)
    app.router.add_patch("/{path:.*}", found.patch)
    app.router.add_post("/{path:.*}", found.post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    connection = Connection(f"http://{host}:{port}", None, None, None, None, True, False)
    async with Cluster(connection, WriteFence(lambda: True)) as cluster:
        yield found, cluster
    await runner.cleanup()


def body(**owner: Any) -> dict[str, Any]:
    """A Service of a ModelDeployment."""
    reference = {"kind": "ModelDeployment", "name": "cancer", "uid": "md-uid", "controller": True} | owner
    meta = {"name": "cancer", "namespace": "demo", "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {}}


def stored(**meta: Any) -> dict[str, Any]:
    """A Service that is there already."""
    return {"metadata": {"name": "cancer", "uid": "there", **meta}}


async def test_only_what_is_absent_or_ours_is_applied(api: tuple[Api, Cluster]) -> None:
    """Another's object is left as it is; a former namesake's is waited for."""
    found, cluster = api
    await cluster.apply(body(), "demo")
    await cluster.apply(body(), "demo")
    assert found.writes == [SERVICE, SERVICE]
    others = [{}, {"ownerReferences": [{"kind": "App", "name": "cancer", "uid": "app", "controller": True}]}]
    for meta in others:
        found.objects[SERVICE] = stored(**meta)
        with pytest.raises(NameTaken, match="Service cancer exists and is not Ropewalk's"):
            await cluster.apply(body(), "demo")
    found.objects[SERVICE] = stored(ownerReferences=body(uid="a-former-one")["metadata"]["ownerReferences"])
    with pytest.raises(Conflict):
        await cluster.apply(body(), "demo")
    assert found.writes == [SERVICE, SERVICE]


class Silence:
    """No pod answers."""

    async def read(self, namespace: str, request: ScrapeRequest) -> dict[str, Any]:
        """As a network without a way."""
        raise OSError(namespace, request)


async def test_a_service_of_somebody_elses_stalls_the_deployment(api: tuple[Api, Cluster]) -> None:
    """Nothing else is made; the condition names kind, name and remedy, and stays as it is; then it goes on."""
    found, cluster = api
    owner = yaml.safe_load(EXAMPLE.read_text())
    owner["metadata"] |= {"namespace": "demo", "uid": "md-uid", "generation": 1, "resourceVersion": "1"}
    found.objects[OWNER] = owner
    found.objects[PIPELINE] = {"metadata": {"name": "cancer"}, "status": {"champion": CHAMPION}}
    foreign = stored(labels={"app": "web"})
    found.objects[SERVICE] = copy.deepcopy(foreign)
    reconciler = Reconciler(cluster, Config("trainer:1", "server:1"), Silence(), lambda: True)
    key = Key("ModelDeployment", "demo", "cancer")
    await reconciler.reconcile(key)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="Service cancer exists"):
            await reconciler.reconcile(key)
    assert found.objects[SERVICE] == foreign
    assert found.writes == [f"{OWNER}/status"] * 2, "the intent, and why it is not carried out"
    status = found.objects[OWNER]["status"]
    stalled = next(one for one in status["conditions"] if one["type"] == "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "NameTaken")
    assert "delete or rename it, or give ModelDeployment cancer another name" in stalled["message"]
    assert status["summary"]["message"] == stalled["message"]
    del found.objects[SERVICE]
    await reconciler.reconcile(key)
    assert found.objects[SERVICE]["metadata"]["ownerReferences"][0]["uid"] == "md-uid"
    assert "Stalled" not in {one["type"] for one in found.objects[OWNER]["status"]["conditions"]}


async def test_the_pod_of_an_import_is_found_though_its_labels_are_not_the_servers(api: tuple[Api, Cluster]) -> None:
    """By the list of a pass, and by what is heard of it: else its result would never be read."""
    found, cluster = api
    seen = importing.world()
    pod = importing.pod_of(
        importing.until_job(seen), {"terminated": {"exitCode": 64, "message": json.dumps(importing.REFUSED)}}
    )
    seen.owner["metadata"]["resourceVersion"] = "1"
    found.objects[OWNER] = seen.owner
    for (kind, name), one in {**seen.objects, ("Pod", "x"): pod}.items():
        if kind in PLURALS_HERE:
            found.objects[f"{PLURALS_HERE[kind]}/{name}"] = one
    await Reconciler(cluster, CONFIG, Silence(), lambda: True).reconcile(Key("ModelDeployment", "demo", "cancer"))
    assert found.objects[OWNER]["status"]["imported"]["reason"] == "ForbiddenOp"
    assert list(_owners({**pod["metadata"], "namespace": "demo"})) == [Key("ModelDeployment", "demo", "cancer")]
