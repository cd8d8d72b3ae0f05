"""A SavedModel without Ropewalk's manifest: a Job makes a version of it, which servers load in its place.

The operator never reads a store. A server that was told to load the model reports that it has to be imported; the Job
reports the result. The import is recorded in status before the Job exists (D2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ropewalk.core.conditions import clip
from ropewalk.core.jobs import helper_job
from ropewalk.core.jobs.container_end import PERMANENT, document
from ropewalk.core.jobs.helper_job import AGAIN_AFTER, FAILED, RUNNING, SUCCEEDED
from ropewalk.core.jobs.observed import Attempt, attempt
from ropewalk.core.objects import metadata, name_of, owned
from ropewalk.core.plan import Create, Delete, Effect, Event, Json, Observed, Ref, Requeue
from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.modeldeployment import ModelDeployment
from ropewalk_contract.documents.helper_job import IMPORT
from ropewalk_contract.documents.helper_job_result import HelperJobResult, Imported

from ..observe.pods import Pod
from ..situation import Situation
from ..state import Candidate, DeploymentState, Routes
from ..state import Step as RolloutStep
from ..target import Target, claim_ref
from ..versions import Version, get
from . import job
from . import record as import_record
from .record import Import

NOT_FOUND = api.MODEL_NOT_FOUND


@dataclass(frozen=True, slots=True)
class Step:
    """The record of the import, the version to be served as far as the import goes, and the effects."""

    record: Import | None
    target: Target
    effects: tuple[Effect, ...] = ()
    events: tuple[Event, ...] = ()
    begun: bool = False
    """An intent that has to be stored before anything follows from it."""

    @property
    def given_up(self) -> bool:
        """It failed, and is not tried again by itself."""
        return self.record is not None and self.record.state == FAILED and self.record.final


def step(situation: Situation, aim: Target) -> Step:
    """The next step of an import, if the wanted version needs one."""
    resource, observed, pods, now = situation.resource, situation.observed, situation.pods, situation.now
    status = observed.owner.get("status") or {}
    before = import_record.read(get(status, "imported"))
    record = (
        before if before is not None and before.is_of(resource.spec.model.uri, resource.spec.model.digest) else None
    )
    if "Job" in observed.unknown:
        return Step(record, aim if record is None else _target(record, aim))
    if not resource.spec.model.uri or aim.version is None:
        return Step(None, aim, _stale(resource, observed, None))
    edited = get(status, "observedGeneration") != resource.metadata.generation
    if record is not None and edited and _is_spent(record, status):
        record = None
    stale = _stale(resource, observed, record)
    if record is None:
        if not _says(pods, aim.version, api.NOT_IMPORTED):
            return Step(None, aim, stale)
        return _begun(resource, before, aim, observed, stale, now)
    if record.state == RUNNING:
        return _running(situation, record, aim, stale)
    if _is_due_again(record, pods, now):
        return _begun(resource, record, aim, observed, stale, now)
    return Step(record, _target(record, aim), stale)


def arrived(
    state: DeploymentState, aim: Target, record: Import | None, pods: Sequence[Pod], now: datetime
) -> DeploymentState:
    """The state in which the version takes the place of the directory that it was made of, where nothing answers yet.

    Servers were told to load that directory first, under the same number, and none of them could.
    """
    version, routes = aim.version, state.routes
    if record is None or record.state != SUCCEEDED or version is None or routes is None:
        return state
    told = routes.version(routes.live)
    answers = state.live is not None or any(pod.report is not None and pod.report.live is not None for pod in pods)
    if answers or told is None or told.uri != record.uri.rstrip("/"):
        return state
    anew = Routes(routes.revision + 1, version.served, None, (version,), now, routes.retry)
    return replace(state, routes=anew, candidate=Candidate(version, RolloutStep.LOADING, now))


def _is_spent(record: Import, status: Json) -> bool:
    """True if an edit of the spec makes another try worthwhile: it failed, or its version is in quarantine."""
    if record.state == FAILED:
        return True
    refused = {str(get(entry, "digest")) for entry in status.get("quarantined") or ()}
    return record.version is not None and record.version.identity in refused


def _is_due_again(record: Import, pods: Sequence[Pod], now: datetime) -> bool:
    """A failure that may pass, or a version that was removed since."""
    if record.finished_at is None or now - record.finished_at < AGAIN_AFTER:
        return False
    if record.state == FAILED:
        return not record.final
    return record.version is not None and _says(pods, record.version, NOT_FOUND)


def _says(pods: Sequence[Pod], version: Version, reason: str) -> bool:
    """True if a running pod reports that reason for the version."""
    held = (pod.holds(version) for pod in pods if pod.running)
    return any(one is not None and one.refused and one.reason == reason for one in held)


def _target(record: Import, aim: Target) -> Target:
    if record.state == SUCCEEDED and record.version is not None:
        return Target(record.version, engines=record.engines)
    if record.state == FAILED:
        return Target(None, record.reason, record.message, final=record.final)
    text = f"{record.uri} is being imported" + (f": {record.waiting}: {record.message}" if record.waiting else "")
    return Target(None, api.IMPORTING, text)


def _begun(
    resource: ModelDeployment,
    before: Import | None,
    aim: Target,
    observed: Observed,
    stale: tuple[Effect, ...],
    now: datetime,
) -> Step:
    number = helper_job.next_id(owned(observed.owner, observed.children), before.id if before is not None else 0)
    record = Import(number, str(resource.spec.model.uri), str(resource.spec.model.digest), RUNNING, now)
    return Step(record, _target(record, aim), stale, begun=True)


def _running(situation: Situation, record: Import, aim: Target, stale: tuple[Effect, ...]) -> Step:
    resource, observed, now = situation.resource, situation.observed, situation.now
    children = owned(observed.owner, observed.children)
    name = job.name(resource, record)
    found = attempt(children, name)
    body = job.body(resource, record, observed.config, one_node=situation.on_one_node)
    if found is None:
        made = (Create(job.config_map(resource, record)), Create(body))
        return Step(record, _target(record, aim), (*stale, *made))
    ended = _ended(record, found, now)
    if ended is not None:
        # That it failed is told as every `status.lastFailure` is.
        events = (Event("Normal", api.IMPORTED, ended.message),) if ended.state == SUCCEEDED else ()
        return Step(ended, _target(ended, aim), stale, events, begun=True)
    claim = claim_ref(Version(1, record.uri).claim)
    mounted = {claim: observed.related.get(claim, {})}
    wait = helper_job.waiting(found, (record.waiting, record.message), mounted, now)
    if wait is not None and job.is_outdated(children, body):
        return _begun(resource, record, aim, observed, stale, now)  # what was amended since may be what it waits for
    reason, message = wait or ("", "")
    record = replace(record, waiting=reason, message=message)
    return Step(record, _target(record, aim), stale)


def _ended(record: Import, found: Attempt, now: datetime) -> Import | None:
    """The record with the Job's result; None while it works."""
    ended = found.pod.helper_job if found.pod is not None and found.pod.helper_job.state == "terminated" else None
    if ended is None:
        if found.active:
            return None
        return _failed(record, *_without_a_word(record, found), now)
    if ended.out_of_memory:
        text = "the import exceeded its memory limit; raise spec.serving.resources.limits.memory, which counts for it"
        return _failed(record, api.OUT_OF_MEMORY, text, now, final=True)
    result = HelperJobResult.read(document(ended.message), IMPORT) or HelperJobResult(IMPORT, FAILED)
    made = result.content if isinstance(result.content, Imported) else Imported()
    version = _version(made)
    if ended.exit_code == 0 and result.outcome == SUCCEEDED and version is not None:
        done = replace(record, state=SUCCEEDED, finished_at=now, reason="", waiting="", message=result.message)
        return replace(done, version=version, engines=made.engines)
    reason, text = result.reason, result.message
    stopped = reason == helper_job.TOLD_TO_STOP and helper_job.ran_late(found, job.SECONDS)
    if ended.exit_code == 0 or stopped or not (reason and text):
        reason, text = _without_a_word(record, found)
    return _failed(record, reason, text, now, final=ended.exit_code in PERMANENT)


def _without_a_word(record: Import, found: Attempt) -> tuple[str, str]:
    waited = record.waiting, record.message
    reason, text = helper_job.unread(found, waited, job.SECONDS, "the import")
    if reason != helper_job.DEADLINE:
        return reason, text
    return reason, f"{text}: it needs a faster node (spec.serving.nodeSelector), a faster store or a smaller model"


def _failed(record: Import, reason: str, message: str, now: datetime, *, final: bool = False) -> Import:
    ended = replace(record, state=FAILED, finished_at=now, waiting="", reason=reason, final=final)
    again = "" if final else f"; it is tried again after {int(AGAIN_AFTER.total_seconds())} s"
    return replace(ended, message=clip(message, 560) + again)


def _version(made: Imported) -> Version | None:
    """The version that the Job reports. The report is untrusted: it has to name a place and both digests."""
    number = made.uri.rstrip("/").rsplit("/", 1)[-1]
    if not (made.digest and made.manifest_digest and number.isdecimal() and len(number) <= 9):
        return None
    names = {"version": int(number), "uri": made.uri, "digest": made.digest, "manifestDigest": made.manifest_digest}
    return Version.from_document(names)


def _stale(resource: ModelDeployment, observed: Observed, record: Import | None) -> tuple[Effect, ...]:
    """Jobs and ConfigMaps of imports before this one."""
    last = job.name(resource, record) if record is not None else ""
    found: list[Effect] = []
    for child in _of_imports(owned(observed.owner, observed.children)):
        if name_of(child) != last and not metadata(child).get("deletionTimestamp"):
            ref = Ref(str(child["apiVersion"]), str(child["kind"]), name_of(child))
            found.append(Delete(ref, str(metadata(child).get("uid", ""))))
    return tuple(found)


def _of_imports(children: Iterable[Json]) -> list[Json]:
    return [one for one in children if one.get("kind") in ("Job", "ConfigMap") and job.is_of_one(one)]


def requeue(found: Step, now: datetime) -> tuple[Requeue, ...]:
    """When the import has to be looked at without an event."""
    record = found.record
    if record is None or record.state == SUCCEEDED:
        return ()
    if record.state == RUNNING:
        return (Requeue(10.0, "an import is under way"),)
    if record.final or record.finished_at is None:
        return ()
    pause = max(1.0, (record.finished_at + AGAIN_AFTER - now).total_seconds())
    return (Requeue(pause, "a failed import is tried again"),)


def words(found: Step) -> tuple[str, str] | None:
    """Reason and message of an import that is under way or has failed; None where there is nothing to tell."""
    if found.record is None or found.record.state == SUCCEEDED:
        return None
    return found.target.reason, found.target.message
