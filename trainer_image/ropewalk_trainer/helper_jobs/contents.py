"""What stands in a Pipeline's root, read as something that strangers wrote: no link in it is followed.

User code of a run can write to the store, so a link, a pipe or an endless file may stand where a document is expected.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ropewalk_contract import reasons
from ropewalk_model import FORMAT_VERSION, digests, manifest, store
from ropewalk_model.store import Damaged
from ropewalk_trainer.errors import UserError
from ropewalk_trainer.store.layout import MODELS, OWNER, RUNS, Store

__all__ = ["MODELS", "OWNER", "RUNS", "Damaged", "Version", "names", "numbers", "owner", "version"]

_NUMBER = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(frozen=True)
class Version:
    """A complete version, as its manifest and its evaluation describe it. Empty where they say nothing."""

    number: int
    manifest_digest: str
    digest: str
    run_id: int
    engines: tuple[str, ...]
    data_fingerprint: str
    blessing: str
    metrics: Mapping[str, str]
    """Decimal strings, those that the spec demanded first."""


def owner(own: Store) -> str | None:
    """The uid that the root bears, None if it bears none. UserError if that cannot be told."""
    try:
        document = json.loads(store.read(own.files, OWNER) or b"{}")
        uid = document.get("uid")
    except FileNotFoundError:
        return None
    except (Damaged, ValueError, AttributeError) as error:
        text = f"{own.uri}/{OWNER} is not what Ropewalk writes ({error}); restore it, or remove it to give the store up"
        raise UserError(reasons.STORE_UNREADABLE, text) from error
    return None if uid is None else str(uid)


def numbers(own: Store, folder: str) -> list[int]:
    """Numbers of all that stands in `models` or `runs` under a positive decimal integer, the newest first."""
    return sorted((int(name) for name in names(own, folder) if _NUMBER.fullmatch(name)), reverse=True)


def names(own: Store, folder: str) -> list[str]:
    """Everything in `models` or `runs`; nothing if it does not exist. UserError if it is no real directory."""
    try:
        return own.files.list(folder)
    except Damaged as error:
        text = f"{own.uri}/{folder} is a link or a file; make it a directory again"
        raise UserError(reasons.STORE_UNREADABLE, text) from error


def version(own: Store, number: int) -> Version:
    """The version that stands under `number`. Damaged unless all listed files are there, with their sizes, and no more.

    Contents are not hashed: whoever loads a version does that against the manifest's digest.
    """
    base = f"{MODELS}/{number}"
    try:
        data = store.read(own.files, f"{base}/{manifest.MANIFEST}")
    except FileNotFoundError as error:
        raise Damaged(f"{base} has no manifest") from error
    try:
        document = json.loads(data)
        if document["formatVersion"] != FORMAT_VERSION:
            raise Damaged(f"{base} has formatVersion {document['formatVersion']!r}")
        listed = {str(one["path"]): (int(one["size"]), str(one["sha256"])) for one in document["files"]}
        made_from = dict(document["madeFrom"])
        engines = tuple(str(one["name"])[:32] for one in document["engines"][:5])
        digest = str(document["modelDigest"])[:100]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"the manifest of {base} is malformed") from error
    if _sizes(own, base) != {path: size for path, (size, _) in listed.items()}:
        raise Damaged(f"{base} has other files than its manifest lists")
    evaluation = _evaluation(own, base, listed)
    return Version(
        number=number,
        manifest_digest=digests.of_bytes(data),
        digest=digest,
        run_id=_run_id(made_from.get("runId")),
        engines=engines,
        data_fingerprint=str(made_from.get("dataFingerprint") or "")[:100],
        blessing=str(evaluation.get("blessing") or reasons.NOT_EVALUATED)[:16],
        metrics=_metrics(evaluation),
    )


def _sizes(own: Store, base: str) -> dict[str, int]:
    """Bytes by relative path of all files but the manifest. Damaged if there is a link or something odder."""
    return {path: size for path, size in own.files.sizes(base).items() if path != manifest.MANIFEST}


def _evaluation(own: Store, base: str, listed: Mapping[str, tuple[int, str]]) -> Mapping[str, Any]:
    if manifest.EVALUATION not in listed:
        return {}
    data = store.read(own.files, f"{base}/{manifest.EVALUATION}")
    if digests.of_bytes(data) != listed[manifest.EVALUATION][1]:
        raise Damaged(f"{base}: {manifest.EVALUATION} has another sha256 than its manifest says")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _run_id(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**15 else 0


def _metrics(evaluation: Mapping[str, Any]) -> dict[str, str]:
    found, checks = evaluation.get("metrics"), evaluation.get("checks")
    if not isinstance(found, Mapping):
        return {}
    values = {str(name): value for name, value in found.items() if isinstance(value, (int, float))}
    demanded = [one.get("metric") for one in checks if isinstance(one, Mapping)] if isinstance(checks, list) else []
    ordered = sorted(values, key=lambda name: name not in demanded)
    return {name[:40]: f"{values[name]:.4f}"[:24] for name in ordered if math.isfinite(values[name])}
