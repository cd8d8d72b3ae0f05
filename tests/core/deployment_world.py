"""The bookkeeping of a cluster as plain data, enough to carry out the plans for one ModelDeployment.

Servers here do what the routes say as the real ones do (C3): load what is listed, switch when it is proved, keep the
live version otherwise. A crash can be put before any write; every stored status is checked against the schema.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from ropewalk.core.deployment import Case
from ropewalk.core.deployment.observe.pods import BASELINE_PATH, NUDGE_ANNOTATION, STATUS_PATH, WINDOWS_PATH
from ropewalk.core.deployment.requeue import LONG
from ropewalk.core.plan import (
    Annotate,
    Apply,
    Config,
    Create,
    Delete,
    Effect,
    Event,
    Json,
    Observed,
    Plan,
    Ref,
    Scraped,
)
from ropewalk_contract.api.modeldeployment import ModelDeploymentStatus
from ropewalk_contract.documents import windows_page
from ropewalk_contract.documents.baseline_report import BaselineReport
from ropewalk_contract.documents.status_report import HeldVersion, StatusReport
from ropewalk_contract.reasons import RETRIED_BY_SERVERS

EXAMPLES = Path(__file__).parents[2] / "examples"
START = datetime(2026, 1, 2, 3, 4, 0, tzinfo=UTC)
CONFIG = Config("trainer:1", "server:1", server_tf_image="server-tf:1")
QUIET = frozenset({"ServiceAccount", "Service", "PodDisruptionBudget", "NetworkPolicy", "HorizontalPodAutoscaler"})
"""What the shell lists only when it has to (`ropewalk.shell.quiet`)."""


class Crash(Exception):
    """The operator dies at this write."""


def champion(version: int, pipeline: str = "cancer") -> dict[str, Any]:
    """A version as a Pipeline's status names it."""
    digest = f"sha256:{version if pipeline == 'cancer' else version + 4096:064x}"
    uri = f"pvc://models/ropewalk/demo/{pipeline}/models/{version}"
    return {"version": version, "uri": uri, "digest": digest, "manifestDigest": digest}


class Server:
    """One pod: what kubelet and it itself say."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: dict[str, Any] | None = None
        self.live: int | None = None
        self.held: dict[int, dict[str, Any]] = {}
        self.broken: set[int] = set()
        self.faults: dict[str, str] = {}
        """Reasons for which it cannot load what lies at a path."""
        self.started = "2026-01-02T03:04:05Z"
        self.successor: dict[str, Any] | None = None
        self.old = False
        self.deaf = False
        """Its answers do not reach the operator."""
        self.waiting: dict[str, Any] | None = None
        self.silent = False
        self.mute = ""
        """Why its windows cannot be read."""
        self.page_buckets = 1000
        self.lost_before = 0
        self.behind = 0
        """Seconds that its clock is late."""
        self.windows: list[dict[str, Any]] = []
        self.annotations: dict[str, str] = {}
        self.claims: frozenset[str] = frozenset({"models"})
        self.image = ""
        self.extra: dict[str, Any] = {}
        self.deleted: dict[str, str] = {}
        """When it has to be gone, once it is being deleted."""
        self.finished = self.read = False
        """It answers no more predictions; all its counts are known to be kept."""

    def follow(self, routes: dict[str, Any]) -> None:
        """Load what is listed and switch to what is live and proved, as ropewalk_server.serving.versions does.

        A server holds one model a number. A model that takes over the number of the one that answers is loaded beside
        it; an `old` server, of an image before that was so, never takes it.
        """
        if self.waiting is not None or (self.routes is not None and routes["revision"] < self.routes["revision"]):
            return
        self.routes = routes
        listed = {one["version"]: one for one in routes["versions"]}
        for number, held in list(self.held.items()):
            if number != self.live and (number not in listed or self._is_outdated(held, listed[number])):
                del self.held[number]
        self.successor = None
        for number, one in listed.items():
            mine = routes["pilot"] in (None, self.name) or number == routes["live"]
            if number not in self.held and mine:
                self.held[number] = self._loaded(one)
            elif number == self.live and self.held[number]["path"] != one["path"] and mine and not self.old:
                self.successor = self._loaded(one)
        wanted = self.held.get(routes["live"])
        if routes["live"] == self.live and self.successor is not None and self.successor["state"] == "Proved":
            self.held[self.live], self.successor = self.successor, None
        elif wanted is not None and wanted["state"] == "Proved":
            self.live = routes["live"]
        self.held = {n: one for n, one in self.held.items() if n in listed or n == self.live}

    def _is_outdated(self, held: dict[str, Any], route: dict[str, Any]) -> bool:
        assert self.routes is not None
        again = held["reason"] in RETRIED_BY_SERVERS or (not self.old and held["retry"] != self.routes.get("retry", 0))
        return bool(held["path"] != route["path"] or (held["state"] != "Proved" and again))

    def _loaded(self, route: dict[str, Any]) -> dict[str, Any]:
        assert self.routes is not None
        absent = route["path"].split("/")[3] not in self.claims
        reason = "ModelNotFound" if absent else self.faults.get(route["path"], "")
        if not reason and route["version"] in self.broken:
            reason = "TamperedModel"
        return {
            "version": route["version"],
            "digest": route["digest"],
            "path": route["path"],
            "retry": self.routes.get("retry", 0),
            "state": "Failed" if reason else "Proved",
            "engine": "" if reason else "LiteRT",
            "reason": reason,
            "message": "a file has another sha256" if reason else "",
        }

    @property
    def ready(self) -> bool:
        """Answers predictions."""
        return self.live is not None and self.waiting is None

    def pod(self, labels: dict[str, str]) -> dict[str, Any]:
        """The object."""
        state = {"waiting": self.waiting} if self.waiting else {"running": {"startedAt": self.started}}
        owner = {"kind": "ReplicaSet", "name": "cancer-server-abc", "controller": True}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name,
                "uid": f"uid-{self.name}",
                "labels": labels,
                "annotations": dict(self.annotations),
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "ownerReferences": [owner],
                **self.deleted,
            },
            "spec": {
                "containers": [{"name": "server", "image": self.image}],
                "volumes": [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in self.claims],
            },
            "status": {
                "phase": "Running",
                "podIP": "10.0.0.9",
                "conditions": [{"type": "Ready", "status": "True" if self.ready else "False"}],
                "containerStatuses": [{"name": "server", "state": state, "ready": self.ready}],
                **self.extra,
            },
        }


class World:
    """One ModelDeployment, the Pipeline that it follows, its children and its servers."""

    def __init__(self, crash_at: int | None = None, crash_after: bool = False, **spec: Any) -> None:
        self.owner: dict[str, Any] = yaml.safe_load((EXAMPLES / "tabular/modeldeployment.yaml").read_text())
        self.owner["spec"] |= spec
        self.owner["metadata"] |= {"namespace": "demo", "uid": "md-uid", "generation": 1}
        self.pipeline: dict[str, Any] | None = {"status": {"champion": champion(1)}}
        self.claim: dict[str, Any] | None = {"spec": {"accessModes": ["ReadWriteOnce"]}}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.servers: list[Server] = []
        self.leaving: list[Server] = []
        """Pods that are being deleted and still run."""
        self.unread: set[str] = set()
        """Kinds of related objects that cannot be read now."""
        self.config = CONFIG
        self.others: tuple[dict[str, Any], ...] = ()
        self.baseline: dict[str, Any] | None = None
        self.now = START
        self.events: list[Event] = []
        self.writes = 0
        self.crash_at = crash_at
        self.crash_after = crash_after
        self.born = 0
        self.baseline_reads = 0
        self.lives: list[int | None] = []
        self.compared = -1
        """The generation for which all children were compared; none counts as known until then."""
        self.on_new_server: Callable[[Server], object] = lambda server: None

    # --- the operator ------------------------------------------------------------------------------------------------

    def look(self) -> Plan:
        """The plan for now, carried out by nobody."""
        labels = {"ropewalk.dev/modeldeployment": "cancer"}
        pods = tuple(server.pod(labels) for server in (*self.servers, *self.leaving))
        children = (*copy.deepcopy(tuple(self.objects.values())), *pods)
        case = Case(copy.deepcopy(self.owner), self.config)
        answers = {(r.pod, r.path): self._answer(r.pod, r.path) for r in case.scrapes(children)}
        refs = {ref: self._related(ref) for ref in case.related() if ref.kind not in self.unread}
        there = (self.owner, *self.others) if case.peers() else ()
        generation = self.owner["metadata"]["generation"]
        unlisted = QUIET if self.compared == generation or not self.owner.get("status") else frozenset()
        children = tuple(child for child in children if child["kind"] not in unlisted)
        seen = Observed(copy.deepcopy(self.owner), self.config, children, unlisted, refs, answers, there)
        found = case.plan(seen, self.now)
        if found.asserts_children and not unlisted:
            self.compared = generation
        return found

    def step(self) -> float | None:
        """One pass, then the servers do what they were told; a crash ends the pass early."""
        delay = self.step_without_servers()
        self._servers()
        return delay

    def step_without_servers(self) -> float | None:
        """One pass. One that writes status alone and wants no other soon has left it nothing: status wakes nobody."""
        found = self.look()
        try:
            for effect in found.effects:
                self._write(partial(self._do, effect))
            if found.status is not None and found.status != self.owner.get("status"):
                ModelDeploymentStatus.model_validate_json(json.dumps(found.status), strict=True)
                self._write(lambda: self.owner.update(status=json.loads(json.dumps(found.status))))
        except Crash:
            self.compared = -1
            return 0.0
        self.events += found.events
        if not found.effects and (found.requeue_after is None or found.requeue_after > LONG):
            left = [effect for effect in self.look().effects if not _is_kept(effect)]
            assert not left, f"left undone for {found.requeue_after} s: {left}"
        return found.requeue_after

    def settle(self, passes: int = 40, seconds: float = 0.5) -> None:
        """Passes until three in a row change nothing."""
        quiet = 0
        for _ in range(passes):
            before = self.writes
            self.step()
            self.now += timedelta(seconds=seconds)
            quiet = quiet + 1 if self.writes == before else 0
            if quiet == 3:
                return
        raise AssertionError(f"passes without end: {json.dumps(self.owner.get('status'), indent=1)}")

    def delete_server(self) -> Server:
        """The eldest pod is being deleted; another takes its place at once."""
        server = self.servers.pop(0)
        server.deleted = {"deletionTimestamp": (self.now + timedelta(seconds=40)).strftime("%Y-%m-%dT%H:%M:%SZ")}
        self.leaving.append(server)
        return server

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> dict[str, Any]:
        """The stored status."""
        return dict(self.owner.get("status") or {})

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the stored status."""
        return next((c for c in self.status.get("conditions", ()) if c["type"] == kind), {})

    # --- plumbing ----------------------------------------------------------------------------------------------------

    def _write(self, effect: Callable[[], None]) -> None:
        self.writes += 1
        if self.writes == self.crash_at and not self.crash_after:
            raise Crash
        effect()
        if self.writes == self.crash_at:
            raise Crash

    def _do(self, effect: Effect) -> None:
        match effect:
            case Apply(body, "ropewalk-handover"):
                there = self.objects["Deployment", body["metadata"]["name"]]
                assert body["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"], "a stale write"
                assert set(body["spec"]) == {"replicas"}, "nothing else is handed over"
                before = copy.deepcopy(there)
                there["spec"]["replicas"] = body["spec"]["replicas"]
                self._replicas(there, before, "ropewalk-handover")
                there["metadata"]["resourceVersion"] = str(self.writes)
            case Apply(body):
                key = body["kind"], body["metadata"]["name"]
                there = self.objects.get(key, {"metadata": {}})
                stated = body["metadata"].get("resourceVersion")
                assert stated in (None, there["metadata"].get("resourceVersion")), "a stale write"
                applied = json.loads(json.dumps(body))
                if body["kind"] == "Deployment":
                    self._replicas(applied, there)
                applied["metadata"]["resourceVersion"] = str(self.writes)
                without = {**applied["metadata"], "resourceVersion": ""}
                assert {**there["metadata"], "resourceVersion": ""} != without, f"{key}: a write without effect"
                self.objects[key] = applied
            case Annotate(ref, _, key, value):
                assert key == NUDGE_ANNOTATION
                next(s for s in self.servers if s.name == ref.name).annotations[key] = value
            case Create(body):
                made = json.loads(json.dumps(body))
                made["metadata"]["uid"] = f"uid-{body['metadata']['name']}"
                self.objects.setdefault((body["kind"], body["metadata"]["name"]), made)
            case Delete(ref, _):
                self.objects.pop((ref.kind, ref.name), None)
                self.servers = [s for s in self.servers if s.name != ref.name]

    def _replicas(self, applied: dict[str, Any], there: dict[str, Any], manager: str = "ropewalk") -> None:
        """As the API server: a number that its only owner gives up falls back to 1; another owner's stands."""
        before = {one["manager"] for one in there["metadata"].get("managedFields", ())}
        stood = there.get("spec", {}).get("replicas", 1)
        if "replicas" in applied["spec"]:
            owners = {manager} | (before if applied["spec"]["replicas"] == stood else set())
        else:
            owners = before - {manager}
            applied["spec"]["replicas"] = 1 if before and not owners else stood
        owned = {"fieldsV1": {"f:spec": {"f:replicas": {}}}, "operation": "Apply"}
        applied["metadata"]["managedFields"] = [{"manager": one, **owned} for one in sorted(owners)]

    def _servers(self) -> None:
        deployment = self.objects.get(("Deployment", "cancer-server"))
        config = self.objects.get(("ConfigMap", "cancer-routes"))
        if deployment is None or config is None:
            return
        volumes = deployment["spec"]["template"]["spec"]["volumes"]
        claims = frozenset(v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v)
        wanted = int(deployment["spec"]["replicas"])
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        old = [server for server in self.servers if (server.claims, server.image) != (claims, image)]
        surge = 1 if old else 0
        while len(self.servers) < wanted + surge:
            server = Server(f"cancer-server-abc-{self.born}")
            server.claims, server.image = claims, image
            self.born += 1
            self.on_new_server(server)
            self.servers.append(server)
        spare = deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == "100%"
        if len(self.servers) > wanted and (spare or all(server.ready for server in self.servers)):
            self.servers.remove(old[0] if old else self.servers[-1])
        for server in self.servers:
            if not server.silent:
                server.follow(json.loads(config["data"]["routes.json"]))
            self.lives.append(server.live)

    def _answer(self, pod: str, path: str) -> Scraped:
        server = next(s for s in (*self.servers, *self.leaving) if s.name == pod)
        if server.deaf:
            return Scraped(None, "timed out")
        if path == STATUS_PATH:
            revision = server.routes["revision"] if server.routes else 0
            held = [*server.held.values(), *([server.successor] if server.successor else [])]
            rows = tuple(HeldVersion.read(one, "held") for one in held)
            report = StatusReport(revision, server.live, rows, pod=server.name).document()
            if server.old:
                report["versions"] = [{k: v for k, v in one.items() if k != "path"} for one in report["versions"]]
            return Scraped(report, None)
        if path.startswith(WINDOWS_PATH):
            return Scraped(None, server.mute) if server.mute else Scraped(self._page(server, path), None)
        assert path == BASELINE_PATH
        self.baseline_reads += self.baseline is not None
        if server.live is None or self.baseline is None:
            return Scraped(None, "ValueError: HTTP 404")
        return Scraped(BaselineReport(server.live, self.baseline).document(), None)

    def _page(self, server: Server, path: str) -> dict[str, Any]:
        """As `ropewalk_server.telemetry.closed_windows`; `page_buckets` of them fit into one answer."""
        since = int(path.partition("?since=")[2] or 0)
        open_from = (int(self.now.timestamp()) - server.behind) // 10 * 10 + (10 if server.finished else 0)
        server.read = server.finished and all(b["start"] < since for b in server.windows)
        there = sorted((b for b in server.windows if since <= b["start"] < open_from), key=lambda b: b["start"])
        page = there[: server.page_buckets]
        more = len(there) > len(page)
        through = there[len(page)]["start"] if more else open_from
        head = windows_page.head(seconds=10, through=through, more=more, lost_before=server.lost_before)
        return {**head, "buckets": page}

    def _related(self, ref: Ref) -> Json | None:
        if ref.kind == "HorizontalPodAutoscaler":
            return self.objects.get((ref.kind, ref.name))
        return self.pipeline if ref.kind == "Pipeline" else self.claim


def _is_kept(effect: Effect) -> bool:
    """What was counted is kept once a minute, whatever else happens."""
    return isinstance(effect, Apply) and effect.body["metadata"]["name"] in ("cancer-labels", "cancer-baseline")


def serving(**spec: Any) -> World:
    """A world in which version 1 is served."""
    world = World(**spec)
    world.settle()
    assert world.condition("Ready")["status"] == "True", world.status
    return world
