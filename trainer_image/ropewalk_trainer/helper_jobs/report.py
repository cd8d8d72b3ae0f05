"""The report of a helper job, within the 2,048 bytes of a termination message (D11)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract import reasons
from ropewalk_contract.documents import termination_message
from ropewalk_contract.documents.helper_job_result import Content
from ropewalk_trainer.errors import RunFailure

BLESSED = reasons.BLESSED_REASON
_DETAILS = ("metrics", "engines", "dataFingerprint")


@dataclass(frozen=True)
class Report:
    """How a helper job ended; `failure` where it did a part and then could not go on."""

    reason: str
    message: str
    content: Content | None = None
    failure: RunFailure | None = None


def fitted(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document within the limit.

    The newest version and the newest blessed one, of which one becomes the champion, are cut last: the others lose
    their details, then the oldest of them go. Every version that is left has its uri and digests.
    """
    steps = (_few_details, _fewer_versions, _short_message, _no_details, _one_version, _no_versions)
    return termination_message.fitted(document, [_on_a_copy(one) for one in steps])


def _on_a_copy(shorten: Callable[[dict[str, Any]], None]) -> termination_message.Shorten:
    def step(document: dict[str, Any]) -> dict[str, Any]:
        found = copy.deepcopy(document)
        shorten(found)
        return found

    return step


def _candidates(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    blessed = [one for one in versions if one.get("blessing") == BLESSED]
    return [*versions[:1], *blessed[:1]]


def _few_details(found: dict[str, Any]) -> None:
    versions = found.get("versions") or []
    _strip(found, [one for one in versions if one not in _candidates(versions)])


def _no_details(found: dict[str, Any]) -> None:
    _strip(found, found.get("versions") or [])


def _strip(found: dict[str, Any], versions: list[dict[str, Any]]) -> None:
    for detail in _DETAILS:
        for one in reversed(versions):
            if termination_message.fits(found):
                return
            one.pop(detail, None)


def _fewer_versions(found: dict[str, Any]) -> None:
    versions = found.get("versions") or []
    for one in reversed([one for one in versions if one not in _candidates(versions)]):
        if termination_message.fits(found):
            return
        versions.remove(one)


def _short_message(found: dict[str, Any]) -> None:
    found["message"] = str(found.get("message") or "")[:200]


def _one_version(found: dict[str, Any]) -> None:
    found["versions"] = (found.get("versions") or [])[:1]


def _no_versions(found: dict[str, Any]) -> None:
    found["versions"] = []
