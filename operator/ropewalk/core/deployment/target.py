"""The wanted version: the champion of a Pipeline, a pinned version of one, or a directory with its digest.

Not having an answer is an answer too: it has a reason, and what is live stays live (D7).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ropewalk_contract import wire
from ropewalk_contract.api import conditions as api
from ropewalk_contract.api.modeldeployment import ModelDeployment

from ..conditions import parse_timestamp
from ..plan import Json, Observed, Ref
from .versions import Version, below, get, number_in

CLAIM_NOT_FOUND = api.CLAIM_NOT_FOUND
CLAIM_ONE_POD = api.CLAIM_READ_WRITE_ONCE_POD
UNREADABLE = api.READ_FAILED


@dataclass(frozen=True, slots=True)
class Target:
    """The wanted version, or None with a reason and a message that names the remedy."""

    version: Version | None
    reason: str = ""
    message: str = ""
    final: bool = False
    """Nothing but an edit of the spec or of another object can help."""
    since: datetime | None = None
    """When a Pipeline made it the champion: what went wrong with it before is history."""
    engines: tuple[str, ...] = ()
    """Engines that it was proved on, best first; empty: not known."""


def pipeline_ref(name: str) -> Ref:
    """The Pipeline of that name, in the same namespace (D12)."""
    return Ref(wire.API_VERSION, "Pipeline", name)


def claim_ref(name: str) -> Ref:
    """The PersistentVolumeClaim of that name."""
    return Ref("v1", "PersistentVolumeClaim", name)


def wanted(resource: ModelDeployment, observed: Observed) -> Target:
    """The version that the spec asks for, as far as it is known now."""
    if resource.spec.model.uri:
        document = {
            "version": number_in(resource.spec.model.uri),
            "uri": resource.spec.model.uri,
            "manifestDigest": resource.spec.model.digest,
        }
        version = Version.from_document(document)
        if version is None:
            message = (
                f"spec.model.uri {resource.spec.model.uri} does not name a directory of a claim (pvc://CLAIM/PATH)"
            )
            return Target(None, api.INVALID_SPEC, message, final=True)
        return Target(version)
    ref = pipeline_ref(str(resource.spec.model.pipeline))
    if ref not in observed.related:
        return Target(None, UNREADABLE, f"pipeline {ref.name} could not be read; this is tried again")
    pipeline = observed.related[ref]
    if pipeline is None:
        message = f"pipeline {ref.name} does not exist in namespace {resource.metadata.namespace}"
        return Target(None, api.PIPELINE_NOT_FOUND, message)
    if resource.spec.model.version is not None:
        return _pinned(resource, pipeline, resource.spec.model.version)
    champion = get(pipeline, "status", "champion")
    version = Version.from_document(champion)
    if version is None:
        return Target(None, api.WAITING_FOR_CHAMPION, f"pipeline {ref.name} has no champion yet")
    since = parse_timestamp(get(champion, "promotedAt"))
    return Target(version, since=since, engines=_engines(champion))


def _engines(entry: object) -> tuple[str, ...]:
    found = get(entry, "engines")
    return tuple(str(one) for one in found) if isinstance(found, (list, tuple)) else ()


def _pinned(resource: ModelDeployment, pipeline: Json, number: int) -> Target:
    known = [get(pipeline, "status", "champion"), *_list(pipeline, "history")]
    for entry in known:
        if get(entry, "version") == number and get(entry, "digest"):
            version = Version.from_document({**entry, "uri": entry.get("uri") or _uri(resource, pipeline, number)})
            if version is not None:
                return Target(version, engines=_engines(entry))
    # An older version than status remembers: its place follows from its number; nothing but its own manifest
    # vouches for it.
    version = Version.from_document({"version": number, "uri": _uri(resource, pipeline, number)})
    if version is None:
        message = f"pipeline {resource.spec.model.pipeline} keeps its artifacts at no claim that can be mounted"
        return Target(None, api.VERSION_NOT_FOUND, message)
    return Target(version)


def _uri(resource: ModelDeployment, pipeline: Json, number: int) -> str:
    root = str(get(pipeline, "spec", "artifacts", "uri") or "")
    return below(root, resource.metadata.namespace, str(resource.spec.model.pipeline), "models", str(number))


def _list(pipeline: Json, field: str) -> list[Any]:
    found = get(pipeline, "status", field)
    return list(found) if isinstance(found, (list, tuple)) else []


def claim_problem(version: Version, observed: Observed) -> tuple[str, str] | None:
    """Reason and message if the claim of a version is known to be unusable; a failed read is no evidence."""
    claim = observed.related.get(claim_ref(version.claim), _UNREAD)
    if claim is None:
        return CLAIM_NOT_FOUND, f"claim {version.claim} of version {version.number} does not exist"
    if access_modes(claim) == {"ReadWriteOncePod"}:
        message = f"claim {version.claim} is ReadWriteOncePod: servers and training share it, use ReadWriteOnce"
        return CLAIM_ONE_POD, message
    return None


def access_modes(claim: Json | None) -> set[str]:
    """The access modes that a claim asks for."""
    modes = get(claim, "spec", "accessModes")
    return {str(mode) for mode in modes} if isinstance(modes, (list, tuple)) else set()


def one_node(claims: Collection[str], observed: Observed, before: bool) -> bool:
    """True if a claim can be mounted on one node only. `before` stands where a claim could not be read."""
    known = [observed.related.get(claim_ref(name)) for name in claims]
    if any(claim is None for claim in known):
        return before
    return any(access_modes(claim) <= {"ReadWriteOnce"} for claim in known)


_UNREAD: Json = {}
