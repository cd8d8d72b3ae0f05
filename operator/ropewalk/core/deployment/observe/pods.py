"""A typed view of the servers: kubelet's status of each pod, and the pod's own report.

Only pods owned through our Deployment count (D8). A pod's own words are input from a stranger: bounded, and Unknown
where it did not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from ropewalk.core.conditions import parse_timestamp
from ropewalk.core.plan import Json, Scraped
from ropewalk_contract import wire
from ropewalk_contract.api.modeldeployment import ModelDeployment
from ropewalk_contract.documents.fields import Refused
from ropewalk_contract.documents.status_report import PROVED
from ropewalk_contract.documents.status_report import HeldVersion as Held
from ropewalk_contract.documents.status_report import StatusReport as Report

from ..children.workload import CONTAINER, server_name
from ..versions import Version, get

STATUS_PATH = wire.STATUS_PATH
WINDOWS_PATH = wire.WINDOWS_PATH
BASELINE_PATH = wire.BASELINE_PATH
NUDGE_ANNOTATION = wire.NUDGE_ANNOTATION


@dataclass(frozen=True, slots=True)
class Pod:
    """One server. `report` is None where the pod was not asked, did not answer or gave a report that is refused."""

    name: str
    uid: str
    ip: str
    created: datetime | None
    started: datetime | None
    """When the container that runs now was started."""
    running: bool
    ready: bool
    deleting: bool
    nudge: str
    report: Report | None
    claims: frozenset[str]
    image: str
    """As its spec names it; empty: unknown."""
    raw: Json
    refused: str = ""
    """Why its report cannot be believed, if it gave one."""
    leaves_by: datetime | None = None
    """When it has to be gone, if it is being deleted and its server still runs: it tells its last counts until then."""

    def holds(self, version: Version | None) -> Held | None:
        """Its report on a version; a namesake from another place or with another digest is not that version."""
        if version is None or self.report is None:
            return None
        for held in self.report.versions:
            is_there = held.path in ("", version.path)
            if held.version == version.served and is_there and version.digest in (None, held.digest):
                return held
        return None

    def age(self, now: datetime) -> float:
        """Seconds since its container was started, or it was made; infinite where neither is known."""
        since = self.started or self.created
        return (now - since).total_seconds() if since is not None else inf

    def follows(self, revision: int) -> bool:
        """True if it reports that it follows these routes or later ones."""
        return self.report is not None and self.report.revision >= revision

    def is_stuck_on_a_namesake_of(self, version: Version | None) -> bool:
        """Another model answers under that version's number, and the server does not even try to exchange it."""
        if version is None or self.report is None or self.report.live != version.served:
            return False
        return self.holds(version) is None

    def mounts(self, version: Version) -> bool:
        """It could load that version: the claim that holds it is mounted."""
        return version.claim in self.claims

    def proved(self, version: Version | None) -> bool:
        """It has loaded, verified and tried that version."""
        held = self.holds(version)
        return held is not None and held.state == PROVED

    def serves(self, version: Version | None) -> bool:
        """Requests that name no version are answered by that one."""
        return (
            self.proved(version)
            and self.report is not None
            and version is not None
            and (self.report.live == version.served)
        )


def pods(
    resource: ModelDeployment, children: Iterable[Json], scrapes: Mapping[tuple[str, str], Scraped]
) -> tuple[Pod, ...]:
    """Our pods, oldest first."""
    found = [_pod(child, scrapes) for child in children if child.get("kind") == "Pod" and _is_ours(resource, child)]
    return tuple(sorted(found, key=lambda pod: (str(pod.created or ""), pod.name)))


def _is_ours(resource: ModelDeployment, pod: Json) -> bool:
    for reference in get(pod, "metadata", "ownerReferences") or ():
        name = str(get(reference, "name") or "")
        if get(reference, "controller") and get(reference, "kind") == "ReplicaSet":
            return name.rsplit("-", 1)[0] == server_name(resource)
    return False


def _pod(pod: Json, scrapes: Mapping[tuple[str, str], Scraped]) -> Pod:
    name = str(get(pod, "metadata", "name"))
    status = pod.get("status") or {}
    ready = any(get(one, "type") == "Ready" and get(one, "status") == "True" for one in status.get("conditions") or ())
    server = container_status(pod)
    deletion = get(pod, "metadata", "deletionTimestamp")
    deleting = bool(deletion)
    runs = get(server, "state", "running") is not None
    scraped = scrapes.get((name, STATUS_PATH))
    found, refused = report(scraped.body) if scraped is not None and scraped.body is not None else (None, "")
    return Pod(
        name=name,
        uid=str(get(pod, "metadata", "uid")),
        ip=str(status.get("podIP") or ""),
        created=parse_timestamp(get(pod, "metadata", "creationTimestamp")),
        started=parse_timestamp(get(server, "state", "running", "startedAt")),
        running=runs and not deleting,
        ready=ready and not deleting,
        deleting=deleting,
        nudge=str(get(pod, "metadata", "annotations", NUDGE_ANNOTATION) or ""),
        report=found,
        refused=refused,
        claims=frozenset(
            str(get(volume, "persistentVolumeClaim", "claimName")) for volume in get(pod, "spec", "volumes") or ()
        ),
        image=_image(pod),
        raw=pod,
        leaves_by=parse_timestamp(deletion) if runs else None,
    )


def _image(pod: Json) -> str:
    found = (one for one in get(pod, "spec", "containers") or () if get(one, "name") == CONTAINER)
    return str(get(next(found, None), "image") or "")


def container_status(pod: Json) -> Json | None:
    """kubelet's status of the server's container."""
    for one in get(pod, "status", "containerStatuses") or ():
        if get(one, "name") == CONTAINER:
            return one  # type: ignore[no-any-return]
    return None


def report(body: Any) -> tuple[Report | None, str]:
    """The answer to GET /status, or None and the field for which it cannot be believed."""
    try:
        return Report.read(body), ""
    except Refused as error:
        return None, str(error)
