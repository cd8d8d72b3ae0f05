"""Work on the store outside a run (D14): Recover, what an empty status forgot, and Sweep, what is kept no longer.

A helper job is one small Job of the trainer's image that never imports TensorFlow, one at a time, never beside a run.
Doing one twice is doing it once, so a Job that is gone is simply made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ropewalk.core.conditions import clip, parse_timestamp, timestamp
from ropewalk.core.jobs import helper_job as jobs
from ropewalk.core.jobs.container_end import USER_ERROR
from ropewalk.core.jobs.container_end import document as document_in
from ropewalk.core.jobs.helper_job import AGAIN_AFTER, FAILED, RUNNING, SUCCEEDED
from ropewalk.core.jobs.observed import attempt
from ropewalk.core.objects import metadata, name_of, of_kind
from ropewalk.core.plan import Event, Json, Ref
from ropewalk_contract import reasons
from ropewalk_contract.api.pipeline import PipelineSpec
from ropewalk_contract.documents.helper_job import HelperJobTask, Retention
from ropewalk_contract.documents.helper_job_result import MINE, HelperJobResult, Recovered, StoredVersion, Swept

from ..parts.job import HELPER_JOB_SECONDS
from ..parts.planner import ADOPT_STORE
from ..state import PipelineState
from ..triggers.trigger import annotation
from .record import RECOVER, SWEEP, HelperJob

LOST_AFTER = timedelta(minutes=1)
"""A Pipeline that is younger has had no status to lose: its first run need not wait for a look at the store."""
SWEEP_EVERY = timedelta(days=1)


def waits(owner: Json, state: PipelineState, now: datetime) -> float | None:
    """Seconds until a failed Recover is tried again; nothing is trained over a store that could not be read."""
    last = state.helper_job
    if last is None or last.type != RECOVER or last.state != FAILED or last.finished_at is None:
        return None
    return max(0.0, (last.finished_at + AGAIN_AFTER - now).total_seconds()) or None


def recover_is_due(owner: Json, state: PipelineState, now: datetime) -> bool:
    """Whether status knows of no version although it may once have: lost, or of a store that is to be adopted."""
    if state.champion or any(entry.get("version") for entry in state.history):
        return False
    last = state.helper_job
    if last is not None and last.type == RECOVER and last.state == FAILED:
        return waits(owner, state, now) is None
    if annotation(owner, ADOPT_STORE) == "true":
        return not state.adopted
    born = parse_timestamp(metadata(owner).get("creationTimestamp"))
    return not owner.get("status") and born is not None and now - born > LOST_AFTER


def next_sweep(spec: PipelineSpec, state: PipelineState, now: datetime) -> datetime | None:
    """When the store is to be swept next, `now` if it is time; None while there is no more than is kept."""
    keep = spec.artifacts.keep
    newest = max([int(entry.get("version") or 0) for entry in state.history], default=0)
    if state.next_run_id - 1 <= keep.runs and newest <= keep.versions:
        return None
    if state.swept_at is None:
        return now
    ended = state.run.finished_at if state.run else None
    if not state.sweep_waiting and (ended is None or ended < state.swept_at):
        return None
    return max(now, state.swept_at + SWEEP_EVERY)


def begun(state: PipelineState, kind: str, children: Iterable[Json], now: datetime) -> PipelineState:
    """The ledger with the intent of one."""
    number = jobs.next_id(children, state.helper_job.id if state.helper_job else 0)
    return replace(state, helper_job=HelperJob(number, kind, RUNNING, now))


def document(
    owner: Json, spec: PipelineSpec, state: PipelineState, peers: Iterable[Json], now: datetime
) -> dict[str, Any]:
    """`errand.json`: what the Job is to do, and everything in the store that somebody refers to."""
    assert state.helper_job is not None
    meta, keep = metadata(owner), spec.artifacts.keep
    runs = {int(entry["id"]) for entry in state.history if entry.get("id")}
    rules = Retention(
        keep_runs=keep.runs,
        keep_versions=keep.versions,
        used_runs=frozenset(runs),
        used_versions=frozenset(_versions_in_use(owner, state, peers)),
        now=now.replace(microsecond=0),
        grace=SWEEP_EVERY - timedelta(hours=1),
    )
    task = HelperJobTask(
        type=state.helper_job.type,
        namespace=str(meta.get("namespace", "")),
        pipeline=str(meta.get("name", "")),
        uid=str(meta.get("uid", "")),
        artifacts_uri=spec.artifacts.uri,
        adopt_store=annotation(owner, ADOPT_STORE) == "true",
        rules=rules,
    )
    return task.document()


def _versions_in_use(owner: Json, state: PipelineState, peers: Iterable[Json]) -> set[int]:
    champion = state.champion or {}
    found = [champion, champion.get("replaced")]
    for peer in peers:
        model, status = (peer.get("spec") or {}).get("model") or {}, peer.get("status") or {}
        if model.get("pipeline") == name_of(owner):
            listed = (status.get("routes") or {}).get("versions") or ()
            found += [model, status.get("live"), status.get("candidate"), *listed]
    return {int(one["version"]) for one in found if isinstance(one, dict) and one.get("version")}


def waiting(
    children: Iterable[Json], helper_job: HelperJob, name: str, mounted: Mapping[Ref, Json | None], now: datetime
) -> tuple[str, str] | None:
    """Why the pod of the Job of that name does not run, in a word and in words, empty at first; None once it does."""
    found = attempt(children, name)
    return jobs.waiting(found, (helper_job.waiting, helper_job.message), mounted, now) if found is not None else None


def is_for(children: Iterable[Json], body: Json) -> bool:
    """Whether the Job that was made is the one that would be made now: of the same image, on the same claim."""
    made = next((one for one in of_kind(children, "Job") if name_of(one) == name_of(body)), None)
    return made is None or _asked_of(made) == _asked_of(body)


def _asked_of(body: Json) -> tuple[list[str], list[str]]:
    pod = body["spec"]["template"]["spec"]
    volumes = [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if v.get("persistentVolumeClaim")]
    return volumes, [container["image"] for container in pod["containers"]]


def result(children: Iterable[Json], name: str, helper_job: HelperJob) -> HelperJobResult | None:
    """What became of the Job of that name; None while it works."""
    found = attempt(children, name)
    if found is None:
        return None
    ended = found.pod.helper_job if found.pod else None
    if ended is not None and ended.state == "terminated":
        said = HelperJobResult.read(document_in(ended.message), helper_job.type)
        stopped = said is not None and said.reason == jobs.TOLD_TO_STOP and jobs.ran_late(found, HELPER_JOB_SECONDS)
        if said is not None and not stopped and (ended.exit_code == 0) == (said.outcome == SUCCEEDED):
            return replace(said, exit_code=ended.exit_code or 0)
    elif found.active:
        return None
    why = jobs.unread(found, (helper_job.waiting, helper_job.message), HELPER_JOB_SECONDS, helper_job.type)
    return HelperJobResult.failed(helper_job.type, *why, (ended.exit_code if ended else None) or 1)


def settled(
    owner: Json, spec: PipelineSpec, state: PipelineState, found: HelperJobResult, peers: Iterable[Json], now: datetime
) -> tuple[PipelineState, tuple[Event, ...]]:
    """The ledger after a helper job has ended."""
    helper_job = state.helper_job
    assert helper_job is not None
    failed = found.outcome != SUCCEEDED
    ended = replace(
        helper_job,
        state=FAILED if failed else SUCCEEDED,
        finished_at=now,
        waiting="",
        message=clip(f"{found.reason}: {found.message}" if failed else found.message, 600),
    )
    if helper_job.type == SWEEP:
        waiting = found.content.waiting if isinstance(found.content, Swept) else 0
        state = replace(state, helper_job=ended, swept_at=now, sweep_waiting=waiting)
    elif failed and found.exit_code == USER_ERROR:
        # The run that follows finds the same and says it in its own words.
        state = replace(state, helper_job=replace(ended, state=SUCCEEDED), adopted=True)
    elif failed:
        state = replace(state, helper_job=ended)
    else:
        content = found.content if isinstance(found.content, Recovered) else Recovered()
        state = replace(_recovered(owner, spec, state, content, peers, now), helper_job=ended)
    if failed:
        return state, (Event("Warning", f"{helper_job.type}Failed", ended.message),)
    text = found.message or f"{helper_job.type} of the store of {name_of(owner)} has ended"
    return state, (Event("Normal", f"{helper_job.type}Ended", clip(text, 600)),)


def _recovered(
    owner: Json, spec: PipelineSpec, state: PipelineState, found: Recovered, peers: Iterable[Json], now: datetime
) -> PipelineState:
    """Run ids go on where they were; the champion is the version that followers serve, else the newest blessed one."""
    adopted = state.adopted or annotation(owner, ADOPT_STORE) == "true"
    state = replace(state, adopted=adopted, last_run_id=max(state.last_run_id, found.last_run))
    if found.store != MINE or not found.versions:
        return state
    known = {int(entry.get("id") or 0) for entry in state.history}
    for version in reversed(found.versions):
        if version.run_id not in known:  # Ids are the keys of history, and a store may say one twice.
            known.add(version.run_id)
            state = state.with_history(_entry(version))
    served = {str((peer.get("status") or {}).get("live", {}).get("digest")) for peer in peers if _follows(peer, owner)}
    mine = [one for one in found.versions if one.digest in served]
    blessed = [
        one for one in found.versions if one.blessing == reasons.BLESSED_REASON and spec.promotion == "Automatic"
    ]
    for version in [*mine, *blessed][:1]:
        champion = {**_kept(version), "runId": version.run_id}
        champion |= {"promotedAt": timestamp(now), "reason": "recovered from the store"}
        state = replace(state, champion=champion)
    return state


def _follows(peer: Json, owner: Json) -> bool:
    model = (peer.get("spec") or {}).get("model") or {}
    return bool(model.get("pipeline") == name_of(owner) and not model.get("version"))


def _entry(version: StoredVersion) -> dict[str, Any]:
    return {"id": version.run_id, "result": "Succeeded", "reason": reasons.RECOVERED, **_kept(version)}


def _kept(version: StoredVersion) -> dict[str, Any]:
    document = version.document()
    fields = ("version", "uri", "digest", "manifestDigest", "dataFingerprint", "metrics", "engines")
    return {key: document[key] for key in fields if document[key]}
