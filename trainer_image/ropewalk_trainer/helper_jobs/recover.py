"""Recover: read the versions of a Pipeline whose status is empty from its store; run ids and the champion go on."""

from __future__ import annotations

import logging

from ropewalk_contract import reasons, wire
from ropewalk_contract.documents.helper_job_result import ABSENT, FOREIGN, MAX_VERSIONS, MINE, Recovered, StoredVersion
from ropewalk_trainer.helper_jobs import contents
from ropewalk_trainer.helper_jobs.contents import Damaged, Version
from ropewalk_trainer.helper_jobs.report import BLESSED, Report
from ropewalk_trainer.helper_jobs.task import Task
from ropewalk_trainer.store.layout import Store

MOST_METRICS = 4
log = logging.getLogger(__name__)


def run(task: Task) -> Report:
    """Read the store. Nothing is written, but the owner's uid where another's store is to be adopted."""
    own = Store.of(task.artifacts_uri, task.namespace, task.pipeline)
    uid = contents.owner(own)
    foreign = uid is not None and uid != task.uid
    if foreign and not task.adopt_store:
        text = (
            f"{own.uri} belongs to the Pipeline with uid {uid}; give another spec.artifacts.uri, "
            f"or set the annotation {wire.ADOPT_STORE_ANNOTATION}=true to take it over"
        )
        return Report(reasons.STORE_OWNED_BY_ANOTHER, text, Recovered(FOREIGN))
    versions, unreadable = _versions(own)
    last = max([*contents.numbers(own, contents.RUNS)[:1], *(one.run_id for one in versions)], default=0)
    if foreign:
        own.claim(task.uid, adopt=True)
    if uid is None:
        return Report(reasons.STORE_ABSENT, f"{own.uri} has no owner yet", Recovered(ABSENT, last, unreadable))
    text = f"the store holds {len(versions)} versions, the last run was {last}"
    if foreign:
        text = f"taken over from the Pipeline with uid {uid}: {text}"
    if unreadable:
        text += f"; damaged and left out: {unreadable}"
    rows = tuple(_row(own, one) for one in _told(versions))
    return Report(reasons.RECOVERED, text, Recovered(MINE, last, unreadable, rows, adopted=foreign))


def _versions(own: Store) -> tuple[list[Version], int]:
    """Complete versions, the newest first, and how many others there are."""
    found, unreadable = [], 0
    for number in contents.numbers(own, contents.MODELS):
        try:
            found.append(contents.version(own, number))
        except (Damaged, PermissionError) as error:
            log.warning("version %d is left out: %s", number, error)
            unreadable += 1
    return found, unreadable


def _told(versions: list[Version]) -> list[Version]:
    """The newest, and the newest blessed one even if it is older than these."""
    chosen = versions[:MAX_VERSIONS]
    blessed = next((one for one in versions if one.blessing == BLESSED), None)
    if blessed is None or blessed in chosen:
        return chosen
    return [*chosen[:-1], blessed]


def _row(own: Store, one: Version) -> StoredVersion:
    return StoredVersion(
        version=one.number,
        run_id=one.run_id,
        uri=f"{own.uri}/{contents.MODELS}/{one.number}",
        digest=one.digest,
        manifest_digest=one.manifest_digest,
        blessing=one.blessing,
        engines=one.engines,
        data_fingerprint=one.data_fingerprint,
        metrics=tuple(one.metrics.items())[:MOST_METRICS],
    )
