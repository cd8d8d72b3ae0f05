"""The bookkeeping of a cluster as plain data, enough to carry out the plans for one Pipeline and to look at it again.

Nothing decides here: a Job is stored, and a test says what became of its pod. A crash can be put before any write.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from ropewalk.core.conditions import timestamp
from ropewalk.core.pipeline import Case
from ropewalk.core.plan import Config, Create, Delete, Effect, Event, Json, Observed, Plan, Ref, Scraped
from ropewalk_contract.api import crd
from ropewalk_contract.api.pipeline import Pipeline, PipelineStatus
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.results import SmokeResult, TrainResult

EXAMPLES = Path(__file__).parents[2] / "examples"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = Config("trainer:1", "server:1", server_tf_image="server-tf:1")
DIGEST = "sha256:" + "a" * 64


STATUS_SCHEMA = crd.schema(Pipeline)["properties"]["status"]


def repeated(value: Any, schema: dict[str, Any], path: str = "status") -> list[str]:
    """Where a list of the value has a key or a member twice that its list type says is there once."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return [found for key, item in value.items() for found in repeated(item, known.get(key, {}), f"{path}.{key}")]
    if not isinstance(value, list):
        return []
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys", ())
    told = [json.dumps([item.get(key) for key in keys] if kind == "map" else item) for item in value]
    twice = [path] if kind in ("map", "set") and len(set(told)) < len(told) else []
    return twice + [found for item in value for found in repeated(item, schema.get("items", {}), f"{path}[]")]


class Crash(Exception):
    """The operator dies at this write."""


def example(name: str, **spec: Any) -> dict[str, Any]:
    """A Pipeline of the examples as the API server would store it, `spec` fields replaced."""
    document = yaml.safe_load((EXAMPLES / name / "pipeline.yaml").read_text())
    document["spec"] |= spec
    Pipeline.model_validate(document)
    document["metadata"] |= {"namespace": "demo", "uid": "5f0c-uid", "generation": 1, "annotations": {}}
    return dict(document)


def trained(blessing: str = "Blessed", **more: Any) -> dict[str, Any]:
    """The termination message of a `train` that succeeded."""
    at = START.timestamp()
    names = ("Source", "Validate", "Preprocess", "Train", "Evaluate", "Publish")
    result = TrainResult(
        outcome="Succeeded",
        stages=tuple((name, "Succeeded", at + n, at + n + 1) for n, name in enumerate(names)),
        metrics=(("accuracy", "0.9649"),),
        blessing=blessing,
        data_fingerprint="sha256:" + "d" * 64,
        record=("pvc://models/ropewalk/demo/runs/1/record.json", DIGEST),
    )
    return {**message(result.document()), **more}


def published(version: int) -> dict[str, Any]:
    """The termination message of a `smoke-test` that claimed `version`."""
    result = SmokeResult(
        outcome="Succeeded",
        version=version,
        uri=f"pvc://models/ropewalk/demo/models/{version}",
        digest=DIGEST,
        manifest_digest="sha256:" + "b" * 64,
        engines=("LiteRT", "OpenVINO"),
    )
    return message(result.document())


def message(document: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a termination message."""
    return dict(json.loads(termination_message.encoded(document)))


class World:
    """One Pipeline, its children, the clock and what a crash interrupts."""

    def __init__(self, owner: dict[str, Any], crash_at: int | None = None) -> None:
        self.owner = owner
        self.now = START
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.created: list[str] = []
        self.deleted: list[str] = []
        self.events: list[Event] = []
        self.missing: set[str] = set()
        self.others: dict[str, dict[str, Any]] = {}
        self.unlisted = False
        """Whether the LIST of the others fails."""
        self.progress: Json | None = None
        self.writes = 0
        self.status_writes = 0
        self.crash_at = crash_at
        self._uids = 0

    # --- the operator ------------------------------------------------------------------------------------------------

    def observe(self) -> Observed:
        """What a pass reads."""
        children = tuple(copy.deepcopy(list(self.objects.values())))
        case = Case(self.owner, CONFIG)
        refs = {ref: self._related(ref) for ref in case.related()}
        answers = {(s.pod, s.path): Scraped(self.progress, None) for s in case.scrapes(children)}
        asked = case.peers()
        followers = tuple(copy.deepcopy(list(self.others.values()))) if asked else ()
        there = None if asked and self.unlisted else followers
        return Observed(copy.deepcopy(self.owner), CONFIG, children, frozenset(), refs, answers, there)

    def look(self) -> Plan:
        """The plan for now, carried out by nobody."""
        observed = self.observe()
        before = copy.deepcopy((observed.owner, observed.children))
        found = Case(observed.owner, CONFIG).plan(observed, self.now)
        assert (observed.owner, observed.children) == before, "a decision changed what it was given"
        return found

    def step(self) -> float | None:
        """One pass; a crash ends it early, and the operator starts again."""
        found = self.look()
        try:
            for effect in found.effects:
                self._write()
                self._do(effect)
            if found.status is not None:
                self._write()
                self._store(found.status)
        except Crash:
            return 0.0
        self.events += found.events
        return found.requeue_after

    def settle(self) -> float | None:
        """Passes until none asks for another at once; then one more changes nothing."""
        for _ in range(30):
            delay = self.step()
            if delay != 0.0:
                rest = self.look()
                assert (rest.effects, rest.status) == ((), None), "the steady state is written again"
                return delay
        raise AssertionError("passes without end")

    def later(self, **span: float) -> float | None:
        """Time passes, then the operator looks."""
        self.now += timedelta(**span)
        return self.settle()

    # --- people ------------------------------------------------------------------------------------------------------

    def edit(self, **spec: Any) -> None:
        """Change fields of the spec."""
        self.owner["spec"] = {**self.owner["spec"], **spec}
        self.owner["metadata"]["generation"] += 1

    def annotate(self, key: str, value: str) -> None:
        """Set an annotation of the Pipeline."""
        self.owner["metadata"]["annotations"][f"ropewalk.dev/{key}"] = value

    # --- kubelet -----------------------------------------------------------------------------------------------------

    def pod(self, train: Json, smoke: Json | None = None, phase: str = "Pending", **status: Any) -> None:
        """The state of the pod of the newest Job: `train` and `smoke` are container states."""
        job = self.job()
        meta = job["metadata"]
        labels = {**job["spec"]["template"]["metadata"]["labels"], "batch.kubernetes.io/job-name": meta["name"]}
        self.objects["Pod", f"{meta['name']}-x"] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{meta['name']}-x", "uid": f"pod-of-{meta['uid']}", "labels": labels},
            "status": {
                "phase": phase,
                "podIP": "10.0.0.9",
                "initContainerStatuses": [{"name": "train", "state": train}],
                "containerStatuses": [
                    {"name": "smoke-test", "state": smoke or {"waiting": {"reason": "PodInitializing"}}}
                ],
                **status,
            },
        }

    def running(self) -> dict[str, Any]:
        """A container state."""
        return {"running": {"startedAt": timestamp(self.now)}}

    def ended(self, code: int, said: Json | str = "", reason: str = "") -> dict[str, Any]:
        """A container state."""
        text = said if isinstance(said, str) else json.dumps(said)
        found = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error"), "message": text}
        return {"terminated": {**found, "startedAt": timestamp(self.now), "finishedAt": timestamp(self.now)}}

    def succeed(self, version: int, train: Json | None = None, smoke: Json | None = None) -> float | None:
        """The newest Job comes to a good end."""
        self.pod(self.ended(0, train or trained()), self.ended(0, smoke or published(version)), "Succeeded")
        self._job_is("Complete")
        return self.settle()

    def fail(self, code: int, said: Json | str = "", reason: str = "", **status: Any) -> float | None:
        """`train` of the newest Job fails."""
        self.pod(self.ended(code, said, reason), None, "Failed", **status)
        self._job_is("Failed", "BackoffLimitExceeded")
        return self.settle()

    def job(self) -> dict[str, Any]:
        """The newest Job that is there."""
        return [o for (kind, _), o in self.objects.items() if kind == "Job"][-1]

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> dict[str, Any]:
        """The stored status."""
        return dict(self.owner.get("status") or {})

    def jobs(self) -> list[str]:
        """Every Job that was ever created, without the stem that is the uid's."""
        return [name.split("-", 2)[2] for name in self.created if name.startswith("rw-")]

    def condition(self, kind: str) -> tuple[str, str] | None:
        """Status and reason of a condition."""
        found = [c for c in self.status.get("conditions", ()) if c["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else None

    def heard(self) -> list[str]:
        """Reasons of all Events."""
        return [event.reason for event in self.events]

    # --- bookkeeping -------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        self.writes += 1
        if self.crash_at is not None and self.writes == self.crash_at:
            raise Crash

    def _store(self, status: Json) -> None:
        written = json.loads(json.dumps(status))
        assert written != self.status, "a status is written that changes nothing"
        parsed = PipelineStatus.model_validate_json(json.dumps(written), strict=True)
        assert parsed.document() == written, "the schema would drop a part of this status"
        assert repeated(written, STATUS_SCHEMA) == [], "the API server refuses a list that has a key twice"
        self.owner["status"] = written
        self.status_writes += 1

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Delete):
            found = self.objects.get((effect.ref.kind, effect.ref.name))
            if found is not None and found["metadata"]["uid"] == effect.uid:
                del self.objects[effect.ref.kind, effect.ref.name]
                self.objects.pop(("Pod", f"{effect.ref.name}-x"), None)
                self.deleted.append(effect.ref.name)
            return
        assert isinstance(effect, Create)
        body = copy.deepcopy(dict(effect.body))
        key = (body["kind"], body["metadata"]["name"])
        if key in self.objects:
            ours = [r["uid"] for r in self.objects[key]["metadata"]["ownerReferences"]]
            assert ours == [self.owner["metadata"]["uid"]], "Conflict"
            return
        self._uids += 1
        body["metadata"] |= {"uid": f"uid-{self._uids}", "creationTimestamp": timestamp(self.now)}
        self.objects[key] = body
        self.created.append(key[1])

    def _job_is(self, kind: str, reason: str = "") -> None:
        self.job()["status"] = {"conditions": [{"type": kind, "status": "True", "reason": reason, "message": ""}]}

    def _related(self, ref: Ref) -> Json | None:
        if ref.kind == "ModelDeployment":
            return self.others.get(ref.name)
        return None if ref.name in self.missing else {"metadata": {"name": ref.name}}
